//! What is not about one payment: diagnosis, totals, reconciliation, administration (nexo contract
//! 5.14).

use super::Reply;
use super::call::{Call, success};
use super::condition::{Condition, Failed};
use super::core::name_of;
use super::message::{Message, StoredHeader};
use super::recovery::remembered;
use super::rules::Stage;
use super::sale::format_fault;
use super::service::{Carried, Done, Wanted, once};
use super::session::status_of;
use crate::gateway::{CloseIntent, Failure};
use crate::payment::day::Claimed;
use crate::payment::ids::{EndpointId, ServiceNumber};
use crate::payment::money::Currency;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The sandbox's acquirer, by number.
const ACQUIRER: &str = "1001";

/// Answers a `DiagnosisRequest`: at any time, also without a session.
///
/// # Errors
/// When the database cannot be read.
pub(super) async fn diagnose(call: &Call, request: &Message) -> Result<Value, Failure> {
    let logged_in = call.nexo.gateway.logged_in(call.known.terminal.id).await?;
    let mut body = success();
    if !logged_in.is_empty() {
        body["LoggedSaleID"] = json!(logged_in);
    }
    body["POIStatus"] = status_of(call);
    if request.body.get("HostDiagnosisFlag").and_then(Value::as_bool) == Some(true) {
        body["HostStatus"] = json!([{ "AcquirerID": ACQUIRER, "IsReachableFlag": true }]);
    }
    Ok(body)
}

/// Answers a `GetTotalsRequest`; nothing is reset.
///
/// # Errors
/// When the database cannot be read.
pub(super) async fn totals(call: &Call) -> Result<Value, Failure> {
    let period = call.nexo.gateway.period_of(call.known.terminal.id).await?;
    let mut body = success();
    body["POIReconciliationID"] = period_name(period).into();
    body["TransactionTotals"] = totals_of(call, period).await?;
    Ok(body)
}

/// Digits only.
fn period_name(period: i64) -> String {
    period.to_string()
}

async fn totals_of(call: &Call, period: i64) -> Result<Value, Failure> {
    let sums = call.nexo.gateway.totals_of_period(call.known.terminal.id, period).await?;
    let currencies: BTreeSet<_> = sums.iter().map(|(_, currency, ..)| currency.clone()).collect();
    let of_currency = |alpha: &String| {
        let currency = Currency::from_alpha(alpha);
        let told = |minor| currency.map_or_else(String::new, |known| known.decimal(minor));
        let sums = sums.iter().filter(|(_, known, ..)| known == alpha);
        let sums = sums.map(|(movement, _, count, minor)| {
            json!({
                "TransactionType": movement,
                "TransactionCount": count,
                "TransactionAmount": told(*minor),
            })
        });
        json!({
            "PaymentInstrumentType": "Card",
            "AcquirerID": ACQUIRER,
            "PaymentCurrency": alpha,
            "PaymentTotals": sums.collect::<Vec<_>>(),
        })
    };
    Ok(currencies.iter().map(of_currency).collect())
}

/// A reconciliation, as it is remembered over a crash.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Reconciliation {
    header: StoredHeader,
    kind: String,
    /// The period that is asked for again.
    previous: Option<i64>,
    /// The period that it ends.
    period: i64,
}

/// Takes a `ReconciliationRequest`.
///
/// # Errors
/// When the database cannot be read or written.
pub(super) async fn reconcile(call: Call, request: &Message) -> Result<Reply, Failure> {
    let body = &request.body;
    let kind = body.get("ReconciliationType").and_then(Value::as_str).unwrap_or_default();
    let previous = body.get("POIReconciliationID").and_then(Value::as_str);
    let previous = previous.and_then(|digits| digits.parse().ok());
    if kind == "PreviousReconciliation" && previous.is_none() {
        let failed = format_fault("ReconciliationRequest/POIReconciliationID", "missing");
        return Ok(Reply::message(call.refused(Some(body), &failed)));
    }
    let period = call.nexo.gateway.period_of(call.known.terminal.id).await?;
    let (header, kind) = (StoredHeader(request.header.clone()), kind.to_owned());
    let reconciliation = Reconciliation { header, kind, previous, period };
    let facts = remembered(&reconciliation)?;
    let wanted = Wanted { request, first_stage: Stage::Completing, facts, sale_transaction: None };
    once(call, wanted, move |carried| async move {
        let done = go_on(&carried, &reconciliation).await;
        (carried, done)
    })
    .await
}

