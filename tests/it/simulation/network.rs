//! The network in front of the acquirer's host. Messages travel in true time and outlive the
//! gateway that sent them; some are lost, late, or delivered twice.

use super::conduct::Conduct;
use super::host::{Entry, Host};
use super::notebook::Notebook;
use super::time::Time;
use super::weather::{Fault, Weather};
use crate::dice::Dice;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tillgate::acquirer::{self, Acquirer, CardForHost, Reference, Settlement};
use tillgate::payment::Millis;
use tillgate::payment::chip::Completion;
use tillgate::payment::host::{Authorisation, Inquiry};
use tillgate::payment::ids::OrderId;
use tokio::sync::oneshot;

/// How long the gateway waits for an answer.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// Delays of messages that still arrive in time, and of those that do not.
const PROMPT: (Millis, Millis) = (1, 200);
const LATE: (Millis, Millis) = (31_000, 600_000);

pub struct Network {
    lines: Mutex<Lines>,
    time: Time,
    dice: Dice,
    weather: Arc<Weather>,
    notebook: Notebook,
}

struct Lines {
    host: Host,
    conduct: Conduct,
    /// By arrival; the number keeps those of one moment in order.
    in_flight: BTreeMap<(Millis, u64), Message>,
    sent: u64,
    /// Nothing can be sent before.
    down_until: Millis,
    /// Senders who will never hear anything.
    forsaken: Vec<oneshot::Sender<Answer>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    Authorise,
    Inquire,
    Reverse,
}

#[derive(Debug)]
enum Message {
    Request { call: Call, order: OrderId, reply: Option<oneshot::Sender<Answer>> },
    Answer { order: OrderId, answer: Answer, reply: oneshot::Sender<Answer> },
}

#[derive(Debug)]
enum Answer {
    Authorised(Authorisation),
    Inquired(Inquiry),
    Reversed,
}

