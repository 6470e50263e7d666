//! Delivering callbacks from the outbox: at least once, until the receiver answers 200.

use super::{Failure, Gateway};
use crate::payment::notice::{Attempt, Notice};
use crate::payment::order::Order;
use crate::payment::{Millis, SECOND};
use crate::store::{DueNotice, NoticeResult};

/// How long a claimed callback belongs to its worker. Longer than an attempt may take.
const NOTICE_LEASE: Millis = 60 * SECOND;

/// Words a callback: the whole address to GET, signature included, from the notice, its order
/// and the merchant's control key. Doors give theirs.
///
/// # Errors
/// A sentence for the log when the merchant's address is not one.
pub type CallbackWording = fn(&Notice, &Order, &str) -> Result<String, String>;

impl Gateway {
    /// Takes up to `most` due callbacks for this worker alone.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn claim_notices(&self, most: u32) -> Result<Vec<DueNotice>, Failure> {
        Ok(self.store().claim_notices(most, self.clock().now(), NOTICE_LEASE).await?)
    }

    /// Makes one attempt to deliver a callback and records what came of it.
    ///
    /// # Errors
    /// `Unavailable` when the database is away: then the attempt is made again.
    pub async fn deliver(&self, due: DueNotice) -> Result<(), Failure> {
        let DueNotice { notice, attempts } = due;
        let address = self.address(&notice).await?;
        let sent = match &address {
            Ok(address) => self.parts.egress.get(address).await,
            Err(why) => Err(why.clone()),
        };
        let attempt = Attempt::judge(sent.is_ok(), attempts, self.clock().now());
        match sent {
            Ok(()) => tracing::info!(order = %notice.order, attempts, "callback delivered"),
            Err(why) => {
                tracing::warn!(order = %notice.order, attempts, why, next = ?attempt, "callback failed");
            }
        }
        metrics::counter!("tillgate_callback_attempts_total", "outcome" => outcome(attempt))
            .increment(1);
        Ok(self.store().note_attempt(NoticeResult { id: notice.id, attempts, attempt }).await?)
    }

    async fn address(&self, notice: &Notice) -> Result<Result<String, String>, Failure> {
        let order = self.store().order(notice.order).await?;
        let order = order.ok_or_else(|| Failure::Internal(format!("no order {}", notice.order)))?;
        let endpoint = self.endpoint(notice.endpoint).await?;
        let endpoint = endpoint
            .ok_or_else(|| Failure::Internal(format!("no endpoint {}", notice.endpoint)))?;
        let merchant = self.merchant(endpoint.merchant).await?;
        Ok((self.parts.callback_wording)(notice, &order, &merchant.control_key))
    }
}

fn outcome(attempt: Attempt) -> &'static str {
    match attempt {
        Attempt::Delivered => "delivered",
        Attempt::RetryAt(_) => "retried",
        Attempt::GivenUp => "given_up",
    }
}
