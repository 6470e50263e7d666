//! The rows of the hot statements, as they go to the database in one JSON array.

use super::writer::{Advance, JobRef, NewOrder, NoticeResult};
use super::{StoreError, corrupt};
use crate::payment::card::{Brand, CardFacts, EntryMode, Expiry};
use crate::payment::ids::OrderId;
use crate::payment::notice::{Attempt, Notice};
use crate::payment::order::Outcome;
use crate::payment::transition::Change;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// The JSON text of a batch or of one nested value.
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
        })
    }
}

/// What a new order is checked against. Also feeds the nonces and counters.
#[derive(Serialize)]
pub(super) struct LookRow<'a> {
    place: usize,
    #[serde(skip)]
    pub(super) order: OrderId,
    pub(super) endpoint_id: i64,
    pub(super) client_orderid: &'a str,
    pub(super) reader_id: i64,
    pub(super) counter: i64,
    pub(super) nonce_bucket: i64,
    pub(super) nonce_digest: &'a str,
}

impl<'a> LookRow<'a> {
    pub(super) fn of(place: usize, new: &'a NewOrder) -> Self {
        let order = &new.change.order;
        Self {
            place,
            order: order.id,
            endpoint_id: order.endpoint.0,
            client_orderid: &order.client_orderid,
            reader_id: order.reader.0,
            counter: new.counter,
            nonce_bucket: new.nonce.bucket,
            nonce_digest: &new.nonce.digest,
        }
    }
}

/// A new order.
#[derive(Serialize)]
pub(super) struct OrderRow<'a> {
    id: i64,
    endpoint_id: i64,
    client_orderid: &'a str,
    kind: &'static str,
    status: &'static str,
    stage: &'static str,
    amount_minor: i64,
    currency: &'static str,
    reader_id: i64,
    serial: i64,
    request_digest: &'a str,
    card: String,
    request: String,
    outcome: String,
    card_sealed: Option<&'a str>,
    created_at: i64,
    updated_at: i64,
}

impl<'a> OrderRow<'a> {
    pub(super) fn of(new: &'a NewOrder) -> Result<Self, StoreError> {
        let order = &new.change.order;
        Ok(Self {
            id: order.id.0,
            endpoint_id: order.endpoint.0,
            client_orderid: &order.client_orderid,
            kind: order.kind.name(),
            status: order.status.name(),
            stage: order.stage.name(),
            amount_minor: order.amount.minor(),
            currency: order.amount.currency().alpha(),
            reader_id: order.reader.0,
            serial: order.serial.0,
            request_digest: &new.request_digest,
            card: json(&CardJson::of(&order.card))?,
            request: json(&order.request)?,
            outcome: json(&order.outcome)?,
            card_sealed: new.card_sealed.as_deref(),
            created_at: order.created_at,
            updated_at: order.updated_at,
        })
    }
}

#[derive(Serialize, PartialEq, Eq, Hash)]
pub(super) struct PhoneRow<'a> {
    merchant_id: i64,
    phone_id: &'a str,
    sdk_version: Option<&'a str>,
    seen_at: i64,
}

impl<'a> PhoneRow<'a> {
    /// One row per phone.
    pub(super) fn distinct(new: impl Iterator<Item = &'a NewOrder>) -> Vec<Self> {
        let mut seen = HashSet::new();
        new.filter(|n| seen.insert((n.merchant, n.phone.phone_id.as_str())))
            .map(|n| Self {
                merchant_id: n.merchant.0,
                phone_id: &n.phone.phone_id,
                sdk_version: n.phone.sdk_version.as_deref(),
                seen_at: n.change.order.created_at,
            })
            .collect()
    }
}

#[derive(Serialize)]
pub(super) struct JobRow {
    id: i64,
    order_id: i64,
    step: &'static str,
    round: u32,
    due_at: i64,
    claims: u32,
}

