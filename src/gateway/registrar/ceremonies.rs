//! Key ceremonies: a base key or a transport key comes in components, each from another operator,
//! and nobody but the gateway ever has it whole.

use super::RegistryError;
use super::key_sets::{KeySetFacts, Known};
use super::transport_keys::{KnownTransportKey, stored_algorithm};
use crate::crypto::block_key::{Algorithm, BlockKey, CHECK_VALUE_LEN};
use crate::crypto::key_components::{COMPONENTS_MAX, COMPONENTS_MIN, Component, combine};
use crate::crypto::reader_keys::algorithm;
use crate::gateway::keys::Sealed;
use crate::gateway::rotate::component_context;
use crate::gateway::{Failure, Gateway};
use crate::payment::ids::{KeySetId, TransportKeyId};
use crate::payment::key_set::Exportability;
use crate::store::{CeremonyRecord, ComponentRecord, MadeKey, Numbered, StoredGoal};

/// What the components of a ceremony make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Goal {
    /// A base key, and with it a key set.
    KeySet(KeySetFacts),
    /// A transport key of this algorithm.
    TransportKey(Algorithm),
}

/// What came of a ceremony.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Made {
    KeySet(Known),
    TransportKey(KnownTransportKey),
}

/// How far a ceremony has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    pub id: i64,
    /// How many components make the key.
    pub components: usize,
    /// Whose are there, and their check values.
    pub received: Vec<(String, String)>,
    /// What came of it, once all are there.
    pub made: Option<Made>,
}

impl Gateway {
    /// Begins a ceremony for a key of so many components.
    ///
    /// # Errors
    /// Facts that no key set could have; a number of components other than two or three.
    pub async fn begin_ceremony(
        &self,
        goal: &Goal,
        components: usize,
    ) -> Result<Progress, RegistryError> {
        if !(COMPONENTS_MIN..=COMPONENTS_MAX).contains(&components) {
            return Err(RegistryError::invalid("components", "must be 2 or 3"));
        }
        let _turn = self.registry_turn.lock().await;
        if let Goal::KeySet(facts) = goal {
            self.check_facts(facts).await?;
        }
        let id = self.number(None, Numbered::Ceremonies).await?;
        let ceremony = CeremonyRecord { id, goal: goal.stored(), components, made: None };
        self.store().add_ceremony(&ceremony, self.clock().now()).await?;
        Ok(Progress { id, components, received: Vec::new(), made: None })
    }

    /// How far a ceremony has come.
    ///
    /// # Errors
    /// When there is none of this number.
    pub async fn ceremony(&self, id: i64) -> Result<Progress, RegistryError> {
        let ceremony = self.ceremony_record(id).await?;
        let received = self.store().components_of(id).await?;
        let received = received.into_iter().map(|one| (one.operator, one.check_value)).collect();
        let made = self.made_by(&ceremony).await?;
        Ok(Progress { id, components: ceremony.components, received, made })
    }

    async fn made_by(&self, ceremony: &CeremonyRecord) -> Result<Option<Made>, RegistryError> {
        let Some(id) = ceremony.made else { return Ok(None) };
        Ok(Some(match ceremony.goal {
            StoredGoal::KeySet { .. } => Made::KeySet(self.known_key_set(KeySetId(id)).await?),
            StoredGoal::TransportKey(_) => {
                Made::TransportKey(self.known_transport_key(TransportKeyId(id)).await?)
            }
        }))
    }

    /// Takes an operator's component. The last one makes the key, and the components go.
    ///
    /// # Errors
    /// A component that is none or has another check value; a second one of the same operator; a
    /// ceremony that is over. Components that make no key, or one for a key set that meanwhile
    /// cannot be, all go, so that the ceremony begins again.
    pub async fn give_component(
        &self,
        id: i64,
        operator: &str,
        text: &str,
        check_value: [u8; CHECK_VALUE_LEN],
    ) -> Result<Progress, RegistryError> {
        let _turn = self.registry_turn.lock().await;
        let ceremony = self.ceremony_under_way(id).await?;
        let algorithm = Goal::read(&ceremony.goal)?.algorithm();
        let component = Component::from_hex(algorithm, text, Some(check_value));
        component.map_err(|error| RegistryError::invalid("component", error.to_string()))?;
        let record = self.sealed_component(id, operator, text, check_value);
        let is_new = self.store().add_component(id, &record, self.clock().now()).await?;
        let given = self.store().components_of(id).await?;
        // Whoever failed over the last component has left all of them and no key: who gives theirs
        // again lets the ceremony go on.
        if !is_new && given.len() < ceremony.components {
            // Perhaps another instance has just ended it.
            self.ceremony_under_way(id).await?;
            let why = "this operator has given a component; the others' are still to come";
            return Err(RegistryError::conflict(why));
        }
        if given.len() >= ceremony.components
            && let Err(error) = self.complete_ceremony(&ceremony, &given).await
            // Of two who gave at the same instant, each to another instance, one makes the key, and
            // both see it.
            && self.ceremony_record(id).await?.made.is_none()
        {
            return Err(error);
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
            Err(why) => return self.put_away(ceremony, &why, "begin again").await,
        };
        let made = match Goal::read(&ceremony.goal)? {
            Goal::KeySet(facts) => {
                // Another set may have come since the ceremony began.
                if let Err(error) = self.check_facts(&facts).await {
                    let RegistryError::Conflict(why) = error else { return Err(error) };
                    let next = "begin a ceremony for another prefix";
                    return self.put_away(ceremony, &why, next).await;
                }
                let set = self.kept_key_set(None, &facts, &key, Exportability::Trusted).await?;
                MadeKey::KeySet(set)
            }
            Goal::TransportKey(_) => {
                let custodians = given.iter().map(|one| one.operator.clone()).collect();
                let sealed = self.sealed_transport_key(ceremony.id, custodians, &key).await?;
                MadeKey::TransportKey(sealed)
            }
        };
        Ok(self.store().complete_ceremony(ceremony.id, &made).await?)
    }

