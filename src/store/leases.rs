//! Leases: given back, taken over, ended, and those that outlived their owner. Where only one
//! process can have the database, whatever is leased when it opens was leased by a process that is
//! gone, and is due at once. Where several share it, each lease runs its time.

use super::connection::Connection;
use super::sql::{Done, sql};
use super::writer::JobRef;
use super::{Store, StoreError, corrupt};
use crate::payment::Millis;
use crate::payment::ids::{JobId, ReaderId};

const RELEASE: [&str; 2] = [
    "UPDATE jobs SET due_at = 0 WHERE tries > 0",
    "UPDATE notices SET due_at = 0 WHERE state = 'sending'",
];

/// Names the claim it belongs to and ends it, so that a repeat matches nothing.
const GIVE_BACK_JOB: &str = "\
    UPDATE jobs SET due_at = 0, tries = tries - 1, claims = claims + 1 \
    WHERE id = $1 AND claims = $2";

const END_JOB: &str = "DELETE FROM jobs WHERE id = $1 AND claims = $2";
const POSTPONE_JOB: &str = "\
    UPDATE jobs SET due_at = $3, tries = 0 WHERE id = $1 AND claims = $2";

/// A counter that is used again by the same message is still its reader's last.
const RAISE_COUNTER: &str =
    "UPDATE readers SET last_counter = $2 WHERE id = $1 AND last_counter < $2";
/// Whatever its lease: the owner so far can save nothing any more.
const TAKE_OVER_JOB: &str = "\
    UPDATE jobs SET claims = claims + 1 \
    WHERE id = $1 AND step = $2 \
      AND EXISTS (SELECT 1 FROM readers WHERE id = $3 AND last_counter = $4) \
    RETURNING claims";
const SEIZE_JOB: &str = "UPDATE jobs SET claims = claims + 1 WHERE id = $1 RETURNING claims";

/// A reader's message, by its counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CounterMark {
    pub reader: ReaderId,
    pub counter: i64,
    /// Whether this message is the first to use the counter; without that it must be the reader's
    /// last already.
    pub is_new: bool,
}

impl Store {
    /// Ends a job that has nothing left to do. `false` when somebody else owns it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn end_job(&self, job: JobRef) -> Result<bool, StoreError> {
        let statement = sql(END_JOB).bind(job.id.0).bind(i64::from(job.claims));
        Ok(self.change(vec![statement]).await?.changed > 0)
    }

    /// Lets a claimed job wait for something else. `false` when somebody else owns it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn postpone_job(&self, job: JobRef, due_at: Millis) -> Result<bool, StoreError> {
        let statement = sql(POSTPONE_JOB).bind(job.id.0).bind(i64::from(job.claims)).bind(due_at);
        Ok(self.change(vec![statement]).await?.changed > 0)
    }

    /// Takes a job from whoever has it, if it is for this step, and uses up the counter of the
    /// reader's message that asks for it, if it has one of its own. `None` if the job is for
    /// another step, or no longer there, or the counter was passed before.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn take_over_job(
        &self,
        id: JobId,
        step: &'static str,
        message: CounterMark,
    ) -> Result<Option<JobRef>, StoreError> {
        let CounterMark { reader, counter, is_new } = message;
        let raise = is_new.then(|| sql(RAISE_COUNTER).bind(reader.0).bind(counter));
        let take = sql(TAKE_OVER_JOB).bind(id.0).bind(step).bind(reader.0).bind(counter);
        taken(id, self.change(raise.into_iter().chain([take]).collect()).await?)
    }

    /// Takes a job from whoever has it. `None` if there is none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn seize_job(&self, id: JobId) -> Result<Option<JobRef>, StoreError> {
        taken(id, self.change(vec![sql(SEIZE_JOB).bind(id.0)]).await?)
    }

    /// Gives back a claimed job on which nothing was done.
    ///
    /// # Errors
    /// When the database cannot be written; then the lease runs its time.
    pub async fn give_back_job(&self, id: JobId, claims: u32) -> Result<(), StoreError> {
        let statement = sql(GIVE_BACK_JOB).bind(id.0).bind(i64::from(claims));
        self.change(vec![statement]).await.map(drop)
    }
}

/// The claim by which a job was taken, if it was.
fn taken(id: JobId, done: Done) -> Result<Option<JobRef>, StoreError> {
    let Some(mut row) = done.rows.into_iter().next() else {
        return Ok(None);
    };
    let claims = u32::try_from(row.int()?).map_err(|_| corrupt("claims"))?;
    Ok(Some(JobRef { id, claims }))
}

/// Ends all leases.
pub(super) async fn release_all(connection: &mut impl Connection) -> Result<(), StoreError> {
    connection.run(&RELEASE.map(sql)).await.map(drop)
}
