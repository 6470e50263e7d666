//! Jobs: the one step that each unfinished order needs next. They are leased, not locked: a
//! claim moves `due_at` into the future, and a worker that dies gives the job back by that.

use super::sql::Row;
use super::{StoreError, corrupt};
use crate::payment::ids::{JobId, OrderId};
use crate::payment::transition::Step;

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
    pub(super) fn read(row: &mut Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: JobId(row.int()?),
            order: OrderId(row.int()?),
            step: {
                let (name, round) = (row.text()?, count(row)?);
                Step::from_name_and_round(&name, round).ok_or_else(|| corrupt("step"))?
            },
            claims: count(row)?,
            tries: count(row)?,
        })
    }
}

fn count(row: &mut Row) -> Result<u32, StoreError> {
    u32::try_from(row.int()?).map_err(|_| corrupt("count"))
}

/// The outer condition stands twice on purpose: a rival that waited for our row locks checks it
/// again and takes nothing. The two words say how the database takes the front of what is due as a
/// set.
macro_rules! claim_jobs {
    ($is_of_set:literal, $set_ends:literal) => {
        concat!(
            "UPDATE jobs SET due_at = $1, claims = claims + 1, tries = tries + 1 \
             WHERE id ",
            $is_of_set,
            "SELECT id FROM jobs WHERE due_at <= $2 ORDER BY due_at LIMIT $3",
            $set_ends,
            " AND due_at <= $2 \
             RETURNING id, order_id, step, round, claims, tries"
        )
    };
}
pub(super) use claim_jobs;
