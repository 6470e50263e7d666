//! The one place that reads time, and the one that rolls dice. Both are passed to whoever needs
//! them, so that a test can hold them still.

use crate::payment::{DAY, Millis};
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt, SeedableRng};
use std::future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

/// How far [`Clock::move_forward`] goes, at once and in all: ten years.
const AHEAD_MAX: Millis = 3_653 * DAY;

/// A source of the current time.
#[derive(Clone)]
pub struct Clock {
    source: Source,
    /// How far it was moved; nothing moves the clock of a program that takes real money.
    moved: Option<Arc<Moved>>,
}

/// How far a clock was moved, and who waits for it to be moved on.
#[derive(Default)]
struct Moved {
    by: AtomicI64,
    bell: Notify,
}

#[derive(Clone, Copy)]
enum Source {
    System,
    /// Stands where it began.
    Manual(Millis),
}

/// Why a clock does not go where it was asked to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CannotMove {
    #[error("the clock goes forwards only, by 1 ms or more")]
    NotForwards,
    #[error(
        "the clock goes ten years ahead at most, and is {0} ms ahead; start the sandbox again for \
         a clock that shows the present"
    )]
    TooFar(Millis),
    #[error("the clock of this program cannot be moved; start a sandbox with `tillgate dev`")]
    Fixed,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self { source: Source::System, moved: None }
    }

    /// The machine's clock, and as far ahead of it as it was moved.
    #[must_use]
    pub fn sandbox() -> Self {
        Self { source: Source::System, moved: Some(Arc::default()) }
    }

    /// A clock that stands at `now` until it is moved.
    #[must_use]
    pub fn manual(now: Millis) -> Self {
        Self { source: Source::Manual(now), moved: Some(Arc::default()) }
    }

    /// The current moment.
    #[must_use]
    pub fn now(&self) -> Millis {
        let unmoved = match self.source {
            Source::System => system_millis(),
            Source::Manual(begin) => begin,
        };
        unmoved.saturating_add(self.moved())
    }

    /// How far it was moved.
    #[must_use]
    pub fn moved(&self) -> Millis {
        self.moved.as_ref().map_or(0, |moved| moved.by.load(Ordering::SeqCst))
    }

    /// Moves a clock that can be moved, wherever; the machine's clock stays what it is.
    pub fn advance(&self, by: Millis) {
        if let Some(moved) = &self.moved {
            moved.by.fetch_add(by, Ordering::SeqCst);
            moved.bell.notify_waiters();
        }
    }

    /// Moves the clock forwards, within limits.
    ///
    /// # Errors
    /// When it is not forwards, or too far, or the clock cannot be moved; then it stays.
    pub fn move_forward(&self, by: Millis) -> Result<(), CannotMove> {
        let moved = self.moved.as_ref().ok_or(CannotMove::Fixed)?;
        if by <= 0 {
            return Err(CannotMove::NotForwards);
        }
        let ahead = |so_far: Millis| so_far.checked_add(by).filter(|ahead| *ahead <= AHEAD_MAX);
        moved
            .by
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, ahead)
            .map_err(CannotMove::TooFar)?;
        moved.bell.notify_waiters();
        Ok(())
    }

    /// Waits until this clock shows `at` or later: as long as the machine needs, and no longer than
    /// until somebody moves the clock there.
    pub async fn wait_until(&self, at: Millis) {
        loop {
            let mut bell = self.moved.as_ref().map(|moved| Box::pin(moved.bell.notified()));
            if let Some(bell) = &mut bell {
                // Before the look at the time, so that no move falls between the two.
                bell.as_mut().enable();
            }
            let left = at.saturating_sub(self.now());
            if left <= 0 {
                return;
            }
            let moved = async {
                match bell {
                    Some(bell) => bell.await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                () = moved => {}
                () = self.source.pass(left) => {}
            }
        }
    }
}

