//! Looking orders up: what they are found by, and how a stored one is read.

use super::rows::CardJson;
use super::sql::Row;
use super::{StoreError, corrupt};
use crate::payment::ids::{AmendmentId, EndpointId, GroupId, OrderId, ReaderId, SerialNumber};
use crate::payment::money::{Amount, Currency};
use crate::payment::order::{Kind, Order, Stage, Status};

/// What an order is found by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Key {
    Id(OrderId),
    Name(EndpointId, String),
    /// The newest of this name at any endpoint of the group.
    GroupAndName(GroupId, String),
}

/// An order and what is stored beside it.
pub(super) struct StoredOrder {
    pub(super) order: Order,
    /// The keyed digest of the request that opened it.
    pub(super) request_digest: String,
    /// The card, sealed to the order; none once it is final.
    pub(super) card_sealed: Option<String>,
}

/// The columns of a stored order, as [`StoredOrder::read`] takes them.
macro_rules! columns {
    () => {
        "o.id, o.endpoint_id, o.client_orderid, o.kind, o.status, o.stage, o.currency, \
         o.amount_minor, o.reader_id, o.card, o.request, o.serial, o.outcome, o.created_at, \
         o.updated_at, o.version, o.last_amendment_id, o.request_digest, o.card_sealed"
    };
}
pub(super) use columns;

impl StoredOrder {
    pub(super) fn read(row: &mut Row) -> Result<Self, StoreError> {
        Ok(Self {
            order: read_order(row)?,
            request_digest: row.text()?,
            card_sealed: row.optional_text()?,
        })
    }
}

fn read_order(row: &mut Row) -> Result<Order, StoreError> {
    Ok(Order {
        id: OrderId(row.int()?),
        endpoint: EndpointId(row.int()?),
        client_orderid: row.text()?,
        kind: Kind::from_name(&row.text()?).ok_or_else(|| corrupt("kind"))?,
        status: Status::from_name(&row.text()?).ok_or_else(|| corrupt("status"))?,
        stage: Stage::from_name(&row.text()?).ok_or_else(|| corrupt("stage"))?,
        amount: {
            let currency = Currency::from_alpha(&row.text()?).ok_or_else(|| corrupt("currency"))?;
            Amount::from_minor(row.int()?, currency).ok_or_else(|| corrupt("amount"))?
        },
        reader: ReaderId(row.int()?),
        card: parse::<CardJson>(&row.text()?, "card")?.into_facts()?,
        request: parse(&row.text()?, "request")?,
        serial: SerialNumber(row.int()?),
        outcome: parse(&row.text()?, "outcome")?,
        created_at: row.int()?,
        updated_at: row.int()?,
        version: row.int()?,
        last_amendment: row.optional_int()?.map(AmendmentId),
    })
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(
    text: &str,
    what: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| corrupt(what))
}
