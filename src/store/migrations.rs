//! The tables, and the steps that lead to today's.

use super::StoreError;
use sqlx::migrate::{Migrate, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqlSafeStr, SqliteConnection};
use std::borrow::Cow;

/// Oldest first: number, name, text. A step that has shipped never changes.
pub(super) const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "core", include_str!("../../migrations/0001_core.sql")),
    (2, "nonces by second", include_str!("../../migrations/0002_nonces_by_second.sql")),
    (3, "turns", include_str!("../../migrations/0003_turns.sql")),
    (4, "room for updates", include_str!("../../migrations/0004_room_for_updates.sql")),
    (5, "order life", include_str!("../../migrations/0005_order_life.sql")),
    (6, "limits", include_str!("../../migrations/0006_limits.sql")),
    (7, "close day", include_str!("../../migrations/0007_close_day.sql")),
    (8, "readers and keys", include_str!("../../migrations/0008_readers_and_keys.sql")),
    (9, "transport keys", include_str!("../../migrations/0009_transport_keys.sql")),
    (10, "callbacks", include_str!("../../migrations/0010_callbacks.sql")),
    (11, "terminals", include_str!("../../migrations/0011_terminals.sql")),
    (12, "callbacks in order", include_str!("../../migrations/0012_callbacks_in_order.sql")),
];

/// On SQLite only a column declared `INTEGER PRIMARY KEY` is the row's own key, and a table that
/// is all key need not be stored twice.
pub(super) fn for_sqlite(text: &str) -> String {
    text.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")
        .replace("/* WITHOUT ROWID */", "WITHOUT ROWID")
}

/// What only PostgreSQL understands stands in comments that only it does not pass over.
fn for_postgres(text: &str) -> String {
    match text.split_once("/* POSTGRES") {
        Some((before, rest)) => before.to_owned() + &rest.replacen("*/", "", 1),
        None => text.to_owned(),
    }
}

/// Brings a SQLite file up to date; it is created when missing.
pub(super) async fn migrate_sqlite(path: &std::path::Path) -> Result<(), StoreError> {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    migrate(&mut connection, for_sqlite).await?;
    connection.close().await?;
    Ok(())
}

/// Brings a PostgreSQL schema up to date.
pub(super) async fn migrate_postgres(
    options: &sqlx::postgres::PgConnectOptions,
) -> Result<(), StoreError> {
    let mut connection = PgConnection::connect_with(options).await?;
    migrate(&mut connection, for_postgres).await?;
    connection.close().await?;
    Ok(())
}

async fn migrate<C: Migrate>(
    connection: &mut C,
    wording: fn(&str) -> String,
) -> Result<(), StoreError> {
    let steps = MIGRATIONS.iter().map(|(version, name, text)| {
        let text = AssertSqlSafe(wording(text)).into_sql_str();
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, text, false)
    });
    Migrator::with_migrations(steps.collect())
        .run_direct(None, connection, false)
        .await
        .map_err(|error| StoreError::Broken(format!("cannot migrate the database: {error}")))
}
