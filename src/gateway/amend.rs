//! Later transactions on an order: opened when a merchant asks for them or a hold's time is over,
//! and carried out step by step.

use super::authorise::sent;
use super::registry::Merchant;
use super::watch::{Scope, Watched};
use super::{Accepted, Failure, Gateway};
use crate::acquirer::{Fault, Reference};
use crate::payment::amend::{History, Request};
use crate::payment::amendment::{self, Amendment, Kind};
use crate::payment::decline::APPROVED;
use crate::payment::host::{HostAnswer, Inquiry};
use crate::payment::ids::{AmendmentId, JobId, OrderId};
use crate::payment::ledger;
use crate::payment::merchant::Terms;
use crate::payment::money::Amount;
use crate::payment::notice::Notice;
use crate::payment::order::{self, Order, Outcome, Status};
use crate::payment::transition::{Event, Step};
use crate::payment::{HOUR, Millis};
use crate::store::{AmendmentAdvance, Job, JobRef};
use futures_util::future::join_all;
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// How many orders can be amended at the same moment.
const ORDERS_AT_ONCE: usize = 64;
/// How often an order is read again because another instance has amended it.
const TRIES: usize = 8;

/// How long a hold whose time is over waits for a transaction that is under way.
const HOLD_PAUSE: Millis = HOUR;

/// What a merchant asks for, in the gateway's own words. The door has checked who it is.
pub struct AmendIntent {
    pub merchant: Arc<Merchant>,
    pub scope: Scope,
    pub order: OrderId,
    pub client_orderid: String,
    pub request: Request,
    pub comment: Option<String>,
    /// Whether the comment names it: asked for again, it is the same transaction.
    pub once: bool,
}

/// An amendment that may be opened.
struct Draft {
    kind: Kind,
    amount: Amount,
    comment: Option<String>,
    /// The gate's day in which it may be opened, where that counts.
    day: Option<i64>,
    /// Which of the order's amendments it is to be, from 1.
    ordinal: u32,
}

/// One caller at a time for each order, so that those of one process are not in each other's way.
/// What counts is the order's version in the database.
pub(super) struct Turnstiles([Mutex<()>; ORDERS_AT_ONCE]);

impl Turnstiles {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }

    async fn enter(&self, order: OrderId) -> MutexGuard<'_, ()> {
        let place = order.0.unsigned_abs() % (ORDERS_AT_ONCE as u64);
        self.0[usize::try_from(place).unwrap_or(0)].lock().await
    }
}

impl Gateway {
    /// Opens a later transaction on an order. The answer is given only when it is durable.
    ///
    /// # Errors
    /// `Refused` with nothing stored, or `Unavailable`.
    pub async fn amend(self: &Arc<Self>, intent: AmendIntent) -> Result<Accepted, Failure> {
        // A task of its own, as for orders: whoever hangs up does not cut it short.
        let gateway = Arc::clone(self);
        let task = tokio::spawn(async move { gateway.amend_to_the_end(&intent).await });
        task.await.unwrap_or_else(|error| Err(Failure::Internal(error.to_string())))
    }

