//! The merchant's app. It repeats a request until it has an answer, sometimes impatiently, and
//! somebody who listened repeats what was signed before.

use super::notebook::Notebook;
use super::request::{ENDPOINT, LOGIN, Request};
use super::time::Time;
use crate::dice::Dice;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tillgate::gateway::{Accepted, Failure, Gateway};
use tillgate::payment::ids::OrderId;
use tillgate::payment::refusal::Refusal;
use tillgate::payment::{MINUTE, Millis};

/// Doors refuse what was signed longer ago, or further in the future.
const CLOCK_WINDOW: Millis = 5 * MINUTE;

/// What a request came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settled {
    Accepted(OrderId),
    /// Its reader's counter had been passed by.
    CounterPassed,
    /// Another request has made the order of this name.
    Rival(OrderId),
}

/// One signed request on its way, or one that was.
#[derive(Clone, Copy)]
pub struct Attempt {
    request: usize,
    nonce: [u8; 16],
    signed_at: Millis,
    /// The nonce was in the database when the attempt began.
    pub nonce_known: bool,
}

impl Attempt {
    /// As it stands in the database.
    pub fn nonce_digest(&self) -> String {
        hex::encode(self.nonce)
    }
}

/// Shared with the attempts under way.
#[derive(Clone)]
pub struct Shop {
    counter: Arc<Mutex<Counter>>,
    time: Time,
    dice: Dice,
    notebook: Notebook,
}

#[derive(Default)]
struct Counter {
    requests: Arc<[Request]>,
    settled: BTreeMap<usize, Settled>,
    /// How many attempts of each request are under way.
    waiting: BTreeMap<usize, u32>,
    made: Vec<Attempt>,
    /// The nonces that this gateway has accepted.
    accepted_nonces: BTreeMap<[u8; 16], OrderId>,
}

impl Shop {
    pub fn new(time: &Time, dice: &Dice, notebook: &Notebook) -> Self {
        Self {
            counter: Arc::default(),
            time: time.clone(),
            dice: dice.clone(),
            notebook: notebook.clone(),
        }
    }

