//! A lane of workers: it takes work from the line in memory and from the database, and runs as
//! many pieces at once as there are [`Places`]. It takes no more than it can place at once, so that
//! a leased piece of work never waits out its lease.

use super::places::{Admission, Places};
use crate::gateway::{Failure, Handover};
use async_trait::async_trait;
use futures_util::FutureExt;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often a lane looks into the database: for retries that fall due, and for work that
/// another instance left.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long a lane waits after the database failed it.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// How long a lane leaves the database alone after it took out what it had to put back: the lines
/// of some hosts are full, and move on meanwhile.
const PUT_BACK_PAUSE: Duration = Duration::from_millis(100);
/// The most taken at one time.
const TAKE_MAX: usize = 512;

/// What a lane does: where its work comes from and how a piece of it is done.
#[async_trait]
pub(super) trait Errand: Send + Sync + 'static {
    type Piece: Send + 'static;
    /// What a piece came to, as far as it is yet to be recorded.
    type Done: Send + 'static;
    type Host: Clone + Eq + Hash + Send + 'static;
    const NAME: &'static str;

    fn handover(&self) -> &Handover<Self::Piece>;

    /// Whom the piece speaks to, if there are several and one may fail the others.
    fn host(&self, piece: &Self::Piece) -> Option<Self::Host>;

    async fn claim(&self, most: u32) -> Result<Vec<Self::Piece>, Failure>;

    /// Does a piece, until its host has nothing more to do with it.
    async fn run(&self, piece: Self::Piece) -> Result<Self::Done, Failure>;

    /// How long the host took, `None` when it was not asked.
    fn took(&self, done: &Self::Done) -> Option<Duration>;

    /// Records what a piece came to. The host's next one is under way meanwhile.
    async fn record(&self, done: Self::Done) -> Result<(), Failure>;

    /// Gives a piece back that was not begun, to be claimed after `pause`.
    async fn postpone(&self, piece: Self::Piece, pause: Duration) -> Result<(), Failure>;
}

pub(super) struct Lane<E: Errand> {
    crew: Arc<Crew<E>>,
    stopped: watch::Receiver<bool>,
    next_look: Instant,
    no_look_before: Instant,
    /// The last look into the database found something: now it is the line's turn.
    line_first: bool,
}

/// What the lane shares with those who do its pieces.
struct Crew<E: Errand> {
    errand: E,
    places: Places<E::Host, E::Piece>,
}

impl<E: Errand> Lane<E> {
    pub(super) fn new(errand: E, at_once: usize, stopped: watch::Receiver<bool>) -> Self {
        let crew = Arc::new(Crew { errand, places: Places::new(at_once) });
        let now = Instant::now();
        Self { crew, stopped, next_look: now, no_look_before: now, line_first: false }
    }

    /// Works until the stop, gives back what stands in line and waits for what is under way.
    pub(super) async fn run(mut self) {
        self.crew.errand.handover().attend(true);
        while !*self.stopped.borrow() {
            let most = self.crew.places.room().min(TAKE_MAX);
            if most == 0 {
                self.wait_for_a_place().await;
                continue;
            }
            let pieces = self.take(most).await;
            if pieces.is_empty() {
                self.wait_for_work().await;
                continue;
            }
            let now = Instant::now();
            let mut kept_all = true;
            for piece in pieces {
                kept_all &= begin(&self.crew, piece, now);
            }
            if !kept_all {
                self.no_look_before = now + PUT_BACK_PAUSE;
                self.next_look = self.next_look.max(self.no_look_before);
            }
        }
        self.crew.errand.handover().attend(false);
        let in_line = self.crew.places.close();
        let given_back = in_line.into_iter().map(|piece| self.crew.postpone(piece, Duration::ZERO));
        futures_util::future::join_all(given_back).await;
        self.crew.places.all_free().await;
    }

