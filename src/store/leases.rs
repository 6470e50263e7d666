//! Leases that outlived their owner. Where only one process can have the database, whatever is
//! leased when it opens was leased by a process that is gone, and is due at once. Where several
//! share it, each lease runs its time.

use super::{Store, StoreError};
use crate::payment::ids::{JobId, NoticeId};
use sqlx::AnyPool;

const RELEASE: [&str; 2] = [
    "UPDATE jobs SET due_at = 0 WHERE tries > 0",
    "UPDATE notices SET due_at = 0 WHERE due_at IS NOT NULL AND state = 'sending'",
];

const GIVE_BACK_JOB: &str = "\
    UPDATE jobs SET due_at = 0, tries = tries - 1 WHERE id = $1 AND tries > 0";
const GIVE_BACK_NOTICE: &str = "\
    UPDATE notices SET due_at = 0, attempts = attempts - 1, state = 'waiting' \
    WHERE id = $1 AND state = 'sending'";

/// How often giving back is tried: once for each connection that may have died with its thread,
/// and once more.
const TRIES: usize = 8;

impl Store {
    /// Gives back a leased job on which nothing was done.
    ///
    /// # Errors
    /// When the database cannot be written; then the lease runs its time.
    pub async fn give_back_job(&self, id: JobId) -> Result<(), StoreError> {
        self.give_back(GIVE_BACK_JOB, id.0).await
    }

    /// Gives back a leased notice that nobody tried to deliver.
    ///
    /// # Errors
    /// When the database cannot be written; then the lease runs its time.
    pub async fn give_back_notice(&self, id: NoticeId) -> Result<(), StoreError> {
        self.give_back(GIVE_BACK_NOTICE, id.0).await
    }

    async fn give_back(&self, statement: &'static str, id: i64) -> Result<(), StoreError> {
        for _ in 1..TRIES {
            if sqlx::query(statement).bind(id).execute(&self.writes).await.is_ok() {
                return Ok(());
            }
        }
        sqlx::query(statement).bind(id).execute(&self.writes).await?;
        Ok(())
    }
}

/// Ends all leases.
pub(super) async fn release_all(pool: &AnyPool) -> Result<(), StoreError> {
    for statement in RELEASE {
        sqlx::query(statement).execute(pool).await?;
    }
    Ok(())
}
