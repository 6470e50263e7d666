//! Cards on their way to the acquirer: sealed to their order under a short-lived key.
//!
//! Each hour has its own key. When the orders of an hour are all final its key is destroyed, so
//! that no page, log or backup of the database can give those cards back.

use super::keys::Keys;
use crate::clock::Entropy;
use crate::crypto::seal::SealingKey;
use crate::payment::ids::OrderId;
use crate::payment::{HOUR, Millis};
use crate::store::{Store, StoreError, StoredCardKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// How long one key seals new cards.
const KEY_LIFE: Millis = HOUR;

/// Seals and opens the cards of unfinished orders.
pub struct CardVault {
    /// Opened keys by id. Small: an hour's key and those of orders that are still unfinished.
    open_keys: Mutex<HashMap<i64, Arc<SealingKey>>>,
}

/// Why a sealed card does not open.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the card of the order cannot be opened any more")]
    Gone,
}

impl CardVault {
    /// A vault that has opened no key yet.
    #[must_use]
    pub fn new() -> Self {
        Self { open_keys: Mutex::new(HashMap::new()) }
    }

    /// Seals a card's data to its order; the text goes into the order's row.
    ///
    /// # Errors
    /// When the hour's key cannot be read or made.
    pub async fn seal(
        &self,
        store: &Store,
        keys: &Keys,
        entropy: &Entropy,
        order: OrderId,
        card: &[u8],
        now: Millis,
    ) -> Result<String, VaultError> {
        let id = key_id(now);
        let key = match self.opened(id) {
            Some(key) => key,
            None => self.load_or_make(store, keys, entropy, id, now).await?,
        };
        let sealed = key.seal(card, &context(order), entropy.bytes());
        Ok(format!("{id}.{}", BASE64.encode(sealed)))
    }

    /// Opens what [`CardVault::seal`] made.
    ///
    /// # Errors
    /// `Gone` when its key was destroyed or it belongs to another order.
    pub async fn open(
        &self,
        store: &Store,
        keys: &Keys,
        order: OrderId,
        sealed: &str,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (id, sealed) = sealed.split_once('.').ok_or(VaultError::Gone)?;
        let id = id.parse().map_err(|_| VaultError::Gone)?;
        let key = match self.opened(id) {
            Some(key) => key,
            None => self.load(store, keys, id).await?.ok_or(VaultError::Gone)?,
        };
        let sealed = BASE64.decode(sealed).map_err(|_| VaultError::Gone)?;
        key.open(&sealed, &context(order)).map_err(|_| VaultError::Gone)
    }

    /// Destroys the keys that no unfinished order needs. The last hour's key stays even when
    /// unused, since another instance may be sealing under it at this moment.
    ///
    /// # Errors
    /// When the database cannot be read or written; then no key was destroyed.
    pub async fn destroy_unused(&self, store: &Store, now: Millis) -> Result<usize, StoreError> {
        let oldest = store.oldest_card_in_use().await?.unwrap_or(now);
        let first_kept = key_id(oldest).min(key_id(now) - 1);
        let stored = store.card_keys().await?;
        let (unused, kept): (Vec<_>, Vec<_>) =
            stored.iter().map(|key| key.id).partition(|id| *id < first_kept);
        if !unused.is_empty() {
            store.destroy_card_keys_except(&kept).await?;
            self.lock().retain(|id, _| kept.contains(id));
        }
        Ok(unused.len())
    }

    fn opened(&self, id: i64) -> Option<Arc<SealingKey>> {
        self.lock().get(&id).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Arc<SealingKey>>> {
        self.open_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn load(
        &self,
        store: &Store,
        keys: &Keys,
        id: i64,
    ) -> Result<Option<Arc<SealingKey>>, VaultError> {
        let stored = store.card_keys().await?;
        let Some(stored) = stored.into_iter().find(|key| key.id == id) else {
            return Ok(None);
        };
        let opened = keys.card_keys().open(&stored.key_sealed, &key_context(id));
        let opened = opened.map_err(|_| VaultError::Gone)?;
        let bytes: [u8; 32] = opened.as_slice().try_into().map_err(|_| VaultError::Gone)?;
        let key = Arc::new(SealingKey::from_bytes(bytes));
        self.lock().insert(id, Arc::clone(&key));
        Ok(Some(key))
    }

    /// Two instances may make the hour's key at once: the first one stored is the key of both.
    async fn load_or_make(
        &self,
        store: &Store,
        keys: &Keys,
        entropy: &Entropy,
        id: i64,
        now: Millis,
    ) -> Result<Arc<SealingKey>, VaultError> {
        if let Some(key) = self.load(store, keys, id).await? {
            return Ok(key);
        }
        let fresh = Zeroizing::new(entropy.bytes::<32>());
        let key_sealed = keys.card_keys().seal(&*fresh, &key_context(id), entropy.bytes());
        store.add_card_key(&StoredCardKey { id, key_sealed, created_at: now }).await?;
        self.load(store, keys, id).await?.ok_or(VaultError::Gone)
    }
}

impl Default for CardVault {
    fn default() -> Self {
        Self::new()
    }
}

fn key_id(now: Millis) -> i64 {
    now.div_euclid(KEY_LIFE)
}

fn context(order: OrderId) -> String {
    format!("card of order {order}")
}

fn key_context(id: i64) -> String {
    format!("card key {id}")
}
