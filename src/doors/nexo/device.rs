//! One terminal at work: what it is busy with, who waits for it, and what may still stop it.
//!
//! A service runs in a task of its own and holds the device's [`Turn`]; the requests that want its
//! answer only wait, so that a lost connection stops nothing.

use super::line::Line;
use super::message::Message;
use super::rules::{Stage, Standing};
use super::wire::message::Header;
use crate::clock::Clock;
use crate::payment::Millis;
use crate::payment::card::EntryMode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// Device ids have up to ten characters and begin again then.
const DEVICE_IDS: u64 = 1_000_000_000;

/// A terminal's working memory.
#[derive(Default)]
pub(super) struct Device {
    desk: Mutex<Desk>,
    next_id: AtomicU64,
    /// To its points of sale.
    pub(super) line: Line,
}

#[derive(Default)]
struct Desk {
    running: Option<Arc<Running>>,
    /// Until when it is busy with itself.
    busy_until: Millis,
    in_maintenance: bool,
    /// Whether it would like to be maintained.
    wants_maintenance: bool,
    ahead: Option<CardAhead>,
    next: Next,
}

/// A card that was read before the payment (nexo contract 5.13).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct CardAhead {
    /// How it was read; none yet.
    pub(super) entry_mode: Option<EntryMode>,
    /// The transaction id of the reading.
    pub(super) reference: Option<String>,
}

/// What was chosen for the next payment.
#[derive(Clone, Default)]
pub(super) struct Next {
    pub(super) card: Option<CardAtHand>,
    /// What is played, whatever the amount.
    pub(super) ending: Option<i64>,
}

/// A card that is held to the terminal, where it is another than the sandbox's own.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CardAtHand {
    pub(super) pan: zeroize::Zeroizing<String>,
    /// YYMM.
    pub(super) expiry: String,
}

/// A service under way.
pub(super) struct Running {
    pub(super) sale_id: String,
    pub(super) category: String,
    pub(super) service_id: String,
    /// The body of its request.
    pub(super) told: String,
    progress: Mutex<Progress>,
    /// Rung when somebody wants it to stop.
    bell: Notify,
    heard: watch::Sender<Heard>,
}

/// What those who wait have heard.
#[derive(Clone)]
enum Heard {
    Nothing,
    Answer(Answer),
    /// Whoever carried the service out is gone.
    Gone,
}

struct Progress {
    stage: Stage,
    stopped: Option<Stopped>,
}

/// Why a service was stopped, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stopped {
    pub(super) stage: Stage,
    pub(super) reason: String,
    /// The point of sale that wanted it.
    pub(super) by: String,
}

/// What a service came to.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) message: Arc<Message>,
    /// The line breaks before it arrives.
    pub(super) is_lost: bool,
}

/// What came of an attempt to stop a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    Taken,
    TooLate,
    /// The cashier is looking at the signature.
    NotNow,
    NoSuchService,
}

/// The right to carry out a service. Without an [`end`](Turn::end) those who wait hear nothing.
pub(super) struct Turn {
    device: Arc<Device>,
    pub(super) running: Arc<Running>,
}

impl Device {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it stands.
    pub(super) fn standing(&self, now: Millis) -> Standing {
        let desk = self.desk();
        match &desk.running {
            _ if desk.in_maintenance => Standing::Maintenance,
            Some(running) => Standing::Serving(running.stage()),
            None if now < desk.busy_until => Standing::Cooldown,
            None => Standing::Idle,
        }
    }

    /// The service that it carries out.
    pub(super) fn running(&self) -> Option<Arc<Running>> {
        self.desk().running.clone()
    }

    /// Begins the service of this header, told in these words, if it is free.
    pub(super) fn begin(
        self: &Arc<Self>,
        header: &Header,
        told: &str,
        stage: Stage,
        now: Millis,
    ) -> Option<Turn> {
        let mut desk = self.desk();
        if desk.running.is_some() || desk.in_maintenance || now < desk.busy_until {
            return None;
        }
        let running = Arc::new(Running {
            sale_id: header.sale_id.clone(),
            category: header.category.clone(),
            service_id: header.service_name().to_owned(),
            told: told.to_owned(),
            progress: Mutex::new(Progress { stage, stopped: None }),
            bell: Notify::new(),
            heard: watch::Sender::new(Heard::Nothing),
        });
        desk.running = Some(Arc::clone(&running));
        Some(Turn { device: Arc::clone(self), running })
    }

    /// Stops the service that is meant, if it is the one under way and nothing was sent yet.
    pub(super) fn stop(
        &self,
        (sale_id, category, service_id): (&str, &str, &str),
        by: &str,
        reason: &str,
    ) -> Stop {
        match self.running() {
            Some(running) if running.is_named(sale_id, category, service_id) => {
                running.stop(by, reason)
            }
            _ => Stop::NoSuchService,
        }
    }

