//! Schedules that several instances share: each slot is taken once.

use super::sql::sql;
use super::{Store, StoreError};

const TAKE: &str = "\
    INSERT INTO turns (name, slot) VALUES ($1, $2) \
    ON CONFLICT (name) DO UPDATE SET slot = $2 WHERE turns.slot < $2";

impl Store {
    /// Takes a slot of a schedule; slots count upwards. `false` when it, or a later one, was taken
    /// before, by whomever.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn take_turn(&self, name: &'static str, slot: i64) -> Result<bool, StoreError> {
        let done = self.change(vec![sql(TAKE).bind(name).bind(slot)]).await?;
        Ok(done.changed > 0)
    }
}
