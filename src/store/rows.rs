//! What is stored of a change, in the words of the tables.

use super::writer::{Advance, NewOrder, NoticeResult};
use super::{StoreError, corrupt};
use crate::payment::Millis;
use crate::payment::card::{Brand, CardFacts, EntryMode, Expiry};
use crate::payment::chip::ChipTags;
use crate::payment::notice::{Attempt, Notice};
use serde::{Deserialize, Serialize};

/// The JSON text of a value that is stored whole.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Broken(error.to_string()))
}

/// Card facts as they are stored.
#[derive(Serialize, Deserialize)]
pub(super) struct CardJson {
    bin: String,
    last_four: String,
    expiry: String,
    brand: String,
    hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cardholder: Option<String>,
    entry_mode: char,
    #[serde(default, skip_serializing_if = "ChipTags::is_empty")]
    chip: ChipTags,
}

impl CardJson {
    fn of(card: &CardFacts) -> Self {
        Self {
            bin: card.bin.clone(),
            last_four: card.last_four.clone(),
            expiry: card.expiry.yymm(),
            brand: card.brand.name().to_owned(),
            hash: card.hash.clone(),
            cardholder: card.cardholder.clone(),
            entry_mode: char::from(card.entry_mode.digit()),
            chip: card.chip.clone(),
        }
    }

    pub(super) fn into_facts(self) -> Result<CardFacts, StoreError> {
        let mode = u8::try_from(self.entry_mode).ok().and_then(EntryMode::from_digit);
        Ok(CardFacts {
            expiry: Expiry::from_yymm(&self.expiry).ok_or_else(|| corrupt("expiry"))?,
            brand: Brand::from_name(&self.brand).ok_or_else(|| corrupt("brand"))?,
            entry_mode: mode.ok_or_else(|| corrupt("entry mode"))?,
            bin: self.bin,
            last_four: self.last_four,
            hash: self.hash,
            cardholder: self.cardholder,
            chip: self.chip,
        })
    }
}

/// A new order, and what is stored of it as JSON: written by its caller, because all wait for the
/// writer.
pub(super) struct OrderRow {
    pub(super) new: NewOrder,
    pub(super) card: String,
    pub(super) request: String,
    pub(super) outcome: String,
}

impl OrderRow {
    pub(super) fn of(new: NewOrder) -> Result<Self, StoreError> {
        let order = &new.change.order;
        Ok(Self {
            card: json(&CardJson::of(&order.card))?,
            request: json(&order.request)?,
            outcome: json(&order.outcome)?,
            new,
        })
    }
}

/// The step that a new order needs.
pub(super) struct JobRow {
    pub(super) step: &'static str,
    pub(super) round: i64,
    pub(super) due_at: Millis,
    /// 1 if the job is leased from the start, else 0; its tries are as many.
    pub(super) claims: i64,
}

impl JobRow {
    pub(super) fn of(new: &NewOrder) -> Option<Self> {
        let planned = new.change.next?;
        let (step, round) = planned.step.name_and_round();
        let due_at = new.leased_until.unwrap_or(planned.due_at);
        Some(Self { step, round: round.into(), due_at, claims: new.leased_until.is_some().into() })
    }
}

/// A callback that waits, or whose first attempt is under way until its lease ends.
pub(super) struct NoticeRow<'a> {
    pub(super) id: i64,
    pub(super) order_id: i64,
    pub(super) amendment_id: Option<i64>,
    pub(super) endpoint_id: i64,
    pub(super) url: &'a str,
    pub(super) status: &'static str,
    pub(super) state: &'static str,
    pub(super) attempts: i64,
    pub(super) due_at: Millis,
    pub(super) created_at: Millis,
}

impl<'a> NoticeRow<'a> {
    pub(super) fn of_new(new: &'a NewOrder) -> Option<Self> {
        let notice = new.notice.as_ref()?;
        Some(Self::waiting(notice, new.change.order.updated_at))
    }

    /// Nobody has made an attempt yet.
    pub(super) fn waiting(notice: &'a Notice, made_at: Millis) -> Self {
        Self::new(notice, made_at, None)
    }

    pub(super) fn of_advance(advance: &'a Advance) -> Option<Self> {
        let notice = advance.notice.as_ref()?;
        let made_at = advance.change.order.updated_at;
        Some(Self::new(notice, made_at, advance.notice_leased_until))
    }

    fn new(notice: &'a Notice, made_at: Millis, leased_until: Option<Millis>) -> Self {
        Self {
            id: notice.id.0,
            order_id: notice.order.0,
            amendment_id: notice.amendment.map(|amendment| amendment.0),
            endpoint_id: notice.endpoint.0,
            url: &notice.url,
            status: notice.status.name(),
            state: if leased_until.is_some() { "sending" } else { "waiting" },
            attempts: leased_until.is_some().into(),
            due_at: leased_until.unwrap_or(made_at),
            created_at: made_at,
        }
    }
}

/// What an attempt to deliver leaves behind.
pub(super) struct NoteRow {
    pub(super) id: i64,
    /// The attempt that it is about.
    pub(super) attempts: i64,
    /// How many of the attempts count.
    pub(super) made: i64,
    pub(super) state: &'static str,
    pub(super) due_at: Option<Millis>,
}

impl NoteRow {
    pub(super) fn of(note: &NoticeResult) -> Self {
        let (state, due_at) = match note.attempt {
            Attempt::Delivered => ("delivered", None),
            Attempt::RetryAt(due_at) | Attempt::NotMade(due_at) => ("waiting", Some(due_at)),
            Attempt::GivenUp => ("dead", None),
            Attempt::Held => ("held", None),
        };
        let attempts = i64::from(note.attempts);
        let made = attempts - i64::from(note.attempt.outcome().is_none());
        Self { id: note.id.0, attempts, made, state, due_at }
    }
}
