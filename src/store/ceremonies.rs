//! Key ceremonies and the components that wait in them, sealed.

use super::readers::{cipher, insert_key_set, pin_formats, pin_names};
use super::sql::{Row, sql};
use super::{KeySetRecord, Store, StoreError, corrupt};
use crate::payment::Millis;
use crate::payment::ids::KeySetId;
use crate::payment::key_set::Cipher;
use crate::payment::pin_format::PinFormat;

/// A ceremony as stored.
#[derive(Clone)]
pub struct CeremonyRecord {
    pub id: i64,
    pub prefix: Vec<u8>,
    pub cipher: Cipher,
    pub pin_formats: Vec<PinFormat>,
    /// How many components make the key.
    pub components: usize,
    /// The key set that came of it.
    pub key_set: Option<KeySetId>,
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
    SELECT id, prefix, cipher, variant, pin_formats, components, key_set_id \
    FROM key_ceremonies WHERE id = $1";
const INSERT: &str = "\
    INSERT INTO key_ceremonies (id, prefix, cipher, variant, pin_formats, components, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const COMPONENTS: &str = "\
    SELECT operator, check_value, component_sealed FROM key_components WHERE ceremony_id = $1 \
    ORDER BY operator";
/// One component from one operator.
const INSERT_COMPONENT: &str = "\
    INSERT INTO key_components (ceremony_id, operator, check_value, component_sealed, created_at) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (ceremony_id, operator) DO NOTHING";
const FORGET_COMPONENTS: &str = "DELETE FROM key_components WHERE ceremony_id = $1";
const COMPLETE: &str = "UPDATE key_ceremonies SET key_set_id = $2 WHERE id = $1";

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
        let statement = sql(INSERT)
            .bind(ceremony.id)
            .bind(hex::encode_upper(&ceremony.prefix))
            .bind(ceremony.cipher.name())
            .bind(ceremony.cipher.variant().map(str::to_owned))
            .bind(pin_names(&ceremony.pin_formats))
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

    /// Adds a component. `false` if the operator has given one.
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

    /// Ends a ceremony: the key set is there, its components are gone.
    ///
    /// # Errors
    /// When the key set is there already, so that of two callers one succeeds; when the database
    /// cannot be written.
    pub async fn complete_ceremony(
        &self,
        ceremony: i64,
        set: &KeySetRecord,
    ) -> Result<(), StoreError> {
        let complete = sql(COMPLETE).bind(ceremony).bind(set.id.0);
        let forget = sql(FORGET_COMPONENTS).bind(ceremony);
        self.change(vec![insert_key_set(set), complete, forget]).await.map(drop)
    }
}

fn ceremony_from(mut row: Row) -> Result<CeremonyRecord, StoreError> {
    Ok(CeremonyRecord {
        id: row.int()?,
        prefix: hex::decode(row.text()?).map_err(|_| corrupt("key set prefix"))?,
        cipher: cipher(&mut row)?,
        pin_formats: pin_formats(&row.text()?)?,
        components: usize::try_from(row.int()?).map_err(|_| corrupt("ceremony"))?,
        key_set: row.optional_int()?.map(KeySetId),
    })
}
