//! A card at a reader: the message is read, its reader and its counter are looked at, it is opened,
//! and what is inside is held against the request.

use super::key_store::{CardPin, KeyStoreError};
use super::submit::Intent;
use super::{Failure, Gateway};
use crate::crypto::card_checks::{InsideError, check_inside};
use crate::crypto::card_data::{ClearCard, with_pin};
use crate::crypto::card_fields::CardDataError;
use crate::crypto::clear_list::ClearListError;
use crate::crypto::pin_zone::PinRefused;
use crate::crypto::reader::ReaderMessage;
use crate::crypto::reader_keys::{OpeningError, one_list};
use crate::payment::Millis;
use crate::payment::card::{CardFacts, Pan};
use crate::payment::reader::{Reader, ReaderKind};
use crate::payment::refusal::Refusal;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The card of a message that was opened, and whose reader may be used.
pub(super) struct Presented {
    pub(super) reader: Arc<Reader>,
    /// The highest counter that the message uses up.
    pub(super) counter: i64,
    pub(super) facts: CardFacts,
    /// The card's hashes under keys that were replaced.
    pub(super) earlier_hashes: Vec<String>,
    /// The opened message, to be sealed to the order.
    pub(super) clear: Zeroizing<Vec<u8>>,
}

impl Gateway {
    /// Finds the reader, checks that it may be used, and opens its message.
    pub(super) async fn open_card(
        &self,
        intent: &Intent,
        now: Millis,
    ) -> Result<Presented, Failure> {
        let layout = ReaderKind::from_name(&intent.encrypted_type);
        let layout = layout.ok_or(Refusal::UnsupportedEncryptedType)?;
        let message = ReaderMessage::parse(layout, &intent.encrypted_data)
            .map_err(|error| Failure::refused(Refusal::InvalidEncryptedData, error.to_string()))?;
        let mut reader = self.reader_of(&message, intent).await?;
        let most_ahead = intent.endpoint.limits.counter_jump_most;
        let mut counter = admit_counters(&reader, &message, most_ahead);
        if counter.is_err() {
            // What is remembered of the reader may be a moment old.
            reader = Arc::new(self.reader_now(&reader).await?);
            admit_reader(&reader, intent)?;
            counter = admit_counters(&reader, &message, most_ahead);
        }
        let counter = counter?;
        let set = self.key_set(reader.key_set).await?;
        let opened = set.keys.open(&reader, &message, intent.amount).await?;
        let mut clear = one_list(reader.cipher, opened, &message).map_err(refuse_opening)?;
        let card = ClearCard::parse(&clear).map_err(refuse_card)?;
        if card.pin.is_some() {
            return Err(refuse_card(CardDataError::BadPin));
        }
        if self.parts.test_cards_only && !card.pan.is_test_card() {
            let cause = format!(
                "{} is the front of no test card; real ones are for `test_cards_only = false`, or \
                 `tillgate dev --any-card`",
                card.pan.first_six()
            );
            return Err(Failure::refused(Refusal::CardNumberInvalid, cause));
        }
        check_inside(&card, message.entry_mode, intent.amount, now).map_err(refuse_inside)?;
        let facts = CardFacts {
            bin: card.pan.first_six().to_owned(),
            last_four: card.pan.last_four().to_owned(),
            expiry: card.expiry,
            brand: card.pan.brand(),
            hash: self.parts.keys.card_hash(&card.pan),
            cardholder: card.cardholder.clone(),
            entry_mode: message.entry_mode,
            chip: card.for_receipt(),
        };
        if let Some(sealed) = &message.pin {
            let pin = CardPin { sealed, pan: &card.pan, amount: intent.amount };
            let pin = set.keys.translate_pin(&reader, pin, &set.pin_formats).await?;
            clear = with_pin(&clear, &pin);
        }
        let earlier_hashes = self.parts.keys.earlier_card_hashes(&card.pan);
        Ok(Presented { reader, counter, facts, earlier_hashes, clear })
    }

    /// The keyed hash by which a card is recognised again; 40 lower-case hex digits.
    #[must_use]
    pub fn card_hash(&self, pan: &Pan) -> String {
        self.parts.keys.card_hash(pan)
    }

    /// The answer to a counter that another message has just used.
    pub(super) async fn refuse_counter(&self, reader: &Reader) -> Result<Failure, Failure> {
        let refusal = match self.reader_now(reader).await?.is_exhausted() {
            true => Refusal::ReaderExhausted,
            false => Refusal::CounterReplayed,
        };
        let cause = format!("reader {} has used this counter before", reader.serial);
        Ok(Failure::refused(refusal, cause))
    }

    /// The reader as the database has it now.
    async fn reader_now(&self, reader: &Reader) -> Result<Reader, Failure> {
        let found = self.store().reader(&reader.serial).await?;
        found.ok_or_else(|| Failure::Internal(format!("reader {} vanished", reader.serial)))
    }

