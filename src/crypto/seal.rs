//! Sealing of what the gateway itself keeps: reader keys, merchant controls.

use super::block_key::{Algorithm, BlockKey};
use super::gcm::{Gcm, NONCE_LEN};
use super::key::{Key32, KeyTextError};
use super::mac::{hmac_sha256, hmac_sha256_of};
use crate::payment::card::Pan;
use std::fmt;
use zeroize::Zeroizing;

/// First byte of everything sealed here, so that a later format can be told apart.
const VERSION: u8 = 1;
/// Hex digits that are kept of a card hash: 160 bits.
const CARD_HASH_LEN: usize = 40;
/// Hex digits that are kept of a digest: 128 bits.
const DIGEST_LEN: usize = 32;
/// Leading byte of the HMAC input, so that no purpose can ever be spelt like a card number.
const FOR_KEYS: u8 = 1;
const FOR_CARDS: u8 = 2;
const FOR_DIGESTS: u8 = 3;
const FOR_IDS: u8 = 4;

/// What a key is known by.
pub type KeyId = [u8; 4];

/// A key that seals values at rest with AES-256-GCM. The key schedule is made once.
pub struct SealingKey {
    key: Key32,
    cipher: Gcm,
}

/// Why a sealed value did not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SealError {
    #[error("empty, or of a version other than 1")]
    Version,
    #[error("not sealed with this key for this context")]
    Refused,
    #[error("opened, but does not hold what it should")]
    Content,
}

impl SealingKey {
    /// Takes the raw key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self::from_key(Key32::from_bytes(bytes))
    }

    /// Reads 64 hex digits.
    ///
    /// # Errors
    /// `KeyTextError`, which never carries the text.
    pub fn from_hex(text: &str) -> Result<Self, KeyTextError> {
        Key32::from_hex(text).map(Self::from_key)
    }

    fn from_key(key: Key32) -> Self {
        Self { cipher: Gcm::new(&key), key }
    }

    /// Another key for one purpose: one master key gives as many as there are purposes.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        Self::from_bytes(hmac_sha256(self.key.expose(), &[&[FOR_KEYS], purpose.as_bytes()]))
    }

    /// A key of a block cipher for one purpose.
    #[must_use]
    pub fn derive_block_key(&self, purpose: &str, algorithm: Algorithm) -> Option<BlockKey> {
        let whole = self.derive(purpose);
        BlockKey::from_slice(algorithm, whole.key.expose().get(..algorithm.key_len())?)
    }

    /// Seals as `01 ‖ nonce ‖ ciphertext ‖ tag`. The nonce must never be used twice with one key;
    /// the context (for example `reader-key:10000462`) must be given again to open.
    #[must_use]
    pub fn seal(&self, plaintext: &[u8], context: &str, nonce: [u8; NONCE_LEN]) -> Vec<u8> {
        self.seal_behind(&[VERSION], plaintext, context, nonce)
    }

    /// Seals as `prefix ‖ nonce ‖ ciphertext ‖ tag`.
    pub(super) fn seal_behind(
        &self,
        prefix: &[u8],
        plaintext: &[u8],
        context: &str,
        nonce: [u8; NONCE_LEN],
    ) -> Vec<u8> {
        self.cipher.seal(prefix, plaintext, context.as_bytes(), nonce)
    }

    /// By which the key is known beside what it sealed. It tells nothing about the key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let [a, b, c, d, ..] = hmac_sha256(self.key.expose(), &[&[FOR_IDS]]);
        [a, b, c, d]
    }

    /// The clear bytes, to be sealed under another key. Whoever calls this must not log them.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.key.expose()
    }

    /// Opens what [`seal`](Self::seal) made for the same context.
    ///
    /// # Errors
    /// `SealError`; wrong key, wrong context and spoilt bytes look the same.
    pub fn open(&self, sealed: &[u8], context: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let [VERSION, body @ ..] = sealed else {
            return Err(SealError::Version);
        };
        self.open_body(body, context)
    }

    /// Opens `nonce ‖ ciphertext ‖ tag`.
    pub(super) fn open_body(
        &self,
        body: &[u8],
        context: &str,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.cipher.open(body, context.as_bytes()).ok_or(SealError::Refused)
    }

    /// The keyed hash under which a card is known: 40 lower-case hex digits, equal for equal
    /// numbers, worthless without the key (MAPI 4.8).
    #[must_use]
    pub fn card_hash(&self, pan: &Pan) -> String {
        let digits = pan.expose_digits().as_bytes();
        let mut hash = hex::encode(hmac_sha256(self.key.expose(), &[&[FOR_CARDS], digits]));
        hash.truncate(CARD_HASH_LEN);
        hash
    }

    /// A keyed digest of several texts: 32 lower-case hex digits. Each goes in with its length,
    /// so that no two lists read the same.
    #[must_use]
    pub fn digest<'a>(&self, texts: impl Iterator<Item = &'a str>) -> String {
        let mut digest = hex::encode(hmac_sha256_of(self.key.expose(), |add| {
            add(&[FOR_DIGESTS]);
            for text in texts {
                add(&(text.len() as u64).to_be_bytes());
                add(text.as_bytes());
            }
        }));
        digest.truncate(DIGEST_LEN);
        digest
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SealingKey {
        SealingKey::from_bytes([3; 32])
    }

    #[test]
    fn a_sealed_value_opens_with_its_key_and_context_only() {
        let sealed = key().seal(b"secret", "reader:1", [5; 12]);
        assert_eq!((sealed[0], &sealed[1..13], sealed.len()), (1, &[5; 12][..], 35));
        assert_eq!(key().open(&sealed, "reader:1").unwrap().as_slice(), b"secret");
        assert_eq!(key().open(&sealed, "reader:2").unwrap_err(), SealError::Refused);
        let other = key().derive("other");
        assert_eq!(other.open(&sealed, "reader:1").unwrap_err(), SealError::Refused);
    }

    #[test]
    fn any_spoilt_byte_is_noticed() {
        let sealed = key().seal(b"secret", "c", [5; 12]);
        for place in 0..sealed.len() {
            let mut spoilt = sealed.clone();
            spoilt[place] ^= 1;
            let fault = key().open(&spoilt, "c").unwrap_err();
            let expected = if place == 0 { SealError::Version } else { SealError::Refused };
            assert_eq!(fault, expected, "{place}");
        }
        assert_eq!(key().open(&[], "c").unwrap_err(), SealError::Version);
        assert_eq!(key().open(&[1], "c").unwrap_err(), SealError::Refused);
    }

    #[test]
    fn purposes_give_different_keys_and_the_same_purpose_the_same() {
        let sealed = key().derive("a").seal(b"x", "c", [0; 12]);
        assert!(key().derive("a").open(&sealed, "c").is_ok());
        assert!(key().derive("b").open(&sealed, "c").is_err());
        assert_eq!(format!("{:?}", key()), "SealingKey(..)");
    }

    #[test]
    fn a_card_hash_has_160_bits_and_depends_on_the_key() {
        let pan = Pan::parse("4444555566661111").unwrap();
        let hash = key().card_hash(&pan);
        assert_eq!((hash.len(), &hash), (40, &key().card_hash(&pan)));
        assert_ne!(hash, key().derive("cards").card_hash(&pan));
        assert_ne!(hash, key().card_hash(&Pan::parse("378282246310005").unwrap()));
    }
}
