//! Portable SQL: a text with its values, and the rows that come back.
//!
//! All columns are integers, texts or bytes, so this is all that the two drivers have to agree
//! on.

use super::{StoreError, corrupt};

/// What a column can hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl Value {
    /// An empty column, whatever its type.
    pub(super) const NULL: Self = Self::Int(None);
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(Some(value.into()))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(value: Option<Vec<u8>>) -> Self {
        Self::Bytes(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(Some(value.to_owned()))
    }
}

/// A statement with its values.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) text: &'static str,
    pub(super) values: Vec<Value>,
}

/// A statement, its values `$1`, `$2` and so on still to be bound.
pub(super) fn sql(text: &'static str) -> Statement {
    Statement { text, values: Vec::new() }
}

impl Statement {
    /// Binds the next value.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }
}

/// What statements came to: the rows of the last one, and how many rows it changed.
#[derive(Default)]
pub(super) struct Done {
    pub(super) rows: Vec<Row>,
    pub(super) changed: u64,
}

/// A row. Its columns are taken one after the other, in the order of the statement.
pub(super) struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub(super) fn new(columns: Vec<Value>) -> Self {
        Self(columns.into_iter())
    }

    pub(super) fn int(&mut self) -> Result<i64, StoreError> {
        self.optional_int()?.ok_or_else(|| corrupt("row"))
    }

    pub(super) fn optional_int(&mut self) -> Result<Option<i64>, StoreError> {
        match self.0.next() {
            Some(Value::Int(value)) => Ok(value),
            Some(Value::Text(None) | Value::Bytes(None)) => Ok(None),
            _ => Err(corrupt("row")),
        }
    }

    pub(super) fn flag(&mut self) -> Result<bool, StoreError> {
        Ok(self.int()? != 0)
    }

    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        self.optional_text()?.ok_or_else(|| corrupt("row"))
    }

    pub(super) fn optional_text(&mut self) -> Result<Option<String>, StoreError> {
        match self.0.next() {
            Some(Value::Text(value)) => Ok(value),
            Some(Value::Int(None) | Value::Bytes(None)) => Ok(None),
            _ => Err(corrupt("row")),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        self.optional_bytes()?.ok_or_else(|| corrupt("row"))
    }

    pub(super) fn optional_bytes(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        match self.0.next() {
            Some(Value::Bytes(value)) => Ok(value),
            Some(Value::Int(None) | Value::Text(None)) => Ok(None),
            _ => Err(corrupt("row")),
        }
    }
}
