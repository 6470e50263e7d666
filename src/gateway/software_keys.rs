//! A key store without hardware: base keys lie sealed in the registry under the master key, and are
//! open in this process's memory while they are used.

use super::Keys;
use super::key_store::{CardPin, KeyStore, KeyStoreError, ReaderKeys};
use super::keys::{Sealed, base_key_context};
use crate::clock::Entropy;
use crate::crypto::block_key::CHECK_VALUE_LEN;
use crate::crypto::pin_block::EncryptedPin;
use crate::crypto::pin_zone::{PinRefused, PinZone, ReaderPin};
use crate::crypto::reader::ReaderMessage;
use crate::crypto::reader_keys::{BaseKey, InitialKey};
use crate::crypto::seal::SealError;
use crate::payment::ids::KeySetId;
use crate::payment::key_set::{Cipher, Exportability};
use crate::payment::money::Amount;
use crate::payment::pin_format::PinFormat;
use crate::payment::reader::Reader;
use async_trait::async_trait;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The key store that needs no hardware.
pub struct SoftwareKeys {
    keys: Arc<Keys>,
    entropy: Entropy,
    /// How PIN blocks go to the acquirer; without it, none does.
    zone: Option<Arc<PinZone>>,
}

/// One base key, open.
struct OpenSet {
    base: BaseKey,
    entropy: Entropy,
    zone: Option<Arc<PinZone>>,
}

impl SoftwareKeys {
    /// Seals under the master keys behind `keys`, now and after they were replaced.
    #[must_use]
    pub fn new(keys: Arc<Keys>, entropy: Entropy, zone: Option<Arc<PinZone>>) -> Self {
        Self { keys, entropy, zone }
    }

    fn seal(&self, of: KeySetId, base_key: &[u8], exportability: Exportability) -> Vec<u8> {
        let context = base_key_context(of, exportability);
        self.keys.seal(Sealed::BaseKey, &context, base_key, &self.entropy)
    }

    fn open(
        &self,
        of: KeySetId,
        exportability: Exportability,
        kept: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyStoreError> {
        Ok(self.keys.open(Sealed::BaseKey, &base_key_context(of, exportability), kept)?)
    }
}

#[async_trait]
impl KeyStore for SoftwareKeys {
    async fn generate(&self, of: KeySetId, cipher: Cipher) -> Result<Vec<u8>, KeyStoreError> {
        let fresh = Zeroizing::new(self.entropy.bytes::<32>());
        let base_key = fresh.get(..cipher.base_key_len()).unwrap_or_default();
        Ok(self.seal(of, base_key, Exportability::Trusted))
    }

    async fn keep(
        &self,
        of: KeySetId,
        base: &BaseKey,
        exportability: Exportability,
    ) -> Result<Vec<u8>, KeyStoreError> {
        Ok(self.seal(of, base.expose(), exportability))
    }

    async fn take_up(
        &self,
        of: KeySetId,
        cipher: Cipher,
        exportability: Exportability,
        kept: &[u8],
    ) -> Result<Arc<dyn ReaderKeys>, KeyStoreError> {
        let opened = self.open(of, exportability, kept)?;
        let base = BaseKey::from_slice(cipher, &opened).ok_or(SealError::Content)?;
        let (entropy, zone) = (self.entropy.clone(), self.zone.clone());
        Ok(Arc::new(OpenSet { base, entropy, zone }))
    }

    async fn renew(
        &self,
        of: KeySetId,
        exportability: Exportability,
        kept: &[u8],
    ) -> Result<Option<Vec<u8>>, KeyStoreError> {
        if self.keys.is_present(Sealed::BaseKey, kept) {
            return Ok(None);
        }
        Ok(Some(self.seal(of, &self.open(of, exportability, kept)?, exportability)))
    }
}

impl OpenSet {
    fn of_reader(&self, reader: &Reader) -> Result<InitialKey, KeyStoreError> {
        Ok(self.base.initial_key(&reader.serial, reader.initial_ksn)?)
    }
}

#[async_trait]
impl ReaderKeys for OpenSet {
    fn check_value(&self) -> [u8; CHECK_VALUE_LEN] {
        self.base.check_value()
    }

    async fn initial_key(&self, reader: &Reader) -> Result<InitialKey, KeyStoreError> {
        self.of_reader(reader)
    }

    async fn open(
        &self,
        reader: &Reader,
        message: &ReaderMessage,
        amount: Amount,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Ok(self.of_reader(reader)?.open_parts(message, amount)?)
    }

    async fn translate_pin(
        &self,
        reader: &Reader,
        pin: CardPin<'_>,
        allowed: &[PinFormat],
    ) -> Result<EncryptedPin, KeyStoreError> {
        let zone = self.zone.as_ref().ok_or(PinRefused::NoZone)?;
        let (key, serial) = (&self.of_reader(reader)?, reader.serial.as_str());
        let CardPin { sealed, pan, amount } = pin;
        let pin = ReaderPin { sealed, key, allowed, serial, amount, pan };
        Ok(zone.take(pin, self.entropy.bytes())?)
    }

    fn shown(&self) -> Option<&BaseKey> {
        Some(&self.base)
    }
}

impl From<SealError> for KeyStoreError {
    fn from(error: SealError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::key_ring::KeyRing;
    use crate::crypto::seal::SealingKey;

    const SET: KeySetId = KeySetId(3);
    const EVERY: [Exportability; 3] =
        [Exportability::Trusted, Exportability::No, Exportability::Sensitive];

    fn store() -> SoftwareKeys {
        let keys = Keys::derive(&KeyRing::of(SealingKey::from_bytes([9; 32])));
        SoftwareKeys::new(Arc::new(keys), Entropy::seeded(1), None)
    }

    #[tokio::test]
    async fn a_base_key_opens_as_far_as_it_was_said_to_travel_and_no_other() {
        let (store, cipher) = (store(), Cipher::AesGcm);
        let base = BaseKey::from_slice(cipher, &[7; 32]).unwrap();
        for said in EVERY {
            let kept = store.keep(SET, &base, said).await.unwrap();
            for told in EVERY {
                let opened = store.take_up(SET, cipher, told, &kept).await;
                assert_eq!(opened.is_ok(), said == told, "{said:?} as {told:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_base_key_of_a_release_before_keys_travelled_opens_as_one_that_stays() {
        let (store, cipher) = (store(), Cipher::AesGcm);
        let old = store.keys.seal(Sealed::BaseKey, "key set 3", &[7; 32], &store.entropy);
        for told in EVERY {
            let opened = store.take_up(SET, cipher, told, &old).await;
            assert_eq!(opened.is_ok(), told == Exportability::No, "{told:?}");
        }
    }
}
