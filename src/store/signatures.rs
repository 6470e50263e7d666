//! The signatures that card holders drew.

use super::sql::sql;
use super::{Store, StoreError};
use crate::payment::Millis;
use crate::payment::ids::OrderId;

const KEEP: &str = "\
    INSERT INTO signatures (order_id, drawing, created_at) VALUES ($1, $2, $3) \
    ON CONFLICT (order_id) DO NOTHING";
const IS_KEPT: &str = "SELECT 1 FROM signatures WHERE order_id = $1 AND drawing = $2";

impl Store {
    /// Keeps the signature for an order. `false` when another one was kept before.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn keep_signature(
        &self,
        order: OrderId,
        drawing: &str,
        now: Millis,
    ) -> Result<bool, StoreError> {
        let keep = sql(KEEP).bind(order.0).bind(drawing).bind(now);
        let is_kept = sql(IS_KEPT).bind(order.0).bind(drawing);
        let done = self.change_together(vec![keep, is_kept]).await?;
        Ok(!done.rows.is_empty())
    }
}
