//! The steps that an order takes after it was accepted: authorise, inquire, reverse.
//!
//! Each is repeatable. A job that was claimed before may have been sent before, so the second
//! owner asks the acquirer first and never sends blindly.

use super::card_vault::VaultError;
use super::deliver::{Delivery, NOTICE_LEASE};
use super::{Failure, Gateway};
use crate::acquirer::{CardForHost, Fault, Reference};
use crate::crypto::card_data::ClearCard;
use crate::payment::host::{Authorisation, Inquiry};
use crate::payment::ids::OrderId;
use crate::payment::order::{Order, Status};
use crate::payment::transition::{self, Event, Step};
use crate::payment::{Millis, SECOND};
use crate::store::{Advance, Job, JobRef, NewOrder};
use std::future::Future;

/// What a job's lease lasts beyond the two calls that a step may make: to ask, then to send.
const LEASE_MARGIN: Millis = 20 * SECOND;

/// A step to take: its job, and what this process already knows of its order.
#[derive(Debug)]
pub struct Work {
    pub job: Job,
    /// Until when the job is the owner's alone.
    leased_until: Millis,
    known: Option<Known>,
}

/// An order as this process has just saved it, with its sealed card.
#[derive(Debug)]
struct Known {
    order: Order,
    card_sealed: Option<String>,
}

impl Work {
    /// The first step of an order that is about to be saved; `None` if it is final already.
    pub(super) fn of_new(new: &NewOrder) -> Option<Self> {
        let (planned, leased_until) = (new.change.next?, new.leased_until?);
        let order = new.change.order.clone();
        let job = Job { id: new.job, order: order.id, step: planned.step, claims: 1, tries: 1 };
        Some(Self {
            job,
            leased_until,
            known: Some(Known { order, card_sealed: new.card_sealed.clone() }),
        })
    }
}

impl Gateway {
    /// Takes up to `most` due jobs from the database for this worker alone.
    ///
    /// # Errors
    /// `Unavailable` when the database is away.
    pub async fn claim_jobs(&self, most: u32) -> Result<Vec<Work>, Failure> {
        let (now, lease) = (self.clock().now(), self.job_lease());
        let jobs = self.store().claim_jobs(most, now, lease).await?;
        let leased_until = now + lease;
        Ok(jobs.into_iter().map(|job| Work { job, leased_until, known: None }).collect())
    }

    /// Gives back a step that nobody began.
    ///
    /// # Errors
    /// `Unavailable` when the database is away: then the lease runs its time.
    pub async fn give_back_work(&self, work: &Work) -> Result<(), Failure> {
        Ok(self.store().give_back_job(work.job.id, work.job.claims).await?)
    }

    /// How long a claimed job belongs to its worker.
    pub(super) fn job_lease(&self) -> Millis {
        2 * self.acquirer_timeout() + LEASE_MARGIN
    }

    fn acquirer_timeout(&self) -> Millis {
        Millis::try_from(self.parts.acquirer_timeout.as_millis()).unwrap_or(Millis::MAX / 4)
    }

    /// Takes one step of an order and saves what came of it. After an error the job comes back
    /// when its lease ends.
    ///
    /// # Errors
    /// `Unavailable` when the database is away, `Internal` for what cannot be.
    pub async fn take_step(&self, work: Work) -> Result<(), Failure> {
        let Work { job, leased_until, known } = work;
        let Known { order, card_sealed } = match known {
            Some(known) => known,
            None => self.load(job.order).await?,
        };
        if !is_due_in(job.step, order.status) {
            // The worker whose lease ran out was not dead, only slow.
            tracing::debug!(order = %order.id, step = ?job.step, "somebody else has taken this step");
            return Ok(());
        }
        let event = match job.step {
            Step::Authorise { round } => {
                let attempt = SendAttempt { round, perhaps_sent: job.tries > 1, leased_until };
                match self.authorise(&order, card_sealed.as_deref(), attempt).await? {
                    Some(event) => event,
                    None => return self.pass_on(job).await,
                }
            }
            Step::Inquire { round } => self.inquire(&order, round).await,
            Step::Reverse { round } => self.reverse(&order, round).await,
        };
        self.record(order, event, job).await
    }

    async fn record(&self, order: Order, event: Event, job: Job) -> Result<(), Failure> {
        let (id, now) = (order.id, self.clock().now());
        tracing::debug!(order = %id, step = ?job.step, outcome = ?event, "step taken");
        let change = transition::apply(order, event, now)
            .map_err(|illegal| Failure::Internal(illegal.to_string()))?;
        let notice = self.notice_of(&change.order).await?;
        let more_to_do = change.next.is_some_and(|planned| planned.due_at <= now);
        let place = match &notice {
            Some(_) => self.callbacks.reserve().await,
            None => None,
        };
        let delivery =
            notice.clone().map(|notice| Delivery::first(notice, &change.order, now + NOTICE_LEASE));
        let notice_leased_until = place.is_some().then_some(now + NOTICE_LEASE);
        let job = JobRef { id: job.id, claims: job.claims };
        let advance = Advance { change, job, notice, notice_leased_until };
        if !self.store().advance(advance).await? {
            tracing::warn!(order = %id, "another worker was faster; this result is dropped");
            return Ok(());
        }
        match (delivery, place) {
            (Some(delivery), Some(place)) => place.fill(delivery),
            (Some(_), None) => self.callbacks.left_in_database(),
            (None, _) => {}
        }
        if more_to_do {
            self.jobs.left_in_database();
        }
        Ok(())
    }

