//! What is kept: orders, the work they still need, the callbacks they owe, and the registry.
//!
//! Every connection belongs to a lane: a task, or on SQLite a thread, that takes whatever waits in
//! its queue and does it together. Changes on a sale's path go through [`writer`], many callers' in
//! one durable transaction; look-ups go through [`reader`]. What the two databases do in different
//! ways stands in [`sqlite`] and [`postgres`]; everything else is one portable SQL text.

mod amendments;
mod audit;
mod balances;
mod batch;
mod callbacks;
mod card_keys;
mod ceremonies;
mod connection;
mod day_closes;
mod jobs;
mod judge;
mod leases;
mod lock;
mod lookup;
mod migrations;
mod nonces;
mod notices;
mod numbered;
mod numbers;
mod opening;
mod operators;
mod orders;
mod phones;
mod postgres;
mod reader;
mod readers;
mod registry;
mod report;
mod rows;
mod secrets;
mod services;
mod settlements;
mod signatures;
mod sql;
mod sqlite;
mod terminals;
mod ticket;
mod transport_keys;
mod turns;
mod usages;
mod writer;

pub use amendments::AmendmentAdvance;
pub use balances::Balance;
pub use callbacks::{Again, AttemptRecord, CallbackRecord, CallbackStop, WebhookKeyRecord};
pub use card_keys::StoredCardKey;
pub use ceremonies::{CeremonyRecord, ComponentRecord, MadeKey, StoredGoal};
pub use day_closes::Gate;
pub use jobs::Job;
pub use leases::CounterMark;
pub use notices::{DueNotice, NoticeState};
pub use numbered::Numbered;
pub use opening::Commits;
pub use postgres::dump_postgres;
pub use readers::KeySetRecord;
pub use registry::MerchantRecord;
pub use report::{ReportPage, ReportedOrder};
pub use secrets::{RingKey, SecretPlace, StoredSecret};
pub use services::{
    NewService, ServiceClaim, ServiceEnd, ServiceKey, ServiceMatch, ServiceRecord, Taken,
};
pub use settlements::SettlementLine;
pub use sqlite::{InlineDisk, StatementFate};
pub use terminals::{SessionRecord, TerminalRecord};
pub use transport_keys::TransportKeyRecord;
pub use usages::Usage;
pub use writer::{Acceptance, Advance, JobRef, NewOrder, NonceMark, NoticeResult, PhoneSeen};

use numbers::Numbers;
use reader::Reader;
use sql::{Row, sql};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use writer::Writer;

/// Where the data lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Location {
    /// A SQLite file; created when missing.
    Sqlite(PathBuf),
    /// A `postgres://…` address, options included.
    Postgres(String),
}

impl Location {
    /// Reads `sqlite:PATH` or `postgres://…`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return (!path.is_empty()).then(|| Self::Sqlite(PathBuf::from(path)));
        }
        let postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
        postgres.then(|| Self::Postgres(text.to_owned()))
    }
}

/// Why the store did not do what it was asked to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Too much at once, or the database cannot be reached: try again later.
    #[error("the store is busy: {0}")]
    Busy(String),
    /// The database refused a statement or holds what it should not.
    #[error("the store is broken: {0}")]
    Broken(String),
    /// What should be unique is there already.
    #[error("the store has one like it: {0}")]
    Taken(String),
}

/// A stored value that no longer makes sense.
fn corrupt(what: &str) -> StoreError {
    StoreError::Broken(format!("the stored {what} is not one that this program writes"))
}

/// Rows that can be read. One that only a newer version can read must not hold up the others: it is
/// leased, and comes back when its lease ends.
fn readable<T>(rows: Vec<Row>, read: impl Fn(&mut Row) -> Result<T, StoreError>) -> Vec<T> {
    let read_or_tell = |mut row: Row| match read(&mut row) {
        Ok(piece) => Some(piece),
        Err(error) => {
            tracing::error!(%error, "claimed work that this version cannot read");
            None
        }
    };
    rows.into_iter().filter_map(read_or_tell).collect()
}

/// An open database. Cheap to share behind an `Arc`.
pub struct Store {
    writer: Writer,
    reader: Reader,
    order_ids: Numbers,
    row_ids: Numbers,
    serials: Numbers,
    /// Whether the database keeps a log of old page images that we can empty.
    has_log: bool,
    /// Keeps a second process away from a SQLite file.
    lock: Mutex<Option<lock::FileLock>>,
}

impl Store {
    /// Answers when the database does and the writers are at work, for readiness probes.
    ///
    /// # Errors
    /// Whatever keeps it from answering.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.rows(sql("SELECT 1")).await?;
        match self.writer.is_alive() {
            true => Ok(()),
            false => Err(StoreError::Broken("a writer has died; restart the program".to_owned())),
        }
    }

    /// Lets the writer finish what it has, then closes all connections.
    pub async fn close(&self) {
        self.writer.stop().await;
        self.reader.stop().await;
        // Here, and not when the last one forgets the store: another process may wait for it.
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
