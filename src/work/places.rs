//! The places of a lane: who may begin, who waits in line, who must wait in the database.
//!
//! A host has at most its [`Window`], and at most half as many as are free, so that the last places
//! are shared by many. What is not bound to a host only needs a place.

use super::window::Window;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How many pieces may wait in all lines together; those of slow hosts only up to the half. Then
/// what fills the lines is soon served, and the lane may wait for it.
const LINES_MAX: usize = 8192;

/// How many attempts of one host may wait to be recorded, beside those under way: what one commit
/// takes. While it lasts, the host need not stand idle.
const RECORDING_MAX: usize = 1024;

/// When so many hosts are remembered, the idle ones are forgotten.
const HOSTS_MAX: usize = 1024;

/// What becomes of a piece of work.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Admission<P> {
    /// It has a place and begins now.
    Begin(P),
    /// It waits in the line of its host, without a place.
    InLine,
    /// Its line is full. It has a place for as long as giving it back takes, to wait in the
    /// database for this long.
    Later(P, Duration),
}

/// The places, and the lines before them. `H` tells hosts apart.
pub(super) struct Places<H, P> {
    floor: Mutex<Floor<H, P>>,
    freed: Notify,
}

struct Floor<H, P> {
    all: usize,
    /// May pass `all`, when lines move between a look at what is free and its use.
    taken: usize,
    in_line: usize,
    hosts: HashMap<H, HostLine<P>>,
    closed: bool,
}

/// As long as anything waits here, something is under way or recorded: its end calls the next one.
struct HostLine<P> {
    under_way: usize,
    /// Attempts that the host has done with and that are recorded now.
    recording: usize,
    window: Window,
    waiting: VecDeque<P>,
}

impl<H: Clone + Eq + Hash, P> Places<H, P> {
    pub(super) fn new(all: usize) -> Self {
        let hosts = HashMap::new();
        let floor = Floor { all, taken: 0, in_line: 0, hosts, closed: false };
        Self { floor: Mutex::new(floor), freed: Notify::new() }
    }

    /// How many pieces may be admitted now, each to a place or to a line.
    pub(super) fn room(&self) -> usize {
        self.floor().room()
    }

    /// Waits until there is room again, or every place is free.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Admits a piece; no more than there was room for.
    pub(super) fn admit(&self, host: Option<&H>, piece: P, now: Instant) -> Admission<P> {
        let mut floor = self.floor();
        let free = floor.free();
        let Floor { taken, in_line, hosts, .. } = &mut *floor;
        let Some(host) = host else {
            *taken += 1;
            return Admission::Begin(piece);
        };
        if hosts.len() >= HOSTS_MAX && !hosts.contains_key(host) {
            hosts.retain(|_, line| !line.is_idle());
        }
        let line = hosts.entry(host.clone()).or_insert_with(HostLine::new);
        if line.waiting.is_empty() && line.may_begin(free) {
            line.under_way += 1;
            *taken += 1;
            return Admission::Begin(piece);
        }
        let lines_max = if line.window.is_quick() { LINES_MAX } else { LINES_MAX / 2 };
        if line.waiting.len() < line.window.line() && *in_line < lines_max {
            line.waiting.push_back(piece);
            *in_line += 1;
            return Admission::InLine;
        }
        let pause = line.window.book(now);
        *taken += 1;
        Admission::Later(piece, pause)
    }

    /// Gives back a place that was taken without a host, or to give a piece back.
    pub(super) fn leave(&self) {
        let mut floor = self.floor();
        let had_room = floor.room() > 0;
        floor.taken -= 1;
        self.tell(&floor, had_room);
    }

    /// Says that the host has done with a piece, which keeps its place until it is recorded, and
    /// answers what begins instead. `took`: how long the host took, if it was asked.
    pub(super) fn answered(&self, host: &H, took: Option<Duration>) -> Vec<P> {
        self.call_next(host, |line, _| {
            line.under_way -= 1;
            line.recording += 1;
            if let Some(took) = took {
                line.window.learn(took, !line.waiting.is_empty());
            }
        })
    }

    /// Gives back the place of a piece that is recorded, and answers what begins instead.
    pub(super) fn leave_host(&self, host: &H) -> Vec<P> {
        self.call_next(host, |line, taken| {
            line.recording -= 1;
            *taken -= 1;
        })
    }

