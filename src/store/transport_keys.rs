//! Transport keys, sealed.

use super::sql::{Row, Statement, sql};
use super::{Store, StoreError};
use crate::payment::Millis;
use crate::payment::ids::TransportKeyId;

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
