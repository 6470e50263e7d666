//! The mPOS API (MAPI): what a merchant's mobile app calls.
//!
//! | request | proved by | answer |
//! |---|---|---|
//! | `POST /mapi/v1/sale/{endpoint}`, `…/preauth/…` | OAuth 1.0a, HMAC-SHA1 | `async-response` |
//! | `POST /mapi/v1/emv-advice/{endpoint}` | the same | `async-response` |
//! | `POST /mapi/v1/add-signature/{endpoint}/{order}/{sha1}` | the same | `async-response` |
//! | `POST /api/v2/close-day/{endpoint}` | the same | `close-day-response` |
//! | `POST /api/v2/status/{endpoint}`, `…/group/{group}` | SHA-1 `control` | `status-response` |
//! | `POST /api/v2/capture`, `return`, `void` likewise | SHA-1 `control` | `async-response` |
//! | `GET /paynet-ui/services/transaction-report` | OAuth 1.0a over the query | CSV |
//!
//! Everything also lives under `/paynet`. Requests are forms. Answers are pairs with a line feed
//! after each value, HTTP 200 even for errors, or JSON on request. 400 says in a header what is
//! malformed; 403 says nothing. What happens to an order later is told by status and by
//! [`callback`].

mod advice;
mod amend;
pub mod callback;
mod callback_template;
mod close_day;
mod control;
mod reply;
mod report;
mod sale;
mod status;
mod strict;

pub(crate) use advice::*;
pub(crate) use amend::*;
pub(crate) use close_day::*;
pub(crate) use report::*;
pub use sale::{SaleForm, signed_fields};
pub use status::StatusForm;

use crate::doors::form::{Form, read_form};
use crate::doors::http::forbidden;
use crate::doors::oauth::{Claim, Signed, Unsigned, authenticate};
use crate::gateway::{Failure, Gateway, Scope};
use crate::payment::ids::{EndpointId, GroupId, SerialNumber};
use crate::payment::order::Kind;
use actix_web::web::{self, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use amend::{Command, in_group};
use std::sync::Arc;

/// What the handlers need.
#[derive(Clone)]
pub struct Mapi {
    pub gateway: Arc<Gateway>,
    /// Addresses under which clients know this server; empty: whatever they asked for.
    pub base_urls: Arc<[String]>,
}

impl Mapi {
    fn claim<'a>(&'a self, request: &'a HttpRequest, form: &'a Form) -> Claim<'a> {
        Claim { gateway: &self.gateway, base_urls: &self.base_urls, request, form }
    }
}

/// Mounts the door, at the top and under `/paynet`.
pub fn configure(config: &mut ServiceConfig) {
    routes(config);
    config
        .service(web::scope("/paynet").configure(routes))
        // Reports are asked for where the merchant's own pages would be.
        .service(
            web::resource("/paynet-ui/services/transaction-report")
                .route(web::get().to(transaction_report)),
        );
}

fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/mapi/v1/sale/{endpoint}").route(web::post().to(sale)))
        .service(web::resource("/mapi/v1/preauth/{endpoint}").route(web::post().to(preauth)))
        .service(web::resource("/mapi/v1/emv-advice/{endpoint}").route(web::post().to(emv_advice)))
        .service(
            web::resource("/mapi/v1/add-signature/{endpoint}/{order}/{digest}")
                .route(web::post().to(add_signature)),
        )
        .service(
            web::resource("/services/transaction-report").route(web::get().to(transaction_report)),
        )
        .service(
            web::resource("/api/v2/status/group/{group}").route(web::post().to(status_of_group)),
        )
        .service(web::resource("/api/v2/status/{endpoint}").route(web::post().to(status)));
    config.service(web::resource("/api/v2/close-day/{endpoint}").route(web::post().to(close_day)));
    // For void the documents know a second path to the group.
    let void_in_group = ["/api/v2/void/group/{group}", "/api/v2/void/void/{group}"];
    config
        .service(web::resource("/api/v2/capture/group/{group}").route(in_group(Command::Capture)))
        .service(web::resource("/api/v2/capture/{endpoint}").route(web::post().to(capture)))
        .service(web::resource("/api/v2/return/group/{group}").route(in_group(Command::Return)))
        .service(web::resource("/api/v2/return/{endpoint}").route(web::post().to(give_back)))
        .service(web::resource(void_in_group).route(in_group(Command::Void)))
        .service(web::resource("/api/v2/void/{endpoint}").route(web::post().to(void)));
}

