//! The group-commit writer: all changes that wait are saved in one durable transaction, and each
//! caller hears its own result.
//!
//! There is no timer. While one commit is under way the next callers queue; when it ends, all of
//! them go into the next one. A lone caller is committed at once. SQLite has one writer,
//! PostgreSQL several, each with its share of the readers and orders.

use super::dialect::Dialect;
use super::jobs::{CLAIM_JOBS, Job};
use super::notices::{CLAIM_NOTICES, DueNotice};
use super::rows::{self, AcceptRow, AdvanceRow, JobRow, NoteRow, NoticeRow, PhoneRow, PlanRow};
use super::{Store, StoreError, corrupt};
use crate::payment::Millis;
use crate::payment::ids::{JobId, MerchantId, NoticeId, OrderId};
use crate::payment::notice::{Attempt, Notice};
use crate::payment::transition::Change;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, AnyPool, Row, Transaction};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// How many changes may wait for one writer; the next caller is told to come back.
const QUEUE_MAX: usize = 8192;
/// How many changes go into one transaction at most.
const BATCH_MAX: usize = 1024;
/// How often a batch is tried while the database is busy.
const TRIES: u32 = 5;
/// The wait after the first busy try; each later one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(10);

/// A new order and all that is written with it.
#[derive(Debug)]
pub struct NewOrder {
    pub change: Change,
    pub merchant: MerchantId,
    pub job: JobId,
    pub notice: Option<Notice>,
    /// Keyed digest of the whole request: tells a repeated request from a different one.
    pub request_digest: String,
    pub card_sealed: Option<String>,
    /// The counter of the reader's message.
    pub counter: i64,
    pub nonce: NonceMark,
    pub phone: PhoneSeen,
}

/// A used OAuth nonce: the time bucket it belongs to and its digest.
#[derive(Clone, Debug)]
pub struct NonceMark {
    pub bucket: i64,
    /// Lower-case hex.
    pub digest: String,
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

/// Names a claimed job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JobRef {
    pub id: JobId,
}

/// A step that was taken: the changed order, its job, and the callback it now owes.
#[derive(Debug)]
pub struct Advance {
    pub change: Change,
    pub job: JobRef,
    pub notice: Option<Notice>,
}

/// What came of one attempt to deliver a callback.
#[derive(Clone, Copy, Debug)]
pub struct NoticeResult {
    pub id: NoticeId,
    /// Which attempt this was, from 1; an outdated one changes nothing.
    pub attempts: u32,
    pub attempt: Attempt,
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    most: u32,
    now: Millis,
    leased_until: Millis,
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Write {
    Accept(Box<NewOrder>, Reply<Acceptance>),
    Advance(Box<Advance>, Reply<bool>),
    Note(NoticeResult, Reply<()>),
    ClaimJobs(Claim, Reply<Vec<Job>>),
    ClaimNotices(Claim, Reply<Vec<DueNotice>>),
    Stop,
}

/// The queues in front of the writers.
pub(super) struct Writer {
    lanes: Vec<mpsc::Sender<Write>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(pool: &AnyPool, dialect: Dialect) -> Self {
        let (lanes, tasks) = (0..dialect.writers())
            .map(|_| {
                let (lane, queue) = mpsc::channel(QUEUE_MAX);
                let task = tokio::spawn(run(pool.clone(), dialect, queue));
                (lane, task)
            })
            .unzip();
        Self { lanes, tasks: Mutex::new(tasks) }
    }

    /// Saves what is queued, then ends the writers.
    pub(super) async fn stop(&self) {
        for lane in &self.lanes {
            // A writer that has ended already needs no stopping.
            let _ = lane.send(Write::Stop).await;
        }
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            let _ = task.await;
        }
    }

    /// Queues a write on the lane that `key` belongs to and waits for its commit.
    async fn save<T>(
        &self,
        key: i64,
        write: impl FnOnce(Reply<T>) -> Write,
    ) -> Result<T, StoreError> {
        let (reply, result) = oneshot::channel();
        let lane = key.rem_euclid(i64::try_from(self.lanes.len()).unwrap_or(1));
        self.lanes[usize::try_from(lane).unwrap_or(0)]
            .try_send(write(reply))
            .map_err(|_| StoreError::Busy("too many changes are waiting".to_owned()))?;
        result.await.unwrap_or_else(|_| Err(StoreError::Busy("the writer has stopped".to_owned())))
    }
}

