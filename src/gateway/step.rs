//! Taking the one step that a transaction needs: claimed or handed over, taken, saved.
//!
//! Each step is repeatable. A job that was claimed before may have been sent before, so the second
//! owner asks the acquirer first and never sends blindly.

use super::deliver::{Delivery, NOTICE_LEASE};
use super::{Failure, Gateway};
use crate::acquirer::{Fault, Reference};
use crate::payment::host::Inquiry;
use crate::payment::ids::{JobId, OrderId};
use crate::payment::order::{Order, Stage, Status};
use crate::payment::transition::{self, Event, Step};
use crate::payment::{Millis, SECOND, ledger};
use crate::store::{Advance, Job, JobRef, NewOrder};
use std::future::Future;

/// What a job's lease lasts beyond the two calls that a step may make: to ask, then to send.
const LEASE_MARGIN: Millis = 20 * SECOND;

/// A step to take: its job, and what this process already knows of its order.
#[derive(Debug)]
pub struct Work {
    pub job: Job,
    /// Until when the job is the owner's alone.
    pub(super) leased_until: Millis,
    known: Option<Known>,
}

/// An order as this process has just saved or read it, with its sealed card.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) order: Order,
    pub(super) card_sealed: Option<String>,
}

impl Work {
    /// The first step of an order that is about to be saved; `None` if it is final already.
    pub(super) fn of_new(new: &NewOrder) -> Option<Self> {
        let (planned, leased_until) = (new.change.next?, new.leased_until?);
        let order = new.change.order.clone();
        let id = JobId::from(order.id);
        let job = Job { id, order: order.id, step: planned.step, claims: 1, tries: 1 };
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

    pub(super) fn acquirer_timeout(&self) -> Millis {
        Millis::try_from(self.parts.acquirer_timeout.as_millis()).unwrap_or(Millis::MAX / 4)
    }

    /// Takes one step of a transaction and saves what came of it. After an error the job comes back
    /// when its lease ends.
    ///
    /// # Errors
    /// `Unavailable` when the database is away, `Internal` for what cannot be.
    pub async fn take_step(&self, work: Work) -> Result<(), Failure> {
        let Work { job, leased_until, known } = work;
        let known = match known {
            Some(known) => known,
            None => self.load(job.order).await?,
        };
        if job.id != JobId::from(job.order) {
            return self.take_step_of_amendment(&known.order, job, leased_until).await;
        }
        let order = &known.order;
        if !is_due_in(job.step, order) {
            // The worker whose lease ran out was not dead, only slow.
            tracing::debug!(order = %order.id, step = ?job.step, "somebody else has taken this step");
            return Ok(());
        }
        let event = match job.step {
            Step::Authorise { round } => {
                match self.authorise(&known, job, round, leased_until).await? {
                    Some(event) => event,
                    None => return self.pass_on(job).await,
                }
            }
            Step::Inquire { round } => self.inquire(&Reference::of_order(order), round).await,
            Step::Reverse { round } => self.reverse(order, round).await,
            Step::AwaitAdvice => Event::AdviceMissing,
            Step::Advise { round } => self.advise(order, round).await,
            Step::Expire => return self.release_hold(order, job).await,
            Step::Amend { .. } | Step::Repeat { .. } => {
                return Err(Failure::Internal(format!("{:?} is no step of an order", job.step)));
            }
        };
        self.record(known.order, event, JobRef { id: job.id, claims: job.claims }).await.map(drop)
    }

    /// Saves what an event makes of an order, with what it moves and the callback it owes, and
    /// rings for whoever waits for the order. `false` when somebody else owns the job: then nothing
    /// was saved.
    pub(super) async fn record(
        &self,
        order: Order,
        event: Event,
        job: JobRef,
    ) -> Result<bool, Failure> {
        let (id, now) = (order.id, self.clock().now());
        tracing::debug!(order = %id, outcome = ?event, "step taken");
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
        let fee = self.terms_of(&change.order).await?.fee;
        let postings = ledger::of_order(&change.order, fee).collect();
        let advance = Advance { change, job, postings, notice, notice_leased_until };
        if !self.store().advance(advance).await? {
            tracing::warn!(order = %id, "another worker was faster; this result is dropped");
            return Ok(false);
        }
        self.bells.ring(id);
        match (delivery, place) {
            (Some(delivery), Some(place)) => place.fill(delivery),
            (Some(_), None) => self.callbacks.left_in_database(),
            (None, _) => {}
        }
        if more_to_do {
            self.jobs.left_in_database();
        }
        Ok(true)
    }

    /// Leaves a step to its next owner. What certainly was not sent is given back as such, so that
    /// a slow hour does not turn fresh orders into doubtful ones.
    pub(super) async fn pass_on(&self, job: Job) -> Result<(), Failure> {
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

    pub(super) async fn inquire(&self, reference: &Reference, round: u32) -> Event {
        match self.ask(reference).await {
            Inquiry::Answered(answer) => Event::Answered(answer),
            // Here nothing is sent again, so "not found" brings no decision nearer: the request
            // may still be on its way.
            Inquiry::NotFound | Inquiry::Undecided => Event::StillUndecided { round },
        }
    }

    pub(super) async fn ask(&self, reference: &Reference) -> Inquiry {
        let asked = self.in_time(self.parts.acquirer.inquire(reference)).await;
        asked.unwrap_or(Inquiry::Undecided)
    }

    pub(super) async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let limit = self.parts.acquirer_timeout;
        let late = |_| Fault::Unknown(format!("no answer within {} ms", limit.as_millis()));
        tokio::time::timeout(limit, call).await.map_err(late)?
    }
}

/// Whether an order in this state still wants this step.
fn is_due_in(step: Step, order: &Order) -> bool {
    let at = |stage| !order.status.is_final() && order.stage == stage;
    match step {
        Step::Authorise { .. } | Step::Inquire { .. } => {
            at(Stage::Processing) || at(Stage::EmvProcessing)
        }
        Step::Reverse { .. } => at(Stage::AutoReversalProcessing),
        Step::AwaitAdvice => at(Stage::EmvValidating),
        Step::Advise { .. } => at(Stage::EmvAdviceProcessing),
        Step::Expire => order.status == Status::Approved,
        // Not of an order; taking it says so.
        Step::Amend { .. } | Step::Repeat { .. } => true,
    }
}