impl Network {
    pub fn new(time: &Time, dice: &Dice, weather: &Arc<Weather>, notebook: &Notebook) -> Self {
        let lines = Lines {
            host: Host::new(dice.clone()),
            conduct: Conduct::new(time, notebook),
            in_flight: BTreeMap::new(),
            sent: 0,
            down_until: 0,
            forsaken: Vec::new(),
        };
        Self {
            lines: Mutex::new(lines),
            time: time.clone(),
            dice: dice.clone(),
            weather: Arc::clone(weather),
            notebook: notebook.clone(),
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap()
    }

    /// What the host's book says of an order.
    pub fn entry(&self, order: OrderId) -> Option<Entry> {
        self.lines().host.entry(order, self.time.elapsed())
    }

    /// The orders that anybody ever asked to authorise.
    pub fn sent_orders(&self) -> Vec<OrderId> {
        self.lines().conduct.sent_orders()
    }

    pub fn is_empty(&self) -> bool {
        self.lines().in_flight.is_empty()
    }

    /// Delivers what has arrived by now.
    pub fn deliver(&self) {
        let mut lines = self.lines();
        let now = self.time.elapsed();
        while let Some(first) = lines.in_flight.first_entry() {
            if first.key().0 > now {
                return;
            }
            match first.remove() {
                Message::Request { call, order, reply } => {
                    self.reach_host(&mut lines, call, order, reply);
                }
                Message::Answer { order, answer, reply } => {
                    self.reach_gateway(&mut lines, order, answer, reply);
                }
            }
        }
    }

    fn reach_host(
        &self,
        lines: &mut Lines,
        call: Call,
        order: OrderId,
        reply: Option<oneshot::Sender<Answer>>,
    ) {
        let now = self.time.elapsed();
        self.notebook.stir();
        self.notebook.write(|| format!("{call:?} of {order} reaches the host"));
        if call == Call::Authorise && lines.host.has_reversed(order) {
            self.notebook.count("a request that arrived after its reversal");
        }
        let answer = match call {
            Call::Authorise => Answer::Authorised(lines.host.authorise(order, now)),
            Call::Inquire => Answer::Inquired(lines.host.inquire(order, now)),
            Call::Reverse => {
                self.notebook.count("a reversal");
                lines.host.reverse(order);
                Answer::Reversed
            }
        };
        let Some(reply) = reply else { return };
        if self.weather.strikes(Fault::AnswerLost) {
            lines.forsaken.push(reply);
            return;
        }
        let delay = self.delay(Fault::AnswerLate);
        self.dispatch(lines, delay, Message::Answer { order, answer, reply });
    }

    fn reach_gateway(
        &self,
        lines: &mut Lines,
        order: OrderId,
        answer: Answer,
        reply: oneshot::Sender<Answer>,
    ) {
        self.notebook.write(|| format!("{answer:?} of {order} reaches the gateway"));
        let not_found = matches!(answer, Answer::Inquired(Inquiry::NotFound));
        let decided = matches!(answer, Answer::Authorised(_) | Answer::Inquired(_));
        if reply.send(answer).is_err() {
            self.notebook.count("an answer for which nobody waits any more");
            if decided && lines.host.has_reversed(order) {
                self.notebook.count("an answer after the reversal");
            }
        } else if not_found {
            self.notebook.count("an order that the host does not know");
            lines.conduct.hears_not_found(order);
        }
    }

    fn dispatch(&self, lines: &mut Lines, delay: Millis, message: Message) {
        lines.sent += 1;
        lines.in_flight.insert((self.time.elapsed() + delay, lines.sent), message);
    }

    fn delay(&self, late: Fault) -> Millis {
        let (least, most) = if self.weather.strikes(late) { LATE } else { PROMPT };
        self.dice.between(least, most)
    }

    async fn call(&self, call: Call, reference: &Reference) -> Result<Answer, acquirer::Fault> {
        let answer = self.send(call, reference.order)?.await;
        answer.map_err(|_| acquirer::Fault::Unknown("the line went dead".to_owned()))
    }

    fn send(
        &self,
        call: Call,
        order: OrderId,
    ) -> Result<oneshot::Receiver<Answer>, acquirer::Fault> {
        let mut lines = self.lines();
        self.notebook.stir();
        self.notebook.write(|| format!("the gateway sends {call:?} of {order}"));
        lines.conduct.may_send(call, order);
        let now = self.time.elapsed();
        if self.weather.strikes(Fault::NotSent) {
            // Often more than a moment.
            lines.down_until = now + self.dice.pick(&[1, 5_000, 200_000]);
        }
        if now < lines.down_until && !self.weather.is_clear() {
            return Err(acquirer::Fault::NotSent("no line".to_owned()));
        }
        lines.conduct.sends(call, order);
        let (reply, answer) = oneshot::channel();
        if self.weather.strikes(Fault::RequestLost) {
            lines.forsaken.push(reply);
            return Ok(answer);
        }
        let reply = (!self.weather.strikes(Fault::BrokenOff)).then_some(reply);
        let delay = self.delay(Fault::RequestLate);
        self.dispatch(&mut lines, delay, Message::Request { call, order, reply });
        if self.weather.strikes(Fault::RequestTwice) {
            let delay = self.dice.between(PROMPT.0, LATE.1);
            self.dispatch(&mut lines, delay, Message::Request { call, order, reply: None });
        }
        Ok(answer)
    }
}

#[async_trait]
impl Acquirer for Network {
    async fn authorise(
        &self,
        reference: &Reference,
        _card: CardForHost<'_>,
    ) -> Result<Authorisation, acquirer::Fault> {
        match self.call(Call::Authorise, reference).await? {
            Answer::Authorised(authorisation) => Ok(authorisation),
            other => panic!("{other:?} answers no authorisation"),
        }
    }

    async fn advise(
        &self,
        _reference: &Reference,
        _completion: &Completion,
    ) -> Result<(), acquirer::Fault> {
        Err(sales_only())
    }

    async fn capture(&self, _reference: &Reference) -> Result<Authorisation, acquirer::Fault> {
        Err(sales_only())
    }

    async fn refund(&self, _reference: &Reference) -> Result<Authorisation, acquirer::Fault> {
        Err(sales_only())
    }

    async fn settle(&self, _settlement: &Settlement) -> Result<String, acquirer::Fault> {
        Err(sales_only())
    }

    async fn inquire(&self, reference: &Reference) -> Result<Inquiry, acquirer::Fault> {
        match self.call(Call::Inquire, reference).await? {
            Answer::Inquired(inquiry) => Ok(inquiry),
            other => panic!("{other:?} answers no inquiry"),
        }
    }

    async fn reverse(&self, reference: &Reference) -> Result<(), acquirer::Fault> {
        match self.call(Call::Reverse, reference).await? {
            Answer::Reversed => Ok(()),
            other => panic!("{other:?} answers no reversal"),
        }
    }
}

fn sales_only() -> acquirer::Fault {
    acquirer::Fault::NotSent("this line carries swiped sales only".to_owned())
}
