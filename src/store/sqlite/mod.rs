//! SQLite: each connection runs its statements on the thread that calls it, one after the other,
//! without a hop to another thread for each.

mod commit;
mod inline;

pub use inline::{InlineDisk, StatementFate};

use super::StoreError;
use super::batch::{Batch, Results};
use super::connection::Connection;
use super::lookup::{Key, StoredOrder, columns};
use super::phones::PhoneBook;
use super::sql::{Done, Row, Statement, Value};
use inline::Fate;
use rusqlite::types::{ToSqlOutput, Value as SqliteValue, ValueRef};
use rusqlite::{ErrorCode, Params, ToSql, ffi};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Full durability, erased content overwritten, waits instead of failures.
const SETTINGS: &str = "\
    PRAGMA journal_mode = WAL; \
    PRAGMA synchronous = FULL; \
    PRAGMA foreign_keys = ON; \
    PRAGMA secure_delete = ON; \
    PRAGMA busy_timeout = 5000";

/// Memory for the pages that sales touch (16 MB, as needed), and a log of 16 MB before it is worked
/// off, so that a page that many commits touch is written to its place once.
const WRITER_SETTINGS: &str = "\
    PRAGMA cache_size = -16000; \
    PRAGMA wal_autocheckpoint = 4000";

/// More than there are statements, so that each is prepared once.
const PREPARED_MAX: usize = 128;

const BY_ID: &str = concat!("SELECT ", columns!(), " FROM orders AS o WHERE o.id = ?1");
const BY_NAME: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM orders AS o WHERE o.endpoint_id = ?1 AND o.client_orderid = ?2"
);
const BY_GROUP_AND_NAME: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM endpoints AS e JOIN orders AS o ON o.endpoint_id = e.id AND o.client_orderid = ?2 \
     WHERE e.group_id = ?1 ORDER BY o.created_at DESC, o.id DESC LIMIT 1"
);

/// One connection. Several share one database in memory; a file is opened once for each.
pub(super) struct SqliteConnection {
    database: Arc<Mutex<rusqlite::Connection>>,
    phones: PhoneBook,
    fate: Fate,
}

impl SqliteConnection {
    /// Opens a connection to the file of a database that was migrated.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Arc::new(Mutex::new(open_file(path)?));
        Ok(Self { database, phones: PhoneBook::default(), fate: Fate::default() })
    }

    /// As [`SqliteConnection::open`], for the connection that sales are written by.
    pub(super) fn open_writer(path: &Path) -> Result<Self, StoreError> {
        let connection = Self::open(path)?;
        connection.with(|session| Ok(session.database.execute_batch(WRITER_SETTINGS)?))?;
        Ok(connection)
    }

    /// Finds an order, at once.
    pub(super) fn find_one(&self, key: &Key) -> Result<Option<StoredOrder>, StoreError> {
        self.with(|session| find(session, key))
    }

    /// Does something with the database that others may share.
    fn with<T>(
        &self,
        act: impl FnOnce(&Session<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        act(&Session { database: &database, fate: &self.fate })
    }
}

fn open_file(path: &Path) -> Result<rusqlite::Connection, StoreError> {
    let database = rusqlite::Connection::open(path)?;
    set_up(&database)?;
    Ok(database)
}

fn set_up(database: &rusqlite::Connection) -> Result<(), StoreError> {
    database.execute_batch(SETTINGS)?;
    database.set_prepared_statement_cache_capacity(PREPARED_MAX);
    Ok(())
}

impl Connection for SqliteConnection {
    async fn commit(&mut self, batch: &Batch) -> Result<Results, StoreError> {
        let results = self
            .with(|session| session.transaction(|| commit::write(session, batch, &self.phones)))?;
        self.phones.remember(batch.saved(&results));
        Ok(results)
    }

    async fn find(&mut self, keys: &[Key]) -> Result<Vec<Option<StoredOrder>>, StoreError> {
        self.with(|session| keys.iter().map(|key| find(session, key)).collect())
    }

    async fn run(&mut self, statements: &[Statement]) -> Result<Done, StoreError> {
        self.with(|session| match statements {
            [alone] => session.run(alone),
            several => session.transaction(|| session.run_in_order(several)),
        })
    }
}

