//! A fresh database for each scenario: a SQLite file in a folder of its own, or a PostgreSQL
//! schema of its own.

use sqlx::{AnyPool, AssertSqlSafe, Executor, Row};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use tillgate::store::Location;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Which database to test on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// The engines that this run tests: PostgreSQL only when an address was given.
pub fn engines() -> Vec<Engine> {
    static SAY: Once = Once::new();
    if postgres_url().is_some() {
        return vec![Engine::Sqlite, Engine::Postgres];
    }
    SAY.call_once(say_what_is_left_out);
    vec![Engine::Sqlite]
}

/// Straight to standard error: what tests print is hidden as long as they pass.
fn say_what_is_left_out() {
    let text = "TEST_DATABASE_URL is not set: the PostgreSQL half of the scenarios is left out\n";
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the one setting of the test program")]
fn postgres_url() -> Option<String> {
    std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())
}

/// A database that vanishes with the scenario.
pub struct Database {
    pub location: Location,
    folder: PathBuf,
    schema: Option<(String, String)>,
}

impl Database {
    pub async fn create(engine: Engine) -> Self {
        sqlx::any::install_default_drivers();
        let name =
            format!("tillgate_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let folder = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&folder).unwrap();
        match engine {
            Engine::Sqlite => Self {
                location: Location::Sqlite(folder.join("tillgate.db")),
                folder,
                schema: None,
            },
            Engine::Postgres => {
                let url = postgres_url().unwrap();
                run(&url, &format!("CREATE SCHEMA {name}")).await;
                let separator = if url.contains('?') { '&' } else { '?' };
                let own = format!("{url}{separator}options=-csearch_path%3D{name}");
                Self { location: Location::Postgres(own), folder, schema: Some((url, name)) }
            }
        }
    }

    /// A connection of the test's own, to look at what is stored.
    pub async fn look(&self) -> AnyPool {
        let address = match &self.location {
            Location::Sqlite(path) => format!("sqlite:{}", path.display()),
            Location::Postgres(url) => url.clone(),
        };
        AnyPool::connect(&address).await.unwrap()
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &str) -> i64 {
        let pool = self.look().await;
        let query = format!("SELECT COUNT(*) FROM {table}");
        let row = pool.fetch_one(AssertSqlSafe(query)).await.unwrap();
        pool.close().await;
        row.get(0)
    }

    /// The rows of a query that gives a name and a number.
    pub async fn numbers(&self, query: &'static str) -> Vec<(String, i64)> {
        let pool = self.look().await;
        let rows = pool.fetch_all(query).await.unwrap();
        pool.close().await;
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Everything that the database holds, as bytes to search: the files of SQLite, or a text of
    /// every row of every PostgreSQL table.
    pub async fn dump(&self) -> Vec<u8> {
        match &self.location {
            Location::Sqlite(path) => files_of(path.parent().unwrap()),
            Location::Postgres(_) => self.rows().await,
        }
    }

    async fn rows(&self) -> Vec<u8> {
        let pool = self.look().await;
        let schema = &self.schema.as_ref().unwrap().1;
        let tables = format!(
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables \
             WHERE table_schema = '{schema}'"
        );
        let mut dump = Vec::new();
        for table in pool.fetch_all(AssertSqlSafe(tables)).await.unwrap() {
            let table: String = table.get(0);
            let rows = format!("SELECT CAST(t AS TEXT) FROM {table} AS t");
            for row in pool.fetch_all(AssertSqlSafe(rows)).await.unwrap() {
                dump.extend_from_slice(row.get::<String, _>(0).as_bytes());
            }
        }
        pool.close().await;
        dump
    }

    /// Removes it.
    pub async fn remove(self) {
        if let Some((url, name)) = &self.schema {
            run(url, &format!("DROP SCHEMA {name} CASCADE")).await;
        }
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

fn files_of(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap();
    files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

async fn run(url: &str, statement: &str) {
    let pool = AnyPool::connect(url).await.unwrap();
    pool.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    pool.close().await;
}
