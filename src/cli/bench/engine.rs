//! Where the measured gateways keep their data: empty databases that vanish afterwards.

use super::driver::Driver;
use super::server::ServerProcesses;
use crate::cli::dev::TemporaryFolder;
use crate::clock::Entropy;
use anyhow::{Context, bail};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Databases by what they are for. Their names are fixed, so that a run clears away what an
/// earlier one that was killed has left.
const DATABASES: [&str; 11] = [
    "quiet",
    "busy",
    "naive",
    "tdes",
    "aes",
    "batch",
    "young",
    "grown",
    "backlog",
    "evil",
    "terminals",
];
/// Held during a run, so that no other run takes the schemas away.
const LOCK: &str = "SELECT pg_try_advisory_lock(7455428361)";
const BACKEND: &str = "SELECT pg_backend_pid()";

/// A kind of database, with room for as many empty ones as there are things to measure.
pub(super) struct Engine {
    pub name: &'static str,
    /// Vanishes with its owner.
    pub folder: TemporaryFolder,
    /// The key that seals the keys in all these databases, in hex.
    master_key: String,
    postgres: Option<Server>,
}

struct Server {
    url: String,
    connection: PgConnection,
    processes: Option<ServerProcesses>,
}

/// One database, and what its gateway has to know.
#[derive(Clone)]
pub(super) struct Database {
    /// `sqlite:PATH` or `postgres://…`.
    pub address: String,
    pub master_key: String,
    /// The server's processes, where they can be seen.
    pub server: Option<ServerProcesses>,
}

impl Engine {
    /// SQLite files.
    pub(super) fn sqlite(entropy: &Entropy) -> anyhow::Result<Self> {
        Ok(Self {
            name: "sqlite",
            folder: TemporaryFolder::make(entropy)?,
            master_key: hex::encode(entropy.bytes::<32>()),
            postgres: None,
        })
    }

    /// Schemas in the PostgreSQL database at `url`.
    pub(super) async fn postgres(url: &str, entropy: &Entropy) -> anyhow::Result<Self> {
        let mut connection =
            PgConnection::connect(url).await.context("cannot reach the PostgreSQL database")?;
        if !sqlx::query_scalar(LOCK).fetch_one(&mut connection).await? {
            bail!("another bench is running in this PostgreSQL database");
        }
        let create = format!("SET client_min_messages = warning; {}{}", drop_all(), create_all());
        connection
            .execute(AssertSqlSafe(create))
            .await
            .context("cannot create the schemas of the bench")?;
        let backend: i32 = sqlx::query_scalar(BACKEND).fetch_one(&mut connection).await?;
        let processes = ServerProcesses::behind(u32::try_from(backend)?);
        Ok(Self {
            name: "postgres",
            folder: TemporaryFolder::make(entropy)?,
            master_key: hex::encode(entropy.bytes::<32>()),
            postgres: Some(Server { url: url.to_owned(), connection, processes }),
        })
    }

    /// One of the databases.
    pub(super) fn database(&self, name: &'static str) -> Database {
        let address = match &self.postgres {
            Some(server) => in_schema(&server.url, &schema(name)),
            None => format!("sqlite:{}", self.folder.0.join(name).with_extension("db").display()),
        };
        let server = self.postgres.as_ref().and_then(|server| server.processes);
        Database { address, master_key: self.master_key.clone(), server }
    }

    /// A connection to one of the databases, past the store.
    pub(super) async fn driver(&self, name: &'static str) -> anyhow::Result<Driver> {
        Driver::open(&self.database(name).address).await
    }

    /// Leaves nothing behind.
    pub(super) async fn remove(self) -> anyhow::Result<()> {
        if let Some(mut server) = self.postgres {
            let dropped = server.connection.execute(AssertSqlSafe(drop_all())).await;
            dropped.context("cannot drop the schemas of the bench")?;
            server.connection.close().await?;
        }
        Ok(())
    }
}

fn schema(name: &str) -> String {
    format!("tillgate_bench_{name}")
}

fn create_all() -> String {
    DATABASES.map(|name| format!("CREATE SCHEMA {}; ", schema(name))).concat()
}

fn drop_all() -> String {
    DATABASES.map(|name| format!("DROP SCHEMA IF EXISTS {} CASCADE; ", schema(name))).concat()
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
