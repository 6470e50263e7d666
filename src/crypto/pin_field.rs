//! The clear PIN and its four fields of ISO 9564-1, before anything is encrypted. Private to
//! [`pin_block`](super::pin_block): a clear PIN never leaves these two files.

use super::pin_block::PinError;
use crate::payment::card::Pan;
use crate::payment::pin_format::PinFormat;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// Digits of the shortest PIN (ISO 9564-1:2017, 8.1).
const PIN_MIN: usize = 4;
/// Digits of the longest PIN.
const PIN_MAX: usize = 12;
/// Half bytes after control and length in which digits and fill stand.
const BODY: usize = 14;
/// Digits of a card number that take part in formats 0 and 3: the last ones before the check digit.
const PAN_PART: usize = 12;
/// Digits of a card number whose length is written as 0 in format 4.
const PAN_MIN: usize = 12;

/// A PIN in the clear, with zeros after its last digit. It wipes itself.
pub(super) struct ClearPin {
    digits: Zeroizing<[u8; PIN_MAX]>,
    length: usize,
}

/// A field of one format: 16 bytes, of which those of a TDES format use the first 8.
pub(super) type Field = Zeroizing<[u8; 16]>;

impl ClearPin {
    /// Reads 4 to 12 ASCII digits.
    pub(super) fn parse(text: &str) -> Result<Self, PinError> {
        let right = (PIN_MIN..=PIN_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit());
        if !right {
            return Err(PinError::NotAPin);
        }
        let mut digits = Zeroizing::new([0; PIN_MAX]);
        for (to, from) in digits.iter_mut().zip(text.bytes()) {
            *to = from - b'0';
        }
        Ok(Self { digits, length: text.len() })
    }

    /// Whether both are the same PIN. How long it takes does not depend on where they differ.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let same_length: Choice = self.length.ct_eq(&other.length);
        (same_length & self.digits.ct_eq(&*other.digits)).into()
    }

    /// Writes the PIN field of a format: control, length, digits and fill; of format 4 with eight
    /// random bytes behind them.
    pub(super) fn write(&self, format: PinFormat, random: &[u8; 16]) -> Field {
        let mut halves = Zeroizing::new([0; BODY]);
        let digits = self.digits.iter().take(self.length);
        let fill = random.iter().map(|byte| match format {
            PinFormat::Iso0 => 0xF,
            PinFormat::Iso1 => byte & 0xF,
            PinFormat::Iso3 => 0xA + byte % 6,
            PinFormat::Iso4 => 0xA,
        });
        for (to, from) in halves.iter_mut().zip(digits.copied().chain(fill)) {
            *to = from;
        }
        let mut field = Zeroizing::new([0; 16]);
        let control = control(format) << 4 | u8::try_from(self.length).unwrap_or_default();
        let body =
            halves.chunks_exact(2).map(|pair| pair.iter().fold(0, |all, one| all << 4 | one));
        for (to, from) in field.iter_mut().zip([control].into_iter().chain(body)) {
            *to = from;
        }
        if format == PinFormat::Iso4 {
            for (to, from) in field.iter_mut().skip(8).zip(random) {
                *to = *from;
            }
        }
        field
    }

    /// Reads a PIN field strictly (ISO 9564-1:2017, 9.3 and 9.4).
    pub(super) fn read(field: &Field, format: PinFormat) -> Result<Self, PinError> {
        let [first, body @ ..] = &**field;
        if first >> 4 != control(format) {
            return Err(PinError::Control);
        }
        let length = usize::from(first & 0xF);
        if !(PIN_MIN..=PIN_MAX).contains(&length) {
            return Err(PinError::Length);
        }
        let mut digits = Zeroizing::new([0; PIN_MAX]);
        let halves = || body.iter().flat_map(|byte| [byte >> 4, byte & 0xF]).take(BODY);
        for (to, from) in digits.iter_mut().zip(halves().take(length)) {
            *to = from;
        }
        if digits.iter().any(|digit| *digit > 9) {
            return Err(PinError::Digit);
        }
        if !halves().skip(length).all(|half| fills(format, half)) {
            return Err(PinError::Fill);
        }
        Ok(Self { digits, length })
    }
}

/// The first half byte of a format's PIN field.
fn control(format: PinFormat) -> u8 {
    match format {
        PinFormat::Iso0 => 0,
        PinFormat::Iso1 => 1,
        PinFormat::Iso3 => 3,
        PinFormat::Iso4 => 4,
    }
}

fn fills(format: PinFormat, half: u8) -> bool {
    match format {
        PinFormat::Iso0 => half == 0xF,
        PinFormat::Iso1 => true,
        PinFormat::Iso3 => half >= 0xA,
        PinFormat::Iso4 => half == 0xA,
    }
}

