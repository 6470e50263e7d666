//! What cards and readers have used of an endpoint, where its limits count that. It is written with
//! the orders; here it is counted and forgotten.

use super::sql::sql;
use super::{Store, StoreError};
use crate::payment::Millis;
use crate::payment::ids::EndpointId;
use crate::payment::limits::{Subject, Used};

const USED: &str = "\
    SELECT COUNT(*), CAST(COALESCE(SUM(amount_minor), 0) AS BIGINT) FROM usages \
    WHERE endpoint_id = $1 AND subject_kind = $2 AND subject = $3 AND used_at > $4";
/// A piece at a time: sales wait while one is deleted.
const FORGET: &str = "\
    DELETE FROM usages WHERE (endpoint_id, subject_kind, subject, used_at, order_id) IN \
        (SELECT endpoint_id, subject_kind, subject, used_at, order_id FROM usages \
         WHERE used_at < $1 ORDER BY used_at LIMIT 1000)";

/// What a new order counts for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Usage {
    pub subject: Subject,
    pub amount_minor: i64,
}

impl Store {
    /// What a subject used of an endpoint after the moment `since`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn used(
        &self,
        endpoint: EndpointId,
        subject: &Subject,
        since: Millis,
    ) -> Result<Used, StoreError> {
        let statement = sql(USED)
            .bind(endpoint.0)
            .bind(subject.per.name())
            .bind(subject.name.as_str())
            .bind(since);
        let Some(mut row) = self.row(statement).await? else {
            return Ok(Used::default());
        };
        Ok(Used { count: row.int()?, sum_minor: row.int()? })
    }

    /// Forgets what was used before the moment `before`; answers how many rows.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn forget_usages_before(&self, before: Millis) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            match self.change(vec![sql(FORGET).bind(before)]).await?.changed {
                0 => return Ok(forgotten),
                piece => forgotten += piece,
            }
        }
    }
}
