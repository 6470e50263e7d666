//! Delivering callbacks from the outbox: at least once, until the receiver answers 200.

use super::callbacks::StopReason;
use super::egress::{ANSWER_READ, Call, Reply};
use super::receiver::Receiver;
use super::scrub::scrubbed;
use super::watch::Seen;
use super::{Failure, Gateway};
use crate::payment::ids::EndpointId;
use crate::payment::notice::{Attempt, AttemptFacts, Notice, Webhooks, asked_wait};
use crate::payment::order::Order;
use crate::payment::{Millis, SECOND};
use crate::store::{DueNotice, NoticeResult};
use std::time::{Duration, Instant};
use url::Url;
use zeroize::Zeroizing;

/// How long a claimed callback belongs to its worker. Longer than an attempt may take.
pub(super) const NOTICE_LEASE: Millis = 60 * SECOND;

/// The longest that one attempt takes: the client's own limit.
const ATTEMPT_MAX: Millis = 30 * SECOND;
/// Of what is told, what names the card holder or proves who calls.
const PRIVATE: [&str; 5] = ["name", "card-holder-name", "email", "phone", "control"];
/// By Standard Webhooks: the receiver wants no more.
const GONE: u16 = 410;
/// How long a callback waits when we ourselves could not word it.
const OWN_FAULT_PAUSE: Millis = 60 * SECOND;

/// How a door words its callbacks.
#[derive(Clone, Copy)]
pub struct CallbackWording {
    /// Checks an address that a merchant gives, beyond the rules that all addresses keep.
    ///
    /// # Errors
    /// A sentence for the merchant.
    pub check: fn(&str) -> Result<(), String>,
    /// Words a callback, signature included, from the notice, the order with the transaction that
    /// it is about, and the merchant's control key.
    ///
    /// # Errors
    /// A sentence for the log when the merchant's address is not one.
    pub word: fn(&Notice, &Seen, &str) -> Result<Worded, String>,
}

/// A callback in words.
pub struct Worded {
    /// The merchant's own address.
    pub address: Url,
    /// The address to GET, with all that is told.
    pub whole: Url,
    /// All that is told, by name.
    pub parameters: Vec<(&'static str, String)>,
}

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
        let due = DueNotice { notice, attempts: 1, since_requeued: 1 };
        Self { due, leased_until, order: Some(order.clone()) }
    }

    /// Who is to receive it.
    #[must_use]
    pub fn receiver(&self) -> Receiver {
        Receiver::at(&self.due.notice.url)
    }
}

/// An attempt that is yet to be recorded.
#[derive(Debug)]
pub struct Attempted {
    result: NoticeResult,
    /// How long the receiver took; `None` when it was not asked.
    took: Option<Duration>,
    /// The end point whose receiver wants no more.
    gone: Option<EndpointId>,
}

impl Attempted {
    fn without_asking(due: &DueNotice, attempt: Attempt) -> Self {
        Self { result: result_of(due, attempt), took: None, gone: None }
    }

    /// How long the receiver took; `None` when it was not asked.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        self.took
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

    /// Makes one attempt to deliver a callback, if its end point is not stopped and does not rest.
    /// Whatever came of it is for [`Gateway::record_attempt`].
    ///
    /// # Errors
    /// `Unavailable` when the database is away: then the attempt is made again.
    pub async fn attempt(&self, delivery: Delivery) -> Result<Attempted, Failure> {
        let Delivery { due, leased_until, order } = delivery;
        let now = self.clock().now();
        if now + ATTEMPT_MAX > leased_until {
            // It waited too long in memory; the next owner makes this attempt.
            return Ok(Attempted::without_asking(&due, Attempt::NotMade(now)));
        }
        let endpoint = due.notice.endpoint;
        if self.are_callbacks_stopped(endpoint).await? {
            return Ok(Attempted::without_asking(&due, Attempt::Held));
        }
        if let Err(until) = self.breakers.admit(endpoint, now) {
            return Ok(Attempted::without_asking(&due, Attempt::NotMade(until)));
        }
        match self.prepare(&due.notice, order).await {
            Ok(prepared) => Ok(self.ask_receiver(&due, prepared).await),
            Err(failure) => {
                // The receiver was not asked, so the attempt does not count.
                self.note(&due, Attempt::NotMade(now + OWN_FAULT_PAUSE)).await?;
                count(endpoint, "own_fault");
                Err(failure)
            }
        }
    }

    /// Records an attempt, in the transaction that moves its callback on.
    ///
    /// # Errors
    /// `Unavailable` when the database is away: then the attempt is made again.
    pub async fn record_attempt(&self, attempted: Attempted) -> Result<(), Failure> {
        self.store().note_attempt(attempted.result).await?;
        if let Some(endpoint) = attempted.gone {
            self.stop_callbacks(endpoint, StopReason::Gone).await?;
        }
        Ok(())
    }

    /// Asks the receiver, and learns from what it says.
    async fn ask_receiver(&self, due: &DueNotice, prepared: Prepared) -> Attempted {
        let DueNotice { notice, attempts, since_requeued } = due;
        let Prepared { call, webhooks, secrets } = prepared;
        let made_at = self.clock().now();
        let begun = Instant::now();
        let sent = match call {
            Ok(call) => self.parts.egress.send(call).await,
            Err(why) => Err(why),
        };
        let took = begun.elapsed();
        let now = self.clock().now();
        let delivered = sent.as_ref().is_ok_and(|reply| webhooks.is_taken(reply.status));
        let asked = sent.as_ref().ok().and_then(|reply| reply.retry_after.as_deref());
        let asked = asked.and_then(|text| asked_wait(text, now));
        let [luck] = self.parts.entropy.bytes();
        let attempt = Attempt::judge(delivered, *since_requeued, now, luck, asked);
        let is_gone = webhooks != Webhooks::Off && sent.as_ref().is_ok_and(|r| r.status == GONE);
        let facts = facts_of(sent, delivered, &secrets, made_at, took);
        tell(due, attempt, &facts);
        if self.breakers.learn(notice.endpoint, delivered, now) {
            alert(notice.endpoint, "failing", "ten callbacks in a row have failed; they rest");
        }
        let facts = Some(facts);
        Attempted {
            result: NoticeResult { id: notice.id, attempts: *attempts, attempt, facts },
            took: Some(took),
            gone: is_gone.then_some(notice.endpoint),
        }
    }

