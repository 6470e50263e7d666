//! Decimal digits two to a byte, as EMV writes amounts and dates.

/// The number in `N` bytes, two decimal digits in each; higher digits are cut off.
pub(super) fn bcd<const N: usize>(number: u64) -> [u8; N] {
    let mut rest = number;
    let mut bytes = [0; N];
    for byte in bytes.iter_mut().rev() {
        let pair = (rest % 100).to_le_bytes()[0];
        *byte = ((pair / 10) << 4) | (pair % 10);
        rest /= 100;
    }
    bytes
}

/// YYMMDD in decimal digits.
pub(super) fn date_bytes(year: i32, month: u32, day: u32) -> [u8; 3] {
    let pair = |number: u32| {
        let [byte] = bcd(number.into());
        byte
    };
    [pair(year.rem_euclid(100).unsigned_abs()), pair(month), pair(day)]
}

/// Within the years 2000 to 2099 every fourth is a leap year.
pub(super) fn days_in(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_dates_are_written_two_digits_to_a_byte() {
        assert_eq!(bcd(1042), [0, 0, 0, 0, 0, 0, 0x10, 0x42]);
        assert_eq!(date_bytes(2029, 12, 31), [0x29, 0x12, 0x31]);
        assert_eq!([days_in(2028, 2), days_in(2027, 2), days_in(2027, 9)], [29, 28, 30]);
    }
}
