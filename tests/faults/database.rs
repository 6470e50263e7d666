//! The database under a fault: a SQLite file, or a schema of its own in PostgreSQL.

use crate::folder::Folder;
use anyhow::Context;
use sqlx::{AnyPool, AssertSqlSafe, Executor, Row};
use std::path::Path;
use tillgate::clock::Entropy;

/// Which kind of database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// The PostgreSQL that the environment names.
#[expect(clippy::disallowed_methods, reason = "the one setting of the test programs")]
pub fn postgres_url() -> Option<String> {
    std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())
}

pub struct Database {
    /// As `--db` takes it.
    pub address: String,
    schema: Option<Schema>,
}

struct Schema {
    server: String,
    name: String,
}

impl Database {
    pub async fn of(engine: Engine, folder: &Folder) -> anyhow::Result<Self> {
        match engine {
            Engine::Sqlite => Ok(Self::sqlite_in(folder.path())),
            Engine::Postgres => {
                Self::postgres(&postgres_url().context("TEST_DATABASE_URL is not set")?).await
            }
        }
    }

    pub fn sqlite_in(folder: &Path) -> Self {
        sqlx::any::install_default_drivers();
        let address = format!("sqlite:{}", folder.join("tillgate.db").display());
        Self { address, schema: None }
    }

    /// A new schema in this database.
    pub async fn postgres(server: &str) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let name = format!("tillgate_faults_{}", Entropy::system()?.uuid().replace('-', ""));
        run(server, &format!("CREATE SCHEMA {name}")).await?;
        let joint = if server.contains('?') { '&' } else { '?' };
        let address = format!("{server}{joint}options=-csearch_path%3D{name}");
        Ok(Self { address, schema: Some(Schema { server: server.to_owned(), name }) })
    }

    /// What a question with one number for an answer finds.
    pub async fn number(&self, question: &'static str) -> anyhow::Result<i64> {
        let pool = AnyPool::connect(&self.address).await?;
        let row = pool.fetch_one(question).await?;
        pool.close().await;
        Ok(row.try_get(0)?)
    }

    /// Drops the schema; a file goes with its folder.
    pub async fn remove(&mut self) -> anyhow::Result<()> {
        match self.schema.take() {
            Some(Schema { server, name }) => {
                run(&server, &format!("DROP SCHEMA {name} CASCADE")).await
            }
            None => Ok(()),
        }
    }
}

/// Runs a statement of the test's own.
pub async fn run(address: &str, statement: &str) -> anyhow::Result<()> {
    let pool = AnyPool::connect(address).await?;
    let done = pool.execute(AssertSqlSafe(statement.to_owned())).await;
    pool.close().await;
    done.map(drop).with_context(|| statement.to_owned())
}
