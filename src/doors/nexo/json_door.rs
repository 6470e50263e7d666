//! The JSON family over HTTP (nexo contract 2.3, 2.4): a terminal in the shop's network, or in the
//! cloud behind an API key, whose answers come at once or later.

use super::admission::{NotAdmitted, NotTaken, take};
use super::codec::{self, Opened};
use super::front::rejection;
use super::line::Hearer;
use super::message::Message;
use super::wire::fault::ReadError;
use super::wire::message::Header;
use super::{Nexo, Reply};
use crate::doors::http::unavailable;
use crate::gateway::{Failure, KnownTerminal};
use crate::payment::SECOND;
use crate::payment::ids::MerchantId;
use crate::payment::terminal::Dialect;
use crate::sandbox::terminal::{Deed, ending_of, for_ending};
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use url::Url;
use utoipa::ToSchema;

const KINDS: [&str; 1] = ["application/json"];
const CONTENT_TYPE: &str = "application/json; charset=utf-8";
/// How long an answer waits before each attempt, in seconds.
const SENT_AFTER: [i64; 6] = [0, 1, 5, 30, 120, 600];
/// How long a point of sale may take to acknowledge an answer.
const ACKNOWLEDGED: Duration = Duration::from_secs(10);

/// The door at which a message arrives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// A terminal in the shop.
    Local,
    /// Behind an API key.
    Cloud { later: bool },
}

/// A message of the JSON family. The body element is named by category and type, for example
/// `PaymentRequest`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct SaleToPoiMessage {
    /// The request; an answer stands in `SaleToPOIResponse`.
    #[serde(rename = "SaleToPOIRequest")]
    #[schema(value_type = Object, example = json!({
        "MessageHeader": {
            "ProtocolVersion": "3.0", "MessageClass": "Service", "MessageCategory": "Payment",
            "MessageType": "Request", "ServiceID": "1", "SaleID": "Till 01", "POIID": "SIM-JSON-1",
        },
        "PaymentRequest": {
            "SaleData": { "SaleTransactionID": {
                "TransactionID": "order-1", "TimeStamp": "2026-11-21T12:00:00Z" } },
            "PaymentTransaction": { "AmountsReq": { "Currency": "EUR", "RequestedAmount": 14.95 } },
        },
    }))]
    pub request: Value,
}

/// Whether a terminal can be reached.
#[derive(Serialize, ToSchema)]
pub struct DeviceStatus {
    #[serde(rename = "deviceId")]
    #[schema(example = "SIM-JSON-1")]
    pub device_id: String,
    /// `ONLINE` or `OFFLINE`.
    #[schema(example = "ONLINE")]
    pub status: String,
}

/// The terminals of a merchant.
#[derive(Serialize, ToSchema)]
pub struct ConnectedDevices {
    #[serde(rename = "uniqueDeviceIds")]
    pub unique_device_ids: Vec<String>,
}

/// Speak to a terminal as in the shop's network, plain or protected by its passphrase.
#[utoipa::path(post, path = "/nexo", tag = "nexo Retailer", request_body = SaleToPoiMessage,
    responses((status = 200, description = "The response, or an event that says why there is none",
               body = Object),
              (status = 204, description = "There is no response to this message"),
              (status = 401, description = "The terminal wants a key"),
              (status = 413, description = "More than 256 KiB"),
              (status = 415, description = "Not said to be JSON"),
              (status = 503, description = "Too much at once; nothing was done")))]
pub(crate) async fn local(
    nexo: Data<Nexo>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    answer(&nexo, &request, payload, Look::Local, None).await
}

/// Speak to a terminal through the cloud and wait for the answer. Needs `X-API-Key`.
#[utoipa::path(post, path = "/sync", tag = "nexo Retailer", request_body = SaleToPoiMessage,
    params(("X-API-Key" = String, Header, description = "The merchant's key", example = "sandbox")),
    responses((status = 200, description = "The response, or an event that says why there is none",
               body = Object),
              (status = 401, description = "No key that anybody has"),
              (status = 403, description = "The key of another merchant")))]
