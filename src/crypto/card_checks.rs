//! What the card data says against what the request says (MAPI 4.8).

use super::card_data::ClearCard;
use super::tlv::Tag;
use crate::payment::Millis;
use crate::payment::card::{EntryMode, Expiry};
use crate::payment::money::Amount;
use chrono::{DateTime, Datelike, NaiveDate};

/// The chip's date and its application transaction counter.
const DATE: Tag = Tag(0x9A);
const COUNTER: Tag = Tag(0x9F36);

/// How the card data contradicts the request; each carries what was found inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InsideError {
    #[error("the card expired in {:02}/{}", .0.month(), .0.year())]
    Expired(Expiry),
    #[error("tag 9F02 holds {0:?} minor units")]
    AmountDiffers(Option<u64>),
    #[error("tag 5F2A holds currency number {0:?}")]
    CurrencyDiffers(Option<u16>),
    #[error("tag 9A holds the date {0}; the reader's clock is wrong, or the message is old")]
    DateDiffers(NaiveDate),
    #[error("tag 9A is no date, or tag 9F36 has not two bytes")]
    BadRun,
}

/// How far the chip's date may be from ours: readers keep the time of their own zone.
const DAYS_APART_MAX: u64 = 2;

/// Checks expiry, amount, currency, date and counter of decrypted card data.
///
/// A chip must have signed for amount and currency, so with a chip both tags are required; on a
/// stripe they are checked if present, like date and counter everywhere.
///
/// # Errors
/// The first contradiction, in the order of `InsideError`; `None` inside means a missing tag.
pub fn check_inside(
    card: &ClearCard,
    entry_mode: EntryMode,
    amount: Amount,
    now: Millis,
) -> Result<(), InsideError> {
    let today = DateTime::from_timestamp_millis(now).unwrap_or_default().date_naive();
    let (year, month) = (today.year(), today.month());
    if card.expiry.is_past(year, month) {
        return Err(InsideError::Expired(card.expiry));
    }
    let required = entry_mode.has_chip();
    let minor = u64::try_from(amount.minor()).ok();
    if (required || card.amount_inside.is_some()) && card.amount_inside != minor {
        return Err(InsideError::AmountDiffers(card.amount_inside));
    }
    let numeric = Some(amount.currency().numeric());
    if (required || card.currency_inside.is_some()) && card.currency_inside != numeric {
        return Err(InsideError::CurrencyDiffers(card.currency_inside));
    }
    check_run(card, today)
}

/// What tells one run of a chip from the next: its date and its transaction counter.
fn check_run(card: &ClearCard, today: NaiveDate) -> Result<(), InsideError> {
    if card.chip_tag(COUNTER).is_some_and(|counter| counter.len() != 2) {
        return Err(InsideError::BadRun);
    }
    let Some(date) = card.chip_tag(DATE) else {
        return Ok(());
    };
    let date = read_date(date).ok_or(InsideError::BadRun)?;
    let apart = today.signed_duration_since(date).num_days().unsigned_abs();
    if apart > DAYS_APART_MAX { Err(InsideError::DateDiffers(date)) } else { Ok(()) }
}

/// YYMMDD in decimal digits, of the years 2000 to 2099.
fn read_date(bytes: &[u8]) -> Option<NaiveDate> {
    let text = hex::encode(bytes);
    let pair = |at: usize| text.get(at..at + 2)?.parse::<u32>().ok();
    let year = i32::try_from(pair(0)?).ok()?;
    NaiveDate::from_ymd_opt(2000 + year, pair(2)?, pair(4)?).filter(|_| text.len() == 6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::money::Currency;

    /// Noon of a day.
    fn noon(year: i32, month: u32, day: u32) -> Millis {
        let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
        date.and_hms_opt(12, 0, 0).unwrap().and_utc().timestamp_millis()
    }

    fn today() -> Millis {
        noon(2029, 12, 15)
    }

    fn card(tail: &str) -> ClearCard {
        let text = format!("5A0844445555666611115F2403291231{tail}");
        ClearCard::parse(&hex::decode(text).unwrap()).unwrap()
    }

    fn rub(minor: i64) -> Amount {
        Amount::from_minor(minor, Currency::from_alpha("RUB").unwrap()).unwrap()
    }

    const BOTH: &str = "9F02060000000010425F2A020643";

    #[test]
    fn a_card_that_agrees_passes_in_every_mode() {
        for digit in b'0'..=b'4' {
            let mode = EntryMode::from_digit(digit).unwrap();
            assert_eq!(check_inside(&card(BOTH), mode, rub(1042), today()), Ok(()));
        }
    }

    #[test]
    fn an_expired_card_is_refused_first() {
        let expired =
            check_inside(&card(BOTH), EntryMode::Chip, rub(1), noon(2030, 1, 1)).unwrap_err();
        assert_eq!(expired, InsideError::Expired(Expiry::from_yymm("2912").unwrap()));
        assert_eq!(expired.to_string(), "the card expired in 12/2029");
    }

    #[test]
    fn amount_and_currency_are_required_of_a_chip_only() {
        let check = |tail, mode| check_inside(&card(tail), mode, rub(1042), today());
        assert_eq!(check("", EntryMode::Swipe), Ok(()));
        assert_eq!(check("", EntryMode::FallbackSwipe), Ok(()));
        assert_eq!(check("", EntryMode::Chip), Err(InsideError::AmountDiffers(None)));
        let without_currency = check("9F0206000000001042", EntryMode::Contactless);
        assert_eq!(without_currency, Err(InsideError::CurrencyDiffers(None)));
    }

    #[test]
    fn a_difference_is_refused_on_a_stripe_as_well() {
        let check = |tail| check_inside(&card(tail), EntryMode::Swipe, rub(1042), today());
        assert_eq!(check("9F0206000000001043"), Err(InsideError::AmountDiffers(Some(1043))));
        assert_eq!(check("5F2A020978"), Err(InsideError::CurrencyDiffers(Some(978))));
    }

    #[test]
    fn a_chip_whose_clock_is_wrong_is_refused() {
        let check = |tail: &str| {
            check_inside(&card(&format!("{BOTH}{tail}")), EntryMode::Chip, rub(1042), today())
        };
        for near in ["291213", "291217", "291215"] {
            assert_eq!(check(&format!("9A03{near}")), Ok(()), "{near}");
        }
        for far in ["291212", "291218", "191215"] {
            let differs = check(&format!("9A03{far}")).unwrap_err();
            assert!(matches!(differs, InsideError::DateDiffers(_)), "{far}");
        }
        for bad in ["9A03291315", "9A022912", "9A03AA1215", "9F360101"] {
            assert_eq!(check(bad), Err(InsideError::BadRun), "{bad}");
        }
        assert_eq!(check("9F36020001"), Ok(()));
    }
}
