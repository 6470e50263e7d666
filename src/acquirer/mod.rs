//! The port to acquirer hosts. The sandbox host plugs in here; so will an ISO 8583 link and a
//! Mojaloop switch.
//!
//! A host knows a transaction by its [`Reference`]. It must treat two requests with the same
//! reference as one transaction, which is how ISO 8583 treats a repeat of the same STAN and
//! transmission time.

pub mod unplugged;

use crate::payment::amendment::{self, Amendment};
use crate::payment::card::{EntryMode, Expiry, Pan};
use crate::payment::chip::Completion;
use crate::payment::day::Totals;
use crate::payment::host::{Authorisation, HostProfile, Inquiry};
use crate::payment::ids::{AmendmentId, DayCloseId, OrderId};
use crate::payment::money::{Amount, Currency};
use crate::payment::order::{self, Order};
use crate::payment::pin_format::PinFormat;
use async_trait::async_trait;
use std::fmt;

/// What a host knows a transaction by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    pub order: OrderId,
    pub transaction: Transaction,
    pub amount: Amount,
    /// The card acceptor terminal (ISO 8583 field 41).
    pub terminal_id: String,
    /// For hosts that play.
    pub host_profile: HostProfile,
}

/// Which of an order's transactions is meant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transaction {
    /// The one that opened the order.
    Opening(order::Kind),
    Amendment(AmendmentId, amendment::Kind),
}

/// The totals of a closed day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settlement {
    pub batch: DayCloseId,
    pub terminal_id: String,
    pub currency: Currency,
    pub totals: Totals,
}

impl Reference {
    /// The transaction that opened the order.
    #[must_use]
    pub fn of_order(order: &Order) -> Self {
        Self {
            order: order.id,
            transaction: Transaction::Opening(order.kind),
            amount: order.amount,
            terminal_id: order.request.terminal_id.clone(),
            host_profile: order.request.host_profile,
        }
    }

    /// A later transaction on the order.
    #[must_use]
    pub fn of_amendment(order: &Order, amendment: &Amendment) -> Self {
        Self {
            transaction: Transaction::Amendment(amendment.id, amendment.kind),
            amount: amendment.amount,
            ..Self::of_order(order)
        }
    }
}

/// The card, clear, for as long as one request takes. It borrows: whoever opened the card wipes
/// it.
#[derive(Clone, Copy, Debug)]
pub struct CardForHost<'a> {
    pub pan: &'a Pan,
    pub expiry: Expiry,
    pub entry_mode: EntryMode,
    /// Where the card holder entered a PIN for the issuer to check.
    pub pin: Option<PinForHost<'a>>,
}

/// A PIN block under the key of the zone between gateway and acquirer (ISO 8583 field 52). `Debug`
/// shows the format only.
#[derive(Clone, Copy)]
pub struct PinForHost<'a> {
    pub format: PinFormat,
    pub block: &'a [u8],
}

impl fmt::Debug for PinForHost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinForHost({}, ..)", self.format.name())
    }
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
    /// Asks for an authorisation (sale), a hold (preauthorisation) or a credit (refund).
    async fn authorise(
        &self,
        reference: &Reference,
        card: CardForHost<'_>,
    ) -> Result<Authorisation, Fault>;

    /// Tells how the chip ended a transaction that was approved (ISO 8583 0220). `Ok` is the
    /// acknowledgement. Safe to repeat.
    async fn advise(&self, reference: &Reference, completion: &Completion) -> Result<(), Fault>;

    /// Takes an amount that the order holds. The reference is the capture's own.
    async fn capture(&self, reference: &Reference) -> Result<Authorisation, Fault>;

    /// Gives back what an order took, or a part of it. The reference is the reversal's own; its
    /// order tells what was taken.
    async fn refund(&self, reference: &Reference) -> Result<Authorisation, Fault>;

    /// Tells the totals of a closed day (ISO 8583 0500). Answers field 39. Safe to repeat: the host
    /// knows the day by its batch number.
    async fn settle(&self, settlement: &Settlement) -> Result<String, Fault>;

    /// Asks what became of an earlier request. Safe to repeat.
    async fn inquire(&self, reference: &Reference) -> Result<Inquiry, Fault>;

    /// Undoes an earlier request, whatever became of it. `Ok` is the acknowledgement: the money
    /// has not moved and will not. Safe to repeat.
    async fn reverse(&self, reference: &Reference) -> Result<(), Fault>;
}
