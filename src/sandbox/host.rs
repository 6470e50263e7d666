//! The sandbox's acquirer host. It keeps a book of its own, so that an inquiry finds what an
//! earlier request did, and a repeated request is not a second transaction.

use super::scenario::{Scenario, for_amendment, for_amount};
use crate::acquirer::{
    Acquirer, CardForHost, Fault, PinForHost, Reference, Settlement, Transaction,
};
use crate::clock::Clock;
use crate::crypto::pin_block::pin_is;
use crate::crypto::pin_zone::PinZone;
use crate::payment::card::Pan;
use crate::payment::chip::Completion;
use crate::payment::decline::APPROVED;
use crate::payment::host::{Authorisation, HostAnswer, Inquiry};
use crate::payment::ids::OrderId;
use crate::payment::{Millis, SECOND};
use async_trait::async_trait;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many transactions the book holds; the oldest give way.
const BOOK_MAX: usize = 100_000;

/// The PIN of every test card.
pub const TEST_PIN: &str = "1234";
/// ISO 8583 field 39 for a PIN that is not the card's.
const INCORRECT_PIN: &str = "55";

/// The host.
pub struct SandboxHost {
    clock: Clock,
    /// How long it thinks before each answer.
    delay: Duration,
    book: Mutex<Book>,
    /// The key under which PIN blocks come; without it, no PIN is right.
    pin_zone: Option<Arc<PinZone>>,
}

/// By the number of the transaction.
#[derive(Default)]
struct Book {
    entries: HashMap<i64, Entry>,
    oldest_first: VecDeque<i64>,
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
    /// The PIN was not the card's.
    wrong_pin: bool,
}

impl SandboxHost {
    /// A host with an empty book.
    #[must_use]
    pub fn new(clock: Clock, delay: Duration, pin_zone: Option<Arc<PinZone>>) -> Self {
        Self { clock, delay, book: Mutex::new(Book::default()), pin_zone }
    }

    /// How often the host was asked to authorise an order.
    #[must_use]
    pub fn requests_for(&self, order: OrderId) -> u32 {
        self.book().entries.get(&order.0).map_or(0, |entry| entry.requests)
    }

    /// Whether the host has taken an order back.
    #[must_use]
    pub fn has_reversed(&self, order: OrderId) -> bool {
        self.book().entries.get(&order.0).is_some_and(|entry| entry.reversed)
    }

    /// Decides a transaction by its amount. Asked again, it is the same transaction; what lost its
    /// answer is answered the second time, if it may be asked twice.
    async fn take_in(
        &self,
        reference: &Reference,
        wrong_pin: bool,
    ) -> Result<Authorisation, Fault> {
        let requests = {
            let mut book = self.book();
            let entry = book.open(number(reference), self.clock.now());
            entry.requests += 1;
            entry.wrong_pin = wrong_pin;
            entry.requests
        };
        self.think().await;
        match scenario(reference, wrong_pin) {
            Scenario::Approve => Ok(Authorisation::Answered(decision(reference, APPROVED))),
            Scenario::Decline(code) => Ok(Authorisation::Answered(decision(reference, code))),
            Scenario::LoseAnswer if requests > 1 && is_amendment(reference) => {
                Ok(Authorisation::Answered(decision(reference, APPROVED)))
            }
            Scenario::LoseAnswer | Scenario::Forget | Scenario::Silent => Err(silence()),
            Scenario::ApproveLate(after) => Ok(Authorisation::Pending { ask_after: after }),
        }
    }

    fn is_right(&self, pin: PinForHost<'_>, pan: &Pan) -> bool {
        let Some(zone) = &self.pin_zone else {
            return false;
        };
        pin_is(pin.block, pin.format, zone.key(), pan, TEST_PIN).unwrap_or(false)
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
    fn open(&mut self, number: i64, now: Millis) -> &mut Entry {
        if !self.entries.contains_key(&number) {
            if self.oldest_first.len() >= BOOK_MAX
                && let Some(oldest) = self.oldest_first.pop_front()
            {
                self.entries.remove(&oldest);
            }
            self.oldest_first.push_back(number);
        }
        self.entries.entry(number).or_insert(Entry {
            received_at: now,
            reversals: 0,
            reversed: false,
            requests: 0,
            wrong_pin: false,
        })
    }
}

#[async_trait]
impl Acquirer for SandboxHost {
    async fn authorise(
        &self,
        reference: &Reference,
        card: CardForHost<'_>,
    ) -> Result<Authorisation, Fault> {
        self.take_in(reference, card.pin.is_some_and(|pin| !self.is_right(pin, card.pan))).await
    }

