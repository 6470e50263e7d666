//! The sandbox's acquirer host. It keeps a book of its own, so that an inquiry finds what an
//! earlier request did, and a repeated request is not a second transaction.

use super::scenario::{Scenario, for_amount};
use crate::acquirer::{Acquirer, CardForHost, Fault, Reference};
use crate::clock::Clock;
use crate::payment::decline::APPROVED;
use crate::payment::host::{Authorisation, HostAnswer, Inquiry};
use crate::payment::ids::OrderId;
use crate::payment::{Millis, SECOND};
use async_trait::async_trait;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many transactions the book holds; the oldest give way.
const BOOK_MAX: usize = 100_000;

/// The host.
pub struct SandboxHost {
    clock: Clock,
    /// How long it thinks before each answer.
    delay: Duration,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    entries: HashMap<OrderId, Entry>,
    oldest_first: VecDeque<OrderId>,
}

#[derive(Clone, Copy)]
struct Entry {
    received_at: Millis,
    /// How often a reversal arrived.
    reversals: u32,
    reversed: bool,
    /// How often the transaction was asked to be authorised; more than once would be a fault of
    /// the gateway.
    requests: u32,
}

impl SandboxHost {
    /// A host with an empty book.
    #[must_use]
    pub fn new(clock: Clock, delay: Duration) -> Self {
        Self { clock, delay, book: Mutex::new(Book::default()) }
    }

    /// How often the host was asked to authorise an order.
    #[must_use]
    pub fn requests_for(&self, order: OrderId) -> u32 {
        self.book().entries.get(&order).map_or(0, |entry| entry.requests)
    }

    /// Whether the host has taken an order back.
    #[must_use]
    pub fn has_reversed(&self, order: OrderId) -> bool {
        self.book().entries.get(&order).is_some_and(|entry| entry.reversed)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn think(&self) {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }
}

impl Book {
    fn open(&mut self, order: OrderId, now: Millis) -> &mut Entry {
        if !self.entries.contains_key(&order) {
            if self.oldest_first.len() >= BOOK_MAX
                && let Some(oldest) = self.oldest_first.pop_front()
            {
                self.entries.remove(&oldest);
            }
            self.oldest_first.push_back(order);
        }
        self.entries.entry(order).or_insert(Entry {
            received_at: now,
            reversals: 0,
            reversed: false,
            requests: 0,
        })
    }
}

#[async_trait]
impl Acquirer for SandboxHost {
    async fn authorise(
        &self,
        reference: &Reference,
        _card: CardForHost<'_>,
    ) -> Result<Authorisation, Fault> {
        self.book().open(reference.order, self.clock.now()).requests += 1;
        self.think().await;
        match for_amount(reference.amount.minor()) {
            Scenario::Approve => Ok(Authorisation::Answered(decision(reference, APPROVED))),
            Scenario::Decline(code) => Ok(Authorisation::Answered(decision(reference, code))),
            Scenario::LoseAnswer => Err(Fault::Unknown("the line went dead".to_owned())),
            Scenario::ApproveLate(after) => Ok(Authorisation::Pending { ask_after: after }),
        }
    }

    async fn inquire(&self, reference: &Reference) -> Result<Inquiry, Fault> {
        self.think().await;
        let Some(entry) = self.book().entries.get(&reference.order).copied() else {
            return Ok(Inquiry::NotFound);
        };
        let waited = self.clock.now() - entry.received_at;
        Ok(match for_amount(reference.amount.minor()) {
            Scenario::Approve => Inquiry::Answered(decision(reference, APPROVED)),
            Scenario::Decline(code) => Inquiry::Answered(decision(reference, code)),
            Scenario::ApproveLate(after) if waited + SECOND >= after => {
                Inquiry::Answered(decision(reference, APPROVED))
            }
            Scenario::LoseAnswer | Scenario::ApproveLate(_) => Inquiry::Undecided,
        })
    }

    async fn reverse(&self, reference: &Reference) -> Result<(), Fault> {
        self.think().await;
        let now = self.clock.now();
        let mut book = self.book();
        let entry = book.open(reference.order, now);
        entry.reversals += 1;
        let keeps_silent = for_amount(reference.amount.minor()) == Scenario::LoseAnswer;
        if keeps_silent && entry.reversals == 1 {
            // The first acknowledgement is lost too, so that `unknown` can be seen from outside.
            return Err(Fault::Unknown("no acknowledgement".to_owned()));
        }
        entry.reversed = true;
        Ok(())
    }
}

fn decision(reference: &Reference, response_code: &str) -> HostAnswer {
    let id = reference.order.0;
    let approved = response_code == APPROVED;
    HostAnswer {
        response_code: response_code.to_owned(),
        approval_code: approved.then(|| approval_code(id)),
        rrn: Some(format!("P{id:0>11}")),
        processor_tx_id: Some(format!("PNTEST-{id}")),
    }
}

/// Six digits that differ from order to order.
fn approval_code(order: i64) -> String {
    format!("{:06}", order.unsigned_abs().wrapping_mul(2_654_435_761) % 1_000_000)
}
