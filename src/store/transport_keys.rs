//! Transport keys, sealed, and how far base keys may travel under them.

use super::readers::insert_key_set;
use super::sql::{Row, Statement, sql};
use super::{KeySetRecord, Store, StoreError, corrupt};
use crate::payment::Millis;
use crate::payment::ids::{KeySetId, TransportKeyId};

/// A transport key as stored.
#[derive(Clone)]
pub struct TransportKeyRecord {
    pub id: TransportKeyId,
    /// The ceremony that it came of.
    pub ceremony: i64,
    /// The name of its algorithm.
    pub algorithm: String,
    pub key_sealed: Vec<u8>,
    /// The operators whose components made it.
    pub custodians: Vec<String>,
    pub created_at: Millis,
}

macro_rules! select_transport_key {
    ($tail:literal) => {
        concat!(
            "SELECT id, ceremony_id, algorithm, key_sealed, custodians, created_at \
             FROM transport_keys ",
            $tail
        )
    };
}

const TRANSPORT_KEY: &str = select_transport_key!("WHERE id = $1");
const TRANSPORT_KEYS: &str = select_transport_key!("ORDER BY id");
const INSERT: &str = "\
    INSERT INTO transport_keys (id, ceremony_id, algorithm, key_sealed, custodians, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const EXPORTABILITY: &str = "SELECT exportability FROM key_sets WHERE id = $1";
const SET_EXPORTABILITY: &str = "UPDATE key_sets SET exportability = $2 WHERE id = $1";

impl Store {
    /// The transport key with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn transport_key(
        &self,
        id: TransportKeyId,
    ) -> Result<Option<TransportKeyRecord>, StoreError> {
        self.row(sql(TRANSPORT_KEY).bind(id.0)).await?.map(transport_key_from).transpose()
    }

    /// All transport keys, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn transport_keys(&self) -> Result<Vec<TransportKeyRecord>, StoreError> {
        self.rows(sql(TRANSPORT_KEYS)).await?.into_iter().map(transport_key_from).collect()
    }

    /// Adds a key set whose base key came in a key block, with the letter that the block says of
    /// how far the key may travel on.
    ///
    /// # Errors
    /// When it is there already or the database cannot be written.
    pub async fn add_imported_key_set(
        &self,
        set: &KeySetRecord,
        exportability: char,
    ) -> Result<(), StoreError> {
        let say = sql(SET_EXPORTABILITY).bind(set.id.0).bind(exportability.to_string());
        self.change(vec![insert_key_set(set), say]).await.map(drop)
    }

    /// The letter that says how far a key set's base key may travel; `None` if there is no such
    /// set.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn exportability(&self, set: KeySetId) -> Result<Option<char>, StoreError> {
        let letter = |mut row: Row| row.text()?.chars().next().ok_or_else(|| corrupt("key set"));
        self.row(sql(EXPORTABILITY).bind(set.0)).await?.map(letter).transpose()
    }
}

/// The statement that adds a transport key.
pub(super) fn insert_transport_key(key: &TransportKeyRecord) -> Statement {
    sql(INSERT)
        .bind(key.id.0)
        .bind(key.ceremony)
        .bind(key.algorithm.as_str())
        .bind(&*key.key_sealed)
        .bind(key.custodians.join(","))
        .bind(key.created_at)
}

fn transport_key_from(mut row: Row) -> Result<TransportKeyRecord, StoreError> {
    Ok(TransportKeyRecord {
        id: TransportKeyId(row.int()?),
        ceremony: row.int()?,
        algorithm: row.text()?,
        key_sealed: row.bytes()?,
        custodians: row.text()?.split(',').map(str::to_owned).collect(),
        created_at: row.int()?,
    })
}
