//! Forgetting in time: old nonces, and the keys of cards that nobody needs any more.

use super::nonce_book::{REMEMBERED, bucket_of};
use super::{Failure, Gateway};

/// What one sweep removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Swept {
    pub nonces: u64,
    pub card_keys: i64,
}

impl Gateway {
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
        })
    }
}
