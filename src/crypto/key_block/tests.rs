//! Published blocks, tampering at every character, limits, and what is refused by name.

use super::*;
use proptest::prelude::*;

const TDES: &str = "DD7515F2BFC17F85CE48F3CA25CB21F6";
const AES256: &str = "88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6";
const KEY: &str = "3F419E1CB7079442AA37474C2EFBF8B8";
const PAD: [u8; PAD_MAX] = [0xC3; PAD_MAX];
/// TR-31:2018, A.7.2.2.
const BLOCK_B: &str =
    "B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E";
/// TR-31:2018, A.7.4.
const BLOCK_D: &str = "D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07\
    156A27E8E31DA05F7425509593D03A457DC34";

fn tdes(text: &str) -> BlockKey {
    BlockKey::from_hex(Algorithm::Tdes, text).unwrap()
}

fn aes(text: &str) -> BlockKey {
    let algorithm = match text.len() {
        32 => Algorithm::Aes128,
        48 => Algorithm::Aes192,
        _ => Algorithm::Aes256,
    };
    BlockKey::from_hex(algorithm, text).unwrap()
}

fn pin_header() -> KeyHeader {
    let version = KeyVersion::parse("07").unwrap();
    KeyHeader::new(KeyUsage::Pin, ModeOfUse::Encrypt, version, Exportability::No).unwrap()
}

fn fault(kbpk: &BlockKey, text: &str) -> KeyBlockError {
    unwrap(kbpk, text).unwrap_err()
}

#[test]
fn published_blocks_are_opened() {
    // TR-31:2018, annex A; a payShield 10k's, as openemv publishes them; psec's.
    let thales = aes(&"41".repeat(32));
    let two = "89E88CF7931444F334BD7547FC3F380C";
    for (kbpk, text, key) in [
        (tdes(TDES), BLOCK_B, KEY),
        (aes(AES256), BLOCK_D, KEY),
        (
            tdes("1D22BF32387C600AD97F9B97A51311AC"),
            "B0104B0TX12S0100KS1800604B120F9292800000BB68BE8680A400D9191AD4ECE45B6E6C0D21C4738A52\
             190E248719E24B433627",
            "E8BC63E5479455E26577F715D587FE68",
        ),
        (
            tdes("EFE0853B256B583D868F251CE99EA1D9"),
            "B0080K0TN00N00001C414014375212C24995E405B5EE052CB92B67F455EA2680F6751088F9F1C228",
            "5DB50B454F8389ADCE573BE50861F2BF",
        ),
        (
            thales,
            "D0112B0TN00N000037DB9B046B7B0048785690759580ABC3B9842AB4BB7717B49E92528E575785D81235\
             59376A2553B27BE94F054F4E971C",
            "1FA1F7CEC798D91545DA8AE0C7796BD9",
        ),
        (
            tdes(two),
            "B0120P0TE12E0100KS1800604B120F9292800000E6E28F097CB0350B2EB2DF520947F779FA34D9759CEE\
             7E0DEEACF8353DB778D47FA4EC20DA3A9754",
            "F039121BEC83D26B169BDCD5B22AAF8F",
        ),
        (
            tdes("AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBB"),
            "B0096M3TC00E0000D578DACC2286C7D10F20DEA88799CA8A2F44E0CC21226A2158D5DC8FD5C78E621327\
             DA956C678808",
            "CCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD",
        ),
    ] {
        let (_, opened) = unwrap(&kbpk, text).unwrap();
        assert_eq!(hex::encode_upper(opened.expose()), key, "{text}");
    }
    let text = "D0144D0AN00N0000127862F945C2DED04530FAF7CDBC8B0BA10C7AA79BD5E0C2C5D6AC173BF588E4B1\
        9ACF1357178D50EA0AB193228E13958304FC6149632DFDCADF3A5B3D57E814";
    let (header, opened) = unwrap(&aes(&"41".repeat(32)), text).unwrap();
    assert_eq!(opened.algorithm(), Algorithm::Aes256);
    assert_eq!(opened.check_value(), [0x0A, 0x00, 0xE3]);
    assert_eq!((header.usage(), header.mode()), (KeyUsage::Data, ModeOfUse::Any));
}