pub(crate) async fn sync(nexo: Data<Nexo>, request: HttpRequest, payload: Payload) -> HttpResponse {
    answer(&nexo, &request, payload, Look::Cloud { later: false }, None).await
}

/// Speak to a terminal through the cloud; the answer goes to its listener. Needs `X-API-Key`.
#[utoipa::path(post, path = "/async", tag = "nexo Retailer", request_body = SaleToPoiMessage,
    params(("X-API-Key" = String, Header, description = "The merchant's key", example = "sandbox")),
    responses((status = 200, description = "`ok`", body = String),
              (status = 401, description = "No key that anybody has"),
              (status = 403, description = "The key of another merchant")))]
pub(crate) async fn later(
    nexo: Data<Nexo>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    answer(&nexo, &request, payload, Look::Cloud { later: true }, None).await
}

/// The same for one device, which the message must name, too.
pub(crate) async fn device_sync(
    nexo: Data<Nexo>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> HttpResponse {
    answer(&nexo, &request, payload, Look::Cloud { later: false }, Some(&path)).await
}

/// The same for one device, whose answer goes to its listener.
pub(crate) async fn device_later(
    nexo: Data<Nexo>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> HttpResponse {
    answer(&nexo, &request, payload, Look::Cloud { later: true }, Some(&path)).await
}

/// Ask whether a terminal can be reached.
#[utoipa::path(get, path = "/v1/merchants/{merchant}/devices/{device}/status",
    tag = "nexo Retailer",
    params(("merchant" = String, Path, description = "The merchant's login", example = "sandbox"),
           ("device" = String, Path, description = "The POIID", example = "SIM-JSON-1"),
           ("X-API-Key" = String, Header, description = "The merchant's key", example = "sandbox")),
    responses((status = 200, description = "The terminal", body = DeviceStatus),
              (status = 401, description = "No key that anybody has"),
              (status = 403, description = "The key of another merchant"),
              (status = 404, description = "No such terminal")))]
pub(crate) async fn device_status(
    nexo: Data<Nexo>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> HttpResponse {
    let (merchant, device) = path.as_ref();
    let told = async {
        let caller = match merchant_of(&nexo, &request, merchant).await? {
            Ok(caller) => caller,
            Err(not_admitted) => return Ok(refused(not_admitted)),
        };
        let known = nexo.gateway.terminal(device).await?;
        let Some(known) = known.filter(|known| known.terminal.merchant == caller) else {
            return Ok(problem(StatusCode::NOT_FOUND, "00_404", "No such device"));
        };
        let status = if known.terminal.profile.online { "ONLINE" } else { "OFFLINE" };
        let status = DeviceStatus { device_id: device.clone(), status: status.to_owned() };
        Ok(HttpResponse::Ok().json(status))
    };
    told.await.unwrap_or_else(|failure| come_back(&failure))
}

/// List the terminals of a merchant.
#[utoipa::path(get, path = "/v1/merchants/{merchant}/connectedDevices", tag = "nexo Retailer",
    params(("merchant" = String, Path, description = "The merchant's login", example = "sandbox"),
           ("X-API-Key" = String, Header, description = "The merchant's key", example = "sandbox")),
    responses((status = 200, description = "The terminals", body = ConnectedDevices),
              (status = 401, description = "No key that anybody has"),
              (status = 403, description = "The key of another merchant")))]
pub(crate) async fn connected_devices(
    nexo: Data<Nexo>,
    request: HttpRequest,
    merchant: Path<String>,
) -> HttpResponse {
    let told = async {
        let caller = match merchant_of(&nexo, &request, &merchant).await? {
            Ok(caller) => caller,
            Err(not_admitted) => return Ok(refused(not_admitted)),
        };
        let terminals = nexo.gateway.terminals_of(caller).await?;
        let online = terminals.into_iter().filter(|terminal| terminal.profile.online);
        let unique_device_ids = online.map(|terminal| terminal.poi_id).collect();
        Ok(HttpResponse::Ok().json(ConnectedDevices { unique_device_ids }))
    };
    told.await.unwrap_or_else(|failure| come_back(&failure))
}

