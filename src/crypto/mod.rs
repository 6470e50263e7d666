//! Everything that signs, seals or reads secret bytes.
//!
//! All of it is pure: time, nonces and random bytes come in as parameters, so a test can repeat any
//! step. These groups live here:
//!
//! - proofs of the caller: [`sign`] (SHA-1 `control`), [`oauth`], [`oauth_header`], [`nonce`] and
//!   [`public_url`] (OAuth 1.0a), [`token`] (operators);
//! - the card's way in: [`tlv`], [`tlv_write`], [`reader`], [`reader_keys`], [`sim_keys`],
//!   [`clear_list`], [`card_data`], [`card_fields`], [`card_checks`], and [`card_writer`] for the
//!   virtual reader;
//! - keys of readers and PIN pads: [`block_key`], [`dukpt`], [`dukpt_block`], [`key_block`],
//!   [`key_components`], [`pin_block`], [`pin_zone`];
//! - messages of tills and terminals, protected as a whole: [`nexo_crypto`];
//! - what the gateway keeps sealed at rest: [`seal`], [`key_ring`];
//! - the proof that none of it lies about: [`scan`];
//! - what is wrong with a message that does not open: [`diagnosis`], [`tag_names`], and with a
//!   control that does not agree: [`control_diagnosis`].
//!
//! Secrets wipe themselves, print as `(..)` and are compared in constant time.

pub mod advice;
mod bcd;
pub mod block_key;
pub mod card_checks;
pub mod card_data;
pub mod card_fields;
pub mod card_writer;
pub mod clear_list;
pub mod control_diagnosis;
pub mod diagnosis;
pub mod dukpt;
pub mod dukpt_block;
mod findings;
mod gcm;
pub mod key;
pub mod key_block;
pub mod key_components;
mod key_header;
pub mod key_ring;
mod mac;
pub mod nexo_crypto;
pub mod nonce;
pub mod oauth;
pub mod oauth_fault;
pub mod oauth_header;
mod oauth_params;
mod percent;
pub mod pin_block;
mod pin_field;
pub mod pin_zone;
pub mod public_url;
pub mod reader;
pub mod reader_keys;
pub mod scan;
pub mod seal;
pub mod sign;
pub mod sim_keys;
pub mod tag_names;
pub mod tlv;
pub mod tlv_write;
pub mod token;
mod track;
pub mod webhook;