fn find(session: &Session<'_>, key: &Key) -> Result<Option<StoredOrder>, StoreError> {
    let mut rows = match key {
        Key::Id(id) => session.query(BY_ID, [id.0])?,
        Key::Name(endpoint, name) => session.query(BY_NAME, (endpoint.0, name))?,
        Key::GroupAndName(group, name) => session.query(BY_GROUP_AND_NAME, (group.0, name))?,
    };
    rows.first_mut().map(StoredOrder::read).transpose()
}

/// A connection that is at our disposal for a moment.
struct Session<'a> {
    database: &'a rusqlite::Connection,
    fate: &'a Fate,
}

impl Session<'_> {
    /// Runs a statement that gives no rows; answers how many it changed.
    fn execute(&self, text: &'static str, values: impl Params) -> Result<usize, StoreError> {
        self.fate.run(text, || Ok(self.database.prepare_cached(text)?.execute(values)?))
    }

    /// All rows that a statement gives.
    fn query(&self, text: &'static str, values: impl Params) -> Result<Vec<Row>, StoreError> {
        self.fate.run(text, || {
            let mut prepared = self.database.prepare_cached(text)?;
            let columns = prepared.column_count();
            read_all(prepared.query(values)?, columns)
        })
    }

    /// Runs a portable statement. Its values are bound by name: SQLite takes `$1` for one.
    fn run(&self, Statement { text, values }: &Statement) -> Result<Done, StoreError> {
        self.fate.run(text, || {
            let mut prepared = self.database.prepare_cached(text)?;
            for (place, value) in values.iter().enumerate() {
                let name = format!("${}", place + 1);
                let index = prepared.parameter_index(&name)?;
                let index = index.ok_or_else(|| StoreError::Broken(format!("no {name}")))?;
                prepared.raw_bind_parameter(index, value)?;
            }
            let columns = prepared.column_count();
            if columns == 0 {
                let changed = prepared.raw_execute()? as u64;
                return Ok(Done { rows: Vec::new(), changed });
            }
            let rows = read_all(prepared.raw_query(), columns)?;
            Ok(Done { rows, changed: self.database.changes() })
        })
    }

    /// Runs statements that belong together; answers what the last one came to.
    fn run_in_order(&self, statements: &[Statement]) -> Result<Done, StoreError> {
        statements.iter().try_fold(Done::default(), |_, statement| self.run(statement))
    }

    /// Takes the write lock at once, so that nothing that was read can change before the write.
    fn transaction<T>(
        &self,
        write: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let result = self.execute("BEGIN IMMEDIATE", []).and_then(|_| {
            let written = write()?;
            self.execute("COMMIT", [])?;
            Ok(written)
        });
        if result.is_err() && !self.database.is_autocommit() {
            self.database.execute_batch("ROLLBACK")?;
        }
        result
    }
}

fn read_all(mut rows: rusqlite::Rows<'_>, columns: usize) -> Result<Vec<Row>, StoreError> {
    let mut read = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|place| value_from(row.get_ref(place)?));
        read.push(Row::new(values.collect::<Result<_, _>>()?));
    }
    Ok(read)
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Int(Some(value)) => ToSqlOutput::Borrowed(ValueRef::Integer(*value)),
            Self::Text(Some(value)) => ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes())),
            Self::Bytes(Some(value)) => ToSqlOutput::Borrowed(ValueRef::Blob(value)),
            Self::Int(None) | Self::Text(None) | Self::Bytes(None) => {
                ToSqlOutput::Owned(SqliteValue::Null)
            }
        })
    }
}

fn value_from(value: ValueRef<'_>) -> Result<Value, StoreError> {
    Ok(match value {
        ValueRef::Null => Value::NULL,
        ValueRef::Integer(value) => value.into(),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|_| super::corrupt("text"))?;
            text.into()
        }
        ValueRef::Blob(bytes) => bytes.into(),
        ValueRef::Real(_) => return Err(super::corrupt("number")),
    })
}

/// Tells trouble that passes (busy, locked, out of space or memory, a disk that fails or may not be
/// written now) from trouble that stays.
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let is_taken = |error: &ffi::Error| {
            matches!(
                error.extended_code,
                ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            )
        };
        if error.sqlite_error().is_some_and(is_taken) {
            return Self::Taken(error.to_string());
        }
        let passes = matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::DiskFull
                    | ErrorCode::OutOfMemory
                    | ErrorCode::ReadOnly
                    | ErrorCode::SystemIoFailure
            )
        );
        if passes { Self::Busy(error.to_string()) } else { Self::Broken(error.to_string()) }
    }
}
