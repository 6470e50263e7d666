#![no_main]

use libfuzzer_sys::fuzz_target;
use tillgate::doors::nexo::wire::{json, secured};

fuzz_target!(|bytes: &[u8]| {
    let _ = secured::recognise(bytes);
    if let Ok(message) = json::read(bytes) {
        assert!(json::read(&json::write(&message)).unwrap() == message);
    }
});