    /// Stops whatever is under way, for a point of sale that logs in.
    pub(super) fn reset(&self, by: &str) -> Option<Arc<Running>> {
        let running = self.running()?;
        (running.stop(by, "Login") == Stop::Taken).then_some(running)
    }

    /// Is busy with itself for a while.
    pub(super) fn rest_until(&self, until: Millis) {
        self.desk().busy_until = until;
    }

    /// The number for the next message to a point of sale.
    pub(super) fn next_device_id(&self) -> String {
        (self.next_id.fetch_add(1, Ordering::Relaxed) % DEVICE_IDS + 1).to_string()
    }

    pub(super) fn wants_maintenance(&self) -> bool {
        self.desk().wants_maintenance
    }

    pub(super) fn ask_for_maintenance(&self) {
        self.desk().wants_maintenance = true;
    }

    /// Begins or ends its maintenance.
    pub(super) fn maintain(&self, begin: bool) {
        let mut desk = self.desk();
        (desk.in_maintenance, desk.wants_maintenance) = (begin, false);
    }

    /// The card that was read ahead.
    pub(super) fn ahead(&self) -> Option<CardAhead> {
        self.desk().ahead.clone()
    }

    pub(super) fn set_ahead(&self, ahead: Option<CardAhead>) -> Option<CardAhead> {
        std::mem::replace(&mut self.desk().ahead, ahead)
    }

    /// What was chosen for the next payment.
    pub(super) fn chosen(&self) -> Next {
        self.desk().next.clone()
    }

    /// Chooses for the next payment, or takes a choice back.
    pub(super) fn choose(&self, choice: impl FnOnce(&mut Next)) {
        choice(&mut self.desk().next);
    }
}

impl Running {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stage(&self) -> Stage {
        self.progress().stage
    }

    /// Whether it is the service of this name.
    pub(super) fn is_named(&self, sale_id: &str, category: &str, service_id: &str) -> bool {
        self.sale_id == sale_id && self.category == category && self.service_id == service_id
    }

    fn stop(&self, by: &str, reason: &str) -> Stop {
        let mut progress = self.progress();
        match progress.stage {
            stage if stage.is_cancellable() => {
                let (by, reason) = (by.to_owned(), reason.to_owned());
                progress.stopped.get_or_insert(Stopped { stage, reason, by });
                self.bell.notify_waiters();
                Stop::Taken
            }
            Stage::Signature => Stop::NotNow,
            _ => Stop::TooLate,
        }
    }

    /// What it comes to; `None` if whoever carried it out has gone.
    pub(super) async fn answer(&self) -> Option<Answer> {
        let mut heard = self.heard.subscribe();
        loop {
            match heard.borrow_and_update().clone() {
                Heard::Answer(answer) => return Some(answer),
                Heard::Gone => return None,
                Heard::Nothing => {}
            }
            heard.changed().await.ok()?;
        }
    }
}

impl Turn {
    /// Comes to the next stage.
    ///
    /// # Errors
    /// When it was stopped before.
    pub(super) fn enter(&self, stage: Stage) -> Result<(), Stopped> {
        let mut progress = self.running.progress();
        if let Some(stopped) = &progress.stopped {
            return Err(stopped.clone());
        }
        progress.stage = stage;
        Ok(())
    }

    /// Waits until then.
    ///
    /// # Errors
    /// When it is stopped meanwhile.
    pub(super) async fn wait(&self, clock: &Clock, until: Millis) -> Result<(), Stopped> {
        loop {
            let rung = self.running.bell.notified();
            if let Some(stopped) = self.running.progress().stopped.clone() {
                return Err(stopped);
            }
            tokio::select! {
                () = rung => {}
                () = clock.wait_until(until) => return self.enter(self.running.stage()),
            }
        }
    }

    /// Ends the service: the terminal rests until `rest_until`, and whoever waits hears the answer.
    pub(super) fn end(self, answer: Answer, rest_until: Millis) {
        self.device.rest_until(rest_until);
        self.leave();
        self.running.heard.send_replace(Heard::Answer(answer));
    }

    fn leave(&self) {
        let mut desk = self.device.desk();
        if desk.running.as_ref().is_some_and(|running| Arc::ptr_eq(running, &self.running)) {
            desk.running = None;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.leave();
        self.running.heard.send_if_modified(|heard| {
            let gone = matches!(heard, Heard::Nothing);
            if gone {
                *heard = Heard::Gone;
            }
            gone
        });
    }
}
