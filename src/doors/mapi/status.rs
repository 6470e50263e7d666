//! `status`: the fields of the question and of the answer (MAPI 5).

use super::control::merchant_of;
use super::reply::Reply;
use crate::crypto::sign::status_control;
use crate::doors::form::Form;
use crate::gateway::{Failure, Gateway, Merchant, Scope, Seen, Watched};
use crate::payment::ids::{OrderId, SerialNumber};
use crate::payment::order::Order;
use crate::payment::refusal::Refusal;
use chrono::DateTime;
use std::sync::Arc;
use utoipa::ToSchema;
use validator::Validate;

/// The fields of a status question.
#[derive(Validate, ToSchema)]
pub struct StatusForm {
    /// The merchant's login.
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "auto")]
    login: String,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "902B4FF5")]
    client_orderid: String,
    /// `paynet-order-id`; may be left out if it was never received.
    #[validate(length(max = 20, message = "longer than 20 characters"))]
    #[schema(example = "")]
    orderid: Option<String>,
    /// The `serial-number` of one request, to ask for that request only.
    #[serde(rename = "by-request-sn")]
    #[validate(length(max = 36, message = "longer than 36 characters"))]
    #[schema(example = "")]
    by_request_sn: Option<String>,
    /// SHA-1 of `login`, `client_orderid`, `orderid` and the control key.
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "auto")]
    control: String,
}

impl StatusForm {
    /// Reads and validates the form.
    ///
    /// # Errors
    /// The first field that is missing or wrong.
    pub fn read(form: &Form) -> Result<Self, Refusal> {
        form.check_all()?;
        let optional = |name| form.get(name).map(str::to_owned);
        let required = |name| form.require(name).map(str::to_owned);
        let status = Self {
            login: required("login")?,
            client_orderid: required("client_orderid")?,
            orderid: optional("orderid"),
            by_request_sn: optional("by-request-sn").or_else(|| optional("by_request_sn")),
            control: required("control")?,
        };
        status.validate().map_err(|errors| super::sale::first_error(form, &errors))?;
        Ok(status)
    }

    /// The merchant that signed the question.
    ///
    /// # Errors
    /// `InvalidControl`, or what keeps the database from answering.
    pub async fn authenticate(&self, gateway: &Gateway) -> Result<Arc<Merchant>, Failure> {
        let orderid = self.orderid.as_deref().unwrap_or("");
        let expected = |key: &str| status_control(&self.login, &self.client_orderid, orderid, key);
        let formula = "login + client_orderid + orderid + key";
        merchant_of(gateway, &self.login, &self.control, expected, formula).await
    }

    /// What to look for.
    ///
    /// # Errors
    /// An orderid that is not a number.
    pub fn watched(&self, scope: Scope) -> Result<Watched, Refusal> {
        let order = self.orderid.as_deref().map(read_order_id).transpose()?;
        Ok(Watched { scope, client_orderid: self.client_orderid.clone(), order })
    }

    /// The serial number of the request that the question is about.
    #[must_use]
    pub fn by_request_sn(&self) -> Option<&str> {
        self.by_request_sn.as_deref()
    }

    /// The answer about an order.
    #[must_use]
    pub fn reply(&self, seen: &Seen, serial: SerialNumber) -> Reply {
        describe(seen, serial).with_some("by-request-sn", self.by_request_sn.clone())
    }
}

/// `status-response`, in the order of real answers (MAPI 5.2).
fn describe(seen: &Seen, serial: SerialNumber) -> Reply {
    let Seen { order, terms, .. } = seen;
    let transaction = seen.transaction();
    let (request, card, outcome) = (&order.request, &order.card, transaction.outcome);
    // What an unfinished transaction may still end with is not told.
    let error = outcome.error.as_ref().filter(|_| transaction.status.is_final());
    let chip = |tag| shown_of_chip(order, tag);
    Reply::of_type("status-response", serial)
        .with("merchant-order-id", &order.client_orderid)
        .with("paynet-order-id", order.id.to_string())
        .with("status", transaction.status.name())
        .with("amount", transaction.amount.to_string())
        .with("currency", order.amount.currency().alpha())
        .with("original-gate-descriptor", &request.descriptor)
        .with("descriptor", &request.descriptor)
        .with("gate-partial-reversal", enabled(terms.partial_reversal))
        .with("gate-partial-capture", enabled(terms.partial_capture))
        .with("transaction-type", transaction.kind)
        .with("receipt-id", &request.receipt_id)
        .with_some("name", order.payer_name())
        .with_some("cardholder-name", card.cardholder.as_deref())
        .with("card-exp-month", card.expiry.month().to_string())
        .with("card-exp-year", card.expiry.year().to_string())
        .with("email", &request.email)
        .with_some("processor-rrn", outcome.rrn.as_deref())
        .with_some("processor-tx-id", outcome.processor_tx_id.as_deref())
        .with_some("approval-code", outcome.approval_code.as_deref())
        .with_some("auth-response-code", outcome.response_code.as_deref())
        .with_some("emv-issuer-response", issuer_response(seen))
        .with_some("error-code", error.map(|error| error.code.to_string()))
        .with_some("error-message", error.map(|error| error.message.as_str()))
        .with("order-stage", transaction.stage)
        .with("last-four-digits", &card.last_four)
        .with("bin", &card.bin)
        .with("card-type", card.brand.name())
        .with_some("phone", request.phone.as_deref())
        .with("terminal-id", &request.terminal_id)
        .with("paynet-processing-date", processing_date(transaction.created_at))
        .with("card-hash-id", &card.hash)
        .with_some("first-name", request.first_name.as_deref())
        .with_some("last-name", request.last_name.as_deref())
        .with_some("emv-terminal-aid-9f06", chip("9F06").or_else(|| chip("84")))
        .with_some("emv-tvr-95", chip("95"))
        .with_some("emv-app-label-50", chip("50").and_then(label))
        .with_some("emv-cvm-9f34", chip("9F34"))
        .with_some("emv-pan-sequence-5f34", chip("5F34"))
        .with_some("emv-cid-9f27", chip("9F27"))
        .with_some("emv-app-cryptogram-9f26", chip("9F26"))
        .with("initial-amount", order.amount.to_string())
        .with_some("merchantdata", request.merchant_data.as_deref())
}

/// How the wire says whether something may be done.
pub(super) fn enabled(allowed: bool) -> &'static str {
    if allowed { "enabled" } else { "disabled" }
}

/// What the chip said last about a tag.
fn shown_of_chip<'a>(order: &'a Order, tag: &str) -> Option<&'a str> {
    let completion = order.outcome.completion.as_ref();
    let last = completion.and_then(|completion| completion.tags.get(tag));
    last.or_else(|| order.card.chip.get(tag))
}

/// The label is a text; all others stay in hex.
fn label(hex_digits: &str) -> Option<String> {
    String::from_utf8(hex::decode(hex_digits).ok()?).ok()
}

/// Only a chip wants to hear its issuer.
fn issuer_response(seen: &Seen) -> Option<&str> {
    let chip = seen.order.needs_advice() && seen.amendment.is_none();
    seen.order.outcome.issuer_data.as_deref().filter(|_| chip)
}

/// # Errors
/// What is not a number.
pub(super) fn read_order_id(text: &str) -> Result<OrderId, Refusal> {
    text.parse().map(OrderId).map_err(|_| Refusal::invalid("orderid", "not a number"))
}

/// `2015-04-09 17:14:26 UTC`.
fn processing_date(at: crate::payment::Millis) -> String {
    let at = DateTime::from_timestamp_millis(at).unwrap_or_default();
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