    /// Takes up to `most` pieces, turn by turn: retries would starve as long as fresh work fills
    /// every place, and fresh work as long as there is a backlog.
    async fn take(&mut self, most: usize) -> Vec<E::Piece> {
        let crew = Arc::clone(&self.crew);
        let handover = crew.errand.handover();
        let mut pieces = match self.line_first {
            true => handover.take(most),
            false => Vec::new(),
        };
        let looked = self.look(most - pieces.len()).await;
        self.line_first = !looked.is_empty();
        pieces.extend(looked);
        pieces.extend(handover.take(most - pieces.len()));
        pieces
    }

    /// Claims due work from the database, when it is time to look or something was left there.
    async fn look(&mut self, most: usize) -> Vec<E::Piece> {
        let errand = &self.crew.errand;
        let now = Instant::now();
        if most == 0 || now < self.no_look_before {
            return Vec::new();
        }
        if !errand.handover().take_left() && now < self.next_look {
            return Vec::new();
        }
        self.next_look = Instant::now() + LOOK_INTERVAL;
        match errand.claim(u32::try_from(most).unwrap_or(u32::MAX)).await {
            Ok(pieces) => {
                if pieces.len() == most {
                    // There may be more: look again as soon as there is a free place.
                    self.next_look = Instant::now();
                }
                pieces
            }
            Err(failure) => {
                tracing::warn!(lane = E::NAME, %failure, "cannot claim work; will try again");
                self.next_look = Instant::now() + TROUBLE_PAUSE;
                Vec::new()
            }
        }
    }

    /// Waits for a free place or the end.
    async fn wait_for_a_place(&mut self) {
        tokio::select! {
            _ = self.stopped.wait_for(|stop| *stop) => {}
            () = self.crew.places.freed() => {}
        }
    }

    /// Waits for the bell, the time to look, or the end.
    async fn wait_for_work(&mut self) {
        let until_look = self.next_look.saturating_duration_since(Instant::now());
        tokio::select! {
            _ = self.stopped.wait_for(|stop| *stop) => {}
            () = self.crew.errand.handover().wait() => {}
            () = tokio::time::sleep(until_look) => {}
        }
    }
}

/// Finds out where a piece belongs, and begins it if it may. Answers whether it was kept: the rest
/// goes back to the database.
fn begin<E: Errand>(crew: &Arc<Crew<E>>, piece: E::Piece, now: Instant) -> bool {
    let host = crew.errand.host(&piece);
    match crew.places.admit(host.as_ref(), piece, now) {
        Admission::Begin(piece) => {
            spawn(crew, piece, host);
            true
        }
        Admission::InLine => true,
        Admission::Later(piece, pause) => {
            let crew = Arc::clone(crew);
            tokio::spawn(async move {
                crew.postpone(piece, pause).await;
                crew.places.leave();
            });
            false
        }
    }
}

/// Does a piece that has a place, then begins what its end calls.
fn spawn<E: Errand>(crew: &Arc<Crew<E>>, piece: E::Piece, host: Option<E::Host>) {
    let crew = Arc::clone(crew);
    tokio::spawn(async move {
        let done = crew.survive(crew.errand.run(piece)).await;
        if let Some(host) = &host {
            let took = done.as_ref().and_then(|done| crew.errand.took(done));
            begin_next(&crew, host, crew.places.answered(host, took));
        }
        if let Some(done) = done {
            crew.survive(crew.errand.record(done)).await;
        }
        match &host {
            Some(host) => begin_next(&crew, host, crew.places.leave_host(host)),
            None => crew.places.leave(),
        }
    });
}

/// Begins pieces of one host that have been given places.
fn begin_next<E: Errand>(crew: &Arc<Crew<E>>, host: &E::Host, pieces: Vec<E::Piece>) {
    for piece in pieces {
        spawn(crew, piece, Some(host.clone()));
    }
}

