//! Steering callbacks: an end point's can be stopped without losing any, started again, and sent
//! once more, in their order.

use super::deliver::alert;
use super::{Call, Failure, Gateway, RegistryError};
use crate::payment::ids::{EndpointId, NoticeId};
use crate::payment::notice::Notice;
use crate::payment::order::Status;
use crate::payment::{DAY, Millis, SECOND};
use crate::store::{Again, AttemptRecord, CallbackRecord, CallbackStop};
use std::sync::PoisonError;

/// Why an end point's callbacks wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopReason {
    /// Somebody wants it.
    Operator,
    /// Their receiver has answered 410 to a Standard Webhook.
    Gone,
}

impl StopReason {
    /// The stored and shown spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Gone => "gone",
        }
    }
}

impl Gateway {
    /// Whether an end point's callbacks wait. That they do not may be a second old; that they do is
    /// asked for each time, so that none is put aside after they were let go.
    pub(super) async fn are_callbacks_stopped(&self, of: EndpointId) -> Result<bool, Failure> {
        let now = self.clock().now();
        if self.registry.callback_stops.get(&of.0, now) == Some(false) {
            return Ok(false);
        }
        let stopped = self.store().callback_stop(of).await?.is_some();
        self.registry.callback_stops.put(of.0, stopped, now);
        Ok(stopped)
    }

    /// Lets an end point's callbacks wait: none is lost, and what comes meanwhile waits with them.
    /// Attempts that are under way are made to their end.
    ///
    /// # Errors
    /// When the database cannot be written; safe to repeat.
    pub async fn stop_callbacks(&self, of: EndpointId, reason: StopReason) -> Result<(), Failure> {
        let stopped = self.store().stop_callbacks(of, reason.name(), self.clock().now()).await?;
        self.registry.callback_stops.clear();
        if !stopped {
            return Ok(());
        }
        alert(of, "stopped", "the end point's callbacks wait until somebody starts them again");
        Ok(())
    }

    /// Lets an end point's callbacks go, at once and in their order. Answers how many had waited.
    ///
    /// # Errors
    /// When the database cannot be written; safe to repeat.
    pub async fn start_callbacks(&self, of: EndpointId) -> Result<u64, Failure> {
        let waited = self.store().start_callbacks(of, self.clock().now()).await?;
        self.registry.callback_stops.clear();
        self.breakers.reset(of);
        self.callbacks.left_in_database();
        Ok(waited)
    }

    /// Why an end point's callbacks wait, and since when, if they do.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn callback_stop(&self, of: EndpointId) -> Result<Option<CallbackStop>, Failure> {
        Ok(self.store().callback_stop(of).await?)
    }

    /// Has callbacks sent again, whatever came of them, with their schedule begun anew. Answers how
    /// many. What is stopped goes when it is started.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn send_again(&self, which: Again) -> Result<u64, Failure> {
        let count = self.store().send_again(which, self.clock().now()).await?;
        let of = match which {
            Again::Dead(of) | Again::Range(of, ..) => Some(of),
            Again::One(id) => self.store().callback(id).await?.map(|callback| callback.endpoint),
        };
        if let Some(of) = of {
            self.breakers.reset(of);
        }
        self.callbacks.left_in_database();
        Ok(count)
    }

    /// How long a callback is kept that has ended.
    pub(super) fn callback_life(&self) -> Millis {
        Millis::from(self.parts.callback_days) * DAY
    }

    /// Lets callbacks go that wait although their end point does not.
    pub(super) async fn let_forgotten_callbacks_go(&self) -> Result<(), Failure> {
        if self.store().let_go_forgotten(self.clock().now()).await? > 0 {
            self.callbacks.left_in_database();
        }
        Ok(())
    }

    /// Says how many callbacks wait for each end point, and how old the oldest is.
    pub(super) async fn measure_callbacks(&self) -> Result<(), Failure> {
        let now = self.clock().now();
        let waiting = self.store().waiting_callbacks().await?;
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waits no more is told once more, as nothing.
        let ended = measured.iter().map(|of| (*of, 0, now));
        for (of, count, oldest) in ended.chain(waiting.iter().copied()) {
            let age = f64::from(u32::try_from((now - oldest).max(0) / SECOND).unwrap_or(u32::MAX));
            let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
            let of = of.to_string();
            metrics::gauge!("tillgate_callbacks_waiting", "endpoint" => of.clone()).set(count);
            metrics::gauge!("tillgate_callback_oldest_seconds", "endpoint" => of).set(age);
        }
        *measured = waiting.into_iter().map(|(of, ..)| of).collect();
        Ok(())
    }

    /// A callback, with what came of each attempt.
    ///
    /// # Errors
    /// When there is none of this number.
    pub async fn callback(
        &self,
        id: NoticeId,
    ) -> Result<(CallbackRecord, Vec<AttemptRecord>), RegistryError> {
        let found = self.store().callback(id).await?;
        let missing = || RegistryError::Missing(format!("no callback has the id {id}"));
        Ok((found.ok_or_else(missing)?, self.store().attempts_of(id).await?))
    }

    /// A callback in words, as it would be sent now. Nothing is sent.
    ///
    /// # Errors
    /// When there is none of this number; when the merchant's address is not one.
    pub async fn callback_call(&self, id: NoticeId) -> Result<Call, RegistryError> {
        let (record, _) = self.callback(id).await?;
        let CallbackRecord { order, amendment, endpoint, url, status, .. } = record;
        let status = Status::from_name(&status);
        let status = status
            .ok_or_else(|| Failure::Internal(format!("the callback {id} tells no status")))?;
        let notice = Notice { id, order, amendment, endpoint, url, status };
        self.prepare(&notice, None).await?.call.map_err(RegistryError::Conflict)
    }

    /// So many callbacks of an end point with higher numbers than `after`, in order; of one state,
    /// or of any if that is empty.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn callbacks_after(
        &self,
        of: EndpointId,
        state: &str,
        after: NoticeId,
        most: u32,
    ) -> Result<Vec<CallbackRecord>, Failure> {
        Ok(self.store().callbacks_after(of, state, after, most).await?)
    }
}
