//! A payment at a terminal: the card is read, the order goes to the core like any other, and what
//! becomes of it is worded (nexo contract 5.2, 5.3, 6.5).

use super::Reply;
use super::call::Call;
use super::condition::{Condition, Failed};
use super::device::Stopped;
use super::message::Message;
use super::payment_answer::{Ending, payment_body};
use super::recovery::remembered;
use super::rules::Stage;
use super::sale::{PaymentType, Sale};
use super::service::{Carried, Done, Wanted, once};
use super::speaker::Qualify;
use super::{call, core, receipt};
use crate::gateway::Failure;
use crate::payment::card::EntryMode;
use crate::payment::order::{Order, Stage as OrderStage, Status};
use crate::payment::{Millis, SECOND};
use crate::sandbox::terminal::{Deed, Play};
use serde_json::Value;

/// How long a terminal waits for a card (nexo contract 8).
pub(super) const CARD_WAIT: Millis = 90 * SECOND;

/// Takes a `PaymentRequest`.
///
/// # Errors
/// When the database cannot be read or written.
pub(super) async fn pay(call: Call, request: &Message) -> Result<Reply, Failure> {
    let now = call.now();
    let sale_transaction = call::sale_transaction(Some(&request.body), now);
    let read = Sale::read(request, sale_transaction, call.dialect(), now);
    let mut sale = match read {
        Ok(sale) => sale,
        Err(failed) => return Ok(Reply::message(call.refused(Some(&request.body), &failed))),
    };
    if let Some(chosen) = call.device.chosen().ending {
        sale.ending = chosen;
    }
    sale.asks_cashier =
        sale.play().signature && sale.is_reversible() && call.speaker(Value::Null).can_ask();
    sale.endpoint = core::endpoint_of(&call, &sale).await?;
    let facts = remembered(&sale)?;
    let name = sale.transaction["TransactionID"].as_str().map(str::to_owned);
    let wanted = Wanted { request, first_stage: Stage::WaitCard, facts, sale_transaction: name };
    once(call, wanted, move |carried| async move {
        let done = take_payment(&carried, &sale).await;
        (carried, done)
    })
    .await
}

/// From the card to the answer.
async fn take_payment(carried: &Carried, sale: &Sale) -> Result<Done, Failure> {
    let play = match card_of(carried, sale).await {
        Ok(play) => play,
        Err(failed) => return Ok(failure(carried, sale, &failed)),
    };
    let opened = match sale.kind {
        PaymentType::Completion => return complete_reservation(carried, sale).await,
        _ => core::open_order(carried, sale, &play).await,
    };
    match opened {
        Ok(order) => conclude(carried, sale, order).await,
        Err(core::NotOpened::Failed(failed)) => Ok(failure(carried, sale, &failed)),
        Err(core::NotOpened::Failure(failure)) => Err(failure),
    }
}

/// The card holder's part: until the acquirer is asked, everything can still be stopped.
async fn card_of(carried: &Carried, sale: &Sale) -> Result<Play, Failed> {
    let Carried { call, speaker, turn, .. } = carried;
    let Some(turn) = turn else {
        return Err(left_behind());
    };
    let stopped = |stopped: Stopped| aborted(&stopped, carried.call.header.service_id.as_deref());
    let mut play = sale.play();
    call.device.choose(|next| next.ending = None);
    let clock = call.nexo.gateway.clock();
    let ahead = call.device.set_ahead(None).unwrap_or_default();
    // One that names a card read ahead must name the one that was.
    if sale.card_ahead.is_some() && sale.card_ahead != ahead.reference {
        let text = "CardAcquisitionReference: no such reading";
        return Err(Failed::new(Condition::NotFound, text));
    }
    if let Some(entry_mode) = ahead.entry_mode {
        play.entry_mode = entry_mode;
    } else if sale.kind != PaymentType::Completion {
        speaker.show(Qualify::Status, "Present card", Some("TENDER_CREATED"));
        let wait = match play.deed {
            Deed::NobodyComes => CARD_WAIT,
            _ => call.known.terminal.profile.card_ms,
        };
        turn.wait(clock, clock.now() + wait).await.map_err(stopped)?;
        match play.deed {
            Deed::Cancel => return Err(cancelled("User Cancellation during WaitCard")),
            Deed::NobodyComes => return Err(cancelled("Card not presented")),
            _ => {}
        }
        turn.enter(Stage::CardRead).map_err(stopped)?;
        show_card(carried, play.entry_mode);
    }
    match play.deed {
        Deed::ReaderDies => {
            return Err(Failed::new(Condition::DeviceOut, "CardReader out of order"));
        }
        Deed::UnknownCard => {
            return Err(Failed::new(Condition::InvalidCard, "Card not configured"));
        }
        _ => {}
    }
    let stripe = matches!(play.entry_mode, EntryMode::Swipe | EntryMode::FallbackSwipe);
    if stripe && sale.cash_back_minor > 0 {
        return Err(Failed::new(Condition::NotAllowed, "No cash back with a magnetic stripe"));
    }
    if let Some(pin) = play.pin {
        turn.enter(Stage::PinEntry).map_err(stopped)?;
        show_pin(carried, pin.len());
    }
    turn.enter(Stage::Authorising).map_err(stopped)?;
    speaker.show(Qualify::Status, "Authorizing", None);
    Ok(play)
}

