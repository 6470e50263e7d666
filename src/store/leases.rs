//! Leases that outlived their owner. Where only one process can have the database, whatever is
//! leased when it opens was leased by a process that is gone, and is due at once. Where several
//! share it, each lease runs its time.

use super::connection::Connection;
use super::sql::sql;
use super::{Store, StoreError};
use crate::payment::ids::JobId;

const RELEASE: [&str; 2] = [
    "UPDATE jobs SET due_at = 0 WHERE tries > 0",
    "UPDATE notices SET due_at = 0 WHERE due_at IS NOT NULL AND state = 'sending'",
];

/// Names the claim it belongs to and ends it, so that a repeat matches nothing.
const GIVE_BACK_JOB: &str = "\
    UPDATE jobs SET due_at = 0, tries = tries - 1, claims = claims + 1 \
    WHERE id = $1 AND claims = $2";

impl Store {
    /// Gives back a claimed job on which nothing was done.
    ///
    /// # Errors
    /// When the database cannot be written; then the lease runs its time.
    pub async fn give_back_job(&self, id: JobId, claims: u32) -> Result<(), StoreError> {
        let statement = sql(GIVE_BACK_JOB).bind(id.0).bind(i64::from(claims));
        self.change(vec![statement]).await.map(drop)
    }
}

/// Ends all leases.
pub(super) async fn release_all(connection: &mut impl Connection) -> Result<(), StoreError> {
    connection.run(&RELEASE.map(sql)).await.map(drop)
}
