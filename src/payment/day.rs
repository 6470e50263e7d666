//! The business day of a gate: when it closes, what is counted, and what the acquirer says to that.
//!
//! ```text
//!   waiting ──► settling ──► finished     nothing is in flight; the acquirer took the totals
//!      │            └──────► released     an operator opened the gate meanwhile
//!      └──► blocked ───────► released     something stayed in flight too long
//! ```

use super::ids::{DayCloseId, EndpointId, SerialNumber};
use super::ledger::Movement;
use super::{HOUR, MINUTE, Millis, SECOND};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// How long a close waits for what is in flight: longer than a chip may think and the ladder lasts.
const FLIGHT_MAX: Millis = 5 * MINUTE;
/// How often it looks at least, before it gives up.
const LOOKS_MIN: i64 = 30;
/// How often a close that waits looks again.
pub const LOOK_AGAIN: Millis = SECOND;

/// The field 39 value for totals that differ.
pub const TOTALS_DIFFER: &str = "95";

/// When the day of an endpoint ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BusinessDay {
    pub time_zone: Tz,
    /// Minutes after midnight in that zone, 0 to 1439; `None`: only when somebody asks for it.
    pub close_at: Option<u32>,
}

impl Default for BusinessDay {
    fn default() -> Self {
        Self { time_zone: Tz::UTC, close_at: None }
    }
}

impl BusinessDay {
    /// The calendar date that a close at this moment is for.
    #[must_use]
    pub fn date(&self, now: Millis) -> NaiveDate {
        let now = DateTime::from_timestamp_millis(now).unwrap_or_default();
        now.with_timezone(&self.time_zone).date_naive()
    }

    /// The latest moment at which the day was to be closed by itself, and its date.
    #[must_use]
    pub fn last_closing(&self, now: Millis) -> Option<(NaiveDate, Millis)> {
        let time = NaiveTime::from_num_seconds_from_midnight_opt(self.close_at? * 60, 0)?;
        let today = self.date(now);
        let dates = [Some(today), today.checked_sub_days(Days::new(1))];
        let closings = dates.into_iter().flatten().map(|date| (date, self.moment(date, time)));
        closings.filter(|(_, moment)| *moment <= now).max_by_key(|(_, moment)| *moment)
    }

    /// A time that a change of clocks leaves out is an hour later; one that comes twice is the
    /// first.
    fn moment(&self, date: NaiveDate, time: NaiveTime) -> Millis {
        let naive = date.and_time(time);
        let local = self.time_zone.from_local_datetime(&naive).earliest();
        let later =
            || self.time_zone.from_local_datetime(&(naive + TimeDelta::hours(1))).earliest();
        let moment = local.or_else(later);
        moment.map_or_else(|| naive.and_utc().timestamp_millis() + HOUR, |at| at.timestamp_millis())
    }
}

/// What a day took and gave back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Sales and captures.
    pub sale_count: i64,
    /// Minor units.
    pub sale_minor: i64,
    /// Reversals, voids and refunds: close-day knows no other word for what went back (MAPI 6).
    pub reversal_count: i64,
    pub reversal_minor: i64,
}

impl Totals {
    /// Adds what the ledger says of one movement.
    pub fn add(&mut self, movement: Movement, count: i64, minor: i64) {
        match movement {
            Movement::Sale | Movement::Capture => {
                self.sale_count += count;
                self.sale_minor += minor;
            }
            Movement::Reversal | Movement::Void | Movement::Refund => {
                self.reversal_count += count;
                self.reversal_minor += minor;
            }
            Movement::Fee | Movement::Settlement => {}
        }
    }

    /// What the acquirer owes for the day; negative if more went back than was taken.
    #[must_use]
    pub fn net_minor(&self) -> i64 {
        self.sale_minor - self.reversal_minor
    }
}

/// What the caller counted; what it left out is not compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Claimed {
    pub sale_count: Option<i64>,
    pub sale_minor: Option<i64>,
    pub reversal_count: Option<i64>,
    pub reversal_minor: Option<i64>,
}

impl Claimed {
    /// Whether the ledger says the same.
    #[must_use]
    pub fn agrees_with(&self, totals: &Totals) -> bool {
        let pairs = [
            (self.sale_count, totals.sale_count),
            (self.sale_minor, totals.sale_minor),
            (self.reversal_count, totals.reversal_count),
            (self.reversal_minor, totals.reversal_minor),
        ];
        pairs.into_iter().all(|(claimed, counted)| claimed.is_none_or(|value| value == counted))
    }
}

