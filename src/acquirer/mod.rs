//! The port to acquirer hosts. The sandbox host plugs in here; so will an ISO 8583 link and a
//! Mojaloop switch.
//!
//! A host knows a transaction by its [`Reference`]. It must treat two requests with the same
//! reference as one transaction, which is how ISO 8583 treats a repeat of the same STAN and
//! transmission time.

pub mod unplugged;

use crate::payment::card::{EntryMode, Expiry, Pan};
use crate::payment::host::{Authorisation, Inquiry};
use crate::payment::ids::OrderId;
use crate::payment::money::Amount;
use crate::payment::order::Kind;
use async_trait::async_trait;

/// What a host knows a transaction by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    pub order: OrderId,
    pub kind: Kind,
    pub amount: Amount,
    /// The card acceptor terminal (ISO 8583 field 41).
    pub terminal_id: String,
}

/// The card, clear, for as long as one request takes. It borrows: whoever opened the card wipes
/// it.
#[derive(Clone, Copy, Debug)]
pub struct CardForHost<'a> {
    pub pan: &'a Pan,
    pub expiry: Expiry,
    pub entry_mode: EntryMode,
}

/// Why no decision came back.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// The request certainly did not reach the host: it is safe to send it again.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The host may have acted on it. Inquire, and reverse what stays unknown.
    #[error("no answer: {0}")]
    Unknown(String),
}

/// An acquirer host.
#[async_trait]
pub trait Acquirer: Send + Sync {
    /// Asks for an authorisation (sale) or a hold (preauthorisation).
    async fn authorise(
        &self,
        reference: &Reference,
        card: CardForHost<'_>,
    ) -> Result<Authorisation, Fault>;

    /// Asks what became of an earlier request. Safe to repeat.
    async fn inquire(&self, reference: &Reference) -> Result<Inquiry, Fault>;

    /// Undoes an earlier request, whatever became of it. `Ok` is the acknowledgement: the money
    /// has not moved and will not. Safe to repeat.
    async fn reverse(&self, reference: &Reference) -> Result<(), Fault>;
}
