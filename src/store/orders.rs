//! Finding orders.

use super::lookup::Key;
use super::{Store, StoreError};
use crate::payment::ids::{EndpointId, GroupId, OrderId};
use crate::payment::order::Order;

impl Store {
    /// The order with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        Ok(self.find(Key::Id(id)).await?.map(|found| found.order))
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
        let key = Key::Name(endpoint, client_orderid.to_owned());
        Ok(self.find(key).await?.map(|found| found.order))
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
        let key = Key::GroupAndName(group, client_orderid.to_owned());
        Ok(self.find(key).await?.map(|found| found.order))
    }

    /// The keyed digest of the request that opened the order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn request_digest(&self, order: OrderId) -> Result<Option<String>, StoreError> {
        Ok(self.find(Key::Id(order)).await?.map(|found| found.request_digest))
    }

    /// The order with this id, and its card, sealed to it; no card once the order is final.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn order_with_card(
        &self,
        id: OrderId,
    ) -> Result<Option<(Order, Option<String>)>, StoreError> {
        Ok(self.find(Key::Id(id)).await?.map(|found| (found.order, found.card_sealed)))
    }
}