impl Store {
    /// Saves a new order, unless it, its nonce or its reader's counter was there before.
    ///
    /// # Errors
    /// `Busy` when too much waits or the database is away: nothing was saved.
    pub async fn accept(&self, new: NewOrder) -> Result<Acceptance, StoreError> {
        let key = new.change.order.reader.0;
        self.writer.save(key, |reply| Write::Accept(Box::new(new), reply)).await
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
}

async fn run(pool: AnyPool, dialect: Dialect, mut queue: mpsc::Receiver<Write>) {
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    let mut stopping = false;
    while !stopping && queue.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        let batch = Batch::of(waiting.drain(..), &mut stopping);
        batch.save(&pool, dialect).await;
    }
}

/// One transaction's worth of writes, by kind.
#[derive(Default)]
struct Batch {
    accepts: Vec<(Box<NewOrder>, Reply<Acceptance>)>,
    advances: Vec<(Box<Advance>, Reply<bool>)>,
    notes: Vec<(NoticeResult, Reply<()>)>,
    job_claims: Vec<(Claim, Reply<Vec<Job>>)>,
    notice_claims: Vec<(Claim, Reply<Vec<DueNotice>>)>,
}

/// What a batch's callers are told, in the batch's order.
#[derive(Default)]
struct Results {
    accepts: Vec<Acceptance>,
    advances: Vec<bool>,
    job_claims: Vec<Vec<Job>>,
    notice_claims: Vec<Vec<DueNotice>>,
}

impl Batch {
    fn of(writes: impl Iterator<Item = Write>, stopping: &mut bool) -> Self {
        let mut batch = Self::default();
        for write in writes {
            match write {
                Write::Accept(new, reply) => batch.accepts.push((new, reply)),
                Write::Advance(advance, reply) => batch.advances.push((advance, reply)),
                Write::Note(note, reply) => batch.notes.push((note, reply)),
                Write::ClaimJobs(claim, reply) => batch.job_claims.push((claim, reply)),
                Write::ClaimNotices(claim, reply) => batch.notice_claims.push((claim, reply)),
                Write::Stop => *stopping = true,
            }
        }
        batch
    }

    fn len(&self) -> usize {
        self.accepts.len()
            + self.advances.len()
            + self.notes.len()
            + self.job_claims.len()
            + self.notice_claims.len()
    }

