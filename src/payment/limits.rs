//! What an endpoint lets through: the rules of its filter, and what they count.

use super::card::CardFacts;
use super::ids::ReaderId;
use super::money::Currency;
use super::{DAY, Millis, SECOND};
use serde::{Deserialize, Serialize};
use std::ops::Add;

/// The longest time over which orders are counted.
pub const WITHIN_MAX: Millis = 31 * DAY;
/// The largest sum that a rule may name, in minor units. What is counted of one order is cut here.
pub const SUM_MAX: i64 = 1_000_000_000_000;
/// The most codes or prefixes in one list, and the most rules that count.
const LIST_MAX: usize = 1000;
const RULES_MAX: usize = 16;
/// Of a card's number no more digits are kept.
const BIN_DIGITS_MAX: usize = 6;
const BIN_DIGITS_MIN: usize = 4;

/// The rules of one endpoint; by default there are none. A rule that this version does not know is
/// an error: it must not be passed over.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The largest amount of one order, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_most_minor: Option<i64>,
    /// By alpha-3 code.
    #[serde(skip_serializing_if = "Choice::is_free")]
    pub currencies: Choice,
    /// By the code that the request carries, whose case does not count: who means `RU` and may get
    /// `RUS` lists both.
    #[serde(skip_serializing_if = "Choice::is_free")]
    pub countries: Choice,
    /// By the first digits of the card's number.
    #[serde(skip_serializing_if = "Choice::is_free")]
    pub bins: Choice,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub velocity: Vec<Velocity>,
    /// How far a reader's counter may be ahead of the last one taken from it. Without this, as far
    /// as it likes: readers count messages, too, that never arrive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counter_jump_most: Option<u32>,
}

/// What is allowed or forbidden. What is forbidden is so even where it is allowed, too.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choice {
    /// Nothing else, unless this is empty.
    pub allowed: Vec<String>,
    pub forbidden: Vec<String>,
}

/// How much one card or one reader may be used within a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Velocity {
    pub per: Per,
    /// An order counts until it is this old.
    pub within: Millis,
    /// The largest number of orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_most: Option<u32>,
    /// The largest sum of orders, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum_most_minor: Option<i64>,
}

/// Whose orders are counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    Card,
    Reader,
}

/// One card or one reader.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Subject {
    pub per: Per,
    /// The card's hash or the reader's id.
    pub name: String,
}

/// What a subject used of an endpoint within some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Used {
    pub count: i64,
    pub sum_minor: i64,
}

impl Add for Used {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            sum_minor: self.sum_minor.saturating_add(other.sum_minor),
        }
    }
}

/// What is wrong with a set of limits: where, and what would be right.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}: {why}")]
pub struct LimitsError {
    pub place: String,
    pub why: String,
}

impl Limits {
    /// Whether the rules make sense.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<(), LimitsError> {
        if self.amount_most_minor.is_some_and(|most| most < 1) {
            return Err(wrong("amount_most_minor", "must be 1 or more, in minor units"));
        }
        if self.counter_jump_most == Some(0) {
            return Err(wrong("counter_jump_most", "must be 1 or more: a counter rises"));
        }
        self.currencies.check("currencies", is_currency, "a known alpha-3 code like EUR")?;
        self.countries.check("countries", is_country, "two or three letters, like FR or FRA")?;
        self.bins.check("bins", is_bin, "four to six digits: of a card no more are kept")?;
        if self.velocity.len() > RULES_MAX {
            return Err(wrong("velocity", &format!("{RULES_MAX} rules are the most")));
        }
        let numbered = self.velocity.iter().enumerate();
        numbered.into_iter().try_for_each(|(place, rule)| {
            rule.check().map_err(|why| wrong(&format!("velocity[{place}]"), &why))
        })
    }

    /// The kinds of subjects that are counted, each once.
    #[must_use]
    pub fn counted(&self) -> Vec<Per> {
        let mut kinds: Vec<_> = self.velocity.iter().map(|rule| rule.per).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

impl Choice {
    fn is_free(&self) -> bool {
        self.allowed.is_empty() && self.forbidden.is_empty()
    }

    /// Whether something is let through, given how it is told from a list's entry.
    pub(super) fn admits(&self, is: impl Fn(&str) -> bool) -> bool {
        let listed = |list: &[String]| list.iter().any(|entry| is(entry));
        (self.allowed.is_empty() || listed(&self.allowed)) && !listed(&self.forbidden)
    }

    fn check(&self, name: &str, fits: fn(&str) -> bool, want: &str) -> Result<(), LimitsError> {
        for (list, entries) in [("allowed", &self.allowed), ("forbidden", &self.forbidden)] {
            let place = format!("{name}.{list}");
            if entries.len() > LIST_MAX {
                return Err(wrong(&place, &format!("{LIST_MAX} entries are the most")));
            }
            if let Some(entry) = entries.iter().find(|entry| !fits(entry)) {
                return Err(wrong(&place, &format!("{entry:?} must be {want}")));
            }
        }
        Ok(())
    }
}

impl Velocity {
    fn check(&self) -> Result<(), String> {
        if !(SECOND..=WITHIN_MAX).contains(&self.within) {
            return Err("within must be 1s to 31d".to_owned());
        }
        if self.sum_most_minor.is_some_and(|most| !(1..=SUM_MAX).contains(&most)) {
            return Err(format!("sum_most_minor must be 1 to {SUM_MAX}, in minor units"));
        }
        if self.count_most.is_none() && self.sum_most_minor.is_none() {
            return Err("write count_most, sum_most_minor or both".to_owned());
        }
        Ok(())
    }

    /// Whether one more order of this amount is too much.
    pub(super) fn is_exceeded(&self, used: Used, amount_minor: i64) -> bool {
        let count = used.count.saturating_add(1);
        let sum = used.sum_minor.saturating_add(amount_minor);
        self.count_most.is_some_and(|most| count > i64::from(most))
            || self.sum_most_minor.is_some_and(|most| sum > most)
    }
}

impl Per {
    /// The stored spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Reader => "reader",
        }
    }

    /// Who is counted when this card is used at this reader.
    #[must_use]
    pub fn subject(self, card: &CardFacts, reader: ReaderId) -> Subject {
        let name = match self {
            Self::Card => card.hash.clone(),
            Self::Reader => reader.0.to_string(),
        };
        Subject { per: self, name }
    }
}

