//! A planted card is found in its place in every encoding, however the file is cut; what is beside
//! the point is not.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

const PAN: &str = "4444555566661111";
const TRACK_2: &str = "4444555566661111=2912201000000000";
const TRACK_1: &str = "%B4444555566661111^DOE/JOHN^2912201000000000?";
const PIN_BLOCK: &str = "041234BAAAA9999E";

fn guess() -> Search {
    Search::Guess(Rules::default())
}

fn wanting(prefix: &str) -> Search {
    Search::Guess(Rules::new(&[prefix.to_owned()], &[]).unwrap())
}

fn known() -> Search {
    Search::Known(KnownCards::parse(&format!("{PAN},{TRACK_2},{PIN_BLOCK}\n")).unwrap())
}

/// Scans in pieces of this length.
fn scan_in(search: &Search, bytes: &[u8], piece: usize) -> Vec<Finding> {
    let mut scanner = search.scanner();
    let mut found: Vec<_> = bytes.chunks(piece).flat_map(|part| scanner.feed(part)).collect();
    found.extend(scanner.finish());
    found.sort_by_key(|finding| (finding.offset, finding.end));
    found
}

fn scan(search: &Search, bytes: &[u8]) -> Vec<Finding> {
    scan_in(search, bytes, 4096)
}

fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(order).collect()
}

/// Packs hex digits, from the low half of a byte if they are odd in number.
fn packed(text: &str) -> Vec<u8> {
    let text = text.replace('=', "D");
    hex::decode(if text.len().is_multiple_of(2) { text } else { format!("F{text}") }).unwrap()
}

fn grouped(separator: &str) -> String {
    ["4444", "5555", "6666", "1111"].join(separator)
}

/// A planted thing, with neighbours that are no part of it.
fn planted(bytes: &[u8]) -> (usize, Vec<u8>) {
    let before = b"\xFE\xFF id: ~\xC3\xC3";
    (before.len(), [before, bytes, b"\xC3~ and so on"].concat())
}

/// Finds exactly this, wherever the pieces end.
fn finds(search: &Search, bytes: &[u8], kind: Kind, encoding: Encoding) {
    let (offset, file) = planted(bytes);
    for piece in [1, 2, 3, 7, 16, 4096] {
        let found = scan_in(search, &file, piece);
        let of_kind: Vec<_> = found.iter().filter(|finding| finding.kind == kind).collect();
        let [one] = of_kind[..] else { panic!("{kind:?} {encoding:?} by {piece}: {found:?}") };
        assert_eq!((one.encoding, one.offset), (encoding, u64::try_from(offset).unwrap()));
        if kind != Kind::PinBlock {
            assert_eq!(one.masked, "444455******1111");
        }
        let whole = scan_in(search, &file, 4096);
        assert!(found.iter().eq(&whole), "{found:?} by {piece}, {whole:?} at once");
    }
}

fn is_silent(search: &Search, text: impl AsRef<[u8]>) {
    let (_, file) = planted(text.as_ref());
    let found = scan(search, &file);
    assert!(found.is_empty(), "{:?}: {found:?}", String::from_utf8_lossy(text.as_ref()));
}

#[test]
fn a_card_number_is_found_in_every_encoding() {
    for search in [guess(), known()] {
        let number = |bytes: &[u8], encoding| finds(&search, bytes, Kind::Pan, encoding);
        number(PAN.as_bytes(), Encoding::Plain);
        number(grouped(" ").as_bytes(), Encoding::Grouped);
        number(grouped("-").as_bytes(), Encoding::Grouped);
        number(hex::encode(PAN).as_bytes(), Encoding::Hex);
        number(&utf16(PAN, u16::to_le_bytes), Encoding::Utf16);
        number(&utf16(PAN, u16::to_be_bytes), Encoding::Utf16);
        number(STANDARD.encode(PAN).as_bytes(), Encoding::Base64);
        number(URL_SAFE_NO_PAD.encode(PAN).as_bytes(), Encoding::Base64);
    }
    for search in [wanting("444455"), known()] {
        let number = |bytes: &[u8], encoding| finds(&search, bytes, Kind::Pan, encoding);
        number(PAN.chars().rev().collect::<String>().as_bytes(), Encoding::Reversed);
        number(&packed(PAN), Encoding::Packed);
        number(STANDARD.encode(packed(PAN)).as_bytes(), Encoding::Base64Packed);
    }
    let number: u64 = PAN.parse().unwrap();
    finds(&known(), &number.to_be_bytes(), Kind::Pan, Encoding::Integer);
    finds(&known(), &number.to_le_bytes(), Kind::Pan, Encoding::Integer);
}

