//! The services of terminals. Each is written down before it begins and ended once, so that
//! whoever asks again gets the first answer, and a crash leaves nothing in doubt.

use super::nonce_book::bucket_of;
use super::{Failure, Gateway};
use crate::payment::amendment::Amendment;
use crate::payment::ids::{EndpointId, ServiceNumber, TerminalId};
use crate::payment::order::Order;
use crate::payment::{HOUR, Millis, SECOND};
use crate::store::{
    NewService, NonceMark, ServiceClaim, ServiceEnd, ServiceKey, ServiceMatch, ServiceRecord, Taken,
};

/// For how long a service belongs to the process that carries it out, which asks for more in time.
pub const SERVICE_LEASE: Millis = 30 * SECOND;

/// How long an order right that was used up is remembered.
const RIGHT_KEPT: Millis = 48 * HOUR;

/// A service that a point of sale asks for.
pub struct Begin<'a> {
    pub key: ServiceKey,
    /// The point of sale's own name for what is sold.
    pub sale_transaction: Option<String>,
    /// All that tells a repeat of the request from another one.
    pub told: &'a str,
    /// What is needed to go on with it after a crash; no card data.
    pub request: String,
}

/// The right of a service to open one order. It is used up like a nonce, by the order itself, or
/// because it was withdrawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderRight {
    pub number: ServiceNumber,
    /// When the service was begun.
    pub started_at: Millis,
}

impl OrderRight {
    /// Among the nonces of the day after next, so that it is not forgotten before.
    pub(super) fn mark(self) -> NonceMark {
        // What apps sign has digests that nobody can choose.
        let mut digest = *b"service\0\0\0\0\0\0\0\0\0";
        digest[8..].copy_from_slice(&self.number.0.to_be_bytes());
        NonceMark { bucket: bucket_of(self.started_at + RIGHT_KEPT), digest }
    }
}

impl Gateway {
    /// Takes a service up, durably, unless it was taken up before or its terminal is busy. The
    /// record is the service's own, or the one that is in its way.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn begin_service(
        &self,
        begin: Begin<'_>,
    ) -> Result<(ServiceNumber, Millis, Taken), Failure> {
        let number = self.store().next_service_number().await?;
        let now = self.clock().now();
        let category = begin.key.category.clone();
        let told = [("category", category.as_str()), ("request", begin.told)];
        let new = NewService {
            number,
            key: begin.key,
            sale_transaction: begin.sale_transaction,
            request_digest: self.parts.keys.request_digest(told.into_iter()),
            request: begin.request,
            started_at: now,
            leased_until: now + SERVICE_LEASE,
        };
        let taken = self.store().take_up_service(&new).await?;
        Ok((number, now, taken))
    }

    /// Whether a service was asked for in these very words.
    #[must_use]
    pub fn is_repeat(&self, record: &ServiceRecord, told: &str) -> bool {
        let told = [("category", record.key.category.as_str()), ("request", told)];
        self.parts.keys.request_digest(told.into_iter()) == record.request_digest
    }

    /// The service that the same request, or another of this name, has led to.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn service_before(
        &self,
        key: &ServiceKey,
        sale_transaction: Option<String>,
    ) -> Result<Option<ServiceRecord>, Failure> {
        Ok(self.store().service_before(key, sale_transaction, self.clock().now()).await?)
    }

    /// The order that a payment has opened at an endpoint, if it came so far.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn order_called(
        &self,
        endpoint: EndpointId,
        name: &str,
    ) -> Result<Option<Order>, Failure> {
        Ok(self.store().order_by_name(endpoint, name).await?)
    }

    /// Takes the right to open an order away from a service. Whoever carried it out before may come
    /// too late, but not afterwards: either its order is there now, or it never will be.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn withdraw_right(&self, right: OrderRight) -> Result<(), Failure> {
        Ok(self.store().use_nonce(&right.mark()).await.map(drop)?)
    }

    /// The later transaction on an order that was asked for with this comment.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn amendment_called(
        &self,
        order: &Order,
        comment: &str,
    ) -> Result<Option<Amendment>, Failure> {
        let mut amendments = self.store().amendments_of(order).await?;
        amendments.retain(|amendment| amendment.comment.as_deref() == Some(comment));
        Ok(amendments.pop())
    }

    /// Keeps a service for this process for another lease. The new end of it; `None` if it is no
    /// longer this process's.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn keep_service(&self, claim: ServiceClaim) -> Result<Option<Millis>, Failure> {
        let until = self.clock().now() + SERVICE_LEASE;
        let kept = self.store().keep_service(claim, until).await?;
        Ok(kept.then_some(until))
    }

    /// Ends a service. What counts is the answer that it then has: an earlier one, if it has ended
    /// before.
    ///
    /// # Errors
    /// `Unavailable` when another process has taken it over, and has not ended it yet; or when the
    /// database cannot be written.
    pub async fn end_service(
        &self,
        claim: ServiceClaim,
        end: &ServiceEnd,
    ) -> Result<String, Failure> {
        if self.store().finish_service(claim, end).await? {
            return Ok(end.response.clone());
        }
        let ended = self.store().service(claim.number).await?.and_then(|record| record.response);
        ended.ok_or_else(|| Failure::Unavailable("another process ends this service".to_owned()))
    }

    /// The service with this number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn service(&self, number: ServiceNumber) -> Result<Option<ServiceRecord>, Failure> {
        Ok(self.store().service(number).await?)
    }

    /// The newest payment, reversal or reading of a card of those that are meant.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn newest_service(
        &self,
        of: &ServiceMatch,
    ) -> Result<Option<ServiceRecord>, Failure> {
        Ok(self.store().newest_service(of).await?)
    }

    /// The terminal's last payment or reversal that ended before this one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn last_ended_service(
        &self,
        terminal: TerminalId,
        before: ServiceNumber,
    ) -> Result<Option<ServiceRecord>, Failure> {
        Ok(self.store().last_ended_service(terminal, before).await?)
    }

    /// The service that a terminal is busy with, whichever process carries it out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn running_service(
        &self,
        terminal: TerminalId,
    ) -> Result<Option<ServiceRecord>, Failure> {
        Ok(self.store().running_service(terminal).await?)
    }

    /// Takes over services that nobody goes on with, at most so many.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn take_over_services(&self, most: u32) -> Result<Vec<ServiceRecord>, Failure> {
        let now = self.clock().now();
        let mut mine = Vec::new();
        for mut record in self.store().services_left_over(now, most).await? {
            let claim = ServiceClaim { number: record.number, claims: record.claims };
            let until = now + SERVICE_LEASE;
            if self.store().take_over_service(claim, until, now).await? {
                (record.leased_until, record.claims) = (until, record.claims + 1);
                mine.push(record);
            }
        }
        Ok(mine)
    }

    /// What a terminal's services of a period moved: by movement and currency their number and
    /// their sum in minor units.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn totals_of_period(
        &self,
        terminal: TerminalId,
        period: i64,
    ) -> Result<Vec<(String, String, i64, i64)>, Failure> {
        Ok(self.store().totals_of_period(terminal, period).await?)
    }

    /// The period of a terminal that is being counted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn period_of(&self, terminal: TerminalId) -> Result<i64, Failure> {
        let record = self.store().terminal_by_id(terminal).await?;
        Ok(record.map_or(0, |record| record.period))
    }

    /// Ends a period. `false` if somebody else has ended it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn end_period(
        &self,
        terminal: TerminalId,
        period: i64,
        next: i64,
    ) -> Result<bool, Failure> {
        Ok(self.store().next_period(terminal, period, next).await?)
    }
}
