//! Hostile input by the thousand: valid messages with random edits, and pure noise. Nothing
//! panics, and nothing that was spoilt is taken for the original. (`tests/fuzz` goes deeper, by
//! hand.)

use crate::process::repository_file;
use proptest::prelude::*;
use tillgate::crypto::advice::read_clear_advice;
use tillgate::crypto::block_key::BlockKey;
use tillgate::crypto::card_data::ClearCard;
use tillgate::crypto::diagnosis::names_in;
use tillgate::crypto::key_block::unwrap;
use tillgate::crypto::oauth::signed_params;
use tillgate::crypto::oauth_header::Header;
use tillgate::crypto::reader::{
    ChipMessage, Container, MiuraMessage, QrCodeMessage, ReaderMessage, Sealed, SealedPin,
};
use tillgate::crypto::reader_keys::InitialKey;
use tillgate::crypto::scan::KnownCards;
use tillgate::crypto::tlv::{Tag, parse_list};
use tillgate::doors::form::Form;
use tillgate::doors::mapi::{SaleForm, StatusForm};
use tillgate::doors::nexo::wire::{json, secured, xml};
use tillgate::payment::card::EntryMode;
use tillgate::payment::key_set::{Cipher, DataVariant};
use tillgate::payment::ksn::Ksn;
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::reader::ReaderKind;

const TDES: Cipher = Cipher::TdesDukpt(DataVariant::DataRequest);
/// The key of the readers, and one under which no key block was wrapped.
const TRANSPORT: [u8; 16] = *b"a key of nobody!";

/// The message and the clear card data of contract section 14.
const MESSAGE: &str = "E964DFAE6341000102030405060708090A0BD6DCCBD6DA523CC24A394FBE12CBBA66503A6F\
    BD0AA3174656E14EA2877112F4B9FC021A4E1B01072B99327E65343D35D63B72934FDFAE640AFFFF0102628D110000\
    5EDFAE650130DFAE66083130303030343632";
const CARD: &str = "57114444555566661111D291220100000000005F2009544553542F434152445F2403291231";
const HEADER: &str = "OAuth realm=\"\",oauth_version=\"1.0\",oauth_consumer_key=\"login\",\
    oauth_timestamp=\"1690553049\",oauth_nonce=\"2lrRWDbfOoq\",\
    oauth_signature_method=\"HMAC-SHA1\",\
    oauth_signature=\"lYpN%2BRi4u3tcCXJknQGVxlIGKQk%3D\"";
const FORM: &str = "currency=RUB&client_orderid=902B4FF5&amount=10.42&encrypted-data=E92B&\
    encrypted-type=sim&phone-id=F5769D0E&order_desc=no-description&email=v-0.2.32-4&\
    address1=no-address&ipaddress=127.0.0.1&zip_code=123000&city=Moscow&country=RU&\
    login=x&control=cbc89d2a9918e10f6b3eef49d9ed1ef9d18b1c53";

const NEXO: [&str; 4] = [
    "payment-request",
    "login-default-request",
    "cardacquisition-response",
    "transactionstatus-response-inprogress",
];

