//! What the card data says against what the request says (MAPI 4.8).

use super::card_data::ClearCard;
use crate::payment::card::{EntryMode, Expiry};
use crate::payment::money::Amount;

/// How the card data contradicts the request; each carries what was found inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InsideError {
    #[error("the card expired in {:02}/{}", .0.month(), .0.year())]
    Expired(Expiry),
    #[error("tag 9F02 holds {0:?} minor units")]
    AmountDiffers(Option<u64>),
    #[error("tag 5F2A holds currency number {0:?}")]
    CurrencyDiffers(Option<u16>),
}

/// Checks expiry, amount and currency of decrypted card data.
///
/// A chip must have signed for amount and currency, so with a chip both tags are required; on a
/// stripe they are checked if present. `today` is (year, month).
///
/// # Errors
/// The first contradiction, in the order of `InsideError`; `None` inside means a missing tag.
pub fn check_inside(
    card: &ClearCard,
    entry_mode: EntryMode,
    amount: Amount,
    today: (i32, u32),
) -> Result<(), InsideError> {
    let (year, month) = today;
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::money::Currency;

    const TODAY: (i32, u32) = (2029, 12);

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
        for digit in b'0'..=b'3' {
            let mode = EntryMode::from_digit(digit).unwrap();
            assert_eq!(check_inside(&card(BOTH), mode, rub(1042), TODAY), Ok(()));
        }
    }

    #[test]
    fn an_expired_card_is_refused_first() {
        let expired = check_inside(&card(BOTH), EntryMode::Chip, rub(1), (2030, 1)).unwrap_err();
        assert_eq!(expired, InsideError::Expired(Expiry::from_yymm("2912").unwrap()));
        assert_eq!(expired.to_string(), "the card expired in 12/2029");
    }

    #[test]
    fn amount_and_currency_are_required_of_a_chip_only() {
        let check = |tail, mode| check_inside(&card(tail), mode, rub(1042), TODAY);
        assert_eq!(check("", EntryMode::Swipe), Ok(()));
        assert_eq!(check("", EntryMode::FallbackSwipe), Ok(()));
        assert_eq!(check("", EntryMode::Chip), Err(InsideError::AmountDiffers(None)));
        let without_currency = check("9F0206000000001042", EntryMode::Contactless);
        assert_eq!(without_currency, Err(InsideError::CurrencyDiffers(None)));
    }

    #[test]
    fn a_difference_is_refused_on_a_stripe_as_well() {
        let check = |tail| check_inside(&card(tail), EntryMode::Swipe, rub(1042), TODAY);
        assert_eq!(check("9F0206000000001043"), Err(InsideError::AmountDiffers(Some(1043))));
        assert_eq!(check("5F2A020978"), Err(InsideError::CurrencyDiffers(Some(978))));
    }
}
