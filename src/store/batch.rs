//! One transaction's worth of changes: committed together, answered one by one.

use super::StoreError;
use super::connection::Connection;
use super::jobs::Job;
use super::notices::DueNotice;
use super::rows::OrderRow;
use super::sql::{Done, Statement};
use super::ticket::Ticket;
use super::writer::{Acceptance, Advance, NewOrder, NoticeResult};
use crate::payment::Millis;
use std::time::Duration;
use tokio::sync::oneshot;

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
    Accept(Box<OrderRow>, Ticket, Reply<Acceptance>),
    Advance(Box<Advance>, Reply<bool>),
    Note(NoticeResult, Reply<()>),
    ClaimJobs(Claim, Reply<Vec<Job>>),
    ClaimNotices(Claim, Reply<Vec<DueNotice>>),
    RunTogether(Vec<Statement>, Reply<Done>),
    Run(Vec<Statement>, Reply<Done>),
    Stop,
}

/// One transaction's worth of writes, by kind.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) accepts: Vec<(Box<OrderRow>, Reply<Acceptance>)>,
    pub(super) advances: Vec<(Box<Advance>, Reply<bool>)>,
    pub(super) notes: Vec<(NoticeResult, Reply<()>)>,
    pub(super) job_claims: Vec<(Claim, Reply<Vec<Job>>)>,
    pub(super) notice_claims: Vec<(Claim, Reply<Vec<DueNotice>>)>,
    /// Other statements, each caller's in their order.
    pub(super) together: Vec<(Vec<Statement>, Reply<Done>)>,
    /// Each in a transaction of its own, after the others.
    statements: Vec<(Vec<Statement>, Reply<Done>)>,
}

/// What a batch's callers are told, in the batch's order.
#[derive(Default)]
pub(super) struct Results {
    pub(super) accepts: Vec<Acceptance>,
    pub(super) advances: Vec<bool>,
    pub(super) job_claims: Vec<Vec<Job>>,
    pub(super) notice_claims: Vec<Vec<DueNotice>>,
    pub(super) together: Vec<Done>,
}

impl Batch {
    pub(super) fn of(writes: impl Iterator<Item = Write>, stopping: &mut bool) -> Self {
        let mut batch = Self::default();
        for write in writes {
            match write {
                Write::Accept(row, ticket, reply) if ticket.take_up() => {
                    batch.accepts.push((row, reply));
                }
                Write::Accept(..) => {}
                Write::Advance(advance, reply) => batch.advances.push((advance, reply)),
                Write::Note(note, reply) => batch.notes.push((note, reply)),
                Write::ClaimJobs(claim, reply) => batch.job_claims.push((claim, reply)),
                Write::ClaimNotices(claim, reply) => batch.notice_claims.push((claim, reply)),
                Write::RunTogether(statements, reply) => batch.together.push((statements, reply)),
                Write::Run(statements, reply) => batch.statements.push((statements, reply)),
                Write::Stop => *stopping = true,
            }
        }
        batch
    }

    /// The new orders that are saved.
    pub(super) fn saved<'a>(&'a self, results: &'a Results) -> impl Iterator<Item = &'a NewOrder> {
        let told = self.accepts.iter().zip(&results.accepts);
        told.filter(|(_, told)| **told == Acceptance::Saved).map(|((row, _), _)| &row.new)
    }

    fn len(&self) -> usize {
        self.accepts.len()
            + self.advances.len()
            + self.notes.len()
            + self.job_claims.len()
            + self.notice_claims.len()
            + self.together.len()
    }

    /// Commits and answers. If the database refuses the whole, each member is tried alone, so
    /// that one bad change never takes its neighbours down.
    pub(super) async fn save(mut self, connection: &mut impl Connection) {
        let statements = std::mem::take(&mut self.statements);
        if self.len() > 0 {
            self.save_changes(connection).await;
        }
        for (statements, reply) in statements {
            let _ = reply.send(connection.run(&statements).await);
        }
    }

    async fn save_changes(self, connection: &mut impl Connection) {
        match self.commit_patiently(connection).await {
            Ok(results) => {
                metrics::counter!("tillgate_commits_total").increment(1);
                self.answer(results);
            }
            Err(StoreError::Broken(why) | StoreError::Taken(why)) if self.len() > 1 => {
                tracing::warn!(
                    members = self.len(),
                    why,
                    "a batch failed; trying each member alone"
                );
                for single in self.singles() {
                    match single.commit_patiently(connection).await {
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
        connection: &mut impl Connection,
    ) -> Result<Results, StoreError> {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            match connection.commit(self).await {
                Err(StoreError::Busy(why)) => tracing::debug!(why, "the database is busy"),
                result => return result,
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        connection.commit(self).await
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
        tell(self.together, results.together);
    }

    fn fail(self, error: &StoreError) {
        fn tell<I, T>(callers: Vec<(I, Reply<T>)>, error: &StoreError) {
            for (_, reply) in callers {
                let _ = reply.send(Err(error.clone()));
            }
        }
        tell(self.accepts, error);
        tell(self.advances, error);
        tell(self.notes, error);
        tell(self.job_claims, error);
        tell(self.notice_claims, error);
        tell(self.together, error);
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
        singles.extend(self.together.into_iter().map(|m| Self { together: vec![m], ..alone() }));
        singles
    }
}