#[test]
fn what_a_published_header_says_is_read() {
    let text = "B0104B0TX12S0100KS1800604B120F9292800000BB68BE8680A400D9191AD4ECE45B6E6C0D21C4738A\
        52190E248719E24B433627";
    let (header, key) = unwrap(&tdes("1D22BF32387C600AD97F9B97A51311AC"), text).unwrap();
    assert_eq!((header.usage(), header.mode()), (KeyUsage::BaseDerivation, ModeOfUse::Derive));
    assert_eq!((header.version().text().as_str(), key.algorithm()), ("12", Algorithm::Tdes));
    assert_eq!(header.exportability(), Exportability::Sensitive);
    assert_eq!(header.optional_text("KS"), Some("00604B120F9292800000"));
    assert_eq!((header.optional().len(), header.optional_text("IK")), (1, None));
    assert_eq!(key.check_value(), [0x9A, 0x42, 0x12]);
}

#[test]
fn every_key_comes_back_and_short_ones_are_hidden_among_long_ones() {
    let protecting = [tdes(TDES), aes(KEY), aes(&"8e73b0f7da0e6452".repeat(3)), aes(AES256)];
    for kbpk in &protecting {
        let mut lengths = Vec::new();
        for key in &protecting {
            let Ok(text) = wrap(kbpk, &pin_header(), key, PAD) else {
                assert!(check_strength(kbpk.algorithm(), key.algorithm()).is_err());
                continue;
            };
            let (header, opened) = unwrap(kbpk, &text).unwrap();
            assert_eq!((opened.algorithm(), opened.expose()), (key.algorithm(), key.expose()));
            assert_eq!(header, pin_header());
            if key.algorithm() != Algorithm::Tdes {
                lengths.push(text.len());
            }
        }
        assert!(lengths.windows(2).all(|pair| pair[0] == pair[1]));
    }
    // As long as blocks of triple-length TDES and of AES-256 keys are elsewhere.
    assert_eq!(wrap(&tdes(TDES), &pin_header(), &tdes(KEY), PAD).unwrap().len(), 96);
    assert_eq!(wrap(&aes(AES256), &pin_header(), &aes(KEY), PAD).unwrap().len(), 144);
    assert_eq!(wrap(&aes(AES256), &pin_header(), &tdes(KEY), PAD).unwrap().len(), 112);
}

#[test]
fn the_pad_changes_every_block() {
    let wrapped = |pad| wrap(&aes(AES256), &pin_header(), &aes(KEY), pad).unwrap();
    assert_eq!(wrapped(PAD), wrapped(PAD));
    assert_ne!(wrapped(PAD)[16..48], wrapped([0; PAD_MAX])[16..48]);
}

#[test]
fn a_change_at_any_character_is_refused() {
    for (kbpk, text) in [(tdes(TDES), BLOCK_B), (aes(AES256), BLOCK_D)] {
        for place in 0..text.len() {
            for other in ["0", "1", "A", "F", "N", "f", "x", " ", "é"] {
                let spoilt = format!("{}{other}{}", &text[..place], &text[place + 1..]);
                assert!(spoilt == text || unwrap(&kbpk, &spoilt).is_err(), "{spoilt}");
            }
        }
        for length in 0..text.len() {
            assert!(unwrap(&kbpk, &text[..length]).is_err());
            let stated = format!("{}{length:04}{}", &text[..1], &text[5..length.max(5)]);
            assert!(unwrap(&kbpk, &stated).is_err());
        }
        assert!(unwrap(&kbpk, &format!("{text}00")).is_err());
    }
}

#[test]
fn optional_blocks_are_authenticated_and_come_back() {
    let long = "x".repeat(300);
    let blocks = [("KS", "00604B120F9292800000"), ("IK", ""), ("TT", long.as_str()), ("10", "~ ")];
    for count in 0..=blocks.len() {
        let some = blocks[..count].iter();
        let some = some.map(|(id, text)| OptionalBlock::new(id, text).unwrap()).collect();
        let header = pin_header().with_optional(some).unwrap();
        for kbpk in [tdes(TDES), aes(AES256)] {
            let text = wrap(&kbpk, &header, &tdes(KEY), PAD).unwrap();
            assert_eq!(text[1..5].parse::<usize>().unwrap(), text.len());
            assert_eq!(unwrap(&kbpk, &text).unwrap().0, header);
            let spoilt = text.replace("00604B", "00604C");
            let expected = if count == 0 { None } else { Some(KeyBlockError::NotAuthentic) };
            assert_eq!(unwrap(&kbpk, &spoilt).err(), expected);
        }
    }
}

