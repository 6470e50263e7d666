//! Used nonces. Most are written with their orders; here they are forgotten.

use super::sql::sql;
use super::{NonceMark, Store, StoreError};

const SEEN: &str = "SELECT 1 FROM nonces WHERE bucket = $1 AND digest = $2";
const USE: &str = "INSERT INTO nonces (bucket, digest) VALUES ($1, $2) ON CONFLICT DO NOTHING";
/// A piece at a time: sales wait while one is deleted.
const FORGET: &str = "\
    DELETE FROM nonces WHERE (bucket, digest) IN \
        (SELECT bucket, digest FROM nonces WHERE bucket < $1 ORDER BY bucket, digest LIMIT 1000)";

impl Store {
    /// Whether an order was made with this nonce.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn has_nonce(&self, nonce: &NonceMark) -> Result<bool, StoreError> {
        let statement = sql(SEEN).bind(nonce.bucket).bind(&nonce.digest[..]);
        Ok(self.row(statement).await?.is_some())
    }

    /// Uses a nonce up for a request that makes no order; `false` when it was used before.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn use_nonce(&self, nonce: &NonceMark) -> Result<bool, StoreError> {
        let statement = sql(USE).bind(nonce.bucket).bind(&nonce.digest[..]);
        Ok(self.change(vec![statement]).await?.changed > 0)
    }

    /// Forgets all nonces of buckets before `bucket`; answers how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn forget_nonces_before(&self, bucket: i64) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            match self.change(vec![sql(FORGET).bind(bucket)]).await?.changed {
                0 => return Ok(forgotten),
                piece => forgotten += piece,
            }
        }
    }
}
