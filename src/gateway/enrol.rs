//! Adding to the registry and changing it. Secrets are sealed here, before the store sees them.

use super::{Failure, Gateway};
use crate::crypto::reader_keys::InitialKey;
use crate::payment::ids::{GroupId, KeySetId, MerchantId};
use crate::payment::merchant::Endpoint;
use crate::payment::reader::{Reader, ReaderState};
use crate::payment::refusal::Refusal;
use crate::store::{KeySetRecord, MerchantRecord};

impl Gateway {
    /// Adds a merchant with its control key.
    ///
    /// # Errors
    /// When it exists or the database cannot be written.
    pub async fn enrol_merchant(
        &self,
        id: MerchantId,
        login: &str,
        control_key: &str,
    ) -> Result<(), Failure> {
        let control_key_sealed =
            self.parts.keys.seal_control_key(id, control_key, &self.parts.entropy);
        let merchant = MerchantRecord { id, login: login.to_owned(), control_key_sealed };
        Ok(self.store().add_merchant(&merchant, self.clock().now()).await?)
    }

    /// Adds a group of a merchant's endpoints.
    ///
    /// # Errors
    /// When it exists or the database cannot be written.
    pub async fn enrol_group(&self, id: GroupId, merchant: MerchantId) -> Result<(), Failure> {
        Ok(self.store().add_group(id, merchant).await?)
    }

    /// Adds an endpoint.
    ///
    /// # Errors
    /// When it exists, its limits make no sense, or the database cannot be written.
    pub async fn enrol_endpoint(&self, endpoint: &Endpoint) -> Result<(), Failure> {
        check_limits(endpoint)?;
        Ok(self.store().add_endpoint(endpoint, self.clock().now()).await?)
    }

    /// Changes whether an endpoint is enabled and strict, its callback address, terms and limits.
    ///
    /// # Errors
    /// `Refused` when its limits make no sense; when the database cannot be written.
    pub async fn change_endpoint(&self, endpoint: &Endpoint) -> Result<(), Failure> {
        check_limits(endpoint)?;
        self.store().change_endpoint(endpoint).await?;
        self.forget_registry();
        Ok(())
    }

    /// Adds a key set with its 32-byte base key. `prefix` opens the KSN of each of its readers.
    ///
    /// # Errors
    /// When it exists or the database cannot be written.
    pub async fn enrol_key_set(
        &self,
        id: KeySetId,
        prefix: [u8; 3],
        base_key: &[u8; 32],
    ) -> Result<(), Failure> {
        let base_key_sealed = self.parts.keys.seal_base_key(id, base_key, &self.parts.entropy);
        Ok(self.store().add_key_set(&KeySetRecord { id, prefix, base_key_sealed }).await?)
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
    pub async fn enrol_reader(&self, reader: &Reader) -> Result<(), Failure> {
        Ok(self.store().add_reader(reader).await?)
    }

    /// Blocks a reader, marks it lost, or makes it active again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_reader_state(
        &self,
        reader: &Reader,
        state: ReaderState,
    ) -> Result<(), Failure> {
        self.store().set_reader_state(reader.id, state).await?;
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

    /// The key to inject into a reader: all that ever leaves the gateway of a key set.
    ///
    /// # Errors
    /// When the key set cannot be read or opened.
    pub async fn initial_key(&self, reader: &Reader) -> Result<InitialKey, Failure> {
        Ok(self.base_key(reader.key_set).await?.initial_key(&reader.serial))
    }
}

fn check_limits(endpoint: &Endpoint) -> Result<(), Failure> {
    let checked = endpoint.limits.check();
    Ok(checked.map_err(|error| Refusal::invalid(error.place, error.why))?)
}
