//! The card inside: whether it opens, is whole, and agrees with the request.

use super::facts::Facts;
use super::{Case, Fault, Finding, dukpt_trials, sim_trials};
use crate::crypto::advice::{read_advice, read_clear_advice};
use crate::crypto::card_checks::{InsideError, check_inside};
use crate::crypto::card_data::ClearCard;
use crate::crypto::card_fields::CardDataError;
use crate::crypto::clear_list::ClearListError;
use crate::crypto::reader::ReaderMessage;
use crate::crypto::reader_keys::OpeningError;
use crate::payment::key_set::Cipher;
use crate::payment::money::{Amount, Currency};
use zeroize::Zeroizing;

/// A message with nothing sealed is a chip's last word, or no message for a sale.
pub(super) fn last_word(message: &ReaderMessage, facts: &mut Facts) -> Result<(), Fault> {
    match read_clear_advice(&message.clear) {
        Ok(_) => {
            facts.is(format!("the chip's last word, reader {}", message.serial));
            facts.add("it goes to emv-advice, not to a sale");
            Ok(())
        }
        Err(error) => Err(Fault::new(
            Finding::NothingSealed,
            format!("nothing in the message is sealed, and it is no chip's last word: {error}"),
            "let the reader encrypt the card data, and send what it sealed with its KSN",
        )),
    }
}

/// Opens the message and looks at the card.
pub(super) fn check(
    case: &Case<'_>,
    message: &ReaderMessage,
    facts: &mut Facts,
) -> Result<(), Fault> {
    let clear = open(case, message)?;
    let card = match ClearCard::parse(&clear) {
        Ok(card) => card,
        Err(CardDataError::NoCardNumber) if read_advice(&clear).is_ok() => {
            facts.is(format!("the chip's last word, reader {}", message.serial));
            facts.add("it goes to emv-advice, not to a sale");
            return Ok(());
        }
        Err(error) => return Err(bad_card(error)),
    };
    facts.card(&card);
    let Some(amount) = case.amount.or_else(|| amount_inside(&card)) else {
        facts.add("amount and currency were not told, so they are not compared");
        return Ok(());
    };
    match check_inside(&card, message.entry_mode, amount, case.now) {
        Ok(()) => Ok(()),
        Err(error) => Err(contradiction(error, amount)),
    }
}

fn open(case: &Case<'_>, message: &ReaderMessage) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let is_sim = case.reader.cipher == Cipher::AesGcm;
    // DUKPT does not bind the amount, so any will do.
    let amount = case.amount.or_else(|| if is_sim { None } else { some_amount() });
    let Some(amount) = amount else {
        return Err(Fault::new(
            Finding::AmountNeeded,
            "the sim profile binds what it seals to the amount, and none was told",
            "ask again with the amount and the currency of the sale",
        ));
    };
    let initial = case.base.initial_key(&message.serial, case.reader.initial_ksn);
    match initial.and_then(|key| key.open(message, amount)) {
        Ok(clear) => Ok(clear),
        Err(OpeningError::List(ClearListError::MaskDiffers)) => Err(Fault::new(
            Finding::MaskDiffers,
            "it opens, but the masked number beside it is of another card",
            "send sealed and clear values of the same run of the same card",
        )),
        Err(OpeningError::List(ClearListError::TooLong)) => {
            Err(Fault::new(Finding::CardData, "it opens, but is longer than any card", "send less"))
        }
        Err(_) if is_sim => Err(sim_trials::run(case, message, amount)),
        Err(_) => Err(dukpt_trials::run(case, message)),
    }
}

fn some_amount() -> Option<Amount> {
    Amount::from_minor(1, Currency::from_alpha("EUR")?)
}

/// What a chip signed for stands in for what the caller did not tell.
fn amount_inside(card: &ClearCard) -> Option<Amount> {
    let minor = i64::try_from(card.amount_inside?).ok()?;
    let numeric = card.currency_inside?;
    let currency = Currency::all().find(|known| known.numeric() == numeric)?;
    Amount::from_minor(minor, currency)
}

fn bad_card(error: CardDataError) -> Fault {
    let wrong = format!("it opens, but {error}");
    match error {
        CardDataError::BadCardNumber => Fault::new(
            Finding::CardNumber,
            wrong,
            "use a number whose last digit is right; look for lost or swapped digits",
        ),
        CardDataError::NoCardNumber => Fault::new(
            Finding::NoCardInside,
            wrong,
            "seal the track (57), or number and expiry (5A and 5F24)",
        ),
        _ => Fault::new(Finding::CardData, wrong, "seal the value as the card has it"),
    }
}

fn contradiction(error: InsideError, amount: Amount) -> Fault {
    let wrong = format!("it opens, but {error}; the request says {}", told(amount));
    match error {
        InsideError::Expired(_) => {
            Fault::new(Finding::CardExpired, format!("{error}"), "use a card that is still good")
        }
        InsideError::AmountDiffers(None) => {
            Fault::new(Finding::AmountMissing, wrong, "let the chip sign 9F02, and send it")
        }
        InsideError::AmountDiffers(Some(inside)) => {
            Fault::new(Finding::AmountDiffers, wrong, amount_advice(inside, amount))
        }
        InsideError::CurrencyDiffers(None) => {
            Fault::new(Finding::CurrencyMissing, wrong, "let the chip sign 5F2A, and send it")
        }
        InsideError::CurrencyDiffers(Some(_)) => Fault::new(
            Finding::CurrencyDiffers,
            wrong,
            "give the reader the currency of the sale, by its ISO 4217 number",
        ),
        InsideError::DateDiffers(_) => {
            Fault::new(Finding::DateDiffers, wrong, "set the reader's clock, or send a new message")
        }
        InsideError::BadRun => {
            Fault::new(Finding::CardData, wrong, "send date and counter as the chip gave them")
        }
    }
}

fn amount_advice(inside: u64, amount: Amount) -> String {
    let (inside, told) = (i128::from(inside), i128::from(amount.minor()));
    for (factor, power) in [(10_i128, 1), (100, 2), (1000, 3)] {
        if inside == told * factor {
            return format!("the reader was given {factor} times as much: {power} digits too many");
        }
        if inside * factor == told {
            return format!("the reader was given {factor} times too little; 9F02 is minor units");
        }
    }
    "give the reader the very amount of the sale, in minor units".to_owned()
}

/// Amount and currency, for people.
pub(super) fn told(amount: Amount) -> String {
    format!("{amount} {}", amount.currency().alpha())
}
