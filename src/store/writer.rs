//! The group-commit writer: all changes that wait are saved in one durable transaction, and each
//! caller hears its own result.
//!
//! There is no timer. While one commit is under way the next callers queue; when it ends, all of
//! them go into the next one. A lone caller is committed at once. SQLite has one writer,
//! PostgreSQL several, each with its share of the readers and orders.

use super::batch::{Batch, Claim, Reply, Write};
use super::connection::Connection;
use super::jobs::Job;
use super::notices::DueNotice;
use super::rows::OrderRow;
use super::sql::{Done, Statement};
use super::ticket::Ticket;
use super::usages::Usage;
use super::{Store, StoreError};
use crate::payment::Millis;
use crate::payment::ids::{JobId, MerchantId, NoticeId, OrderId};
use crate::payment::ksn::Ksn;
use crate::payment::ledger::Posting;
use crate::payment::notice::{Attempt, AttemptFacts, Notice};
use crate::payment::transition::Change;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How many changes may wait for one writer; the next caller is told to come back.
const QUEUE_MAX: usize = 8192;

/// A new order and all that is written with it.
#[derive(Debug)]
pub struct NewOrder {
    pub change: Change,
    pub merchant: MerchantId,
    pub notice: Option<Notice>,
    /// Keyed digest of the whole request: tells a repeated request from a different one.
    pub request_digest: String,
    pub card_sealed: Option<String>,
    /// Until when the job is this process's own, if it takes the step itself.
    pub leased_until: Option<Millis>,
    /// The counter of the reader's message, and the KSN with which its key began: a counter counts
    /// for one key only.
    pub counter: i64,
    pub initial_ksn: Ksn,
    /// The nonce that the request uses up, if it has one.
    pub nonce: Option<NonceMark>,
    pub phone: Option<PhoneSeen>,
    /// What its endpoint's limits count of it.
    pub usages: Vec<Usage>,
}

/// A used OAuth nonce: the time bucket it belongs to and its digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NonceMark {
    pub bucket: i64,
    pub digest: [u8; 16],
}

/// The mobile device that sent an order.
#[derive(Clone, Debug)]
pub struct PhoneSeen {
    pub phone_id: String,
    pub sdk_version: Option<String>,
}

/// What became of a new order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acceptance {
    Saved,
    /// The endpoint has an order with this `client_orderid` already.
    Duplicate(OrderId),
    CounterReplayed,
    NonceSeen,
}

/// A claimed job, and which claim of it: an owner whose lease ran out can save nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JobRef {
    pub id: JobId,
    pub claims: u32,
}

/// A step that was taken: the changed order, its job, and the callback it now owes.
#[derive(Debug)]
pub struct Advance {
    pub change: Change,
    pub job: JobRef,
    /// What it moves, in the books of the day that is open.
    pub postings: Vec<Posting>,
    pub notice: Option<Notice>,
    /// Until when the notice is this process's own, if it makes the first attempt itself.
    pub notice_leased_until: Option<Millis>,
}

/// What came of one attempt to deliver a callback.
#[derive(Clone, Debug)]
pub struct NoticeResult {
    pub id: NoticeId,
    /// Which attempt this was, from 1; an outdated one changes nothing.
    pub attempts: u32,
    pub attempt: Attempt,
    /// What is kept of it, if it was made.
    pub facts: Option<AttemptFacts>,
}

/// The queues in front of the writers.
pub(super) struct Writer {
    lanes: Vec<mpsc::Sender<Write>>,
    /// How long a new order waits for its writer before it is withdrawn.
    wait_max: Duration,
}

impl Writer {
    /// As many queues as there will be writers, and their other ends.
    pub(super) fn new(lanes: usize, wait_max: Duration) -> (Self, Vec<mpsc::Receiver<Write>>) {
        let (lanes, queues) = (0..lanes).map(|_| mpsc::channel(QUEUE_MAX)).unzip();
        (Self { lanes, wait_max }, queues)
    }

    /// Whether every writer is at work.
    pub(super) fn is_alive(&self) -> bool {
        self.lanes.iter().all(|lane| !lane.is_closed())
    }

    /// Saves what is queued, then ends the writers.
    pub(super) async fn stop(&self) {
        for lane in &self.lanes {
            // A writer that has ended already needs no stopping.
            let _ = lane.send(Write::Stop).await;
            lane.closed().await;
        }
    }

    /// Queues a write on the lane that `key` belongs to and waits for its commit.
    async fn save<T>(
        &self,
        key: i64,
        write: impl FnOnce(Reply<T>) -> Write,
    ) -> Result<T, StoreError> {
        heard(self.queue(key, write)?.await)
    }

