//! Opening a database, and starting the lanes that own its connections.

use super::migrations::{migrate_postgres, migrate_sqlite};
use super::numbers::Numbers;
use super::postgres::PostgresConnection;
use super::reader::{self, Reader};
use super::sqlite::{InlineDisk, SqliteConnection};
use super::writer::{self, Writer};
use super::{Location, Store, StoreError, leases, lock};
use sqlx::postgres::PgConnectOptions;
use std::path::Path;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;
use tokio::runtime::Handle;

/// How changes are committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Commits {
    /// All that wait together.
    #[default]
    Together,
    /// Each in a transaction of its own, by many writers: what the bench compares with.
    Alone,
}

/// How many changes go into one transaction at most.
const TOGETHER_MAX: usize = 1024;

/// How many threads can find orders in a SQLite file at the same time, before they wait for a lane.
const DIRECT_READERS: usize = 4;

impl Commits {
    fn batch_max(self) -> usize {
        match self {
            Self::Together => TOGETHER_MAX,
            Self::Alone => 1,
        }
    }

    /// How long a new order waits for its writer. What commits alone is to be measured, however
    /// long it takes.
    fn wait_max(self) -> Duration {
        match self {
            Self::Together => Duration::from_secs(1),
            Self::Alone => Duration::from_mins(1),
        }
    }

    /// SQLite has one writer, because its own waiting line is unfair and starves some.
    fn sqlite_writers(self) -> usize {
        match self {
            Self::Together => 1,
            Self::Alone => 8,
        }
    }

    fn postgres_writers(self) -> usize {
        match self {
            Self::Together => 2,
            Self::Alone => 16,
        }
    }
}

impl Store {
    /// Opens the database, creates or migrates its tables, and starts the lanes.
    ///
    /// # Errors
    /// `Busy` when the database cannot be reached or another process has the SQLite file,
    /// `Broken` when it cannot be opened or migrated.
    pub async fn open(location: &Location) -> Result<Self, StoreError> {
        Self::open_with(location, Commits::default()).await
    }

    /// As [`Store::open`], with another way of committing.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_with(location: &Location, commits: Commits) -> Result<Self, StoreError> {
        match location {
            Location::Sqlite(path) => Self::open_sqlite(path, commits).await,
            Location::Postgres(url) => Self::open_postgres(url, commits).await,
        }
    }

    async fn open_sqlite(path: &Path, commits: Commits) -> Result<Self, StoreError> {
        let lock = lock::FileLock::take(path)?;
        migrate_sqlite(path).await?;
        let mut first = SqliteConnection::open(path)?;
        leases::release_all(&mut first).await?;
        let (writer, queues) = Writer::new(commits.sqlite_writers(), commits.wait_max());
        for (number, queue) in queues.into_iter().enumerate() {
            let connection = SqliteConnection::open_writer(path)?;
            let lane = writer::run(queue, commits.batch_max(), connection);
            on_a_thread(&format!("writer-{number}"), lane)?;
        }
        let direct = (0..DIRECT_READERS).map(|_| SqliteConnection::open(path));
        let (reader, queues) = Reader::new(direct.collect::<Result<_, _>>()?);
        on_a_thread("orders", reader::run(queues.orders, SqliteConnection::open(path)?))?;
        on_a_thread("reader", reader::run(queues.statements, SqliteConnection::open(path)?))?;
        Ok(Self::of(writer, reader, true, Some(lock)))
    }

    async fn open_postgres(url: &str, commits: Commits) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)?;
        migrate_postgres(&options).await?;
        let (writer, queues) = Writer::new(commits.postgres_writers(), commits.wait_max());
        for queue in queues {
            let connection = PostgresConnection::open(&options).await?;
            tokio::spawn(writer::run(queue, commits.batch_max(), connection));
        }
        let (reader, queues) = Reader::new(Vec::new());
        for queue in [queues.orders, queues.statements] {
            tokio::spawn(reader::run(queue, PostgresConnection::open(&options).await?));
        }
        Ok(Self::of(writer, reader, false, None))
    }

    /// Opens a database whose statements run on the caller's thread, for simulations.
    ///
    /// # Errors
    /// When the disk fails the first statements.
    pub async fn open_inline(disk: &InlineDisk) -> Result<Self, StoreError> {
        leases::release_all(&mut disk.connection()).await?;
        let (writer, queues) = Writer::new(1, Commits::Together.wait_max());
        for queue in queues {
            tokio::spawn(writer::run(queue, TOGETHER_MAX, disk.connection()));
        }
        let (reader, queues) = Reader::new(Vec::new());
        for queue in [queues.orders, queues.statements] {
            tokio::spawn(reader::run(queue, disk.connection()));
        }
        Ok(Self::of(writer, reader, true, None))
    }

    fn of(writer: Writer, reader: Reader, has_log: bool, lock: Option<lock::FileLock>) -> Self {
        Self {
            writer,
            reader,
            order_ids: Numbers::new("order", 16_384),
            row_ids: Numbers::new("row", 65_536),
            serials: Numbers::new("serial", 32_768),
            has_log,
            lock: Mutex::new(lock),
        }
    }
}

/// Runs a lane that blocks on a thread of its own. It ends with its queue.
fn on_a_thread(
    name: &str,
    lane: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StoreError> {
    let runtime = Handle::current();
    let thread = std::thread::Builder::new().name(format!("tillgate-{name}"));
    let started = thread.spawn(move || runtime.block_on(lane));
    started.map(drop).map_err(|error| StoreError::Busy(format!("cannot start a thread: {error}")))
}