fn wrong(place: &str, why: &str) -> LimitsError {
    LimitsError { place: place.to_owned(), why: why.to_owned() }
}

fn is_currency(code: &str) -> bool {
    Currency::from_alpha(code).is_some()
}

fn is_country(code: &str) -> bool {
    (2..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphabetic())
}

fn is_bin(prefix: &str) -> bool {
    (BIN_DIGITS_MIN..=BIN_DIGITS_MAX).contains(&prefix.len())
        && prefix.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<(), String> {
        let limits: Limits = serde_json::from_str(text).map_err(|error| error.to_string())?;
        assert_eq!(
            serde_json::from_str::<Limits>(&serde_json::to_string(&limits).unwrap()).unwrap(),
            limits
        );
        limits.check().map_err(|error| error.to_string())
    }

    #[test]
    fn limits_that_make_no_sense_are_refused_by_place() {
        let day = r#""per":"card","within":86400000"#;
        for (text, expected) in [
            ("{}".to_owned(), ""),
            (r#"{"bins":{"forbidden":["4444","444455"]}}"#.to_owned(), ""),
            (format!(r#"{{"velocity":[{{{day},"count_most":0}}]}}"#), ""),
            (r#"{"amount_most_minor":0}"#.to_owned(), "amount_most_minor: must be 1"),
            (r#"{"currencies":{"allowed":["eur"]}}"#.to_owned(), "currencies.allowed: \"eur\""),
            (r#"{"countries":{"allowed":["R"]}}"#.to_owned(), "countries.allowed: \"R\" must be"),
            (r#"{"countries":{"forbidden":["ру"]}}"#.to_owned(), "countries.forbidden"),
            (r#"{"bins":{"forbidden":["44445555"]}}"#.to_owned(), "bins.forbidden: \"44445555\""),
            (r#"{"bins":{"forbidden":["444"]}}"#.to_owned(), "bins.forbidden: \"444\" must be"),
            (format!(r#"{{"velocity":[{{{day}}}]}}"#), "velocity[0]: write count_most"),
            (
                format!(r#"{{"velocity":[{{{day},"sum_most_minor":0}}]}}"#),
                "velocity[0]: sum_most_minor must be 1 to 1000000000000",
            ),
            (
                r#"{"velocity":[{"per":"card","within":999,"count_most":1}]}"#.to_owned(),
                "velocity[0]: within must be 1s to 31d",
            ),
            (r#"{"velocity":[{"per":"shop","within":1}]}"#.to_owned(), "unknown variant `shop`"),
            (r#"{"color":"red"}"#.to_owned(), "unknown field `color`"),
        ] {
            let told = read(&text).err().unwrap_or_default();
            assert!(told.starts_with(expected) && told.is_empty() == expected.is_empty(), "{told}");
        }
        let many = Limits {
            bins: Choice { allowed: vec!["4444".to_owned(); LIST_MAX + 1], ..Choice::default() },
            ..Limits::default()
        };
        assert!(many.check().unwrap_err().to_string().contains("1000 entries are the most"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_limits_panic(text in "\\PC{0,80}", entry in "\\PC{0,8}") {
            let _ = read(&text);
            let list = Choice { allowed: vec![entry.clone()], forbidden: vec![entry] };
            let limits = Limits {
                currencies: list.clone(), countries: list.clone(), bins: list, ..Limits::default()
            };
            let _ = limits.check();
        }
    }
}
