//! The port to whatever holds the base keys of readers. [`SoftwareKeys`](super::SoftwareKeys) needs
//! no hardware; an HSM, in the rack or in a cloud, derives, decrypts and translates by itself and
//! shows no base key.
//!
//! The registry keeps for the key store what it wants kept of each key set: a sealed key, a key
//! block under a master key of its own, or the name of a key. It is handed back whenever the set is
//! to be used.
//!
//! The gateway has a base key in hand where one comes: ceremonies put it together and imports open
//! it, both to hand it over by [`KeyStore::keep`]. Apart from that it has what
//! [`ReaderKeys::shown`] lets go of: for exports, `explain` and sandboxes.

use crate::crypto::block_key::CHECK_VALUE_LEN;
use crate::crypto::pin_block::EncryptedPin;
use crate::crypto::pin_zone::PinRefused;
use crate::crypto::reader::{ReaderMessage, SealedPin};
use crate::crypto::reader_keys::{BaseKey, InitialKey, OpeningError};
use crate::payment::card::Pan;
use crate::payment::ids::KeySetId;
use crate::payment::key_set::{Cipher, Exportability};
use crate::payment::money::Amount;
use crate::payment::pin_format::PinFormat;
use crate::payment::reader::Reader;
use async_trait::async_trait;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What is said where a base key is needed that no key store shows.
pub(super) const NOT_SHOWN: &str =
    "the key store shows no base keys; do this where it has its own door";

/// Holds base keys, each bound to the number of its set and to how far it may travel: the registry
/// hands both back, and whoever changed them there is to find that the key does not open.
///
/// A number is no name of a key. Where something fails after the key store has answered,
/// [`generate`](Self::generate) or [`keep`](Self::keep) is called again for the same number with
/// another key; each answer names the key of its own call, and only one of them is ever registered.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Makes a fresh base key for this set, of exportability `E`, and answers what the registry is
    /// to keep. May be called several times for one number: each time another key.
    ///
    /// # Errors
    /// `Away`.
    async fn generate(&self, of: KeySetId, cipher: Cipher) -> Result<Vec<u8>, KeyStoreError>;

    /// Takes in a base key that came in components or in a key block, and answers what the registry
    /// is to keep. May be called several times for one number with different keys: what an earlier
    /// call answered still names the earlier key.
    ///
    /// # Errors
    /// `Away`.
    async fn keep(
        &self,
        of: KeySetId,
        base: &BaseKey,
        exportability: Exportability,
    ) -> Result<Vec<u8>, KeyStoreError>;

    /// The keys of a set, ready for use.
    ///
    /// # Errors
    /// `Away`; `Unreadable` for what this key store cannot have made, or not for this set, or not
    /// for this exportability.
    async fn take_up(
        &self,
        of: KeySetId,
        cipher: Cipher,
        exportability: Exportability,
        kept: &[u8],
    ) -> Result<Arc<dyn ReaderKeys>, KeyStoreError>;

    /// What is to be kept from now on, if the store's own master key was replaced since.
    ///
    /// # Errors
    /// As [`take_up`](Self::take_up).
    async fn renew(
        &self,
        of: KeySetId,
        exportability: Exportability,
        kept: &[u8],
    ) -> Result<Option<Vec<u8>>, KeyStoreError>;
}

/// The keys of one set's readers.
#[async_trait]
pub trait ReaderKeys: Send + Sync {
    /// By which two people compare the base key without saying it.
    fn check_value(&self) -> [u8; CHECK_VALUE_LEN];

    /// The key to inject into a reader. Of a key set nothing else leaves, but the base key where
    /// [`shown`](Self::shown) has it: as a key block, if it may travel, and in sandboxes.
    ///
    /// # Errors
    /// `Away`; `Opening` for a KSN of another cipher.
    async fn initial_key(&self, reader: &Reader) -> Result<InitialKey, KeyStoreError>;

    /// Opens each sealed value of a reader's message; `amount` is what the `sim` profile binds.
    ///
    /// # Errors
    /// `Away`; `Opening`, which carries nothing of what was inside.
    async fn open(
        &self,
        reader: &Reader,
        message: &ReaderMessage,
        amount: Amount,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, KeyStoreError>;

    /// Takes a PIN block out of the reader's key and into the key that is shared with the acquirer,
    /// if it is of an `allowed` format.
    ///
    /// # Errors
    /// `Away`; `Pin`, which carries nothing of the PIN.
    async fn translate_pin(
        &self,
        reader: &Reader,
        pin: CardPin<'_>,
        allowed: &[PinFormat],
    ) -> Result<EncryptedPin, KeyStoreError>;

    /// The base key itself, where the store lets go of it: an export wraps it, sandboxes tell it,
    /// and `explain` tries it. An HSM has none to show, and exports through its own door.
    fn shown(&self) -> Option<&BaseKey>;
}

/// A PIN block, and what it is bound to.
#[derive(Clone, Copy)]
pub struct CardPin<'a> {
    pub sealed: &'a SealedPin,
    pub pan: &'a Pan,
    /// What the `sim` profile binds.
    pub amount: Amount,
}

/// Why the key store does not do what it is asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// It cannot be reached, or has no time: the same call may succeed later.
    #[error("the key store is away: {0}")]
    Away(String),
    #[error("what is kept of the key set does not open: {0}")]
    Unreadable(String),
    #[error(transparent)]
    Opening(#[from] OpeningError),
    #[error(transparent)]
    Pin(#[from] PinRefused),
}
