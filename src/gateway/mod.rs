//! One step at a time: load, ask [`crate::payment`], perhaps speak to the outside with no
//! transaction open, save, ring the bell.
//!
//! Every door comes in through [`Gateway::submit`]; the workers go on with [`Gateway::take_step`]
//! and [`Gateway::deliver`].

mod advice;
mod allow_list;
mod amend;
mod audit;
mod authorise;
mod breaker;
mod callbacks;
mod card_vault;
mod close_day;
mod deliver;
mod egress;
mod enrol;
mod explain;
mod explain_control;
mod guarded_client;
mod handover;
mod key_store;
mod keys;
mod nonce_book;
mod operator;
mod operators;
mod outcome;
mod present;
mod public_hosts;
mod receiver;
mod registrar;
mod registry;
mod report;
mod rotate;
mod scrub;
mod services;
mod software_keys;
mod step;
mod submit;
mod sweep;
mod terminals;
mod velocity;
mod watch;
mod webhook_signing;

pub use crate::store::{
    Again, AttemptRecord, Balance, CallbackRecord, CallbackStop, Gate, PhoneSeen, ServiceClaim,
    ServiceEnd, ServiceKey, ServiceMatch, ServiceRecord, SessionRecord, SettlementLine, Taken,
};
pub use advice::{Encrypted, Noted, TillMessage};
pub use allow_list::{AllowList, NotAllowable};
pub use amend::AmendIntent;
pub use audit::Verdict;
pub use callbacks::StopReason;
pub use close_day::{CloseIntent, Closing};
pub use deliver::{Attempted, CallbackWording, Delivery, Worded};
pub use egress::{Call, Egress, EgressError, EgressRules, Exchange, Exchanged, Reply};
pub use enrol::NewKeySet;
pub use explain::Puzzle;
pub use explain_control::ControlPuzzle;
pub use guarded_client::GuardedClient;
pub use handover::Handover;
pub use key_store::{CardPin, KeyStore, KeyStoreError, ReaderKeys};
pub use keys::Keys;
pub use nonce_book::NonceBook;
pub use operator::SettledDay;
pub use operators::Token;
pub use receiver::Receiver;
pub use registrar::*;
pub use registry::Merchant;
pub use report::{Line, Report, ReportIntent, Wanted};
pub use rotate::Resealed;
pub use services::{Begin, OrderRight, SERVICE_LEASE};
pub use software_keys::SoftwareKeys;
pub use step::Work;
pub use submit::{Accepted, CallbackUrl, Intent, NOTIFY_URL, SignedNonce};
pub use sweep::Swept;
pub use terminals::KnownTerminal;
pub use watch::{Scope, Seen, Watched};

use crate::acquirer::Acquirer;
use crate::clock::{Clock, Entropy};
use crate::payment::Millis;
use crate::payment::ids::{EndpointId, SerialNumber};
use crate::payment::refusal::Refusal;
use crate::store::{Store, StoreError};
use amend::Turnstiles;
use breaker::Breakers;
use card_vault::{CardVault, Surroundings};
use futures_util::future::try_join_all;
use outcome::Bells;
use registry::Registry;
use report::PAGES_AT_ONCE;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};
use velocity::Lines;

/// Serial numbers from here on were rolled. The wire has room for 48 bits, of which counting never
/// reaches the last.
const FIRST_ROLLED: i64 = 1 << 47;

/// What the gateway is made of.
pub struct Parts {
    pub store: Arc<Store>,
    pub acquirer: Arc<dyn Acquirer>,
    pub keys: Arc<Keys>,
    pub key_store: Arc<dyn KeyStore>,
    pub clock: Clock,
    pub entropy: Entropy,
    pub egress: Arc<dyn Egress>,
    /// How the door words its callbacks.
    pub callback_wording: CallbackWording,
    /// How long an acquirer may take before its answer counts as lost.
    pub acquirer_timeout: Duration,
    /// Whether cards that are no published test cards are refused: keys in software are no place
    /// for real ones.
    pub test_cards_only: bool,
    /// How many days a callback is kept that has ended.
    pub callback_days: u32,
}