#[test]
fn optional_blocks_that_are_not_well_formed_are_refused() {
    let with = |count: &str, blocks: &str| {
        let length = BLOCK_B.len() + blocks.len();
        format!("B{length:04}P0TE00E{count}00{blocks}{}", &BLOCK_B[16..])
    };
    for (count, blocks) in [
        ("01", ""),
        ("0x", ""),
        ("+1", "KS080000"),
        ("01", "KS030000"),
        ("01", "KS0g0000"),
        ("01", "KS0a000000"),
        ("01", "KS090000"),
        ("01", "KSFF0000"),
        ("01", "K_080000"),
        ("02", "KS080000KS080000"),
        ("02", "PB080000KS080000"),
        ("01", "KS000300000C0000"),
        ("01", "KS0002000A000000"),
        ("01", "KS00020009000000"),
        ("99", "KS080000"),
    ] {
        assert_eq!(fault(&tdes(TDES), &with(count, blocks)), KeyBlockError::Optional, "{blocks}");
    }
    for (count, blocks) in [("01", "KS080000"), ("02", "KS080000PB08abcd"), ("01", "PB080000")] {
        let read = fault(&tdes(TDES), &with(count, blocks));
        assert_eq!(read, KeyBlockError::NotAuthentic, "{blocks}");
    }
    for (id, text) in [("PB", ""), ("K", ""), ("KSN", ""), ("é", ""), ("KS", "é"), ("KS", "\n")] {
        assert_eq!(OptionalBlock::new(id, text), None);
    }
    let twice = vec![OptionalBlock::new("KS", "").unwrap(); 2];
    assert_eq!(pin_header().with_optional(twice), Err(KeyBlockError::Optional));
}

#[test]
fn each_field_of_the_header_is_refused_by_its_fault() {
    for (place, other, expected) in [
        (0, "A", KeyBlockError::VersionA),
        (0, "C", KeyBlockError::VersionC),
        (0, "E", KeyBlockError::UnknownVersion),
        (0, "b", KeyBlockError::UnknownVersion),
        (0, "D", KeyBlockError::ProtectionKey),
        (1, "0081", KeyBlockError::Length),
        (1, "+080", KeyBlockError::Length),
        (5, "S0", KeyBlockError::Usage),
        (5, "p0", KeyBlockError::Usage),
        (7, "A", KeyBlockError::NotAuthentic),
        (8, "X", KeyBlockError::Mode),
        (8, "Q", KeyBlockError::Mode),
        (9, "c1", KeyBlockError::KeyVersion),
        (9, "0-", KeyBlockError::KeyVersion),
        (11, "X", KeyBlockError::Exportability),
        (14, "01", KeyBlockError::Reserved),
        (16, "g", KeyBlockError::Hex),
        (18, "b", KeyBlockError::Hex),
        (18, "\u{7f}", KeyBlockError::Text),
    ] {
        let text = format!("{}{other}{}", &BLOCK_B[..place], &BLOCK_B[place + other.len()..]);
        assert_eq!(fault(&tdes(TDES), &text), expected, "{text}");
    }
    assert_eq!(fault(&aes(AES256), BLOCK_B), KeyBlockError::ProtectionKey);
    assert_eq!(fault(&tdes(TDES), ""), KeyBlockError::UnknownVersion);
    assert_eq!(fault(&tdes(TDES), &"B".repeat(TEXT_MAX + 1)), KeyBlockError::Text);
    assert_eq!(fault(&tdes(TDES), "B0016P0TE00E0000"), KeyBlockError::Length);
    assert_eq!(fault(&tdes(TDES), "B0031P0TE00E0000AAAAAAAAAAAAAAA"), KeyBlockError::Hex);
    assert_eq!(fault(&tdes(TDES), "B0034P0TE00E0000AAAAAAAAAAAAAAAAAA"), KeyBlockError::Length);
    assert_eq!(fault(&tdes(KEY), BLOCK_B), KeyBlockError::NotAuthentic);
    assert_eq!(fault(&aes(&AES256.replace('8', "9")), BLOCK_D), KeyBlockError::NotAuthentic);
}