impl<E: Errand> Crew<E> {
    /// Answers what came of it, if it did not fail; whatever happens, the place of the piece can be
    /// given back afterwards.
    async fn survive<T>(&self, deed: impl Future<Output = Result<T, Failure>>) -> Option<T> {
        match AssertUnwindSafe(deed).catch_unwind().await {
            Ok(Ok(done)) => Some(done),
            Ok(Err(failure)) => {
                tracing::error!(lane = E::NAME, %failure, "a step failed; its lease gives it back");
                None
            }
            // The panic itself has been reported by the hook.
            Err(_) => None,
        }
    }

    async fn postpone(&self, piece: E::Piece, pause: Duration) {
        if let Err(failure) = self.errand.postpone(piece, pause).await {
            tracing::warn!(lane = E::NAME, %failure, "cannot give back; the lease does it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::window::FIRST;
    use super::*;
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::{Semaphore, mpsc};
    use tokio::task::JoinHandle;

    /// Pieces from here on are for hosts; those of one thousand have one host.
    const FOR_HOSTS: u32 = 1000;
    /// Never answers: its pieces stay under way until the test says that they hung.
    const HANGING: u32 = 6;

    /// An errand whose pieces wait until the test lets them go on.
    #[derive(Clone)]
    struct Fake(Arc<FakeState>);

    struct FakeState {
        handover: Handover<u32>,
        in_database: Mutex<VecDeque<u32>>,
        postponed: Mutex<Vec<(u32, Duration)>>,
        hang_over: Semaphore,
        begun: mpsc::UnboundedSender<u32>,
        may_end: Semaphore,
        running: AtomicUsize,
        most_running: AtomicUsize,
        ended: AtomicUsize,
    }

    #[async_trait]
    impl Errand for Fake {
        type Piece = u32;
        type Done = Option<Duration>;
        type Host = u32;
        const NAME: &'static str = "fake";

        fn handover(&self) -> &Handover<u32> {
            &self.0.handover
        }

        fn host(&self, piece: &u32) -> Option<u32> {
            (*piece >= FOR_HOSTS).then_some(piece / 1000)
        }

        async fn postpone(&self, piece: u32, pause: Duration) -> Result<(), Failure> {
            self.0.postponed.lock().unwrap().push((piece, pause));
            Ok(())
        }

        async fn claim(&self, most: u32) -> Result<Vec<u32>, Failure> {
            let mut waiting = self.0.in_database.lock().unwrap();
            let most = waiting.len().min(most as usize);
            Ok(waiting.drain(..most).collect())
        }

        async fn run(&self, piece: u32) -> Result<Option<Duration>, Failure> {
            let running = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.0.most_running.fetch_max(running, Ordering::SeqCst);
            self.0.begun.send(piece).unwrap();
            if self.host(&piece) == Some(HANGING) {
                self.0.hang_over.acquire().await.unwrap().forget();
                self.0.running.fetch_sub(1, Ordering::SeqCst);
                return Ok(Some(Duration::from_secs(30)));
            }
            self.0.may_end.acquire().await.unwrap().forget();
            self.0.running.fetch_sub(1, Ordering::SeqCst);
            assert_ne!(piece, 13, "this piece panics");
            self.0.ended.fetch_add(1, Ordering::SeqCst);
            Err(Failure::Internal("a failed step is only logged".to_owned()))
        }

        fn took(&self, took: &Option<Duration>) -> Option<Duration> {
            *took
        }

        async fn record(&self, _: Option<Duration>) -> Result<(), Failure> {
            Ok(())
        }
    }

    struct Play {
        fake: Fake,
        begun: mpsc::UnboundedReceiver<u32>,
        stop: watch::Sender<bool>,
        lane: JoinHandle<()>,
    }

    fn play(at_once: usize, in_database: impl IntoIterator<Item = u32>) -> Play {
        let (note, begun) = mpsc::unbounded_channel();
        let fake = Fake(Arc::new(FakeState {
            handover: Handover::new(),
            in_database: Mutex::new(in_database.into_iter().collect()),
            postponed: Mutex::new(Vec::new()),
            hang_over: Semaphore::new(0),
            begun: note,
            may_end: Semaphore::new(0),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
        }));
        let (stop, stopped) = watch::channel(false);
        let lane = tokio::spawn(Lane::new(fake.clone(), at_once, stopped).run());
        Play { fake, begun, stop, lane }
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_there_are_places_and_all_are_done() {
        let mut play = play(3, 0..10);
        for _ in 0..10 {
            play.begun.recv().await.unwrap();
            play.fake.0.may_end.add_permits(1);
        }
        play.stop.send(true).unwrap();
        play.lane.await.unwrap();
        assert_eq!(play.fake.0.ended.load(Ordering::SeqCst), 10);
        assert!(play.fake.0.most_running.load(Ordering::SeqCst) <= 3);
    }

    #[tokio::test]
    async fn what_is_handed_over_is_begun_at_once() {
        let mut play = play(2, []);
        play.fake.0.handover.reserve().await.unwrap().fill(7);
        assert_eq!(play.begun.recv().await, Some(7));
        play.fake.0.may_end.add_permits(1);
        play.stop.send(true).unwrap();
        play.lane.await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_gives_the_place_back() {
        let mut play = play(1, [13, 14]);
        assert_eq!(play.begun.recv().await, Some(13));
        play.fake.0.may_end.add_permits(1);
        assert_eq!(play.begun.recv().await, Some(14));
        play.fake.0.may_end.add_permits(1);
        play.stop.send(true).unwrap();
        play.lane.await.unwrap();
        assert_eq!(play.fake.0.ended.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn stopping_waits_for_what_is_under_way_and_begins_nothing_more() {
        let mut play = play(1, [1]);
        assert_eq!(play.begun.recv().await, Some(1));
        play.fake.0.handover.reserve().await.unwrap().fill(2);
        play.stop.send(true).unwrap();
        tokio::task::yield_now().await;
        assert!(!play.lane.is_finished());
        play.fake.0.may_end.add_permits(2);
        play.lane.await.unwrap();
        assert_eq!(play.fake.0.ended.load(Ordering::SeqCst), 1);
        assert_eq!(play.fake.0.handover.take(9), [2], "left to be given back");
    }

    #[tokio::test]
    async fn work_in_the_database_is_not_starved_by_fresh_work() {
        let mut play = play(1, [99]);
        for fresh in 0..50 {
            play.fake.0.handover.reserve().await.unwrap().fill(fresh);
        }
        play.fake.0.may_end.add_permits(51);
        let mut begun = Vec::new();
        while begun.last() != Some(&99) {
            begun.push(play.begun.recv().await.unwrap());
        }
        assert!(begun.len() < 50, "{begun:?}");
        play.stop.send(true).unwrap();
        play.lane.await.unwrap();
    }

    #[tokio::test]
    async fn healthy_hosts_go_on_while_another_hangs() {
        let hanging = (6000..6400).collect::<Vec<_>>();
        let mut play = play(200, hanging);
        // No more for each than its line holds.
        for piece in (10..20).flat_map(|host| host * 1000..host * 1000 + 10) {
            play.fake.0.handover.reserve().await.unwrap().fill(piece);
        }
        play.fake.0.may_end.add_permits(100);
        let (mut hung, mut healthy) = (0, 0);
        while healthy < 100 {
            match play.begun.recv().await.unwrap() / 1000 {
                HANGING => hung += 1,
                _ => healthy += 1,
            }
        }
        assert_eq!(hung, FIRST);
        assert_eq!(play.fake.0.running.load(Ordering::SeqCst), FIRST, "only the hanging ones");
        play.stop.send(true).unwrap();
        play.fake.0.hang_over.add_permits(FIRST);
        play.lane.await.unwrap();
        let postponed = play.fake.0.postponed.lock().unwrap();
        let untouched = play.fake.0.in_database.lock().unwrap().len();
        assert_eq!(postponed.len() + untouched, 400 - FIRST, "none is lost or begun in vain");
        let in_line = postponed.iter().filter(|(_, pause)| pause.is_zero()).count();
        assert_eq!(in_line, 4 * FIRST, "the rest came back to the database with a pause");
    }
}
