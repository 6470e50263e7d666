//! A message: its header, and the content of its body element.

use super::fault::{Fault, ReadError, What};
use super::schema::Schema;
use super::tree::{Node, Tree};

/// The longest `SaleID` or `POIID` that is taken, in characters. The standard has no limit.
const ID_MAX: usize = 128;

/// What a message is about (`MessageClass`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// Transactions and administration, from the POS to the terminal.
    Service,
    /// Displays, printers, input, in both directions.
    Device,
    /// Something happened.
    Event,
}

/// Which way a message goes (`MessageType`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    Request,
    Response,
    /// Has no answer.
    Notification,
}

/// Who speaks to whom about what (contract 3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    pub protocol_version: Option<String>,
    pub class: Class,
    /// `Payment`, for example: an open enumeration.
    pub category: String,
    pub kind: Kind,
    /// 1 to 10 characters. A request of the class Service has one.
    pub service_id: Option<String>,
    /// 1 to 10 characters.
    pub device_id: Option<String>,
    /// The POS.
    pub sale_id: String,
    /// The terminal.
    pub poi_id: String,
}

/// A message of either encoding. `Debug` shows no text of the body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub header: Header,
    /// What the body element holds.
    pub body: Tree,
    /// The `SecurityTrailer` of the standard, if there was one. Nobody here has checked it.
    pub trailer: Option<Tree>,
}

impl Class {
    const ALL: [Self; 3] = [Self::Service, Self::Device, Self::Event];

    /// As the protocol spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::Device => "Device",
            Self::Event => "Event",
        }
    }
}

impl Kind {
    const ALL: [Self; 3] = [Self::Request, Self::Response, Self::Notification];

    /// As the protocol spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "Request",
            Self::Response => "Response",
            Self::Notification => "Notification",
        }
    }
}

impl Header {
    /// The header of the answer: a Response with the same ids.
    #[must_use]
    pub fn answer(&self) -> Self {
        Self { kind: Kind::Response, ..self.clone() }
    }

    /// The number that tells services apart: that of the service, or of the device message.
    #[must_use]
    pub fn service_name(&self) -> &str {
        self.service_id.as_deref().or(self.device_id.as_deref()).unwrap_or_default()
    }

    /// The name of the body element: `PaymentRequest`, `EventNotification`.
    #[must_use]
    pub fn body_name(&self) -> String {
        match self.category.as_str() {
            // The one update of a request that is under way has no other ending.
            "InputUpdate" => self.category.clone(),
            category => format!("{category}{}", self.kind.as_str()),
        }
    }

