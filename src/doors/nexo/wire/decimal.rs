//! Decimals as text: never a binary fraction.

/// The most digits that are read, before and behind the point together.
const DIGITS_MAX: usize = 30;

/// The shortest text of the same value: "149.5" for "+0149.50" and "1.495e2". `None` unless it is
/// a decimal.
pub(super) fn shortest(text: &str) -> Option<String> {
    let (text, negative) = match text.strip_prefix('-') {
        Some(text) => (text, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i8>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty()
        || digits.len() > DIGITS_MAX
        || !digits.bytes().all(|digit| digit.is_ascii_digit())
    {
        return None;
    }
    let point = isize::try_from(whole.len()).ok()? + isize::from(exponent);
    let value = place_point(&digits, point)?;
    Some(if negative && value != "0" { format!("-{value}") } else { value })
}

/// The digits with the point behind the first `point` of them, and without zeros that say nothing.
fn place_point(digits: &str, point: isize) -> Option<String> {
    let before = usize::try_from(point).unwrap_or(0);
    let zeros = usize::try_from(-point).unwrap_or(0);
    if before > DIGITS_MAX || zeros > DIGITS_MAX {
        return None;
    }
    let padded = format!("{:0<before$}", [&"0".repeat(zeros), digits].concat());
    let (whole, fraction) = padded.split_at_checked(before)?;
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") })
}

/// Whether JSON may write it as a number as it is.
pub(super) fn is_json_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    all_digits(whole) && all_digits(fraction) && (whole == "0" || !whole.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_come_out_in_their_shortest_form() {
        for (text, short) in [
            ("149.50", "149.5"),
            ("+0149.50", "149.5"),
            ("1.495e2", "149.5"),
            ("1495E-1", "149.5"),
            ("1E+2", "100"),
            ("5e-3", "0.005"),
            ("0", "0"),
            ("-0.00", "0"),
            ("-.5", "-0.5"),
            ("5.", "5"),
            ("99999999.999999", "99999999.999999"),
            ("0.10000000000000000001", "0.10000000000000000001"),
        ] {
            assert_eq!(shortest(text).as_deref(), Some(short), "{text}");
            assert!(is_json_number(short), "{short}");
        }
        for bad in ["", ".", "-", "e", "1e", "1e999", "1,5", "1.5.0", "0x10", "NaN", " 1", "1e40"] {
            assert_eq!(shortest(bad), None, "{bad}");
        }
        assert_eq!(shortest(&"1".repeat(31)), None);
    }

    #[test]
    fn only_the_grammar_of_json_is_a_number_of_json() {
        assert!(is_json_number("149.50"));
        for bad in ["", "-", "01", "1.", ".5", "+1", "1e2", "abc"] {
            assert!(!is_json_number(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_value_stays_and_the_shortest_form_is_its_own(
            whole in 0_u64..100_000_000, fraction in "[0-9]{0,6}", zeros in 0_usize..4,
        ) {
            let text = format!("{}{whole}.{fraction}", "0".repeat(zeros));
            let short = shortest(&text).unwrap();
            prop_assert_eq!(shortest(&short), Some(short.clone()));
            let value = |text: &str| text.parse::<f64>().unwrap();
            prop_assert!((value(&text) - value(&short)).abs() < 1e-9);
        }
    }
}
