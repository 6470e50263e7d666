//! One request at one terminal: who asks whom, in which session, and what every answer needs.

use super::Nexo;
use super::clock_text::utc;
use super::condition::{Condition, Failed};
use super::device::Device;
use super::manners::Manners;
use super::message::Message;
use super::session::Audience;
use super::speaker::Speaker;
use super::wire::message::Header;
use crate::gateway::{KnownTerminal, SessionRecord};
use crate::payment::Millis;
use crate::payment::terminal::Dialect;
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

/// The status words 6F00, "no precise diagnosis" (ISO 7816-4), in base64.
const NO_STATUS_WORDS: &str = "bwA=";

/// A request on its way through a terminal.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) nexo: Nexo,
    pub(super) known: Arc<KnownTerminal>,
    pub(super) device: Arc<Device>,
    pub(super) manners: Manners,
    pub(super) header: Header,
    pub(super) session: Option<SessionRecord>,
    /// Where the point of sale listens.
    pub(super) listener: Option<Url>,
}

impl Call {
    pub(super) fn now(&self) -> Millis {
        self.nexo.gateway.clock().now()
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.manners.dialect
    }

    /// Whether anything may be asked of the terminal.
    pub(super) fn may_ask(&self) -> bool {
        self.session.is_some() || !self.manners.login_required
    }

    /// The number of the session; 0 where there is none.
    pub(super) fn session_number(&self) -> i64 {
        self.session.as_ref().map_or(0, |session| session.session)
    }

    /// What the point of sale wants to hear.
    pub(super) fn audience(&self) -> Audience {
        match &self.session {
            Some(session) => serde_json::from_str(&session.login).unwrap_or_default(),
            None => Audience::UNKNOWN,
        }
    }

    /// The line to the point of sale for this service.
    pub(super) fn speaker(&self, transaction: Value) -> Speaker {
        self.speaker_for(self.audience(), transaction)
    }

    pub(super) fn speaker_for(&self, audience: Audience, transaction: Value) -> Speaker {
        Speaker::new(self, audience, transaction)
    }

    /// The answer with this body.
    pub(super) fn answer(&self, body: Value) -> Message {
        answer_to(&self.header, self.dialect(), body)
    }

    /// The answer of a service that was refused or never begun, with what its element must have.
    pub(super) fn refused(&self, request: Option<&Value>, failed: &Failed) -> Message {
        let none = self.transaction_text(0);
        refusal(&self.header, self.dialect(), request, failed, &none, self.now())
    }

    /// The number that a transaction goes by on the wire: the terminal's six digits and its own.
    pub(super) fn transaction_text(&self, number: i64) -> String {
        transaction_text(&self.known, number)
    }

    pub(super) fn unsupported(&self) -> Failed {
        let text = format!("{} not supported", self.header.category);
        Failed::new(Condition::UnavailableService, text)
    }
}

/// The answer of a service that was refused, with all that its element must have (nexo contract
/// 7.3). `transaction` is a number that names none: there is none.
pub(super) fn refusal(
    header: &Header,
    dialect: Dialect,
    request: Option<&Value>,
    failed: &Failed,
    transaction: &str,
    now: Millis,
) -> Message {
    let response = failed.response(dialect);
    let field = |name: &str, usual: &str| {
        let given = request.and_then(|request| request.pointer(name)).and_then(Value::as_str);
        given.unwrap_or(usual).to_owned()
    };
    let body = match header.category.as_str() {
        "Payment" | "CardAcquisition" | "Loyalty" | "StoredValue" => json!({
            "Response": response,
            "SaleData": { "SaleTransactionID": sale_transaction(request, now) },
            "POIData": { "POITransactionID": transaction_id(transaction, now) },
        }),
        "CardReaderAPDU" => json!({ "Response": response, "CardStatusWords": NO_STATUS_WORDS }),
        "TransactionReport" => json!({
            "Response": response, "ReportFullSize": 0, "BlockStart": 0, "BlockStop": 0,
        }),
        "Print" => json!({
            "Response": response,
            "DocumentQualifier": field("/PrintOutput/DocumentQualifier", "Document"),
        }),
        "Input" => json!({ "InputResult": {
            "Device": field("/InputData/Device", "CustomerInput"),
            "InfoQualify": field("/InputData/InfoQualify", "Input"),
            "Response": response,
        }}),
        "Display" => json!({ "OutputResult": [{
            "Device": field("/DisplayOutput/0/Device", "CustomerDisplay"),
            "InfoQualify": field("/DisplayOutput/0/InfoQualify", "Display"),
            "Response": response,
        }]}),
        "GetTotals" => json!({ "Response": response, "POIReconciliationID": "0" }),
        "Reconciliation" => json!({
            "Response": response,
            "ReconciliationType": field("/ReconciliationType", "SaleReconciliation"),
        }),
        _ => json!({ "Response": response }),
    };
    answer_to(header, dialect, body)
}

