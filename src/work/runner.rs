//! The running workers: one lane takes the steps of orders, one delivers callbacks.

use super::lane::{Errand, Lane};
use crate::gateway::{Attempted, Delivery, Failure, Gateway, Handover, Receiver, Work};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

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

    /// Begins nothing more and waits for what is under way. What is still handed over is for
    /// [`Gateway::give_back`].
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for lane in self.lanes {
            let _ = lane.await;
        }
    }
}

struct Steps(Arc<Gateway>);

#[async_trait]
impl Errand for Steps {
    type Piece = Work;
    /// A step records itself.
    type Done = ();
    /// There is one acquirer, so the lane's places are its bound.
    type Host = ();
    const NAME: &'static str = "jobs";

    fn handover(&self) -> &Handover<Work> {
        self.0.jobs()
    }

    fn host(&self, _work: &Work) -> Option<()> {
        None
    }

    async fn claim(&self, most: u32) -> Result<Vec<Work>, Failure> {
        self.0.claim_jobs(most).await
    }

    async fn run(&self, work: Work) -> Result<(), Failure> {
        self.0.take_step(work).await
    }

    fn took(&self, (): &()) -> Option<Duration> {
        None
    }

    async fn record(&self, (): ()) -> Result<(), Failure> {
        Ok(())
    }

    async fn postpone(&self, work: Work, _pause: Duration) -> Result<(), Failure> {
        self.0.give_back_work(&work).await
    }
}

struct Callbacks(Arc<Gateway>);

#[async_trait]
impl Errand for Callbacks {
    type Piece = Delivery;
    type Done = Attempted;
    type Host = Receiver;
    const NAME: &'static str = "callbacks";

    fn handover(&self) -> &Handover<Delivery> {
        self.0.callbacks()
    }

    fn host(&self, delivery: &Delivery) -> Option<Receiver> {
        Some(delivery.receiver())
    }

    async fn claim(&self, most: u32) -> Result<Vec<Delivery>, Failure> {
        self.0.claim_notices(most).await
    }

    async fn run(&self, delivery: Delivery) -> Result<Attempted, Failure> {
        self.0.attempt(delivery).await
    }

    fn took(&self, attempted: &Attempted) -> Option<Duration> {
        attempted.took()
    }

    async fn record(&self, attempted: Attempted) -> Result<(), Failure> {
        self.0.record_attempt(attempted).await
    }

    async fn postpone(&self, delivery: Delivery, pause: Duration) -> Result<(), Failure> {
        self.0.postpone(&delivery, pause).await
    }
}