/// How far a close has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// The gate is shut; what is in flight is waited for.
    Waiting,
    /// The day is over and counted; the acquirer is told.
    Settling,
    /// Done, and the gate is open.
    Finished,
    /// Given up, and the gate is shut until an operator opens it.
    Blocked,
    /// An operator opened the gate.
    Released,
}

impl State {
    const ALL: [Self; 5] =
        [Self::Waiting, Self::Settling, Self::Finished, Self::Blocked, Self::Released];

    /// The stored spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Settling => "settling",
            Self::Finished => "finished",
            Self::Blocked => "blocked",
            Self::Released => "released",
        }
    }

    /// The state with this spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether the gate is shut because of it.
    #[must_use]
    pub fn shuts_gate(self) -> bool {
        matches!(self, Self::Waiting | Self::Settling | Self::Blocked)
    }
}

/// One close of a day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DayClose {
    /// The batch number.
    pub id: DayCloseId,
    pub endpoint: EndpointId,
    /// The caller's name for it, unique at the endpoint.
    pub request_id: String,
    pub claimed: Claimed,
    /// Which day of the gate, counted by its closes from 1.
    pub day: i64,
    /// The calendar date, `YYYY-MM-DD`.
    pub close_date: String,
    /// The number of the request that began it.
    pub serial: SerialNumber,
    pub state: State,
    /// Once the day is over.
    pub totals: Option<Totals>,
    /// ISO 8583 field 39, once the acquirer has answered.
    pub response_code: Option<String>,
    pub started_at: Millis,
    /// How often it has looked for what is in flight, or asked the acquirer.
    pub looks: i64,
}

impl DayClose {
    /// Whether it has waited long enough for what is in flight. Time alone does not tell: the
    /// program may have stood still, or the clock leapt.
    #[must_use]
    pub fn gives_up(&self, now: Millis) -> bool {
        now - self.started_at >= FLIGHT_MAX && self.looks >= LOOKS_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    #[test]
    fn a_day_closes_by_the_clock_of_its_zone() {
        let day = BusinessDay { time_zone: Tz::Europe__Moscow, close_at: Some(23 * 60 + 30) };
        let closing = |now| day.last_closing(at(now)).unwrap();
        let (date, moment) = closing("2026-11-21T20:30:00Z");
        assert_eq!((date.to_string(), moment), ("2026-11-21".into(), at("2026-11-21T20:30:00Z")));
        let (date, moment) = closing("2026-11-21T20:29:59Z");
        assert_eq!((date.to_string(), moment), ("2026-11-20".into(), at("2026-11-20T20:30:00Z")));
        assert_eq!(day.date(at("2026-11-21T21:00:00Z")).to_string(), "2026-11-22");
        assert_eq!(BusinessDay::default().last_closing(0), None);
    }

    #[test]
    fn a_change_of_clocks_neither_skips_nor_doubles_a_close() {
        // Summer time began on 2026-03-29: 02:30 did not exist, and ended on 2026-10-25: it came
        // twice.
        let day = BusinessDay { time_zone: Tz::Europe__Berlin, close_at: Some(150) };
        for (from, hours) in [("2026-03-27T00:00:00Z", 96), ("2026-10-23T00:00:00Z", 96)] {
            let looks = (0..hours * 60).map(|minute| at(from) + minute * MINUTE);
            let mut closings: Vec<_> = looks.filter_map(|now| day.last_closing(now)).collect();
            closings.dedup();
            let dates: Vec<_> = closings.iter().map(|(date, _)| *date).collect();
            let days = dates.windows(2).all(|pair| pair[1] == pair[0].succ_opt().unwrap());
            assert!(days && dates.len() == 5, "{closings:?}");
        }
    }

    #[test]
    fn whatever_went_back_counts_as_reversed() {
        let mut totals = Totals::default();
        for movement in Movement::ALL {
            totals.add(movement, 1, 100);
        }
        let expected =
            Totals { sale_count: 2, sale_minor: 200, reversal_count: 3, reversal_minor: 300 };
        assert_eq!(totals, expected);
    }

    #[test]
    fn only_what_was_claimed_is_compared() {
        let totals =
            Totals { sale_count: 2, sale_minor: 2084, reversal_count: 1, reversal_minor: 500 };
        assert!(Claimed::default().agrees_with(&totals));
        let claimed = Claimed { sale_count: Some(2), sale_minor: Some(2084), ..Claimed::default() };
        assert!(claimed.agrees_with(&totals));
        let wrong = Claimed { reversal_minor: Some(501), ..claimed };
        assert!(!wrong.agrees_with(&totals));
        assert_eq!(totals.net_minor(), 1584);
    }
}
