//! `status`: the fields of the question and of the answer (MAPI 5).

use super::form::Form;
use super::reply::Reply;
use crate::crypto::sign::{control_matches, status_control};
use crate::gateway::{Failure, Gateway, Merchant, Scope, Watched};
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

    /// The merchant that signed the question. An unknown login looks like a wrong control.
    ///
    /// # Errors
    /// `InvalidControl`, or what keeps the database from answering.
    pub async fn authenticate(&self, gateway: &Gateway) -> Result<Arc<Merchant>, Failure> {
        let merchant = gateway.merchant_by_login(&self.login).await?;
        let key = merchant.as_ref().map_or("", |merchant| merchant.control_key.as_str());
        let orderid = self.orderid.as_deref().unwrap_or("");
        let expected = status_control(&self.login, &self.client_orderid, orderid, key);
        let fits = control_matches(&expected, &self.control);
        match merchant {
            Some(merchant) if fits => Ok(merchant),
            known => Err(Failure::Refused {
                refusal: Refusal::InvalidControl,
                cause: match known {
                    Some(_) => "the control is not SHA-1(login + client_orderid + orderid + key)",
                    None => "no merchant has this login",
                }
                .to_owned(),
            }),
        }
    }

    /// What to look for.
    ///
    /// # Errors
    /// An orderid that is not a number.
    pub fn watched(&self, scope: Scope) -> Result<Watched, Refusal> {
        let order = self.orderid.as_deref().map(str::parse).transpose();
        let order = order.map_err(|_| Refusal::invalid("orderid", "not a number"))?;
        let client_orderid = self.client_orderid.clone();
        Ok(Watched { scope, client_orderid, order: order.map(OrderId) })
    }

    /// The merchant's own name for the order.
    #[must_use]
    pub fn client_orderid(&self) -> &str {
        &self.client_orderid
    }

    /// Whether the question is about the request that opened the order, or about no request in
    /// particular.
    #[must_use]
    pub fn is_about(&self, order: &Order) -> bool {
        self.by_request_sn.as_ref().is_none_or(|serial| *serial == order.serial.to_string())
    }

    /// The answer about an order.
    #[must_use]
    pub fn reply(&self, order: &Order, serial: SerialNumber) -> Reply {
        describe(order, serial).with_some("by-request-sn", self.by_request_sn.clone())
    }
}

/// `status-response`, in the order of real answers (MAPI 5.2).
fn describe(order: &Order, serial: SerialNumber) -> Reply {
    let (request, card, outcome) = (&order.request, &order.card, &order.outcome);
    let error = outcome.error.as_ref();
    Reply::of_type("status-response", serial)
        .with("merchant-order-id", &order.client_orderid)
        .with("paynet-order-id", order.id.to_string())
        .with("status", order.status.name())
        .with("amount", order.amount.to_string())
        .with("currency", order.amount.currency().alpha())
        .with("original-gate-descriptor", &request.descriptor)
        .with("descriptor", &request.descriptor)
        .with("gate-partial-reversal", "disabled")
        .with("gate-partial-capture", "disabled")
        .with("transaction-type", order.kind.name())
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
        .with_some("error-code", error.map(|error| error.code.to_string()))
        .with_some("error-message", error.map(|error| error.message.as_str()))
        .with("order-stage", order.wire_stage())
        .with("last-four-digits", &card.last_four)
        .with("bin", &card.bin)
        .with("card-type", card.brand.name())
        .with_some("phone", request.phone.as_deref())
        .with("terminal-id", &request.terminal_id)
        .with("paynet-processing-date", processing_date(order.created_at))
        .with("card-hash-id", &card.hash)
        .with_some("first-name", request.first_name.as_deref())
        .with_some("last-name", request.last_name.as_deref())
        .with("initial-amount", order.amount.to_string())
        .with_some("merchantdata", request.merchant_data.as_deref())
}

/// `2015-04-09 17:14:26 UTC`.
fn processing_date(at: crate::payment::Millis) -> String {
    let at = DateTime::from_timestamp_millis(at).unwrap_or_default();
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
