//! How a finished message is spoiled: bytes in, bytes out.

use super::script::Deed;
use crate::crypto::reader::ReaderMessage;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const STX: u8 = 0x02;
const ETX: u8 = 0x03;
/// No byte stays what it is.
const NOISE: u8 = 0x5A;

/// Puts as many other bytes in the place of some, wherever they stand: as they are, or written in
/// hexadecimal digits as Spire's chips write their values.
pub(super) fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let written = |bytes: &[u8]| hex::encode_upper(bytes).into_bytes();
    replace_plain(bytes, from, to);
    replace_plain(bytes, &written(from), &written(to));
}

fn replace_plain(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    if from.is_empty() || from.len() != to.len() {
        return;
    }
    for at in 0..bytes.len() {
        let place = bytes.get_mut(at..at + from.len()).filter(|place| *place == from);
        if let Some(place) = place {
            place.copy_from_slice(to);
        }
    }
}

/// Changes every sealed byte.
pub(super) fn garble(bytes: &mut [u8], message: &ReaderMessage) {
    for sealed in &message.sealed {
        let noisy: Vec<_> = sealed.ciphertext.iter().map(|byte| byte ^ NOISE).collect();
        replace(bytes, &sealed.ciphertext, &noisy);
    }
}

/// Turns a masked number into that of another card.
pub(super) fn other_mask(bytes: &mut [u8], masked: &[u8]) {
    let other = |byte: &u8| match byte {
        b'9' => b'0',
        b'0'..=b'8' => byte + 1,
        _ => *byte,
    };
    replace(bytes, masked, &masked.iter().map(other).collect::<Vec<_>>());
}

/// The frame in which a message travels over a serial line; the check byte spans data and end mark.
pub(super) fn framed(bytes: &[u8]) -> Vec<u8> {
    let check = bytes.iter().fold(ETX, |check, byte| check ^ byte);
    [&[STX], bytes, &[ETX, check]].concat()
}

/// The text for `encrypted-data`: upper-case hexadecimal digits, unless the script knows better.
pub(super) fn written(deed: Deed, bytes: &[u8]) -> String {
    let mut text = hex::encode_upper(bytes);
    match deed {
        Deed::HexOfHex => hex::encode_upper(text),
        Deed::Base64 => STANDARD.encode(bytes),
        Deed::LowerCase => text.to_lowercase(),
        Deed::OddDigit => {
            text.pop();
            text
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_replaced_wherever_they_stand_and_however_they_are_written() {
        let mut bytes = b"\xAB\xCD..ABCD..\xAB".to_vec();
        replace(&mut bytes, &[0xAB, 0xCD], &[0x12, 0x34]);
        assert_eq!(bytes, b"\x12\x34..1234..\xAB");
        replace(&mut bytes, &[], &[]);
        replace(&mut bytes, &[0x12], &[]);
        assert_eq!(bytes, b"\x12\x34..1234..\xAB");
    }

    #[test]
    fn a_frame_has_its_marks_and_its_check_byte() {
        assert_eq!(framed(&[0xE9, 0x01, 0x30]), [0x02, 0xE9, 0x01, 0x30, 0x03, 0xDB]);
    }
}
