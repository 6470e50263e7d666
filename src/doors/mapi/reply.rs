//! Answers: pairs, written in the field's own layout or as JSON (MAPI 1.3, 1.7).

use crate::doors::http::{forbidden, unavailable};
use crate::gateway::{Accepted, Failure};
use crate::payment::ids::SerialNumber;
use crate::payment::refusal::{Refusal, RefusalKind};
use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse};

/// What a client sends in `Accept` to get JSON.
const JSON: &str = "application/vnd.pay+json";

/// The pairs of an answer, in wire order.
#[derive(Default)]
pub struct Reply {
    pairs: Vec<(&'static str, String)>,
}

impl Reply {
    /// Begins an answer of this type.
    #[must_use]
    pub fn of_type(kind: &str, serial: SerialNumber) -> Self {
        Self::default().with("type", kind).with("serial-number", serial.to_string())
    }

    /// Adds a pair.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.pairs.push((name, value.into()));
        self
    }

    /// Adds a pair if there is a value.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The HTTP answer: JSON for those who ask for it, otherwise the layout of MAPI 1.3.
    #[must_use]
    pub fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
        if accept.is_some_and(|accept| accept.contains(JSON)) {
            let object: serde_json::Map<_, _> = self
                .pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
                .collect();
            return HttpResponse::Ok()
                .content_type(JSON)
                .body(serde_json::Value::Object(object).to_string());
        }
        HttpResponse::Ok().content_type("text/html;charset=utf-8").body(self.layout())
    }

    /// Each value is followed by a line feed, each pair but the first begins with `&`.
    fn layout(&self) -> String {
        let mut text = String::with_capacity(64 * self.pairs.len());
        for (place, (name, value)) in self.pairs.iter().enumerate() {
            if place > 0 {
                text.push('&');
            }
            text.push_str(name);
            text.push('=');
            text.extend(form_urlencoded::byte_serialize(value.as_bytes()));
            text.push('\n');
        }
        text
    }
}

/// `async-response`: the order is durable and will be processed.
#[must_use]
pub fn accepted(client_orderid: &str, accepted: Accepted) -> Reply {
    Reply::of_type("async-response", accepted.serial)
        .with("merchant-order-id", client_orderid)
        .with("paynet-order-id", accepted.order.to_string())
}

/// `validation-error` or `error` with its code and sentence.
#[must_use]
pub fn refused(refusal: &Refusal, serial: SerialNumber, client_orderid: Option<&str>) -> Reply {
    let kind = match refusal.kind() {
        RefusalKind::Validation => "validation-error",
        RefusalKind::Business => "error",
    };
    let existing = match refusal {
        Refusal::DuplicateOrder(order) => Some(order.to_string()),
        _ => None,
    };
    Reply::of_type(kind, serial)
        .with_some("merchant-order-id", client_orderid)
        .with_some("paynet-order-id", existing)
        .with("error-message", refusal.to_string())
        .with("error-code", refusal.code().to_string())
}

/// The answer to a request that failed; its cause is logged here and nowhere else.
#[must_use]
pub fn failed(
    failure: &Failure,
    serial: SerialNumber,
    client_orderid: Option<&str>,
    request: &HttpRequest,
) -> HttpResponse {
    match failure {
        Failure::Refused { refusal, cause } => {
            tracing::info!(code = refusal.code(), %refusal, cause, "refused");
            refused(refusal, serial, client_orderid).answer(request)
        }
        Failure::NonceReused => forbidden(failure),
        Failure::Unavailable(_) => {
            tracing::warn!(%failure, "answered 503");
            unavailable()
        }
        Failure::Internal(_) => {
            tracing::error!(%failure, "answered 500");
            HttpResponse::InternalServerError().finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::ids::OrderId;

    #[test]
    fn an_answer_has_a_line_feed_after_each_value() {
        let reply =
            accepted("902B4FF5", Accepted { order: OrderId(6877), serial: SerialNumber(0xb2f) });
        assert_eq!(
            reply.layout(),
            "type=async-response\n\
             &serial-number=00000000-0000-0000-0000-000000000b2f\n\
             &merchant-order-id=902B4FF5\n\
             &paynet-order-id=6877\n"
        );
    }

    #[test]
    fn values_are_encoded_as_the_field_does() {
        let text = Reply::default().with("a", "TEST CARD a@b:c\n é*-._~").layout();
        assert_eq!(text, "a=TEST+CARD+a%40b%3Ac%0A+%C3%A9*-._%7E\n");
    }

    #[test]
    fn a_duplicate_names_the_order_that_exists() {
        let reply = refused(&Refusal::DuplicateOrder(OrderId(9)), SerialNumber(1), Some("x"));
        assert_eq!(
            reply.layout(),
            "type=error\n&serial-number=00000000-0000-0000-0000-000000000001\n\
             &merchant-order-id=x\n&paynet-order-id=9\n\
             &error-message=DUPLICATE_CLIENT_ORDERID\n&error-code=20\n"
        );
    }
}
