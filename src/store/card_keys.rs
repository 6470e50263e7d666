//! Short-lived keys for stored cards. When no unfinished order needs a key it is destroyed, and
//! whatever an old page, log or backup still holds of its cards cannot be read any more.

use super::{Store, StoreError};
use crate::payment::Millis;
use sqlx::Row;
use sqlx::any::AnyRow;

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
const REBUILD: [&str; 3] = [
    "ALTER TABLE card_keys RENAME TO card_keys_old",
    "CREATE TABLE card_keys (id BIGINT PRIMARY KEY, key_sealed BYTEA NOT NULL, \
     created_at BIGINT NOT NULL)",
    "INSERT INTO card_keys (id, key_sealed, created_at) \
     SELECT id, key_sealed, created_at FROM card_keys_old WHERE created_at >= $1",
];
const DROP: &str = "DROP TABLE card_keys_old";

impl Store {
    /// The card key with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn card_key(&self, id: i64) -> Result<Option<StoredCardKey>, StoreError> {
        let row = sqlx::query(BY_ID).bind(id).fetch_optional(&self.reads).await?;
        row.as_ref().map(key_from).transpose()
    }

    /// The newest card key.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn newest_card_key(&self) -> Result<Option<StoredCardKey>, StoreError> {
        let row = sqlx::query(NEWEST).fetch_optional(&self.reads).await?;
        row.as_ref().map(key_from).transpose()
    }

    /// A fresh id for a card key; an id never names two keys.
    ///
    /// # Errors
    /// When a new block of numbers is due and the database does not give one.
    pub async fn next_card_key_id(&self) -> Result<i64, StoreError> {
        self.row_ids.next(&self.writes).await
    }

    /// Adds a card key.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn add_card_key(&self, key: &StoredCardKey) -> Result<(), StoreError> {
        sqlx::query(INSERT)
            .bind(key.id)
            .bind(&key.key_sealed)
            .bind(key.created_at)
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// When the oldest order was accepted whose card may still be needed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn oldest_card_in_use(&self) -> Result<Option<Millis>, StoreError> {
        Ok(sqlx::query_scalar(OLDEST_IN_USE).fetch_one(&self.reads).await?)
    }

    /// Destroys the card keys made before `first_kept`; answers how many there were.
    ///
    /// # Errors
    /// When the database cannot be written; then no key was destroyed.
    pub async fn destroy_card_keys_before(&self, first_kept: Millis) -> Result<i64, StoreError> {
        let old: i64 = sqlx::query_scalar(OLD_ONES).bind(first_kept).fetch_one(&self.reads).await?;
        if old == 0 {
            return Ok(0);
        }
        let mut transaction = self.writes.begin_with(self.dialect.begin()).await?;
        let [rename, create, copy] = REBUILD;
        sqlx::query(rename).execute(&mut *transaction).await?;
        sqlx::query(create).execute(&mut *transaction).await?;
        sqlx::query(copy).bind(first_kept).execute(&mut *transaction).await?;
        sqlx::query(DROP).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(old)
    }

    /// Empties the log of old page images, where the database has one that we can empty. `false`
    /// when a reader was in the way, and it must be tried again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn forget_log(&self) -> Result<bool, StoreError> {
        let Some(statement) = self.dialect.forget_log() else {
            return Ok(true);
        };
        let row = sqlx::query(statement).fetch_one(&self.writes).await?;
        Ok(row.try_get::<i64, _>(0)? == 0)
    }
}

fn key_from(row: &AnyRow) -> Result<StoredCardKey, StoreError> {
    Ok(StoredCardKey {
        id: row.try_get("id")?,
        key_sealed: row.try_get("key_sealed")?,
        created_at: row.try_get("created_at")?,
    })
}
