//! Two lanes of workers: one takes the steps of orders, one delivers callbacks. Each claims no
//! more than it can start at once, so that a claimed piece of work never waits out its lease.

use crate::gateway::{Failure, Gateway};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

/// How long a lane waits for its bell before it looks by itself: for retries that fall due, and
/// for work that another instance left.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long a lane waits after the database failed it.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// The most claimed at one time.
const CLAIM_MAX: usize = 256;

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
        let jobs = Lane {
            name: "jobs",
            places: Arc::new(Semaphore::new(jobs_at_once)),
            at_once: jobs_at_once,
            stopped: stopped.clone(),
        };
        let notices = Lane {
            name: "callbacks",
            places: Arc::new(Semaphore::new(callbacks_at_once)),
            at_once: callbacks_at_once,
            stopped,
        };
        let lanes = vec![
            tokio::spawn(jobs.run(
                Arc::clone(gateway),
                |gateway| &gateway.bells().jobs,
                |gateway, most| async move { gateway.claim_jobs(most).await },
                |gateway, job| async move { gateway.take_step(job).await },
            )),
            tokio::spawn(notices.run(
                Arc::clone(gateway),
                |gateway| &gateway.bells().notices,
                |gateway, most| async move { gateway.claim_notices(most).await },
                |gateway, notice| async move { gateway.deliver(notice).await },
            )),
        ];
        Self { stop, lanes }
    }

    /// Claims nothing more and waits for what is under way.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for lane in self.lanes {
            let _ = lane.await;
        }
    }
}

struct Lane {
    name: &'static str,
    places: Arc<Semaphore>,
    at_once: usize,
    stopped: watch::Receiver<bool>,
}

impl Lane {
    async fn run<T, Claim, Claiming, Work, Working>(
        mut self,
        gateway: Arc<Gateway>,
        bell: fn(&Gateway) -> &Notify,
        claim: Claim,
        work: Work,
    ) where
        T: Send + 'static,
        Claim: Fn(Arc<Gateway>, u32) -> Claiming,
        Claiming: Future<Output = Result<Vec<T>, Failure>>,
        Work: Fn(Arc<Gateway>, T) -> Working,
        Working: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        while let Some(mut places) = self.free_places().await {
            let most = u32::try_from(places.num_permits().min(CLAIM_MAX)).unwrap_or(u32::MAX);
            let claimed = match claim(Arc::clone(&gateway), most).await {
                Ok(claimed) => claimed,
                Err(failure) => {
                    tracing::warn!(lane = self.name, %failure, "cannot claim work; will try again");
                    self.pause(TROUBLE_PAUSE).await;
                    continue;
                }
            };
            if claimed.is_empty() {
                drop(places);
                self.wait_for(bell(&gateway)).await;
                continue;
            }
            for piece in claimed {
                let place = places.split(1);
                tokio::spawn(finish(work(Arc::clone(&gateway), piece), self.name, place));
            }
        }
        // Every place free again: nothing is under way any more.
        let all = u32::try_from(self.at_once).unwrap_or(u32::MAX);
        let _ = self.places.acquire_many(all).await;
    }

    /// All places that are free now, at least one; `None` when it is time to stop.
    async fn free_places(&mut self) -> Option<OwnedSemaphorePermit> {
        let first = tokio::select! {
            biased;
            _ = self.stopped.wait_for(|stop| *stop) => return None,
            first = Arc::clone(&self.places).acquire_owned() => first.ok()?,
        };
        let mut places = first;
        let more = u32::try_from(self.places.available_permits()).unwrap_or(0);
        if let Ok(rest) = Arc::clone(&self.places).try_acquire_many_owned(more) {
            places.merge(rest);
        }
        Some(places)
    }

    async fn wait_for(&mut self, bell: &Notify) {
        tokio::select! {
            _ = self.stopped.wait_for(|stop| *stop) => {}
            () = bell.notified() => {}
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
    }

    async fn pause(&mut self, pause: Duration) {
        tokio::select! {
            _ = self.stopped.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn finish(
    work: impl Future<Output = Result<(), Failure>>,
    lane: &'static str,
    place: Option<OwnedSemaphorePermit>,
) {
    if let Err(failure) = work.await {
        tracing::error!(lane, %failure, "a step failed; its lease gives it back");
    }
    drop(place);
}
