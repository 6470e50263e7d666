//! Writing the audit log, and proving that nobody has changed it.

use super::{Failure, Gateway};
use crate::payment::audit::{AuditRow, Call, FIRST_DIGEST};
use crate::payment::operator::NOBODY;
use crate::payment::{MINUTE, Millis};
use std::sync::PoisonError;

/// How often another instance may be faster before the log counts as unavailable.
const TRIES: u32 = 32;
/// Rows that are read at once to check them.
const PAGE: u32 = 1000;

/// What the rows of the audit log prove.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// How many rows are whole, from the first.
    pub rows: i64,
    /// The first row that is not what was written, or stands where another was taken out.
    pub broken: Option<i64>,
}

/// Rows for calls without an operator's token, in one minute: a flood of them shall neither fill
/// the log nor hold operators up.
const STRANGERS_PER_MINUTE: u32 = 60;

impl Gateway {
    fn stranger_has_room(&self, at: Millis) -> bool {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if strangers.0 != at / MINUTE {
            *strangers = (at / MINUTE, 0);
        }
        strangers.1 += 1;
        strangers.1 <= STRANGERS_PER_MINUTE
    }

    /// Adds a call to the log. When this returns, the row is durable.
    ///
    /// # Errors
    /// `Unavailable` when it could not be written.
    pub async fn note_call(&self, call: &Call) -> Result<(), Failure> {
        if call.operator == NOBODY && !self.stranger_has_room(call.at) {
            tracing::warn!("too many calls of strangers in this minute for the audit log");
            return Ok(());
        }
        let _turn = self.audit_turn.lock().await;
        for _ in 0..TRIES {
            let last = self.store().last_of_audit().await?;
            let (last, previous) = last.unwrap_or_else(|| (0, FIRST_DIGEST.to_owned()));
            let id = last + 1;
            let digest = self.parts.keys.audit_digest(&call.digested(id, &previous));
            if self.store().append_audit(&AuditRow { id, call: call.clone(), digest }).await? {
                return Ok(());
            }
        }
        Err(Failure::Unavailable("the audit log is always at another's row".to_owned()))
    }

    /// So many rows of the log with higher numbers than `after`, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn audit_after(&self, after: i64, most: u32) -> Result<Vec<AuditRow>, Failure> {
        Ok(self.store().audit_after(after, most).await?)
    }

    /// Goes through the whole log and computes every digest again. Rows that were taken off its
    /// end leave no gap: keep the number of the last row elsewhere and compare.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn verify_audit(&self) -> Result<Verdict, Failure> {
        let (mut rows, mut previous) = (0, FIRST_DIGEST.to_owned());
        loop {
            let page = self.store().audit_after(rows, PAGE).await?;
            if page.is_empty() {
                return Ok(Verdict { rows, broken: None });
            }
            for AuditRow { id, call, digest } in page {
                let expected = self.parts.keys.audit_digest(&call.digested(id, &previous));
                if id != rows + 1 || digest != expected {
                    return Ok(Verdict { rows, broken: Some(id) });
                }
                (rows, previous) = (id, digest);
            }
        }
    }
}
