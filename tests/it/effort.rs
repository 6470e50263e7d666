//! How much a run tries: numbers from the environment, and the cores that share the work.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number that the environment gives under this name.
#[expect(clippy::disallowed_methods, reason = "how much the test program is to try")]
pub fn wanted(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is to be a number, not {text:?}")))
}

/// Does one piece of work for each number below `end`, on all cores, and answers the results of
/// each core put together by `add`.
pub fn on_all_cores<T: Default + Send>(end: u64, work: impl Fn(u64, &mut T) + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(0);
    let toil = || {
        let mut result = T::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= end {
                return result;
            }
            work(number, &mut result);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(toil)).collect();
        let finish = |thread: std::thread::ScopedJoinHandle<'_, T>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(finish).collect()
    })
}