fn show_card(carried: &Carried, entry_mode: EntryMode) {
    let Carried { call, speaker, .. } = carried;
    let event = match entry_mode {
        EntryMode::Contactless => "CARD_PRESENTED",
        EntryMode::Chip => "CARD_INSERTED",
        _ => "CARD_SWIPED",
    };
    if entry_mode == EntryMode::Chip {
        speaker.event(call.now(), "CardInserted", Value::Null);
    }
    speaker.event_only(event);
}

fn show_pin(carried: &Carried, digits: usize) {
    let speaker = &carried.speaker;
    speaker.show(Qualify::Replication, "Enter PIN", Some("WAIT_FOR_PIN"));
    for entered in 1..=digits {
        let stars = format!("Enter PIN: {}", "*".repeat(entered));
        speaker.show(Qualify::Replication, &stars, None);
    }
    speaker.event_only("PIN_ENTERED");
}

/// Waits for the order's end, sees to the signature, and words the answer. It can be begun again
/// after a crash; nobody is asked about a signature then.
pub(super) async fn conclude(
    carried: &Carried,
    sale: &Sale,
    order: Order,
) -> Result<Done, Failure> {
    let gateway = &carried.call.nexo.gateway;
    let mut order = gateway.outcome_of(order.id).await?;
    if order.stage == OrderStage::EmvValidating && !order.status.is_final() {
        core::complete_chip(carried, &order).await?;
        order = gateway.outcome_of(order.id).await?;
    }
    match order.status {
        Status::Approved if sale.asks_cashier && !is_signed(carried, sale, &order).await => {
            core::take_back(carried, &order).await?;
            let failed = Failed::new(Condition::Refusal, "Signature not confirmed");
            let screen = Some((Qualify::Error, "Disapproved"));
            Ok(Done { screen, ..declined(carried, sale, &order, &failed) })
        }
        Status::Approved => Ok(approved(carried, sale, &order)),
        // Issuer and chip have approved; the acquirer is told until it has heard.
        Status::Unknown if order.stage == OrderStage::EmvAdviceProcessing => {
            Ok(approved(carried, sale, &order))
        }
        Status::Unknown => Ok(declined(carried, sale, &order, &unreachable_host())),
        _ => {
            let failed = refusal_of(&order, carried);
            Ok(declined(carried, sale, &order, &failed))
        }
    }
}

/// The cashier compares the signature.
async fn is_signed(carried: &Carried, sale: &Sale, order: &Order) -> bool {
    let Carried { call, speaker, turn, .. } = carried;
    let Some(turn) = turn else {
        return false;
    };
    if turn.enter(Stage::Signature).is_err() {
        return false;
    }
    speaker.event_only("ASK_SIGNATURE");
    let facts = receipt::facts_of(&call.known, sale, carried.number().0, order);
    speaker.print(&receipt::signature_copy(&facts, call.dialect()));
    let confirmed = speaker.ask_for_signature().await;
    speaker.event_only("SIGNATURE_CHECKED");
    confirmed
}

/// Captures what an earlier reservation holds.
async fn complete_reservation(carried: &Carried, sale: &Sale) -> Result<Done, Failure> {
    match core::capture(carried, sale).await? {
        Ok(order) => Ok(approved(carried, sale, &order)),
        Err(failed) => Ok(failure(carried, sale, &failed)),
    }
}

