//! One transaction's worth of changes: committed together, answered one by one.

use super::StoreError;
use super::dialect::Dialect;
use super::jobs::{CLAIM_JOBS, Job};
use super::notices::{CLAIM_NOTICES, DueNotice};
use super::scribe::Scribe;
use super::writer::{Acceptance, Advance, NewOrder, NoticeResult};
use crate::payment::Millis;
use sqlx::AnyPool;
use std::time::Duration;
use tokio::sync::oneshot;

/// How many changes go into one transaction at most.
pub(super) const BATCH_MAX: usize = 1024;
/// How often a batch is tried while the database is busy.
const TRIES: u32 = 5;
/// The wait after the first busy try; each later one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(10);

/// Asks for due work: at most this much, due by `now`, the caller's until `leased_until`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) most: u32,
    pub(super) now: Millis,
    pub(super) leased_until: Millis,
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

pub(super) enum Write {
    Accept(Box<NewOrder>, Reply<Acceptance>),
    Advance(Box<Advance>, Reply<bool>),
    Note(NoticeResult, Reply<()>),
    ClaimJobs(Claim, Reply<Vec<Job>>),
    ClaimNotices(Claim, Reply<Vec<DueNotice>>),
    Stop,
}

/// One transaction's worth of writes, by kind.
#[derive(Default)]
pub(super) struct Batch {
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
    pub(super) fn of(writes: impl Iterator<Item = Write>, stopping: &mut bool) -> Self {
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
    pub(super) async fn save(self, pool: &AnyPool, dialect: Dialect) {
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
