//! Published blocks, all lengths, every forbidden way, every fault.

use super::*;
use proptest::prelude::*;

const TDES: &str = "0123456789ABCDEFFEDCBA9876543210";
const AES: &str = "AF8CB133A78F8DC2D1359F18527593FB";
const RANDOM: [u8; 16] = [
    0x2F, 0x69, 0xAD, 0xDE, 0x2E, 0x9E, 0x7A, 0xCE, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
];

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

fn pan(text: &str) -> Pan {
    Pan::parse(text).unwrap()
}

/// A card number of this length: 4, then the numerals in turn, then what passes the Luhn check.
fn pan_of(length: usize) -> Pan {
    let body: String = "4123456789012345678".chars().take(length - 1).collect();
    (0..10).find_map(|digit| Pan::parse(&format!("{body}{digit}")).ok()).unwrap()
}

fn key_for(format: PinFormat) -> BlockKey {
    if format == PinFormat::Iso4 { aes(&"5A".repeat(32)) } else { tdes(TDES) }
}

fn allowed(from: PinFormat, to: PinFormat) -> bool {
    from == PinFormat::Iso1 || to != PinFormat::Iso1
}

#[test]
fn the_published_clear_blocks_of_formats_zero_and_three_are_met() {
    // EFTlab's list of PIN blocks (its check digit, which takes no part, put right), the examples
    // of two libraries, and psec's documentation.
    for (number, format, expected) in [
        ("43219876543210983", PinFormat::Iso0, "0412AC89ABCDEF67"),
        ("5432101234567892", PinFormat::Iso0, "041215FEDCBA9876"),
        ("5544332211009963", PinFormat::Iso0, "041277CDDEEFF669"),
    ] {
        let mut block = encrypt_pin("1234", format, &tdes(TDES), &pan(number), RANDOM).unwrap();
        tdes(TDES).decrypt(&mut block).unwrap();
        assert_eq!(hex::encode_upper(block), expected);
    }
    for (number, clear) in
        [("43219876543210983", "3412AC7654321098"), ("5544332211009963", "341277EEEFCCB43C")]
    {
        let mut block = hex::decode(clear).unwrap();
        // EFTlab's block is filled with zeros, which the standard does not allow.
        let fits = clear.starts_with("341277");
        tdes(TDES).encrypt(&mut block).unwrap();
        let held = pin_is(&block, PinFormat::Iso3, &tdes(TDES), &pan(number), "1234");
        assert_eq!(held, if fits { Ok(true) } else { Err(PinError::Fill) });
    }
}

#[test]
fn the_blocks_of_format_four_are_those_of_ansi_x9_24_3() {
    // The supplement's example for the first three keys of the AES-128 test base key.
    let number = pan("4111111111111111");
    for (key, expected) in [
        (AES, "A912150391AB65A67E52883D81CE2D15"),
        ("D30BDC73EC9714B000BEC66BDB7B6D09", "52A00503BD34BA1383F6A7EE9FE2547F"),
        ("7D69F01F3B45449F62C7816ECE723268", "A5A27E82B43A9A866A93D7ABE89CEF93"),
    ] {
        let block = encrypt_pin("1234", PinFormat::Iso4, &aes(key), &number, RANDOM).unwrap();
        assert_eq!(hex::encode_upper(&block), expected);
        assert_eq!(pin_is(&block, PinFormat::Iso4, &aes(key), &number, "1234"), Ok(true));
    }
    let block = hex::decode("21969613F4EB77C208147888EB674457").unwrap();
    let key = aes("D30D421EC808407A61972EDBA36482FF");
    let number = pan("4001234567890120");
    assert_eq!(pin_is(&block, PinFormat::Iso4, &key, &number, "1234"), Ok(true));
}

#[test]
fn every_length_of_pin_and_card_number_comes_through_every_allowed_translation() {
    for pan_length in 12..=19 {
        let number = pan_of(pan_length);
        for pin_length in 4..=12 {
            let pin = &"907856341290"[..pin_length];
            for from in PinFormat::ALL {
                let block = encrypt_pin(pin, from, &key_for(from), &number, RANDOM).unwrap();
                assert_eq!(pin_is(&block, from, &key_for(from), &number, pin), Ok(true));
                assert_eq!(pin_is(&block, from, &key_for(from), &number, "1111"), Ok(false));
                for to in PinFormat::ALL.into_iter().filter(|to| allowed(from, *to)) {
                    let other = if to == PinFormat::Iso4 { aes(AES) } else { tdes(AES) };
                    let own = key_for(from);
                    let ways = ((from, &own), (to, &other));
                    let turned = translate(&block, ways.0, ways.1, &number, [7; 16]).unwrap();
                    assert_eq!(turned.len(), to.block_len());
                    assert_eq!(pin_is(&turned, to, &other, &number, pin), Ok(true));
                }
            }
        }
    }
}

#[test]
fn a_bound_block_is_never_unbound() {
    let number = pan_of(16);
    for from in [PinFormat::Iso0, PinFormat::Iso3, PinFormat::Iso4] {
        // Before its length is looked at, and before its key.
        for block in [&[][..], &[0; 8], &[0; 16]] {
            let (own, other) = (key_for(from), tdes(AES));
            let turned = translate(block, (from, &own), (PinFormat::Iso1, &other), &number, RANDOM);
            assert_eq!(turned, Err(PinError::Forbidden));
        }
    }
}

