//! nexo Retailer 3.1 in XML over HTTP (nexo contract 2.1, 2.4).

use super::admission::{NotAdmitted, NotTaken, take};
use super::call::refusal;
use super::condition::{Condition, Failed};
use super::front::{instead, rejection};
use super::message::Message;
use super::wire::fault::ReadError;
use super::wire::xml;
use super::{Nexo, Reply};
use crate::doors::http::unavailable;
use crate::gateway::Failure;
use crate::payment::terminal::Dialect;
use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};

const KINDS: [&str; 2] = ["application/xml", "text/xml"];
const CONTENT_TYPE: &str = "application/xml; charset=utf-8";
/// The number of a transaction where there is not even a terminal.
const NO_TRANSACTION: &str = "0";

/// Speak to a terminal in XML.
///
/// The terminal is named by `POIID` in the message header. 200 carries a nexo response, 204 means
/// that there is none.
#[utoipa::path(post, path = "/EPASSaleToPOI/3.1", tag = "nexo Retailer",
    request_body(content = String, content_type = "application/xml",
        description = "A `SaleToPOIRequest` of nexo Retailer 3.1",
        example = "<SaleToPOIRequest><MessageHeader ProtocolVersion=\"3.1\" MessageClass=\"Service\" \
                   MessageCategory=\"Diagnosis\" MessageType=\"Request\" ServiceID=\"1\" \
                   SaleID=\"TILL-01\" POIID=\"SIM-XML-1\"/><DiagnosisRequest \
                   HostDiagnosisFlag=\"true\"/></SaleToPOIRequest>"),
    responses((status = 200, description = "A nexo response", body = String,
               content_type = "application/xml"),
              (status = 204, description = "There is no response to this message"),
              (status = 400, description = "Not XML"),
              (status = 401, description = "The terminal wants a key"),
              (status = 403, description = "The key of another merchant"),
              (status = 413, description = "More than 256 KiB"),
              (status = 415, description = "Not said to be XML"),
              (status = 503, description = "Too much at once; nothing was done")))]
pub(crate) async fn sale_to_poi(
    nexo: Data<Nexo>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    answer(&nexo, &request, payload, None).await
}

/// The same for points of sale that can only be given a host and a port: the terminal is named by
/// the path, and by the message, which must not contradict.
pub(crate) async fn sale_to_one_poi(
    nexo: Data<Nexo>,
    request: HttpRequest,
    poi_id: Path<String>,
    payload: Payload,
) -> HttpResponse {
    answer(&nexo, &request, payload, Some(poi_id.as_str())).await
}

async fn answer(
    nexo: &Nexo,
    request: &HttpRequest,
    payload: Payload,
    poi_id: Option<&str>,
) -> HttpResponse {
    let body = match take(request, payload, &KINDS).await {
        Ok(body) => body,
        Err(NotTaken::Body(error)) => return error.answer(),
        Err(NotTaken::ContentType) => return HttpResponse::UnsupportedMediaType().finish(),
    };
    match reply(nexo, request, &body, poi_id).await {
        Ok(response) => response,
        Err(failure) => {
            tracing::warn!(%failure, "a point of sale is told to come back");
            unavailable()
        }
    }
}

async fn reply(
    nexo: &Nexo,
    request: &HttpRequest,
    body: &Bytes,
    poi_id: Option<&str>,
) -> Result<HttpResponse, Failure> {
    let read = xml::read(body);
    let header = match &read {
        Ok(message) => &message.header,
        Err(ReadError::Body { header, .. }) => header,
        Err(ReadError::Unreadable(why)) => {
            return Ok(HttpResponse::BadRequest()
                .content_type("text/plain; charset=utf-8")
                .body(format!("not a nexo message: {why}\n")));
        }
        Err(ReadError::NoHeader(fault)) => {
            let (now, why) = (nexo.gateway.clock().now(), fault.to_string());
            let rejection = rejection(None, body, &why, Dialect::Xml31, now);
            return told(&Reply::message(rejection));
        }
    };
    let known = match nexo.gateway.terminal(&header.poi_id).await? {
        Some(known)
            if known.terminal.dialect == Dialect::Xml31
                && poi_id.is_none_or(|poi_id| poi_id == header.poi_id) =>
        {
            known
        }
        _ => {
            let failed = Failed::new(Condition::UnavailableDevice, "POIID not configured");
            let asked = read.as_ref().ok().map(|message| Message::of(message).body);
            let (now, asked) = (nexo.gateway.clock().now(), asked.as_ref());
            let refusal = || refusal(header, Dialect::Xml31, asked, &failed, NO_TRANSACTION, now);
            return told(&instead(header, Dialect::Xml31, (body, &failed.text), now, refusal));
        }
    };
    match nexo.admit(request, &known).await? {
        Ok(()) => {}
        Err(NotAdmitted::Unknown) => return Ok(HttpResponse::Unauthorized().finish()),
        Err(NotAdmitted::Elsewhere) => return Ok(HttpResponse::Forbidden().finish()),
    }
    let reply = match read {
        Ok(message) => {
            let listener = nexo.listener_of(request);
            nexo.receive(known, &Message::of(&message), body, listener).await?
        }
        Err(ReadError::Body { header, fault }) => {
            nexo.misread(known, *header, &fault.to_string(), body).await?
        }
        Err(_) => Reply::Empty,
    };
    told(&reply)
}

fn told(reply: &Reply) -> Result<HttpResponse, Failure> {
    Ok(match reply {
        Reply::Message(message) => {
            let body = xml::write(&message.to_wire()?);
            HttpResponse::Ok().content_type(CONTENT_TYPE).body(body)
        }
        Reply::Empty | Reply::Ok => HttpResponse::NoContent().finish(),
        Reply::HangUp => super::codec::hang_up(CONTENT_TYPE),
    })
}