impl JobRow {
    pub(super) fn of(new: &NewOrder) -> Option<Self> {
        let planned = new.change.next?;
        let (step, round) = planned.step.name_and_round();
        let (id, order_id) = (new.job.0, new.change.order.id.0);
        let due_at = new.leased_until.unwrap_or(planned.due_at);
        Some(Self { id, order_id, step, round, due_at, claims: new.leased_until.is_some().into() })
    }
}

#[derive(Serialize)]
pub(super) struct AdvanceRow {
    id: i64,
    version: i64,
    status: &'static str,
    stage: &'static str,
    outcome: String,
    updated_at: i64,
    /// The order is final: its card is not needed any more.
    wipe: bool,
    job_id: i64,
    claims: u32,
}

impl AdvanceRow {
    pub(super) fn of(advance: &Advance) -> Result<Self, StoreError> {
        let order = &advance.change.order;
        let outcome: &Outcome = &order.outcome;
        Ok(Self {
            id: order.id.0,
            version: order.version,
            status: order.status.name(),
            stage: order.stage.name(),
            outcome: json(outcome)?,
            updated_at: order.updated_at,
            wipe: order.status.is_final(),
            job_id: advance.job.id.0,
            claims: advance.job.claims,
        })
    }
}

#[derive(Serialize)]
pub(super) struct PlanRow {
    id: i64,
    claims: u32,
    step: &'static str,
    round: u32,
    due_at: i64,
}

impl PlanRow {
    pub(super) fn of(advance: &Advance) -> Option<Self> {
        let planned = advance.change.next?;
        let (step, round) = planned.step.name_and_round();
        let (id, claims) = (advance.job.id.0, advance.job.claims);
        Some(Self { id, claims, step, round, due_at: planned.due_at })
    }
}

#[derive(Serialize)]
pub(super) struct EndRow {
    id: i64,
    claims: u32,
}

impl EndRow {
    /// The end of a job whose order is final.
    pub(super) fn of(advance: &Advance) -> Option<Self> {
        let JobRef { id, claims } = advance.job;
        advance.change.next.is_none().then_some(Self { id: id.0, claims })
    }
}

#[derive(Serialize)]
pub(super) struct NoticeRow<'a> {
    id: i64,
    order_id: i64,
    endpoint_id: i64,
    url: &'a str,
    status: &'static str,
    state: &'static str,
    attempts: u32,
    due_at: i64,
    created_at: i64,
}

impl<'a> NoticeRow<'a> {
    /// A notice that waits, or whose first attempt is under way until the lease ends.
    pub(super) fn of(notice: &'a Notice, change: &Change, leased_until: Option<i64>) -> Self {
        let made_at = change.order.updated_at;
        Self {
            state: if leased_until.is_some() { "sending" } else { "waiting" },
            attempts: leased_until.is_some().into(),
            due_at: leased_until.unwrap_or(made_at),
            id: notice.id.0,
            order_id: notice.order.0,
            endpoint_id: notice.endpoint.0,
            url: &notice.url,
            status: notice.status.name(),
            created_at: made_at,
        }
    }
}

#[derive(Serialize)]
pub(super) struct NoteRow {
    id: i64,
    attempts: u32,
    /// How many of the attempts count.
    made: u32,
    state: &'static str,
    due_at: Option<i64>,
    /// The state it must have. It stands in the row and not in the statement, because PostgreSQL
    /// would plan a young table's constant as a walk through all notices.
    was: &'static str,
}

impl NoteRow {
    pub(super) fn of(note: &NoticeResult) -> Self {
        let (state, due_at) = match note.attempt {
            Attempt::Delivered => ("delivered", None),
            Attempt::RetryAt(due_at) | Attempt::NotMade(due_at) => ("waiting", Some(due_at)),
            Attempt::GivenUp => ("dead", None),
        };
        let not_made = matches!(note.attempt, Attempt::NotMade(_));
        let made = note.attempts - u32::from(not_made);
        Self { id: note.id.0, attempts: note.attempts, made, state, due_at, was: "sending" }
    }
}
