//! Finding the order that a merchant asks for, and only its own.

use super::registry::Merchant;
use super::{Failure, Gateway};
use crate::payment::amendment::Amendment;
use crate::payment::ids::{EndpointId, GroupId, OrderId};
use crate::payment::merchant::Terms;
use crate::payment::order::Order;
use crate::payment::refusal::Refusal;
use crate::payment::transaction::TransactionView;

/// Where the merchant looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    Endpoint(EndpointId),
    Group(GroupId),
}

/// An order, and the one of its transactions that is told of.
#[derive(Clone, Debug)]
pub struct Seen {
    pub order: Order,
    /// A later transaction; otherwise it is the one that opened the order.
    pub amendment: Option<Amendment>,
    /// What may be done with it.
    pub terms: Terms,
}

impl Seen {
    /// What is told.
    #[must_use]
    pub fn transaction(&self) -> TransactionView<'_> {
        TransactionView::of(&self.order, self.amendment.as_ref())
    }
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
    /// The order that the merchant names, and the latest of its transactions, or the one that a
    /// request with this serial number asked for.
    ///
    /// # Errors
    /// As [`Gateway::watch`]; `OrderNotFound` too when no request of the order has this number.
    pub async fn see(
        &self,
        merchant: &Merchant,
        watched: &Watched,
        request: Option<&str>,
    ) -> Result<Seen, Failure> {
        let order = self.watch(merchant, watched).await?;
        let terms = self.terms_of(&order).await?;
        let mut amendments = match order.last_amendment {
            Some(_) => self.store().amendments_of(&order).await?,
            None => Vec::new(),
        };
        let amendment = match request {
            Some(serial) if serial == order.serial.to_string() => None,
            Some(serial) => {
                amendments.retain(|amendment| amendment.serial.to_string() == *serial);
                let cause = "no request of this order has this serial number";
                let found = amendments.pop();
                Some(found.ok_or_else(|| Failure::refused(Refusal::OrderNotFound, cause))?)
            }
            None => amendments.pop(),
        };
        Ok(Seen { order, amendment, terms })
    }

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
