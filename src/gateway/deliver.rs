//! Delivering callbacks from the outbox: at least once, until the receiver answers 200.

use super::receiver::Receiver;
use super::watch::Seen;
use super::{Failure, Gateway};
use crate::payment::notice::{Attempt, Notice};
use crate::payment::order::Order;
use crate::payment::{Millis, SECOND};
use crate::store::{DueNotice, NoticeResult};
use std::time::{Duration, Instant};
use url::Url;

/// How long a claimed callback belongs to its worker. Longer than an attempt may take.
pub(super) const NOTICE_LEASE: Millis = 60 * SECOND;

/// The longest that one attempt takes: the client's own limit.
const ATTEMPT_MAX: Millis = 30 * SECOND;
/// How long a callback waits when we ourselves could not word it.
const OWN_FAULT_PAUSE: Millis = 60 * SECOND;

/// Words a callback: the whole address to GET, signature included, from the notice, the order
/// with the transaction that it is about, and the merchant's control key. Doors give theirs.
///
/// # Errors
/// A sentence for the log when the merchant's address is not one.
pub type CallbackWording = fn(&Notice, &Seen, &str) -> Result<Url, String>;

/// A callback to deliver, and its order if this process already knows it.
#[derive(Debug)]
pub struct Delivery {
    pub due: DueNotice,
    /// Until when the attempt is the owner's alone.
    leased_until: Millis,
    order: Option<Order>,
}

impl Delivery {
    /// The first attempt for an order that is about to be saved.
    pub(super) fn first(notice: Notice, order: &Order, leased_until: Millis) -> Self {
        let due = DueNotice { notice, attempts: 1 };
        Self { due, leased_until, order: Some(order.clone()) }
    }

    /// Who is to receive it.
    #[must_use]
    pub fn receiver(&self) -> Receiver {
        Receiver::at(&self.due.notice.url)
    }
}

impl Gateway {
    /// Takes up to `most` due callbacks from the database for this worker alone.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn claim_notices(&self, most: u32) -> Result<Vec<Delivery>, Failure> {
        let now = self.clock().now();
        let due = self.store().claim_notices(most, now, NOTICE_LEASE).await?;
        let leased_until = now + NOTICE_LEASE;
        Ok(due.into_iter().map(|due| Delivery { due, leased_until, order: None }).collect())
    }

    /// Makes one attempt to deliver a callback and records what came of it. Answers how long the
    /// receiver took, `None` when it was not asked.
    ///
    /// # Errors
    /// `Unavailable` when the database is away: then the attempt is made again.
    pub async fn deliver(&self, delivery: Delivery) -> Result<Option<Duration>, Failure> {
        let Delivery { due, leased_until, order } = delivery;
        let now = self.clock().now();
        if now + ATTEMPT_MAX > leased_until {
            // It waited too long in memory; the next owner makes this attempt.
            return self.note(&due, Attempt::NotMade(now)).await.map(|()| None);
        }
        let address = match self.prepare(&due.notice, order).await {
            Ok(address) => address,
            Err(failure) => {
                // The receiver was not asked, so the attempt does not count.
                self.note(&due, Attempt::NotMade(now + OWN_FAULT_PAUSE)).await?;
                return Err(failure);
            }
        };
        let DueNotice { notice, attempts } = &due;
        let begun = Instant::now();
        let sent = match address {
            Ok(address) => self.parts.egress.get(address).await,
            Err(why) => Err(why),
        };
        let took = begun.elapsed();
        let attempt = Attempt::judge(sent.is_ok(), *attempts, self.clock().now());
        match sent {
            Ok(()) => tracing::debug!(order = %notice.order, attempts, "callback delivered"),
            Err(why) => {
                tracing::warn!(order = %notice.order, attempts, why, next = ?attempt, "callback failed");
            }
        }
        metrics::counter!("tillgate_callback_attempts_total", "outcome" => outcome(attempt))
            .increment(1);
        self.note(&due, attempt).await?;
        Ok(Some(took))
    }

    /// Gives back a callback that nobody tried to deliver, to be tried after `pause`.
    ///
    /// # Errors
    /// `Unavailable` when the database is away: then the lease runs its time.
    pub async fn postpone(&self, delivery: &Delivery, pause: Duration) -> Result<(), Failure> {
        let pause = Millis::try_from(pause.as_millis()).unwrap_or(Millis::MAX / 4);
        self.note(&delivery.due, Attempt::NotMade(self.clock().now() + pause)).await
    }

    async fn prepare(
        &self,
        notice: &Notice,
        order: Option<Order>,
    ) -> Result<Result<Url, String>, Failure> {
        let order = match order {
            Some(order) => order,
            None => self.order_of(notice).await?,
        };
        self.address(notice, order).await
    }

    /// Records what came of a claimed callback.
    async fn note(&self, due: &DueNotice, attempt: Attempt) -> Result<(), Failure> {
        let result = NoticeResult { id: due.notice.id, attempts: due.attempts, attempt };
        Ok(self.store().note_attempt(result).await?)
    }

    /// The callback that the order owes as it now is, if any.
    pub(super) async fn notice_of(&self, order: &Order) -> Result<Option<Notice>, Failure> {
        if !Notice::is_owed(order) {
            return Ok(None);
        }
        Ok(Notice::for_order(self.store().next_notice_id().await?, order))
    }

    async fn order_of(&self, notice: &Notice) -> Result<Order, Failure> {
        let order = self.store().order(notice.order).await?;
        order.ok_or_else(|| Failure::Internal(format!("no order {}", notice.order)))
    }

    async fn address(&self, notice: &Notice, order: Order) -> Result<Result<Url, String>, Failure> {
        let endpoint = self.endpoint(notice.endpoint).await?;
        let endpoint = endpoint
            .ok_or_else(|| Failure::Internal(format!("no endpoint {}", notice.endpoint)))?;
        let merchant = self.merchant(endpoint.merchant).await?;
        let amendment = match notice.amendment {
            Some(id) => Some(self.amendment(&order, id).await?),
            None => None,
        };
        let seen = Seen { order, amendment, terms: endpoint.terms.clone() };
        Ok((self.parts.callback_wording)(notice, &seen, &merchant.control_key))
    }
}

fn outcome(attempt: Attempt) -> &'static str {
    match attempt {
        Attempt::Delivered => "delivered",
        Attempt::RetryAt(_) => "retried",
        Attempt::GivenUp => "given_up",
        Attempt::NotMade(_) => "not_made",
    }
}