/// Charge a card presented to an mPOS reader.
#[utoipa::path(
    post,
    path = "/mapi/v1/sale/{endpoint}",
    tag = "mPOS API",
    params(("endpoint" = i64, Path, description = "End point id", example = 1111)),
    request_body(content = SaleForm, content_type = "application/x-www-form-urlencoded"),
    security(("oauth1" = [])),
    responses(
        (status = 200, description = "`async-response`, `validation-error` or `error`",
         content_type = "text/html", body = String,
         example = "type=async-response\n&serial-number=00000000-0000-0000-0000-000000000b2f\n&merchant-order-id=902B4FF5\n&paynet-order-id=6877\n"),
        (status = 400, description = "Malformed request; the reason stands in the header `error-message`"),
        (status = 403, description = "The signature does not hold"),
        (status = 413, description = "The body is too large"),
        (status = 503, description = "Try the same again, signed anew: it never becomes a second order"),
    )
)]
pub(crate) async fn sale(
    mapi: web::Data<Mapi>,
    request: HttpRequest,
    path: Path<i64>,
    payload: Payload,
) -> HttpResponse {
    take_order(&mapi, &request, EndpointId(*path), payload, Kind::Sale).await
}

/// Hold an amount on a card presented to an mPOS reader.
#[utoipa::path(
    post,
    path = "/mapi/v1/preauth/{endpoint}",
    tag = "mPOS API",
    params(("endpoint" = i64, Path, description = "End point id", example = 1111)),
    request_body(content = SaleForm, content_type = "application/x-www-form-urlencoded"),
    security(("oauth1" = [])),
    responses(
        (status = 200, description = "`async-response`, `validation-error` or `error`",
         content_type = "text/html", body = String),
        (status = 400, description = "Malformed request; the reason stands in the header `error-message`"),
        (status = 403, description = "The signature does not hold"),
        (status = 413, description = "The body is too large"),
        (status = 503, description = "Try the same again, signed anew: it never becomes a second order"),
    )
)]
pub(crate) async fn preauth(
    mapi: web::Data<Mapi>,
    request: HttpRequest,
    path: Path<i64>,
    payload: Payload,
) -> HttpResponse {
    take_order(&mapi, &request, EndpointId(*path), payload, Kind::Preauth).await
}

/// Ask where an order stands.
#[utoipa::path(
    post,
    path = "/api/v2/status/{endpoint}",
    tag = "mPOS API",
    params(("endpoint" = i64, Path, description = "End point id", example = 1111)),
    request_body(content = StatusForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "`status-response`, `validation-error` or `error`",
         content_type = "text/html", body = String),
        (status = 400, description = "Malformed request"),
    )
)]
pub(crate) async fn status(
    mapi: web::Data<Mapi>,
    request: HttpRequest,
    path: Path<i64>,
    payload: Payload,
) -> HttpResponse {
    tell_status(&mapi, &request, Scope::Endpoint(EndpointId(*path)), payload).await
}

/// Ask where an order stands, at any end point of a group.
#[utoipa::path(
    post,
    path = "/api/v2/status/group/{group}",
    tag = "mPOS API",
    params(("group" = i64, Path, description = "End point group id", example = 11)),
    request_body(content = StatusForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "`status-response`, `validation-error` or `error`",
         content_type = "text/html", body = String),
        (status = 400, description = "Malformed request"),
    )
)]
pub(crate) async fn status_of_group(
    mapi: web::Data<Mapi>,
    request: HttpRequest,
    path: Path<i64>,
    payload: Payload,
) -> HttpResponse {
    tell_status(&mapi, &request, Scope::Group(GroupId(*path)), payload).await
}

