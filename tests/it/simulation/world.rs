//! One seed's world: a host, a network, a receiver, a shop and a disk that outlive the gateways
//! which run one after the other among them.

use super::auditor::Auditor;
use super::disk::{Disk, Place};
use super::network::{Network, TIMEOUT};
use super::notebook::Notebook;
use super::receiver::Receiver;
use super::request::prepare;
use super::shop::Shop;
use super::staff::Staff;
use super::time::Time;
use super::weather::{Fault, Weather};
use crate::dice::Dice;
use std::sync::Arc;
use tillgate::acquirer::Acquirer;
use tillgate::clock::Entropy;
use tillgate::crypto::key_ring::KeyRing;
use tillgate::crypto::seal::SealingKey;
use tillgate::doors::mapi;
use tillgate::gateway::{Egress, Gateway, Keys, Parts, SoftwareKeys};
use tillgate::payment::{DAY, HOUR, MINUTE, Millis, SECOND};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

/// How many turns the scheduler gets to end what has begun, before something is stuck.
const PATIENCE: u32 = 2_000;
/// How often everything that is due is done, before an order is stuck.
const ROUNDS: u32 = 200;

/// The longest that anything may have to wait: the days of a hold.
const WAIT_MAX: Millis = 7 * DAY + 2 * HOUR;

pub struct World {
    dice: Dice,
    time: Time,
    weather: Arc<Weather>,
    notebook: Notebook,
    network: Arc<Network>,
    receiver: Arc<Receiver>,
    shop: Shop,
    disk: Disk,
    auditor: Auditor,
    entropy: Entropy,
    lives: u32,
    sales: i64,
}

/// Runs one seed to its end, or to its first accusation.
pub fn run(seed: u64, place: Place, traced: bool) -> Notebook {
    let dice = Dice::seeded(seed);
    let notebook = Notebook::new(traced);
    let weather = Weather::of(&dice, &notebook);
    let sales = dice.between(3, 12);
    let mut world = World::new(dice, notebook, weather, place, sales);
    for _ in 0..world.dice.between(1, 4) {
        world.stormy_life();
        world.rest();
    }
    world.end()
}

impl World {
    pub fn new(
        dice: Dice,
        notebook: Notebook,
        weather: Arc<Weather>,
        place: Place,
        sales: i64,
    ) -> Self {
        let time = Time::new();
        let network = Arc::new(Network::new(&time, &dice, &weather, &notebook));
        let receiver = Arc::new(Receiver::new(&dice, &weather, &notebook));
        let shop = Shop::new(&time, &dice, &notebook);
        Self {
            auditor: Auditor::new(&network, &receiver, &shop, &time, &notebook),
            disk: Disk::new(place, &weather, &notebook),
            entropy: Entropy::seeded(dice.throw()),
            dice,
            time,
            weather,
            notebook,
            network,
            receiver,
            shop,
            lives: 0,
            sales,
        }
    }

    /// A gateway in bad weather, which ends in a crash wherever it stands.
    fn stormy_life(&mut self) {
        let runtime = runtime();
        runtime.block_on(async {
            let Some(gateway) = self.wake().await else { return };
            let staff = Staff::new(&gateway, &self.weather, &self.notebook);
            for _ in 0..self.dice.between(1, 400) {
                self.turn().await;
                if self.dice.one_in(3) {
                    self.act(&staff).await;
                }
            }
            if self.dice.one_in(4) {
                // It has to get along without a restart that would end its leases.
                self.notebook.count("weather that cleared over a gateway");
                self.weather.set_clear(true);
                self.bring_to_an_end(&gateway, &staff).await;
                self.weather.set_clear(false);
            }
            if self.dice.one_in(4) {
                self.notebook.count("a gateway that was stopped");
                staff.give_back();
                self.turns(20).await;
            }
        });
        // Every task ends at the await where it is.
        drop(runtime);
        self.notebook.count("a crash");
        self.shop.hang_up();
    }

    /// A gateway without any faults but the one that is appointed, which crashes after so many
    /// turns. Answers whether everything was done by then.
    pub fn mild_life(&mut self, turns: u32) -> bool {
        let runtime = runtime();
        let done = runtime.block_on(async {
            let Some(gateway) = self.wake().await else { return false };
            let staff = Staff::new(&gateway, &self.weather, &self.notebook);
            for turn in 0..turns {
                if turn % 8 == 0 {
                    if let Some(attempt) = self.shop.next_unanswered() {
                        staff.serve(&self.shop, attempt);
                    }
                    staff.take_steps(64);
                    staff.deliver(64);
                    let due = self.auditor.last_seen().next_due().filter(|_| !staff.is_busy());
                    let wait = due.map_or(0, |due| due - self.time.clock.now());
                    self.pass(wait.max(100)).await;
                }
                self.turn().await;
                if self.shop.is_done() && self.auditor.last_seen().next_due().is_none() {
                    return true;
                }
            }
            false
        });
        drop(runtime);
        self.shop.hang_up();
        done
    }

    /// The last gateway, which brings everything to its end, and the last audit.
    pub fn end(mut self) -> Notebook {
        self.weather.set_clear(true);
        self.calm_life();
        self.notebook
    }

    /// Nobody is there, and messages travel on.
    fn rest(&mut self) {
        let time = self.dice.pick(&[0, SECOND, MINUTE, 4 * HOUR]);
        self.time.pass(self.dice.between(0, time));
        self.network.deliver();
        self.auditor.audit(&mut self.disk);
    }

