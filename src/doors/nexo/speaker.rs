//! What a terminal shows, prints and asks at its point of sale (nexo contract 5.8 to 5.12, 10, 11).
//!
//! Everything goes through the terminal's line, in order, beside the service: a point of sale that
//! does not listen never fails a payment, and holds it up for a second at most.

use super::call::Call;
use super::clock_text::utc;
use super::device::Device;
use super::line::Hearer;
use super::message::Message;
use super::session::Audience;
use super::wire::message::{Class, Header, Kind};
use crate::payment::terminal::Dialect;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long a point of sale may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a cashier may look at a signature, and what that adds to the above.
const SIGNATURE_SECONDS: u64 = 60;
/// How long an answer waits for what is to be shown before it.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// What is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Qualify {
    Status,
    Error,
    Replication,
}

impl Qualify {
    fn name(self) -> &'static str {
        match self {
            Self::Status => "Status",
            Self::Error => "Error",
            Self::Replication => "POIReplication",
        }
    }
}

/// The voice of one service at one point of sale.
pub(super) struct Speaker {
    /// Silent where nobody listens.
    to: Option<Hearer>,
    /// How messages of this service begin.
    header: Header,
    device: Arc<Device>,
    audience: Audience,
    dialect: Dialect,
    /// The transaction that status displays of the JSON family name.
    transaction: Value,
}

impl Speaker {
    /// To the point of sale that asks for a service.
    pub(super) fn new(call: &Call, audience: Audience, transaction: Value) -> Self {
        let listener = call.listener.clone().filter(|_| audience != Audience::NOBODY);
        let to = listener.map(|listener| Hearer::new(&call.nexo, &call.known, listener));
        let (header, device) = (call.header.clone(), Arc::clone(&call.device));
        Self { to, header, device, audience, dialect: call.dialect(), transaction }
    }

    /// Whether the cashier can be asked.
    pub(super) fn can_ask(&self) -> bool {
        self.to.is_some() && self.audience.input
    }

    /// Shows a text to the cashier; in the JSON family the event of that name.
    pub(super) fn show(&self, qualify: Qualify, text: &str, event: Option<&str>) {
        let wanted = match qualify {
            Qualify::Status => self.audience.status,
            Qualify::Error => self.audience.error,
            Qualify::Replication => self.audience.replication || self.audience.status,
        };
        if !wanted {
            return;
        }
        let qualify = match qualify {
            Qualify::Replication if !self.audience.replication => Qualify::Status,
            qualify => qualify,
        };
        let content = match self.dialect {
            Dialect::Xml31 => json!({ "OutputFormat": "Text", "OutputText": [{ "Text": text }] }),
            Dialect::Json => match event {
                Some(event) => self.event_content(event),
                None => return,
            },
        };
        let output = json!({
            "ResponseRequiredFlag": false,
            "Device": "CashierDisplay",
            "InfoQualify": qualify.name(),
            "OutputContent": content,
        });
        self.say("Display", json!({ "DisplayOutput": [output] }));
    }

    fn event_content(&self, event: &str) -> Value {
        let text = |name: &str| self.transaction[name].as_str().unwrap_or_default();
        let (id, stamp) = (text("TransactionID"), text("TimeStamp"));
        let pairs = [("TransactionID", id), ("TimeStamp", stamp), ("event", event)];
        let reference = super::condition::form_encoded(&pairs);
        json!({ "OutputFormat": "MessageRef", "PredefinedContent": { "ReferenceID": reference } })
    }

    /// Notifies of an event. `details` are further fields.
    pub(super) fn event(&self, now: i64, event: &str, details: Value) {
        let mut body = json!({ "TimeStamp": utc(now), "EventToNotify": event });
        if let (Some(body), Value::Object(details)) = (body.as_object_mut(), details) {
            body.extend(details);
        }
        let header = Header {
            class: Class::Event,
            category: "Event".to_owned(),
            kind: Kind::Notification,
            device_id: Some(self.device.next_device_id()),
            protocol_version: self.version(),
            ..self.header.clone()
        };
        self.put(Message::new(header, body));
    }

    /// A status of the JSON family that has no text.
    pub(super) fn event_only(&self, event: &str) {
        if self.dialect == Dialect::Json {
            self.show(Qualify::Status, "", Some(event));
        }
    }

    /// Prints the receipt that the card holder signs.
    pub(super) fn print(&self, content: &Value) {
        if !self.audience.print {
            return;
        }
        let output = json!({
            "DocumentQualifier": "CashierReceipt",
            "ResponseMode": "NotRequired",
            "RequiredSignatureFlag": true,
            "OutputContent": content,
        });
        self.say("Print", json!({ "PrintOutput": output }));
    }

    /// Asks the cashier whether the signature is right. No answer, or one without a word, is no.
    pub(super) async fn ask_for_signature(&self) -> bool {
        let body = json!({
            "DisplayOutput": {
                "Device": "CashierDisplay",
                "InfoQualify": "Display",
                "OutputContent": {
                    "OutputFormat": "Text",
                    "OutputText": [{ "Text": "Is signature OK?" }],
                },
            },
            "InputData": {
                "Device": "CashierInput",
                "InfoQualify": "Input",
                "InputCommand": "GetConfirmation",
                "MaxInputTime": SIGNATURE_SECONDS,
            },
        });
        let Some(to) = &self.to else {
            return false;
        };
        let timeout = ANSWER_TIMEOUT + Duration::from_secs(SIGNATURE_SECONDS);
        let answer = self.device.line.ask(to, self.device_message("Input", body), timeout).await;
        answer.is_some_and(|answer| {
            let confirmed = answer.body.pointer("/InputResult/Input/ConfirmedFlag");
            confirmed.and_then(Value::as_bool) == Some(true)
        })
    }

    /// Waits until what was said is heard; a second at most.
    pub(super) async fn flush(&self) {
        if self.to.is_some() {
            self.device.line.flush(FLUSH_TIMEOUT).await;
        }
    }

    fn say(&self, category: &str, body: Value) {
        self.put(self.device_message(category, body));
    }

    fn device_message(&self, category: &str, body: Value) -> Message {
        let header = Header {
            class: Class::Device,
            category: category.to_owned(),
            kind: Kind::Request,
            device_id: Some(self.device.next_device_id()),
            protocol_version: self.version(),
            ..self.header.clone()
        };
        Message::new(header, body)
    }

    fn version(&self) -> Option<String> {
        match self.dialect {
            Dialect::Xml31 => None,
            Dialect::Json => self.header.protocol_version.clone(),
        }
    }

    fn put(&self, message: Message) {
        if let Some(to) = &self.to {
            self.device.line.say(to, message, ANSWER_TIMEOUT);
        }
    }
}
