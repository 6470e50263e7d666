//! The gateway's own keys, all derived from the one master key of the settings.

use crate::clock::Entropy;
use crate::crypto::reader_keys::BaseKey;
use crate::crypto::seal::{SealError, SealingKey};
use crate::payment::card::Pan;
use crate::payment::ids::{KeySetId, MerchantId};
use crate::payment::key_set::Cipher;
use zeroize::Zeroizing;

/// One key for each purpose, so that nothing sealed for one opens under another.
pub struct Keys {
    controls: SealingKey,
    bases: SealingKey,
    vault: SealingKey,
    hashes: SealingKey,
    digests: SealingKey,
    audit: SealingKey,
    components: SealingKey,
}

impl Keys {
    /// Derives the keys from the master key.
    #[must_use]
    pub fn derive(master: &SealingKey) -> Self {
        Self {
            controls: master.derive("control keys"),
            bases: master.derive("base keys"),
            vault: master.derive("card keys"),
            hashes: master.derive("card hash"),
            digests: master.derive("request digest"),
            audit: master.derive("audit log"),
            components: master.derive("key components"),
        }
    }

    /// Seals a merchant's control key for the registry.
    #[must_use]
    pub fn seal_control_key(&self, of: MerchantId, key: &str, entropy: &Entropy) -> Vec<u8> {
        self.controls.seal(key.as_bytes(), &format!("merchant {of}"), entropy.bytes())
    }

    /// Opens a merchant's control key.
    ///
    /// # Errors
    /// When it was sealed under another master key or is damaged.
    pub fn open_control_key(
        &self,
        of: MerchantId,
        sealed: &[u8],
    ) -> Result<Zeroizing<String>, SealError> {
        let opened = self.controls.open(sealed, &format!("merchant {of}"))?;
        let text = std::str::from_utf8(&opened).map_err(|_| SealError::Content)?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Seals a key set's base key for the registry.
    #[must_use]
    pub fn seal_base_key(&self, of: KeySetId, key: &[u8], entropy: &Entropy) -> Vec<u8> {
        self.bases.seal(key, &format!("key set {of}"), entropy.bytes())
    }

    /// Opens a key set's base key.
    ///
    /// # Errors
    /// When it was sealed under another master key or is damaged.
    pub fn open_base_key(
        &self,
        of: KeySetId,
        cipher: Cipher,
        sealed: &[u8],
    ) -> Result<BaseKey, SealError> {
        let opened = self.bases.open(sealed, &format!("key set {of}"))?;
        BaseKey::from_slice(cipher, &opened).ok_or(SealError::Content)
    }

    /// The key under which the short-lived card keys lie in the database.
    pub(super) fn card_keys(&self) -> &SealingKey {
        &self.vault
    }

    /// The keyed hash by which equal cards are recognised; 40 lower-case hex digits.
    #[must_use]
    pub fn card_hash(&self, pan: &Pan) -> String {
        self.hashes.card_hash(pan)
    }

    /// A keyed digest over the fields of a request; 32 lower-case hex digits.
    #[must_use]
    pub fn request_digest<'a>(&self, fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        self.digests.digest(fields.flat_map(|(name, value)| [name, value]))
    }

    /// A keyed digest over a row of the audit log; 32 lower-case hex digits. Who can write to the
    /// database but does not know the master key cannot make one.
    #[must_use]
    pub(super) fn audit_digest(&self, parts: &[String]) -> String {
        self.audit.digest(parts.iter().map(String::as_str))
    }

    /// The key under which components wait for the others of their ceremony.
    pub(super) fn components(&self) -> &SealingKey {
        &self.components
    }
}