    fn counter(&self) -> MutexGuard<'_, Counter> {
        self.counter.lock().unwrap()
    }

    pub fn open(&self, requests: Vec<Request>) {
        self.counter().requests = requests.into();
    }

    /// The gateway is gone, and with it every attempt under way.
    pub fn hang_up(&self) {
        let mut counter = self.counter();
        counter.waiting.clear();
        counter.accepted_nonces.clear();
    }

    pub fn requests(&self) -> Arc<[Request]> {
        Arc::clone(&self.counter().requests)
    }

    pub fn settled(&self) -> BTreeMap<usize, Settled> {
        self.counter().settled.clone()
    }

    pub fn is_done(&self) -> bool {
        let counter = self.counter();
        counter.settled.len() == counter.requests.len()
    }

    /// The next request to send, usually in the order in which the cards were read.
    pub fn next(&self) -> Option<Attempt> {
        let counter = self.counter();
        let open = (0..counter.requests.len()).filter(|n| !counter.settled.contains_key(n));
        let open: Vec<_> = open.collect();
        let idle = open.iter().copied().find(|n| !counter.waiting.contains_key(n));
        let request = match self.dice.one_in(6) {
            true if !open.is_empty() => self.dice.pick(&open),
            _ => idle?,
        };
        if counter.waiting.contains_key(&request) {
            self.notebook.count("a request repeated while the first is under way");
        }
        drop(counter);
        Some(self.sign(request))
    }

    fn sign(&self, request: usize) -> Attempt {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.dice.throw().to_le_bytes());
        // Clients' clocks differ from ours.
        let apart = self.dice.between(-CLOCK_WINDOW, CLOCK_WINDOW);
        let signed_at = self.time.clock.now() + apart;
        let attempt = Attempt { request, nonce, signed_at, nonce_known: false };
        self.counter().made.push(attempt);
        attempt
    }

    /// The first request that nobody has answered and nobody asks for.
    pub fn next_unanswered(&self) -> Option<Attempt> {
        let counter = self.counter();
        let open = |n: &usize| !counter.settled.contains_key(n) && !counter.waiting.contains_key(n);
        let request = (0..counter.requests.len()).find(open)?;
        drop(counter);
        Some(self.sign(request))
    }

    /// An attempt of old, word for word; doors would still let its time stamp pass.
    pub fn overheard(&self) -> Option<Attempt> {
        let now = self.time.clock.now();
        let counter = self.counter();
        let fresh = |a: &&Attempt| (now - a.signed_at).abs() <= CLOCK_WINDOW;
        let fresh: Vec<_> = counter.made.iter().filter(fresh).copied().collect();
        (!fresh.is_empty()).then(|| self.dice.pick(&fresh))
    }

    /// Sends an attempt and settles its request with the answer.
    pub async fn send(self, gateway: Arc<Gateway>, attempt: Attempt) -> Result<(), Failure> {
        let request = &self.requests()[attempt.request];
        *self.counter().waiting.entry(attempt.request).or_default() += 1;
        self.notebook.write(|| format!("the shop sends {} for {}", request.name, request.minor));
        let answer = submit(&gateway, request, &attempt).await;
        self.notebook.write(|| format!("the shop hears of {}: {answer:?}", request.minor));
        if let Some(waiting) = self.counter().waiting.get_mut(&attempt.request) {
            *waiting -= 1;
        }
        self.counter().waiting.retain(|_, waiting| *waiting > 0);
        match answer {
            Ok(accepted) => self.hear_accepted(&attempt, accepted.order),
            Err(Failure::Refused { refusal, cause }) => {
                self.hear_refused(&attempt, refusal, &cause);
            }
            Err(Failure::NonceReused) => self.notebook.count("a nonce that was used before"),
            Err(failure) => {
                self.notebook.count("a request that the gateway could not take");
                return Err(failure);
            }
        }
        Ok(())
    }

    fn hear_accepted(&self, attempt: &Attempt, order: OrderId) {
        let mut counter = self.counter();
        let earlier = counter.accepted_nonces.insert(attempt.nonce, order);
        // A clock that leaps while the request is under way makes the gateway forget its nonce in
        // the meantime. It answers the same order once more then, but never makes another.
        let twice = (earlier.is_some() || attempt.nonce_known) && !self.time.has_strayed();
        if twice || earlier.is_some_and(|earlier| earlier != order) {
            self.notebook.accuse(format!("a nonce was accepted twice, for order {order}"));
        }
        drop(counter);
        self.settle(attempt.request, Settled::Accepted(order));
    }

    fn hear_refused(&self, attempt: &Attempt, refusal: Refusal, cause: &str) {
        match refusal {
            Refusal::CounterReplayed => self.settle(attempt.request, Settled::CounterPassed),
            Refusal::DuplicateOrder(order) => self.settle(attempt.request, Settled::Rival(order)),
            other => self.notebook.accuse(format!("a good request was refused: {other} ({cause})")),
        }
    }

    /// The same request always comes to the same, but that a rival may make the order of a request
    /// whose counter was passed by.
    fn settle(&self, request: usize, outcome: Settled) {
        self.notebook.stir();
        let earlier = self.counter().settled.insert(request, outcome);
        let fits = match earlier {
            None => true,
            Some(Settled::CounterPassed) => !matches!(outcome, Settled::Accepted(_)),
            Some(earlier) => earlier == outcome,
        };
        if !fits {
            self.notebook.accuse(format!("one request was {earlier:?}, and then {outcome:?}"));
        }
        self.notebook.count(match outcome {
            Settled::Accepted(_) => "a request that was accepted",
            Settled::CounterPassed => "a request whose counter had been passed by",
            Settled::Rival(_) => "a request whose rival came first",
        });
    }
}

async fn submit(
    gateway: &Arc<Gateway>,
    request: &Request,
    attempt: &Attempt,
) -> Result<Accepted, Failure> {
    let unknown = || Failure::Internal("the shop is not in the registry".to_owned());
    let merchant = gateway.merchant_by_login(LOGIN).await?.ok_or_else(unknown)?;
    let endpoint = gateway.endpoint(ENDPOINT).await?.ok_or_else(unknown)?;
    let Attempt { nonce, signed_at, .. } = *attempt;
    gateway.submit(request.intent(gateway, merchant, endpoint, nonce, signed_at)).await
}
