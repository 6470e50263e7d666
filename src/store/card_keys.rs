//! Short-lived keys for stored cards. When the last order of a key is final the key is destroyed,
//! and whatever an old page, log or backup still holds of those cards cannot be read any more.

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

const ALL: &str = "SELECT id, key_sealed, created_at FROM card_keys ORDER BY id";
const INSERT: &str = "\
    INSERT INTO card_keys (id, key_sealed, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
/// Orders still waiting for their outcome keep their key; `card_sealed` begins with its id.
const OLDEST_IN_USE: &str = "\
    SELECT MIN(o.created_at) FROM jobs AS j JOIN orders AS o ON o.id = j.order_id \
    WHERE o.card_sealed IS NOT NULL";
/// A table that is dropped gives its pages back: SQLite overwrites them (`secure_delete`),
/// PostgreSQL removes the file. A plain DELETE would leave the keys where they lay.
const REBUILD: [&str; 2] = [
    "DROP TABLE card_keys",
    "CREATE TABLE card_keys (id BIGINT PRIMARY KEY, key_sealed BYTEA NOT NULL, \
     created_at BIGINT NOT NULL)",
];

impl Store {
    /// All card keys, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn card_keys(&self) -> Result<Vec<StoredCardKey>, StoreError> {
        let rows = sqlx::query(ALL).fetch_all(&self.reads).await?;
        rows.iter().map(key_from).collect()
    }

    /// Adds a card key, unless another instance was first with this id.
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

    /// Destroys all card keys but those in `keep`.
    ///
    /// # Errors
    /// When the database cannot be written; then no key was destroyed.
    pub async fn destroy_card_keys_except(&self, keep: &[i64]) -> Result<(), StoreError> {
        let mut transaction = self.writes.begin_with(self.dialect.begin()).await?;
        let rows = sqlx::query(ALL).fetch_all(&mut *transaction).await?;
        let kept = rows.iter().map(key_from).collect::<Result<Vec<_>, _>>()?;
        for statement in REBUILD {
            sqlx::query(statement).execute(&mut *transaction).await?;
        }
        for key in kept.iter().filter(|key| keep.contains(&key.id)) {
            sqlx::query(INSERT)
                .bind(key.id)
                .bind(&key.key_sealed)
                .bind(key.created_at)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        if let Some(statement) = self.dialect.forget_log() {
            sqlx::query(statement).fetch_all(&self.writes).await?;
        }
        Ok(())
    }
}

fn key_from(row: &AnyRow) -> Result<StoredCardKey, StoreError> {
    Ok(StoredCardKey {
        id: row.try_get("id")?,
        key_sealed: row.try_get("key_sealed")?,
        created_at: row.try_get("created_at")?,
    })
}