    /// Notes what became of a host's piece, then gives places to those next in its line. The second
    /// number is how many places are taken in all.
    fn call_next(&self, host: &H, note: impl FnOnce(&mut HostLine<P>, &mut usize)) -> Vec<P> {
        let mut floor = self.floor();
        let had_room = floor.room() > 0;
        let next = floor.call_next(host, note);
        self.tell(&floor, had_room);
        next
    }

    /// Lets nobody in line begin any more, and answers who stood there.
    pub(super) fn close(&self) -> Vec<P> {
        let mut floor = self.floor();
        floor.closed = true;
        floor.in_line = 0;
        floor.hosts.values_mut().flat_map(|line| line.waiting.drain(..)).collect()
    }

    /// Waits until every place is free.
    pub(super) async fn all_free(&self) {
        while self.floor().taken > 0 {
            self.freed.notified().await;
        }
    }

    /// Wakes the lane, but not for what it does not wait for.
    fn tell(&self, floor: &Floor<H, P>, had_room: bool) {
        if floor.taken == 0 || (!had_room && floor.room() > 0) {
            self.freed.notify_one();
        }
    }

    fn floor(&self) -> MutexGuard<'_, Floor<H, P>> {
        self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H: Clone + Eq + Hash, P> Floor<H, P> {
    fn free(&self) -> usize {
        self.all.saturating_sub(self.taken)
    }

    fn room(&self) -> usize {
        self.free().min(LINES_MAX.saturating_sub(self.in_line))
    }

    fn call_next(&mut self, host: &H, note: impl FnOnce(&mut HostLine<P>, &mut usize)) -> Vec<P> {
        let Self { all, taken, in_line, hosts, closed } = self;
        let Some(line) = hosts.get_mut(host) else {
            return Vec::new();
        };
        note(line, taken);
        let mut next = Vec::new();
        while !*closed && line.may_begin(all.saturating_sub(*taken)) {
            let Some(piece) = line.waiting.pop_front() else { break };
            line.under_way += 1;
            *taken += 1;
            *in_line -= 1;
            next.push(piece);
        }
        if line.is_idle() {
            line.window.end_bookings();
        }
        next
    }
}

impl<P> HostLine<P> {
    fn new() -> Self {
        Self { under_way: 0, recording: 0, window: Window::new(), waiting: VecDeque::new() }
    }

    fn is_idle(&self) -> bool {
        self.under_way == 0 && self.recording == 0 && self.waiting.is_empty()
    }

    /// Whether one more may begin. The first one always may, were there a place or not: nobody
    /// else would call those in line.
    fn may_begin(&self, free: usize) -> bool {
        let is_first = self.under_way == 0 && self.recording == 0;
        is_first
            || (free > 0
                && self.under_way < self.window.places().min(free / 2)
                && self.recording < RECORDING_MAX.min(free))
    }
}

#[cfg(test)]
mod tests {
    use super::super::window::FIRST;
    use super::*;

    const LATE: Option<Duration> = Some(Duration::from_secs(30));
    const FAR: Option<Duration> = Some(Duration::from_millis(100));

    /// Admits pieces for a host; answers how many began, stand in line, came too much.
    fn admit(places: &Places<u32, u32>, host: u32, pieces: u32) -> (usize, usize, usize) {
        let now = Instant::now();
        let (mut begun, mut in_line, mut later) = (0, 0, 0);
        for piece in 0..pieces {
            match places.admit(Some(&host), piece, now) {
                Admission::Begin(_) => begun += 1,
                Admission::InLine => in_line += 1,
                Admission::Later(..) => {
                    later += 1;
                    places.leave();
                }
            }
        }
        (begun, in_line, later)
    }

    /// The end of a host's piece, recorded at once; answers what begins instead.
    fn end(places: &Places<u32, u32>, host: u32, took: Option<Duration>) -> Vec<u32> {
        let mut next = places.answered(&host, took);
        next.extend(places.leave_host(&host));
        next
    }

    #[test]
    fn a_host_has_its_window_a_line_and_no_more() {
        let places = Places::new(1000);
        assert_eq!(admit(&places, 1, 400), (FIRST, 4 * FIRST, 400 - 5 * FIRST));
        assert_eq!(admit(&places, 2, 1), (1, 0, 0), "another host is not concerned");
        assert_eq!(places.floor().free(), 1000 - FIRST - 1);
    }

