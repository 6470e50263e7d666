//! Finding orders.

use super::rows::CardJson;
use super::{Store, StoreError, corrupt};
use crate::payment::ids::{EndpointId, GroupId, OrderId, ReaderId, SerialNumber};
use crate::payment::money::{Amount, Currency};
use crate::payment::order::{Kind, Order, Stage, Status};
use sqlx::Row;
use sqlx::any::AnyRow;

const BY_ID: &str = "SELECT * FROM orders WHERE id = $1";

const BY_NAME: &str = "SELECT * FROM orders WHERE endpoint_id = $1 AND client_orderid = $2";

const BY_GROUP_AND_NAME: &str = "\
    SELECT o.* FROM endpoints AS e \
    JOIN orders AS o ON o.endpoint_id = e.id AND o.client_orderid = $2 \
    WHERE e.group_id = $1 ORDER BY o.created_at DESC, o.id DESC LIMIT 1";

const DIGEST: &str = "SELECT request_digest FROM orders WHERE id = $1";

impl Store {
    /// The order with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let row = sqlx::query(BY_ID).bind(id.0).fetch_optional(&self.reads).await?;
        row.as_ref().map(order_from).transpose()
    }

    /// The order that the endpoint knows by this name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn order_by_name(
        &self,
        endpoint: EndpointId,
        client_orderid: &str,
    ) -> Result<Option<Order>, StoreError> {
        let row = sqlx::query(BY_NAME)
            .bind(endpoint.0)
            .bind(client_orderid)
            .fetch_optional(&self.reads)
            .await?;
        row.as_ref().map(order_from).transpose()
    }

    /// The newest order of this name at any endpoint of the group.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn order_by_group_and_name(
        &self,
        group: GroupId,
        client_orderid: &str,
    ) -> Result<Option<Order>, StoreError> {
        let row = sqlx::query(BY_GROUP_AND_NAME)
            .bind(group.0)
            .bind(client_orderid)
            .fetch_optional(&self.reads)
            .await?;
        row.as_ref().map(order_from).transpose()
    }

    /// The keyed digest of the request that opened the order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn request_digest(&self, order: OrderId) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(DIGEST).bind(order.0).fetch_optional(&self.reads).await?)
    }

    /// The order with this id, and its card, sealed to it; no card once the order is final.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn order_with_card(
        &self,
        id: OrderId,
    ) -> Result<Option<(Order, Option<String>)>, StoreError> {
        let row = sqlx::query(BY_ID).bind(id.0).fetch_optional(&self.reads).await?;
        let read = |row: AnyRow| Ok((order_from(&row)?, row.try_get("card_sealed")?));
        row.map(read).transpose()
    }
}

fn order_from(row: &AnyRow) -> Result<Order, StoreError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let number = |column: &str| row.try_get::<i64, _>(column);
    let currency = Currency::from_alpha(&text("currency")?).ok_or_else(|| corrupt("currency"))?;
    let amount = Amount::from_minor(number("amount_minor")?, currency);
    Ok(Order {
        id: OrderId(number("id")?),
        endpoint: EndpointId(number("endpoint_id")?),
        client_orderid: text("client_orderid")?,
        kind: Kind::from_name(&text("kind")?).ok_or_else(|| corrupt("kind"))?,
        status: Status::from_name(&text("status")?).ok_or_else(|| corrupt("status"))?,
        stage: Stage::from_name(&text("stage")?).ok_or_else(|| corrupt("stage"))?,
        amount: amount.ok_or_else(|| corrupt("amount"))?,
        reader: ReaderId(number("reader_id")?),
        card: parse::<CardJson>(&text("card")?, "card")?.into_facts()?,
        request: parse(&text("request")?, "request")?,
        serial: SerialNumber(number("serial")?),
        outcome: parse(&text("outcome")?, "outcome")?,
        created_at: number("created_at")?,
        updated_at: number("updated_at")?,
        version: number("version")?,
    })
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| corrupt(what))
}
