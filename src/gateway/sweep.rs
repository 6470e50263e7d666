//! Forgetting in time: old nonces, what no limit counts any more, and the keys of cards that nobody
//! needs any more.

use super::nonce_book::{REMEMBERED, bucket_of};
use super::{Failure, Gateway};
use crate::payment::MINUTE;
use crate::payment::limits::WITHIN_MAX;

/// What one sweep removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Swept {
    pub nonces: u64,
    pub card_keys: i64,
    pub usages: u64,
    pub callbacks: u64,
}

impl Gateway {
    /// Sweeps, unless another instance has swept in this minute. `None` when it has.
    ///
    /// # Errors
    /// As [`Gateway::sweep`].
    pub async fn sweep_in_turn(&self) -> Result<Option<Swept>, Failure> {
        let now = self.clock().now();
        // Another instance may have replaced a key. What is swept does not wait for that.
        if let Err(failure) = self.load_own_keys().await {
            tracing::error!(%failure, "cannot read the gateway's own keys");
        }
        if let Err(failure) = self.reseal_leftovers().await {
            tracing::warn!(%failure, "cannot look for what is to be sealed anew");
        }
        if let Err(failure) = self.let_forgotten_callbacks_go().await {
            tracing::warn!(%failure, "cannot look for callbacks that wait for nothing");
        }
        if let Err(failure) = self.measure_callbacks().await {
            tracing::warn!(%failure, "cannot count the callbacks that wait");
        }
        // What lies in this process's memory nobody else forgets.
        self.nonces.forget_before(bucket_of(now - REMEMBERED));
        match self.store().take_turn("sweep", now / MINUTE).await? {
            true => self.sweep().await.map(Some),
            false => Ok(None),
        }
    }

    /// Does at once what the clock's leap made due, on the lanes of work and on the schedule, which
    /// ticks by the wall clock.
    ///
    /// # Errors
    /// As [`Gateway::sweep`].
    pub async fn time_has_moved(&self) -> Result<(), Failure> {
        self.jobs.left_in_database();
        self.callbacks.left_in_database();
        self.close_due_days().await?;
        self.sweep_in_turn().await.map(drop)
    }

    /// Removes what is past its time. Safe to run on every instance, as often as one likes.
    ///
    /// # Errors
    /// `Unavailable` when the database is away; the next sweep does the rest.
    pub async fn sweep(&self) -> Result<Swept, Failure> {
        let now = self.clock().now();
        let first_kept = bucket_of(now - REMEMBERED);
        self.nonces.forget_before(first_kept);
        Ok(Swept {
            nonces: self.store().forget_nonces_before(first_kept).await?,
            card_keys: self.vault.destroy_unused(self.store(), now).await?,
            usages: self.store().forget_usages_before(now - WITHIN_MAX).await?,
            callbacks: self.store().purge_callbacks(now - self.callback_life()).await?,
        })
    }
}