    #[test]
    fn when_places_run_short_each_host_has_less() {
        let places = Places::new(400);
        let begun: Vec<_> = (0..8).map(|host| admit(&places, host, 100).0).collect();
        assert_eq!(begun[..4], [FIRST; 4]);
        assert!(begun[4..].is_sorted_by(|one, next| one > next), "{begun:?}");
        assert!(places.floor().free() > 0, "there is room for one more");
    }

    #[test]
    fn the_end_of_a_piece_calls_the_next_in_line() {
        let places = Places::new(1000);
        let first = u32::try_from(FIRST).unwrap();
        admit(&places, 1, first + 4);
        assert_eq!(end(&places, 1, None), [first]);
        assert_eq!(
            end(&places, 1, FAR),
            [first + 1, first + 2],
            "one instead, and one more for a far host"
        );
        assert_eq!(places.floor().free(), 1000 - FIRST - 1);
    }

    #[test]
    fn a_host_goes_on_while_what_it_answered_is_recorded_but_not_endlessly() {
        let places = Places::new(10_000);
        admit(&places, 1, 5 * u32::try_from(FIRST).unwrap());
        for _ in 0..4 * FIRST {
            assert_eq!(places.answered(&1, None).len(), 1, "the next begins at once");
        }
        assert_eq!(places.floor().taken, 5 * FIRST, "each keeps its place");

        let (began, ..) = admit(&places, 2, 1);
        let mut answered = began;
        assert!(places.answered(&2, None).is_empty());
        while admit(&places, 2, 1).0 == 1 {
            assert!(places.answered(&2, None).is_empty());
            answered += 1;
        }
        assert_eq!(answered, RECORDING_MAX);
        assert_eq!(places.leave_host(&2), [0], "the one that stands in line now");
    }

    #[test]
    fn a_line_moves_on_although_more_places_are_taken_than_there_are() {
        let places = Places::new(4);
        assert_eq!(admit(&places, 1, 4), (1, 3, 0));
        let now = Instant::now();
        for piece in 0..9 {
            let _ = places.admit(None, piece, now);
        }
        assert_eq!(places.floor().free(), 0);
        assert_eq!(end(&places, 1, None).len(), 1, "the last one calls the next");
    }

    #[test]
    fn who_stands_in_line_of_a_hanging_host_is_called_in_the_end() {
        let places = Places::new(1000);
        let (mut under_way, in_line, _) = admit(&places, 1, 1000);
        let mut called = 0;
        while under_way > 0 {
            let next = end(&places, 1, LATE).len();
            under_way = under_way - 1 + next;
            called += next;
        }
        assert_eq!((called, places.floor().free()), (in_line, 1000));
    }

    #[test]
    fn idle_hosts_are_forgotten_when_they_are_many() {
        let places = Places::new(10_000);
        for host in 0..3000 {
            admit(&places, host, 1);
            end(&places, host, LATE);
        }
        assert!(places.floor().hosts.len() <= HOSTS_MAX);
    }

    #[test]
    fn memory_is_bounded_over_all_hosts() {
        let places = Places::new(100_000);
        let in_line: usize = (0..1000).map(|host| admit(&places, host, 100).1).sum();
        assert_eq!(in_line, LINES_MAX / 2, "unknown hosts leave the other half to quick ones");
        assert!(end(&places, 0, FAR).len() <= 2);
        let in_line: usize = (0..50).map(|_| admit(&places, 0, 1000).1).sum();
        assert!(in_line < LINES_MAX / 2 && places.room() > 0);
    }

    #[tokio::test]
    async fn closing_hands_out_the_lines_and_calls_nobody() {
        let places = Places::new(1000);
        let (begun, in_line, _) = admit(&places, 1, 50);
        assert_eq!(places.close().len(), in_line);
        for _ in 0..begun {
            assert!(end(&places, 1, FAR).is_empty());
        }
        places.all_free().await;
    }

    #[test]
    fn work_without_a_host_needs_only_a_place() {
        let places: Places<u32, u32> = Places::new(2);
        let now = Instant::now();
        assert_eq!(places.admit(None, 1, now), Admission::Begin(1));
        assert_eq!(places.admit(None, 2, now), Admission::Begin(2));
        assert_eq!(places.floor().free(), 0);
        places.leave();
        assert_eq!(places.floor().free(), 1);
    }
}
