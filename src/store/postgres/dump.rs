//! Every row of every table, as bytes: for those who look for what should not be there.

use super::connect;
use crate::store::StoreError;
use futures_util::TryStreamExt;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Executor, PgConnection, Row};
use std::str::FromStr;

/// All tables that are not the server's own.
const TABLES: &str = "\
    SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) \
    FROM information_schema.tables WHERE table_type = 'BASE TABLE' \
    AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";

/// Each table comes twice: as text, which spells numbers out, and as it is sent in binary, where
/// texts and byte strings are what they are.
const FORMATS: [&str; 2] = ["text", "binary"];

/// `undefined_table`.
const NO_TABLE: &str = "42P01";

/// Reads all tables of a PostgreSQL database that this user may see, without locking or changing
/// anything, and hands their bytes over piece by piece, with the table's name and the format.
///
/// # Errors
/// `Busy` when the database cannot be reached, `Broken` when a table may not be read.
pub async fn dump_postgres(url: &str, mut take: impl FnMut(&str, &[u8])) -> Result<(), StoreError> {
    let options = PgConnectOptions::from_str(url)?;
    let tables = connect_to_read(&options).await?.fetch_all(TABLES).await?;
    for row in tables {
        let table: String = row.try_get(0)?;
        // One for each table: after a COPY that is refused the driver is out of step.
        let mut connection = connect_to_read(&options).await?;
        for format in FORMATS {
            let name = format!("{table} ({format})");
            let copy = format!("COPY (SELECT * FROM {table}) TO STDOUT (FORMAT {format})");
            let mut rows = match connection.copy_out_raw(&copy).await {
                // A table that was dropped since it was listed holds nothing any more.
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(NO_TABLE) => {
                    break;
                }
                rows => rows?,
            };
            while let Some(bytes) = rows.try_next().await? {
                take(&name, &bytes);
            }
        }
    }
    Ok(())
}

async fn connect_to_read(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let mut connection = connect(options).await?;
    connection.execute("SET default_transaction_read_only = on").await?;
    Ok(connection)
}
