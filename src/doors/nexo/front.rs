//! A message arrives at a terminal: who may ask, what the terminal does with it where it stands,
//! and which service that is (nexo contract 3, 6.3).

use super::call::Call;
use super::clock_text::utc;
use super::condition::{Condition, Failed};
use super::device::Stop;
use super::manners::Manners;
use super::message::Message;
use super::rules::{Arriving, Verdict, judge};
use super::session::{busy, log_in, log_out, login_first};
use super::wire::message::{Class, Header, Kind};
use super::{Nexo, Reply, acquisition, dialogue, office, payment, reversal, status};
use crate::gateway::{Failure, KnownTerminal};
use crate::payment::terminal::Dialect;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

impl Nexo {
    /// Lets a terminal answer a request. `raw` is the message as it came, to be given back where it
    /// is rejected.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub(super) async fn receive(
        &self,
        known: Arc<KnownTerminal>,
        request: &Message,
        raw: &[u8],
        listener: Option<Url>,
    ) -> Result<Reply, Failure> {
        let call = self.call_of(known, request.header.clone(), listener).await?;
        if let Some(reply) = turned_away(&call, Some(&request.body), raw) {
            return Ok(reply);
        }
        self.serve(call, request, raw).await
    }

    /// The answer to a request whose header can be read and whose body cannot.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) async fn misread(
        &self,
        known: Arc<KnownTerminal>,
        header: Header,
        why: &str,
        raw: &[u8],
    ) -> Result<Reply, Failure> {
        let call = self.call_of(known, header, None).await?;
        if let Some(reply) = turned_away(&call, None, raw) {
            return Ok(reply);
        }
        Ok(refuse(&call, None, raw, &Failed::new(Condition::MessageFormat, why)))
    }

    /// The terminal's side of a request.
    pub(super) async fn call_of(
        &self,
        known: Arc<KnownTerminal>,
        header: Header,
        listener: Option<Url>,
    ) -> Result<Call, Failure> {
        let terminal = &known.terminal;
        let own = terminal.listener_url.as_deref();
        let own = own.and_then(|url| self.gateway.admit_listener(url).ok());
        let listener = listener.or(own);
        let session = self.gateway.terminal_session(terminal.id, &header.sale_id).await?;
        let device = self.device(terminal.id);
        let manners = Manners::of(terminal);
        Ok(Call { nexo: self.clone(), known, device, manners, header, session, listener })
    }

    async fn serve(&self, call: Call, request: &Message, raw: &[u8]) -> Result<Reply, Failure> {
        let answer = |body| Ok(Reply::message(call.answer(body)));
        match request.header.category.as_str() {
            "Login" => answer(log_in(&call, request).await?),
            "Logout" => answer(log_out(&call, request).await?),
            "Abort" => Ok(abort(&call, request, raw)),
            "TransactionStatus" => answer(status::tell(&call, request).await?),
            "Diagnosis" => answer(office::diagnose(&call, request).await?),
            "GetTotals" => answer(office::totals(&call).await?),
            "Admin" => Ok(Reply::message(office::administer(&call, request))),
            "Payment" => payment::pay(call, request).await,
            "Reversal" => reversal::reverse(call, request).await,
            "CardAcquisition" => acquisition::acquire(call, request).await,
            "EnableService" => acquisition::enable(call, request).await,
            "Reconciliation" => office::reconcile(call, request).await,
            _ => Ok(dialogue::hold(&call, request).await),
        }
    }
}

fn arriving(category: &str) -> Option<Arriving> {
    Some(match category {
        "Login" => Arriving::Login,
        "Logout" => Arriving::Logout,
        "Abort" => Arriving::Abort,
        "TransactionStatus" => Arriving::Status,
        "Diagnosis" => Arriving::Diagnosis,
        "GetTotals" | "Admin" | "Display" | "Input" | "Print" => Arriving::Service,
        category if is_done_once(category) => Arriving::Service,
        _ => return None,
    })
}

/// What is written down, so that it is never done twice.
fn is_done_once(category: &str) -> bool {
    matches!(
        category,
        "Payment" | "Reversal" | "CardAcquisition" | "EnableService" | "Reconciliation"
    )
}

/// What a message gets that the terminal does not even look into: it is off, does not know such
/// messages, or stands where it does not take them.
fn turned_away(call: &Call, body: Option<&Value>, raw: &[u8]) -> Option<Reply> {
    let header = &call.header;
    // Answers and notifications of a point of sale have no answer of their own.
    if header.kind != Kind::Request {
        return Some(Reply::Empty);
    }
    let refused = |failed: &Failed| Some(refuse(call, body, raw, failed));
    if !call.known.terminal.profile.online {
        return match call.dialect() {
            Dialect::Xml31 => {
                refused(&Failed::new(Condition::UnavailableDevice, "Terminal not reachable"))
            }
            Dialect::Json => Some(reject(call, raw, "Failed to send message to POI")),
        };
    }
    let version = header.protocol_version.as_deref().unwrap_or("3.1");
    if !version.starts_with("3.") {
        let text = format!("ProtocolVersion {version} not supported");
        return refused(&Failed::new(Condition::UnavailableService, text));
    }
    let category = header.category.as_str();
    let Some(arriving) = arriving(category) else {
        return refused(&call.unsupported());
    };
    match judge(arriving, call.may_ask(), call.device.standing(call.now())) {
        Verdict::Run => None,
        Verdict::LoginFirst => refused(&login_first(call)),
        // What came before is answered even by a busy terminal. What cannot be read never came.
        Verdict::Busy if body.is_some() && is_done_once(category) => None,
        Verdict::Busy => refused(&busy(category, call.dialect(), None)),
    }
}