    fn queue<T>(
        &self,
        key: i64,
        write: impl FnOnce(Reply<T>) -> Write,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError> {
        let (reply, result) = oneshot::channel();
        let lane = key.rem_euclid(i64::try_from(self.lanes.len()).unwrap_or(1));
        self.lanes[usize::try_from(lane).unwrap_or(0)]
            .try_send(write(reply))
            .map_err(|_| StoreError::Busy("too many changes are waiting".to_owned()))?;
        Ok(result)
    }
}

fn heard<T>(
    result: Result<Result<T, StoreError>, oneshot::error::RecvError>,
) -> Result<T, StoreError> {
    result.unwrap_or_else(|_| Err(StoreError::Busy("the writer has stopped".to_owned())))
}

impl Store {
    /// Saves a new order, unless it, its nonce or its reader's counter was there before.
    ///
    /// # Errors
    /// `Busy` when too much waits, when the writer does not get to it within a second, or when the
    /// database is away. Then nothing was saved, unless the database went away at the very moment
    /// of the commit and stayed away through all tries: nobody knows then, and the caller must
    /// look.
    pub async fn accept(&self, new: NewOrder) -> Result<Acceptance, StoreError> {
        let key = new.change.order.reader.0;
        let (row, ticket) = (Box::new(OrderRow::of(new)?), Ticket::default());
        let mut saved =
            self.writer.queue(key, |reply| Write::Accept(row, ticket.clone(), reply))?;
        match tokio::time::timeout(self.writer.wait_max, &mut saved).await {
            Err(_) if ticket.withdraw() => {
                Err(StoreError::Busy("the writer takes too long".to_owned()))
            }
            // The writer has it: only its word counts, however long it takes.
            Err(_) => heard(saved.await),
            Ok(result) => heard(result),
        }
    }

    /// Saves a step that was taken. `false` when somebody else changed the order meanwhile: then
    /// nothing was saved and the step's result must be dropped.
    ///
    /// # Errors
    /// As [`Store::accept`].
    pub async fn advance(&self, advance: Advance) -> Result<bool, StoreError> {
        let key = advance.change.order.id.0;
        self.writer.save(key, |reply| Write::Advance(Box::new(advance), reply)).await
    }

    /// Records an attempt to deliver.
    ///
    /// # Errors
    /// As [`Store::accept`].
    pub async fn note_attempt(&self, result: NoticeResult) -> Result<(), StoreError> {
        self.writer.save(result.id.0, |reply| Write::Note(result, reply)).await
    }

    /// Takes up to `most` due jobs for the caller alone, until `now + lease`.
    ///
    /// # Errors
    /// As [`Store::accept`].
    pub async fn claim_jobs(
        &self,
        most: u32,
        now: Millis,
        lease: Millis,
    ) -> Result<Vec<Job>, StoreError> {
        let claim = Claim { most, now, leased_until: now + lease };
        self.writer.save(0, |reply| Write::ClaimJobs(claim, reply)).await
    }

    /// Takes up to `most` due callbacks for the caller alone, until `now + lease`.
    ///
    /// # Errors
    /// As [`Store::accept`].
    pub async fn claim_notices(
        &self,
        most: u32,
        now: Millis,
        lease: Millis,
    ) -> Result<Vec<DueNotice>, StoreError> {
        let claim = Claim { most, now, leased_until: now + lease };
        self.writer.save(1, |reply| Write::ClaimNotices(claim, reply)).await
    }

    /// Runs statements in one transaction with whatever else waits, as sales are saved; each
    /// caller's in their order, and each caller hears of its own alone. For what many do at the
    /// same time.
    ///
    /// They must not fail by themselves (`ON CONFLICT DO NOTHING`, updates whose rows are counted):
    /// one that fails costs all others a second try. And when the word of a commit was lost they
    /// are run again, and then change nothing: whoever hears that looks whose row it is.
    ///
    /// # Errors
    /// As [`Store::accept`].
    pub(super) async fn change_together(
        &self,
        statements: Vec<Statement>,
    ) -> Result<Done, StoreError> {
        self.writer.save(0, |reply| Write::RunTogether(statements, reply)).await
    }

    /// Runs statements that are not on a sale's path; several of them in one transaction.
    pub(super) async fn change(&self, statements: Vec<Statement>) -> Result<Done, StoreError> {
        self.writer.save(0, |reply| Write::Run(statements, reply)).await
    }
}

/// One writer. The connection is declared last, so that it is closed before the queue is.
pub(super) async fn run(
    mut queue: mpsc::Receiver<Write>,
    batch_max: usize,
    mut connection: impl Connection,
) {
    let mut waiting = Vec::with_capacity(batch_max);
    let mut stopping = false;
    while !stopping && queue.recv_many(&mut waiting, batch_max).await > 0 {
        let batch = Batch::of(waiting.drain(..), &mut stopping);
        batch.save(&mut connection).await;
    }
}
