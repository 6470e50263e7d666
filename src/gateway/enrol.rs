//! Adding to the registry and changing it. Secrets are sealed here, before the store sees them.

use super::key_store::{KeyStoreError, NOT_SHOWN};
use super::{Failure, Gateway, RegistryError};
use crate::crypto::reader_keys::{BaseKey, InitialKey};
use crate::payment::ids::{GroupId, KeySetId, MerchantId};
use crate::payment::key_set::{Cipher, Exportability};
use crate::payment::merchant::Endpoint;
use crate::payment::pin_format::PinFormat;
use crate::payment::reader::Reader;
use crate::payment::refusal::Refusal;
use crate::store::{KeySetRecord, MerchantRecord};
use zeroize::Zeroizing;

/// A key set to be enrolled.
#[derive(Clone, Copy)]
pub struct NewKeySet<'a> {
    pub id: KeySetId,
    /// The first bytes of every KSN of the set.
    pub prefix: &'a [u8],
    pub cipher: Cipher,
    /// What its readers may send PIN blocks in; none refuses every PIN.
    pub pin_formats: &'a [PinFormat],
    /// Clear, for as long as this takes.
    pub base_key: &'a [u8],
}

/// Whether prefix and PIN formats fit the cipher.
pub(super) fn check_spec(
    prefix: &[u8],
    cipher: Cipher,
    pin_formats: &[PinFormat],
) -> Result<(), Refusal> {
    let (least, most) = cipher.prefix_len();
    if !(least..=most).contains(&prefix.len()) {
        let why = format!("a KSN names the key set in {least} to {most} bytes");
        return Err(Refusal::invalid("prefix", why));
    }
    match pin_formats.iter().find(|format| !cipher.carries(**format)) {
        Some(format) => {
            let why = format!("{} cannot carry {}", cipher.name(), format.name());
            Err(Refusal::invalid("pin_formats", why))
        }
        None => Ok(()),
    }
}

impl NewKeySet<'_> {
    fn check(&self) -> Result<(), Refusal> {
        check_spec(self.prefix, self.cipher, self.pin_formats)?;
        if self.base_key.len() != self.cipher.base_key_len() {
            let why = format!("the cipher's base key has {} bytes", self.cipher.base_key_len());
            return Err(Refusal::invalid("base_key", why));
        }
        Ok(())
    }
}

impl Gateway {
    /// Adds a merchant with its control key.
    ///
    /// # Errors
    /// `Conflict` when it exists; when the database cannot be written.
    pub async fn enrol_merchant(
        &self,
        id: MerchantId,
        login: &str,
        control_key: &str,
    ) -> Result<(), RegistryError> {
        let control_key_sealed =
            self.parts.keys.seal_control_key(id, control_key, &self.parts.entropy);
        let (login, old_control_key) = (login.to_owned(), None);
        let merchant = MerchantRecord { id, login, control_key_sealed, old_control_key };
        Ok(self.store().add_merchant(&merchant, self.clock().now()).await?)
    }

    /// Adds a group of a merchant's endpoints.
    ///
    /// # Errors
    /// `Conflict` when it exists; when the database cannot be written.
    pub async fn enrol_group(
        &self,
        id: GroupId,
        merchant: MerchantId,
    ) -> Result<(), RegistryError> {
        Ok(self.store().add_group(id, merchant).await?)
    }

    /// Adds an endpoint.
    ///
    /// # Errors
    /// When it exists, its limits make no sense, or the database cannot be written.
    pub async fn enrol_endpoint(&self, endpoint: &Endpoint) -> Result<(), RegistryError> {
        check_limits(endpoint)?;
        Ok(self.store().add_endpoint(endpoint, self.clock().now()).await?)
    }

    /// Changes all of an endpoint but its number, merchant and currency.
    ///
    /// # Errors
    /// `Refused` when its limits make no sense; when the database cannot be written.
    pub async fn change_endpoint(&self, endpoint: &Endpoint) -> Result<(), Failure> {
        check_limits(endpoint)?;
        self.store().change_endpoint(endpoint).await?;
        self.forget_registry();
        Ok(())
    }

    /// Adds a key set with its base key.
    ///
    /// # Errors
    /// `Refused` when key, prefix or PIN formats do not fit the cipher; when it exists or the
    /// database cannot be written.
    pub async fn enrol_key_set(&self, set: NewKeySet<'_>) -> Result<(), RegistryError> {
        set.check()?;
        let NewKeySet { id, prefix, cipher, pin_formats, base_key } = set;
        let base = BaseKey::from_slice(cipher, base_key);
        let base =
            base.ok_or_else(|| Failure::Internal(format!("key set {id} has no base key")))?;
        let exportability = Exportability::Trusted;
        let base_key_sealed = self.parts.key_store.keep(id, &base, exportability).await?;
        let (prefix, pin_formats) = (prefix.to_vec(), pin_formats.to_vec());
        let record =
            KeySetRecord { id, prefix, cipher, pin_formats, exportability, base_key_sealed };
        Ok(self.store().add_key_set(&record).await?)
    }

    /// Whether there is a key set with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn has_key_set(&self, id: KeySetId) -> Result<bool, Failure> {
        Ok(self.store().key_set(id).await?.is_some())
    }

    /// Adds a reader.
    ///
    /// # Errors
    /// When its serial exists or the database cannot be written.
    pub async fn enrol_reader(&self, reader: &Reader) -> Result<(), RegistryError> {
        Ok(self.store().add_reader(reader, self.clock().now()).await?)
    }

    /// Blocks a reader, marks it lost, makes it active again, or lets it serve somebody else.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn change_reader(&self, reader: &Reader) -> Result<(), Failure> {
        self.store().change_reader(reader).await?;
        self.forget_registry();
        Ok(())
    }

    /// All readers of a merchant, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn readers_of(&self, merchant: MerchantId) -> Result<Vec<Reader>, Failure> {
        Ok(self.store().readers_of(merchant).await?)
    }

    /// A key set's base key in hexadecimal digits. Only the sandbox tells it, so that outside tools
    /// can play its readers; no door leads here.
    ///
    /// # Errors
    /// When the key set cannot be read or opened.
    pub async fn sandbox_base_key(&self, id: KeySetId) -> Result<Zeroizing<String>, Failure> {
        let set = self.key_set(id).await?;
        let base = set.keys.shown().ok_or_else(|| Failure::Internal(NOT_SHOWN.to_owned()))?;
        Ok(Zeroizing::new(hex::encode_upper(base.expose())))
    }

    /// The key to inject into a reader: all that leaves the gateway of a key set in the clear,
    /// but for sandboxes.
    ///
    /// # Errors
    /// When the key set cannot be read or opened.
    pub async fn initial_key(&self, reader: &Reader) -> Result<InitialKey, Failure> {
        let set = self.key_set(reader.key_set).await?;
        let key = set.keys.initial_key(reader).await;
        key.map_err(|error| match error {
            KeyStoreError::Away(_) => error.into(),
            _ => Failure::Internal(format!("reader {}: {error}", reader.serial)),
        })
    }
}

fn check_limits(endpoint: &Endpoint) -> Result<(), Failure> {
    let checked = endpoint.limits.check();
    Ok(checked.map_err(|error| Refusal::invalid(error.place, error.why))?)
}