/// Ends the period, if that is wanted, and tells its totals. It can be done again after a crash.
///
/// # Errors
/// When the database cannot be read or written.
pub(super) async fn go_on(
    carried: &Carried,
    reconciliation: &Reconciliation,
) -> Result<Done, Failure> {
    let Carried { call, .. } = carried;
    let Reconciliation { kind, previous, period, .. } = reconciliation;
    let (closes_days, ends_period) = match kind.as_str() {
        "SaleReconciliation" => (false, true),
        "AcquirerSynchronisation" => (true, true),
        "AcquirerReconciliation" => (true, false),
        "PreviousReconciliation" => (false, false),
        other => {
            let text = format!("ReconciliationType: unexpected value {other}");
            let failed = Failed::new(Condition::MessageFormat, text);
            return Ok(Done::quiet(call.refused(None, &failed)));
        }
    };
    if closes_days && let Err(failed) = close_days(carried, *period).await? {
        let wanted = json!({ "ReconciliationType": kind });
        return Ok(Done::quiet(call.refused(Some(&wanted), &failed)));
    }
    if ends_period {
        end_period(call, *period, carried.number()).await?;
    }
    let told = match kind.as_str() {
        "PreviousReconciliation" => previous.unwrap_or(*period),
        _ => *period,
    };
    let mut body = success();
    body["ReconciliationType"] = kind.as_str().into();
    body["POIReconciliationID"] = period_name(told).into();
    body["TransactionTotals"] = totals_of(call, told).await?;
    Ok(Done::quiet(call.answer(body)))
}

/// Another process may have ended it for the same service: then it is done.
async fn end_period(call: &Call, period: i64, number: ServiceNumber) -> Result<(), Failure> {
    call.nexo.gateway.end_period(call.known.terminal.id, period, number.0).await.map(drop)
}

/// Closes the business day at each endpoint whose currency moved in the period.
async fn close_days(carried: &Carried, period: i64) -> Result<Result<(), Failed>, Failure> {
    let (call, gateway) = (&carried.call, &carried.call.nexo.gateway);
    let terminal = &call.known.terminal;
    let sums = gateway.totals_of_period(terminal.id, period).await?;
    let currencies: BTreeSet<_> = sums.into_iter().map(|(_, currency, ..)| currency).collect();
    for alpha in currencies {
        let Some(currency) = Currency::from_alpha(&alpha) else {
            continue;
        };
        let endpoint = gateway.endpoint_of_terminal(terminal, currency).await?;
        let Some(endpoint) = endpoint else {
            continue;
        };
        if let Err(failed) = close_day(carried, endpoint.id).await? {
            return Ok(Err(failed));
        }
    }
    Ok(Ok(()))
}

async fn close_day(carried: &Carried, endpoint: EndpointId) -> Result<Result<(), Failed>, Failure> {
    let intent = CloseIntent {
        merchant: Arc::clone(&carried.call.known.merchant),
        endpoint,
        request_id: name_of(carried.number()),
        claimed: Claimed::default(),
    };
    match carried.call.nexo.gateway.close_day(&intent).await {
        Ok(_) => Ok(Ok(())),
        Err(Failure::Refused { refusal, .. }) => {
            let text = format!("The business day is not closed: {refusal}");
            Ok(Err(Failed::new(Condition::Busy, text)))
        }
        Err(failure) => Err(failure),
    }
}

/// Answers an `AdminRequest`: none of the vendors' services is public.
pub(super) fn administer(call: &Call, request: &Message) -> Message {
    let wanted = request.body.get("ServiceIdentification").and_then(Value::as_str);
    let text = format!("Service not implemented: {}", wanted.unwrap_or_default());
    let failed = Failed::new(Condition::UnavailableService, text);
    call.refused(Some(&request.body), &failed)
}
