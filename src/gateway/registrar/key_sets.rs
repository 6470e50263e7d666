//! Key sets: their keys are made here, or come in components or in a key block.

use super::RegistryError;
use crate::crypto::block_key::{BlockKey, CHECK_VALUE_LEN};
use crate::crypto::reader_keys::BaseKey;
use crate::gateway::Gateway;
use crate::gateway::enrol::check_spec;
use crate::payment::ids::KeySetId;
use crate::payment::key_set::{Cipher, Exportability};
use crate::payment::pin_format::PinFormat;
use crate::store::{KeySetRecord, Numbered};

/// What is said of a key set apart from its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeySetFacts {
    /// The first bytes of every KSN of the set.
    pub prefix: Vec<u8>,
    pub cipher: Cipher,
    /// What its readers may send PIN blocks in.
    pub pin_formats: Vec<PinFormat>,
}

/// A key set, known by its check value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    pub id: KeySetId,
    pub facts: KeySetFacts,
    pub check_value: [u8; CHECK_VALUE_LEN],
}

impl Gateway {
    /// Adds a key set with a fresh random base key.
    ///
    /// # Errors
    /// Facts that do not fit the cipher; a prefix or number that is taken.
    pub async fn generate_key_set(
        &self,
        id: Option<i64>,
        facts: &KeySetFacts,
    ) -> Result<Known, RegistryError> {
        let _turn = self.registry_turn.lock().await;
        self.check_facts(facts).await?;
        let id = KeySetId(self.number(id, Numbered::KeySets).await?);
        let KeySetFacts { prefix, cipher, pin_formats } = facts.clone();
        let base_key_sealed = self.parts.key_store.generate(id, cipher).await?;
        let exportability = Exportability::Trusted;
        let record =
            KeySetRecord { id, prefix, cipher, pin_formats, exportability, base_key_sealed };
        self.store().add_key_set(&record).await?;
        self.known_key_set(id).await
    }

    /// A key set with this base key, kept, to be stored; its facts have been looked at.
    pub(super) async fn kept_key_set(
        &self,
        id: Option<i64>,
        facts: &KeySetFacts,
        base_key: &BlockKey,
        exportability: Exportability,
    ) -> Result<KeySetRecord, RegistryError> {
        let id = KeySetId(self.number(id, Numbered::KeySets).await?);
        let KeySetFacts { prefix, cipher, pin_formats } = facts.clone();
        let base = BaseKey::from_slice(cipher, base_key.expose());
        let base = base.ok_or_else(|| RegistryError::conflict("the key is not for this cipher"))?;
        let base_key_sealed = self.parts.key_store.keep(id, &base, exportability).await?;
        Ok(KeySetRecord { id, prefix, cipher, pin_formats, exportability, base_key_sealed })
    }

    /// All key sets, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read or a key cannot be opened.
    pub async fn known_key_sets(&self) -> Result<Vec<Known>, RegistryError> {
        let records = self.store().key_sets().await?;
        let mut known = Vec::with_capacity(records.len());
        for KeySetRecord { id, prefix, cipher, pin_formats, .. } in records {
            let check_value = self.key_set(id).await?.keys.check_value();
            let facts = KeySetFacts { prefix, cipher, pin_formats };
            known.push(Known { id, facts, check_value });
        }
        Ok(known)
    }

    /// The key set with this id.
    ///
    /// # Errors
    /// When there is none or it cannot be opened.
    pub async fn known_key_set(&self, id: KeySetId) -> Result<Known, RegistryError> {
        let found = self.store().key_set(id).await?;
        let missing = || RegistryError::missing(format!("no key set has the id {id}"));
        let KeySetRecord { id, prefix, cipher, pin_formats, .. } = found.ok_or_else(missing)?;
        let check_value = self.key_set(id).await?.keys.check_value();
        let facts = KeySetFacts { prefix, cipher, pin_formats };
        Ok(Known { id, facts, check_value })
    }

    /// Whether a key set can be like this, beside those there are. No KSN may begin like those of
    /// two sets.
    pub(super) async fn check_facts(&self, facts: &KeySetFacts) -> Result<(), RegistryError> {
        check_spec(&facts.prefix, facts.cipher, &facts.pin_formats)?;
        let sets = self.store().key_sets().await?;
        let alike = |set: &&KeySetRecord| {
            set.prefix.starts_with(&facts.prefix) || facts.prefix.starts_with(&set.prefix)
        };
        match sets.iter().find(alike) {
            Some(set) => {
                let why = format!("the KSNs of key set {} begin like this", set.id);
                Err(RegistryError::conflict(why))
            }
            None => Ok(()),
        }
    }
}
