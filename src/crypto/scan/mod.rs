//! Looking for card data where none may be: in databases, logs, any bytes.
//!
//! A [`Search`] says what to look for, a [`Scanner`] takes the bytes of one file piece by piece, in
//! constant memory and linear time, and answers [`Finding`]s that never hold a whole card number.
//!
//! - [`KnownCards`]: exact search for listed cards in every encoding. No false alarms.
//! - [`Rules`]: what looks like a card. Digits must pass Luhn, have the prefix and length of a
//!   known scheme, and be no part of longer digits, hex or fractions. Where that is not enough, in
//!   packed digits and in reversed ones, a track, a tag or one of the named BINs must speak for it.

mod forms;
mod groups;
mod guess;
mod known;
mod rules;
mod sink;
mod spotter;

pub use known::{KnownCards, KnownError};
pub use rules::{PrefixError, Rules};

use guess::Guess;
use known::KnownScan;

/// What to look for.
pub enum Search {
    /// These cards and nothing else.
    Known(KnownCards),
    /// Whatever looks like a card.
    Guess(Rules),
}

/// How found data was written down.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Encoding {
    /// ASCII digits.
    Plain,
    /// ASCII digits in groups, with blanks or dashes between them.
    Grouped,
    /// ASCII digits, last one first.
    Reversed,
    /// Two digits to a byte; of a PIN block, its bytes.
    Packed,
    /// Hex digits of the ASCII digits, or of a PIN block.
    Hex,
    /// Base64 of the ASCII digits.
    Base64,
    /// Base64 of packed digits.
    Base64Packed,
    /// Two bytes a digit, in either order.
    Utf16,
    /// A binary number of eight bytes, in either order.
    Integer,
}

impl Encoding {
    /// One word for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Grouped => "grouped",
            Self::Reversed => "reversed",
            Self::Packed => "packed",
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Base64Packed => "base64-packed",
            Self::Utf16 => "utf-16",
            Self::Integer => "integer",
        }
    }
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A card number.
    Pan,
    /// Track 1 of the magnetic stripe (ISO/IEC 7813).
    Track1,
    /// Track 2, or what a chip holds in its place.
    Track2,
    /// A clear PIN block.
    PinBlock,
}

impl Kind {
    /// One word for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pan => "pan",
            Self::Track1 => "track1",
            Self::Track2 => "track2",
            Self::PinBlock => "pin-block",
        }
    }
}

/// One place with card data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Where it begins, in bytes from the start of what was scanned.
    pub offset: u64,
    /// The byte after its last one.
    pub end: u64,
    pub encoding: Encoding,
    pub kind: Kind,
    /// The card number with its first six and at most its last four digits; nothing of a PIN.
    pub masked: String,
}

/// Takes the bytes of one file, in order and in pieces of any length.
pub struct Scanner<'a>(Way<'a>);

enum Way<'a> {
    Known(KnownScan<'a>),
    Guess(Box<Guess<'a>>),
}

impl Search {
    /// A scanner for one file.
    #[must_use]
    pub fn scanner(&self) -> Scanner<'_> {
        Scanner(match self {
            Self::Known(cards) => Way::Known(KnownScan::new(cards)),
            Self::Guess(rules) => Way::Guess(Box::new(Guess::new(rules))),
        })
    }
}

impl Scanner<'_> {
    /// Takes the next bytes, and answers what is certain by now.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Finding> {
        match &mut self.0 {
            Way::Known(scan) => scan.feed(bytes),
            Way::Guess(guess) => guess.feed(bytes),
        }
    }

    /// Answers what only the end of the file made certain.
    #[must_use]
    pub fn finish(self) -> Vec<Finding> {
        match self.0 {
            Way::Known(scan) => scan.finish(),
            Way::Guess(guess) => guess.finish(),
        }
    }
}

/// A card number as reports may show it: the first six digits and the last four, of a short one
/// the first six only.
fn masked(digits: &[u8]) -> String {
    let hidden = if digits.len() < 15 { digits.len() } else { digits.len() - 4 };
    let shown = |place: usize| !(6..hidden).contains(&place);
    let digit = |(place, digit): (usize, &u8)| if shown(place) { char::from(*digit) } else { '*' };
    digits.iter().enumerate().map(digit).collect()
}

#[cfg(test)]
mod tests;
