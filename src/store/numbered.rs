//! The parts of the registry whose numbers operators may choose.

use super::sql::sql;
use super::{Store, StoreError};

/// What is numbered by operators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Numbered {
    Merchants,
    Groups,
    Endpoints,
    KeySets,
    Readers,
    Ceremonies,
    TransportKeys,
    Terminals,
}

/// The statements for one table: its next free number, and whether one is taken.
macro_rules! numbered {
    ($table:literal) => {
        [
            concat!("SELECT COALESCE(MAX(id), 0) + 1 FROM ", $table),
            concat!("SELECT id FROM ", $table, " WHERE id = $1"),
        ]
    };
}

impl Numbered {
    fn statements(self) -> [&'static str; 2] {
        match self {
            Self::Merchants => numbered!("merchants"),
            Self::Groups => numbered!("endpoint_groups"),
            Self::Endpoints => numbered!("endpoints"),
            Self::KeySets => numbered!("key_sets"),
            Self::Readers => numbered!("readers"),
            Self::Ceremonies => numbered!("key_ceremonies"),
            Self::TransportKeys => numbered!("transport_keys"),
            Self::Terminals => numbered!("terminals"),
        }
    }
}

impl Store {
    /// The number after the highest.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn next_free(&self, kind: Numbered) -> Result<i64, StoreError> {
        let [next, _] = kind.statements();
        self.row(sql(next)).await?.map_or(Ok(1), |mut row| row.int())
    }

    /// Whether something has this number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn is_taken(&self, kind: Numbered, number: i64) -> Result<bool, StoreError> {
        let [_, taken] = kind.statements();
        Ok(self.row(sql(taken).bind(number)).await?.is_some())
    }
}