    async fn amend_to_the_end(&self, intent: &AmendIntent) -> Result<Accepted, Failure> {
        let _turn = self.turnstiles.enter(intent.order).await;
        for _ in 0..TRIES {
            let watched = Watched {
                scope: intent.scope,
                client_orderid: intent.client_orderid.clone(),
                order: Some(intent.order),
            };
            let order = self.watch(&intent.merchant, &watched).await?;
            self.admit_at_gate(order.endpoint).await?;
            let day = match intent.request {
                Request::Void(_) => Some(self.gate(order.endpoint).await?.day),
                Request::Capture(_) | Request::Return(_) => None,
            };
            let amendments = self.store().amendments_of(&order).await?;
            let same = |known: &&Amendment| intent.once && known.comment == intent.comment;
            if let Some(known) = amendments.iter().find(same) {
                return Ok(Accepted { order: order.id, serial: known.serial });
            }
            let terms = self.terms_of(&order).await?;
            let day_is_open = match day {
                Some(day) => self.is_all_of(day, &order, &amendments).await?,
                None => false,
            };
            let history = History { order: &order, amendments: &amendments, day_is_open };
            let (kind, amount) = history
                .judge(intent.request, &terms, self.clock().now())
                .map_err(|refusal| Failure::refused(refusal, told(&history, intent.request)))?;
            let comment = intent.comment.clone();
            let draft = Draft { kind, amount, comment, day, ordinal: next(&amendments) };
            if let Some(accepted) = self.open_amendment(&order, draft).await? {
                return Ok(accepted);
            }
            self.forget_gates();
        }
        Err(Failure::Unavailable("other instances keep changing this order".to_owned()))
    }

    /// Saves a new amendment of the order as it was read; `None` when it has changed since, or its
    /// gate was shut.
    async fn open_amendment(
        &self,
        order: &Order,
        draft: Draft,
    ) -> Result<Option<Accepted>, Failure> {
        let Draft { kind, amount, comment, day, ordinal } = draft;
        let now = self.clock().now();
        let change = amendment::open(Amendment {
            id: self.store().next_amendment_id().await?,
            order: order.id,
            ordinal,
            kind,
            status: Status::Processing,
            amount,
            serial: self.store().next_serial().await?,
            comment,
            outcome: Outcome::default(),
            created_at: now,
            updated_at: now,
            version: 0,
        });
        if !self.store().open_amendment(order, &change, day).await? {
            return Ok(None);
        }
        self.jobs.left_in_database();
        Ok(Some(Accepted { order: order.id, serial: change.amendment.serial }))
    }

