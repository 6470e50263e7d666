//! What the merchant was told: which sales were accepted, as which orders.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An accepted sale.
#[derive(Clone, Debug)]
pub struct Sold {
    pub order: i64,
    pub amount: &'static str,
}

/// The merchant's own list.
#[derive(Default)]
pub struct Ledger(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    sold: BTreeMap<String, Sold>,
    later: usize,
    slowest_later: Duration,
}

impl Ledger {
    /// Notes an accepted sale under the merchant's own name for it.
    pub fn accepted(&self, name: &str, sold: Sold) {
        self.pages().sold.insert(name.to_owned(), sold);
    }

    /// Notes that the gateway said to come back later.
    pub fn told_later(&self, took: Duration) {
        let mut pages = self.pages();
        pages.later += 1;
        pages.slowest_later = pages.slowest_later.max(took);
    }

    pub fn count(&self) -> usize {
        self.pages().sold.len()
    }

    /// How often the gateway said to come back later, and the longest it took to say so.
    pub fn later(&self) -> (usize, Duration) {
        let pages = self.pages();
        (pages.later, pages.slowest_later)
    }

    /// All accepted sales by name.
    pub fn sold(&self) -> BTreeMap<String, Sold> {
        self.pages().sold.clone()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
