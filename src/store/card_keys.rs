//! Short-lived keys for stored cards. When no unfinished order needs a key it is destroyed, and
//! whatever an old page, log or backup still holds of its cards cannot be read any more.

use super::sql::{Row, sql};
use super::{Store, StoreError};
use crate::payment::Millis;

/// A card key, sealed under the master key.
#[derive(Clone)]
pub struct StoredCardKey {
    pub id: i64,
    pub key_sealed: Vec<u8>,
    pub created_at: Millis,
}

const BY_ID: &str = "SELECT id, key_sealed, created_at FROM card_keys WHERE id = $1";
const NEWEST: &str = "\
    SELECT id, key_sealed, created_at FROM card_keys ORDER BY created_at DESC, id DESC LIMIT 1";
const INSERT: &str = "INSERT INTO card_keys (id, key_sealed, created_at) VALUES ($1, $2, $3)";
const OLD_ONES: &str = "SELECT COUNT(*) FROM card_keys WHERE created_at < $1";
/// Orders that still have a job may still need their card.
const OLDEST_IN_USE: &str = "\
    SELECT MIN(o.created_at) FROM jobs AS j JOIN orders AS o ON o.id = j.order_id \
    WHERE o.card_sealed IS NOT NULL";
/// A table that is dropped gives its pages back: SQLite overwrites them (`secure_delete`),
/// PostgreSQL removes the file. A plain DELETE would leave the keys where they lay. The rename
/// comes first, because on PostgreSQL it locks out whoever would add a key meanwhile.
const REBUILD: [&str; 4] = [
    "ALTER TABLE card_keys RENAME TO card_keys_old",
    "CREATE TABLE card_keys (id BIGINT PRIMARY KEY, key_sealed BYTEA NOT NULL, \
     created_at BIGINT NOT NULL)",
    "INSERT INTO card_keys (id, key_sealed, created_at) \
     SELECT id, key_sealed, created_at FROM card_keys_old WHERE created_at >= $1",
    "DROP TABLE card_keys_old",
];
/// Of SQLite's log of old page images.
const EMPTY_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

impl Store {
    /// The card key with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn card_key(&self, id: i64) -> Result<Option<StoredCardKey>, StoreError> {
        self.row(sql(BY_ID).bind(id)).await?.map(key_from).transpose()
    }

    /// The newest card key.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn newest_card_key(&self) -> Result<Option<StoredCardKey>, StoreError> {
        self.row(sql(NEWEST)).await?.map(key_from).transpose()
    }

    /// A fresh id for a card key; an id never names two keys.
    ///
    /// # Errors
    /// When a new block of numbers is due and the database does not give one.
    pub async fn next_card_key_id(&self) -> Result<i64, StoreError> {
        self.row_ids.next(self).await
    }

    /// Adds a card key.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn add_card_key(&self, key: &StoredCardKey) -> Result<(), StoreError> {
        let statement = sql(INSERT).bind(key.id).bind(&*key.key_sealed).bind(key.created_at);
        self.change(vec![statement]).await.map(drop)
    }

    /// When the oldest order was accepted whose card may still be needed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn oldest_card_in_use(&self) -> Result<Option<Millis>, StoreError> {
        match self.row(sql(OLDEST_IN_USE)).await? {
            Some(mut row) => row.optional_int(),
            None => Ok(None),
        }
    }

    /// Destroys the card keys made before `first_kept`; answers how many there were.
    ///
    /// # Errors
    /// When the database cannot be written; then no key was destroyed.
    pub async fn destroy_card_keys_before(&self, first_kept: Millis) -> Result<i64, StoreError> {
        let count = self.row(sql(OLD_ONES).bind(first_kept)).await?;
        let old = count.map_or(Ok(0), |mut row| row.int())?;
        if old > 0 {
            let [rename, create, copy, drop_old] = REBUILD.map(sql);
            self.change(vec![rename, create, copy.bind(first_kept), drop_old]).await?;
        }
        Ok(old)
    }

    /// Empties the log of old page images, where the database has one that we can empty. `false`
    /// when a reader was in the way, and it must be tried again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn forget_log(&self) -> Result<bool, StoreError> {
        if !self.has_log {
            return Ok(true);
        }
        let done = self.change(vec![sql(EMPTY_LOG)]).await?;
        let was_busy = done.rows.into_iter().next().map_or(Ok(1), |mut row| row.int())?;
        Ok(was_busy == 0)
    }
}

fn key_from(mut row: Row) -> Result<StoredCardKey, StoreError> {
    Ok(StoredCardKey { id: row.int()?, key_sealed: row.bytes()?, created_at: row.int()? })
}
