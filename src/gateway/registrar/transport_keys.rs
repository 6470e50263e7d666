//! Transport keys: they come in components only, and nobody reads them. What is told of one is its
//! check value.

use super::RegistryError;
use crate::crypto::block_key::{Algorithm, BlockKey, CHECK_VALUE_LEN};
use crate::gateway::keys::{Sealed, transport_key_context};
use crate::gateway::{Failure, Gateway};
use crate::payment::Millis;
use crate::payment::ids::TransportKeyId;
use crate::store::{Numbered, TransportKeyRecord};

/// A transport key, known by its check value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownTransportKey {
    pub id: TransportKeyId,
    pub algorithm: Algorithm,
    pub check_value: [u8; CHECK_VALUE_LEN],
    /// The operators whose components made it.
    pub custodians: Vec<String>,
    pub made_at: Millis,
}

impl Gateway {
    /// All transport keys, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read or a key cannot be opened.
    pub async fn known_transport_keys(&self) -> Result<Vec<KnownTransportKey>, RegistryError> {
        let records = self.store().transport_keys().await?;
        let known = records.into_iter().map(|record| self.know(record));
        Ok(known.collect::<Result<_, _>>()?)
    }

    /// The transport key with this id.
    pub(super) async fn known_transport_key(
        &self,
        id: TransportKeyId,
    ) -> Result<KnownTransportKey, RegistryError> {
        Ok(self.know(self.transport_key_record(id).await?)?)
    }

    /// The transport key with this id, opened, for as long as a key block takes.
    pub(super) async fn transport_key(
        &self,
        id: TransportKeyId,
    ) -> Result<BlockKey, RegistryError> {
        Ok(self.open_transport_key(&self.transport_key_record(id).await?)?)
    }

    /// A transport key, sealed, to be stored when its ceremony is complete.
    pub(super) async fn sealed_transport_key(
        &self,
        ceremony: i64,
        custodians: Vec<String>,
        key: &BlockKey,
    ) -> Result<TransportKeyRecord, RegistryError> {
        let id = TransportKeyId(self.number(None, Numbered::TransportKeys).await?);
        let (keys, entropy) = (&self.parts.keys, &self.parts.entropy);
        let context = transport_key_context(id);
        Ok(TransportKeyRecord {
            id,
            ceremony,
            algorithm: key.algorithm().name().to_owned(),
            key_sealed: keys.seal(Sealed::TransportKey, &context, key.expose(), entropy),
            custodians,
            created_at: self.clock().now(),
        })
    }

    fn know(&self, record: TransportKeyRecord) -> Result<KnownTransportKey, Failure> {
        let key = self.open_transport_key(&record)?;
        let (algorithm, check_value) = (key.algorithm(), key.check_value());
        let TransportKeyRecord { id, custodians, created_at: made_at, .. } = record;
        Ok(KnownTransportKey { id, algorithm, check_value, custodians, made_at })
    }

    fn open_transport_key(&self, record: &TransportKeyRecord) -> Result<BlockKey, Failure> {
        let algorithm = stored_algorithm(&record.algorithm)?;
        let context = transport_key_context(record.id);
        let opened = self.parts.keys.open(Sealed::TransportKey, &context, &record.key_sealed);
        let key = opened.ok().and_then(|bytes| BlockKey::from_slice(algorithm, &bytes));
        key.ok_or_else(|| Failure::Internal(format!("no master key opens the {context}")))
    }

    async fn transport_key_record(
        &self,
        id: TransportKeyId,
    ) -> Result<TransportKeyRecord, RegistryError> {
        let found = self.store().transport_key(id).await?;
        found.ok_or_else(|| {
            let why = format!(
                "no transport key has the id {id}; GET /admin/v1/transport-keys lists them, and a \
                 key ceremony makes one"
            );
            RegistryError::missing(why)
        })
    }
}

/// The algorithm of this name, as the database has it.
pub(super) fn stored_algorithm(name: &str) -> Result<Algorithm, Failure> {
    let unknown = || Failure::Internal(format!("the database names an algorithm {name}"));
    Algorithm::from_name(name).ok_or_else(unknown)
}
