//! Those who set a gateway to work, each task by itself: what workers, doors and the schedule do
//! in the running program.

use super::notebook::Notebook;
use super::shop::{Attempt, Shop};
use super::weather::Weather;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tillgate::gateway::{Failure, Gateway};

#[derive(Clone)]
pub struct Staff {
    gateway: Arc<Gateway>,
    /// How many tasks are under way.
    busy: Arc<AtomicUsize>,
    weather: Arc<Weather>,
    notebook: Notebook,
}

impl Staff {
    pub fn new(gateway: &Arc<Gateway>, weather: &Arc<Weather>, notebook: &Notebook) -> Self {
        Self {
            gateway: Arc::clone(gateway),
            busy: Arc::default(),
            weather: Arc::clone(weather),
            notebook: notebook.clone(),
        }
    }

    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
    }

    /// Sends a request of the shop's.
    pub fn serve(&self, shop: &Shop, attempt: Attempt) {
        self.employ("a sale", shop.clone().send(Arc::clone(&self.gateway), attempt));
    }

    /// Takes steps of orders: up to `most` that were handed over, and as many from the database.
    pub fn take_steps(&self, most: u32) {
        let staff = self.clone();
        self.employ("a look for jobs", async move {
            for work in staff.gateway.jobs().take(most as usize) {
                staff.take_step(work);
            }
            for work in staff.gateway.claim_jobs(most).await? {
                staff.take_step(work);
            }
            Ok(())
        });
    }

    fn take_step(&self, work: tillgate::gateway::Work) {
        self.notebook.write(|| format!("takes {:?}", work.job));
        let gateway = Arc::clone(&self.gateway);
        self.employ("a step", async move { gateway.take_step(work).await });
    }

    /// Delivers callbacks, as [`Staff::take_steps`] takes steps.
    pub fn deliver(&self, most: u32) {
        let staff = self.clone();
        self.employ("a look for callbacks", async move {
            for delivery in staff.gateway.callbacks().take(most as usize) {
                staff.deliver_one(delivery);
            }
            for delivery in staff.gateway.claim_notices(most).await? {
                staff.deliver_one(delivery);
            }
            Ok(())
        });
    }

    fn deliver_one(&self, delivery: tillgate::gateway::Delivery) {
        self.notebook.write(|| format!("delivers {:?}", delivery.due));
        let gateway = Arc::clone(&self.gateway);
        self.employ("a delivery", async move {
            gateway.record_attempt(gateway.attempt(delivery).await?).await
        });
    }

    pub fn sweep(&self) {
        let (gateway, notebook) = (Arc::clone(&self.gateway), self.notebook.clone());
        self.employ("a sweep", async move {
            if gateway.sweep().await?.card_keys > 0 {
                notebook.count("a card key destroyed");
            }
            Ok(())
        });
    }

    /// What a process that stops does last.
    pub fn give_back(&self) {
        let gateway = Arc::clone(&self.gateway);
        self.employ("a giving back", async move { gateway.give_back().await });
    }

    fn employ(
        &self,
        what: &'static str,
        task: impl Future<Output = Result<(), Failure>> + Send + 'static,
    ) {
        let shift = Shift::begin(self.clone());
        let began_clear = self.weather.is_clear();
        tokio::spawn(async move {
            if let Err(failure) = task.await {
                shift.staff.judge(what, &failure, began_clear);
            }
            drop(shift);
        });
    }

    /// Failures are for bad weather, and none may come of the gateway's own confusion.
    fn judge(&self, what: &'static str, failure: &Failure, began_clear: bool) {
        self.notebook.write(|| format!("{what} failed: {failure}"));
        let confused = failure.to_string().contains("cannot happen to an order");
        if confused || began_clear {
            self.notebook.accuse(format!("{what} failed: {failure}"));
        }
    }
}

/// One task under way.
struct Shift {
    staff: Staff,
}

impl Shift {
    fn begin(staff: Staff) -> Self {
        staff.busy.fetch_add(1, Ordering::Relaxed);
        Self { staff }
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        self.staff.busy.fetch_sub(1, Ordering::Relaxed);
        if std::thread::panicking() {
            self.staff.notebook.accuse("a task panicked".to_owned());
        }
    }
}
