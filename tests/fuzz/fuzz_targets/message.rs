#![no_main]

use libfuzzer_sys::fuzz_target;
use tillgate::crypto::card_data::ClearCard;
use tillgate::crypto::reader::Container;
use tillgate::crypto::tlv::parse_list;

fuzz_target!(|bytes: &[u8]| {
    let _ = parse_list(bytes);
    let _ = ClearCard::parse(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Container::parse(text);
    }
    let _ = Container::parse(&hex::encode(bytes));
});
