//! The one form of a message's content that both encodings are read into and written from.

use super::schema::Schema;
use std::fmt;
use zeroize::Zeroizing;

/// A structure: fields by their names of nexo 3.1. Two are equal when they have the same fields,
/// in whatever order. `Debug` shows names, flags and numbers, but no text, since any text may hold
/// what must not be shown.
#[derive(Clone, Default)]
pub struct Tree {
    fields: Vec<(&'static str, Node)>,
}

/// What a field holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Node {
    Flag(bool),
    Number(i64),
    /// Text, digits, base64, values of enumerations, time stamps; decimals as text ("149.5").
    Text(String),
    /// A text that is wiped when it is dropped.
    Secret(Zeroizing<String>),
    /// Repeated fields, and several values of an enumeration.
    List(Vec<Node>),
    Structure(Tree),
}

impl Tree {
    /// A structure without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same structure with one more field. A field of the same name is replaced.
    #[must_use]
    pub fn with(mut self, name: &'static str, node: impl Into<Node>) -> Self {
        self.set(name, node);
        self
    }

    /// Sets a field, in place of one of the same name.
    pub fn set(&mut self, name: &'static str, node: impl Into<Node>) {
        let node = match node.into() {
            Node::Text(text) if Schema::get().name(name).is_some_and(|(_, secret)| secret) => {
                Node::Secret(Zeroizing::new(text))
            }
            node => node,
        };
        match self.fields.iter_mut().find(|(own, _)| *own == name) {
            Some((_, own)) => *own = node,
            None => self.fields.push((name, node)),
        }
    }

    /// Adds a field whose name is not there yet.
    pub(super) fn push(&mut self, name: &'static str, node: Node) {
        self.fields.push((name, node));
    }

    /// A field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.fields.iter().find(|(own, _)| *own == name).map(|(_, node)| node)
    }

    /// The field at the end of a path: names with `/` between them.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Node> {
        match path.split_once('/') {
            Some((name, rest)) => self.get(name)?.tree()?.at(rest),
            None => self.get(path),
        }
    }

    /// The text at the end of a path.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.at(path)?.text()
    }

    /// All fields.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &Node)> {
        self.fields.iter().map(|(name, node)| (*name, node))
    }

    /// Whether it has no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl Node {
    /// The text of a text or a secret.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Secret(text) => Some(text),
            _ => None,
        }
    }

    /// The structure, or the first of several.
    #[must_use]
    pub fn tree(&self) -> Option<&Tree> {
        match self {
            Self::Structure(tree) => Some(tree),
            Self::List(list) => list.first()?.tree(),
            _ => None,
        }
    }

    /// The flag.
    #[must_use]
    pub fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The elements of a list; anything else is a list of itself.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        match self {
            Self::List(list) => list,
            one => std::slice::from_ref(one),
        }
    }
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        let same = |(name, node): &(&'static str, Node)| other.get(name) == Some(node);
        self.fields.len() == other.fields.len() && self.fields.iter().all(same)
    }
}

impl Eq for Tree {}

impl From<bool> for Node {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Node {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Tree> for Node {
    fn from(tree: Tree) -> Self {
        Self::Structure(tree)
    }
}

impl<T: Into<Node>> From<Vec<T>> for Node {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.fields().map(|(name, node)| (Name(name), node))).finish()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "({} bytes)", text.len()),
            Self::Secret(_) => f.write_str("(..)"),
            Self::List(list) => list.fmt(f),
            Self::Structure(tree) => tree.fmt(f),
        }
    }
}

/// A name without quotes.
struct Name(&'static str);

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::nexo::wire::json;

    /// One of everything that must never be shown.
    const SECRETS: &str = r#"{"SaleToPOIRequest":{"MessageHeader":{"MessageClass":"Service",
        "MessageCategory":"Payment","MessageType":"Request","ServiceID":"1","SaleID":"TILL",
        "POIID":"SIM"},"NexoBlob":"canary","SecurityTrailer":{"ContentType":"id-data",
        "NamedKeyEncryptedData":{"KeyName":"canary"}},"PaymentRequest":{"SaleData":{
        "SaleToAcquirerData":"canary","SaleTransactionID":{"TransactionID":"T1",
        "TimeStamp":"2026-11-20T10:31:02Z"}},"PaymentTransaction":{"AmountsReq":{"Currency":"SEK"}},
        "PaymentData":{"SplitPaymentFlag":true,"Instalment":{"SequenceNumber":7},
        "PaymentInstrumentData":{"PaymentInstrumentType":"Card","CardData":{
        "ProtectedCardData":{"ContentType":"id-envelopedData","NamedKeyEncryptedData":{
        "EncryptedContent":{"ContentType":"id-data","ContentEncryptionAlgorithm":{
        "Algorithm":"des-ede3-cbc"},"EncryptedData":"canary=="}}},"SensitiveCardData":{
        "PAN":"4444555566661111","ExpiryDate":"2912","CardSeqNumb":"01","TrackData":[
        {"TrackValue":"4444555566661111=2912"}]},"PaymentToken":{
        "TokenRequestedType":"Customer","TokenValue":"canary"}}}}}}}"#;

    #[test]
    fn debug_shows_names_flags_and_numbers_and_no_text() {
        let message = json::read(SECRETS.as_bytes()).unwrap();
        let card = "PaymentData/PaymentInstrumentData/CardData";
        for (path, clear) in [
            ("SensitiveCardData/PAN", "4444555566661111"),
            ("SensitiveCardData/ExpiryDate", "2912"),
            ("SensitiveCardData/TrackData/TrackValue", "4444555566661111=2912"),
            ("PaymentToken/TokenValue", "canary"),
        ] {
            let node = message.body.at(&format!("{card}/{path}")).unwrap();
            assert_eq!(node.tree().map_or(node.text(), |it| it.text("TrackValue")), Some(clear));
            assert!(matches!(node, Node::Secret(_)), "{path}");
        }
        for shown in
            [format!("{message:?}"), format!("{message:#?}"), format!("{:?}", message.body)]
        {
            for never in ["canary", "44445555", "2912", "T1", "SEK"] {
                assert!(!shown.contains(never), "{never}: {shown}");
            }
            for told in ["SensitiveCardData", "PAN: (..)", "SplitPaymentFlag: true", "(3 bytes)"] {
                assert!(shown.contains(told), "{told}: {shown}");
            }
        }
        let rejected = Tree::new().with("RejectedMessage", "canary");
        assert_eq!(format!("{rejected:?}"), "{RejectedMessage: (..)}");
    }

    #[test]
    fn trees_are_equal_in_any_order_and_a_field_is_set_once() {
        let one = Tree::new().with("SaleID", "a").with("POIID", "b");
        let two = Tree::new().with("POIID", "x").with("SaleID", "a").with("POIID", "b");
        assert!(one == two);
        assert!(one != Tree::new().with("SaleID", "a"));
        assert!(one != one.clone().with("POIID", "c"));
        assert_eq!(two.fields().count(), 2);
    }
}
