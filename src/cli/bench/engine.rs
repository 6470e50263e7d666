//! Where the measured gateways keep their data: empty databases that vanish afterwards.

use crate::cli::dev::TemporaryFolder;
use crate::clock::Entropy;
use anyhow::{Context, bail};
use sqlx::{Connection, Executor, PgConnection};

/// Schemas of our own in somebody's database. The names are fixed, so that a run clears away
/// what an earlier one that was killed has left.
const CREATE: &str = "\
    SET client_min_messages = warning; \
    DROP SCHEMA IF EXISTS tillgate_bench_quiet CASCADE; \
    DROP SCHEMA IF EXISTS tillgate_bench_busy CASCADE; \
    CREATE SCHEMA tillgate_bench_quiet; \
    CREATE SCHEMA tillgate_bench_busy";
const DROP: &str = "\
    DROP SCHEMA tillgate_bench_quiet CASCADE; \
    DROP SCHEMA tillgate_bench_busy CASCADE";
/// Held during a run, so that no other run takes the schemas away.
const LOCK: &str = "SELECT pg_try_advisory_lock(7455428361)";

/// Two empty databases: one for a gateway that only accepts, one for a gateway that does it all.
pub(super) struct Engine {
    pub name: &'static str,
    pub quiet_db: String,
    pub busy_db: String,
    /// Vanishes with its owner.
    pub folder: TemporaryFolder,
    schemas: Option<PgConnection>,
}

impl Engine {
    /// Two SQLite files.
    pub(super) fn sqlite(entropy: &Entropy) -> anyhow::Result<Self> {
        let folder = TemporaryFolder::make(entropy)?;
        let file = |name: &str| format!("sqlite:{}", folder.0.join(name).display());
        let (quiet_db, busy_db) = (file("quiet.db"), file("busy.db"));
        Ok(Self { name: "sqlite", quiet_db, busy_db, folder, schemas: None })
    }

    /// Two schemas in the PostgreSQL database at `url`.
    pub(super) async fn postgres(url: &str, entropy: &Entropy) -> anyhow::Result<Self> {
        let mut connection =
            PgConnection::connect(url).await.context("cannot reach the PostgreSQL database")?;
        if !sqlx::query_scalar(LOCK).fetch_one(&mut connection).await? {
            bail!("another bench is running in this PostgreSQL database");
        }
        connection.execute(CREATE).await.context("cannot create the schemas of the bench")?;
        Ok(Self {
            name: "postgres",
            quiet_db: in_schema(url, "tillgate_bench_quiet"),
            busy_db: in_schema(url, "tillgate_bench_busy"),
            folder: TemporaryFolder::make(entropy)?,
            schemas: Some(connection),
        })
    }

    /// Leaves nothing behind.
    pub(super) async fn remove(self) -> anyhow::Result<()> {
        if let Some(mut connection) = self.schemas {
            connection.execute(DROP).await.context("cannot drop the schemas of the bench")?;
            connection.close().await?;
        }
        Ok(())
    }
}

/// The address with a search path, whatever options it has already.
fn in_schema(url: &str, schema: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}options=-csearch_path%3D{schema}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_joins_the_options_of_an_address() {
        assert_eq!(in_schema("postgres://h/d", "s"), "postgres://h/d?options=-csearch_path%3Ds");
        assert!(in_schema("postgres://h/d?a=b", "s").ends_with("?a=b&options=-csearch_path%3Ds"));
    }
}
