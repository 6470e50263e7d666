//! What differs between SQLite and PostgreSQL, apart from the [`super::hot`] statements.

use super::hot::{self, HotStatements};
use super::{ACQUIRE_TIMEOUT, Location, StoreError};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, AssertSqlSafe, Executor, SqlSafeStr};
use std::borrow::Cow;

/// Which of the two databases is behind the pools.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// The steps that lead to today's tables, oldest first. A step that has shipped never changes.
const MIGRATIONS: &[(i64, &str, &str)] =
    &[(1, "core", include_str!("../../migrations/0001_core.sql"))];

/// Full durability, erased content overwritten, waits instead of failures.
const SQLITE_SETTINGS: &str = "\
    PRAGMA journal_mode = WAL; \
    PRAGMA synchronous = FULL; \
    PRAGMA foreign_keys = ON; \
    PRAGMA secure_delete = ON; \
    PRAGMA busy_timeout = 5000";

/// Young tables without statistics would be joined by reading them whole; the hot statements
/// always mean to go by index.
const POSTGRES_WRITER_SETTINGS: &str = "\
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

const SQLITE_READERS: u32 = 4;
const POSTGRES_READERS: u32 = 8;
const POSTGRES_WRITERS: u32 = 4;

impl Dialect {
    pub(super) fn of(location: &Location) -> Self {
        match location {
            Location::Sqlite(_) => Self::Sqlite,
            Location::Postgres(_) => Self::Postgres,
        }
    }

    /// The connections for writing: exactly one on SQLite, whose waiting line is fair where
    /// several connections would starve each other.
    pub(super) async fn write_pool(self, location: &Location) -> Result<AnyPool, StoreError> {
        match self {
            Self::Sqlite => pool(1, SQLITE_SETTINGS, location).await,
            Self::Postgres => pool(POSTGRES_WRITERS, POSTGRES_WRITER_SETTINGS, location).await,
        }
    }

    /// The connections for reading.
    pub(super) async fn read_pool(self, location: &Location) -> Result<AnyPool, StoreError> {
        match self {
            Self::Sqlite => pool(SQLITE_READERS, SQLITE_SETTINGS, location).await,
            Self::Postgres => pool(POSTGRES_READERS, "SELECT 1", location).await,
        }
    }

    /// How many writers work side by side.
    pub(super) fn writers(self) -> usize {
        match self {
            Self::Sqlite => 1,
            Self::Postgres => 2,
        }
    }

    pub(super) fn hot(self) -> &'static HotStatements {
        match self {
            Self::Sqlite => &hot::SQLITE,
            Self::Postgres => &hot::POSTGRES,
        }
    }

    /// What begins a transaction that will write. SQLite takes the write lock at once, so that
    /// nothing it has read can change before it writes.
    pub(super) fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// What empties the log of old page images after something was destroyed for good, where the
    /// database lets us.
    pub(super) fn forget_log(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => Some("PRAGMA wal_checkpoint(TRUNCATE)"),
            Self::Postgres => None,
        }
    }

    /// Brings the tables up to date.
    pub(super) async fn migrate(self, pool: &AnyPool) -> Result<(), StoreError> {
        let steps = MIGRATIONS.iter().map(|(version, name, sql)| {
            Migration::new(
                *version,
                Cow::Borrowed(*name),
                MigrationType::Simple,
                AssertSqlSafe(self.wording(sql)).into_sql_str(),
                false,
            )
        });
        Migrator::with_migrations(steps.collect())
            .run(pool)
            .await
            .map_err(|error| StoreError::Broken(format!("cannot migrate the database: {error}")))
    }

    /// On SQLite only a column declared `INTEGER PRIMARY KEY` is the row's own key.
    fn wording(self, sql: &str) -> String {
        match self {
            Self::Sqlite => sql.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY"),
            Self::Postgres => sql.to_owned(),
        }
    }
}

async fn pool(
    connections: u32,
    settings: &'static str,
    location: &Location,
) -> Result<AnyPool, StoreError> {
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        // All are opened here, by the runtime that outlives the HTTP threads, and kept. A
        // connection that an HTTP thread opens dies with that thread when the server stops.
        .min_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A lost connection shows when it is used; asking each time would cost a round trip.
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(settings).await.map(drop) })
        })
        .connect(&address(location))
        .await?;
    Ok(pool)
}

fn address(location: &Location) -> String {
    match location {
        Location::Sqlite(path) => {
            let path = path.to_string_lossy();
            format!("sqlite:{}?mode=rwc", utf8_percent_encode(&path, NON_ALPHANUMERIC))
        }
        Location::Postgres(url) => url.clone(),
    }
}

/// SQLite: busy and locked, plain and extended. PostgreSQL: serialisation failures, deadlocks,
/// lost connections, shutdown and start-up, out of space or memory.
pub(super) fn is_passing_code(code: &str) -> bool {
    let sqlite = matches!(code, "5" | "6" | "10" | "13" | "261" | "262" | "517" | "773");
    let postgres = matches!(code, "40001" | "40P01" | "55P03")
        || ["08", "53", "57"].iter().any(|class| code.len() == 5 && code.starts_with(class));
    sqlite || postgres
}
