//! A SQLite database for simulations: its statements run on the caller's thread, and each can be
//! made to fail.

use super::super::StoreError;
use super::super::migrations::MIGRATIONS;
use super::super::migrations::for_sqlite;
use super::super::phones::PhoneBook;
use super::{SqliteConnection, open_file, set_up};
use rusqlite::types::ValueRef;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A SQLite database whose statements run one after the other on the thread that asks: the same
/// run every time. Cheap to clone; the data live as long as a clone does.
#[derive(Clone)]
pub struct InlineDisk {
    database: Arc<Mutex<rusqlite::Connection>>,
    fate: Fate,
}

/// What becomes of a statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatementFate {
    Run,
    /// It is not run; the trouble passes.
    Busy,
    /// It is not run; the trouble looks as if it stayed.
    Broken,
    /// It is run, but nobody hears of it.
    LoseAnswer,
}

type Decide = Box<dyn FnMut(&str) -> StatementFate + Send>;

/// Who decides what becomes of each statement; without anybody each is run.
#[derive(Clone, Default)]
pub(super) struct Fate(Option<Arc<Mutex<Decide>>>);

impl InlineDisk {
    /// An empty database in memory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn memory() -> Result<Self, StoreError> {
        let database = rusqlite::Connection::open_in_memory()?;
        set_up(&database)?;
        Self::of(database)
    }

    /// An empty database in a new file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn file(path: &Path) -> Result<Self, StoreError> {
        Self::of(open_file(path)?)
    }

    fn of(database: rusqlite::Connection) -> Result<Self, StoreError> {
        for (_, _, text) in MIGRATIONS {
            database.execute_batch(&for_sqlite(text))?;
        }
        let fate: Decide = Box::new(|_| StatementFate::Run);
        Ok(Self {
            database: Arc::new(Mutex::new(database)),
            fate: Fate(Some(Arc::new(Mutex::new(fate)))),
        })
    }

    /// Asked for each statement, with its text; `COMMIT` is one.
    pub fn decide_fate(&self, fate: impl FnMut(&str) -> StatementFate + Send + 'static) {
        if let Some(decide) = &self.fate.0 {
            *decide.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(fate);
        }
    }

    /// Reads behind the stores' backs, for whoever checks what is kept. Each column as a text,
    /// `NULL` as an empty one. No fate is asked.
    ///
    /// # Errors
    /// When the query is not one, or answers what is neither text nor a whole number.
    pub fn look(&self, query: &str) -> Result<Vec<Vec<String>>, StoreError> {
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = database.prepare_cached(query)?;
        let columns = statement.column_count();
        let cells = |row: &rusqlite::Row<'_>| (0..columns).map(|place| text(row, place)).collect();
        let rows = statement.query_map([], cells)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(in crate::store) fn connection(&self) -> SqliteConnection {
        SqliteConnection {
            database: Arc::clone(&self.database),
            phones: PhoneBook::default(),
            fate: self.fate.clone(),
        }
    }
}

fn text(row: &rusqlite::Row<'_>, place: usize) -> rusqlite::Result<String> {
    match row.get_ref(place)? {
        ValueRef::Null => Ok(String::new()),
        ValueRef::Integer(number) => Ok(number.to_string()),
        other => Ok(other.as_str()?.to_owned()),
    }
}

impl Fate {
    /// Runs a statement, or what it is decided shall come of it.
    pub(super) fn run<T>(
        &self,
        text: &str,
        run: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let Some(decide) = &self.0 else {
            return run();
        };
        let fate = decide.lock().unwrap_or_else(PoisonError::into_inner)(text);
        let lost = || StoreError::Busy("the answer was lost".to_owned());
        match fate {
            StatementFate::Run => run(),
            StatementFate::Busy => Err(StoreError::Busy("not now".to_owned())),
            StatementFate::Broken => Err(StoreError::Broken("not at all".to_owned())),
            StatementFate::LoseAnswer => run().and_then(|_| Err(lost())),
        }
    }
}
