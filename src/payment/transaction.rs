//! One of an order's transactions, as merchants are told of it: the one that opened the order, or
//! a later one.

use super::Millis;
use super::amendment::Amendment;
use super::ids::SerialNumber;
use super::money::Amount;
use super::order::{Order, Outcome, Status};

/// What is told of a transaction, whichever it is.
#[derive(Clone, Debug)]
pub struct TransactionView<'a> {
    /// The wire's `transaction-type`.
    pub kind: &'static str,
    pub status: Status,
    /// The wire's `order-stage`.
    pub stage: String,
    pub amount: Amount,
    pub outcome: &'a Outcome,
    /// The number of the request that asked for it.
    pub serial: SerialNumber,
    pub comment: Option<&'a str>,
    pub created_at: Millis,
    /// When it became final.
    pub decided_at: Option<Millis>,
}

impl<'a> TransactionView<'a> {
    /// The later transaction, if there is one; otherwise the one that opened the order.
    #[must_use]
    pub fn of(order: &'a Order, amendment: Option<&'a Amendment>) -> Self {
        match amendment {
            Some(amendment) => Self {
                kind: amendment.kind.name(),
                status: amendment.status,
                stage: amendment.wire_stage(),
                amount: amendment.amount,
                outcome: &amendment.outcome,
                serial: amendment.serial,
                comment: amendment.comment.as_deref(),
                created_at: amendment.created_at,
                decided_at: amendment.status.is_final().then_some(amendment.updated_at),
            },
            None => Self {
                kind: order.kind.name(),
                status: order.status,
                stage: order.wire_stage(),
                amount: order.amount,
                outcome: &order.outcome,
                serial: order.serial,
                comment: None,
                created_at: order.created_at,
                decided_at: order.status.is_final().then_some(order.updated_at),
            },
        }
    }
}
