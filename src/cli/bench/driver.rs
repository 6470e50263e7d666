//! The engine's plain driver, past the store: to fill tables, and to learn what one commit costs.

use anyhow::Context;
use sqlx::{AssertSqlSafe, Column, Connection, Executor, PgConnection, Row, SqlSafeStr};

/// As durable as the store's own connections.
const SQLITE_SETTINGS: &str = "\
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 60000";

/// One connection.
pub(super) enum Driver {
    Sqlite(rusqlite::Connection),
    Postgres(PgConnection),
}

impl Driver {
    /// Opens `sqlite:PATH` or `postgres://…`.
    pub(super) async fn open(address: &str) -> anyhow::Result<Self> {
        if let Some(path) = address.strip_prefix("sqlite:") {
            let connection = rusqlite::Connection::open(path)?;
            connection.execute_batch(SQLITE_SETTINGS)?;
            return Ok(Self::Sqlite(connection));
        }
        let connection = PgConnection::connect(address).await;
        Ok(Self::Postgres(connection.context("cannot reach the PostgreSQL database")?))
    }

    /// Runs statements without parameters.
    pub(super) async fn run(&mut self, statements: String) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(connection) => connection.execute_batch(&statements)?,
            Self::Postgres(connection) => {
                connection.execute(AssertSqlSafe(statements)).await?;
            }
        }
        Ok(())
    }

    /// Runs a prepared statement with a number and a text.
    pub(super) async fn insert(
        &mut self,
        statement: &'static str,
        number: i64,
        text: &str,
    ) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(connection) => {
                connection.prepare_cached(statement)?.execute((number, text))?;
            }
            Self::Postgres(connection) => {
                sqlx::query(statement).bind(number).bind(text).execute(connection).await?;
            }
        }
        Ok(())
    }

    /// The names of a table's columns; there must be a row.
    pub(super) async fn columns_of(&mut self, table: &str) -> anyhow::Result<Vec<String>> {
        let statement = format!("SELECT * FROM {table} LIMIT 1");
        match self {
            Self::Sqlite(connection) => {
                let prepared = connection.prepare(&statement)?;
                Ok(prepared.column_names().into_iter().map(str::to_owned).collect())
            }
            Self::Postgres(connection) => {
                let statement = AssertSqlSafe(statement).into_sql_str();
                let row = sqlx::query(statement).fetch_one(connection).await?;
                Ok(row.columns().iter().map(|column| column.name().to_owned()).collect())
            }
        }
    }

    /// What brings a table that was filled at one stroke into the state of one that has grown.
    pub(super) fn settle_statement(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "PRAGMA wal_checkpoint(TRUNCATE)",
            Self::Postgres(_) => "VACUUM ANALYZE orders",
        }
    }
}