    /// Ends what comes to nothing: its components go, and whoever gave the last one hears why.
    async fn put_away(
        &self,
        ceremony: &CeremonyRecord,
        why: &str,
        next: &str,
    ) -> Result<(), RegistryError> {
        self.store().forget_components(ceremony.id).await?;
        let why = format!("{why}; all components were put away, {next}");
        Err(RegistryError::conflict(why))
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
        let algorithm = Goal::read(&ceremony.goal)?.algorithm();
        let mut components = Vec::with_capacity(given.len());
        for one in given {
            components.push(self.open_component(ceremony.id, algorithm, one)?);
        }
        Ok(combine(&components).map_err(|error| error.to_string()))
    }

    fn sealed_component(
        &self,
        ceremony: i64,
        operator: &str,
        text: &str,
        check_value: [u8; CHECK_VALUE_LEN],
    ) -> ComponentRecord {
        let (context, entropy) = (component_context(ceremony, operator), &self.parts.entropy);
        ComponentRecord {
            operator: operator.to_owned(),
            check_value: hex::encode_upper(check_value),
            sealed: self.parts.keys.seal(Sealed::Component, &context, text.as_bytes(), entropy),
        }
    }

    fn open_component(
        &self,
        ceremony: i64,
        algorithm: Algorithm,
        record: &ComponentRecord,
    ) -> Result<Component, Failure> {
        let broken = |why: String| Failure::Internal(format!("a component does not open: {why}"));
        let context = component_context(ceremony, &record.operator);
        let opened = self.parts.keys.open(Sealed::Component, &context, &record.sealed);
        let opened = opened.map_err(|error| broken(error.to_string()))?;
        let text = std::str::from_utf8(&opened).map_err(|error| broken(error.to_string()))?;
        let component = Component::from_hex(algorithm, text, None);
        component.map_err(|error| broken(error.to_string()))
    }

    /// The ceremony, if its key is still to come.
    async fn ceremony_under_way(&self, id: i64) -> Result<CeremonyRecord, RegistryError> {
        let ceremony = self.ceremony_record(id).await?;
        match ceremony.made {
            None => Ok(ceremony),
            Some(_) => Err(RegistryError::conflict(
                "this ceremony has its key; look at what came of it, or begin another one",
            )),
        }
    }

    async fn ceremony_record(&self, id: i64) -> Result<CeremonyRecord, RegistryError> {
        let found = self.store().ceremony(id).await?;
        found.ok_or_else(|| RegistryError::missing(format!("no ceremony has the id {id}")))
    }
}

impl Goal {
    /// The algorithm of the key and of its components.
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::KeySet(facts) => algorithm(facts.cipher),
            Self::TransportKey(algorithm) => *algorithm,
        }
    }

    fn stored(&self) -> StoredGoal {
        match self.clone() {
            Self::KeySet(KeySetFacts { prefix, cipher, pin_formats }) => {
                StoredGoal::KeySet { prefix, cipher, pin_formats }
            }
            Self::TransportKey(algorithm) => StoredGoal::TransportKey(algorithm.name().to_owned()),
        }
    }

    fn read(stored: &StoredGoal) -> Result<Self, Failure> {
        Ok(match stored.clone() {
            StoredGoal::KeySet { prefix, cipher, pin_formats } => {
                Self::KeySet(KeySetFacts { prefix, cipher, pin_formats })
            }
            StoredGoal::TransportKey(name) => Self::TransportKey(stored_algorithm(&name)?),
        })
    }
}