    /// The last gateway, in clear weather: it brings everything to its end.
    fn calm_life(&mut self) {
        let runtime = runtime();
        runtime.block_on(async {
            let Some(gateway) = self.wake().await else {
                self.notebook.accuse("the gateway does not start in clear weather".to_owned());
                return;
            };
            let staff = Staff::new(&gateway, &self.weather, &self.notebook);
            self.bring_to_an_end(&gateway, &staff).await;
        });
        if self.notebook.is_clean() {
            self.auditor.audit(&mut self.disk);
            self.auditor.audit_the_end();
        }
    }

    /// Does everything that is due, and waits for what falls due, until nothing does any more.
    async fn bring_to_an_end(&mut self, gateway: &Gateway, staff: &Staff) {
        for _ in 0..ROUNDS {
            if !self.notebook.is_clean() {
                return;
            }
            while self.notebook.is_clean()
                && let Some(attempt) = self.shop.next_unanswered()
            {
                staff.serve(&self.shop, attempt);
                self.finish(staff).await;
            }
            staff.take_steps(64);
            staff.deliver(64);
            self.finish(staff).await;
            let due = self.auditor.last_seen().next_due();
            let now = self.time.clock.now();
            let wait = match due {
                Some(due) if due - now > WAIT_MAX => {
                    self.notebook.accuse(format!("nothing is due for {} ms", due - now));
                    return;
                }
                Some(due) => (due - now).max(0),
                None if !self.network.is_empty() => MINUTE,
                None => break,
            };
            self.pass(wait).await;
        }
        staff.sweep();
        self.finish(staff).await;
        if let Err(failure) = gateway.ready().await {
            self.notebook.accuse(format!("the gateway is not ready: {failure}"));
        }
    }

    /// Starts a gateway on the disk; the first one enrols the shop.
    async fn wake(&mut self) -> Option<Arc<Gateway>> {
        self.lives += 1;
        self.notebook.write(|| format!("life {}", self.lives));
        let store = match self.disk.open().await {
            Ok(store) => Arc::new(store),
            Err(error) => {
                self.notebook.count("a start that failed");
                self.notebook.write(|| error.to_string());
                return None;
            }
        };
        let acquirer: Arc<dyn Acquirer> = Arc::<Network>::clone(&self.network);
        let egress: Arc<dyn Egress> = Arc::<Receiver>::clone(&self.receiver);
        let keys = Arc::new(Keys::derive(&KeyRing::of(SealingKey::from_bytes([9; 32]))));
        let parts = Parts {
            store,
            acquirer,
            key_store: Arc::new(SoftwareKeys::new(Arc::clone(&keys), self.entropy.clone(), None)),
            keys,
            clock: self.time.clock.clone(),
            entropy: self.entropy.clone(),
            egress,
            callback_wording: mapi::callback::WORDING,
            acquirer_timeout: TIMEOUT,
            test_cards_only: true,
            callback_days: 90,
        };
        let gateway = Arc::new(Gateway::new(parts));
        if self.lives == 1 {
            self.shop.open(prepare(&gateway, self.sales, &self.dice, &self.entropy).await);
            self.weather.set_clear(false);
        }
        Some(gateway)
    }

    /// One poll of one task, and an audit of what came of it.
    async fn turn(&mut self) {
        yield_now().await;
        self.network.deliver();
        if self.notebook.is_clean() {
            self.auditor.audit(&mut self.disk);
        }
    }

    async fn turns(&mut self, turns: u32) {
        for _ in 0..turns {
            self.turn().await;
        }
    }

    /// Lets time pass until all that was begun has ended.
    async fn finish(&mut self, staff: &Staff) {
        for _ in 0..PATIENCE {
            self.turns(4).await;
            if !staff.is_busy() {
                return;
            }
            self.pass(20).await;
        }
        self.notebook.accuse("something goes on for ever".to_owned());
    }

    async fn pass(&mut self, time: Millis) {
        self.notebook.write(|| format!("{time} ms pass"));
        self.time.pass_with_timers(time).await;
        self.network.deliver();
    }

    /// Something that happens by chance.
    async fn act(&mut self, staff: &Staff) {
        match self.dice.below(100) {
            0..25 => {
                if let Some(attempt) = self.shop.next() {
                    staff.serve(&self.shop, attempt);
                }
            }
            25..30 => self.replay(staff),
            30..52 => staff.take_steps(self.dice.pick(&[1, 2, 64])),
            52..62 => staff.deliver(self.dice.pick(&[1, 64])),
            62..96 => {
                let moments = [10, 10, 100, 100, SECOND, 5 * SECOND, 31 * SECOND, 2 * MINUTE];
                let most = self.dice.pick(&moments);
                let time = self.dice.between(0, most);
                self.pass(time).await;
            }
            96..98 => staff.sweep(),
            _ => self.set_clock(),
        }
    }

    fn replay(&mut self, staff: &Staff) {
        if let Some(mut attempt) = self.shop.overheard() {
            self.notebook.count("a signed request sent again by somebody else");
            let digest = attempt.nonce_digest();
            let query = format!("SELECT 1 FROM nonces WHERE digest = X'{digest}'");
            attempt.nonce_known = !self.disk.rows(&query).is_empty();
            staff.serve(&self.shop, attempt);
        }
    }

    fn set_clock(&mut self) {
        if self.weather.strikes(Fault::ClockForward) {
            self.time.set_clock(self.dice.between(0, 3 * HOUR));
        }
        if self.weather.strikes(Fault::ClockBack) {
            self.time.set_clock(-self.dice.between(0, 5 * MINUTE));
        }
    }
}

/// One thread, timers that stand still until somebody moves them, and one poll at a time.
fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .event_interval(1)
        .build()
        .unwrap()
}
