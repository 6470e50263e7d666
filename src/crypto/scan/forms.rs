//! How a known card may have been written down: the exact bytes of each encoding.

use super::Encoding;
use super::guess::base64_value;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// A neighbour of the bytes, of which some bits belong to the card.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    /// The bits are those of a character of base64, not of a byte.
    base64: bool,
    mask: u8,
    bits: u8,
}

impl Edge {
    /// Whether this is the neighbour.
    pub(super) fn is(self, byte: Option<u8>) -> bool {
        let value = if self.base64 { byte.and_then(base64_value) } else { byte };
        value.is_some_and(|value| value & self.mask == self.bits)
    }
}

/// The bytes of one encoding, and what must stand beside them.
pub(super) struct Form {
    pub encoding: Encoding,
    pub bytes: Zeroizing<Vec<u8>>,
    pub before: Option<Edge>,
    pub after: Option<Edge>,
}

impl Form {
    fn of(encoding: Encoding, bytes: Vec<u8>) -> Self {
        Self { encoding, bytes: Zeroizing::new(bytes), before: None, after: None }
    }
}

/// All forms of a card number.
pub(super) fn of_number(digits: &str) -> Vec<Form> {
    let text = digits.as_bytes();
    let mut forms = of_text(text);
    forms.push(Form::of(Encoding::Reversed, text.iter().rev().copied().collect()));
    for separator in [b' ', b'-'] {
        let groups: Vec<_> = text.chunks(4).collect();
        forms.push(Form::of(Encoding::Grouped, groups.join(&separator)));
    }
    forms.extend(of_halves(digits));
    if let Ok(number) = digits.parse::<u64>() {
        forms.push(Form::of(Encoding::Integer, number.to_be_bytes().to_vec()));
        forms.push(Form::of(Encoding::Integer, number.to_le_bytes().to_vec()));
    }
    forms
}

/// All forms of a track 2; the separator is `=`, or `D` where it is packed.
pub(super) fn of_track(track: &str) -> Vec<Form> {
    let mut forms = of_text(track.as_bytes());
    let halves = Zeroizing::new(track.replace('=', "D"));
    forms.push(Form::of(Encoding::Plain, halves.as_bytes().to_vec()));
    forms.push(Form::of(Encoding::Plain, halves.to_ascii_lowercase().into_bytes()));
    forms.extend(of_halves(&halves));
    forms
}

/// All forms of a PIN block, of which these are the bytes.
pub(super) fn of_pin_block(block: &[u8]) -> Vec<Form> {
    let mut forms = vec![
        Form::of(Encoding::Packed, block.to_vec()),
        Form::of(Encoding::Hex, hex::encode(block).into_bytes()),
        Form::of(Encoding::Hex, hex::encode_upper(block).into_bytes()),
    ];
    forms.extend(of_base64(Encoding::Base64, block));
    forms
}

fn of_text(text: &[u8]) -> Vec<Form> {
    let pairs = |order: fn(u8) -> [u8; 2]| text.iter().copied().flat_map(order).collect();
    let mut forms = vec![
        Form::of(Encoding::Plain, text.to_vec()),
        Form::of(Encoding::Hex, hex::encode(text).into_bytes()),
        Form::of(Encoding::Hex, hex::encode_upper(text).into_bytes()),
        Form::of(Encoding::Utf16, pairs(|byte| [byte, 0])),
        Form::of(Encoding::Utf16, pairs(|byte| [0, byte])),
    ];
    forms.extend(of_base64(Encoding::Base64, text));
    forms
}

/// Packed from the high half of a byte, and from the low one; the former in base64 too.
fn of_halves(digits: &str) -> Vec<Form> {
    let values = digits.chars().filter_map(|digit| digit.to_digit(16));
    let values: Zeroizing<Vec<u8>> =
        Zeroizing::new(values.filter_map(|value| u8::try_from(value).ok()).collect());
    let from = |values: &[u8], before| {
        let (pairs, rest) = values.as_chunks::<2>();
        let bytes = pairs.iter().map(|[high, low]| (high << 4) | low).collect();
        let after = rest.first().map(|high| Edge { base64: false, mask: 0xF0, bits: high << 4 });
        Form { before, after, ..Form::of(Encoding::Packed, bytes) }
    };
    let Some((first, others)) = values.split_first() else { return Vec::new() };
    let high = from(&values, None);
    let low = from(others, Some(Edge { base64: false, mask: 0x0F, bits: *first }));
    let mut forms = of_base64(Encoding::Base64Packed, &high.bytes);
    forms.extend([high, low]);
    forms
}

/// Base64 in both alphabets, with none, one or two bytes before these in a group of three. What
/// else is in the characters at either end is left open.
fn of_base64(encoding: Encoding, bytes: &[u8]) -> Vec<Form> {
    let mut forms = Vec::new();
    for shift in 0..3 {
        let mut whole = Zeroizing::new(vec![0; shift + bytes.len()]);
        whole[shift..].copy_from_slice(bytes);
        let (first_bit, end_bit) = (8 * shift, 8 * whole.len());
        let (first, end) = (first_bit.div_ceil(6), end_bit / 6);
        for text in [STANDARD_NO_PAD.encode(&*whole), URL_SAFE_NO_PAD.encode(&*whole)] {
            let text = Zeroizing::new(text.into_bytes());
            let edge = |place: usize, mask: u8| {
                let value = text.get(place).copied().and_then(base64_value)?;
                (mask != 0).then_some(Edge { base64: true, mask, bits: value & mask })
            };
            let before = match first_bit % 6 {
                0 => None,
                taken => edge(first_bit / 6, (1 << (6 - taken)) - 1),
            };
            let after = edge(end, 0x3F ^ ((1 << (6 - end_bit % 6)) - 1));
            let Some(inner) = text.get(first..end) else { continue };
            forms.push(Form { before, after, ..Form::of(encoding, inner.to_vec()) });
        }
    }
    forms.dedup_by(|a, b| a.bytes == b.bytes && a.before == b.before && a.after == b.after);
    forms
}