    /// Whether all that the order took stands in the books of this day.
    async fn is_all_of(
        &self,
        day: i64,
        order: &Order,
        amendments: &[Amendment],
    ) -> Result<bool, Failure> {
        let taken = match order.kind {
            order::Kind::Sale => vec![order.id.0],
            order::Kind::Preauth => captures(amendments).map(|capture| capture.id.0).collect(),
            order::Kind::Refund => Vec::new(),
        };
        for transaction in taken {
            if !self.store().is_posted_on(order.endpoint, day, transaction).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A hold's time is over: it is cancelled, unless somebody has captured or cancelled it.
    pub(super) async fn release_hold(&self, order: &Order, job: Job) -> Result<(), Failure> {
        let _turn = self.turnstiles.enter(order.id).await;
        let amendments = self.store().amendments_of(order).await?;
        let history = History { order, amendments: &amendments, day_is_open: false };
        let job = JobRef { id: job.id, claims: job.claims };
        let lapses = history.lapses();
        if lapses == Some(false) {
            return Ok(self.store().end_job(job).await.map(drop)?);
        }
        if lapses == Some(true) {
            let comment = Some("the hold has expired".to_owned());
            let (kind, amount, ordinal) = (Kind::Cancel, order.amount, next(&amendments));
            let draft = Draft { kind, amount, comment, day: None, ordinal };
            self.open_amendment(order, draft).await?;
        }
        // The job stays until the cancel is approved: one that fails is followed by another.
        let due_at = self.clock().now() + HOLD_PAUSE;
        Ok(self.store().postpone_job(job, due_at).await.map(drop)?)
    }

    /// Takes one step of an amendment and saves what came of it.
    pub(super) async fn take_step_of_amendment(
        &self,
        order: &Order,
        job: Job,
        leased_until: Millis,
    ) -> Result<(), Failure> {
        let amendments = self.store().amendments_of(order).await?;
        let found = amendments.iter().find(|amendment| JobId::from(amendment.id) == job.id);
        let amendment =
            found.ok_or_else(|| Failure::Internal(format!("job {} has no amendment", job.id)))?;
        if amendment.status.is_final() {
            tracing::debug!(order = %order.id, step = ?job.step, "somebody else has taken this step");
            return Ok(());
        }
        let on = Target { order, amendment, amendments: &amendments };
        let event = match job.step {
            Step::Amend { round } => {
                if self.clock().now() + 2 * self.acquirer_timeout() > leased_until {
                    return self.pass_on(job).await;
                }
                self.send(on, round, job.tries > 1).await
            }
            Step::Inquire { round } => self.inquire_amendment(on, round).await,
            Step::Repeat { round } => match self.send(on, round, true).await {
                Event::Answered(answer) => Event::Answered(answer),
                _ => Event::RepeatUnanswered { round },
            },
            other => {
                return Err(Failure::Internal(format!("{other:?} is no step of an amendment")));
            }
        };
        let job = JobRef { id: job.id, claims: job.claims };
        self.record_amendment(order, amendment.clone(), event, job).await.map(drop)
    }

    /// Sends an amendment to the acquirer; if it may have been sent before, asks first.
    async fn send(&self, on: Target<'_>, round: u32, perhaps_sent: bool) -> Event {
        if let Kind::Cancel | Kind::Void = on.amendment.kind {
            return self.undo(on, round, perhaps_sent).await;
        }
        let reference = on.reference();
        if perhaps_sent && let Inquiry::Answered(answer) = self.ask(&reference).await {
            return Event::Answered(answer);
        }
        let acquirer = &self.parts.acquirer;
        // The host knows it by its reference: sent again, it is the same transaction.
        let answered = match on.amendment.kind {
            Kind::Capture => self.in_time(acquirer.capture(&reference)).await,
            _ => self.in_time(acquirer.refund(&reference)).await,
        };
        sent(answered, round, perhaps_sent)
    }

    /// A cancel and a void have no transaction of their own at the acquirer: what they undo is
    /// reversed, and the acknowledgement is the approval.
    async fn undo(&self, on: Target<'_>, round: u32, perhaps_sent: bool) -> Event {
        let undone = on.undone();
        // All at once: the lease does not grow with their number.
        let reverse = |reference| self.in_time(self.parts.acquirer.reverse(reference));
        let results = join_all(undone.iter().map(reverse)).await;
        let certainly_not = |result: &Result<(), Fault>| matches!(result, Err(Fault::NotSent(_)));
        // Nothing to undo is nothing done: a void without its captures is not approved.
        if results.iter().all(certainly_not) {
            let fault = Fault::NotSent("nothing was undone".to_owned());
            return sent(Err(fault), round, perhaps_sent);
        }
        match results.iter().all(Result::is_ok) {
            true => Event::Answered(done()),
            false => Event::AnswerLost,
        }
    }

    /// Asks for an amendment; what has no transaction of its own there is done again instead.
    async fn inquire_amendment(&self, on: Target<'_>, round: u32) -> Event {
        match on.amendment.kind {
            Kind::Capture | Kind::Reversal => self.inquire(&on.reference(), round).await,
            Kind::Cancel | Kind::Void => match self.undo(on, round, true).await {
                Event::Answered(answer) => Event::Answered(answer),
                _ => Event::StillUndecided { round },
            },
        }
    }

    /// Saves what an event makes of an amendment, with what it moves and the callback it owes.
    /// `false` when somebody else owns the job: then nothing was saved.
    pub(super) async fn record_amendment(
        &self,
        order: &Order,
        amendment: Amendment,
        event: Event,
        job: JobRef,
    ) -> Result<bool, Failure> {
        let (id, now) = (amendment.id, self.clock().now());
        tracing::debug!(order = %order.id, amendment = %id, outcome = ?event, "step taken");
        let change = amendment::apply(amendment, event, now)
            .map_err(|illegal| Failure::Internal(illegal.to_string()))?;
        let fee = self.terms_of(order).await?.fee;
        let advance = AmendmentAdvance {
            claims: job.claims,
            endpoint: order.endpoint,
            postings: ledger::of_amendment(&change.amendment, fee).collect(),
            notice: self.notice_of_amendment(order, &change.amendment).await?,
            change,
        };
        if !self.store().advance_amendment(&advance).await? {
            tracing::warn!(amendment = %id, "another worker was faster; this result is dropped");
            return Ok(false);
        }
        self.bells.ring(order.id);
        if advance.notice.is_some() {
            self.callbacks.left_in_database();
        }
        if advance.change.next.is_some_and(|planned| planned.due_at <= now) {
            self.jobs.left_in_database();
        }
        Ok(true)
    }

    async fn notice_of_amendment(
        &self,
        order: &Order,
        amendment: &Amendment,
    ) -> Result<Option<Notice>, Failure> {
        if !amendment.status.is_final() || order.request.later_callback_url.is_none() {
            return Ok(None);
        }
        let id = self.store().next_notice_id().await?;
        Ok(Notice::for_amendment(id, order, amendment))
    }

    /// What was agreed about the endpoint of an order.
    pub(super) async fn terms_of(&self, order: &Order) -> Result<Terms, Failure> {
        let endpoint = self.endpoint(order.endpoint).await?;
        let endpoint =
            endpoint.ok_or_else(|| Failure::Internal(format!("no endpoint {}", order.endpoint)))?;
        Ok(endpoint.terms.clone())
    }

    /// A later transaction on an order.
    pub(super) async fn amendment(
        &self,
        order: &Order,
        id: AmendmentId,
    ) -> Result<Amendment, Failure> {
        let amendments = self.store().amendments_of(order).await?;
        let found = amendments.into_iter().find(|amendment| amendment.id == id);
        found.ok_or_else(|| Failure::Internal(format!("order {} has no {id}", order.id)))
    }
}

/// An amendment to be carried out, and the order that it is about.
#[derive(Clone, Copy)]
struct Target<'a> {
    order: &'a Order,
    amendment: &'a Amendment,
    amendments: &'a [Amendment],
}

impl Target<'_> {
    fn reference(&self) -> Reference {
        Reference::of_amendment(self.order, self.amendment)
    }