    /// The root element: notifications travel as requests.
    #[must_use]
    pub fn envelope(&self) -> &'static str {
        match self.kind {
            Kind::Request | Kind::Notification => REQUEST,
            Kind::Response => RESPONSE,
        }
    }

    /// Whether the protocol has such a message. What answers an unknown category has no name.
    #[must_use]
    pub fn is_known(&self) -> bool {
        Schema::get().body(self.envelope(), &self.body_name()).is_some()
    }

    /// Whether the protocol has an answer to such a request. To an abort, for example, it has none.
    #[must_use]
    pub fn has_answer(&self) -> bool {
        self.kind == Kind::Request && self.answer().is_known()
    }

    /// The `MessageHeader` structure, which a repeated response has as well.
    #[must_use]
    pub fn to_tree(&self) -> Tree {
        let mut tree = Tree::new();
        let mut set = |name, text: Option<&str>| {
            if let Some(text) = text {
                tree.push(name, Node::from(text));
            }
        };
        set("ProtocolVersion", self.protocol_version.as_deref());
        set("MessageClass", Some(self.class.as_str()));
        set("MessageCategory", Some(&self.category));
        set("MessageType", Some(self.kind.as_str()));
        set("ServiceID", self.service_id.as_deref());
        set("DeviceID", self.device_id.as_deref());
        set("SaleID", Some(&self.sale_id));
        set("POIID", Some(&self.poi_id));
        tree
    }

    /// Reads a `MessageHeader` structure.
    ///
    /// # Errors
    /// The field that is missing, or unknown.
    pub fn from_tree(tree: &Tree) -> Result<Self, Fault> {
        let fault = |name, what| Fault { path: format!("{HEADER}/{name}"), what };
        let text = |name| tree.text(name).ok_or_else(|| fault(name, What::Missing));
        let class = text("MessageClass")?;
        let class = Class::ALL.into_iter().find(|known| known.as_str() == class);
        let kind = text("MessageType")?;
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
        Ok(Self {
            protocol_version: tree.text("ProtocolVersion").map(str::to_owned),
            class: class.ok_or_else(|| fault("MessageClass", What::Unexpected))?,
            category: text("MessageCategory")?.to_owned(),
            kind: kind.ok_or_else(|| fault("MessageType", What::Unexpected))?,
            service_id: tree.text("ServiceID").map(str::to_owned),
            device_id: tree.text("DeviceID").map(str::to_owned),
            sale_id: text("SaleID")?.to_owned(),
            poi_id: text("POIID")?.to_owned(),
        })
    }

    /// What the standard asks of a header beyond its form.
    fn fault(&self) -> Option<Fault> {
        let fault = |name, what| Some(Fault { path: format!("{HEADER}/{name}"), what });
        let too_long = |id: &str| id.chars().count() > ID_MAX;
        if !self.is_known() {
            fault("MessageCategory", What::Unexpected)
        } else if too_long(&self.sale_id) {
            fault("SaleID", What::Unexpected)
        } else if too_long(&self.poi_id) {
            fault("POIID", What::Unexpected)
        } else if self.class == Class::Service
            && self.kind == Kind::Request
            && self.service_id.is_none()
        {
            fault("ServiceID", What::Missing)
        } else {
            None
        }
    }
}

pub(super) const HEADER: &str = "MessageHeader";
pub(super) const TRAILER: &str = "SecurityTrailer";
pub(super) const REQUEST: &str = "SaleToPOIRequest";
pub(super) const RESPONSE: &str = "SaleToPOIResponse";

pub(super) fn is_envelope(name: &str) -> bool {
    [REQUEST, RESPONSE].contains(&name)
}

/// A structure as it was read, with the first thing that is wrong with it.
pub(super) struct Read {
    pub(super) tree: Tree,
    pub(super) fault: Option<Fault>,
}

/// What an envelope was found to hold, in whatever order.
#[derive(Default)]
pub(super) struct Envelope {
    /// The name of the root.
    pub(super) name: &'static str,
    pub(super) header: Option<Read>,
    /// The first body, with its name.
    pub(super) body: Option<(&'static str, Read)>,
    /// The name of a second body.
    pub(super) second_body: Option<&'static str>,
    pub(super) trailer: Option<Tree>,
}

impl Envelope {
    pub(super) fn named(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    pub(super) fn add_body(&mut self, name: &'static str, read: Read) {
        if self.body.is_some() {
            self.second_body = Some(name);
        } else {
            self.body = Some((name, read));
        }
    }

    /// The message, or what can still be said about it.
    pub(super) fn into_message(self) -> Result<Message, ReadError> {
        let missing = |path: String| Fault { path, what: What::Missing };
        let read = self.header.ok_or_else(|| ReadError::NoHeader(missing(HEADER.to_owned())))?;
        let header = Header::from_tree(&read.tree).map_err(ReadError::NoHeader)?;
        if header.envelope() != self.name {
            let path = format!("{HEADER}/MessageType");
            return Err(ReadError::NoHeader(Fault { path, what: What::Unexpected }));
        }
        let expected = header.body_name();
        let second =
            self.second_body.map(|name| Fault { path: name.to_owned(), what: What::Unexpected });
        let (fault, body) = match self.body {
            Some((name, body)) if name == expected => (body.fault, body.tree),
            _ => (Some(missing(expected)), Tree::new()),
        };
        match read.fault.or_else(|| header.fault()).or(fault).or(second) {
            Some(fault) => Err(ReadError::Body { header: Box::new(header), fault }),
            None => Ok(Message { header, body, trailer: self.trailer }),
        }
    }
}
