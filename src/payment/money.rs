//! Amounts and currencies. Money is a whole number of minor units; there is no floating point
//! anywhere in this crate.

use std::fmt;

/// An ISO 4217 currency that the gateway can settle.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(&'static Definition);

#[derive(PartialEq, Eq, Hash)]
struct Definition {
    alpha: &'static str,
    /// ISO 4217 numeric code: what EMV tag 5F2A and ISO 8583 field 49 carry.
    numeric: u16,
    /// How many fraction digits the currency has.
    exponent: u32,
}

const fn currency(alpha: &'static str, numeric: u16, exponent: u32) -> Definition {
    Definition { alpha, numeric, exponent }
}

/// Sorted by code, so that a reader finds a currency and a missing one is obvious.
static CURRENCIES: &[Definition] = &[
    currency("AED", 784, 2),
    currency("AMD", 51, 2),
    currency("AUD", 36, 2),
    currency("AZN", 944, 2),
    currency("BHD", 48, 3),
    currency("BRL", 986, 2),
    currency("BYN", 933, 2),
    currency("CAD", 124, 2),
    currency("CHF", 756, 2),
    currency("CNY", 156, 2),
    currency("CZK", 203, 2),
    currency("DKK", 208, 2),
    currency("EUR", 978, 2),
    currency("GBP", 826, 2),
    currency("GEL", 981, 2),
    currency("HKD", 344, 2),
    currency("HUF", 348, 2),
    currency("IDR", 360, 2),
    currency("ILS", 376, 2),
    currency("INR", 356, 2),
    currency("JPY", 392, 0),
    currency("KES", 404, 2),
    currency("KGS", 417, 2),
    currency("KRW", 410, 0),
    currency("KWD", 414, 3),
    currency("KZT", 398, 2),
    currency("MDL", 498, 2),
    currency("MXN", 484, 2),
    currency("MYR", 458, 2),
    currency("NGN", 566, 2),
    currency("NOK", 578, 2),
    currency("NZD", 554, 2),
    currency("PHP", 608, 2),
    currency("PLN", 985, 2),
    currency("RON", 946, 2),
    currency("RSD", 941, 2),
    currency("RUB", 643, 2),
    currency("SEK", 752, 2),
    currency("SGD", 702, 2),
    currency("THB", 764, 2),
    currency("TND", 788, 3),
    currency("TRY", 949, 2),
    currency("TZS", 834, 2),
    currency("UAH", 980, 2),
    currency("UGX", 800, 0),
    currency("USD", 840, 2),
    currency("UZS", 860, 2),
    currency("VND", 704, 0),
    currency("XOF", 952, 0),
    currency("ZAR", 710, 2),
];

impl Currency {
    /// Every currency there is, by its code.
    pub fn all() -> impl Iterator<Item = Self> {
        CURRENCIES.iter().map(Self)
    }

    /// The currency with this upper-case alpha-3 code.
    #[must_use]
    pub fn from_alpha(alpha: &str) -> Option<Self> {
        CURRENCIES.iter().find(|c| c.alpha == alpha).map(Self)
    }

    /// The upper-case alpha-3 code, for example `RUB`.
    #[must_use]
    pub fn alpha(self) -> &'static str {
        self.0.alpha
    }

    /// The ISO 4217 numeric code, for example 643.
    #[must_use]
    pub fn numeric(self) -> u16 {
        self.0.numeric
    }

    /// How many fraction digits an amount in this currency may have.
    #[must_use]
    pub fn exponent(self) -> u32 {
        self.0.exponent
    }

    /// Reads a sum in highest units: `.` as the separator, as many fraction digits as the currency
    /// has or fewer. Zero is a sum.
    ///
    /// # Errors
    /// Signs, exponents, commas, blanks, a bare `.`, and too many digits are refused.
    pub fn minor_of(self, text: &str) -> Result<i64, AmountError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(AmountError::Format),
            Some(parts) => parts,
            None => (text, ""),
        };
        let digits_only = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits_only(whole) || !digits_only(fraction) {
            return Err(AmountError::Format);
        }
        let missing = (self.exponent() as usize)
            .checked_sub(fraction.len())
            .ok_or(AmountError::TooPrecise)?;
        let mut digits =
            whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', missing));
        let add = |sum: i64, digit: u8| sum.checked_mul(10)?.checked_add(i64::from(digit - b'0'));
        digits.try_fold(0, add).ok_or(AmountError::TooLong)
    }

    /// A sum of minor units as the wire has it, for example `10.42`.
    #[must_use]
    pub fn decimal(self, minor: i64) -> String {
        let exponent = self.exponent();
        if exponent == 0 {
            return minor.to_string();
        }
        let (sign, minor) = (if minor < 0 { "-" } else { "" }, minor.unsigned_abs());
        let unit = 10_u64.pow(exponent);
        let (whole, fraction) = (minor / unit, minor % unit);
        format!("{sign}{whole}.{fraction:0width$}", width = exponent as usize)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alpha())
    }
}