    async fn advise(&self, reference: &Reference, _completion: &Completion) -> Result<(), Fault> {
        self.think().await;
        match played(reference) {
            Scenario::Silent => Err(silence()),
            _ => Ok(()),
        }
    }

    async fn capture(&self, reference: &Reference) -> Result<Authorisation, Fault> {
        self.take_in(reference, false).await
    }

    async fn refund(&self, reference: &Reference) -> Result<Authorisation, Fault> {
        self.take_in(reference, false).await
    }

    async fn settle(&self, _settlement: &Settlement) -> Result<String, Fault> {
        self.think().await;
        Ok(APPROVED.to_owned())
    }

    async fn inquire(&self, reference: &Reference) -> Result<Inquiry, Fault> {
        self.think().await;
        let Some(entry) = self.book().entries.get(&number(reference)).copied() else {
            return Ok(Inquiry::NotFound);
        };
        let waited = self.clock.now() - entry.received_at;
        Ok(match scenario(reference, entry.wrong_pin) {
            Scenario::Approve => Inquiry::Answered(decision(reference, APPROVED)),
            Scenario::Decline(code) => Inquiry::Answered(decision(reference, code)),
            Scenario::ApproveLate(after) if waited + SECOND >= after => {
                Inquiry::Answered(decision(reference, APPROVED))
            }
            Scenario::LoseAnswer
            | Scenario::Forget
            | Scenario::Silent
            | Scenario::ApproveLate(_) => Inquiry::Undecided,
        })
    }

    async fn reverse(&self, reference: &Reference) -> Result<(), Fault> {
        self.think().await;
        let now = self.clock.now();
        let mut book = self.book();
        let entry = book.open(number(reference), now);
        entry.reversals += 1;
        match played(reference) {
            // The first acknowledgement is lost too, so that `unknown` can be seen from outside.
            Scenario::LoseAnswer if entry.reversals == 1 => Err(silence()),
            Scenario::Silent => Err(silence()),
            _ => {
                entry.reversed = true;
                Ok(())
            }
        }
    }
}

/// What the amount asks for.
fn played(reference: &Reference) -> Scenario {
    let (profile, minor) = (reference.host_profile, reference.amount.minor());
    match reference.transaction {
        Transaction::Opening(_) => for_amount(profile, minor),
        Transaction::Amendment(..) => for_amendment(profile, minor),
    }
}

/// As [`played`]; a wrong PIN spoils only what would have been approved.
fn scenario(reference: &Reference, wrong_pin: bool) -> Scenario {
    match played(reference) {
        Scenario::Approve if wrong_pin => Scenario::Decline(INCORRECT_PIN),
        scenario => scenario,
    }
}

/// Orders and amendments are numbered together.
fn number(reference: &Reference) -> i64 {
    match reference.transaction {
        Transaction::Opening(_) => reference.order.0,
        Transaction::Amendment(amendment, _) => amendment.0,
    }
}

fn silence() -> Fault {
    Fault::Unknown("the line went dead".to_owned())
}

fn decision(reference: &Reference, response_code: &str) -> HostAnswer {
    let id = number(reference);
    let approved = response_code == APPROVED;
    HostAnswer {
        response_code: response_code.to_owned(),
        approval_code: approved.then(|| approval_code(id)),
        rrn: Some(format!("P{id:0>11}")),
        processor_tx_id: Some(format!("PNTEST-{id}")),
        issuer_data: issuer_data(reference, response_code),
    }
}

/// Six digits that differ from order to order.
fn approval_code(order: i64) -> String {
    format!("{:06}", order.unsigned_abs().wrapping_mul(2_654_435_761) % 1_000_000)
}

/// What the chip needs to check that its issuer spoke (tag 91): made up, but as long as a real one
/// and with the response code in its place (EMV Book 2, 8.2.1).
fn issuer_data(reference: &Reference, response_code: &str) -> Option<String> {
    let opening = matches!(reference.transaction, Transaction::Opening(_));
    let cryptogram = number(reference).unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    opening.then(|| format!("910A{cryptogram:016X}{}", hex::encode_upper(response_code)))
}

fn is_amendment(reference: &Reference) -> bool {
    matches!(reference.transaction, Transaction::Amendment(..))
}
