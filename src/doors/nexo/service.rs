//! Carrying a service out once: it is written down before it begins, goes on without whoever asked
//! for it, and its answer is stored before anybody sees it (nexo contract 6.4, 6.5).

use super::Reply;
use super::call::Call;
use super::condition::{Condition, Failed};
use super::device::{Answer, Running, Turn};
use super::message::Message;
use super::rules::Stage;
use super::session::busy;
use super::speaker::{Qualify, Speaker};
use crate::gateway::{
    Begin, Failure, OrderRight, SERVICE_LEASE, ServiceClaim, ServiceEnd, ServiceKey, ServiceRecord,
    Taken,
};
use crate::payment::ids::ServiceNumber;
use crate::payment::terminal::Dialect;
use crate::payment::{Millis, SECOND};
use serde_json::Value;
use std::future::Future;
use std::sync::Arc;

/// How long somebody waits for a service that another process carries out.
const ELSEWHERE_MAX: Millis = 180 * SECOND;
/// How long before its end a lease is renewed.
const RENEW_BEFORE: Millis = 2 * SERVICE_LEASE / 3;

/// A service that is being carried out.
pub(super) struct Carried {
    pub(super) call: Call,
    pub(super) claim: ServiceClaim,
    pub(super) started_at: Millis,
    pub(super) speaker: Speaker,
    /// `None` for one that a crash left behind.
    pub(super) turn: Option<Turn>,
}

impl Carried {
    pub(super) fn number(&self) -> ServiceNumber {
        self.claim.number
    }

    /// Its right to open an order.
    pub(super) fn right(&self) -> OrderRight {
        OrderRight { number: self.number(), started_at: self.started_at }
    }
}