/// The payment core behind all doors.
pub struct Gateway {
    parts: Parts,
    registry: Registry,
    vault: CardVault,
    nonces: NonceBook,
    breakers: Breakers,
    /// The end points of which it was last said that callbacks wait.
    measured: std::sync::Mutex<HashSet<EndpointId>>,
    turnstiles: Turnstiles,
    /// Who may read a page of a report now.
    report_turns: Semaphore,
    lines: Lines,
    jobs: Handover<Work>,
    callbacks: Handover<Delivery>,
    /// Rung for whoever waits for an order.
    bells: Bells,
    /// Whoever adds to the registry, from the look at what is there to the last write: numbers are
    /// counted, and what must differ is compared.
    registry_turn: Mutex<()>,
    /// Whose message or control is being explained.
    explain_turn: Arc<Mutex<()>>,
    /// Whoever writes the next row of the audit log.
    audit_turn: Mutex<()>,
    /// The present minute, and how many calls of strangers it has in the audit log.
    strangers: std::sync::Mutex<(Millis, u32)>,
}

/// Why a request got no positive answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request is wrong or impossible; `cause` is for the log only.
    #[error("{refusal} ({cause})")]
    Refused { refusal: Refusal, cause: String },
    /// The request's signature has been used before.
    #[error("the nonce was used before")]
    NonceReused,
    /// Nothing was done, or, if the database failed at the very moment of a commit, nobody can say:
    /// the same request, signed anew, tells.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// A fault of the gateway's own.
    #[error("internal fault: {0}")]
    Internal(String),
}

impl Failure {
    fn refused(refusal: Refusal, cause: impl Into<String>) -> Self {
        Self::Refused { refusal, cause: cause.into() }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { cause: refusal.to_string(), refusal }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy(why) => Self::Unavailable(why),
            StoreError::Broken(why) | StoreError::Taken(why) => Self::Internal(why),
        }
    }
}

impl Gateway {
    /// Puts the gateway together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            registry: Registry::new(),
            vault: CardVault::new(),
            breakers: Breakers::default(),
            measured: std::sync::Mutex::default(),
            nonces: NonceBook::new(),
            turnstiles: Turnstiles::new(),
            report_turns: Semaphore::new(PAGES_AT_ONCE),
            lines: Lines::new(),
            jobs: Handover::new(),
            callbacks: Handover::new(),
            bells: Bells::default(),
            registry_turn: Mutex::new(()),
            explain_turn: Arc::default(),
            audit_turn: Mutex::new(()),
            strangers: std::sync::Mutex::default(),
        }
    }

    /// The gateway's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.parts.clock
    }

    /// Steps of orders that this process is to take.
    #[must_use]
    pub fn jobs(&self) -> &Handover<Work> {
        &self.jobs
    }

    /// Callbacks that this process is to deliver.
    #[must_use]
    pub fn callbacks(&self) -> &Handover<Delivery> {
        &self.callbacks
    }

    /// Gives back to the database what was handed over and not begun, so that nobody has to wait
    /// for the leases of a process that stops.
    ///
    /// # Errors
    /// `Unavailable` when the database is away: then the leases run their time.
    pub async fn give_back(&self) -> Result<(), Failure> {
        // All at once: the callbacks share a few commits.
        let (jobs, callbacks) = (self.jobs.take(usize::MAX), self.callbacks.take(usize::MAX));
        try_join_all(jobs.iter().map(|work| self.give_back_work(work))).await?;
        try_join_all(callbacks.iter().map(|one| self.postpone(one, Duration::ZERO))).await?;
        Ok(())
    }

    /// A fresh number for a request that opens no order, and so is not stored: rolled, because
    /// nobody shall wait for the database to count it.
    #[must_use]
    pub fn roll_serial(&self) -> SerialNumber {
        let random = i64::from_le_bytes(self.parts.entropy.bytes());
        SerialNumber(FIRST_ROLLED | (random & (FIRST_ROLLED - 1)))
    }

    /// Whether the gateway can take orders: the database answers.
    ///
    /// # Errors
    /// What keeps it from answering.
    pub async fn ready(&self) -> Result<(), Failure> {
        Ok(self.store().ping().await?)
    }

    fn store(&self) -> &Store {
        &self.parts.store
    }

    fn surroundings(&self) -> Surroundings<'_> {
        let Parts { store, keys, entropy, .. } = &self.parts;
        Surroundings { store, keys, entropy }
    }
}
