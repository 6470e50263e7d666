//! What is kept: orders, the work they still need, the callbacks they owe, and the registry.
//!
//! One portable SQL text serves SQLite and PostgreSQL. Whatever differs between them stands in
//! [`dialect`] and [`hot`] and nowhere else. Everything on a sale's path is written by
//! [`writer`], many callers' changes in one durable transaction; the registry is changed rarely
//! and writes for itself.

mod batch;
mod card_keys;
mod dialect;
mod hot;
mod jobs;
mod leases;
mod lock;
mod nonces;
mod notices;
mod numbers;
mod orders;
mod registry;
mod rows;
mod scribe;
mod writer;

pub use card_keys::StoredCardKey;
pub use jobs::Job;
pub use notices::{DueNotice, NoticeState};
pub use registry::{KeySetRecord, MerchantRecord};
pub use writer::{Acceptance, Advance, JobRef, NewOrder, NonceMark, NoticeResult, PhoneSeen};

use dialect::Dialect;
use numbers::Numbers;
use sqlx::AnyPool;
use std::path::PathBuf;
use std::time::Duration;
use writer::Writer;

/// How long a statement waits for a connection before the store counts as busy.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);

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
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too much at once, or the database cannot be reached: try again later.
    #[error("the store is busy: {0}")]
    Busy(String),
    /// The database refused a statement or holds what it should not.
    #[error("the store is broken: {0}")]
    Broken(String),
}

impl StoreError {
    /// Tells trouble that passes from trouble that stays.
    fn from_sqlx(error: &sqlx::Error) -> Self {
        let passes = match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
            sqlx::Error::Database(cause) => {
                cause.code().is_some_and(|code| dialect::is_passing_code(&code))
            }
            _ => false,
        };
        if passes { Self::Busy(error.to_string()) } else { Self::Broken(error.to_string()) }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::from_sqlx(&error)
    }
}

/// A stored value that no longer makes sense.
fn corrupt(what: &str) -> StoreError {
    StoreError::Broken(format!("the stored {what} is not one that this program writes"))
}

/// An open database. Cheap to share behind an `Arc`.
pub struct Store {
    reads: AnyPool,
    writes: AnyPool,
    dialect: Dialect,
    writer: Writer,
    order_ids: Numbers,
    row_ids: Numbers,
    serials: Numbers,
    /// Keeps a second process away from a SQLite file.
    _lock: Option<lock::FileLock>,
}

impl Store {
    /// Opens the database, creates or migrates its tables, and starts the writer.
    ///
    /// # Errors
    /// `Busy` when the database cannot be reached or another process has the SQLite file,
    /// `Broken` when it cannot be opened or migrated.
    pub async fn open(location: &Location) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let lock = match location {
            Location::Sqlite(path) => Some(lock::FileLock::take(path)?),
            Location::Postgres(_) => None,
        };
        let dialect = Dialect::of(location);
        let writes = dialect.write_pool(location).await?;
        dialect.migrate(&writes).await?;
        if lock.is_some() {
            leases::release_all(&writes).await?;
        }
        let reads = dialect.read_pool(location).await?;
        Ok(Self {
            writer: Writer::start(&writes, dialect),
            order_ids: Numbers::new("order", 256),
            row_ids: Numbers::new("row", 1024),
            serials: Numbers::new("serial", 4096),
            reads,
            writes,
            dialect,
            _lock: lock,
        })
    }

    /// Answers when the database does and the writers are at work, for readiness probes.
    ///
    /// # Errors
    /// Whatever keeps it from answering.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.reads).await?;
        match self.writer.is_alive() {
            true => Ok(()),
            false => Err(StoreError::Broken("a writer has died; restart the program".to_owned())),
        }
    }

    /// Lets the writer finish what it has, then closes all connections.
    pub async fn close(&self) {
        self.writer.stop().await;
        self.reads.close().await;
        self.writes.close().await;
    }
}
