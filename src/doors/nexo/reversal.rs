//! Reversals (nexo contract 5.4): of the last payment as a whole, or in the JSON family of any
//! earlier one, also in parts.

use super::Reply;
use super::call::{Call, number_of, success, transaction_id};
use super::condition::{Condition, Failed};
use super::message::{Message, StoredHeader};
use super::recovery::remembered;
use super::rules::Stage;
use super::sale::{Sale, format_fault, minor_of};
use super::service::{Carried, Done, Wanted, once};
use super::speaker::Qualify;
use super::{core, receipt};
use crate::gateway::{Failure, ServiceRecord};
use crate::payment::amend::Request;
use crate::payment::amendment::Amendment;
use crate::payment::money::Amount;
use crate::payment::order::Order;
use crate::payment::terminal::Dialect;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A reversal, as it is remembered over a crash.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Reversal {
    header: StoredHeader,
    /// The payment's transaction id; without one the last payment is meant.
    original: Option<String>,
    /// A part of it, as it stands in the request.
    amount: Option<String>,
}

/// Takes a `ReversalRequest`.
///
/// # Errors
/// When the database cannot be read or written.
pub(super) async fn reverse(call: Call, request: &Message) -> Result<Reply, Failure> {
    let body = &request.body;
    let original = body.pointer("/OriginalPOITransaction/POITransactionID/TransactionID");
    let original = original.and_then(Value::as_str).map(str::to_owned);
    let last = body.pointer("/OriginalPOITransaction/LastTransactionFlag").and_then(Value::as_bool);
    if original.is_none() && last != Some(true) {
        let failed =
            format_fault("ReversalRequest/OriginalPOITransaction/POITransactionID", "missing");
        return Ok(Reply::message(call.refused(Some(body), &failed)));
    }
    let reversal = Reversal {
        header: StoredHeader(request.header.clone()),
        original,
        amount: body.get("ReversedAmount").and_then(Value::as_str).map(str::to_owned),
    };
    let facts = remembered(&reversal)?;
    let wanted = Wanted { request, first_stage: Stage::Authorising, facts, sale_transaction: None };
    once(call, wanted, move |carried| async move {
        carried.speaker.show(Qualify::Status, "Authorizing", None);
        let done = go_on(&carried, &reversal).await;
        (carried, done)
    })
    .await
}

/// From the payment that is meant to the answer; after a crash once more.
///
/// # Errors
/// When the database cannot be read or written.
pub(super) async fn go_on(carried: &Carried, reversal: &Reversal) -> Result<Done, Failure> {
    match found(carried, reversal).await? {
        Ok((record, order)) => taken_back(carried, reversal, &record, &order).await,
        Err(failed) => Ok(failure(carried, reversal, &failed)),
    }
}

/// The payment that may be reversed.
async fn found(
    carried: &Carried,
    reversal: &Reversal,
) -> Result<Result<(ServiceRecord, Order), Failed>, Failure> {
    let manners = &carried.call.manners;
    let last = match reversal.original.is_none() || manners.reverses_last_only {
        true => core::last_approved(carried, carried.number()).await?,
        false => None,
    };
    let meant = match &reversal.original {
        Some(original) if manners.reverses_last_only => {
            match core::find_original(carried, original).await? {
                None => return Ok(Err(core::not_found())),
                Some(_) => last.filter(|last| last == original),
            }
        }
        Some(original) => Some(original.clone()),
        None => last,
    };
    let Some(meant) = meant else {
        let text = "Only the last transaction can be reversed, and only if it was approved";
        return Ok(Err(Failed::new(Condition::NotAllowed, text)));
    };
    Ok(core::find_original(carried, &meant).await?.ok_or_else(core::not_found))
}

async fn taken_back(
    carried: &Carried,
    reversal: &Reversal,
    record: &ServiceRecord,
    order: &Order,
) -> Result<Done, Failure> {
    let part = match part_of(carried, reversal, order) {
        Ok(part) => part,
        Err(failed) => return Ok(failure(carried, reversal, &failed)),
    };
    match core::amend(carried, order, Request::Return(part)).await? {
        Ok(amendment) => Ok(reversed(carried, record, order, &amendment)?),
        Err(failed) => Ok(failure(carried, reversal, &failed)),
    }
}

fn part_of(
    carried: &Carried,
    reversal: &Reversal,
    order: &Order,
) -> Result<Option<Amount>, Failed> {
    let Some(text) = &reversal.amount else {
        return Ok(None);
    };
    let wrong = || format_fault("ReversalRequest/ReversedAmount", "unexpected value");
    let currency = order.amount.currency();
    let minor = minor_of(text, currency).ok_or_else(wrong)?;
    if carried.call.manners.reverses_last_only && minor != order.amount.minor() {
        return Err(Failed::new(Condition::NotAllowed, "Partial reversal not configured"));
    }
    Amount::from_minor(minor, currency).map(Some).ok_or_else(wrong)
}

fn reversed(
    carried: &Carried,
    record: &ServiceRecord,
    order: &Order,
    amendment: &Amendment,
) -> Result<Done, Failure> {
    let call = &carried.call;
    let sale: Sale = serde_json::from_str(&record.request)
        .map_err(|error| Failure::Internal(format!("a stored payment: {error}")))?;
    let reversed =
        Order { amount: amendment.amount, updated_at: amendment.updated_at, ..order.clone() };
    let mut facts = receipt::facts_of(&call.known, &sale, record.number.0, &reversed);
    (facts.is_cancelled, facts.signature) = (true, false);
    let original = transaction_id(&call.transaction_text(record.number.0), record.started_at);
    let own = transaction_id(&call.transaction_text(carried.number().0), carried.started_at);
    let currency = order.amount.currency();
    let mut body = success();
    match call.dialect() {
        Dialect::Xml31 => body["POIData"] = json!({ "POITransactionID": original }),
        Dialect::Json => {
            let reference = super::condition::form_encoded(&[(
                "pspReference",
                &call.transaction_text(carried.number().0),
            )]);
            body["Response"]["AdditionalResponse"] = reference.into();
            body["POIData"] = json!({ "POITransactionID": own });
            body["OriginalPOITransaction"] = json!({ "POITransactionID": original });
            body["ReversedAmount"] = currency.decimal(amendment.amount.minor()).into();
        }
    }
    body["PaymentReceipt"] = receipt::copies(&facts, call.dialect());
    let movement = match sale.kind {
        super::sale::PaymentType::Refund => "ReverseCredit",
        _ => "ReverseDebit",
    };
    Ok(Done {
        movement: Some((movement, amendment.amount.minor(), currency.alpha().to_owned())),
        screen: Some((Qualify::Status, "Cancelled")),
        cools_down: true,
        ..Done::quiet(call.answer(body))
    })
}

fn failure(carried: &Carried, reversal: &Reversal, failed: &Failed) -> Done {
    let call = &carried.call;
    let mut body = json!({ "Response": failed.response(call.dialect()) });
    // The payment that was meant, where this terminal made it.
    let meant = reversal.original.as_deref();
    let meant = meant.filter(|original| number_of(&call.known, original).is_some());
    if let Some(meant) = meant {
        let at = carried.started_at;
        body["POIData"] = json!({ "POITransactionID": transaction_id(meant, at) });
    }
    Done { screen: Some((Qualify::Error, "Declined")), ..Done::quiet(call.answer(body)) }
}