    /// Gives back a callback that nobody tried to deliver, to be tried after `pause`.
    ///
    /// # Errors
    /// `Unavailable` when the database is away: then the lease runs its time.
    pub async fn postpone(&self, delivery: &Delivery, pause: Duration) -> Result<(), Failure> {
        let pause = Millis::try_from(pause.as_millis()).unwrap_or(Millis::MAX / 4);
        self.note(&delivery.due, Attempt::NotMade(self.clock().now() + pause)).await
    }

    /// Words and signs the callback.
    pub(super) async fn prepare(
        &self,
        notice: &Notice,
        order: Option<Order>,
    ) -> Result<Prepared, Failure> {
        let order = match order {
            Some(order) => order,
            None => self.order_of(notice).await?,
        };
        let endpoint = self.endpoint(notice.endpoint).await?;
        let endpoint = endpoint
            .ok_or_else(|| Failure::Internal(format!("no endpoint {}", notice.endpoint)))?;
        let merchant = self.merchant(endpoint.merchant).await?;
        let amendment = match notice.amendment {
            Some(id) => Some(self.amendment(&order, id).await?),
            None => None,
        };
        let seen = Seen { order, amendment, terms: endpoint.terms.clone() };
        let worded = (self.parts.callback_wording.word)(notice, &seen, &merchant.control_key);
        let mut secrets = vec![Zeroizing::new(merchant.control_key.to_string())];
        if let Ok(worded) = &worded {
            let private = worded.parameters.iter().filter(|(name, _)| PRIVATE.contains(name));
            secrets.extend(private.map(|(_, value)| Zeroizing::new(value.clone())));
        }
        let signing = self.webhook_signing(notice.endpoint).await?;
        let seconds = self.clock().now() / SECOND;
        let call = worded.map(|worded| signing.call(notice, worded, seconds));
        if let Ok(call) = &call {
            secrets.extend(call.signatures().map(|one| Zeroizing::new(one.to_owned())));
        }
        Ok(Prepared { call, webhooks: signing.webhooks, secrets })
    }

    /// Records what came of a claimed callback.
    async fn note(&self, due: &DueNotice, attempt: Attempt) -> Result<(), Failure> {
        Ok(self.store().note_attempt(result_of(due, attempt)).await?)
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
}

/// What is about to be sent.
pub(super) struct Prepared {
    /// A sentence for the log where the merchant's address is none.
    pub(super) call: Result<Call, String>,
    webhooks: Webhooks,
    /// What a receiver might repeat and nobody may keep.
    secrets: Vec<Zeroizing<String>>,
}

/// What came of a callback whose receiver was not asked.
fn result_of(due: &DueNotice, attempt: Attempt) -> NoticeResult {
    NoticeResult { id: due.notice.id, attempts: due.attempts, attempt, facts: None }
}

fn facts_of(
    sent: Result<Reply, String>,
    delivered: bool,
    secrets: &[Zeroizing<String>],
    made_at: Millis,
    took: Duration,
) -> AttemptFacts {
    let took = Millis::try_from(took.as_millis()).unwrap_or(Millis::MAX);
    match sent {
        Ok(Reply { status, address, answer, .. }) => AttemptFacts {
            made_at,
            took,
            address: address.map(|address| address.to_string()),
            http_status: Some(status),
            cause: (!delivered).then(|| format!("the receiver answered {status}")),
            answer: Some(scrubbed(&answer, answer.len() >= ANSWER_READ, secrets))
                .filter(|answer| !answer.is_empty()),
        },
        Err(why) => AttemptFacts {
            made_at,
            took,
            address: None,
            http_status: None,
            cause: Some(why),
            answer: None,
        },
    }
}

/// For the log and the figures.
fn tell(due: &DueNotice, attempt: Attempt, facts: &AttemptFacts) {
    let DueNotice { notice, attempts, .. } = due;
    let why = facts.cause.as_deref();
    match attempt {
        Attempt::Delivered => {
            tracing::debug!(order = %notice.order, attempts, "callback delivered");
        }
        _ => {
            tracing::warn!(order = %notice.order, attempts, why, next = ?attempt, "callback failed");
        }
    }
    count(notice.endpoint, attempt.outcome().unwrap_or("not_made"));
    if attempt == Attempt::GivenUp {
        let what = "a callback was given up after its last attempt; requeue it when the \
                    receiver works again";
        alert(notice.endpoint, "dead", what);
    }
}

/// Counts an attempt, or one that was not made through a fault of ours.
fn count(endpoint: EndpointId, outcome: &'static str) {
    let endpoint = endpoint.to_string();
    metrics::counter!(
        "tillgate_callback_attempts_total", "endpoint" => endpoint, "outcome" => outcome
    )
    .increment(1);
}

/// What somebody should look at: a line in the log that alerts can be made of, and a counter.
pub(super) fn alert(endpoint: EndpointId, alert: &'static str, what: &str) {
    tracing::error!(alert, %endpoint, "{what}");
    let endpoint = endpoint.to_string();
    metrics::counter!(
        "tillgate_callback_alerts_total", "endpoint" => endpoint, "alert" => alert
    )
    .increment(1);
}