#[test]
fn a_key_of_the_other_cipher_is_refused_everywhere() {
    let number = pan_of(16);
    for format in PinFormat::ALL {
        let wrong = if format == PinFormat::Iso4 { tdes(TDES) } else { aes(AES) };
        let block = vec![0; format.block_len()];
        let made = encrypt_pin("1234", format, &wrong, &number, RANDOM);
        assert_eq!(made, Err(PinError::Key));
        assert_eq!(pin_is(&block, format, &wrong, &number, "1234"), Err(PinError::Key));
        let own = key_for(format);
        for (one, two) in [(&own, &wrong), (&wrong, &own)] {
            let turned = translate(&block, (format, one), (format, two), &number, RANDOM);
            assert_eq!(turned, Err(PinError::Key));
        }
    }
}

#[test]
fn a_block_of_another_length_is_refused() {
    let number = pan_of(16);
    for format in PinFormat::ALL {
        for length in (0..40).filter(|length| *length != format.block_len()) {
            let block = vec![0; length];
            let held = pin_is(&block, format, &key_for(format), &number, "1234");
            assert_eq!(held, Err(PinError::BlockLength));
            assert_eq!(EncryptedPin::new(format, &block), Err(PinError::BlockLength));
        }
    }
}

#[test]
fn each_spoilt_clear_block_is_refused_by_its_fault() {
    let number = pan("5544332211009963");
    for (format, clear, fault) in [
        (PinFormat::Iso0, "141277CDDEEFF669", PinError::Control),
        (PinFormat::Iso0, "031277CDDEEFF669", PinError::Length),
        (PinFormat::Iso0, "051277CDDEEFF669", PinError::Digit),
        (PinFormat::Iso0, "041277CDDEEFF668", PinError::Fill),
        (PinFormat::Iso3, "041277EEEFCCB43C", PinError::Control),
        (PinFormat::Iso3, "3D1277EEEFCCB43C", PinError::Length),
        (PinFormat::Iso3, "351277EEEFCCB43C", PinError::Digit),
        (PinFormat::Iso3, "341277EEEFCCB4B6", PinError::Fill),
    ] {
        let mut block = hex::decode(clear).unwrap();
        tdes(TDES).encrypt(&mut block).unwrap();
        let held = pin_is(&block, format, &tdes(TDES), &number, "1234");
        assert_eq!(held, Err(fault), "{clear}");
    }
}

#[test]
fn another_card_or_key_or_one_changed_bit_does_not_give_the_pin() {
    let (number, other) = (pan_of(16), pan("4444555566661111"));
    let key = key_for(PinFormat::Iso4);
    let block = encrypt_pin("123456", PinFormat::Iso4, &key, &number, RANDOM).unwrap();
    assert!(pin_is(&block, PinFormat::Iso4, &key, &other, "123456").is_err());
    assert!(pin_is(&block, PinFormat::Iso4, &aes(AES), &number, "123456").is_err());
    for place in 0..block.len() {
        let mut spoilt = block.clone();
        spoilt[place] ^= 1;
        assert!(pin_is(&spoilt, PinFormat::Iso4, &key, &number, "123456").is_err());
    }
    let key = tdes(TDES);
    let block = encrypt_pin("123456", PinFormat::Iso0, &key, &number, RANDOM).unwrap();
    assert_ne!(pin_is(&block, PinFormat::Iso0, &key, &other, "123456"), Ok(true));
}

#[test]
fn names_are_read_back_and_blocks_are_not_printed() {
    for format in PinFormat::ALL {
        assert_eq!(PinFormat::from_name(format.name()), Some(format));
        let pin = EncryptedPin::new(format, &vec![0x77; format.block_len()]).unwrap();
        assert_eq!(format!("{pin:?}"), format!("EncryptedPin({}, ..)", format.name()));
        assert_eq!((pin.format(), pin.block()), (format, &vec![0x77; format.block_len()][..]));
        assert_eq!(format.has_pan(), format != PinFormat::Iso1);
    }
    assert_eq!(PinFormat::from_name("iso2"), None);
}

proptest! {
    #[test]
    fn no_block_makes_the_reader_panic(
        block in proptest::collection::vec(any::<u8>(), 0..20),
        way in (0_usize..4, 0_usize..4),
        random in any::<[u8; 16]>(),
        expected in ".{0,14}",
    ) {
        let (from, to) = (PinFormat::ALL[way.0], PinFormat::ALL[way.1]);
        let (own, other) = (key_for(from), key_for(to));
        let number = pan_of(16);
        let _ = translate(&block, (from, &own), (to, &other), &number, random);
        let _ = pin_is(&block, from, &own, &number, &expected);
        let _ = encrypt_pin(&expected, from, &own, &number, random);
    }

    #[test]
    fn any_pin_with_any_fill_is_read_back(pin in "[0-9]{4,12}", random in any::<[u8; 16]>()) {
        for format in PinFormat::ALL {
            let (key, number) = (key_for(format), pan_of(19));
            let block = encrypt_pin(&pin, format, &key, &number, random).unwrap();
            prop_assert_eq!(pin_is(&block, format, &key, &number, &pin), Ok(true));
        }
    }
}
