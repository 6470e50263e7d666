//! Cards on their way to the acquirer: sealed to their order under a short-lived key.
//!
//! A key seals for an hour. Once no unfinished order can need it, an hour or two later, it is
//! destroyed, so that no page, log or backup of the database can give its cards back.

use super::keys::{Keys, Sealed};
use crate::clock::Entropy;
use crate::crypto::seal::SealingKey;
use crate::payment::ids::OrderId;
use crate::payment::{HOUR, Millis};
use crate::store::{Store, StoreError, StoredCardKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// How long one key seals new cards.
const KEY_LIFE: Millis = HOUR;
/// How much longer a key is kept than it can be needed, for instances whose clocks differ.
const KEY_GRACE: Millis = HOUR;

/// Seals and opens the cards of unfinished orders.
pub struct CardVault {
    /// Opened keys by id. Few: the last hours', and those of orders that are still unfinished.
    open_keys: Mutex<HashMap<i64, OpenKey>>,
    /// One maker at a time, so that the turn of an hour makes one key and not hundreds.
    making: tokio::sync::Mutex<()>,
    /// Keys were destroyed whose images may still lie in the database's log.
    log_to_forget: AtomicBool,
}

#[derive(Clone)]
struct OpenKey {
    id: i64,
    key: Arc<SealingKey>,
    created_at: Millis,
}

/// Why a sealed card does not open.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the card of the order cannot be opened any more")]
    Gone,
}

/// What the vault works with.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub store: &'a Store,
    pub keys: &'a Keys,
    pub entropy: &'a Entropy,
}

impl CardVault {
    /// A vault that has opened no key yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            open_keys: Mutex::new(HashMap::new()),
            making: tokio::sync::Mutex::new(()),
            log_to_forget: AtomicBool::new(false),
        }
    }

    /// Seals a card's data to its order; the text goes into the order's row.
    ///
    /// # Errors
    /// When the current key cannot be read or made.
    pub async fn seal(
        &self,
        with: Surroundings<'_>,
        order: OrderId,
        card: &[u8],
        now: Millis,
    ) -> Result<String, VaultError> {
        let current = match self.known_current(now) {
            Some(current) => current,
            None => self.find_or_make_current(with, now).await?,
        };
        let sealed = current.key.seal(card, &context(order), with.entropy.bytes());
        Ok(format!("{}.{}", current.id, BASE64.encode(sealed)))
    }

    /// Opens what [`CardVault::seal`] made.
    ///
    /// # Errors
    /// `Gone` when its key was destroyed or it belongs to another order.
    pub async fn open(
        &self,
        with: Surroundings<'_>,
        order: OrderId,
        sealed: &str,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (id, sealed) = sealed.split_once('.').ok_or(VaultError::Gone)?;
        let id = id.parse().map_err(|_| VaultError::Gone)?;
        let known = self.lock().get(&id).cloned();
        let key = if let Some(known) = known {
            known
        } else {
            let stored = with.store.card_key(id).await?.ok_or(VaultError::Gone)?;
            self.remember(with, &stored)?
        };
        let sealed = BASE64.decode(sealed).map_err(|_| VaultError::Gone)?;
        key.key.open(&sealed, &context(order)).map_err(|_| VaultError::Gone)
    }

    /// Destroys the keys that no unfinished order can need; answers how many.
    ///
    /// # Errors
    /// When the database cannot be read or written; the next sweep tries again.
    pub async fn destroy_unused(&self, store: &Store, now: Millis) -> Result<i64, StoreError> {
        let oldest = store.oldest_card_in_use().await?.unwrap_or(now).min(now);
        let first_kept = oldest - KEY_LIFE - KEY_GRACE;
        // Also those that another instance destroyed.
        self.lock().retain(|_, key| key.created_at >= first_kept);
        let destroyed = store.destroy_card_keys_before(first_kept).await?;
        if destroyed > 0 {
            self.log_to_forget.store(true, Ordering::SeqCst);
        }
        if self.log_to_forget.load(Ordering::SeqCst) && store.forget_log().await? {
            self.log_to_forget.store(false, Ordering::SeqCst);
        }
        Ok(destroyed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, OpenKey>> {
        self.open_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_current(&self, now: Millis) -> Option<OpenKey> {
        let keys = self.lock();
        keys.values().filter(|key| is_current(key.created_at, now)).max_by_key(|k| k.id).cloned()
    }

    /// Two instances may make a key at once; then both are good.
    async fn find_or_make_current(
        &self,
        with: Surroundings<'_>,
        now: Millis,
    ) -> Result<OpenKey, VaultError> {
        let _alone = self.making.lock().await;
        if let Some(current) = self.known_current(now) {
            return Ok(current);
        }
        let newest = with.store.newest_card_key().await?;
        if let Some(newest) = newest.filter(|key| is_current(key.created_at, now)) {
            return self.remember(with, &newest);
        }
        let id = with.store.next_card_key_id().await?;
        let fresh = Zeroizing::new(with.entropy.bytes::<32>());
        let key_sealed = with.keys.seal(Sealed::CardKey, &key_context(id), &*fresh, with.entropy);
        let made = StoredCardKey { id, key_sealed, created_at: now };
        with.store.add_card_key(&made).await?;
        self.remember(with, &made)
    }

    fn remember(
        &self,
        with: Surroundings<'_>,
        stored: &StoredCardKey,
    ) -> Result<OpenKey, VaultError> {
        let opened = with.keys.open(Sealed::CardKey, &key_context(stored.id), &stored.key_sealed);
        let opened = opened.map_err(|_| VaultError::Gone)?;
        let bytes: [u8; 32] = opened.as_slice().try_into().map_err(|_| VaultError::Gone)?;
        let key = OpenKey {
            id: stored.id,
            key: Arc::new(SealingKey::from_bytes(bytes)),
            created_at: stored.created_at,
        };
        self.lock().insert(stored.id, key.clone());
        Ok(key)
    }
}

impl Default for CardVault {
    fn default() -> Self {
        Self::new()
    }
}

fn is_current(created_at: Millis, now: Millis) -> bool {
    (created_at..created_at + KEY_LIFE).contains(&now)
}

fn context(order: OrderId) -> String {
    format!("card of order {order}")
}

/// Which card key it is.
pub(super) fn key_context(id: i64) -> String {
    format!("card key {id}")
}
