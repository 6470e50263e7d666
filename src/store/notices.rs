//! The outbox: callbacks that are owed, claimed like jobs.

use super::sql::{Row, sql};
use super::{Store, StoreError, corrupt};
use crate::payment::ids::{AmendmentId, EndpointId, NoticeId, OrderId};
use crate::payment::notice::Notice;
use crate::payment::order::Status;

/// A claimed callback, with the number of the attempt that its owner is about to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DueNotice {
    pub notice: Notice,
    /// The number of the attempt, from 1.
    pub attempts: u32,
    /// Which attempt it is since somebody had the callback sent again, from 1.
    pub since_requeued: u32,
}

impl DueNotice {
    pub(super) fn read(row: &mut Row) -> Result<Self, StoreError> {
        let notice = Notice {
            id: NoticeId(row.int()?),
            order: OrderId(row.int()?),
            amendment: row.optional_int()?.map(AmendmentId),
            endpoint: EndpointId(row.int()?),
            url: row.text()?,
            status: Status::from_name(&row.text()?).ok_or_else(|| corrupt("status"))?,
        };
        let attempts = u32::try_from(row.int()?).map_err(|_| corrupt("attempts"))?;
        let before = u32::try_from(row.int()?).map_err(|_| corrupt("attempts"))?;
        Ok(Self { notice, attempts, since_requeued: attempts.saturating_sub(before) })
    }
}

/// What an order owes earlier goes first, and what comes later waits for it. The two words say how
/// the database takes the front of what is due as a set.
macro_rules! claim_notices {
    ($is_of_set:literal, $set_ends:literal) => {
        concat!(
            "UPDATE notices SET state = 'sending', due_at = $1, attempts = attempts + 1 \
             WHERE id ",
            $is_of_set,
            "SELECT n.id FROM notices AS n \
             WHERE n.due_at <= $2 AND NOT EXISTS ( \
                 SELECT 1 FROM notices AS e \
                 WHERE e.order_id = n.order_id AND e.state IN ('waiting', 'sending', 'held') \
                   AND (e.created_at < n.created_at \
                        OR (e.created_at = n.created_at AND e.id < n.id))) \
             ORDER BY n.due_at, n.id LIMIT $3",
            $set_ends,
            " AND due_at <= $2 \
             RETURNING id, order_id, amendment_id, endpoint_id, url, status, attempts, \
                       attempts_before"
        )
    };
}
pub(super) use claim_notices;

/// Where a notice stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoticeState {
    pub id: NoticeId,
    /// `waiting`, `sending`, `held`, `delivered` or `dead`.
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
        let rows = self.rows(sql(BY_ORDER).bind(order.0)).await?;
        let read = |mut row: Row| {
            Ok(NoticeState {
                id: NoticeId(row.int()?),
                state: row.text()?,
                attempts: row.int()?,
                due_at: row.optional_int()?,
            })
        };
        rows.into_iter().map(read).collect()
    }
}
