//! Moments as messages and receipts write them.

use crate::payment::Millis;
use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;

/// ISO 8601 in UTC, with milliseconds.
pub(super) fn utc(at: Millis) -> String {
    moment(at).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Date and time of day at the shop.
pub(super) fn local(at: Millis, zone: Tz) -> (String, String) {
    let local = moment(at).with_timezone(&zone);
    (local.format("%Y-%m-%d").to_string(), local.format("%H:%M").to_string())
}

fn moment(at: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc_and_as_the_shop_has_them() {
        assert_eq!(utc(1_795_262_400_007), "2026-11-21T12:00:00.007Z");
        let stockholm = local(1_795_262_400_007, Tz::Europe__Stockholm);
        assert_eq!(stockholm, ("2026-11-21".to_owned(), "13:00".to_owned()));
    }
}
