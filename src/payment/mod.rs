//! The payment rules, as pure functions: from a state and an event to a [`transition::Change`]
//! or a [`refusal::Refusal`]. Nothing here reads a clock, rolls dice, waits, or speaks to anyone.

pub mod amend;
pub mod amendment;
pub mod audit;
pub mod card;
pub mod chip;
pub mod day;
pub mod decline;
pub mod filter;
pub mod host;
pub mod ids;
pub mod key_set;
pub mod ksn;
pub mod ladder;
pub mod ledger;
pub mod limits;
pub mod merchant;
pub mod money;
pub mod notice;
pub mod operator;
pub mod order;
pub mod pin_format;
pub mod reader;
pub mod reconcile;
pub mod refusal;
pub mod step;
pub mod terminal;
pub mod transaction;
pub mod transition;

/// A moment: milliseconds since 1970-01-01 UTC.
pub type Millis = i64;

/// One second in [`Millis`].
pub const SECOND: Millis = 1_000;
/// One minute in [`Millis`].
pub const MINUTE: Millis = 60 * SECOND;
/// One hour in [`Millis`].
pub const HOUR: Millis = 60 * MINUTE;
/// Twenty-four hours in [`Millis`].
pub const DAY: Millis = 24 * HOUR;
