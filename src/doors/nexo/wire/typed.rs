//! Between trees and structs: the way of serde, by names of nexo 3.1. Amounts are texts in structs
//! too.

use super::schema::Schema;
use super::tree::{Node, Tree};
use serde::de::value::{BorrowedStrDeserializer, Error, MapDeserializer, SeqDeserializer};
use serde::de::{Deserialize, Deserializer, IntoDeserializer, Visitor};
use serde::{Serialize, forward_to_deserialize_any};
use serde_json::Value;

/// Why a struct does not become a tree.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TreeError {
    /// A name that the table of fields does not have.
    #[error("no field is called {0}")]
    Name(String),
    /// A number that is not an integer: decimals have to be texts.
    #[error("a number is not an integer")]
    Number,
    #[error("not a structure")]
    Shape,
}

/// Reads a struct from a tree, whose texts it may borrow. The message of an error names fields and
/// kinds, and the value of an enumeration that the struct does not know.
///
/// # Errors
/// What the struct's `Deserialize` says.
pub fn from_tree<'de, T: Deserialize<'de>>(tree: &'de Tree) -> Result<T, Error> {
    T::deserialize(TreeReader(tree))
}

/// Makes a tree of a struct. Fields that are `None` are left out.
///
/// # Errors
/// `TreeError` for a struct that does not have the form of the protocol.
pub fn to_tree<T: Serialize>(value: &T) -> Result<Tree, TreeError> {
    match serde_json::to_value(value).map(node) {
        Ok(Ok(Some(Node::Structure(tree)))) => Ok(tree),
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => Err(TreeError::Shape),
    }
}

fn node(value: Value) -> Result<Option<Node>, TreeError> {
    let node = match value {
        Value::Null => return Ok(None),
        Value::Bool(flag) => Node::Flag(flag),
        Value::Number(number) => Node::Number(number.as_i64().ok_or(TreeError::Number)?),
        Value::String(text) => Node::Text(text),
        Value::Array(items) => {
            let items: Result<Vec<_>, _> = items.into_iter().map(node).collect();
            Node::List(items?.into_iter().flatten().collect())
        }
        Value::Object(fields) => {
            let mut tree = Tree::new();
            for (name, value) in fields {
                let known = Schema::get().name(&name).map(|(name, _)| name);
                if let Some(node) = node(value)? {
                    tree.set(known.ok_or(TreeError::Name(name))?, node);
                }
            }
            Node::Structure(tree)
        }
    };
    Ok(Some(node))
}

struct TreeReader<'de>(&'de Tree);

struct NodeReader<'de>(&'de Node);

impl<'de> Deserializer<'de> for TreeReader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let fields = self.0.fields().map(|(name, node)| (name, NodeReader(node)));
        visitor.visit_map(MapDeserializer::new(fields))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

impl<'de> Deserializer<'de> for NodeReader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Node::Flag(flag) => visitor.visit_bool(*flag),
            Node::Number(number) => visitor.visit_i64(*number),
            Node::Text(text) => visitor.visit_borrowed_str(text),
            Node::Secret(text) => visitor.visit_borrowed_str(text),
            Node::List(list) => {
                visitor.visit_seq(SeqDeserializer::new(list.iter().map(NodeReader)))
            }
            Node::Structure(tree) => TreeReader(tree).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text = self.0.text().unwrap_or_default();
        BorrowedStrDeserializer::new(text).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for NodeReader<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, serde::Deserialize, PartialEq, Debug)]
    enum Means {
        Card,
        Mobile,
    }

    #[derive(Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Id(String);

    #[derive(Serialize, serde::Deserialize, PartialEq, Debug)]
    #[serde(rename_all = "PascalCase")]
    struct PerMeans<'a> {
        payment_instrument_type: Means,
        #[serde(rename = "SaleID")]
        sale_id: Id,
        #[serde(borrow)]
        payment_currency: Option<&'a str>,
        card_brand: Option<String>,
        payment_totals: Vec<Total>,
    }

    #[derive(Serialize, serde::Deserialize, PartialEq, Debug)]
    #[serde(rename_all = "PascalCase")]
    struct Total {
        transaction_count: u32,
        transaction_amount: String,
        online_flag: bool,
    }

    fn totals() -> PerMeans<'static> {
        PerMeans {
            payment_instrument_type: Means::Mobile,
            sale_id: Id("TILL".to_owned()),
            payment_currency: Some("SEK"),
            card_brand: None,
            payment_totals: vec![Total {
                transaction_count: 2,
                transaction_amount: "249.50".to_owned(),
                online_flag: true,
            }],
        }
    }

    #[test]
    fn a_struct_becomes_a_tree_and_comes_back() {
        let tree = to_tree(&totals()).unwrap();
        let total = Tree::new()
            .with("TransactionCount", 2)
            .with("TransactionAmount", "249.50")
            .with("OnlineFlag", true);
        let expected = Tree::new()
            .with("PaymentInstrumentType", "Mobile")
            .with("SaleID", "TILL")
            .with("PaymentCurrency", "SEK")
            .with("PaymentTotals", vec![total]);
        assert!(tree == expected);
        assert_eq!(from_tree::<PerMeans<'_>>(&tree).unwrap(), totals());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        #[derive(Serialize)]
        struct Unknown {
            colour: &'static str,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Binary {
            requested_amount: f64,
        }
        let unknown = to_tree(&Unknown { colour: "red" });
        assert_eq!(unknown.unwrap_err(), TreeError::Name("colour".to_owned()));
        assert_eq!(to_tree(&Binary { requested_amount: 1.5 }).unwrap_err(), TreeError::Number);
        assert_eq!(to_tree(&7).unwrap_err(), TreeError::Shape);
        let mut tree = to_tree(&totals()).unwrap();
        tree.set("PaymentTotals", "none");
        assert!(from_tree::<PerMeans<'_>>(&tree).is_err());
        assert!(from_tree::<PerMeans<'_>>(&Tree::new()).is_err());
    }
}