/// Goes on with a payment that a crash left behind.
///
/// # Errors
/// When the database cannot be read.
pub(super) async fn go_on(carried: &Carried, sale: &Sale) -> Result<Done, Failure> {
    if sale.kind == PaymentType::Completion {
        return complete_reservation(carried, sale).await;
    }
    match core::order_of(carried, sale).await? {
        Some(order) => conclude(carried, sale, order).await,
        None => Ok(failure(carried, sale, &left_behind())),
    }
}

fn approved(carried: &Carried, sale: &Sale, order: &Order) -> Done {
    let play = sale.play();
    let body =
        payment_body(&carried.call.known, sale, carried.number().0, &Ending::Approved(order));
    if play.deed == Deed::Maintenance {
        carried.call.device.ask_for_maintenance();
        let details = serde_json::json!({
            "MaintenanceRequiredFlag": true, "EventDetails": "Maintenance Required",
        });
        carried.speaker.event(carried.call.now(), "SaleAdmin", details);
    }
    Done {
        movement: Some((sale.kind.movement(), order.amount.minor(), sale.currency.clone())),
        screen: Some((Qualify::Status, "Approved")),
        card_inside: order.card.entry_mode == EntryMode::Chip,
        is_lost: play.deed == Deed::HangUp,
        cools_down: true,
        ..Done::quiet(carried.call.answer(body))
    }
}

fn declined(carried: &Carried, sale: &Sale, order: &Order, failed: &Failed) -> Done {
    let ending = Ending::Declined(order, failed);
    let body = payment_body(&carried.call.known, sale, carried.number().0, &ending);
    Done {
        movement: Some(("Declined", sale.minor, sale.currency.clone())),
        screen: Some((Qualify::Error, "Declined")),
        card_inside: order.card.entry_mode == EntryMode::Chip,
        cools_down: true,
        ..Done::quiet(carried.call.answer(body))
    }
}

fn failure(carried: &Carried, sale: &Sale, failed: &Failed) -> Done {
    let ending = Ending::Failed(failed);
    let body = payment_body(&carried.call.known, sale, carried.number().0, &ending);
    Done {
        movement: Some(("Failed", sale.minor, sale.currency.clone())),
        screen: Some((Qualify::Error, "Cancelled")),
        cools_down: true,
        ..Done::quiet(carried.call.answer(body))
    }
}

/// Why the acquirer's word is a failure here (nexo contract 7.2, 14.2).
fn refusal_of(order: &Order, carried: &Carried) -> Failed {
    let code = order.outcome.response_code.as_deref();
    match code {
        // A limit of the gateway's own.
        _ if order.status == Status::Filtered => {
            let reason = order.outcome.error.as_ref().map(|error| error.message.clone());
            Failed::new(Condition::NotAllowed, reason.unwrap_or_else(|| "Filtered".to_owned()))
        }
        Some("55") => Failed::new(Condition::WrongPin, "Wrong PIN"),
        Some("91") | None => unreachable_host(),
        Some(code) => {
            let reason = order.outcome.error.as_ref();
            let reason =
                reason.map_or_else(|| "Declined".to_owned(), |error| error.message.clone());
            let text = match carried.call.dialect() {
                crate::payment::terminal::Dialect::Xml31 => {
                    format!("Payment Refused by Acquirer: code {code}")
                }
                crate::payment::terminal::Dialect::Json => {
                    let ending = order.amount.minor() % 1000;
                    format!("{ending:03} {reason}")
                }
            };
            Failed { refusal_reason: Some(reason), ..Failed::new(Condition::Refusal, text) }
        }
    }
}

fn unreachable_host() -> Failed {
    Failed::new(Condition::UnreachableHost, "Acquirer not reachable")
}

fn cancelled(text: &str) -> Failed {
    Failed::new(Condition::Cancel, text)
}

fn left_behind() -> Failed {
    Failed::new(Condition::Aborted, "The terminal was restarted before anything was sent")
}

/// Why a service that was stopped failed.
pub(super) fn aborted(stopped: &Stopped, service_id: Option<&str>) -> Failed {
    let Stopped { stage, reason, by } = stopped;
    let (stage, id) = (stage.name(), service_id.unwrap_or_default());
    let text =
        format!("Service Aborted during {stage} - Reason: {reason} - from: {by} - MessageID: {id}");
    Failed::new(Condition::Aborted, text)
}
