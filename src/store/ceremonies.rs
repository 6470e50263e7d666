//! Key ceremonies and the components that wait in them, sealed.

use super::readers::{insert_key_set, pin_formats, pin_names};
use super::sql::{Row, sql};
use super::transport_keys::insert_transport_key;
use super::{KeySetRecord, Store, StoreError, TransportKeyRecord, corrupt};
use crate::payment::Millis;
use crate::payment::key_set::Cipher;
use crate::payment::pin_format::PinFormat;

/// A ceremony as stored.
#[derive(Clone)]
pub struct CeremonyRecord {
    pub id: i64,
    pub goal: StoredGoal,
    /// How many components make the key.
    pub components: usize,
    /// The number of the key set or transport key that came of it.
    pub made: Option<i64>,
}

/// What a ceremony is for, as stored.
#[derive(Clone, PartialEq, Eq)]
pub enum StoredGoal {
    /// A key set with a base key.
    KeySet { prefix: Vec<u8>, cipher: Cipher, pin_formats: Vec<PinFormat> },
    /// A transport key; the name of its algorithm.
    TransportKey(String),
}

/// What comes of a ceremony, as stored.
pub enum MadeKey {
    KeySet(KeySetRecord),
    TransportKey(TransportKeyRecord),
}

/// A component as stored.
#[derive(Clone)]
pub struct ComponentRecord {
    pub operator: String,
    /// Upper-case hex digits.
    pub check_value: String,
    pub sealed: Vec<u8>,
}

const CEREMONY: &str = "\
    SELECT id, algorithm, prefix, cipher, variant, pin_formats, components, key_set_id, \
           transport_key_id \
    FROM key_ceremonies WHERE id = $1";
const INSERT: &str = "\
    INSERT INTO key_ceremonies (id, algorithm, prefix, cipher, variant, pin_formats, components, \
           created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const COMPONENTS: &str = "\
    SELECT operator, check_value, component_sealed FROM key_components WHERE ceremony_id = $1 \
    ORDER BY operator";
/// One component from one operator, and none for a ceremony that has its key: nobody would ever
/// delete it.
const INSERT_COMPONENT: &str = "\
    INSERT INTO key_components (ceremony_id, operator, check_value, component_sealed, created_at) \
    SELECT $1, $2, $3, $4, $5 \
    WHERE EXISTS (SELECT 1 FROM key_ceremonies \
                  WHERE id = $1 AND key_set_id IS NULL AND transport_key_id IS NULL) \
    ON CONFLICT (ceremony_id, operator) DO NOTHING";
const FORGET_COMPONENTS: &str = "DELETE FROM key_components WHERE ceremony_id = $1";
const COMPLETE: &str = "\
    UPDATE key_ceremonies SET key_set_id = $2, transport_key_id = $3 WHERE id = $1";