/// The merchant of the path, if the caller shows its key.
async fn merchant_of(
    nexo: &Nexo,
    request: &HttpRequest,
    login: &str,
) -> Result<Result<MerchantId, NotAdmitted>, Failure> {
    let caller = match nexo.caller(request).await? {
        Ok(caller) => caller,
        Err(unknown) => return Ok(Err(unknown)),
    };
    let merchant = nexo.gateway.merchant_by_login(login).await?;
    let is_own = merchant.is_some_and(|merchant| merchant.id == caller);
    Ok(if is_own { Ok(caller) } else { Err(NotAdmitted::Elsewhere) })
}

async fn answer(
    nexo: &Nexo,
    request: &HttpRequest,
    payload: Payload,
    look: Look,
    path: Option<&(String, String)>,
) -> HttpResponse {
    let body = match take(request, payload, &KINDS).await {
        Ok(body) => body,
        Err(NotTaken::Body(error)) => return error.answer(),
        Err(NotTaken::ContentType) => return HttpResponse::UnsupportedMediaType().finish(),
    };
    reply(nexo, request, body, look, path).await.unwrap_or_else(|failure| come_back(&failure))
}

async fn reply(
    nexo: &Nexo,
    request: &HttpRequest,
    body: Bytes,
    look: Look,
    path: Option<&(String, String)>,
) -> Result<HttpResponse, Failure> {
    if let Some((merchant, _)) = path
        && let Err(not_admitted) = merchant_of(nexo, request, merchant).await?
    {
        return Ok(refused(not_admitted));
    }
    if look != Look::Local
        && let Err(not_admitted) = nexo.caller(request).await?
    {
        return Ok(refused(not_admitted));
    }
    let now = nexo.gateway.clock().now();
    let reject = |header: Option<&Header>, why: &str| -> Result<HttpResponse, Failure> {
        let message = rejection(header, &body, why, Dialect::Json, now);
        Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(codec::plain(&message)?))
    };
    let header = match codec::header_of(&body) {
        Ok(header) => header,
        Err(why) => return reject(None, &why),
    };
    if path.is_some_and(|(_, device)| *device != header.poi_id) {
        return Ok(problem(StatusCode::BAD_REQUEST, "00_400", "POIID and device differ"));
    }
    let known = nexo.gateway.terminal(&header.poi_id).await?;
    let Some(known) = known.filter(|known| known.terminal.dialect == Dialect::Json) else {
        return reject(Some(&header), "Failed to send message to POI");
    };
    if look == Look::Local {
        if let Err(not_admitted) = nexo.admit_local(request, &known).await? {
            return Ok(refused(not_admitted));
        }
    } else if let Err(not_admitted) = nexo.admit(request, &known).await? {
        return Ok(refused(not_admitted));
    }
    let opened = match codec::open(&known, &body, look == Look::Local) {
        Ok(opened) => opened,
        Err(why) => return reject(Some(&header), &why),
    };
    match look {
        Look::Cloud { later: true } => {
            let listener = nexo.listener_of(request);
            let Ok(place) = Arc::clone(&nexo.answers).try_acquire_owned() else {
                tracing::warn!("too many answers are on their way to points of sale");
                return Ok(unavailable());
            };
            tokio::spawn(answer_later(nexo.clone(), known, (opened, body), listener, place));
            Ok(acknowledged())
        }
        Look::Local | Look::Cloud { later: false } => {
            let is_protected = opened.is_protected;
            let listener = nexo.listener_of(request);
            let reply = receive(nexo, &known, opened, &body, listener).await?;
            told(nexo, &known, &reply, is_protected, look == Look::Local)
        }
    }
}

async fn receive(
    nexo: &Nexo,
    known: &Arc<KnownTerminal>,
    opened: Opened,
    raw: &[u8],
    listener: Option<Url>,
) -> Result<Reply, Failure> {
    match opened.read {
        Ok(message) => nexo.receive(Arc::clone(known), &message, raw, listener).await,
        Err(ReadError::Body { header, fault }) => {
            nexo.misread(Arc::clone(known), *header, &fault.to_string(), raw).await
        }
        Err(error) => {
            let (now, why) = (nexo.gateway.clock().now(), error.to_string());
            Ok(Reply::message(rejection(None, raw, &why, Dialect::Json, now)))
        }
    }
}