fn refuse(call: &Call, body: Option<&Value>, raw: &[u8], failed: &Failed) -> Reply {
    let answer = || call.refused(body, failed);
    instead(&call.header, call.dialect(), (raw, &failed.text), call.now(), answer)
}

/// What stands in the place of a service that fails: the answer, where the protocol has one. An
/// abort without one is acknowledged, a message that wants none gets none, and any other request is
/// given back, with the reason (nexo contract 2.4, 7.3).
pub(super) fn instead(
    header: &Header,
    dialect: Dialect,
    (raw, why): (&[u8], &str),
    now: i64,
    answer: impl FnOnce() -> Message,
) -> Reply {
    match header.category.as_str() {
        _ if header.has_answer() => Reply::message(answer()),
        _ if header.kind != Kind::Request => Reply::Empty,
        "Abort" => acknowledged(dialect),
        _ => Reply::message(rejection(Some(header), raw, why, dialect, now)),
    }
}

/// An abort has no answer of its own.
fn acknowledged(dialect: Dialect) -> Reply {
    match dialect {
        Dialect::Xml31 => Reply::Empty,
        Dialect::Json => Reply::Ok,
    }
}

/// Stops a service, if it is the one under way and nothing was sent yet. There is no answer: what
/// came of it is the answer of the service itself.
fn abort(call: &Call, request: &Message, raw: &[u8]) -> Reply {
    let reference = &request.body["MessageReference"];
    let text = |name: &str, usual: &str| {
        reference[name].as_str().map_or_else(|| usual.to_owned(), str::to_owned)
    };
    let category = text("MessageCategory", "Payment");
    let service_id = text("ServiceID", "");
    let reason = request.body["AbortReason"].as_str().unwrap_or("Abort by Sale System");
    let by = &request.header.sale_id;
    let sale_id = text("SaleID", by);
    let stop = match text("POIID", &call.known.terminal.poi_id) == call.known.terminal.poi_id {
        true => call.device.stop((&sale_id, &category, &service_id), by, reason),
        false => Stop::NoSuchService,
    };
    match stop {
        Stop::Taken | Stop::NotNow => {}
        Stop::TooLate => {
            let details = format!(
                "Service Not Aborted - Reason: Completed - from: {by} - MessageID: {service_id}"
            );
            notify(call, "Completed", json!({ "EventDetails": details }));
        }
        Stop::NoSuchService => {
            let details = format!("Message not Found: {category} {service_id}");
            let rejected = STANDARD.encode(raw);
            notify(call, "Reject", json!({ "EventDetails": details, "RejectedMessage": rejected }));
        }
    }
    acknowledged(call.dialect())
}

/// Tells a point of sale that listens; in the light style nobody hears it.
fn notify(call: &Call, event: &str, details: Value) {
    if call.audience().events {
        call.speaker(Value::Null).event(call.now(), event, details);
    }
}

fn reject(call: &Call, raw: &[u8], why: &str) -> Reply {
    let header = Some(&call.header);
    Reply::message(rejection(header, raw, why, call.dialect(), call.now()))
}

/// The notification that a message was rejected; it stands in the place of an answer.
pub(super) fn rejection(
    header: Option<&Header>,
    raw: &[u8],
    why: &str,
    dialect: Dialect,
    now: i64,
) -> Message {
    let usual = Header {
        protocol_version: Some("3.0".to_owned()),
        class: Class::Event,
        category: "Event".to_owned(),
        kind: Kind::Notification,
        service_id: None,
        device_id: Some("1".to_owned()),
        sale_id: "N/A".to_owned(),
        poi_id: "N/A".to_owned(),
    };
    let header = match header {
        Some(known) => Header {
            service_id: known.service_id.clone().filter(|_| dialect == Dialect::Xml31),
            sale_id: known.sale_id.clone(),
            poi_id: known.poi_id.clone(),
            protocol_version: usual.protocol_version.filter(|_| dialect == Dialect::Json),
            ..usual
        },
        None => usual,
    };
    let details = match dialect {
        Dialect::Xml31 => why.to_owned(),
        Dialect::Json => super::condition::form_encoded(&[("message", why)]),
    };
    let body = json!({
        "TimeStamp": utc(now),
        "EventToNotify": "Reject",
        "EventDetails": details,
        "RejectedMessage": STANDARD.encode(raw),
    });
    Message::new(header, body)
}
