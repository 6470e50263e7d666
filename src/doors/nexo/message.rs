//! A message as services see it: the header, and the body as a value whose amounts are texts. What
//! may hold a card is left out on the way in.

use super::wire::message::{self, Header};
use super::wire::tree::{Node, Tree};
use super::wire::typed::{from_tree, to_tree};
use crate::gateway::Failure;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// The one secret text that services need: what the JSON family gives back stands in it.
const GIVEN_BACK: &str = "SaleToAcquirerData";

/// A message. Unprintable.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) header: Header,
    pub(super) body: Value,
}

impl Message {
    pub(super) fn new(header: Header, body: Value) -> Self {
        Self { header, body }
    }

    /// As it was read.
    pub(super) fn of(read: &message::Message) -> Self {
        Self { header: read.header.clone(), body: value_of(&read.body) }
    }

    /// As it is written.
    ///
    /// # Errors
    /// A field that the protocol does not have, which would be a fault of ours.
    pub(super) fn to_wire(&self) -> Result<message::Message, Failure> {
        let body = to_tree(&self.body).map_err(|error| {
            Failure::Internal(format!("{} has no form: {error}", self.header.body_name()))
        })?;
        Ok(message::Message { header: self.header.clone(), body, trailer: None })
    }
}

fn value_of(tree: &Tree) -> Value {
    let field = |(name, node): (&'static str, &Node)| {
        let value = match node {
            Node::Secret(text) if name == GIVEN_BACK => Value::String(text.to_string()),
            Node::Secret(_) => return None,
            node => of_node(node),
        };
        Some((name.to_owned(), value))
    };
    Value::Object(tree.fields().filter_map(field).collect::<Map<_, _>>())
}

fn of_node(node: &Node) -> Value {
    match node {
        Node::Flag(flag) => Value::Bool(*flag),
        Node::Number(number) => Value::from(*number),
        Node::Text(text) => Value::String(text.clone()),
        Node::Secret(_) => Value::Null,
        Node::List(items) => Value::Array(items.iter().map(of_node).collect()),
        Node::Structure(tree) => value_of(tree),
    }
}

/// A header, as it is remembered with a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StoredHeader(pub(super) Header);

impl Serialize for StoredHeader {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tree = self.0.to_tree();
        from_tree::<Value>(&tree).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StoredHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let tree = to_tree(&value).map_err(D::Error::custom)?;
        Header::from_tree(&tree).map(Self).map_err(D::Error::custom)
    }
}

/// A stored answer.
#[derive(Serialize, Deserialize)]
struct Stored {
    header: StoredHeader,
    body: Value,
}

impl Message {
    /// As it is stored.
    ///
    /// # Errors
    /// When it cannot be written, which would be a fault of ours.
    pub(super) fn to_stored(&self) -> Result<String, Failure> {
        let stored = Stored { header: StoredHeader(self.header.clone()), body: self.body.clone() };
        serde_json::to_string(&stored).map_err(|error| Failure::Internal(error.to_string()))
    }

    /// A stored one.
    ///
    /// # Errors
    /// When it is none that this program writes.
    pub(super) fn from_stored(text: &str) -> Result<Self, Failure> {
        let stored: Stored = serde_json::from_str(text)
            .map_err(|error| Failure::Internal(format!("a stored answer: {error}")))?;
        Ok(Self { header: stored.header.0, body: stored.body })
    }
}
