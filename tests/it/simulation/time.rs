//! Two times: the true one, by which messages travel and timers run, and what the gateway's clock
//! shows, which may stray from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tillgate::clock::Clock;
use tillgate::payment::Millis;

/// When every seed begins: 2026-11-21 12:00:00 UTC.
const NOON: Millis = 1_795_262_400_000;

#[derive(Clone)]
pub struct Time {
    elapsed: Arc<AtomicI64>,
    strayed: Arc<AtomicBool>,
    went_back: Arc<AtomicBool>,
    /// What the gateway reads.
    pub clock: Clock,
}

impl Time {
    pub fn new() -> Self {
        Self {
            elapsed: Arc::default(),
            strayed: Arc::default(),
            went_back: Arc::default(),
            clock: Clock::manual(NOON),
        }
    }

    /// The true time since the seed began.
    pub fn elapsed(&self) -> Millis {
        self.elapsed.load(Ordering::Relaxed)
    }

    /// Lets time pass while no gateway runs.
    pub fn pass(&self, time: Millis) {
        self.elapsed.fetch_add(time, Ordering::Relaxed);
        self.clock.advance(time);
    }

    /// Lets time pass, for the timers of the runtime too.
    pub async fn pass_with_timers(&self, time: Millis) {
        self.pass(time);
        tokio::time::advance(std::time::Duration::from_millis(time.unsigned_abs())).await;
    }

    /// Sets the gateway's clock forward or back; true time stands still.
    pub fn set_clock(&self, by: Millis) {
        self.clock.advance(by);
        self.strayed.store(true, Ordering::Relaxed);
        self.went_back.fetch_or(by < 0, Ordering::Relaxed);
    }

    /// Whether the gateway's clock was ever set.
    pub fn has_strayed(&self) -> bool {
        self.strayed.load(Ordering::Relaxed)
    }

    /// Whether it was ever set back: then two owners may both believe that a job is theirs.
    pub fn has_gone_back(&self) -> bool {
        self.went_back.load(Ordering::Relaxed)
    }
}
