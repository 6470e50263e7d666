#![no_main]

use libfuzzer_sys::fuzz_target;
use tillgate::doors::nexo::wire::xml;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = xml::read(bytes) {
        assert!(xml::read(&xml::write(&message)).unwrap() == message);
    }
});
