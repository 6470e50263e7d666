//! Used nonces. They are written with their orders; here they are forgotten.

use super::{Store, StoreError};

const FORGET: &str = "DELETE FROM nonces WHERE bucket < $1";

impl Store {
    /// Forgets all nonces of buckets before `bucket`; answers how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn forget_nonces_before(&self, bucket: i64) -> Result<u64, StoreError> {
        let done = sqlx::query(FORGET).bind(bucket).execute(&self.writes).await?;
        Ok(done.rows_affected())
    }
}
