//! Keys in and out as key blocks: base keys of key sets, and readers' initial keys.
//!
//! Everything about a block is looked at before anything is stored. Of a key nothing is told but
//! its check value, by which the people on both sides compare it.

use super::RegistryError;
use super::key_sets::{KeySetFacts, Known};
use crate::crypto::block_key::{BlockKey, CHECK_VALUE_LEN};
use crate::crypto::dukpt_block::{
    DukptBlockError, check_travel, open_base_key, wrap_base_key, wrap_initial_key,
};
use crate::crypto::reader_keys::InitialKey;
use crate::gateway::Gateway;
use crate::gateway::key_store::NOT_SHOWN;
use crate::payment::ids::{KeySetId, TransportKeyId};
use crate::payment::key_set::Exportability;
use crate::payment::reader::Reader;

/// A base key on its way out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exported {
    pub key_set: KeySetId,
    pub transport_key: TransportKeyId,
    /// Version B under a TDES transport key, D under an AES one; usage B0.
    pub key_block: String,
    /// The base key's.
    pub check_value: [u8; CHECK_VALUE_LEN],
}

impl Gateway {
    /// Adds a key set whose base key comes in a key block under a transport key.
    ///
    /// # Errors
    /// Facts that do not fit the cipher; a prefix or number that is taken; no such transport key; a
    /// block that is refused. Nothing is stored then.
    pub async fn import_key_set(
        &self,
        id: Option<i64>,
        facts: &KeySetFacts,
        transport_key: TransportKeyId,
        key_block: &str,
    ) -> Result<Known, RegistryError> {
        let _turn = self.registry_turn.lock().await;
        self.check_facts(facts).await?;
        let transport = self.transport_key(transport_key).await?;
        let opened = open_base_key(&transport, key_block, facts.cipher);
        let (key, exportability) = opened.map_err(|error| {
            let place =
                if matches!(error, DukptBlockError::Scheme(_)) { "cipher" } else { "key_block" };
            RegistryError::invalid(place, error.to_string())
        })?;
        let set = self.kept_key_set(id, facts, &key, exportability).await?;
        self.store().add_key_set(&set).await?;
        self.known_key_set(set.id).await
    }

    /// The base key of a key set as a key block under a transport key. One that came in a key block
    /// goes on as far as that said.
    ///
    /// # Errors
    /// No such key set or transport key; a transport key that is weaker than the base key; a base
    /// key that may not travel.
    pub async fn export_key_set(
        &self,
        id: KeySetId,
        transport_key: TransportKeyId,
    ) -> Result<Exported, RegistryError> {
        let Known { check_value, .. } = self.known_key_set(id).await?;
        let transport = self.carrier(transport_key, id).await?;
        let set = self.key_set(id).await?;
        if set.exportability == Exportability::No {
            let why = "the base key may not be exported: the key block that brought it says N, or \
                       it was here before keys travelled; ask whoever sent it to send it to the \
                       other party, too, or give the readers keys of another key set";
            return Err(RegistryError::conflict(why));
        }
        let pad = self.parts.entropy.bytes();
        let base = set.keys.shown().ok_or_else(|| RegistryError::conflict(NOT_SHOWN))?;
        let key_block = wrap_base_key(&transport, base, set.exportability, pad)?;
        Ok(Exported { key_set: id, transport_key, key_block, check_value })
    }

    /// The transport key, opened, if it may carry the keys of this key set.
    pub(super) async fn carrier(
        &self,
        transport_key: TransportKeyId,
        key_set: KeySetId,
    ) -> Result<BlockKey, RegistryError> {
        let set = self.known_key_set(key_set).await?;
        let transport = self.transport_key(transport_key).await?;
        check_travel(set.facts.cipher, transport.algorithm())?;
        Ok(transport)
    }

    /// A reader's initial key as a key block.
    pub(super) fn initial_block(
        &self,
        transport: &BlockKey,
        initial: &InitialKey,
        reader: &Reader,
    ) -> Result<String, RegistryError> {
        let pad = self.parts.entropy.bytes();
        Ok(wrap_initial_key(transport, initial, reader.initial_ksn, pad)?)
    }
}

/// A key that does not leave. One that does not come in is a wrong parameter instead.
impl From<DukptBlockError> for RegistryError {
    fn from(error: DukptBlockError) -> Self {
        Self::conflict(error.to_string())
    }
}
