//! Two lanes of workers: one takes the steps of orders, one delivers callbacks. Each takes no more
//! than it can start at once, so that a leased piece of work never waits out its lease.

use crate::gateway::{Delivery, Failure, Gateway, Handover, Work};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

/// How often a lane looks into the database: for retries that fall due, and for work that
/// another instance left.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long a lane waits after the database failed it.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// The most taken at one time.
const TAKE_MAX: usize = 256;

/// The running lanes.
pub struct Runner {
    stop: watch::Sender<bool>,
    lanes: Vec<JoinHandle<()>>,
}

impl Runner {
    /// Starts both lanes.
    #[must_use]
    pub fn start(gateway: &Arc<Gateway>, jobs_at_once: usize, callbacks_at_once: usize) -> Self {
        let (stop, stopped) = watch::channel(false);
        let jobs = Lane::new(Steps(Arc::clone(gateway)), jobs_at_once, stopped.clone());
        let callbacks = Lane::new(Callbacks(Arc::clone(gateway)), callbacks_at_once, stopped);
        let lanes = vec![tokio::spawn(jobs.run()), tokio::spawn(callbacks.run())];
        Self { stop, lanes }
    }

    /// Begins nothing more and waits for what is under way. What is still in the line is for
    /// [`Gateway::give_back`].
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for lane in self.lanes {
            let _ = lane.await;
        }
    }
}

/// What a lane does: where its work comes from and how a piece of it is done.
#[async_trait]
trait Errand: Clone + Send + Sync + 'static {
    type Piece: Send + 'static;
    const NAME: &'static str;

    fn handover(&self) -> &Handover<Self::Piece>;
    async fn claim(&self, most: u32) -> Result<Vec<Self::Piece>, Failure>;
    async fn run(&self, piece: Self::Piece) -> Result<(), Failure>;
}

#[derive(Clone)]
struct Steps(Arc<Gateway>);

#[async_trait]
impl Errand for Steps {
    type Piece = Work;
    const NAME: &'static str = "jobs";

    fn handover(&self) -> &Handover<Work> {
        self.0.jobs()
    }

    async fn claim(&self, most: u32) -> Result<Vec<Work>, Failure> {
        self.0.claim_jobs(most).await
    }

    async fn run(&self, work: Work) -> Result<(), Failure> {
        self.0.take_step(work).await
    }
}

#[derive(Clone)]
struct Callbacks(Arc<Gateway>);

#[async_trait]
impl Errand for Callbacks {
    type Piece = Delivery;
    const NAME: &'static str = "callbacks";

    fn handover(&self) -> &Handover<Delivery> {
        self.0.callbacks()
    }

    async fn claim(&self, most: u32) -> Result<Vec<Delivery>, Failure> {
        self.0.claim_notices(most).await
    }

    async fn run(&self, delivery: Delivery) -> Result<(), Failure> {
        self.0.deliver(delivery).await
    }
}

struct Lane<E> {
    errand: E,
    places: Arc<Semaphore>,
    at_once: usize,
    stopped: watch::Receiver<bool>,
    next_look: Instant,
    /// The last look into the database found something: now it is the line's turn.
    line_first: bool,
}

impl<E: Errand> Lane<E> {
    fn new(errand: E, at_once: usize, stopped: watch::Receiver<bool>) -> Self {
        let places = Arc::new(Semaphore::new(at_once));
        Self { errand, places, at_once, stopped, next_look: Instant::now(), line_first: false }
    }

    async fn run(mut self) {
        while let Some(mut places) = self.free_places().await {
            if *self.stopped.borrow() {
                drop(places);
                break;
            }
            let most = places.num_permits().min(TAKE_MAX);
            // Turn by turn: retries would starve as long as fresh work fills every place, and
            // fresh work as long as there is a backlog.
            let mut pieces = match self.line_first {
                true => self.errand.handover().take(most),
                false => Vec::new(),
            };
            let looked = self.look(most - pieces.len()).await;
            self.line_first = !looked.is_empty();
            pieces.extend(looked);
            pieces.extend(self.errand.handover().take(most - pieces.len()));
            if pieces.is_empty() {
                drop(places);
                self.wait().await;
                continue;
            }
            for piece in pieces {
                tokio::spawn(do_piece(self.errand.clone(), piece, places.split(1)));
            }
        }
        // Every place free again: nothing is under way any more.
        let all = u32::try_from(self.at_once).unwrap_or(u32::MAX);
        let _ = self.places.acquire_many(all).await;
    }

    /// Claims due work from the database, when it is time to look or something was left there.
    async fn look(&mut self, most: usize) -> Vec<E::Piece> {
        let due = Instant::now() >= self.next_look;
        if most == 0 || !(self.errand.handover().take_left() || due) {
            return Vec::new();
        }
        self.next_look = Instant::now() + LOOK_INTERVAL;
        match self.errand.claim(u32::try_from(most).unwrap_or(u32::MAX)).await {
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

    /// All places that are free now, at least one.
    async fn free_places(&mut self) -> Option<OwnedSemaphorePermit> {
        let mut places = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let more = u32::try_from(self.places.available_permits()).unwrap_or(0);
        if let Ok(rest) = Arc::clone(&self.places).try_acquire_many_owned(more) {
            places.merge(rest);
        }
        Some(places)
    }

    /// Waits for the bell, the time to look, or the end.
    async fn wait(&mut self) {
        let until_look = self.next_look.saturating_duration_since(Instant::now());
        tokio::select! {
            _ = self.stopped.wait_for(|stop| *stop) => {}
            () = self.errand.handover().wait() => {}
            () = tokio::time::sleep(until_look) => {}
        }
    }
}

async fn do_piece<E: Errand>(errand: E, piece: E::Piece, place: Option<OwnedSemaphorePermit>) {
    if let Err(failure) = errand.run(piece).await {
        tracing::error!(lane = E::NAME, %failure, "a step failed; its lease gives it back");
    }
    drop(place);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::{Semaphore, mpsc};

    /// An errand whose pieces wait until the test lets them go on.
    #[derive(Clone)]
    struct Fake(Arc<FakeState>);

    struct FakeState {
        handover: Handover<u32>,
        in_database: Mutex<VecDeque<u32>>,
        begun: mpsc::UnboundedSender<u32>,
        may_end: Semaphore,
        running: AtomicUsize,
        most_running: AtomicUsize,
        ended: AtomicUsize,
    }

    #[async_trait]
    impl Errand for Fake {
        type Piece = u32;
        const NAME: &'static str = "fake";

        fn handover(&self) -> &Handover<u32> {
            &self.0.handover
        }

        async fn claim(&self, most: u32) -> Result<Vec<u32>, Failure> {
            let mut waiting = self.0.in_database.lock().unwrap();
            let most = waiting.len().min(most as usize);
            Ok(waiting.drain(..most).collect())
        }

        async fn run(&self, piece: u32) -> Result<(), Failure> {
            let running = self.0.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.0.most_running.fetch_max(running, Ordering::SeqCst);
            self.0.begun.send(piece).unwrap();
            self.0.may_end.acquire().await.unwrap().forget();
            self.0.running.fetch_sub(1, Ordering::SeqCst);
            assert_ne!(piece, 13, "this piece panics");
            self.0.ended.fetch_add(1, Ordering::SeqCst);
            Err(Failure::Internal("a failed step is only logged".to_owned()))
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
        play.fake.0.handover.reserve().unwrap().fill(7);
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
        play.fake.0.handover.reserve().unwrap().fill(2);
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
            play.fake.0.handover.reserve().unwrap().fill(fresh);
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
}
