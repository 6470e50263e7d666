//! What all HTTP doors share: reading a body within limits, the request id, and the log line.

use crate::clock::Entropy;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, BytesMut, Data, Payload};
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use futures_util::StreamExt;
use std::time::{Duration, Instant};
use tracing::Instrument;

/// The largest body taken: two fields of 64 KiB, the card data, and room for escapes.
pub const BODY_MAX: usize = 512 * 1024;
/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);
/// Seconds after which a client may try again when the gateway is busy.
const RETRY_AFTER_SECONDS: &str = "1";

/// The header that carries the request id, in requests and answers.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// MAPI 1.4: the reason for a 400 stands in this header.
static ERROR_MESSAGE: HeaderName = HeaderName::from_static("error-message");

/// Why a body was not read to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyError {
    TooLarge,
    TooSlow,
    Broken,
}

impl BodyError {
    /// The answer to such a request.
    #[must_use]
    pub fn answer(self) -> HttpResponse {
        match self {
            Self::TooLarge => HttpResponse::PayloadTooLarge().finish(),
            Self::TooSlow => HttpResponse::RequestTimeout().finish(),
            Self::Broken => bad_request("the body broke off"),
        }
    }
}

/// Reads a body of [`BODY_MAX`] bytes at most.
///
/// # Errors
/// Too large (known before anything is read, where the client announces it), too slow, broken.
pub async fn read_body(request: &HttpRequest, mut payload: Payload) -> Result<Bytes, BodyError> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    if announced.and_then(|text| text.parse::<u64>().ok()).is_some_and(|n| n > BODY_MAX as u64) {
        return Err(BodyError::TooLarge);
    }
    let read = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| BodyError::Broken)?;
            if body.len() + chunk.len() > BODY_MAX {
                return Err(BodyError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    tokio::time::timeout(BODY_TIMEOUT, read).await.unwrap_or(Err(BodyError::TooSlow))
}

/// MAPI 1.4: 400 with the reason in a header, where shipped clients look for it.
#[must_use]
pub fn bad_request(reason: &str) -> HttpResponse {
    HttpResponse::BadRequest()
        .insert_header((ERROR_MESSAGE.clone(), reason))
        .content_type("text/plain; charset=utf-8")
        .body(format!("{reason}\n"))
}

/// 503: nothing was done, try again soon.
#[must_use]
pub fn unavailable() -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS))
        .content_type("text/plain; charset=utf-8")
        .body("temporarily unavailable, try again\n")
}

/// 403 without a reason on the wire; the log has it.
#[must_use]
pub fn forbidden(reason: &dyn std::fmt::Display) -> HttpResponse {
    tracing::warn!(%reason, "answered 403");
    HttpResponse::Forbidden().finish()
}

/// The id of a request, among its data.
#[derive(Clone)]
pub struct RequestId(pub String);

/// Gives each request an id (the client's own, if it sends a decent one), writes one log line
/// for it, and counts it.
///
/// # Errors
/// Those of the service inside.
pub async fn observe<B: MessageBody + 'static>(
    entropy: Data<Entropy>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = request_id(&request, &entropy);
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let path = request.path().to_owned();
    let span = tracing::info_span!("request", id, %method, path);
    let started = Instant::now();
    let response = next.call(request).instrument(span.clone()).await;
    let mut response = response?.map_into_boxed_body();
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    record(&span, response.status(), started.elapsed(), route);
    Ok(response)
}

fn record(span: &tracing::Span, status: StatusCode, took: Duration, route: String) {
    let code = status.as_u16();
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(status = code, took_us, "answered"));
    metrics::counter!("tillgate_http_requests_total",
        "route" => route.clone(), "status" => code.to_string())
    .increment(1);
    metrics::histogram!("tillgate_http_request_seconds", "route" => route)
        .record(took.as_secs_f64());
}

/// A client's id is kept when it is short and plain, so that it cannot forge log lines.
fn request_id(request: &ServiceRequest, entropy: &Entropy) -> String {
    let given = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let decent = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    given.filter(decent).map_or_else(|| entropy.uuid(), str::to_owned)
}
