//! The card: its number while it is clear, and what may be kept of it.

use super::chip::ChipTags;
use std::fmt;
use zeroize::Zeroizing;

/// A card number (PAN) in the clear. It wipes itself, cannot be printed, and should live on one
/// function's stack only.
pub struct Pan(Zeroizing<String>);

/// Why a text is not a card number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the card number must have 12 to 19 digits and pass the Luhn check")]
pub struct PanError;

impl Pan {
    /// Takes 12 to 19 ASCII digits that pass the Luhn check (ISO/IEC 7812-1).
    ///
    /// # Errors
    /// `PanError`, which never carries the digits.
    pub fn parse(digits: &str) -> Result<Self, PanError> {
        let right_length = (12..=19).contains(&digits.len());
        let all_digits = digits.bytes().all(|b| b.is_ascii_digit());
        if !right_length || !all_digits || !passes_luhn(digits.as_bytes()) {
            return Err(PanError);
        }
        Ok(Self(Zeroizing::new(digits.to_owned())))
    }

    /// The same number with a wrong check digit, for virtual cards that were misprinted.
    #[must_use]
    pub fn misprinted(&self) -> Self {
        let mut digits = Zeroizing::new(self.0.to_string());
        let last = digits.pop().and_then(|last| last.to_digit(10)).unwrap_or_default();
        digits.push(char::from_digit((last + 1) % 10, 10).unwrap_or('0'));
        Self(digits)
    }

    /// The clear digits. Whoever calls this must not let them out of the calling function.
    #[must_use]
    pub fn expose_digits(&self) -> &str {
        &self.0
    }

    /// The first six digits: the BIN that may be stored and shown.
    #[must_use]
    pub fn first_six(&self) -> &str {
        &self.0[..6]
    }

    /// The last four digits.
    #[must_use]
    pub fn last_four(&self) -> &str {
        &self.0[self.0.len() - 4..]
    }

    /// Whether the number is of a range that schemes and gateways give out for tests, so that no
    /// cardholder's real card is meant.
    #[must_use]
    pub fn is_test_card(&self) -> bool {
        TEST_BINS.binary_search(&self.first_six()).is_ok()
    }

    /// The scheme whose number range this is.
    #[must_use]
    pub fn brand(&self) -> Brand {
        Brand::of(self.first_six())
    }
}

impl fmt::Debug for Pan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pan(..)")
    }
}

/// First six digits of published test cards, in order.
const TEST_BINS: [&str; 32] = [
    "220000", "220138", "222100", "222300", "353011", "356600", "360000", "371449", "378282",
    "378734", "400000", "400005", "401200", "401288", "411111", "422222", "424242", "444433",
    "444455", "510510", "520082", "520306", "555555", "601100", "601111", "620000", "622200",
    "630400", "675964", "676770", "676800", "999999",
];

fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit - b'0');
            match (place % 2, value * 2) {
                (0, _) => value,
                (_, doubled) if doubled > 9 => doubled - 9,
                (_, doubled) => doubled,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The card scheme, in the spelling of the status field `card-type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Brand {
    Visa,
    Mastercard,
    Maestro,
    Mir,
    Amex,
    UnionPay,
    Jcb,
    Unknown,
}

impl Brand {
    /// All brands, for reading a stored one back.
    const ALL: [Self; 8] = [
        Self::Visa,
        Self::Mastercard,
        Self::Maestro,
        Self::Mir,
        Self::Amex,
        Self::UnionPay,
        Self::Jcb,
        Self::Unknown,
    ];

    fn of(first_six: &str) -> Self {
        let bin: u32 = first_six.parse().unwrap_or(0);
        match bin {
            220_000..=220_499 => Self::Mir,
            222_100..=272_099 | 510_000..=559_999 => Self::Mastercard,
            340_000..=349_999 | 370_000..=379_999 => Self::Amex,
            352_800..=358_999 => Self::Jcb,
            400_000..=499_999 => Self::Visa,
            500_000..=509_999 | 560_000..=589_999 | 630_000..=639_999 | 670_000..=679_999 => {
                Self::Maestro
            }
            620_000..=629_999 => Self::UnionPay,
            _ => Self::Unknown,
        }
    }

    /// The wire and stored spelling, for example `VISA`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Visa => "VISA",
            Self::Mastercard => "MASTERCARD",
            Self::Maestro => "MAESTRO",
            Self::Mir => "MIR",
            Self::Amex => "AMEX",
            Self::UnionPay => "UNIONPAY",
            Self::Jcb => "JCB",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The brand with this stored spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|brand| brand.name() == name)
    }
}

/// The month in which a card expires; it is good through that month's last day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Expiry {
    year: i32,
    month: u32,
}

impl Expiry {
    /// Reads the `YYMM` of a track or the first four digits of tag 5F24. Years are 2000 to 2099.
    #[must_use]
    pub fn from_yymm(text: &str) -> Option<Self> {
        if text.len() != 4 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let year = 2000 + text[..2].parse::<i32>().ok()?;
        let month = text[2..].parse().ok()?;
        (1..=12).contains(&month).then_some(Self { year, month })
    }

    /// The full year, for example 2029.
    #[must_use]
    pub fn year(self) -> i32 {
        self.year
    }

    /// The month, 1 to 12.
    #[must_use]
    pub fn month(self) -> u32 {
        self.month
    }

    /// The four digits `YYMM`.
    #[must_use]
    pub fn yymm(self) -> String {
        format!("{:02}{:02}", self.year - 2000, self.month)
    }

    /// Whether the card is past its month on the given day.
    #[must_use]
    pub fn is_past(self, year: i32, month: u32) -> bool {
        (self.year, self.month) < (year, month)
    }
}

/// How the card met the reader; the digit is what tag DFAE65 carries in the `sim` profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryMode {
    Swipe,
    FallbackSwipe,
    Chip,
    Contactless,
    /// A code on the card holder's phone, scanned.
    QrCode,
}

impl EntryMode {
    /// The mode for the ASCII digit of tag DFAE65, and for the one of ours behind them, under which
    /// scanned codes are stored.
    #[must_use]
    pub fn from_digit(digit: u8) -> Option<Self> {
        match digit {
            b'0' => Some(Self::Swipe),
            b'1' => Some(Self::FallbackSwipe),
            b'2' => Some(Self::Chip),
            b'3' => Some(Self::Contactless),
            b'4' => Some(Self::QrCode),
            _ => None,
        }
    }

    /// The ASCII digit, see [`from_digit`](Self::from_digit).
    #[must_use]
    pub fn digit(self) -> u8 {
        match self {
            Self::Swipe => b'0',
            Self::FallbackSwipe => b'1',
            Self::Chip => b'2',
            Self::Contactless => b'3',
            Self::QrCode => b'4',
        }
    }

    /// Whether a chip took part, so that amount and currency must stand among its tags.
    #[must_use]
    pub fn has_chip(self) -> bool {
        matches!(self, Self::Chip | Self::Contactless)
    }
}

/// What is kept of a card: enough for a receipt and for counting, not enough to pay with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardFacts {
    /// First six digits.
    pub bin: String,
    pub last_four: String,
    pub expiry: Expiry,
    pub brand: Brand,
    /// Keyed hash of the whole number: lower-case hex, equal for equal cards of one gateway.
    pub hash: String,
    pub cardholder: Option<String>,
    pub entry_mode: EntryMode,
    pub chip: ChipTags,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_number_is_digits_with_a_luhn_check() {
        assert!(Pan::parse("4444555566661111").is_ok());
        assert!(Pan::parse("378282246310005").is_ok());
        for bad in [
            "4444555566661112",
            "",
            "444455556666111a",
            "42",
            "00000000000",
            "４４４４５５５５６６６６１１１１",
        ] {
            assert_eq!(Pan::parse(bad).unwrap_err(), PanError, "{bad}");
        }
    }

    #[test]
    fn a_card_number_cannot_be_printed() {
        let pan = Pan::parse("4444555566661111").unwrap();
        assert_eq!(format!("{pan:?}"), "Pan(..)");
        assert_eq!((pan.first_six(), pan.last_four()), ("444455", "1111"));
    }

    #[test]
    fn test_cards_are_told_from_others() {
        assert!(TEST_BINS.is_sorted());
        assert!(Pan::parse("4444555566661111").unwrap().is_test_card());
        assert!(!Pan::parse("4895370000000007").unwrap().is_test_card());
    }

    #[test]
    fn brands_follow_the_number_ranges() {
        for (bin, brand) in [
            ("444455", Brand::Visa),
            ("520306", Brand::Mastercard),
            ("222100", Brand::Mastercard),
            ("220138", Brand::Mir),
            ("378282", Brand::Amex),
            ("353011", Brand::Jcb),
            ("999999", Brand::Unknown),
        ] {
            assert_eq!(Brand::of(bin), brand, "{bin}");
            assert_eq!(Brand::from_name(brand.name()), Some(brand));
        }
    }

    #[test]
    fn a_card_is_good_through_its_month() {
        let expiry = Expiry::from_yymm("2912").unwrap();
        assert!(!expiry.is_past(2029, 12));
        assert!(expiry.is_past(2030, 1));
        assert_eq!(expiry.yymm(), "2912");
        assert_eq!(Expiry::from_yymm("2913"), None);
        assert_eq!(Expiry::from_yymm("29"), None);
    }
}