/// The field that binds a PIN to its card: for formats 0 and 3 the last twelve digits before the
/// check digit, right-aligned in 8 bytes; for format 4 the digits beyond twelve, all digits, and
/// zeros up to 16 bytes; for format 1 zeros.
pub(super) fn pan_field(format: PinFormat, pan: &Pan) -> Field {
    let digits = pan.expose_digits().as_bytes();
    let part = digits.iter().rev().skip(1).take(PAN_PART).rev();
    let mut halves = Zeroizing::new([0; 32]);
    match format {
        PinFormat::Iso1 => {}
        PinFormat::Iso0 | PinFormat::Iso3 => {
            let start = 16 - part.len();
            copy_digits(halves.iter_mut().skip(start), part);
        }
        PinFormat::Iso4 => {
            let beyond = digits.len().saturating_sub(PAN_MIN);
            if let Some(first) = halves.first_mut() {
                *first = u8::try_from(beyond).unwrap_or_default();
            }
            copy_digits(halves.iter_mut().skip(1), digits.iter());
        }
    }
    let mut field = Zeroizing::new([0; 16]);
    for (to, pair) in field.iter_mut().zip(halves.chunks_exact(2)) {
        *to = pair.iter().fold(0, |all, one| all << 4 | one);
    }
    field
}

fn copy_digits<'a>(to: impl Iterator<Item = &'a mut u8>, digits: impl Iterator<Item = &'a u8>) {
    for (to, digit) in to.zip(digits) {
        *to = digit - b'0';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(field: &Field, bytes: usize) -> String {
        hex::encode_upper(&field[..bytes])
    }

    #[test]
    fn pin_fields_are_written_as_published() {
        let pin = ClearPin::parse("1234").unwrap();
        let random: [u8; 16] = std::array::from_fn(|i| u8::try_from(i * 0x11).unwrap());
        for (format, expected) in [
            (PinFormat::Iso0, "041234FFFFFFFFFF"),
            (PinFormat::Iso1, "1412340123456789"),
            (PinFormat::Iso3, "341234AFEDCBAFED"),
        ] {
            let field = pin.write(format, &random);
            assert_eq!(shown(&field, 8), expected);
            assert_eq!(field[8..], [0; 8]);
        }
        let field = pin.write(PinFormat::Iso4, &random);
        assert_eq!(shown(&field, 16), "441234AAAAAAAAAA0011223344556677");
        // An odd number of digits (openemv's own example).
        let field = ClearPin::parse("12345").unwrap().write(PinFormat::Iso4, &random);
        assert_eq!(shown(&field, 8), "4512345AAAAAAAAA");
    }

    #[test]
    fn the_card_number_is_aligned_as_its_format_wants() {
        let pan = |text| Pan::parse(text).unwrap();
        let long = pan("4111111111111111");
        assert_eq!(shown(&pan_field(PinFormat::Iso0, &long), 8), "0000111111111111");
        assert_eq!(shown(&pan_field(PinFormat::Iso1, &long), 16), "0".repeat(32));
        let expected = "44111111111111111000000000000000";
        assert_eq!(shown(&pan_field(PinFormat::Iso4, &long), 16), expected);
        let short = pan("123456789015");
        assert_eq!(shown(&pan_field(PinFormat::Iso3, &short), 8), "0000012345678901");
        let expected = "01234567890150000000000000000000";
        assert_eq!(shown(&pan_field(PinFormat::Iso4, &short), 16), expected);
    }

    #[test]
    fn each_fault_of_a_field_has_its_name() {
        for (format, text, fault) in [
            (PinFormat::Iso0, "141234FFFFFFFFFF", PinError::Control),
            (PinFormat::Iso0, "031234FFFFFFFFFF", PinError::Length),
            (PinFormat::Iso0, "0D1234FFFFFFFFFF", PinError::Length),
            (PinFormat::Iso0, "04123AFFFFFFFFFF", PinError::Digit),
            (PinFormat::Iso0, "051234FFFFFFFFFF", PinError::Digit),
            (PinFormat::Iso0, "041234FFFFFFFFFE", PinError::Fill),
            (PinFormat::Iso0, "041234EFFFFFFFFF", PinError::Fill),
            (PinFormat::Iso1, "341234FFFFFFFFFF", PinError::Control),
            (PinFormat::Iso1, "12123412341234FF", PinError::Length),
            (PinFormat::Iso1, "14F2341234123412", PinError::Digit),
            (PinFormat::Iso3, "041234AAAAAAAAAA", PinError::Control),
            (PinFormat::Iso3, "3F1234AAAAAAAAAA", PinError::Length),
            (PinFormat::Iso3, "3412B4AAAAAAAAAA", PinError::Digit),
            (PinFormat::Iso3, "341234AAAAAAAAA9", PinError::Fill),
            (PinFormat::Iso4, "341234AAAAAAAAAA", PinError::Control),
            (PinFormat::Iso4, "401234AAAAAAAAAA", PinError::Length),
            (PinFormat::Iso4, "451234AAAAAAAAAA", PinError::Digit),
            (PinFormat::Iso4, "441234AAAAAAAAAB", PinError::Fill),
        ] {
            let mut field = Zeroizing::new([0; 16]);
            hex::decode_to_slice(text, &mut field[..8]).unwrap();
            let read = ClearPin::read(&field, format);
            assert_eq!(read.map(|_| ()).unwrap_err(), fault, "{text}");
        }
    }

    #[test]
    fn a_pin_has_four_to_twelve_digits() {
        for bad in ["", "123", "1234567890123", "12a4", "１２３４", "12 4", "-123"] {
            assert_eq!(ClearPin::parse(bad).map(|_| ()).unwrap_err(), PinError::NotAPin, "{bad}");
        }
        let same = |a, b| ClearPin::parse(a).unwrap().same_as(&ClearPin::parse(b).unwrap());
        assert!(same("0000", "0000"));
        assert!(!same("0000", "00000"));
        assert!(!same("1234", "1235"));
    }
}