#[test]
fn authentic_blocks_with_keys_of_other_lengths_are_refused() {
    // psec's tests: a single-length TDES key; a length that is no number of bytes; one beyond the
    // data.
    let kbpk = tdes("AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBB");
    let text = "B0096M3TC00E0000B6CD513680EF255FC0DC590726FD0129A7CF6602E7F271631AB4EE7350642F1118\
        1AF4CC12F12FD9";
    assert_eq!(fault(&kbpk, text), KeyBlockError::KeyBits(64));
    let text = "D0112P0AE00E00000DC02E4C2B63120403CC732FB1B17E6D44138E7C341AE7368DEAD6FB4673F25ECFD803\
        F1101F701A7FE8BD3516D3D1BF";
    assert_eq!(fault(&aes(&"45".repeat(16)), text), KeyBlockError::KeyLength);
    for (text, expected) in [
        (
            "B0064M3TC00E0000F74E0A3502C5CEE07342D5DE9E72135E4A81944F80691F0F",
            KeyBlockError::KeyBits(3),
        ),
        (
            "B0064M3TC00E00000398DC96A5DDB0EF61E26F8935173BD478DF9484050A672A",
            KeyBlockError::KeyLength,
        ),
    ] {
        assert_eq!(fault(&tdes(&"45".repeat(16)), text), expected);
    }
    assert_eq!(read_key('R', &[0; 34]).unwrap_err(), KeyBlockError::Algorithm);
    assert_eq!(read_key('A', &[0, 128, 1]).unwrap_err(), KeyBlockError::KeyLength);
    assert_eq!(read_key('A', &[]).unwrap_err(), KeyBlockError::KeyLength);
}

#[test]
fn a_weaker_protection_key_is_refused() {
    for (kbpk, key) in [
        (tdes(TDES), aes(KEY)),
        (aes(KEY), aes(&"11".repeat(24))),
        (aes(&"11".repeat(24)), aes(AES256)),
    ] {
        let made = wrap(&kbpk, &pin_header(), &key, PAD);
        assert_eq!(made, Err(KeyBlockError::TooWeak));
    }
}

#[test]
fn a_block_is_never_longer_than_the_limit() {
    let header = |length| {
        let block = OptionalBlock::new("TT", &"x".repeat(length)).unwrap();
        pin_header().with_optional(vec![block]).unwrap()
    };
    let longest = TEXT_MAX - 16 - 10 - 80;
    let text = wrap(&tdes(TDES), &header(longest), &tdes(KEY), PAD).unwrap();
    assert_eq!(text.len(), TEXT_MAX);
    assert_eq!(unwrap(&tdes(TDES), &text).unwrap().0, header(longest));
    let over = wrap(&tdes(TDES), &header(longest + 1), &tdes(KEY), PAD);
    assert_eq!(over, Err(KeyBlockError::Text));
}

#[test]
fn a_header_is_spelt_and_read_back() {
    for code in ["B0", "B1", "C0", "D0", "E0", "K0", "K1", "M1", "M3", "M6", "P0", "V2"] {
        assert_eq!(KeyUsage::from_code(code).unwrap().code(), code);
    }
    for letter in "BCDEGNVX".chars() {
        assert_eq!(ModeOfUse::from_letter(letter).unwrap().letter(), letter);
    }
    let derives = |mode| {
        KeyHeader::new(KeyUsage::BaseDerivation, mode, KeyVersion::UNUSED, Exportability::No)
    };
    assert!(derives(ModeOfUse::Derive).is_ok());
    assert!(derives(ModeOfUse::Any).is_ok());
    assert_eq!(derives(ModeOfUse::Encrypt), Err(KeyBlockError::Mode));
    for bad in ["", "0", "000", "c0", "é", "0 "] {
        assert_eq!(KeyVersion::parse(bad), None);
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(
        text in "[BD]0[0-9]{3}P0TE00E0[0-3]00(KS[0-9A-F]{2}[0-9]{0,9}){0,3}[0-9A-F]{0,99}|.{0,200}",
        right_length in any::<bool>(),
    ) {
        let fitted = match text.get(5..) {
            Some(rest) if right_length && text.is_char_boundary(1) => {
                format!("{}{:04}{rest}", &text[..1], text.len())
            }
            _ => text,
        };
        let _ = unwrap(&tdes(TDES), &fitted);
        let _ = unwrap(&aes(AES256), &fitted);
    }

    #[test]
    fn any_key_with_any_pad_comes_back(key in any::<[u8; 32]>(), pad in any::<[u8; 30]>()) {
        let key = BlockKey::from_slice(Algorithm::Aes256, &key).unwrap();
        let text = wrap(&aes(AES256), &pin_header(), &key, pad).unwrap();
        let (_, opened) = unwrap(&aes(AES256), &text).unwrap();
        prop_assert_eq!(opened.expose(), key.expose());
    }
}