    /// What a cancel or a void undoes: the opening transaction, or all captures before it. One that
    /// was undone before is undone again, which changes nothing.
    fn undone(&self) -> Vec<Reference> {
        match (self.order.kind, self.amendment.kind) {
            (order::Kind::Preauth, Kind::Void) => captures(self.amendments)
                .filter(|capture| capture.ordinal < self.amendment.ordinal)
                .map(|capture| Reference::of_amendment(self.order, capture))
                .collect(),
            _ => vec![Reference::of_order(self.order)],
        }
    }
}

/// The ordinal of the order's next amendment.
fn next(amendments: &[Amendment]) -> u32 {
    amendments.last().map_or(1, |last| last.ordinal.saturating_add(1))
}

fn captures(amendments: &[Amendment]) -> impl Iterator<Item = &Amendment> {
    amendments.iter().filter(|one| one.kind == Kind::Capture && one.status == Status::Approved)
}

fn done() -> HostAnswer {
    HostAnswer {
        response_code: APPROVED.to_owned(),
        approval_code: None,
        rrn: None,
        processor_tx_id: None,
        issuer_data: None,
    }
}

/// Why a request was refused, for the log.
fn told(history: &History<'_>, request: Request) -> String {
    let earlier: Vec<_> = history
        .amendments
        .iter()
        .map(|one| format!("{} of {} {}", one.kind.name(), one.amount, one.status.name()))
        .collect();
    let order = history.order;
    format!(
        "{request:?} of {} order {} of {}, after [{}], its day is {}",
        order.status.name(),
        order.id,
        order.amount,
        earlier.join(", "),
        if history.day_is_open { "open" } else { "closed or not asked for" }
    )
}
