//! The views of a file in which card data is looked for, when it is not known which. Each view
//! turns bytes into symbols as they come and keeps a few bytes of state, so that a card is found
//! wherever a piece ends.

use super::rules::Rules;
use super::sink::Sink;
use super::spotter::{Spotter, Symbols};
use super::{Encoding, Finding};
use zeroize::{Zeroize, Zeroizing};

/// Characters from which on a run may be base64: eight packed bytes.
const BASE64_MIN: usize = 11;

/// Searches one file for what looks like a card.
pub(super) struct Guess<'a> {
    rules: &'a Rules,
    sink: Sink,
    at: u64,
    before: u8,
    text: Spotter,
    packed: Halves,
    utf16: Utf16,
    hex: Hex,
    base64: Base64,
}

impl<'a> Guess<'a> {
    pub(super) fn new(rules: &'a Rules) -> Self {
        Self {
            rules,
            sink: Sink::default(),
            at: 0,
            before: 0,
            text: Spotter::new(Encoding::Plain, Symbols::Text),
            packed: Halves::new(Encoding::Packed),
            utf16: Utf16::new(),
            hex: Hex::new(),
            base64: Base64::new(),
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Finding> {
        let (rules, sink) = (self.rules, &mut self.sink);
        for byte in bytes.iter().copied() {
            let at = self.at;
            self.text.push(at, byte, rules, sink);
            self.packed.push(at, byte, rules, sink);
            if at > 0 {
                self.utf16.push(at - 1, [self.before, byte], rules, sink);
            }
            self.hex.push(at, byte, rules, sink);
            self.base64.push(at, byte, rules, sink);
            self.before = byte;
            self.at += 1;
        }
        sink.fetch()
    }

    pub(super) fn finish(mut self) -> Vec<Finding> {
        let (rules, sink) = (self.rules, &mut self.sink);
        self.text.gap(rules, sink);
        self.packed.0.gap(rules, sink);
        self.utf16.end(rules, sink);
        self.hex.end(rules, sink);
        self.base64.end(rules, sink);
        sink.fetch()
    }
}

/// Packed digits: each byte as two hex digits.
struct Halves(Spotter);

impl Halves {
    fn new(encoding: Encoding) -> Self {
        Self(Spotter::new(encoding, Symbols::Halves))
    }

    fn push(&mut self, at: u64, byte: u8, rules: &Rules, sink: &mut Sink) {
        for half in [byte >> 4, byte & 0x0F] {
            let symbol = if half < 10 { b'0' + half } else { b'A' - 10 + half };
            self.0.push(at, symbol, rules, sink);
        }
    }
}

/// UTF-16 of both orders, from even and from odd places.
struct Utf16([[Spotter; 2]; 2]);

impl Utf16 {
    fn new() -> Self {
        let spotter = || Spotter::new(Encoding::Utf16, Symbols::Text);
        Self([[spotter(), spotter()], [spotter(), spotter()]])
    }

    fn push(&mut self, at: u64, pair: [u8; 2], rules: &Rules, sink: &mut Sink) {
        let [even, odd] = &mut self.0;
        let [little, big] = if at.is_multiple_of(2) { even } else { odd };
        match pair {
            [low @ 1..=0x7F, 0] => little.push(at, low, rules, sink),
            _ => little.gap(rules, sink),
        }
        match pair {
            [0, low @ 1..=0x7F] => big.push(at, low, rules, sink),
            _ => big.gap(rules, sink),
        }
    }

    fn end(&mut self, rules: &Rules, sink: &mut Sink) {
        self.0.iter_mut().flatten().for_each(|spotter| spotter.gap(rules, sink));
    }
}

/// Hex digits of characters, from even and from odd places.
struct Hex {
    high: Option<u8>,
    texts: [Spotter; 2],
}

impl Hex {
    fn new() -> Self {
        let spotter = || Spotter::new(Encoding::Hex, Symbols::Text);
        Self { high: None, texts: [spotter(), spotter()] }
    }

    fn push(&mut self, at: u64, byte: u8, rules: &Rules, sink: &mut Sink) {
        let half = char::from(byte).to_digit(16).and_then(|half| u8::try_from(half).ok());
        match (self.high, half) {
            (Some(high), Some(low)) => {
                let [even, odd] = &mut self.texts;
                let text = if at.is_multiple_of(2) { even } else { odd };
                text.push(at - 1, (high << 4) | low, rules, sink);
            }
            (Some(_), None) => self.end(rules, sink),
            (None, _) => (),
        }
        self.high = half;
    }

    fn end(&mut self, rules: &Rules, sink: &mut Sink) {
        self.texts.iter_mut().for_each(|spotter| spotter.gap(rules, sink));
    }
}

/// Base64 of both alphabets, wherever in a run of its characters it begins. Line ends within are
/// passed over.
struct Base64 {
    /// The last characters' values and places; the first ones of a run wait here.
    values: Zeroizing<[u8; BASE64_MIN]>,
    places: [u64; BASE64_MIN],
    len: usize,
    /// Where in a group of four the next character of the run is.
    turn: usize,
    phases: [Decoded; 4],
}

/// What is decoded from one of the four beginnings.
struct Decoded {
    text: Spotter,
    packed: Halves,
}

impl Decoded {
    fn new() -> Self {
        Self {
            text: Spotter::new(Encoding::Base64, Symbols::Text),
            packed: Halves::new(Encoding::Base64Packed),
        }
    }

    fn push(&mut self, at: u64, byte: u8, rules: &Rules, sink: &mut Sink) {
        self.text.push(at, byte, rules, sink);
        self.packed.push(at, byte, rules, sink);
    }

    fn gap(&mut self, rules: &Rules, sink: &mut Sink) {
        self.text.gap(rules, sink);
        self.packed.0.gap(rules, sink);
    }
}

impl Base64 {
    fn new() -> Self {
        Self {
            values: Zeroizing::new([0; BASE64_MIN]),
            places: [0; BASE64_MIN],
            len: 0,
            turn: 0,
            phases: std::array::from_fn(|_| Decoded::new()),
        }
    }

    fn push(&mut self, at: u64, byte: u8, rules: &Rules, sink: &mut Sink) {
        match (base64_value(byte), byte) {
            (Some(value), _) => self.value(at, value, rules, sink),
            (None, b'\r' | b'\n') => (),
            (None, _) if self.len > 0 => self.end(rules, sink),
            (None, _) => (),
        }
    }

    fn value(&mut self, at: u64, value: u8, rules: &Rules, sink: &mut Sink) {
        if self.len < BASE64_MIN {
            self.values[self.len] = value;
            self.places[self.len] = at;
            self.len += 1;
            if self.len == BASE64_MIN {
                for end in 4..=BASE64_MIN {
                    self.group(end, rules, sink);
                }
            }
            return;
        }
        // Only the last four count from here on.
        self.values.copy_within(BASE64_MIN - 3.., BASE64_MIN - 4);
        self.places.copy_within(BASE64_MIN - 3.., BASE64_MIN - 4);
        self.values[BASE64_MIN - 1] = value;
        self.places[BASE64_MIN - 1] = at;
        self.group(BASE64_MIN, rules, sink);
    }

    /// Decodes the four characters before this one.
    fn group(&mut self, end: usize, rules: &Rules, sink: &mut Sink) {
        let [a, b, c, d] = [4, 3, 2, 1].map(|back| self.values[end - back]);
        let [first, second, third] = [4, 3, 2].map(|back| self.places[end - back]);
        let phase = &mut self.phases[self.turn % 4];
        phase.push(first, (a << 2) | (b >> 4), rules, sink);
        phase.push(second, (b << 4) | (c >> 2), rules, sink);
        phase.push(third, (c << 6) | d, rules, sink);
        self.turn = (self.turn + 1) % 4;
    }

    /// The run ends: two or three characters that are left over hold one or two bytes more.
    fn end(&mut self, rules: &Rules, sink: &mut Sink) {
        if self.len == BASE64_MIN {
            let [b, c, d] = [3, 2, 1].map(|back| self.values[BASE64_MIN - back]);
            let [first, second] = [3, 2].map(|back| self.places[BASE64_MIN - back]);
            // The next group of four would have begun with `b`, the one after it with `c`.
            let three = &mut self.phases[self.turn % 4];
            three.push(first, (b << 2) | (c >> 4), rules, sink);
            three.push(second, (c << 4) | (d >> 2), rules, sink);
            let two = &mut self.phases[(self.turn + 1) % 4];
            two.push(second, (c << 2) | (d >> 4), rules, sink);
            self.phases.iter_mut().for_each(|phase| phase.gap(rules, sink));
        }
        (self.len, self.turn) = (0, 0);
    }
}

impl Drop for Base64 {
    fn drop(&mut self) {
        self.places.zeroize();
    }
}

/// What a character of base64 stands for, in the standard alphabet or the one for URLs.
pub(super) fn base64_value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}
