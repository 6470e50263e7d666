#![no_main]

use libfuzzer_sys::fuzz_target;
use tillgate::crypto::block_key::BlockKey;
use tillgate::crypto::card_data::ClearCard;
use tillgate::crypto::key_block::unwrap;
use tillgate::crypto::reader::ReaderMessage;
use tillgate::crypto::tlv::parse_list;
use tillgate::payment::reader::ReaderKind;

fuzz_target!(|bytes: &[u8]| {
    let _ = parse_list(bytes);
    let _ = ClearCard::parse(bytes);
    for kind in ReaderKind::ALL {
        let _ = ReaderMessage::parse(kind, &hex::encode(bytes));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = unwrap(&BlockKey::tdes(*b"a key of nobody!"), text);
    }
});