#[test]
fn tracks_are_found_in_every_encoding() {
    for search in [guess(), known()] {
        let track = |bytes: &[u8], encoding| finds(&search, bytes, Kind::Track2, encoding);
        track(TRACK_2.as_bytes(), Encoding::Plain);
        track(TRACK_2.replace('=', "D").as_bytes(), Encoding::Plain);
        track(TRACK_2.replace('=', "d").as_bytes(), Encoding::Plain);
        track(hex::encode(TRACK_2).as_bytes(), Encoding::Hex);
        track(hex::encode_upper(TRACK_2).as_bytes(), Encoding::Hex);
        track(&utf16(TRACK_2, u16::to_le_bytes), Encoding::Utf16);
        track(&utf16(TRACK_2, u16::to_be_bytes), Encoding::Utf16);
        track(STANDARD.encode(TRACK_2).as_bytes(), Encoding::Base64);
        track(&packed(TRACK_2), Encoding::Packed);
    }
    let (offset, file) = planted(format!(";{TRACK_2}?").as_bytes());
    let found = scan(&guess(), &file);
    assert_eq!((found.len(), found[0].kind), (1, Kind::Track2));
    assert_eq!(found[0].offset, u64::try_from(offset + 1).unwrap());

    for (bytes, encoding) in [
        (TRACK_1.as_bytes().to_vec(), Encoding::Plain),
        (hex::encode(TRACK_1).into_bytes(), Encoding::Hex),
        (utf16(TRACK_1, u16::to_le_bytes), Encoding::Utf16),
        (STANDARD.encode(TRACK_1).into_bytes(), Encoding::Base64),
    ] {
        for piece in [1, 5, 4096] {
            let found = scan_in(&guess(), &planted(&bytes).1, piece);
            let told: Vec<_> = found.iter().map(|one| (one.kind, one.encoding)).collect();
            assert_eq!(told, [(Kind::Track1, encoding)]);
        }
    }
}

#[test]
fn a_listed_pin_block_is_found_and_not_shown() {
    let bytes = hex::decode(PIN_BLOCK).unwrap();
    finds(&known(), &bytes, Kind::PinBlock, Encoding::Packed);
    finds(&known(), PIN_BLOCK.as_bytes(), Kind::PinBlock, Encoding::Hex);
    finds(&known(), PIN_BLOCK.to_lowercase().as_bytes(), Kind::PinBlock, Encoding::Hex);
    finds(&known(), STANDARD.encode(&bytes).as_bytes(), Kind::PinBlock, Encoding::Base64);
    let found = scan(&known(), &bytes);
    assert_eq!(found[0].masked, "(PIN block)");
}

#[test]
fn packed_data_is_found_by_its_tags_and_from_either_half_of_a_byte() {
    let tagged = hex::decode(format!("5A08{PAN}5F2403291231")).unwrap();
    assert_eq!(scan(&guess(), &tagged).len(), 1);
    assert_eq!(scan(&guess(), hex::encode_upper(&tagged).as_bytes()).len(), 1);
    assert_eq!(scan(&guess(), hex::encode(&tagged).as_bytes()).len(), 1);
    let odd = hex::decode("5A08378282246310005F").unwrap();
    assert_eq!(scan(&guess(), &odd)[0].masked, "378282*****0005");
    let track = hex::decode(format!("5711{PAN}D29122010000000000")).unwrap();
    assert_eq!(scan(&guess(), &track)[0].kind, Kind::Track2);
    let shifted = hex::decode(format!("F{PAN}F")).unwrap();
    assert_eq!(scan(&known(), &shifted)[0].encoding, Encoding::Packed);
    let other = hex::decode(format!("F{}2F", &PAN[..15])).unwrap();
    assert!(scan(&known(), &other).is_empty());
}

