//! Nonces seen by this process, so that a repeat is refused without asking the database. What
//! holds across restarts and instances is written with each order.

use crate::payment::{MINUTE, Millis, SECOND};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// How long a nonce is remembered after its time stamp. Signatures are refused long before they
/// are this old.
pub(super) const REMEMBERED: Millis = 15 * MINUTE;

/// The bucket of a nonce with this time stamp: one for each second. A nonce belongs to the bucket
/// of its own time stamp, so a repeat always meets the bucket that remembers it.
pub(super) fn bucket_of(timestamp: Millis) -> i64 {
    timestamp.div_euclid(SECOND)
}

/// Digests of used nonces by bucket, in trees: they take little more room than the digests do, and
/// never stop to grow.
#[derive(Default)]
pub struct NonceBook {
    buckets: Mutex<BTreeMap<i64, BTreeSet<[u8; 16]>>>,
}

impl NonceBook {
    /// An empty book.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Remembers a nonce; `false` when it was there before.
    pub fn is_new(&self, timestamp: Millis, digest: [u8; 16]) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.entry(bucket_of(timestamp)).or_default().insert(digest)
    }

    /// Forgets one nonce: its request was not carried out, and may come again.
    pub(super) fn forget(&self, timestamp: Millis, digest: [u8; 16]) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&bucket_of(timestamp)) {
            bucket.remove(&digest);
        }
    }

    /// Forgets the buckets before `first_kept`.
    pub(super) fn forget_before(&self, first_kept: i64) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        *buckets = buckets.split_off(&first_kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_new_once_until_its_bucket_is_forgotten() {
        let book = NonceBook::new();
        assert!(book.is_new(0, [1; 16]));
        assert!(!book.is_new(0, [1; 16]));
        assert!(book.is_new(SECOND, [1; 16]));
        book.forget(0, [1; 16]);
        assert!(book.is_new(0, [1; 16]));
        book.forget_before(1);
        assert!(book.is_new(0, [1; 16]));
        assert!(!book.is_new(SECOND, [1; 16]));
    }
}