    /// Leaves a step to its next owner. What certainly was not sent is given back as such, so that
    /// a slow hour does not turn fresh orders into doubtful ones.
    async fn pass_on(&self, job: Job) -> Result<(), Failure> {
        tracing::warn!(order = %job.order, "no time left to send; the next owner goes on");
        if job.tries == 1 {
            self.store().give_back_job(job.id, job.claims).await?;
            self.jobs.left_in_database();
        }
        Ok(())
    }

    async fn load(&self, id: OrderId) -> Result<Known, Failure> {
        let found = self.store().order_with_card(id).await?;
        let (order, card_sealed) =
            found.ok_or_else(|| Failure::Internal(format!("no order {id}")))?;
        Ok(Known { order, card_sealed })
    }

    /// Sends the transaction. `None` when the lease leaves no time for an answer: then the next
    /// owner goes on, and nobody sends behind its back.
    async fn authorise(
        &self,
        order: &Order,
        card_sealed: Option<&str>,
        attempt: SendAttempt,
    ) -> Result<Option<Event>, Failure> {
        if attempt.perhaps_sent {
            match self.ask(order).await {
                // Safe to send: should the first request still arrive, the host knows it by the
                // same reference and makes one transaction of both.
                Inquiry::NotFound => {}
                Inquiry::Answered(answer) => return Ok(Some(Event::Answered(answer))),
                Inquiry::Undecided => return Ok(Some(Event::AnswerLost)),
            }
        }
        let Some(clear) = self.open_card_of(order, card_sealed).await? else {
            let lost = attempt.perhaps_sent;
            return Ok(Some(if lost { Event::AnswerLost } else { Event::Unsendable }));
        };
        if self.clock().now() + self.acquirer_timeout() > attempt.leased_until {
            return Ok(None);
        }
        let card = CardForHost {
            pan: &clear.pan,
            expiry: clear.expiry,
            entry_mode: order.card.entry_mode,
        };
        let reference = reference(order);
        let answered = self.in_time(self.parts.acquirer.authorise(&reference, card)).await;
        Ok(Some(match answered {
            Ok(Authorisation::Answered(answer)) => Event::Answered(answer),
            Ok(Authorisation::Pending { ask_after }) => Event::Pending { ask_after },
            // Our own request was not sent, but an earlier owner's may have been.
            Err(Fault::NotSent(_)) if attempt.perhaps_sent => Event::AnswerLost,
            Err(Fault::NotSent(_)) => Event::NotSent { round: attempt.round },
            Err(Fault::Unknown(_)) => Event::AnswerLost,
        }))
    }

    async fn inquire(&self, order: &Order, round: u32) -> Event {
        match self.ask(order).await {
            Inquiry::Answered(answer) => Event::Answered(answer),
            // Here nothing is sent again, so "not found" brings no decision nearer: the request
            // may still be on its way, and only an acknowledged reversal ends that.
            Inquiry::NotFound | Inquiry::Undecided => Event::StillUndecided { round },
        }
    }

    async fn reverse(&self, order: &Order, round: u32) -> Event {
        let reference = reference(order);
        match self.in_time(self.parts.acquirer.reverse(&reference)).await {
            Ok(()) => Event::ReversalAcknowledged,
            Err(_) => Event::ReversalUnanswered { round },
        }
    }

    async fn ask(&self, order: &Order) -> Inquiry {
        let reference = reference(order);
        let asked = self.in_time(self.parts.acquirer.inquire(&reference)).await;
        asked.unwrap_or(Inquiry::Undecided)
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let limit = self.parts.acquirer_timeout;
        let late = |_| Fault::Unknown(format!("no answer within {} ms", limit.as_millis()));
        tokio::time::timeout(limit, call).await.map_err(late)?
    }

    async fn open_card_of(
        &self,
        order: &Order,
        sealed: Option<&str>,
    ) -> Result<Option<ClearCard>, Failure> {
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        match self.vault.open(self.surroundings(), order.id, sealed).await {
            Ok(clear) => Ok(ClearCard::parse(&clear).ok()),
            Err(VaultError::Gone) => Ok(None),
            Err(VaultError::Store(error)) => Err(error.into()),
        }
    }
}

/// How a transaction is about to be sent.
#[derive(Clone, Copy)]
struct SendAttempt {
    round: u32,
    /// An earlier owner of the job may have sent it.
    perhaps_sent: bool,
    leased_until: Millis,
}

/// Whether an order in this status still wants this step.
fn is_due_in(step: Step, status: Status) -> bool {
    match step {
        Step::Authorise { .. } | Step::Inquire { .. } => status == Status::Processing,
        Step::Reverse { .. } => status == Status::Unknown,
    }
}

fn reference(order: &Order) -> Reference {
    Reference {
        order: order.id,
        kind: order.kind,
        amount: order.amount,
        terminal_id: order.request.terminal_id.clone(),
    }
}