#[test]
fn base64_is_found_at_every_alignment_and_across_line_ends() {
    for search in [guess(), known()] {
        for before in 0..9 {
            for behind in 0..4 {
                let text = format!("{}|{PAN}|{}", "x".repeat(before), "y".repeat(behind));
                let encoded = format!("key={}", STANDARD.encode(text));
                let found = scan_in(&search, encoded.as_bytes(), 5);
                assert_eq!(found.len(), 1, "{before} {behind}: {found:?}");
                assert_eq!(found[0].encoding, Encoding::Base64);
            }
        }
    }
    let text = STANDARD.encode(format!("a longer text before it, then {PAN} and more"));
    let lines: Vec<_> = text.as_bytes().chunks(19).collect();
    assert_eq!(scan(&guess(), &lines.join(&b"\r\n"[..])).len(), 1);
    let glued = format!("/some/path/{}", STANDARD.encode(format!("pan {PAN}.")));
    assert_eq!(scan(&guess(), glued.as_bytes()).len(), 1);
}

#[test]
fn neighbours_of_a_card_are_not_cards() {
    for search in [guess(), known()] {
        let changed = "4444555566661112";
        is_silent(&search, changed);
        is_silent(&search, format!("{changed}=2912201000000000"));
        is_silent(&search, packed(&format!("{changed}D29122010000000")));
        is_silent(&search, hex::encode(changed));
        is_silent(&search, STANDARD.encode(changed));
        is_silent(&search, utf16(changed, u16::to_le_bytes));
        is_silent(&search, "4444 5555 6666 1112");
        is_silent(&search, "4444 5555-6666 1111");
    }
}

#[test]
fn ids_and_timestamps_are_not_cards() {
    let search = guess();
    for text in [
        // Part of longer digits, before and behind.
        "94444555566661111",
        "44445555666611110",
        "0000000000000000",
        // Times in ms, µs, ns, and in ticks of 100 ns.
        "1795262400000",
        "1795262400000000",
        "1795262400000000000",
        "638999999999999998",
        // Hex: a UUID without dashes, one with, a digest.
        "4444555566661111a0b1c2d3e4f50617",
        "a0b1c2d3e4f506174444555566661111",
        "aaaaaaaa-4444-5555-6666-1111aaaaaaaa",
        "44445555-6666-1111-4444-555566661111",
        "0123456789abcdef4444555566661111fedcba9876543210",
        // A fraction, an amount table, a bar code, an order's name.
        "0.4444555566661111",
        "1234 4444 5555 6666 1111 2345",
        "4006381333931",
        "P00000001001",
    ] {
        is_silent(&search, text);
    }
    // A packed card of a wanted issuer, between other digits.
    assert_eq!(scan(&wanting("444455"), &packed(&format!("1234{PAN}567890"))).len(), 1);
    // Bytes that happen to be digits, with nothing that speaks for a card.
    is_silent(&search, packed(PAN));
    is_silent(&search, PAN.chars().rev().collect::<String>());
}

