//! The built-in receiver of callbacks: it answers 200 and keeps what came, for people and tests
//! that have no receiver of their own.

use crate::payment::Millis;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use utoipa::ToSchema;

/// How many callbacks are kept; the oldest give way.
const KEPT_MAX: usize = 1_000;

/// A callback as it arrived.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Received {
    /// Milliseconds since 1970 UTC.
    pub received_at: Millis,
    pub method: String,
    pub path: String,
    /// The query, decoded.
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
}

/// What has arrived, oldest first.
#[derive(Default)]
pub struct Inbox(Mutex<VecDeque<Received>>);

impl Inbox {
    /// Keeps a callback.
    pub fn keep(&self, received: Received) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(received);
    }

    /// All that is kept, newest last.
    #[must_use]
    pub fn list(&self) -> Vec<Received> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