    /// Commits and answers. If the database refuses the whole, each member is tried alone, so
    /// that one bad change never takes its neighbours down.
    async fn save(self, pool: &AnyPool, dialect: Dialect) {
        match self.commit_patiently(pool, dialect).await {
            Ok(results) => self.answer(results),
            Err(StoreError::Broken(why)) if self.len() > 1 => {
                tracing::warn!(
                    members = self.len(),
                    why,
                    "a batch failed; trying each member alone"
                );
                for single in self.singles() {
                    match single.commit_patiently(pool, dialect).await {
                        Ok(results) => single.answer(results),
                        Err(error) => single.fail(&error),
                    }
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    async fn commit_patiently(
        &self,
        pool: &AnyPool,
        dialect: Dialect,
    ) -> Result<Results, StoreError> {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            match self.commit(pool, dialect).await {
                Err(StoreError::Busy(why)) => tracing::debug!(why, "the database is busy"),
                result => return result,
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        self.commit(pool, dialect).await
    }

    async fn commit(&self, pool: &AnyPool, dialect: Dialect) -> Result<Results, StoreError> {
        let mut transaction = pool.begin_with(dialect.begin()).await?;
        let mut results = Results::default();
        let mut scribe = Scribe { transaction: &mut transaction, dialect };
        results.accepts = scribe.accept(&self.accepts).await?;
        results.advances = scribe.advance(&self.advances).await?;
        scribe.note(&self.notes).await?;
        for (claim, _) in &self.job_claims {
            results.job_claims.push(scribe.claim(CLAIM_JOBS, *claim, Job::from_row).await?);
        }
        for (claim, _) in &self.notice_claims {
            let due = scribe.claim(CLAIM_NOTICES, *claim, DueNotice::from_row).await?;
            results.notice_claims.push(due);
        }
        transaction.commit().await?;
        Ok(results)
    }

    /// A caller that has gone away is not told; what was saved stays saved.
    fn answer(self, results: Results) {
        fn tell<I, T>(callers: Vec<(I, Reply<T>)>, results: Vec<T>) {
            for ((_, reply), result) in callers.into_iter().zip(results) {
                let _ = reply.send(Ok(result));
            }
        }
        let notes = vec![(); self.notes.len()];
        tell(self.accepts, results.accepts);
        tell(self.advances, results.advances);
        tell(self.notes, notes);
        tell(self.job_claims, results.job_claims);
        tell(self.notice_claims, results.notice_claims);
    }

    fn fail(self, error: &StoreError) {
        fn tell<I, T>(callers: Vec<(I, Reply<T>)>, error: &StoreError) {
            for (_, reply) in callers {
                let _ = reply.send(Err(match error {
                    StoreError::Busy(why) => StoreError::Busy(why.clone()),
                    StoreError::Broken(why) => StoreError::Broken(why.clone()),
                }));
            }
        }
        tell(self.accepts, error);
        tell(self.advances, error);
        tell(self.notes, error);
        tell(self.job_claims, error);
        tell(self.notice_claims, error);
    }

    fn singles(self) -> Vec<Self> {
        let mut singles = Vec::with_capacity(self.len());
        let alone = Self::default;
        singles.extend(self.accepts.into_iter().map(|m| Self { accepts: vec![m], ..alone() }));
        singles.extend(self.advances.into_iter().map(|m| Self { advances: vec![m], ..alone() }));
        singles.extend(self.notes.into_iter().map(|m| Self { notes: vec![m], ..alone() }));
        singles
            .extend(self.job_claims.into_iter().map(|m| Self { job_claims: vec![m], ..alone() }));
        singles.extend(
            self.notice_claims.into_iter().map(|m| Self { notice_claims: vec![m], ..alone() }),
        );
        singles
    }
}

/// Writes one batch into its transaction: look, decide, write.
struct Scribe<'a> {
    transaction: &'a mut Transaction<'static, Any>,
    dialect: Dialect,
}

impl Scribe<'_> {
    fn connection(&mut self) -> &mut AnyConnection {
        self.transaction
    }

    /// Runs a hot statement on rows, if there are any; answers how many it changed.
    async fn run<T: Serialize>(
        &mut self,
        statement: &'static str,
        rows: &[T],
    ) -> Result<u64, StoreError> {
        if rows.is_empty() {
            return Ok(0);
        }
        let done =
            sqlx::query(statement).bind(rows::json(rows)?).execute(self.connection()).await?;
        Ok(done.rows_affected())
    }

    async fn accept(
        &mut self,
        accepts: &[(Box<NewOrder>, Reply<Acceptance>)],
    ) -> Result<Vec<Acceptance>, StoreError> {
        if accepts.is_empty() {
            return Ok(Vec::new());
        }
        let hot = self.dialect.hot();
        let rows: Vec<_> = accepts
            .iter()
            .enumerate()
            .map(|(place, (new, _))| AcceptRow::of(place, new))
            .collect::<Result<_, _>>()?;
        let known = self.look(hot.look, &rows).await?;
        let verdicts = judge(&rows, &known);
        let saved = |index: &usize| verdicts[*index] == Acceptance::Saved;
        let kept: Vec<_> = (0..rows.len()).filter(saved).collect();
        let orders: Vec<_> = kept.iter().map(|index| &rows[*index]).collect();
        let counters = highest_counters(&orders);

        let nonces = self.run(hot.insert_nonces, &orders).await?;
        let raised = self.run(hot.raise_counters, &counters).await?;
        let inserted = self.run(hot.insert_orders, &orders).await?;
        let all = orders.len() as u64;
        if nonces != all || raised != counters.len() as u64 || inserted != all {
            // Another writer was faster between our look and our write; look again.
            return Err(StoreError::Busy("another instance took the same order".to_owned()));
        }
        let new = || kept.iter().map(|index| &accepts[*index].0);
        self.run(hot.insert_phones, &PhoneRow::distinct(new())).await?;
        self.run(hot.insert_jobs, &new().filter_map(|n| JobRow::of(n)).collect::<Vec<_>>()).await?;
        let notices: Vec<_> = new()
            .filter_map(|n| n.notice.as_ref().map(|notice| NoticeRow::of(notice, &n.change)))
            .collect();
        self.run(hot.insert_notices, &notices).await?;
        Ok(verdicts)
    }

    async fn look(
        &mut self,
        statement: &'static str,
        rows: &[AcceptRow],
    ) -> Result<Vec<Known>, StoreError> {
        let found =
            sqlx::query(statement).bind(rows::json(rows)?).fetch_all(self.connection()).await?;
        let mut known: Vec<_> = rows.iter().map(|_| Known::default()).collect();
        for row in found {
            let place =
                usize::try_from(row.try_get::<i64, _>("place")?).map_err(|_| corrupt("place"))?;
            *known.get_mut(place).ok_or_else(|| corrupt("place"))? = Known {
                order: row.try_get::<Option<i64>, _>("order_id")?.map(OrderId),
                last_counter: row.try_get("last_counter")?,
                nonce_seen: row.try_get::<i64, _>("nonce_seen")? != 0,
            };
        }
        Ok(known)
    }

    async fn advance(
        &mut self,
        advances: &[(Box<Advance>, Reply<bool>)],
    ) -> Result<Vec<bool>, StoreError> {
        if advances.is_empty() {
            return Ok(Vec::new());
        }
        let hot = self.dialect.hot();
        let rows: Vec<_> = advances
            .iter()
            .map(|(advance, _)| AdvanceRow::of(&advance.change))
            .collect::<Result<_, _>>()?;
        let returned = sqlx::query(hot.advance_orders)
            .bind(rows::json(&rows)?)
            .fetch_all(self.connection())
            .await?;
        let mut current = returned
            .iter()
            .map(|row| row.try_get::<i64, _>(0))
            .collect::<Result<HashSet<_>, _>>()?;
        // Two advances of one order in one batch: the first counts, the second is stale.
        let saved: Vec<_> =
            advances.iter().map(|(a, _)| current.remove(&a.change.order.id.0)).collect();
        let done = || advances.iter().zip(&saved).filter(|(_, saved)| **saved).map(|(a, _)| &a.0);

        let plans: Vec<_> = done().filter_map(|a| PlanRow::of(a)).collect();
        let ended: Vec<_> =
            done().filter(|a| a.change.next.is_none()).map(|a| a.job.id.0).collect();
        let notices: Vec<_> = done()
            .filter_map(|a| a.notice.as_ref().map(|notice| NoticeRow::of(notice, &a.change)))
            .collect();
        self.run(hot.plan_jobs, &plans).await?;
        self.run(hot.end_jobs, &ended).await?;
        self.run(hot.insert_notices, &notices).await?;
        Ok(saved)
    }

    async fn note(&mut self, notes: &[(NoticeResult, Reply<()>)]) -> Result<(), StoreError> {
        let rows: Vec<_> = notes.iter().map(|(note, _)| NoteRow::of(note)).collect();
        self.run(self.dialect.hot().note_attempts, &rows).await.map(drop)
    }

    async fn claim<T>(
        &mut self,
        statement: &'static str,
        claim: Claim,
        read: impl Fn(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        sqlx::query(statement)
            .bind(claim.leased_until)
            .bind(claim.now)
            .bind(i64::from(claim.most))
            .fetch_all(self.connection())
            .await?
            .iter()
            .map(read)
            .collect()
    }
}

/// What the database held about one new order before the batch.
#[derive(Default)]
struct Known {
    order: Option<OrderId>,
    last_counter: Option<i64>,
    nonce_seen: bool,
}

/// Decides each new order, as if they had come one after the other.
fn judge(rows: &[AcceptRow], known: &[Known]) -> Vec<Acceptance> {
    let mut orders: HashMap<(i64, &str), OrderId> = HashMap::new();
    let mut counters: HashMap<i64, i64> = HashMap::new();
    let mut nonces: HashSet<(i64, &str)> = HashSet::new();
    rows.iter()
        .zip(known)
        .map(|(row, known)| {
            let name = (row.endpoint_id, row.client_orderid.as_str());
            let nonce = (row.nonce_bucket, row.nonce_digest.as_str());
            // A reader that is not there has no counter that could rise.
            let last =
                *counters.get(&row.reader_id).unwrap_or(&known.last_counter.unwrap_or(i64::MAX));
            if known.nonce_seen || nonces.contains(&nonce) {
                return Acceptance::NonceSeen;
            }
            if let Some(earlier) = known.order.or_else(|| orders.get(&name).copied()) {
                return Acceptance::Duplicate(earlier);
            }
            if row.counter <= last {
                return Acceptance::CounterReplayed;
            }
            orders.insert(name, OrderId(row.id));
            counters.insert(row.reader_id, row.counter);
            nonces.insert(nonce);
            Acceptance::Saved
        })
        .collect()
}

/// One row per reader, so that a statement never updates a reader twice.
fn highest_counters<'a>(orders: &[&'a AcceptRow]) -> Vec<&'a AcceptRow> {
    let mut highest: HashMap<i64, &AcceptRow> = HashMap::new();
    for row in orders {
        // Accepted counters of one reader rise from row to row.
        highest.insert(row.reader_id, row);
    }
    let mut rows: Vec<_> = highest.into_values().collect();
    // The same order in every writer keeps their row locks from crossing.
    rows.sort_by_key(|row| row.reader_id);
    rows
}
