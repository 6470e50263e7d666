//! Work that this process made and will do itself: handed to the workers in memory, without
//! asking the database for it again.
//!
//! What is handed over is leased in the database from the start, by the commit that made it. If
//! the process dies the lease ends and somebody else does the work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Notify, mpsc};

/// How much may wait in memory; the rest waits in the database.
const WAITING_MAX: usize = 4096;

/// A waiting line, and the bell that wakes the workers.
pub struct Handover<T> {
    sender: mpsc::Sender<T>,
    receiver: Mutex<mpsc::Receiver<T>>,
    bell: Notify,
    /// Work was left in the database for want of a place.
    left: AtomicBool,
}

/// A place in the line, taken before the work is made durable.
pub struct Place<'a, T> {
    permit: mpsc::Permit<'a, T>,
    bell: &'a Notify,
}

impl<T> Place<'_, T> {
    /// Hands the work over.
    pub fn fill(self, work: T) {
        self.permit.send(work);
        self.bell.notify_one();
    }
}

impl<T> Default for Handover<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Handover<T> {
    /// An empty line.
    #[must_use]
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        Self {
            sender,
            receiver: Mutex::new(receiver),
            bell: Notify::new(),
            left: AtomicBool::new(false),
        }
    }

    /// Takes a place; `None` when the line is full, and the work must wait in the database.
    pub fn reserve(&self) -> Option<Place<'_, T>> {
        let permit = self.sender.try_reserve().ok()?;
        Some(Place { permit, bell: &self.bell })
    }

    /// Says that due work waits in the database.
    pub fn left_in_database(&self) {
        self.left.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// Whether due work was left in the database since the last call.
    pub fn take_left(&self) -> bool {
        self.left.swap(false, Ordering::AcqRel)
    }

    /// Takes up to `most` pieces of work, without waiting.
    pub fn take(&self, most: usize) -> Vec<T> {
        let mut receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| receiver.try_recv().ok()).take(most).collect()
    }

    /// Waits until there is something to do. A bell that rang before is heard.
    pub async fn wait(&self) {
        self.bell.notified().await;
    }
}
