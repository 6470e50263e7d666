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
    /// How often it was ever claimed, this time included: only the latest owner may save.
    pub claims: u32,
    /// How often since its step was planned. Above 1, an earlier owner may have taken the step
    /// before it vanished.
    pub tries: u32,
}

impl Job {
    pub(super) fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        let number = |column: &str| {
            u32::try_from(row.try_get::<i64, _>(column)?).map_err(|_| corrupt(column))
        };
        let step = row.try_get::<String, _>("step")?;
        Ok(Self {
            id: JobId(row.try_get("id")?),
            order: OrderId(row.try_get("order_id")?),
            step: Step::from_name_and_round(&step, number("round")?)
                .ok_or_else(|| corrupt("step"))?,
            claims: number("claims")?,
            tries: number("tries")?,
        })
    }
}

/// The outer condition stands twice on purpose: a rival that waited for our row locks checks it
/// again and takes nothing.
pub(super) const CLAIM_JOBS: &str = "\
    UPDATE jobs SET due_at = $1, claims = claims + 1, tries = tries + 1 \
    WHERE id IN (SELECT id FROM jobs WHERE due_at <= $2 ORDER BY due_at LIMIT $3) \
      AND due_at <= $2 \
    RETURNING id, order_id, step, round, claims, tries";