fn told(
    nexo: &Nexo,
    known: &KnownTerminal,
    reply: &Reply,
    is_protected: bool,
    is_local: bool,
) -> Result<HttpResponse, Failure> {
    Ok(match reply {
        Reply::Message(message) => {
            let body = match is_protected {
                true => codec::protected(nexo, known, message)?,
                false => codec::plain(message)?,
            };
            HttpResponse::Ok().content_type(CONTENT_TYPE).body(body)
        }
        // In the shop an abort is acknowledged by nothing at all.
        Reply::Ok if is_local => HttpResponse::Ok().content_type(CONTENT_TYPE).finish(),
        Reply::Ok => acknowledged(),
        Reply::Empty => HttpResponse::NoContent().finish(),
        Reply::HangUp => codec::hang_up(CONTENT_TYPE),
    })
}

/// The answer goes to the listener; what does not arrive is sent again for a while, and the status
/// of the transaction tells it for as long as it is stored.
async fn answer_later(
    nexo: Nexo,
    known: Arc<KnownTerminal>,
    (opened, raw): (Opened, Bytes),
    listener: Option<Url>,
    _place: OwnedSemaphorePermit,
) {
    let own = known.terminal.listener_url.as_deref();
    let own = own.and_then(|url| nexo.gateway.admit_listener(url).ok());
    let to = listener.clone().or(own);
    let twice = is_answered_twice(&nexo, &known, &opened);
    let message = match receive(&nexo, &known, opened, &raw, listener).await {
        Ok(Reply::Message(message)) => message,
        Ok(_) => return,
        Err(failure) => {
            tracing::warn!(%failure, "an answer is not known yet; its status will tell");
            return;
        }
    };
    drop(raw);
    let Some(to) = to else {
        tracing::info!(poi = known.terminal.poi_id, "nobody listens; the status will tell");
        return;
    };
    let hearer = Hearer::new(&nexo, &known, to);
    for _ in 0..if twice { 2 } else { 1 } {
        send_until_acknowledged(&hearer, &message).await;
    }
}

async fn send_until_acknowledged(to: &Hearer, message: &Message) {
    let clock = to.nexo.gateway.clock();
    for wait in SENT_AFTER {
        clock.wait_until(clock.now() + wait * SECOND).await;
        let Err(why) = to.tell(message, ACKNOWLEDGED).await else {
            return;
        };
        tracing::info!(poi = to.known.terminal.poi_id, why, "an answer is not acknowledged");
    }
}

fn is_answered_twice(nexo: &Nexo, known: &KnownTerminal, opened: &Opened) -> bool {
    let request = opened.read.as_ref().ok();
    let amounts =
        request.and_then(|request| request.body.pointer("/PaymentTransaction/AmountsReq"));
    let minor = amounts.and_then(super::sale::minor_of_amounts);
    let chosen = nexo.device(known.terminal.id).chosen().ending;
    let ending = minor.map(|minor| chosen.unwrap_or_else(|| ending_of(minor)));
    ending.is_some_and(|ending| for_ending(ending).deed == Deed::AnswerTwice)
}

fn acknowledged() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok")
}

fn refused(why: NotAdmitted) -> HttpResponse {
    match why {
        NotAdmitted::Unknown => {
            problem(StatusCode::UNAUTHORIZED, "00_401", "Missing or unknown X-API-Key")
        }
        NotAdmitted::Elsewhere => {
            problem(StatusCode::FORBIDDEN, "00_403", "The key is another merchant's")
        }
    }
}

/// As RFC 7807 words problems, with the JSON family's codes.
fn problem(status: StatusCode, code: &str, detail: &str) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or_default();
    HttpResponse::build(status).content_type("application/problem+json").json(json!({
        "type": "about:blank",
        "title": title,
        "status": status.as_u16(),
        "errorCode": code,
        "detail": detail,
    }))
}

fn come_back(failure: &Failure) -> HttpResponse {
    tracing::warn!(%failure, "a point of sale is told to come back");
    unavailable()
}
