//! The outbox: callbacks that are owed, claimed like jobs.

use super::{Store, StoreError, corrupt};
use crate::payment::ids::{EndpointId, NoticeId, OrderId};
use crate::payment::notice::Notice;
use crate::payment::order::Status;
use sqlx::Row;
use sqlx::any::AnyRow;

/// A claimed callback, with the number of the attempt that its owner is about to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DueNotice {
    pub notice: Notice,
    pub attempts: u32,
}

impl DueNotice {
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let status = row.try_get::<String, _>("status")?;
        let attempts = u32::try_from(row.try_get::<i64, _>("attempts")?);
        Ok(Self {
            notice: Notice {
                id: NoticeId(row.try_get("id")?),
                order: OrderId(row.try_get("order_id")?),
                endpoint: EndpointId(row.try_get("endpoint_id")?),
                url: row.try_get("url")?,
                status: Status::from_name(&status).ok_or_else(|| corrupt("status"))?,
            },
            attempts: attempts.map_err(|_| corrupt("attempts"))?,
        })
    }
}

pub(super) const CLAIM_NOTICES: &str = "\
    UPDATE notices SET state = 'sending', due_at = $1, attempts = attempts + 1 \
    WHERE id IN (SELECT id FROM notices WHERE due_at <= $2 ORDER BY due_at LIMIT $3) \
      AND due_at <= $2 \
    RETURNING id, order_id, endpoint_id, url, status, attempts";

/// Where a notice stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoticeState {
    pub id: NoticeId,
    /// `waiting`, `sending`, `delivered` or `dead`.
    pub state: String,
    pub attempts: i64,
    pub due_at: Option<i64>,
}

const BY_ORDER: &str = "\
    SELECT id, state, attempts, due_at FROM notices WHERE order_id = $1 ORDER BY id";

impl Store {
    /// The notices of one order, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn notices_of(&self, order: OrderId) -> Result<Vec<NoticeState>, StoreError> {
        let rows = sqlx::query(BY_ORDER).bind(order.0).fetch_all(&self.reads).await?;
        let read = |row: &AnyRow| {
            Ok(NoticeState {
                id: NoticeId(row.try_get("id")?),
                state: row.try_get("state")?,
                attempts: row.try_get("attempts")?,
                due_at: row.try_get("due_at")?,
            })
        };
        rows.iter().map(read).collect()
    }
}
