//! What the merchant was told: which sales were accepted, as which orders.

use anyhow::bail;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    complaint: Option<String>,
}

impl Ledger {
    /// Notes an accepted sale under the merchant's own name for it.
    pub fn accepted(&self, name: &str, sold: Sold) {
        self.pages().sold.insert(name.to_owned(), sold);
    }

    /// Notes that the gateway said to come back later.
    pub fn told_later(&self) {
        self.pages().later += 1;
    }

    /// Notes that a merchant gave up, and why.
    pub fn complain(&self, why: &anyhow::Error) {
        self.pages().complaint.get_or_insert(format!("{why:#}"));
    }

    /// Fails with the first complaint.
    pub fn check(&self) -> anyhow::Result<()> {
        match &self.pages().complaint {
            Some(complaint) => bail!("{complaint}"),
            None => Ok(()),
        }
    }

    pub fn count(&self) -> usize {
        self.pages().sold.len()
    }

    /// How often the gateway said to come back later.
    pub fn later(&self) -> usize {
        self.pages().later
    }

    /// All accepted sales by name.
    pub fn sold(&self) -> BTreeMap<String, Sold> {
        self.pages().sold.clone()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
