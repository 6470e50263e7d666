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

impl Store {
    /// Gives back a leased job on which nothing was done.
    ///
    /// # Errors
    /// When the database cannot be written; then the lease runs its time.
    pub async fn give_back_job(&self, id: JobId) -> Result<(), StoreError> {
        sqlx::query(GIVE_BACK_JOB).bind(id.0).execute(&self.writes).await?;
        Ok(())
    }

    /// Gives back a leased notice that nobody tried to deliver.
    ///
    /// # Errors
    /// When the database cannot be written; then the lease runs its time.
    pub async fn give_back_notice(&self, id: NoticeId) -> Result<(), StoreError> {
        sqlx::query(GIVE_BACK_NOTICE).bind(id.0).execute(&self.writes).await?;
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
