//! PostgreSQL: each lane has a connection of its own, opened by the runtime that the lane runs on
//! and opened again when it was lost.

mod commit;
mod dump;

pub use dump::dump_postgres;

use super::batch::{Batch, Results};
use super::connection::Connection;
use super::lookup::{Key, StoredOrder, columns};
use super::phones::PhoneBook;
use super::sql::{Done, Row, Statement, Value};
use super::{StoreError, corrupt};
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::query::Query;
use sqlx::{Column, Connection as _, Executor, PgConnection, Postgres, Row as _, TypeInfo};
use std::time::Duration;

/// Young tables without statistics would be joined by reading them whole; our statements always
/// mean to go by index. Where there is none, what is forbidden looks so dear that the server would
/// compile the plan first, for longer than it runs. And whatever a server or role is set to, what
/// is answered is durable.
const SETTINGS: &str = "\
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
    SET jit = off; \
    SET synchronous_commit = on";

/// How long opening a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// How long any piece of work may take, before the connection counts as lost.
const WORK_MAX: Duration = Duration::from_secs(30);

const BY_ID: &str = concat!(
    "SELECT k.place, ",
    columns!(),
    " FROM UNNEST($1::bigint[]) WITH ORDINALITY AS k(id, place) JOIN orders AS o ON o.id = k.id"
);
const BY_NAME: &str = concat!(
    "SELECT k.place, ",
    columns!(),
    " FROM UNNEST($1::bigint[], $2::text[]) WITH ORDINALITY AS k(endpoint_id, name, place) \
     JOIN orders AS o ON o.endpoint_id = k.endpoint_id AND o.client_orderid = k.name"
);
const BY_GROUP_AND_NAME: &str = concat!(
    "SELECT k.place, ",
    columns!(),
    " FROM UNNEST($1::bigint[], $2::text[]) WITH ORDINALITY AS k(group_id, name, place) \
     CROSS JOIN LATERAL (SELECT n.* FROM endpoints AS e JOIN orders AS n \
          ON n.endpoint_id = e.id AND n.client_orderid = k.name WHERE e.group_id = k.group_id \
          ORDER BY n.created_at DESC, n.id DESC LIMIT 1) AS o"
);

/// One connection, once it is open.
pub(super) struct PostgresConnection {
    options: PgConnectOptions,
    open: Option<PgConnection>,
    phones: PhoneBook,
}

impl PostgresConnection {
    /// Opens a connection.
    pub(super) async fn open(options: &PgConnectOptions) -> Result<Self, StoreError> {
        let open = Some(connect(options).await?);
        Ok(Self { options: options.clone(), open, phones: PhoneBook::default() })
    }

    /// The connection, for a piece of work; a new one if the last was lost.
    async fn take(&mut self) -> Result<PgConnection, StoreError> {
        match self.open.take() {
            Some(connection) => Ok(connection),
            None => connect(&self.options).await,
        }
    }

    /// Keeps the connection for the next piece of work, unless this one left it in trouble: then
    /// nobody knows in what state it is.
    fn keep<T>(&mut self, connection: PgConnection, result: &Result<T, StoreError>) {
        if !matches!(result, Err(StoreError::Busy(_))) {
            self.open = Some(connection);
        }
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| StoreError::Busy("the database does not answer".to_owned());
    tokio::time::timeout(WORK_MAX, work).await.map_err(late)?
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let connecting = async {
        let mut connection = PgConnection::connect_with(options).await?;
        connection.execute(SETTINGS).await?;
        Ok::<_, sqlx::Error>(connection)
    };
    match tokio::time::timeout(CONNECT_MAX, connecting).await {
        Ok(connection) => Ok(connection?),
        Err(_) => Err(StoreError::Busy("the database cannot be reached".to_owned())),
    }
}

impl Connection for PostgresConnection {
    async fn commit(&mut self, batch: &Batch) -> Result<Results, StoreError> {
        let mut connection = self.take().await?;
        let result = in_time(commit(&mut connection, batch, &self.phones)).await;
        self.keep(connection, &result);
        let results = result?;
        self.phones.remember(batch.saved(&results));
        Ok(results)
    }

    async fn find(&mut self, keys: &[Key]) -> Result<Vec<Option<StoredOrder>>, StoreError> {
        let mut connection = self.take().await?;
        let result = in_time(find(&mut connection, keys)).await;
        self.keep(connection, &result);
        result
    }

