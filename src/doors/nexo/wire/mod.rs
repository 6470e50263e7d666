//! The messages of nexo Retailer 3.1 as bytes, and nothing of what they do.
//!
//! [`schema`] is the table of all fields; [`tree`] is the one form that both encodings are read
//! into and written from, [`typed`] its way from and to structs; [`message`] is a header with a
//! body. [`xml`] and [`json`] have the same face: `read` and `write`. [`secured`] is the envelope
//! of NexoCrypto. Everything here is pure.
//!
//! What is read leniently and what is not (nexo contract, section 4):
//!
//! - What the table does not know is passed over: elements, attributes, properties.
//! - Enumerations are open. A value that the table does not know is kept as it is, so that nobody
//!   takes it for the default; it fails a message only in a mandatory field of a request or a
//!   notification, unless it is spelt as an extension, `Prefix:Value`.
//! - Everything else that is there has to have its form and its limits, and mandatory fields have
//!   to be there, in answers as well.
//! - Decimals come out in their shortest form ("149.50" as "149.5"), time stamps without a zone as
//!   UTC, values of enumerations in the table's capitals.

mod decimal;
#[cfg(test)]
mod examples;
pub mod fault;
pub mod json;
pub mod message;
mod scalar;
pub mod schema;
pub mod secured;
mod slots;
pub mod tree;
pub mod typed;
pub mod xml;

/// The longest message that is read, in bytes.
pub const BYTES_MAX: usize = 256 * 1024;
/// How deep a message may be nested.
const DEPTH_MAX: usize = 32;
/// The longest attribute of XML, in bytes.
const ATTRIBUTE_MAX: usize = 8 * 1024;
/// The most attributes of one element, known or not.
const ATTRIBUTES_MAX: usize = 64;
