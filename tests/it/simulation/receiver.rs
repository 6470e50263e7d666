//! The merchant's receiver of callbacks: it hangs, forgets, answers twice, or cannot be reached.

use super::notebook::Notebook;
use super::weather::{Fault, Weather};
use crate::dice::Dice;
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tillgate::gateway::{Call, Egress, EgressRules, Exchange, Exchanged, Reply};
use tillgate::payment::Millis;
use tillgate::payment::ids::OrderId;
use tokio::time::{Instant, sleep_until};

/// Where its callbacks go.
pub const ADDRESS: &str = "https://shop.example.com/callback";
/// After this long the client gives up.
const ATTEMPT_MAX: Millis = 30_000;

pub struct Receiver {
    received: Mutex<Received>,
    dice: Dice,
    weather: Arc<Weather>,
    notebook: Notebook,
    rules: EgressRules,
}

#[derive(Default)]
struct Received {
    /// What arrived since the auditor last looked: the order and the status that was told.
    unaudited: Vec<(OrderId, String)>,
    /// The orders of which the gateway heard that their callback arrived.
    confirmed: BTreeSet<OrderId>,
}

impl Receiver {
    pub fn new(dice: &Dice, weather: &Arc<Weather>, notebook: &Notebook) -> Self {
        Self {
            received: Mutex::default(),
            dice: dice.clone(),
            weather: Arc::clone(weather),
            notebook: notebook.clone(),
            rules: EgressRules::default(),
        }
    }

    /// What arrived since the last call.
    pub fn take_unaudited(&self) -> Vec<(OrderId, String)> {
        std::mem::take(&mut self.received.lock().unwrap().unaudited)
    }

    pub fn has_confirmed(&self, order: OrderId) -> bool {
        self.received.lock().unwrap().confirmed.contains(&order)
    }

    fn note(&self, order: OrderId, status: &str) {
        self.notebook.stir();
        self.notebook.write(|| format!("the receiver hears that {order} is {status}"));
        self.received.lock().unwrap().unaudited.push((order, status.to_owned()));
    }

    async fn wait(&self, least: Millis, most: Millis) {
        let time = Duration::from_millis(self.dice.between(least, most).unsigned_abs());
        sleep_until(Instant::now() + time).await;
    }
}

#[async_trait]
impl Egress for Receiver {
    fn rules(&self) -> &EgressRules {
        &self.rules
    }

    async fn send(&self, call: Call) -> Result<Reply, String> {
        let url = call.address;
        let answered =
            |status| Ok(Reply { status, address: None, retry_after: None, answer: Vec::new() });
        if self.weather.strikes(Fault::ReceiverRefuses) {
            return Err("cannot connect".to_owned());
        }
        self.wait(1, 100).await;
        let find = |name: &str| url.query_pairs().find(|(known, _)| known == name).unwrap().1;
        let (order, status) = (OrderId(find("orderid").parse().unwrap()), find("status"));
        self.note(order, &status);
        if self.weather.strikes(Fault::ReceiverHangs) {
            self.wait(ATTEMPT_MAX, ATTEMPT_MAX).await;
            return Err("no answer in time".to_owned());
        }
        if self.weather.strikes(Fault::ReceiverForgets) {
            return answered(503);
        }
        if self.weather.strikes(Fault::ReceiverAskedTwice) {
            self.note(order, &status);
        }
        self.wait(1, 100).await;
        self.received.lock().unwrap().confirmed.insert(order);
        answered(200)
    }

    async fn exchange(&self, _: Exchange) -> Result<Exchanged, String> {
        Err("there is no point of sale in this world".to_owned())
    }
}
