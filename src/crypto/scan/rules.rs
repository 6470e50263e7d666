//! What counts as a card number when nobody said which ones to expect.

use crate::payment::card::{Brand, Pan};

/// Digits of the longest prefix: an issuer's BIN has six or eight.
const PREFIX_MAX: usize = 11;

/// Which prefixes are of interest, and which are not.
#[derive(Clone, Default, Debug)]
pub struct Rules {
    wanted: Vec<Vec<u8>>,
    ignored: Vec<Vec<u8>>,
}

/// A prefix that is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a prefix of card numbers has 1 to 11 digits and nothing else, for example 444455")]
pub struct PrefixError;

impl Rules {
    /// Rules with the prefixes that are looked for in doubtful places too (packed digits that no
    /// track surrounds, reversed digits, unusual lengths), and those that are never reported.
    ///
    /// # Errors
    /// When a prefix is not 1 to 11 digits.
    pub fn new(wanted: &[String], ignored: &[String]) -> Result<Self, PrefixError> {
        Ok(Self { wanted: prefixes(wanted)?, ignored: prefixes(ignored)? })
    }

    /// Whether reversed digits are worth a look.
    pub(super) fn has_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Digits that stand alone.
    pub(super) fn is_card(&self, digits: &[u8]) -> bool {
        self.brand_of(digits)
            .is_some_and(|brand| stands_alone(brand, digits.len()) || self.is_wanted(digits))
    }

    /// Digits of a wanted prefix, which need nothing else to speak for them.
    pub(super) fn is_wanted_card(&self, digits: &[u8]) -> bool {
        self.is_wanted(digits) && self.brand_of(digits).is_some()
    }

    /// Digits of a known scheme in a track or behind a tag.
    pub(super) fn is_card_in_context(&self, digits: &[u8]) -> bool {
        self.brand_of(digits).is_some_and(|brand| stands_in_a_track(brand, digits.len()))
    }

    /// Digits of any scheme where the separators of a track leave no doubt.
    pub(super) fn is_card_without_doubt(&self, digits: &[u8]) -> bool {
        self.brand_of(digits).is_some()
    }

    /// The brand, if these are 12 to 19 digits that pass Luhn and are not ignored.
    fn brand_of(&self, digits: &[u8]) -> Option<Brand> {
        if self.is_ignored(digits) {
            return None;
        }
        let pan = Pan::parse(std::str::from_utf8(digits).ok()?).ok()?;
        Some(pan.brand())
    }

    /// Whether this prefix is not to be reported.
    pub(super) fn is_ignored(&self, digits: &[u8]) -> bool {
        self.ignored.iter().any(|prefix| digits.starts_with(prefix))
    }

    fn is_wanted(&self, digits: &[u8]) -> bool {
        self.wanted.iter().any(|prefix| digits.starts_with(prefix))
    }
}

fn prefixes(texts: &[String]) -> Result<Vec<Vec<u8>>, PrefixError> {
    let checked = |text: &String| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let fits = digits && (1..=PREFIX_MAX).contains(&text.len());
        fits.then(|| text.as_bytes().to_vec()).ok_or(PrefixError)
    };
    texts.iter().map(checked).collect()
}

/// The usual lengths only. Others are those of bar codes (13), ticks of a clock (18) and numbers
/// that services give their rows (18, 19).
fn stands_alone(brand: Brand, length: usize) -> bool {
    match brand {
        Brand::Visa | Brand::Mastercard | Brand::Maestro => length == 16,
        Brand::UnionPay => length == 16 || length == 19,
        Brand::Mir | Brand::Jcb => (16..=19).contains(&length),
        Brand::Amex => length == 15,
        Brand::Unknown => false,
    }
}

/// All lengths that a scheme's rules know.
fn stands_in_a_track(brand: Brand, length: usize) -> bool {
    match brand {
        Brand::Visa => matches!(length, 13 | 16 | 18 | 19),
        Brand::Mastercard => length == 16,
        Brand::Maestro => (12..=19).contains(&length),
        Brand::UnionPay => (14..=19).contains(&length),
        Brand::Mir | Brand::Jcb => (16..=19).contains(&length),
        Brand::Amex => length == 15,
        Brand::Unknown => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(wanted: &[&str], ignored: &[&str]) -> Rules {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Rules::new(&texts(wanted), &texts(ignored)).unwrap()
    }

    #[test]
    fn a_card_has_a_schemes_prefix_and_length_and_passes_luhn() {
        let rules = rules(&[], &[]);
        for card in ["4444555566661111", "378282246310005", "3530111333300000"] {
            assert!(rules.is_card(card.as_bytes()), "{card}");
        }
        // Luhn, an unknown scheme, a bar code's length, all zeros.
        for other in ["4444555566661112", "6011000990139424", "4222222222222", "0000000000000000"] {
            assert!(!rules.is_card(other.as_bytes()), "{other}");
        }
        assert!(rules.is_card_in_context(b"4222222222222"));
        assert!(rules.is_card_without_doubt(b"6011000990139424"));
    }

    #[test]
    fn ignored_prefixes_are_no_cards_and_wanted_ones_of_any_length_are() {
        assert!(!rules(&[], &["4444"]).is_card(b"4444555566661111"));
        assert!(rules(&["422222"], &[]).is_card(b"4222222222222"));
        assert!(rules(&["601100"], &[]).is_wanted_card(b"6011000990139424"));
        for bad in ["", "44a", "444455556666"] {
            assert_eq!(Rules::new(&[bad.to_owned()], &[]).unwrap_err(), PrefixError, "{bad}");
        }
    }
}