/// How a service ended.
pub(super) struct Done {
    pub(super) message: Message,
    /// What it moved, for the totals: minor units of a currency.
    pub(super) movement: Option<(&'static str, i64, String)>,
    /// What the cashier sees last.
    pub(super) screen: Option<(Qualify, &'static str)>,
    /// Whether the card has to be taken out.
    pub(super) card_inside: bool,
    pub(super) is_lost: bool,
    /// Whether the terminal is busy with itself for a while.
    pub(super) cools_down: bool,
}

impl Done {
    /// An end that shows nothing and moves nothing.
    pub(super) fn quiet(message: Message) -> Self {
        Self {
            message,
            movement: None,
            screen: None,
            card_inside: false,
            is_lost: false,
            cools_down: false,
        }
    }
}

/// What is to be carried out, as far as all services are alike.
pub(super) struct Wanted<'a> {
    pub(super) request: &'a Message,
    pub(super) first_stage: Stage,
    /// What is needed to go on after a crash.
    pub(super) facts: String,
    /// The name of the transaction, for displays of the JSON family.
    pub(super) sale_transaction: Option<String>,
}

/// Carries a service out, or finds the answer that it had before. Whoever asks and hangs up stops
/// nothing.
///
/// # Errors
/// When the database cannot be read or written.
pub(super) async fn once<F>(
    call: Call,
    wanted: Wanted<'_>,
    work: impl FnOnce(Carried) -> F + Send + 'static,
) -> Result<Reply, Failure>
where
    F: Future<Output = (Carried, Result<Done, Failure>)> + Send + 'static,
{
    let Wanted { request, first_stage, facts, sale_transaction } = wanted;
    let told = request.body.to_string();
    let Some(turn) = call.device.begin(&request.header, &told, first_stage, call.now()) else {
        return repeated_or_busy(&call, request, sale_transaction, &told).await;
    };
    let request = request.clone();
    let task = tokio::spawn(async move {
        let begin =
            Begin { key: key_of(&call, &request), sale_transaction, told: &told, request: facts };
        let (number, started_at, taken) = call.nexo.gateway.begin_service(begin).await?;
        match taken {
            Taken::Mine => carry_out_and_answer(call, number, started_at, turn, work).await,
            Taken::Before(record) => {
                drop(turn);
                replay(&call, &request, &record, &told).await
            }
            Taken::Busy(record) => {
                drop(turn);
                let with = Some(record.key.service_id.as_str());
                let failed = busy(&request.header.category, call.dialect(), with);
                Ok(Reply::message(call.refused(Some(&request.body), &failed)))
            }
        }
    });
    task.await.unwrap_or_else(|error| Err(Failure::Internal(error.to_string())))
}

/// Begins to carry it out, and waits for its answer.
async fn carry_out_and_answer<F>(
    call: Call,
    number: ServiceNumber,
    started_at: Millis,
    turn: Turn,
    work: impl FnOnce(Carried) -> F + Send + 'static,
) -> Result<Reply, Failure>
where
    F: Future<Output = (Carried, Result<Done, Failure>)> + Send + 'static,
{
    let running = Arc::clone(&turn.running);
    let transaction = super::call::transaction_id(&call.transaction_text(number.0), started_at);
    let speaker = call.speaker(transaction);
    let claim = ServiceClaim::first(number);
    let carried = Carried { call, claim, started_at, speaker, turn: Some(turn) };
    tokio::spawn(carry_out(carried, started_at + SERVICE_LEASE, work));
    let no_end = || Failure::Unavailable("the service has no end yet; ask for it".to_owned());
    heard(&running).await.ok_or_else(no_end)
}

/// Carries it out to the end, keeping it for this process meanwhile.
pub(super) async fn carry_out<F>(
    carried: Carried,
    leased_until: Millis,
    work: impl FnOnce(Carried) -> F + Send,
) where
    F: Future<Output = (Carried, Result<Done, Failure>)> + Send,
{
    let (call, claim) = (carried.call.clone(), carried.claim);
    let (carried, done) = tokio::select! {
        ended = work(carried) => ended,
        () = keep(&call, claim, leased_until) => return,
    };
    let ended = match done {
        Ok(done) => end(carried, done).await,
        Err(failure) => Err(failure),
    };
    if let Err(failure) = ended {
        tracing::warn!(%failure, service = %claim.number, "a service stays without an end for now");
    }
}

/// Keeps the service for this process; comes back when it is no longer its own.
async fn keep(call: &Call, claim: ServiceClaim, leased_until: Millis) {
    let (gateway, mut look_at) = (&call.nexo.gateway, leased_until - RENEW_BEFORE);
    loop {
        gateway.clock().wait_until(look_at).await;
        match gateway.keep_service(claim).await {
            Ok(Some(until)) => look_at = until - RENEW_BEFORE,
            Ok(None) => {
                tracing::warn!(service = %claim.number, "another process has taken this over");
                return;
            }
            // Tried again in a moment; it may still end in time.
            Err(failure) => {
                tracing::warn!(%failure, service = %claim.number, "the lease is not renewed");
                look_at = gateway.clock().now() + SECOND;
            }
        }
    }
}

/// Stores the end; then the point of sale sees it, then it is answered.
pub(super) async fn end(carried: Carried, done: Done) -> Result<Message, Failure> {
    let Carried { call, claim, speaker, turn, .. } = carried;
    let response = done.message.to_stored()?;
    let end = ServiceEnd { response, movement: done.movement };
    let stored = call.nexo.gateway.end_service(claim, &end).await?;
    let message = match stored == end.response {
        true => done.message,
        false => Message::from_stored(&stored)?,
    };
    if let Some((qualify, text)) = done.screen {
        speaker.show(qualify, text, Some("TENDER_FINAL"));
    }
    if done.card_inside {
        speaker.event(call.now(), "CardRemoved", Value::Null);
        speaker.event_only("CARD_REMOVED");
    }
    speaker.flush().await;
    if let Some(turn) = turn {
        let rest = if done.cools_down { call.manners.cooldown } else { 0 };
        let answer = Answer { message: Arc::new(message.clone()), is_lost: done.is_lost };
        turn.end(answer, call.now() + rest);
    }
    if done.screen.is_some() {
        speaker.show(Qualify::Status, "Welcome", None);
    }
    Ok(message)
}

/// Waits for what a service comes to; `None` if nobody carries it out here any more.
async fn heard(running: &Running) -> Option<Reply> {
    let answer = running.answer().await?;
    Some(match answer.is_lost {
        true => Reply::HangUp,
        false => Reply::message(Message::clone(&answer.message)),
    })
}

async fn repeated_or_busy(
    call: &Call,
    request: &Message,
    sale_transaction: Option<String>,
    told: &str,
) -> Result<Reply, Failure> {
    let (running, key) = (call.device.running(), key_of(call, request));
    // It may not be written down yet.
    if let Some(running) = &running
        && running.is_named(&key.sale_id, &key.category, &key.service_id)
        && running.told == told
        && let Some(reply) = heard(running).await
    {
        return Ok(reply);
    }
    let before = call.nexo.gateway.service_before(&key, sale_transaction).await?;
    if let Some(record) = before {
        return replay(call, request, &record, told).await;
    }
    let with = running.as_ref().map(|running| running.service_id.as_str());
    let failed = busy(&request.header.category, call.dialect(), with);
    Ok(Reply::message(call.refused(Some(&request.body), &failed)))
}

/// The answer to a request that came before: the first answer, if it is the same request.
async fn replay(
    call: &Call,
    request: &Message,
    record: &ServiceRecord,
    told: &str,
) -> Result<Reply, Failure> {
    if !call.nexo.gateway.is_repeat(record, told) {
        let text = format!("Repeated Message: ServiceID - {}", record.key.service_id);
        let failed = Failed::new(Condition::MessageFormat, text);
        return Ok(Reply::message(call.refused(Some(&request.body), &failed)));
    }
    if let Some(response) = &record.response {
        return Ok(Reply::message(Message::from_stored(response)?));
    }
    let ServiceKey { sale_id, category, service_id, .. } = &record.key;
    if let Some(running) = call.device.running()
        && running.is_named(sale_id, category, service_id)
        && let Some(reply) = heard(&running).await
    {
        return Ok(reply);
    }
    heard_elsewhere(call, record).await
}

/// Another process carries it out, or will go on with it.
async fn heard_elsewhere(call: &Call, record: &ServiceRecord) -> Result<Reply, Failure> {
    let clock = call.nexo.gateway.clock();
    let until = clock.now() + ELSEWHERE_MAX;
    while clock.now() < until {
        let now = call.nexo.gateway.service(record.number).await?;
        if let Some(response) = now.and_then(|record| record.response) {
            return Ok(Reply::message(Message::from_stored(&response)?));
        }
        clock.wait_until(clock.now() + SECOND).await;
    }
    Err(Failure::Unavailable("the service has no end yet; ask for it".to_owned()))
}

fn key_of(call: &Call, request: &Message) -> ServiceKey {
    // In the JSON family a number is remembered over a login (nexo contract 6.4).
    let session = match call.dialect() {
        Dialect::Xml31 => call.session_number(),
        Dialect::Json => 0,
    };
    ServiceKey {
        terminal: call.known.terminal.id,
        sale_id: request.header.sale_id.clone(),
        session,
        category: request.header.category.clone(),
        service_id: request.header.service_name().to_owned(),
    }
}