/// The answer to a request. XML says its version in three answers only (nexo contract 3).
pub(super) fn answer_to(request: &Header, dialect: Dialect, body: Value) -> Message {
    let mut header = request.answer();
    let with_version = ["Login", "Diagnosis", "TransactionStatus"];
    if dialect == Dialect::Xml31 && !with_version.contains(&header.category.as_str()) {
        header.protocol_version = None;
    }
    Message::new(header, body)
}

/// See [`Call::transaction_text`].
pub(super) fn transaction_text(known: &KnownTerminal, number: i64) -> String {
    format!("{}{number:04}", known.terminal.acquirer_poi_id)
}

/// The number behind a transaction id of this terminal.
pub(super) fn number_of(known: &KnownTerminal, transaction: &str) -> Option<i64> {
    transaction.strip_prefix(known.terminal.acquirer_poi_id.as_str())?.parse().ok()
}

/// A body that says nothing but that all is well.
pub(super) fn success() -> Value {
    json!({ "Response": { "Result": "Success" } })
}

/// `TransactionIdentification`.
pub(super) fn transaction_id(id: &str, at: Millis) -> Value {
    json!({ "TransactionID": id, "TimeStamp": utc(at) })
}

/// The point of sale's own name for the sale, as it must be given back.
pub(super) fn sale_transaction(request: Option<&Value>, now: Millis) -> Value {
    let given = request.and_then(|request| request.pointer("/SaleData/SaleTransactionID"));
    let usable = |id: &&Value| id["TransactionID"].is_string() && id["TimeStamp"].is_string();
    match given.filter(usable) {
        Some(id) => json!({ "TransactionID": id["TransactionID"], "TimeStamp": id["TimeStamp"] }),
        None => transaction_id("0", now),
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::message::{Class, Kind};
    use super::super::wire::schema::Schema;
    use super::super::wire::{json as json_wire, xml};
    use super::*;

    /// The categories that the table of fields has an answer for.
    fn with_an_answer() -> impl Iterator<Item = &'static str> {
        let answers = Schema::get().structure("SaleToPOIResponse").unwrap();
        answers.fields.iter().filter_map(|field| field.name.strip_suffix("Response"))
    }

    fn header(category: &str) -> Header {
        Header {
            protocol_version: Some("3.1".to_owned()),
            class: Class::Service,
            category: category.to_owned(),
            kind: Kind::Request,
            service_id: Some("1".to_owned()),
            device_id: None,
            sale_id: "TILL".to_owned(),
            poi_id: "POI".to_owned(),
        }
    }

    #[test]
    fn every_refusal_is_a_whole_message() {
        let failed = Failed::new(Condition::UnavailableService, "not supported");
        assert_eq!(with_an_answer().count(), 25);
        for category in with_an_answer() {
            let header = header(category);
            assert!(header.has_answer(), "{category}");
            for dialect in [Dialect::Xml31, Dialect::Json] {
                let refused = refusal(&header, dialect, None, &failed, "0", 0).to_wire().unwrap();
                let read = match dialect {
                    Dialect::Xml31 => xml::read(&xml::write(&refused)),
                    Dialect::Json => json_wire::read(&json_wire::write(&refused)),
                };
                assert!(read.is_ok(), "{category}: {:?}", read.err());
            }
        }
        for category in ["Abort", "InputUpdate", "Event", "Nonsense"] {
            assert!(!header(category).has_answer(), "{category}");
        }
    }
}