    /// The message's reader, if it may send such a message to this endpoint.
    async fn reader_of(
        &self,
        message: &ReaderMessage,
        intent: &Intent,
    ) -> Result<Arc<Reader>, Failure> {
        let serial = message.serial.as_str();
        let reader = self.reader(serial).await?.ok_or_else(|| {
            Failure::refused(Refusal::ReaderNotRegistered, format!("no reader {serial}"))
        })?;
        admit_reader(&reader, intent)?;
        Ok(reader)
    }
}

fn admit_reader(reader: &Reader, intent: &Intent) -> Result<(), Failure> {
    if !reader.may_send(&intent.encrypted_type) {
        let cause = format!("a {} reader sent {}", reader.kind.name(), intent.encrypted_type);
        return Err(Failure::refused(Refusal::UnsupportedEncryptedType, cause));
    }
    reader.admit(&intent.endpoint).map_err(|refusal| {
        let (serial, state) = (&reader.serial, reader.state.name());
        Failure::refused(refusal, format!("reader {serial}, state {state}"))
    })
}

/// The highest counter that the message uses up, if all of them may be used.
fn admit_counters(
    reader: &Reader,
    message: &ReaderMessage,
    most_ahead: Option<u32>,
) -> Result<i64, Failure> {
    let serial = reader.serial.as_str();
    let mut highest = None;
    for ksn in message.ksns() {
        reader.admit_ksn(ksn).map_err(|refusal| {
            let cause = format!("KSN {ksn} is not of reader {serial}: {}", reader.initial_ksn);
            Failure::refused(refusal, cause)
        })?;
        let counter = ksn.counter(reader.cipher);
        reader.admit_counter(counter, most_ahead).map_err(|refusal| {
            let last = reader.last_counter;
            Failure::refused(refusal, format!("counter {counter} after {last} of reader {serial}"))
        })?;
        highest = highest.max(Some(counter));
    }
    admit_pin_counter(reader, message)?;
    let cause = "nothing in the message is sealed";
    highest.map(i64::from).ok_or_else(|| Failure::refused(Refusal::InvalidEncryptedData, cause))
}

/// The PIN was entered for this card: its block has the key of the card's message, or the next one.
/// A block that was kept back cannot be paired with another card.
fn admit_pin_counter(reader: &Reader, message: &ReaderMessage) -> Result<(), Failure> {
    let Some(pin) = &message.pin else {
        return Ok(());
    };
    let cards = || message.sealed.iter().map(|sealed| sealed.ksn.counter(reader.cipher));
    let counter = pin.ksn.counter(reader.cipher);
    let follows = cards().any(|card| reader.cipher.next_counter(card) == Some(counter));
    if follows || cards().any(|card| card == counter) {
        return Ok(());
    }
    let cause = format!("the PIN's counter {counter} does not belong to the card's");
    Err(Failure::refused(Refusal::InvalidEncryptedData, cause))
}

impl From<KeyStoreError> for Failure {
    fn from(error: KeyStoreError) -> Self {
        match error {
            KeyStoreError::Away(_) => Self::Unavailable(error.to_string()),
            KeyStoreError::Unreadable(_) => Self::Internal(error.to_string()),
            KeyStoreError::Opening(error) => refuse_opening(error),
            KeyStoreError::Pin(error) => refuse_pin(error),
        }
    }
}

fn refuse_pin(error: PinRefused) -> Failure {
    let refusal = match error {
        PinRefused::Format(_) | PinRefused::NoZone => Refusal::PinNotAllowed,
        PinRefused::NotAPin | PinRefused::Key(_) => Refusal::DecryptionFailed,
    };
    Failure::refused(refusal, error.to_string())
}

fn refuse_opening(error: OpeningError) -> Failure {
    let refusal = match error {
        OpeningError::Sim(_) | OpeningError::List(ClearListError::NoCard) => {
            Refusal::DecryptionFailed
        }
        OpeningError::Key(_)
        | OpeningError::KsnLength
        | OpeningError::Length
        | OpeningError::List(ClearListError::MaskDiffers | ClearListError::TooLong) => {
            Refusal::InvalidEncryptedData
        }
    };
    Failure::refused(refusal, error.to_string())
}

fn refuse_card(error: CardDataError) -> Failure {
    let refusal = match error {
        CardDataError::NoCardNumber | CardDataError::BadCardNumber => Refusal::CardNumberInvalid,
        _ => Refusal::InvalidEncryptedData,
    };
    Failure::refused(refusal, error.to_string())
}

fn refuse_inside(error: InsideError) -> Failure {
    let refusal = match error {
        InsideError::Expired(_) => Refusal::CardExpired,
        InsideError::AmountDiffers(_)
        | InsideError::CurrencyDiffers(_)
        | InsideError::DateDiffers(_) => Refusal::CardDataDiffers,
        InsideError::BadRun => Refusal::InvalidEncryptedData,
    };
    Failure::refused(refusal, error.to_string())
}
