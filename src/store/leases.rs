//! Leases that outlived their owner. Where only one process can have the database, whatever is
//! leased when it opens was leased by a process that is gone, and is due at once. Where several
//! share it, each lease runs its time.

use super::{Store, StoreError};
use crate::payment::ids::JobId;
use sqlx::AnyPool;

const RELEASE: [&str; 2] = [
    "UPDATE jobs SET due_at = 0 WHERE tries > 0",
    "UPDATE notices SET due_at = 0 WHERE due_at IS NOT NULL AND state = 'sending'",
];

/// Names the claim it belongs to and ends it, so that a repeat matches nothing.
const GIVE_BACK_JOB: &str = "\
    UPDATE jobs SET due_at = 0, tries = tries - 1, claims = claims + 1 \
    WHERE id = $1 AND claims = $2";

/// How often giving back is tried: once for each connection that may have died with its thread,
/// and once more.
const TRIES: usize = 8;

impl Store {
    /// Gives back a claimed job on which nothing was done.
    ///
    /// # Errors
    /// When the database cannot be written; then the lease runs its time.
    pub async fn give_back_job(&self, id: JobId, claims: u32) -> Result<(), StoreError> {
        let statement = || sqlx::query(GIVE_BACK_JOB).bind(id.0).bind(i64::from(claims));
        for _ in 1..TRIES {
            if statement().execute(&self.writes).await.is_ok() {
                return Ok(());
            }
        }
        statement().execute(&self.writes).await?;
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
