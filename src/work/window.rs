//! How much of a lane one host may have: a window as in TCP, learnt from how long the host takes.
//!
//! A host begins with [`FIRST`] places. One that answers from afar earns a place with each answer
//! while more waits for it; a near one needs no more. One that hangs loses half with each attempt,
//! down to a single one that finds out whether it is back.

use std::time::{Duration, Instant};

/// The places that a host begins with. Even the nearest host needs some, since between two calls a
/// place waits for its turn.
pub(super) const FIRST: usize = 64;
/// Answers faster than this are near: more places would make a queue, not throughput.
const NEAR: Duration = Duration::from_millis(10);
/// Slower than this hangs. Below the client's limit for connecting, so that a host which swallows
/// connections counts too.
const HANGING: Duration = Duration::from_secs(4);
/// What a host can serve in this time may wait in memory, and never less than one for each place.
const LINE_LASTS: Duration = Duration::from_secs(1);
/// What a host is thought to take that has not answered yet; a quick one takes less.
const GUESS: Duration = Duration::from_millis(250);
/// The pauses of what must wait in the database.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_mins(15);

/// The window of one host.
#[derive(Debug)]
pub(super) struct Window {
    places: usize,
    /// What an attempt takes, smoothed.
    takes: Duration,
    /// When the host can serve the last piece that was sent to wait in the database.
    booked_until: Option<Instant>,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { places: FIRST, takes: GUESS, booked_until: None }
    }

    /// How many attempts may be under way at once.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// How many pieces may wait in memory meanwhile.
    pub(super) fn line(&self) -> usize {
        let takes = self.takes.as_micros().clamp(1, LINE_LASTS.as_micros());
        let rounds = LINE_LASTS.as_micros() / takes;
        self.places.saturating_mul(usize::try_from(rounds).unwrap_or(usize::MAX))
    }

    /// Whether the host is known to answer soon.
    pub(super) fn is_quick(&self) -> bool {
        self.takes < GUESS
    }

    /// Learns from an attempt that took this long. `more_waits`: a larger window would be used.
    pub(super) fn learn(&mut self, took: Duration, more_waits: bool) {
        self.takes = (self.takes * 3 + took) / 4;
        if took >= HANGING {
            self.places = (self.places / 2).max(1);
        } else if self.places < FIRST || (took >= NEAR && more_waits) {
            self.places += 1;
        } else if took < NEAR && self.places > FIRST {
            self.places -= 1;
        }
    }

    /// How long a piece must wait in the database that finds the line full: each until the host
    /// can have served those before it, so that few are looked at in vain.
    pub(super) fn book(&mut self, now: Instant) -> Duration {
        let each = self.takes / u32::try_from(self.places).unwrap_or(u32::MAX);
        let line_ends = now + self.takes.max(LINE_LASTS);
        let turn = self.booked_until.map_or(line_ends, |until| until.max(line_ends)) + each;
        let turn = turn.clamp(now + PAUSE_MIN, now + PAUSE_MAX);
        self.booked_until = Some(turn);
        turn - now
    }

    /// The host has nothing to do: what comes next need not queue behind what was booked.
    pub(super) fn end_bookings(&mut self) {
        self.booked_until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: Duration = Duration::from_millis(100);
    const LATE: Duration = Duration::from_secs(30);

    #[test]
    fn a_far_host_earns_places_as_long_as_it_needs_them() {
        let mut window = Window::new();
        for _ in 0..1000 {
            window.learn(FAR, true);
        }
        assert_eq!(window.places(), FIRST + 1000);
        window.learn(FAR, false);
        assert_eq!(window.places(), FIRST + 1000);
    }

    #[test]
    fn a_near_host_keeps_what_it_began_with() {
        let mut window = Window::new();
        window.learn(Duration::from_millis(1), true);
        assert_eq!(window.places(), FIRST);
        window.learn(FAR, true);
        window.learn(Duration::from_millis(1), true);
        assert_eq!(window.places(), FIRST);
    }

    #[test]
    fn a_hanging_host_keeps_one_place_and_earns_the_others_back() {
        let mut window = Window::new();
        for _ in 0..16 {
            window.learn(LATE, true);
        }
        assert_eq!(window.places(), 1);
        for _ in 0..FIRST {
            window.learn(Duration::from_millis(1), false);
        }
        assert_eq!(window.places(), FIRST);
    }

    #[test]
    fn what_waits_in_the_database_comes_back_at_the_pace_of_its_host() {
        let mut window = Window::new();
        let now = Instant::now();
        for _ in 0..100 {
            window.learn(FAR, false);
        }
        let pauses: Vec<_> = (0..4000).map(|_| window.book(now)).collect();
        assert!(pauses.is_sorted(), "{pauses:?}");
        // Ten rounds a second of 64 places: 4,000 pieces take a bit more than six seconds.
        let last = pauses[3999];
        assert!((6..8).contains(&last.as_secs()), "{last:?}");
    }

    #[test]
    fn nothing_waits_longer_than_a_quarter_of_an_hour() {
        let mut window = Window::new();
        let now = Instant::now();
        for _ in 0..16 {
            window.learn(LATE, true);
        }
        let longest = (0..1000).map(|_| window.book(now)).max().unwrap();
        assert_eq!(longest, PAUSE_MAX);
    }
}