/// A positive amount of money in one currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Amount {
    minor: i64,
    currency: Currency,
}

/// Why a text is not an amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AmountError {
    #[error("use digits with one '.' at most, for example 10.42")]
    Format,
    #[error("too long")]
    TooLong,
    #[error("more fraction digits than the currency has")]
    TooPrecise,
    #[error("must be greater than zero")]
    NotPositive,
}

/// MAPI 3.2: the field `amount` has at most ten characters.
const AMOUNT_TEXT_MAX: usize = 10;

impl Amount {
    /// An amount of `minor` minor units; `None` unless it is positive.
    #[must_use]
    pub fn from_minor(minor: i64, currency: Currency) -> Option<Self> {
        (minor > 0).then_some(Self { minor, currency })
    }

    /// Reads the wire form of MAPI 1.6: highest units, `.` as the separator, as many fraction
    /// digits as the currency has or fewer (`10`, `10.5`, `10.50`).
    ///
    /// # Errors
    /// Signs, exponents, commas, blanks, a bare `.`, too many digits, and zero are refused.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, AmountError> {
        if text.len() > AMOUNT_TEXT_MAX {
            return Err(AmountError::TooLong);
        }
        Self::from_minor(currency.minor_of(text)?, currency).ok_or(AmountError::NotPositive)
    }

    /// How many minor units (cents, kopecks) this is.
    #[must_use]
    pub fn minor(self) -> i64 {
        self.minor
    }

    /// The currency of the amount.
    #[must_use]
    pub fn currency(self) -> Currency {
        self.currency
    }
}

/// The wire form of MAPI 1.6 with all fraction digits: `10.42`, `10.00`, for JPY `10`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.currency.decimal(self.minor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(text: &str, code: &str) -> Result<i64, AmountError> {
        Amount::parse(text, Currency::from_alpha(code).unwrap()).map(Amount::minor)
    }

    #[test]
    fn amounts_are_read_in_highest_units() {
        assert_eq!(minor("10.42", "RUB"), Ok(1042));
        assert_eq!(minor("0.94", "RUB"), Ok(94));
        assert_eq!(minor("1", "RUB"), Ok(100));
        assert_eq!(minor("1.5", "RUB"), Ok(150));
        assert_eq!(minor("500", "JPY"), Ok(500));
        assert_eq!(minor("1.234", "KWD"), Ok(1234));
        assert_eq!(minor("9999999999", "KWD"), Ok(9_999_999_999_000));
    }

    #[test]
    fn anything_but_a_plain_positive_decimal_is_refused() {
        for text in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1", "1 ", "0x10", "1.2.3", "١"]
        {
            assert_eq!(minor(text, "RUB"), Err(AmountError::Format), "{text:?}");
        }
        assert_eq!(minor("1.234", "RUB"), Err(AmountError::TooPrecise));
        assert_eq!(minor("1.0", "JPY"), Err(AmountError::TooPrecise));
        assert_eq!(minor("0", "RUB"), Err(AmountError::NotPositive));
        assert_eq!(minor("0.00", "RUB"), Err(AmountError::NotPositive));
        assert_eq!(minor("12345678901", "RUB"), Err(AmountError::TooLong));
    }

    #[test]
    fn amounts_are_written_with_all_their_digits() {
        let show = |minor, code| {
            Amount::from_minor(minor, Currency::from_alpha(code).unwrap()).unwrap().to_string()
        };
        assert_eq!(show(1042, "RUB"), "10.42");
        assert_eq!(show(5, "RUB"), "0.05");
        assert_eq!(show(1000, "RUB"), "10.00");
        assert_eq!(show(500, "JPY"), "500");
        assert_eq!(show(1234, "KWD"), "1.234");
    }

    #[test]
    fn the_table_of_currencies_is_sorted_and_unique() {
        assert!(CURRENCIES.windows(2).all(|pair| pair[0].alpha < pair[1].alpha));
    }
}
