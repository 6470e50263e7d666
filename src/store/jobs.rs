//! Jobs: the one step that each unfinished order needs next. They are leased, not locked: a
//! claim moves `due_at` into the future, and a worker that dies gives the job back by that.

use super::{StoreError, corrupt};
use crate::payment::ids::{JobId, OrderId};
use crate::payment::transition::Step;
use sqlx::Row;
use sqlx::any::AnyRow;

/// A claimed job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Job {
    pub id: JobId,
    pub order: OrderId,
    pub step: Step,
    /// How often it has been claimed, this time included. Above 1, an earlier owner may have
    /// sent something before it vanished.
    pub claims: u32,
}

impl Job {
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let round = u32::try_from(row.try_get::<i64, _>("round")?).map_err(|_| corrupt("round"))?;
        let claims =
            u32::try_from(row.try_get::<i64, _>("claims")?).map_err(|_| corrupt("claims"))?;
        let step = row.try_get::<String, _>("step")?;
        Ok(Self {
            id: JobId(row.try_get("id")?),
            order: OrderId(row.try_get("order_id")?),
            step: Step::from_name_and_round(&step, round).ok_or_else(|| corrupt("step"))?,
            claims,
        })
    }
}

/// The outer condition stands twice on purpose: a rival that waited for our row locks checks it
/// again and takes nothing.
pub(super) const CLAIM_JOBS: &str = "\
    UPDATE jobs SET due_at = $1, claims = claims + 1 \
    WHERE id IN (SELECT id FROM jobs WHERE due_at <= $2 ORDER BY due_at LIMIT $3) \
      AND due_at <= $2 \
    RETURNING id, order_id, step, round, claims";
