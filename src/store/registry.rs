//! The registry: merchants, endpoints, groups, key sets and readers. Secrets lie here sealed;
//! the store never sees them open.

use super::{Store, StoreError, corrupt};
use crate::payment::Millis;
use crate::payment::ids::{EndpointId, GroupId, KeySetId, MerchantId, ReaderId};
use crate::payment::merchant::Endpoint;
use crate::payment::money::Currency;
use crate::payment::reader::{Reader, ReaderState};
use sqlx::Row;
use sqlx::any::AnyRow;

/// A merchant as stored.
#[derive(Clone)]
pub struct MerchantRecord {
    pub id: MerchantId,
    pub login: String,
    pub control_key_sealed: Vec<u8>,
}

/// A key set as stored.
#[derive(Clone)]
pub struct KeySetRecord {
    pub id: KeySetId,
    /// The first three bytes of every KSN of the set.
    pub prefix: [u8; 3],
    pub base_key_sealed: Vec<u8>,
}

const MERCHANT_BY_LOGIN: &str =
    "SELECT id, login, control_key_sealed FROM merchants WHERE login = $1";
const MERCHANT_BY_ID: &str = "SELECT id, login, control_key_sealed FROM merchants WHERE id = $1";
const ENDPOINT: &str = "SELECT * FROM endpoints WHERE id = $1";
const GROUP_OWNER: &str = "SELECT merchant_id FROM endpoint_groups WHERE id = $1";
const KEY_SET: &str = "SELECT id, prefix, base_key_sealed FROM key_sets WHERE id = $1";
const READER: &str = "\
    SELECT r.*, k.prefix FROM readers AS r JOIN key_sets AS k ON k.id = r.key_set_id \
    WHERE r.serial = $1";
const READERS: &str = "\
    SELECT r.*, k.prefix FROM readers AS r JOIN key_sets AS k ON k.id = r.key_set_id \
    WHERE r.merchant_id = $1 ORDER BY r.id";

const INSERT_MERCHANT: &str = "\
    INSERT INTO merchants (id, login, control_key_sealed, created_at) VALUES ($1, $2, $3, $4)";
const INSERT_GROUP: &str = "INSERT INTO endpoint_groups (id, merchant_id) VALUES ($1, $2)";
const INSERT_ENDPOINT: &str = "\
    INSERT INTO endpoints (id, merchant_id, group_id, currency, enabled, strict_validation, \
           sandbox, callback_url, amount_least_minor, amount_most_minor, terminal_id, descriptor) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const UPDATE_ENDPOINT: &str = "\
    UPDATE endpoints SET enabled = $2, strict_validation = $3, callback_url = $4 WHERE id = $1";
const INSERT_KEY_SET: &str =
    "INSERT INTO key_sets (id, prefix, base_key_sealed) VALUES ($1, $2, $3)";
const INSERT_READER: &str = "\
    INSERT INTO readers (id, serial, kind, merchant_id, endpoint_id, group_id, key_set_id, \
           device_id, state, last_counter) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const SET_READER_STATE: &str = "UPDATE readers SET state = $2 WHERE id = $1";