async fn take_order(
    mapi: &Mapi,
    request: &HttpRequest,
    endpoint: EndpointId,
    payload: Payload,
    kind: Kind,
) -> HttpResponse {
    let form = match read_form(request, payload).await {
        Ok(form) => form,
        Err(answer) => return answer,
    };
    let signed = match signed_by(mapi, request, &form, endpoint).await {
        Ok(signed) => signed,
        Err(answer) => return answer,
    };
    let intent = SaleForm::read(&form, signed.endpoint.strict_validation).and_then(|sale| {
        let digest = mapi.gateway.request_digest(kind, signed_fields(&form));
        sale.into_intent(kind, signed, digest)
    });
    let result = match intent {
        Ok(intent) => mapi.gateway.submit(intent).await,
        Err(refusal) => Err(refusal.into()),
    };
    let client_orderid = echoed_name(&form);
    match result {
        Ok(accepted) => {
            let name = client_orderid.unwrap_or_default();
            tracing::info!(order = %accepted.order, "accepted");
            reply::accepted(name, accepted).answer(request)
        }
        Err(failure) => fail(mapi, &failure, client_orderid, request),
    }
}

/// Who signed a request, or the answer to one that nobody signed.
async fn signed_by(
    mapi: &Mapi,
    request: &HttpRequest,
    form: &Form,
    endpoint: EndpointId,
) -> Result<Signed, HttpResponse> {
    let signed = authenticate(mapi.claim(request, form), endpoint).await;
    signed.map_err(|unsigned| turn_away(&unsigned, request))
}

async fn tell_status(
    mapi: &Mapi,
    request: &HttpRequest,
    scope: Scope,
    payload: Payload,
) -> HttpResponse {
    let form = match read_form(request, payload).await {
        Ok(form) => form,
        Err(answer) => return answer,
    };
    match find(mapi, scope, &form).await {
        Ok(reply) => reply.answer(request),
        Err(failure) => fail(mapi, &failure, echoed_name(&form), request),
    }
}

async fn find(mapi: &Mapi, scope: Scope, form: &Form) -> Result<reply::Reply, Failure> {
    let question = StatusForm::read(form)?;
    let merchant = question.authenticate(&mapi.gateway).await?;
    let watched = question.watched(scope)?;
    let seen = mapi.gateway.see(&merchant, &watched, question.by_request_sn()).await?;
    Ok(question.reply(&seen, mapi.gateway.roll_serial()))
}

/// The merchant's name for the order, to be repeated in an answer, unless it is too long to be one.
fn echoed_name(form: &Form) -> Option<&str> {
    form.get("client_orderid").filter(|name| name.chars().count() <= CLIENT_ORDERID_MAX)
}

/// MAPI 3.2.
const CLIENT_ORDERID_MAX: usize = 128;

/// Stands in answers that carry no serial anyway.
const NO_SERIAL: SerialNumber = SerialNumber(0);

/// The answer to a request that does not count as signed.
fn turn_away(unsigned: &Unsigned, request: &HttpRequest) -> HttpResponse {
    match unsigned {
        Unsigned::Failure(failure) => reply::failed(failure, NO_SERIAL, None, request),
        reason => forbidden(reason),
    }
}

fn fail(
    mapi: &Mapi,
    failure: &Failure,
    client_orderid: Option<&str>,
    request: &HttpRequest,
) -> HttpResponse {
    let serial = match failure {
        Failure::Refused { .. } => mapi.gateway.roll_serial(),
        _ => NO_SERIAL,
    };
    reply::failed(failure, serial, client_orderid, request)
}