impl Store {
    /// The ceremony with this number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn ceremony(&self, id: i64) -> Result<Option<CeremonyRecord>, StoreError> {
        self.row(sql(CEREMONY).bind(id)).await?.map(ceremony_from).transpose()
    }

    /// Adds a ceremony.
    ///
    /// # Errors
    /// When it is there already or the database cannot be written.
    pub async fn add_ceremony(
        &self,
        ceremony: &CeremonyRecord,
        now: Millis,
    ) -> Result<(), StoreError> {
        let components = i64::try_from(ceremony.components).map_err(|_| corrupt("ceremony"))?;
        let [algorithm, prefix, cipher, variant, formats] = columns(&ceremony.goal);
        let statement = sql(INSERT)
            .bind(ceremony.id)
            .bind(algorithm)
            .bind(prefix)
            .bind(cipher)
            .bind(variant)
            .bind(formats)
            .bind(components)
            .bind(now);
        self.change(vec![statement]).await.map(drop)
    }

    /// The components of a ceremony, by operator.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn components_of(&self, ceremony: i64) -> Result<Vec<ComponentRecord>, StoreError> {
        let component = |mut row: Row| {
            let (operator, check_value) = (row.text()?, row.text()?);
            Ok(ComponentRecord { operator, check_value, sealed: row.bytes()? })
        };
        self.rows(sql(COMPONENTS).bind(ceremony)).await?.into_iter().map(component).collect()
    }

    /// Adds a component. `false` if the operator has given one, or the ceremony has its key.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn add_component(
        &self,
        ceremony: i64,
        component: &ComponentRecord,
        now: Millis,
    ) -> Result<bool, StoreError> {
        let statement = sql(INSERT_COMPONENT)
            .bind(ceremony)
            .bind(component.operator.as_str())
            .bind(component.check_value.as_str())
            .bind(&*component.sealed)
            .bind(now);
        Ok(self.change(vec![statement]).await?.changed > 0)
    }

    /// Deletes the components of a ceremony that cannot make a key.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn forget_components(&self, ceremony: i64) -> Result<(), StoreError> {
        self.change(vec![sql(FORGET_COMPONENTS).bind(ceremony)]).await.map(drop)
    }

    /// Ends a ceremony: the key set or the transport key is there, its components are gone.
    ///
    /// # Errors
    /// When it is there already, so that of two callers one succeeds; when the database cannot be
    /// written.
    pub async fn complete_ceremony(&self, ceremony: i64, made: &MadeKey) -> Result<(), StoreError> {
        let (insert, key_set, transport_key) = match made {
            MadeKey::KeySet(set) => (insert_key_set(set), Some(set.id.0), None),
            MadeKey::TransportKey(key) => (insert_transport_key(key), None, Some(key.id.0)),
        };
        let complete = sql(COMPLETE).bind(ceremony).bind(key_set).bind(transport_key);
        let forget = sql(FORGET_COMPONENTS).bind(ceremony);
        self.change(vec![insert, complete, forget]).await.map(drop)
    }
}

/// Algorithm, prefix, cipher, variant and PIN formats: the columns that say what is to come.
fn columns(goal: &StoredGoal) -> [Option<String>; 5] {
    match goal {
        StoredGoal::KeySet { prefix, cipher, pin_formats } => [
            None,
            Some(hex::encode_upper(prefix)),
            Some(cipher.name().to_owned()),
            cipher.variant().map(str::to_owned),
            Some(pin_names(pin_formats)),
        ],
        StoredGoal::TransportKey(algorithm) => [Some(algorithm.clone()), None, None, None, None],
    }
}

fn ceremony_from(mut row: Row) -> Result<CeremonyRecord, StoreError> {
    let (id, goal) = (row.int()?, goal_from(&mut row)?);
    let components = usize::try_from(row.int()?).map_err(|_| corrupt("ceremony"))?;
    let (key_set, transport_key) = (row.optional_int()?, row.optional_int()?);
    Ok(CeremonyRecord { id, goal, components, made: key_set.or(transport_key) })
}

fn goal_from(row: &mut Row) -> Result<StoredGoal, StoreError> {
    let algorithm = row.optional_text()?;
    let (prefix, cipher) = (row.optional_text()?, row.optional_text()?);
    let (variant, formats) = (row.optional_text()?, row.optional_text()?);
    match (algorithm, prefix, cipher, formats) {
        (Some(algorithm), None, None, None) => Ok(StoredGoal::TransportKey(algorithm)),
        (None, Some(prefix), Some(cipher), Some(formats)) => {
            let cipher = Cipher::from_names(&cipher, variant.as_deref());
            Ok(StoredGoal::KeySet {
                prefix: hex::decode(prefix).map_err(|_| corrupt("key set prefix"))?,
                cipher: cipher.ok_or_else(|| corrupt("cipher"))?,
                pin_formats: pin_formats(&formats)?,
            })
        }
        _ => Err(corrupt("ceremony")),
    }
}