#[test]
fn a_card_beside_other_columns_and_groups_is_found() {
    for text in [
        "VISA4444555566661111RUB",
        "\"pan\":\"4444555566661111\",",
        "card 4444555566661111.",
        "order 12 4444 5555 6666 1111 09/29",
        "4444 5555 6666 1111 20291231",
        "amex 3782 822463 10005 x",
        "%3B4444555566661111%3D2912",
        "20261121;4444555566661111=2912201?",
    ] {
        let found = scan(&guess(), text.as_bytes());
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
    let twice = format!("{PAN} {PAN}\n{PAN}");
    assert_eq!(scan(&guess(), twice.as_bytes()).len(), 3);
    assert_eq!(scan(&known(), twice.as_bytes()).len(), 3);
    // What no guess can tell, a list can.
    assert_eq!(scan(&known(), format!("9{PAN}9").as_bytes()).len(), 1);
}

#[test]
fn the_first_and_the_last_byte_of_a_file_count() {
    for search in [guess(), known()] {
        assert_eq!(scan(&search, PAN.as_bytes())[0].offset, 0);
        assert_eq!(scan(&search, STANDARD.encode(PAN).as_bytes()).len(), 1);
        assert_eq!(scan(&search, &utf16(PAN, u16::to_le_bytes)).len(), 1);
        assert_eq!(scan(&search, &utf16(PAN, u16::to_be_bytes)).len(), 1);
        assert_eq!(scan(&search, hex::encode(PAN).as_bytes()).len(), 1);
        assert_eq!(scan(&search, grouped(" ").as_bytes()).len(), 1);
        assert!(scan(&search, b"").is_empty());
    }
}

#[test]
fn ignored_prefixes_are_not_reported() {
    let search = Search::Guess(Rules::new(&[], &["444455".to_owned()]).unwrap());
    for text in [PAN, TRACK_2, TRACK_1, &grouped(" ")] {
        is_silent(&search, text);
    }
    assert_eq!(scan(&search, b" 5555555555554444 ").len(), 1);
}

#[test]
fn a_list_says_which_line_is_wrong_and_never_what_stands_there() {
    let error = |text: &str| KnownCards::parse(text).err().unwrap();
    assert_eq!(error("# nothing\n\n"), KnownError::Empty);
    assert_eq!(error(&format!("{PAN}\n44445555\n")), KnownError::Number(2));
    assert_eq!(error(&format!("{PAN},abc\n")), KnownError::Field(1));
    assert_eq!(error(&format!("{PAN},;5555=2912?\n")), KnownError::Field(1));
    assert!(!error("4444555566661111x").to_string().contains("4444"));
    let list = format!("{PAN}\r\n{PAN},,{PIN_BLOCK}\n{PAN}, ;4444555566661111D2912201?\n");
    assert!(KnownCards::parse(&list).is_ok());
}

#[test]
fn masks_show_six_and_four_digits_at_most() {
    assert_eq!(masked(PAN.as_bytes()), "444455******1111");
    assert_eq!(masked(b"378282246310005"), "378282*****0005");
    assert_eq!(masked(b"501800000009"), "501800******");
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_end_well_and_alike(
        bytes in proptest::collection::vec(
            prop_oneof![
                any::<u8>(),
                proptest::char::range('0', '9').prop_map(|c| u8::try_from(c).unwrap()),
                prop::sample::select(b" -=^.DBFa5A\0;?\n".to_vec()),
            ],
            0..600,
        ),
        piece in 1_usize..64,
    ) {
        for search in [guess(), wanting("4"), known()] {
            let whole = scan_in(&search, &bytes, bytes.len().max(1));
            prop_assert_eq!(&whole, &scan_in(&search, &bytes, piece));
            for finding in whole {
                prop_assert!(finding.offset < finding.end);
                prop_assert!(finding.end <= u64::try_from(bytes.len()).unwrap());
            }
        }
    }

    #[test]
    fn a_planted_card_is_found_behind_any_bytes(
        before in proptest::collection::vec(any::<u8>(), 0..200),
        piece in 1_usize..64,
    ) {
        let file = [&before, &b"\n<"[..], PAN.as_bytes(), b">\n"].concat();
        let place = u64::try_from(before.len() + 2).unwrap();
        for search in [guess(), known()] {
            let found = scan_in(&search, &file, piece);
            prop_assert!(found.iter().any(|one| one.offset == place), "{found:?}");
        }
    }
}
