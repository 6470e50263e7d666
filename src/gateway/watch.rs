//! Finding the order that a merchant asks for, and only its own.

use super::registry::Merchant;
use super::{Failure, Gateway};
use crate::payment::ids::{EndpointId, GroupId, OrderId};
use crate::payment::order::Order;
use crate::payment::refusal::Refusal;

/// Where the merchant looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    Endpoint(EndpointId),
    Group(GroupId),
}

/// How the merchant names the order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watched {
    pub scope: Scope,
    pub client_orderid: String,
    /// Left out by a client that never received it.
    pub order: Option<OrderId>,
}

impl Gateway {
    /// The order that the merchant names. What belongs to another merchant looks exactly like
    /// what does not exist.
    ///
    /// # Errors
    /// `Refused` for an unknown endpoint, group or order.
    pub async fn watch(&self, merchant: &Merchant, watched: &Watched) -> Result<Order, Failure> {
        self.check_scope(merchant, watched.scope).await?;
        let name = &watched.client_orderid;
        let found = match (watched.order, watched.scope) {
            (Some(id), _) => self.store().order(id).await?,
            (None, Scope::Endpoint(endpoint)) => self.store().order_by_name(endpoint, name).await?,
            (None, Scope::Group(group)) => {
                self.store().order_by_group_and_name(group, name).await?
            }
        };
        let Some(order) = found.filter(|order| order.client_orderid == *name) else {
            return Err(Refusal::OrderNotFound.into());
        };
        if !self.is_within(&order, watched.scope).await? {
            return Err(Failure::refused(
                Refusal::OrderNotFound,
                format!("order {} is of endpoint {}", order.id, order.endpoint),
            ));
        }
        Ok(order)
    }

    async fn check_scope(&self, merchant: &Merchant, scope: Scope) -> Result<(), Failure> {
        let (owner, id) = match scope {
            Scope::Endpoint(id) => {
                (self.endpoint(id).await?.map(|endpoint| endpoint.merchant), id.0)
            }
            Scope::Group(id) => (self.group_owner(id).await?, id.0),
        };
        match owner {
            Some(owner) if owner == merchant.id => Ok(()),
            _ => Err(Refusal::EndpointNotFound(id).into()),
        }
    }

    async fn is_within(&self, order: &Order, scope: Scope) -> Result<bool, Failure> {
        match scope {
            Scope::Endpoint(endpoint) => Ok(order.endpoint == endpoint),
            Scope::Group(group) => {
                let endpoint = self.endpoint(order.endpoint).await?;
                Ok(endpoint.is_some_and(|endpoint| endpoint.group == Some(group)))
            }
        }
    }
}
