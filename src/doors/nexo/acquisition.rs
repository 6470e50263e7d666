//! A card read ahead of its payment (nexo contract 5.13).

use super::Reply;
use super::call::{Call, sale_transaction, success, transaction_id};
use super::condition::{Condition, Failed};
use super::core;
use super::device::CardAhead;
use super::message::{Message, StoredHeader};
use super::payment::{CARD_WAIT, aborted};
use super::payment_answer::instrument;
use super::recovery::remembered;
use super::rules::Stage;
use super::sale::format_fault;
use super::service::{Carried, Done, Wanted, once};
use super::speaker::Qualify;
use crate::gateway::Failure;
use crate::payment::card::EntryMode;
use crate::payment::terminal::Dialect;
use serde_json::{Value, json};

/// Begins or ends the reading of cards ahead.
///
/// # Errors
/// When the database cannot be read or written.
pub(super) async fn enable(call: Call, request: &Message) -> Result<Reply, Failure> {
    let action = request.body.get("TransactionAction").and_then(Value::as_str);
    let starts = match action {
        Some("StartTransaction") => true,
        Some("AbortTransaction") => false,
        _ => {
            let failed = format_fault("EnableServiceRequest/TransactionAction", "unexpected value");
            return Ok(Reply::message(call.refused(Some(&request.body), &failed)));
        }
    };
    let facts = remembered(&json!({ "header": StoredHeader(request.header.clone()) }))?;
    let wanted = Wanted { request, first_stage: Stage::Completing, facts, sale_transaction: None };
    once(call, wanted, move |carried| async move {
        let call = &carried.call;
        let ahead = call.device.set_ahead(starts.then(CardAhead::default));
        let read = ahead.is_some_and(|ahead| ahead.entry_mode.is_some());
        if !starts && read {
            let lines = json!([{ "Text": "Card acquisition ended without a payment" }]);
            carried.speaker.print(&json!({ "OutputFormat": "Text", "OutputText": lines }));
        }
        let done = Done::quiet(call.answer(success()));
        (carried, Ok(done))
    })
    .await
}

/// Reads a card.
///
/// # Errors
/// When the database cannot be read or written.
pub(super) async fn acquire(call: Call, request: &Message) -> Result<Reply, Failure> {
    let name = sale_transaction(Some(&request.body), call.now());
    let token_wanted = request.body.pointer("/SaleData/TokenRequestedType").is_some();
    let sale_name = name["TransactionID"].as_str().map(str::to_owned);
    let header = StoredHeader(request.header.clone());
    let facts = remembered(&json!({ "header": header, "sale_transaction": name }))?;
    let wanted =
        Wanted { request, first_stage: Stage::WaitCard, facts, sale_transaction: sale_name };
    once(call, wanted, move |carried| async move {
        let done = read_ahead(&carried, &name, token_wanted).await;
        (carried, done)
    })
    .await
}

async fn read_ahead(carried: &Carried, name: &Value, token_wanted: bool) -> Result<Done, Failure> {
    let Carried { call, speaker, turn, .. } = carried;
    let Some(turn) = turn else {
        return Ok(left_behind(carried, name));
    };
    if call.dialect() == Dialect::Xml31 && call.device.ahead().is_none() {
        let failed = Failed::new(Condition::NotAllowed, "EnableService required");
        return Ok(ended(carried, name, json!({ "Response": failed.response(call.dialect()) })));
    }
    speaker.show(Qualify::Status, "Present card", Some("TENDER_CREATED"));
    let (clock, card_ms) = (call.nexo.gateway.clock(), call.known.terminal.profile.card_ms);
    let waited = turn.wait(clock, clock.now() + card_ms.min(CARD_WAIT)).await;
    let waited = waited.and_then(|()| turn.enter(Stage::Completing));
    if let Err(stopped) = waited {
        let failed = aborted(&stopped, call.header.service_id.as_deref());
        return Ok(ended(carried, name, json!({ "Response": failed.response(call.dialect()) })));
    }
    let card = match core::look_at_card(carried) {
        Ok(card) => card,
        Err(failed) => {
            let response = json!({ "Response": failed.response(call.dialect()) });
            return Ok(ended(carried, name, response));
        }
    };
    let reference = Some(call.transaction_text(carried.number().0));
    let ahead = CardAhead { entry_mode: Some(EntryMode::Contactless), reference };
    call.device.set_ahead(Some(ahead));
    let mut body = success();
    body["PaymentInstrumentData"] = instrument(&card, call.dialect(), token_wanted);
    Ok(ended(carried, name, body))
}

/// The answer with what it must have.
fn ended(carried: &Carried, name: &Value, mut body: Value) -> Done {
    let call = &carried.call;
    let own = transaction_id(&call.transaction_text(carried.number().0), carried.started_at);
    body["SaleData"] = json!({ "SaleTransactionID": name });
    body["POIData"] = json!({ "POITransactionID": own });
    Done::quiet(call.answer(body))
}

/// A reading that a crash cut short.
pub(super) fn left_behind(carried: &Carried, name: &Value) -> Done {
    let failed = Failed::new(Condition::Aborted, "The terminal was restarted");
    ended(carried, name, json!({ "Response": failed.response(carried.call.dialect()) }))
}
