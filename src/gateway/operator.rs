//! What operators decide and look at: orders whose outcome nobody knows, and settled days.

use super::SettlementLine;
use super::{Balance, Failure, Gateway};
use crate::payment::amendment::Amendment;
use crate::payment::day::DayClose;
use crate::payment::ids::{AmendmentId, DayCloseId, EndpointId, JobId, OrderId};
use crate::payment::merchant::Endpoint;
use crate::payment::order::{Order, Status};
use crate::payment::refusal::Refusal;
use crate::payment::transition::Event;
use std::sync::Arc;

/// How many lines of a settlement are read at once.
const PAGE: u32 = 1000;

/// A closed day whose lines are about to be read.
#[derive(Clone)]
pub struct SettledDay {
    pub close: DayClose,
    pub endpoint: Arc<Endpoint>,
}

impl Gateway {
    /// Ends what is unknown, by an operator's word: the oldest unknown transaction of the order.
    /// Whoever says `approved` has found out that the money moved, otherwise that it did not.
    ///
    /// # Errors
    /// `OrderNotFound`; `WrongOrderState` when nothing about the order is unknown.
    pub async fn resolve(&self, id: OrderId, approved: bool) -> Result<(), Failure> {
        let order = self.store().order(id).await?.ok_or(Refusal::OrderNotFound)?;
        let event = Event::OperatorDecided { approved };
        tracing::warn!(order = %id, approved, "an operator decides");
        let done = if order.status == Status::Unknown {
            self.resolve_order(order, event).await?
        } else {
            let unknown = self.unknown_of(&order).await?;
            self.resolve_amendment(order, unknown.id, event).await?
        };
        match done {
            true => Ok(()),
            false => Err(Failure::Unavailable("the order has just changed".to_owned())),
        }
    }

    async fn resolve_order(&self, order: Order, event: Event) -> Result<bool, Failure> {
        match self.store().seize_job(JobId::from(order.id)).await? {
            Some(job) => self.record(order, event, job).await,
            None => Ok(false),
        }
    }

    async fn resolve_amendment(
        &self,
        order: Order,
        id: AmendmentId,
        event: Event,
    ) -> Result<bool, Failure> {
        let Some(job) = self.store().seize_job(JobId::from(id)).await? else {
            return Ok(false);
        };
        // Read only now: from here on nobody else changes it.
        let amendment = self.unknown_of(&order).await?;
        match amendment.id == id {
            true => self.record_amendment(&order, amendment, event, job).await,
            false => Ok(false),
        }
    }

    /// The oldest transaction of an order that nobody can tell the outcome of.
    async fn unknown_of(&self, order: &Order) -> Result<Amendment, Failure> {
        let amendments = self.store().amendments_of(order).await?;
        let unknown = amendments.into_iter().find(|one| one.status == Status::Unknown);
        let cause = "nothing about it is unknown";
        unknown.ok_or_else(|| Failure::refused(Refusal::WrongOrderState, cause))
    }

    /// What the accounts of a merchant come to, by endpoint and day. `None` when nobody has this
    /// login.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn balances(
        &self,
        login: &str,
        endpoint: Option<EndpointId>,
        day: Option<i64>,
    ) -> Result<Option<Vec<Balance>>, Failure> {
        match self.merchant_by_login(login).await? {
            Some(merchant) => Ok(Some(self.store().balances(merchant.id, endpoint, day).await?)),
            None => Ok(None),
        }
    }

    /// A day that was closed and counted. `None` when there is none with this batch number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn settled_day(&self, id: DayCloseId) -> Result<Option<SettledDay>, Failure> {
        let close = self.day_close(id).await?.filter(|close| close.totals.is_some());
        let Some(close) = close else { return Ok(None) };
        let endpoint = self.endpoint(close.endpoint).await?;
        Ok(endpoint.map(|endpoint| SettledDay { close, endpoint }))
    }

    /// The next lines of a settled day; none when all were read.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn settlement_page(
        &self,
        day: &SettledDay,
        after: Option<&SettlementLine>,
    ) -> Result<Vec<SettlementLine>, Failure> {
        Ok(self.store().settlement_lines(&day.close, after, PAGE).await?)
    }
}
