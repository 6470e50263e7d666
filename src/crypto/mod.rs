//! Everything that signs, seals or reads secret bytes.
//!
//! All of it is pure: time, nonces and random bytes come in as parameters, so a test can repeat any
//! step. Three groups live here:
//!
//! - proofs of the caller: [`sign`] (SHA-1 `control`), [`oauth`], [`oauth_header`], [`nonce`] and
//!   [`public_url`] (OAuth 1.0a);
//! - the card's way in: [`tlv`], [`tlv_write`], [`ksn`], [`reader`], [`reader_keys`],
//!   [`card_data`], [`card_fields`], [`card_checks`], and [`card_writer`] for the virtual reader;
//! - keys of readers and PIN pads: [`block_key`];
//! - what the gateway keeps sealed at rest: [`seal`];
//! - looking for card data where none may be: [`scan`].
//!
//! Secrets wipe themselves, print as `(..)` and are compared in constant time.

pub mod advice;
mod bcd;
pub mod block_key;
pub mod card_checks;
pub mod card_data;
pub mod card_fields;
pub mod card_writer;
mod gcm;
pub mod key;
pub mod ksn;
mod mac;
pub mod nonce;
pub mod oauth;
pub mod oauth_fault;
pub mod oauth_header;
mod oauth_params;
mod percent;
pub mod public_url;
pub mod reader;
pub mod reader_keys;
pub mod scan;
pub mod seal;
pub mod sign;
pub mod tlv;
pub mod tlv_write;
