//! The front doors: each translates one protocol into the gateway's words and back. No door
//! knows another, and none knows SQL.

pub mod admin;
pub mod csv;
pub mod docs;
pub mod form;
pub mod http;
pub mod limits;
pub mod mapi;
pub mod nexo;
pub mod oauth;
pub mod ops;
pub mod rki;
pub mod sandbox;
mod span;