impl Source {
    /// Lets so much time pass; where none passes by itself, never ends.
    async fn pass(self, time: Millis) {
        match self {
            Self::System => tokio::time::sleep(Duration::from_millis(time.unsigned_abs())).await,
            Self::Manual(_) => future::pending().await,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place that reads the wall clock")]
fn system_millis() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since_epoch.as_millis()).unwrap_or(Millis::MAX)
}

/// A source of random bytes, shared by whoever needs some.
#[derive(Clone)]
pub struct Entropy(Arc<Mutex<StdRng>>);

impl Entropy {
    /// Seeded by the operating system: fit for keys and nonces.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn system() -> Result<Self, std::io::Error> {
        let rng = StdRng::try_from_rng(&mut SysRng).map_err(std::io::Error::other)?;
        Ok(Self(Arc::new(Mutex::new(rng))))
    }

    /// The same bytes for the same seed: for tests only.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// Fresh random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(&mut bytes);
        bytes
    }

    /// A fresh random UUID (version 4), lower case.
    #[must_use]
    pub fn uuid(&self) -> String {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::SECOND;
    use futures_util::FutureExt;
    use std::pin::{Pin, pin};

    #[test]
    fn a_clock_is_moved_forwards_within_ten_years() {
        let clock = Clock::manual(1_000);
        assert_eq!(clock.move_forward(SECOND), Ok(()));
        assert_eq!((clock.now(), clock.moved()), (2_000, SECOND));
        for by in [0, -1, Millis::MIN] {
            assert_eq!(clock.move_forward(by), Err(CannotMove::NotForwards));
        }
        for by in [AHEAD_MAX, Millis::MAX] {
            assert_eq!(clock.move_forward(by), Err(CannotMove::TooFar(SECOND)));
        }
        assert_eq!(clock.now(), 2_000, "a refusal moves nothing");
        assert_eq!(clock.move_forward(AHEAD_MAX - SECOND), Ok(()));
        assert_eq!(clock.moved(), AHEAD_MAX);
    }

    #[test]
    fn the_clock_of_a_sandbox_goes_on_from_where_it_was_moved_to() {
        let (system, sandbox) = (Clock::system(), Clock::sandbox());
        let before = system.now();
        sandbox.move_forward(DAY).unwrap();
        assert!(sandbox.now() >= before + DAY);
        assert_eq!(system.move_forward(DAY), Err(CannotMove::Fixed));
        assert!(system.now() < before + DAY);
    }

    /// Whether a wait has ended, without waiting for it.
    fn ended(wait: Pin<&mut impl Future<Output = ()>>) -> bool {
        wait.now_or_never().is_some()
    }

    #[test]
    fn who_waits_for_a_moved_clock_is_woken_when_it_is_there_and_not_before() {
        let clock = Clock::manual(1_000);
        let (mut first, mut second) =
            (pin!(clock.wait_until(3_000)), pin!(clock.wait_until(4_000)));
        assert!(!ended(first.as_mut()) && !ended(second.as_mut()));
        clock.advance(1_999);
        assert!(!ended(first.as_mut()), "a millisecond is missing");
        clock.move_forward(1).unwrap();
        assert!(ended(first.as_mut()) && !ended(second.as_mut()));
        clock.advance(DAY);
        assert!(ended(second.as_mut()));
        assert!(ended(pin!(clock.wait_until(3_000))), "what has passed is not waited for");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_move_is_lost_between_the_look_at_the_time_and_the_wait() {
        for _ in 0..2_000 {
            let clock = Clock::manual(0);
            let waiting = clock.clone();
            let wait = tokio::spawn(async move { waiting.wait_until(1).await });
            clock.advance(1);
            wait.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_of_the_machine_is_waited_for_and_that_of_a_sandbox_moved_too() {
        let sandbox = Clock::sandbox();
        let mut wait = pin!(sandbox.wait_until(sandbox.now() + DAY));
        assert!(!ended(wait.as_mut()));
        sandbox.advance(DAY);
        wait.await;
        let system = Clock::system();
        let at = system.now() + 20;
        system.wait_until(at).await;
        assert!(system.now() >= at);
    }
}
