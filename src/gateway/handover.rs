//! Work that this process made and will do itself: handed to the workers in memory, without
//! asking the database for it again.
//!
//! What is handed over is leased in the database from the start, by the commit that made it. If
//! the process dies the lease ends and somebody else does the work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// How much may wait in memory; the rest waits in the database.
const WAITING_MAX: usize = 1024;
/// How long those who make work wait for a place while the workers are behind: a detour over the
/// database would cost more of the processor that everybody waits for.
const PATIENCE: Duration = Duration::from_millis(100);

/// A waiting line, and the bell that wakes the workers.
pub struct Handover<T> {
    sender: mpsc::Sender<T>,
    receiver: Mutex<mpsc::Receiver<T>>,
    bell: Notify,
    /// Work was left in the database for want of a place.
    left: AtomicBool,
    /// Whether workers take from the line at all.
    attended: AtomicBool,
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
            attended: AtomicBool::new(false),
        }
    }

    /// Takes a place, if need be when one becomes free soon; `None` when the line stays full, and
    /// the work must wait in the database.
    pub async fn reserve(&self) -> Option<Place<'_, T>> {
        let permit = match self.sender.try_reserve() {
            Ok(permit) => permit,
            Err(_) if !self.attended.load(Ordering::Acquire) => return None,
            Err(_) => tokio::time::timeout(PATIENCE, self.sender.reserve()).await.ok()?.ok()?,
        };
        Some(Place { permit, bell: &self.bell })
    }

    /// Says whether workers take from the line.
    pub fn attend(&self, attended: bool) {
        self.attended.store(attended, Ordering::Release);
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
