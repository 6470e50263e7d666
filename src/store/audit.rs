//! The audit log: rows are added at its end and read, never changed.

use super::sql::{Row, sql};
use super::{Store, StoreError, corrupt};
use crate::payment::audit::{AuditRow, Call};

const LAST: &str = "SELECT id, digest FROM audit ORDER BY id DESC LIMIT 1";
const AFTER: &str = "\
    SELECT id, at, operator, action, subject, status, request_id, digest FROM audit \
    WHERE id > $1 ORDER BY id LIMIT $2";
/// Whoever comes second to a place writes nothing.
const APPEND: &str = "\
    INSERT INTO audit (id, at, operator, action, subject, status, request_id, digest) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";

impl Store {
    /// Number and digest of the last row; none of an empty log.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn last_of_audit(&self) -> Result<Option<(i64, String)>, StoreError> {
        let row = self.row(sql(LAST)).await?;
        row.map(|mut row| Ok((row.int()?, row.text()?))).transpose()
    }

    /// So many rows with higher numbers than `after`, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn audit_after(&self, after: i64, most: u32) -> Result<Vec<AuditRow>, StoreError> {
        let rows = self.rows(sql(AFTER).bind(after).bind(i64::from(most))).await?;
        rows.into_iter().map(audit_from).collect()
    }

    /// Adds a row. `false` if its place is taken.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn append_audit(&self, row: &AuditRow) -> Result<bool, StoreError> {
        let AuditRow { id, call, digest } = row;
        let statement = sql(APPEND)
            .bind(*id)
            .bind(call.at)
            .bind(call.operator.as_str())
            .bind(call.action.as_str())
            .bind(call.subject.as_str())
            .bind(i64::from(call.status))
            .bind(call.request_id.as_str())
            .bind(digest.as_str());
        Ok(self.change(vec![statement]).await?.changed > 0)
    }
}

fn audit_from(mut row: Row) -> Result<AuditRow, StoreError> {
    Ok(AuditRow {
        id: row.int()?,
        call: Call {
            at: row.int()?,
            operator: row.text()?,
            action: row.text()?,
            subject: row.text()?,
            status: u16::try_from(row.int()?).map_err(|_| corrupt("status"))?,
            request_id: row.text()?,
        },
        digest: row.text()?,
    })
}
