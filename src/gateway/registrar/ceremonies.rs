//! Key ceremonies: a base key comes in components, each from another operator, and nobody but the
//! gateway ever has it whole.

use super::RegistryError;
use super::key_sets::{KeySetFacts, Known};
use crate::crypto::block_key::{BlockKey, CHECK_VALUE_LEN};
use crate::crypto::key_components::{COMPONENTS_MAX, COMPONENTS_MIN, Component, combine};
use crate::crypto::reader_keys::{BaseKey, algorithm};
use crate::gateway::keys::Sealed;
use crate::gateway::rotate::component_context;
use crate::gateway::{Failure, Gateway};
use crate::payment::ids::KeySetId;
use crate::payment::key_set::Cipher;
use crate::store::{CeremonyRecord, ComponentRecord, KeySetRecord, Numbered};
use zeroize::Zeroizing;

/// How far a ceremony has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    pub id: i64,
    pub facts: KeySetFacts,
    /// How many components make the key.
    pub components: usize,
    /// Whose are there, and their check values.
    pub received: Vec<(String, String)>,
    /// The key set that came of it.
    pub key_set: Option<Known>,
}

impl Gateway {
    /// Begins a ceremony for a key of so many components.
    ///
    /// # Errors
    /// Facts that no key set could have; a number of components other than two or three.
    pub async fn begin_ceremony(
        &self,
        facts: &KeySetFacts,
        components: usize,
    ) -> Result<Progress, RegistryError> {
        if !(COMPONENTS_MIN..=COMPONENTS_MAX).contains(&components) {
            return Err(RegistryError::invalid("components", "must be 2 or 3"));
        }
        self.check_facts(facts).await?;
        let id = self.number(None, Numbered::Ceremonies).await?;
        let facts = facts.clone();
        let ceremony = CeremonyRecord {
            id,
            prefix: facts.prefix.clone(),
            cipher: facts.cipher,
            pin_formats: facts.pin_formats.clone(),
            components,
            key_set: None,
        };
        self.store().add_ceremony(&ceremony, self.clock().now()).await?;
        Ok(Progress { id, facts, components, received: Vec::new(), key_set: None })
    }

    /// How far a ceremony has come.
    ///
    /// # Errors
    /// When there is none of this number.
    pub async fn ceremony(&self, id: i64) -> Result<Progress, RegistryError> {
        let ceremony = self.ceremony_record(id).await?;
        let received = self.store().components_of(id).await?;
        let key_set = match ceremony.key_set {
            Some(key_set) => Some(self.known_key_set(key_set).await?),
            None => None,
        };
        let CeremonyRecord { prefix, cipher, pin_formats, components, .. } = ceremony;
        let facts = KeySetFacts { prefix, cipher, pin_formats };
        let received = received.into_iter().map(|one| (one.operator, one.check_value)).collect();
        Ok(Progress { id, facts, components, received, key_set })
    }

    /// Takes an operator's component. The last one makes the key set, and the components go.
    ///
    /// # Errors
    /// A component that is none or has another check value; a second one of the same operator;
    /// components that make no key, which all go, so that the ceremony begins again.
    pub async fn give_component(
        &self,
        id: i64,
        operator: &str,
        text: &str,
        check_value: [u8; CHECK_VALUE_LEN],
    ) -> Result<Progress, RegistryError> {
        let ceremony = self.ceremony_record(id).await?;
        if ceremony.key_set.is_some() {
            return Err(RegistryError::conflict("this ceremony has its key"));
        }
        let component = Component::from_hex(algorithm(ceremony.cipher), text, Some(check_value));
        component.map_err(|error| RegistryError::invalid("component", error.to_string()))?;
        let clear = Zeroizing::new(text.to_owned());
        let (context, entropy) = (component_context(id, operator), &self.parts.entropy);
        let sealed = self.parts.keys.seal(Sealed::Component, &context, clear.as_bytes(), entropy);
        let record = ComponentRecord {
            operator: operator.to_owned(),
            check_value: hex::encode_upper(check_value),
            sealed,
        };
        if !self.store().add_component(id, &record, self.clock().now()).await? {
            let why = "this operator has given a component; the others' are still to come";
            return Err(RegistryError::conflict(why));
        }
        let given = self.store().components_of(id).await?;
        if given.len() >= ceremony.components {
            self.complete_ceremony(&ceremony, &given).await?;
        }
        self.ceremony(id).await
    }

    async fn complete_ceremony(
        &self,
        ceremony: &CeremonyRecord,
        given: &[ComponentRecord],
    ) -> Result<(), RegistryError> {
        let key = match self.combined(ceremony, given)? {
            Ok(key) => key,
            Err(why) => {
                self.store().forget_components(ceremony.id).await?;
                let why = format!("{why}; all components were put away, begin again");
                return Err(RegistryError::conflict(why));
            }
        };
        let id = KeySetId(self.number(None, Numbered::KeySets).await?);
        let CeremonyRecord { prefix, cipher, pin_formats, .. } = ceremony.clone();
        let base = BaseKey::from_slice(cipher, key.expose());
        let base = base.ok_or_else(|| RegistryError::conflict("the key is not for this cipher"))?;
        let base_key_sealed = self.parts.key_store.keep(id, &base).await?;
        let set = KeySetRecord { id, prefix, cipher, pin_formats, base_key_sealed };
        Ok(self.store().complete_ceremony(ceremony.id, &set).await?)
    }

    /// The key, or why the components make none.
    fn combined(
        &self,
        ceremony: &CeremonyRecord,
        given: &[ComponentRecord],
    ) -> Result<Result<BlockKey, String>, Failure> {
        if given.len() != ceremony.components {
            return Ok(Err("more components came than the ceremony has".to_owned()));
        }
        let mut components = Vec::with_capacity(given.len());
        for one in given {
            components.push(self.open_component(ceremony.id, ceremony.cipher, one)?);
        }
        Ok(combine(&components).map_err(|error| error.to_string()))
    }

    fn open_component(
        &self,
        ceremony: i64,
        cipher: Cipher,
        record: &ComponentRecord,
    ) -> Result<Component, Failure> {
        let broken = |why: String| Failure::Internal(format!("a component does not open: {why}"));
        let context = component_context(ceremony, &record.operator);
        let opened = self.parts.keys.open(Sealed::Component, &context, &record.sealed);
        let opened = opened.map_err(|error| broken(error.to_string()))?;
        let text = std::str::from_utf8(&opened).map_err(|error| broken(error.to_string()))?;
        let component = Component::from_hex(algorithm(cipher), text, None);
        component.map_err(|error| broken(error.to_string()))
    }

    async fn ceremony_record(&self, id: i64) -> Result<CeremonyRecord, RegistryError> {
        let found = self.store().ceremony(id).await?;
        found.ok_or_else(|| RegistryError::missing(format!("no ceremony has the id {id}")))
    }
}