    async fn run(&mut self, statements: &[Statement]) -> Result<Done, StoreError> {
        let mut connection = self.take().await?;
        let result = in_time(run_all(&mut connection, statements)).await;
        self.keep(connection, &result);
        result
    }
}

/// Most orders, nonces and counters are new, so at first nothing is looked up; the statements show
/// it if something was there before, and then it is.
async fn commit(
    connection: &mut PgConnection,
    batch: &Batch,
    phones: &PhoneBook,
) -> Result<Results, StoreError> {
    for look_first in [false, true] {
        let mut transaction = connection.begin().await?;
        match commit::write(&mut transaction, batch, phones, look_first).await {
            Ok(Some(results)) => {
                transaction.commit().await?;
                return Ok(results);
            }
            Err(StoreError::Broken(_) | StoreError::Taken(_)) if !look_first => {}
            Err(error) => return Err(error),
            Ok(None) => {}
        }
        transaction.rollback().await?;
    }
    Err(StoreError::Busy("another instance was faster".to_owned()))
}

/// Finds each kind of key with one statement for all keys of that kind.
async fn find(
    connection: &mut PgConnection,
    keys: &[Key],
) -> Result<Vec<Option<StoredOrder>>, StoreError> {
    let mut ids = Asked::default();
    let mut names = Asked::default();
    let mut group_names = Asked::default();
    for (place, key) in keys.iter().enumerate() {
        match key {
            Key::Id(id) => ids.add(place, id.0, ""),
            Key::Name(endpoint, name) => names.add(place, endpoint.0, name),
            Key::GroupAndName(group, name) => group_names.add(place, group.0, name),
        }
    }
    let mut found: Vec<_> = keys.iter().map(|_| None).collect();
    for (asked, text) in [(ids, BY_ID), (names, BY_NAME), (group_names, BY_GROUP_AND_NAME)] {
        if asked.places.is_empty() {
            continue;
        }
        let mut query = sqlx::query(text).bind(asked.numbers);
        if text != BY_ID {
            query = query.bind(asked.names);
        }
        for row in query.fetch_all(&mut *connection).await? {
            let mut row = read(&row)?;
            let place = usize::try_from(row.int()? - 1).ok().and_then(|at| asked.places.get(at));
            found[*place.ok_or_else(|| corrupt("place"))?] = Some(StoredOrder::read(&mut row)?);
        }
    }
    Ok(found)
}

/// Keys of one kind, and where each stands among all.
#[derive(Default)]
struct Asked<'a> {
    places: Vec<usize>,
    numbers: Vec<i64>,
    names: Vec<&'a str>,
}

impl<'a> Asked<'a> {
    fn add(&mut self, place: usize, number: i64, name: &'a str) {
        self.places.push(place);
        self.numbers.push(number);
        self.names.push(name);
    }
}

async fn run_all(
    connection: &mut PgConnection,
    statements: &[Statement],
) -> Result<Done, StoreError> {
    if let [alone] = statements {
        return run(connection, alone).await;
    }
    let mut transaction = connection.begin().await?;
    let done = run_in_order(&mut transaction, statements).await?;
    transaction.commit().await?;
    Ok(done)
}

/// Runs statements that belong together in the open transaction; answers what the last one came to.
/// Each is a round trip, because it has to see what the one before did.
async fn run_in_order(
    connection: &mut PgConnection,
    statements: &[Statement],
) -> Result<Done, StoreError> {
    let mut done = Done::default();
    for statement in statements {
        done = run(connection, statement).await?;
    }
    Ok(done)
}

async fn run(connection: &mut PgConnection, statement: &Statement) -> Result<Done, StoreError> {
    let bind = |query: Query<'static, Postgres, PgArguments>, value: &Value| match value.clone() {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
    };
    let query = || statement.values.iter().fold(sqlx::query(statement.text), bind);
    // The driver tells either the rows or their number.
    let gives_rows = statement.text.starts_with("SELECT") || statement.text.contains("RETURNING");
    if gives_rows {
        let rows = query().fetch_all(connection).await?;
        let rows: Vec<_> = rows.iter().map(read).collect::<Result<_, _>>()?;
        return Ok(Done { changed: rows.len() as u64, rows });
    }
    let changed = query().execute(connection).await?.rows_affected();
    Ok(Done { rows: Vec::new(), changed })
}

/// Reads a row whatever its columns are.
fn read(row: &PgRow) -> Result<Row, StoreError> {
    let value = |(place, column): (usize, &<Postgres as sqlx::Database>::Column)| {
        Ok(match column.type_info().name() {
            "INT2" => Value::Int(row.try_get::<Option<i16>, _>(place)?.map(i64::from)),
            "INT4" => Value::Int(row.try_get::<Option<i32>, _>(place)?.map(i64::from)),
            "INT8" => Value::Int(row.try_get(place)?),
            "BYTEA" => Value::Bytes(row.try_get(place)?),
            _ => Value::Text(row.try_get(place)?),
        })
    };
    let columns = row.columns().iter().enumerate().map(value);
    Ok(Row::new(columns.collect::<Result<_, sqlx::Error>>()?))
}

/// Tells trouble that passes from trouble that stays, and both from a key that is taken.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if error.as_database_error().is_some_and(DatabaseError::is_unique_violation) {
            return Self::Taken(error.to_string());
        }
        let passes = match &error {
            sqlx::Error::Database(cause) => cause.code().is_some_and(|code| passes(&code)),
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
            _ => false,
        };
        if passes { Self::Busy(error.to_string()) } else { Self::Broken(error.to_string()) }
    }
}

/// Serialisation failures, deadlocks, locks that were not to be had, read-only transactions, lost
/// connections, shutdown and start-up, out of space or memory, a disk that fails.
fn passes(code: &str) -> bool {
    matches!(code, "40001" | "40P01" | "55P03" | "25006")
        || ["08", "53", "57", "58"].iter().any(|class| code.len() == 5 && code.starts_with(class))
}