impl Store {
    /// The merchant with this login.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn merchant_by_login(
        &self,
        login: &str,
    ) -> Result<Option<MerchantRecord>, StoreError> {
        let row = sqlx::query(MERCHANT_BY_LOGIN).bind(login).fetch_optional(&self.reads).await?;
        row.as_ref().map(merchant_from).transpose()
    }

    /// The merchant with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn merchant(&self, id: MerchantId) -> Result<Option<MerchantRecord>, StoreError> {
        let row = sqlx::query(MERCHANT_BY_ID).bind(id.0).fetch_optional(&self.reads).await?;
        row.as_ref().map(merchant_from).transpose()
    }

    /// The endpoint with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        let row = sqlx::query(ENDPOINT).bind(id.0).fetch_optional(&self.reads).await?;
        row.as_ref().map(endpoint_from).transpose()
    }

    /// The merchant whose group this is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn group_owner(&self, group: GroupId) -> Result<Option<MerchantId>, StoreError> {
        let owner: Option<i64> =
            sqlx::query_scalar(GROUP_OWNER).bind(group.0).fetch_optional(&self.reads).await?;
        Ok(owner.map(MerchantId))
    }

    /// The key set with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn key_set(&self, id: KeySetId) -> Result<Option<KeySetRecord>, StoreError> {
        let row = sqlx::query(KEY_SET).bind(id.0).fetch_optional(&self.reads).await?;
        let read = |row: AnyRow| {
            Ok(KeySetRecord {
                id: KeySetId(row.try_get("id")?),
                prefix: bytes(&row.try_get::<String, _>("prefix")?, "key set prefix")?,
                base_key_sealed: row.try_get("base_key_sealed")?,
            })
        };
        row.map(read).transpose()
    }

    /// The reader with this serial.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn reader(&self, serial: &str) -> Result<Option<Reader>, StoreError> {
        let row = sqlx::query(READER).bind(serial).fetch_optional(&self.reads).await?;
        row.as_ref().map(reader_from).transpose()
    }

    /// All readers of a merchant, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn readers_of(&self, merchant: MerchantId) -> Result<Vec<Reader>, StoreError> {
        let rows = sqlx::query(READERS).bind(merchant.0).fetch_all(&self.reads).await?;
        rows.iter().map(reader_from).collect()
    }

    /// Adds a merchant.
    ///
    /// # Errors
    /// When it is there already or the database cannot be written.
    pub async fn add_merchant(
        &self,
        merchant: &MerchantRecord,
        now: Millis,
    ) -> Result<(), StoreError> {
        sqlx::query(INSERT_MERCHANT)
            .bind(merchant.id.0)
            .bind(&merchant.login)
            .bind(&merchant.control_key_sealed)
            .bind(now)
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// Adds a group of a merchant's endpoints.
    ///
    /// # Errors
    /// When it is there already or the database cannot be written.
    pub async fn add_group(&self, group: GroupId, merchant: MerchantId) -> Result<(), StoreError> {
        sqlx::query(INSERT_GROUP).bind(group.0).bind(merchant.0).execute(&self.writes).await?;
        Ok(())
    }

    /// Adds an endpoint.
    ///
    /// # Errors
    /// When it is there already or the database cannot be written.
    pub async fn add_endpoint(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        sqlx::query(INSERT_ENDPOINT)
            .bind(endpoint.id.0)
            .bind(endpoint.merchant.0)
            .bind(endpoint.group.map(|group| group.0))
            .bind(endpoint.currency.alpha())
            .bind(i64::from(endpoint.enabled))
            .bind(i64::from(endpoint.strict_validation))
            .bind(i64::from(endpoint.sandbox))
            .bind(endpoint.callback_url.clone())
            .bind(endpoint.amount_limits_minor.0)
            .bind(endpoint.amount_limits_minor.1)
            .bind(&endpoint.terminal_id)
            .bind(&endpoint.descriptor)
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// Changes what may change about an endpoint: enabled, strictness, callback address.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn change_endpoint(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        sqlx::query(UPDATE_ENDPOINT)
            .bind(endpoint.id.0)
            .bind(i64::from(endpoint.enabled))
            .bind(i64::from(endpoint.strict_validation))
            .bind(endpoint.callback_url.clone())
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// Adds a key set.
    ///
    /// # Errors
    /// When it is there already or the database cannot be written.
    pub async fn add_key_set(&self, set: &KeySetRecord) -> Result<(), StoreError> {
        sqlx::query(INSERT_KEY_SET)
            .bind(set.id.0)
            .bind(hex::encode_upper(set.prefix))
            .bind(&set.base_key_sealed)
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// Adds a reader.
    ///
    /// # Errors
    /// When it is there already or the database cannot be written.
    pub async fn add_reader(&self, reader: &Reader) -> Result<(), StoreError> {
        sqlx::query(INSERT_READER)
            .bind(reader.id.0)
            .bind(&reader.serial)
            .bind(&reader.kind)
            .bind(reader.merchant.0)
            .bind(reader.endpoint.map(|endpoint| endpoint.0))
            .bind(reader.group.map(|group| group.0))
            .bind(reader.key_set.0)
            .bind(hex::encode_upper(reader.device_id))
            .bind(reader.state.name())
            .bind(reader.last_counter)
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// Moves a reader to another state.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_reader_state(
        &self,
        reader: ReaderId,
        state: ReaderState,
    ) -> Result<(), StoreError> {
        sqlx::query(SET_READER_STATE)
            .bind(reader.0)
            .bind(state.name())
            .execute(&self.writes)
            .await?;
        Ok(())
    }
}

fn merchant_from(row: &AnyRow) -> Result<MerchantRecord, StoreError> {
    Ok(MerchantRecord {
        id: MerchantId(row.try_get("id")?),
        login: row.try_get("login")?,
        control_key_sealed: row.try_get("control_key_sealed")?,
    })
}

fn endpoint_from(row: &AnyRow) -> Result<Endpoint, StoreError> {
    let flag = |column: &str| row.try_get::<i64, _>(column).map(|value| value != 0);
    let currency = row.try_get::<String, _>("currency")?;
    Ok(Endpoint {
        id: EndpointId(row.try_get("id")?),
        merchant: MerchantId(row.try_get("merchant_id")?),
        group: row.try_get::<Option<i64>, _>("group_id")?.map(GroupId),
        currency: Currency::from_alpha(&currency).ok_or_else(|| corrupt("currency"))?,
        enabled: flag("enabled")?,
        strict_validation: flag("strict_validation")?,
        sandbox: flag("sandbox")?,
        callback_url: row.try_get("callback_url")?,
        amount_limits_minor: (
            row.try_get("amount_least_minor")?,
            row.try_get("amount_most_minor")?,
        ),
        terminal_id: row.try_get("terminal_id")?,
        descriptor: row.try_get("descriptor")?,
    })
}

fn reader_from(row: &AnyRow) -> Result<Reader, StoreError> {
    let state = row.try_get::<String, _>("state")?;
    Ok(Reader {
        id: ReaderId(row.try_get("id")?),
        serial: row.try_get("serial")?,
        kind: row.try_get("kind")?,
        merchant: MerchantId(row.try_get("merchant_id")?),
        endpoint: row.try_get::<Option<i64>, _>("endpoint_id")?.map(EndpointId),
        group: row.try_get::<Option<i64>, _>("group_id")?.map(GroupId),
        key_set: KeySetId(row.try_get("key_set_id")?),
        key_set_prefix: bytes(&row.try_get::<String, _>("prefix")?, "key set prefix")?,
        device_id: bytes(&row.try_get::<String, _>("device_id")?, "device id")?,
        state: ReaderState::from_name(&state).ok_or_else(|| corrupt("reader state"))?,
        last_counter: row.try_get("last_counter")?,
    })
}

fn bytes<const N: usize>(text: &str, what: &str) -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| corrupt(what))?;
    Ok(bytes)
}
