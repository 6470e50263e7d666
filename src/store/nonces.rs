//! Used nonces. They are written with their orders; here they are forgotten.

use super::{NonceMark, Store, StoreError};

const SEEN: &str = "SELECT COUNT(*) FROM nonces WHERE bucket = $1 AND digest = $2";
const FORGET: &str = "DELETE FROM nonces WHERE bucket < $1";

impl Store {
    /// Whether an order was made with this nonce.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn has_nonce(&self, nonce: &NonceMark) -> Result<bool, StoreError> {
        let seen: i64 = sqlx::query_scalar(SEEN)
            .bind(nonce.bucket)
            .bind(&nonce.digest)
            .fetch_one(&self.reads)
            .await?;
        Ok(seen > 0)
    }

    /// Forgets all nonces of buckets before `bucket`; answers how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn forget_nonces_before(&self, bucket: i64) -> Result<u64, StoreError> {
        let done = sqlx::query(FORGET).bind(bucket).execute(&self.writes).await?;
        Ok(done.rows_affected())
    }
}
