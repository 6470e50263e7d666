//! Spans of time as people write them: `90s`, `10m`, `24h`, `7d`.

use crate::payment::{DAY, HOUR, MINUTE, Millis, SECOND};
use std::num::IntErrorKind;

/// The units in which a time is written.
const UNITS: [(&str, Millis); 4] = [("s", SECOND), ("m", MINUTE), ("h", HOUR), ("d", DAY)];

/// A whole number and its unit. What is too large to count is as long as can be counted.
pub(super) fn parse_span(text: &str) -> Option<Millis> {
    let (number, unit) =
        UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))?;
    let number = match number.parse::<Millis>() {
        Ok(number) => number,
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Millis::MAX,
        Err(error) if *error.kind() == IntErrorKind::NegOverflow => Millis::MIN,
        Err(_) => return None,
    };
    Some(number.saturating_mul(unit))
}

/// A time in the largest unit of which it is a whole number.
pub(super) fn span_text(time: Millis) -> String {
    let fits = UNITS.iter().rev().find(|(_, unit)| time % unit == 0);
    let (name, unit) = fits.unwrap_or(&UNITS[0]);
    format!("{}{name}", time / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_whole_number_and_its_unit() {
        for (text, millis) in [
            ("90s", Some(90_000)),
            ("+2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("7d", Some(604_800_000)),
            ("-7d", Some(-604_800_000)),
            ("99999999999999999999d", Some(Millis::MAX)),
            ("-99999999999999999999d", Some(Millis::MIN)),
            ("9999999999999999d", Some(Millis::MAX)),
            ("7", None),
            ("d", None),
            ("", None),
            ("7w", None),
            ("1.5h", None),
            ("7 d", None),
            ("7d ", None),
            ("7dd", None),
            ("+-7d", None),
            ("７d", None),
            ("7д", None),
        ] {
            assert_eq!(parse_span(text), millis, "{text:?}");
        }
    }
}