/// One change to a byte string: replace, insert, delete, or repeat a stretch.
#[derive(Clone, Debug)]
enum Edit {
    Replace(usize, u8),
    Insert(usize, u8),
    Delete(usize, usize),
    Repeat(usize, usize),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let place = any::<prop::sample::Index>().prop_map(|index| index.index(4096));
    let edit = prop_oneof![
        (place.clone(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (place.clone(), any::<u8>()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        (place.clone(), 1_usize..40).prop_map(|(at, length)| Edit::Delete(at, length)),
        (place, 1_usize..40).prop_map(|(at, length)| Edit::Repeat(at, length)),
    ];
    prop::collection::vec(edit, 1..6)
}

fn edited(original: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for edit in edits {
        let length = bytes.len().max(1);
        match *edit {
            Edit::Replace(at, byte) if !bytes.is_empty() => bytes[at % length] = byte,
            Edit::Insert(at, byte) => bytes.insert(at % length.min(bytes.len() + 1), byte),
            Edit::Delete(at, count) if !bytes.is_empty() => {
                let start = at % length;
                bytes.drain(start..(start + count).min(bytes.len()));
            }
            Edit::Repeat(at, count) if !bytes.is_empty() => {
                let start = at % length;
                let stretch = bytes[start..(start + count).min(bytes.len())].to_vec();
                bytes.splice(start..start, stretch);
            }
            _ => {}
        }
    }
    bytes
}

/// Every reader of hostile bytes that the program has.
fn read_everything(bytes: &[u8]) {
    let _ = parse_list(bytes);
    let _ = ClearCard::parse(bytes);
    read_as_nexo(bytes);
    if let Ok(form) = Form::parse(bytes) {
        let _ = SaleForm::read(&form, true);
        let _ = StatusForm::read(&form);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Container::parse(text);
        read_as_any_reader(text);
        let _ = names_in(text);
        let _ = unwrap(&BlockKey::tdes(TRANSPORT), text);
        let _ = KnownCards::parse(text);
        if let Ok(header) = Header::parse(text) {
            let _ = signed_params(&[("a", "b")], &header);
        }
    }
}

/// A message of either encoding, which is written back as what it is.
fn read_as_nexo(bytes: &[u8]) {
    if let Ok(message) = xml::read(bytes) {
        assert!(xml::read(&xml::write(&message)).unwrap() == message);
    }
    if let Ok(message) = json::read(bytes) {
        assert!(json::read(&json::write(&message)).unwrap() == message);
    }
    let _ = secured::recognise(bytes);
}

/// A message of nexo Retailer in both encodings: one of the examples.
fn nexo_example(name: &str) -> [Vec<u8>; 2] {
    ["xml", "json"]
        .map(|ending| repository_file(&format!("tests/nexo/examples/{name}.{ending}")).into())
}

/// The message of any maker's reader, and what its parts open to under a key that is not theirs.
fn read_as_any_reader(text: &str) {
    let key = InitialKey::from_slice(TDES, &TRANSPORT).unwrap();
    for message in
        ReaderKind::ALL.into_iter().filter_map(|kind| ReaderMessage::parse(kind, text).ok())
    {
        let _ = key.open(&message, amount());
        let _ = message.counters(TDES);
        let _ = read_clear_advice(&message.clear);
    }
}

fn amount() -> Amount {
    Amount::from_minor(1042, Currency::from_alpha("RUB").unwrap()).unwrap()
}

/// A chip at a Spire, a stripe at a Miura with two sealed tracks, and a scanned code, each sealed
/// under this key.
fn makers_messages() -> [(ReaderKind, String); 3] {
    let key = InitialKey::from_slice(TDES, &TRANSPORT).unwrap();
    let sealed = |clear: &[u8], counter| {
        let ksn =
            Ksn::from_hex("FFFF0200000000800000").unwrap().with_counter(TDES, counter).unwrap();
        let ciphertext = key.seal(clear, [0; 12], ksn, "20000001", amount()).unwrap();
        Sealed { ksn, ciphertext }
    };
    let track = b";4444555566661111=30121010000000000?";
    let serial = "20000001".to_owned();
    let clear = vec![
        (Tag(0x5A), b"444455******1111".to_vec()),
        (Tag(0x5F20), b"TEST CARD".to_vec()),
        (Tag(0x9F02), hex::decode("000000001042").unwrap()),
        (Tag(0x9F26), vec![7; 8]),
        (Tag(0x9F27), vec![0x80]),
    ];
    let pin = Some(SealedPin { block: vec![9; 8], ksn: sealed(track, 3).ksn });
    let chip = ChipMessage {
        serial: serial.clone(),
        entry_mode: EntryMode::Chip,
        track: Some(sealed(&hex::decode("4444555566661111D30121010000000000").unwrap(), 3)),
        clear: clear.clone(),
        pin,
    };
    let miura = MiuraMessage {
        template: Tag(0xE1),
        serial: serial.clone(),
        entry_mode: EntryMode::Swipe,
        sealed: vec![sealed(track, 4), sealed(track, 5)],
        clear: clear[..2].to_vec(),
        pin: None,
    };
    let code = QrCodeMessage { serial, sealed: sealed(&hex::decode(CARD).unwrap(), 6) };
    [
        (ReaderKind::Spire, chip.write()),
        (ReaderKind::Miura, miura.write()),
        (ReaderKind::QrCode, code.write()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn noise_makes_no_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        read_everything(&bytes);
    }

    #[test]
    fn a_spoilt_message_is_refused_or_read_as_what_it_now_says(edits in edits()) {
        let bytes = edited(MESSAGE.as_bytes(), &edits);
        read_everything(&bytes);
        let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(()) };
        if let Ok(container) = Container::parse(text) {
            let again = Container::parse(&container.write());
            prop_assert_eq!(again.as_ref(), Ok(&container));
        }
    }

    #[test]
    fn a_spoilt_message_of_any_maker_is_refused_or_read_as_what_it_now_says(
        which in 0_usize..3,
        edits in edits(),
    ) {
        let (_, text) = &makers_messages()[which];
        read_everything(&edited(text.as_bytes(), &edits));
        let bytes = edited(&hex::decode(text).unwrap(), &edits);
        read_everything(hex::encode(bytes).as_bytes());
    }

    #[test]
    fn spoilt_card_data_is_refused_or_still_a_valid_card(edits in edits()) {
        let bytes = edited(&hex::decode(CARD).unwrap(), &edits);
        read_everything(&bytes);
        if let Ok(card) = ClearCard::parse(&bytes) {
            prop_assert!((12..=19).contains(&card.pan.expose_digits().len()));
        }
    }

    #[test]
    fn a_spoilt_header_never_carries_the_parameters_of_the_original(edits in edits()) {
        let bytes = edited(HEADER.as_bytes(), &edits);
        read_everything(&bytes);
        let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(()) };
        if let Ok(header) = Header::parse(text) {
            let written = header.write(&header.signature);
            prop_assert_eq!(Header::parse(&written).map(|h| h.nonce), Ok(header.nonce));
        }
    }

    #[test]
    fn a_spoilt_nexo_message_makes_no_reader_panic(
        name in prop::sample::select(&NEXO[..]), edits in edits(),
    ) {
        for original in nexo_example(name) {
            read_everything(&edited(&original, &edits));
        }
    }

    #[test]
    fn a_spoilt_form_makes_no_reader_panic(edits in edits()) {
        read_everything(&edited(FORM.as_bytes(), &edits));
    }
}

#[test]
fn the_originals_are_read() {
    assert!(Container::parse(MESSAGE).is_ok());
    assert!(ClearCard::parse(&hex::decode(CARD).unwrap()).is_ok());
    assert!(Header::parse(HEADER).is_ok());
    let key = InitialKey::from_slice(TDES, &TRANSPORT).unwrap();
    for (kind, text) in makers_messages() {
        let message = ReaderMessage::parse(kind, &text).unwrap();
        let card = ClearCard::parse(&key.open(&message, amount()).unwrap()).unwrap();
        assert_eq!(card.pan.last_four(), "1111", "{kind:?}");
    }
    for name in NEXO {
        let [in_xml, in_json] = nexo_example(name);
        assert!(xml::read(&in_xml).is_ok() && json::read(&in_json).is_ok(), "{name}");
    }
    let form = Form::parse(FORM.as_bytes()).unwrap();
    assert!(SaleForm::read(&form, false).is_ok());
    assert!(StatusForm::read(&form).is_ok());
}
