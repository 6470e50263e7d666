//! Key sets and readers. Base keys lie here sealed; the store never sees them open.

use super::sql::{Row, Statement, sql};
use super::{Store, StoreError, corrupt};
use crate::payment::Millis;
use crate::payment::ids::{EndpointId, GroupId, KeySetId, MerchantId, ReaderId};
use crate::payment::key_set::{Cipher, Exportability};
use crate::payment::ksn::Ksn;
use crate::payment::pin_format::PinFormat;
use crate::payment::reader::{Reader, ReaderKind, ReaderState};

/// A key set as stored.
#[derive(Clone)]
pub struct KeySetRecord {
    pub id: KeySetId,
    /// The first bytes of every KSN of the set.
    pub prefix: Vec<u8>,
    pub cipher: Cipher,
    /// What its readers may send PIN blocks in.
    pub pin_formats: Vec<PinFormat>,
    /// How far its base key may travel. The key store binds the key to this, so that what somebody
    /// changes here opens nothing.
    pub exportability: Exportability,
    pub base_key_sealed: Vec<u8>,
}

macro_rules! select_key_set {
    ($tail:literal) => {
        concat!(
            "SELECT id, prefix, cipher, variant, pin_formats, exportability, base_key_sealed \
             FROM key_sets ",
            $tail
        )
    };
}

macro_rules! select_reader {
    ($tail:literal) => {
        concat!(
            "SELECT r.id, r.serial, r.kind, r.merchant_id, r.endpoint_id, r.group_id, \
                    r.key_set_id, k.cipher, k.variant, k.prefix, r.initial_ksn, r.state, \
                    r.last_counter, r.injected_at \
             FROM readers AS r JOIN key_sets AS k ON k.id = r.key_set_id ",
            $tail
        )
    };
}

const KEY_SET: &str = select_key_set!("WHERE id = $1");
const KEY_SETS: &str = select_key_set!("ORDER BY id");
const READER: &str = select_reader!("WHERE r.serial = $1");
const READER_BY_KSN: &str = select_reader!("WHERE r.initial_ksn = $1");
const READERS_OF: &str = select_reader!("WHERE r.merchant_id = $1 ORDER BY r.id");
const READERS: &str = select_reader!("WHERE r.id > $1 ORDER BY r.id LIMIT $2");
const INSERT_KEY_SET: &str = "\
    INSERT INTO key_sets (id, prefix, cipher, variant, pin_formats, exportability, \
           base_key_sealed) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const INSERT_READER: &str = "\
    INSERT INTO readers (id, serial, kind, merchant_id, endpoint_id, group_id, key_set_id, \
           initial_ksn, state, last_counter, injected_at, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const CHANGE_READER: &str = "\
    UPDATE readers SET state = $2, merchant_id = $3, endpoint_id = $4, group_id = $5 WHERE id = $1";
const READER_WITH_KSN: &str = "SELECT serial FROM readers WHERE initial_ksn = $1";
const KSN_RETIRED: &str = "SELECT initial_ksn FROM retired_ksns WHERE initial_ksn = $1";
/// Whoever else changed the state meanwhile was first.
const SET_STATE: &str = "UPDATE readers SET state = $3 WHERE id = $1 AND state = $2";
const ASSIGN: &str = "\
    UPDATE readers SET merchant_id = $2, endpoint_id = $3, group_id = $4 \
    WHERE id = $1 AND state <> 'lost'";
/// The key is handed out to one caller only.
const NOTE_INJECTION: &str = "\
    UPDATE readers SET injected_at = $2 \
    WHERE id = $1 AND injected_at IS NULL AND initial_ksn = $3 AND state IN ('new', 'active')";
/// A key has one life only: its KSN never comes back.
const RETIRE_KSN: &str = "\
    INSERT INTO retired_ksns (initial_ksn, reader_id, retired_at) \
    SELECT initial_ksn, id, $3 FROM readers \
    WHERE id = $1 AND initial_ksn = $2 AND state IN ('new', 'active') \
    ON CONFLICT DO NOTHING";
/// A new key begins a new count.
const REPLACE_KEY: &str = "\
    UPDATE readers SET key_set_id = $2, initial_ksn = $3, last_counter = 0, injected_at = NULL, \
           state = 'new' \
    WHERE id = $1 AND initial_ksn = $4 AND state IN ('new', 'active')";

impl Store {
    /// The key set with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn key_set(&self, id: KeySetId) -> Result<Option<KeySetRecord>, StoreError> {
        self.row(sql(KEY_SET).bind(id.0)).await?.map(key_set_from).transpose()
    }

    /// All key sets, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn key_sets(&self) -> Result<Vec<KeySetRecord>, StoreError> {
        self.rows(sql(KEY_SETS)).await?.into_iter().map(key_set_from).collect()
    }

    /// Adds a key set.
    ///
    /// # Errors
    /// When it is there already or the database cannot be written.
    pub async fn add_key_set(&self, set: &KeySetRecord) -> Result<(), StoreError> {
        self.change(vec![insert_key_set(set)]).await.map(drop)
    }

    /// The reader with this serial.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn reader(&self, serial: &str) -> Result<Option<Reader>, StoreError> {
        self.row(sql(READER).bind(serial)).await?.map(reader_from).transpose()
    }

    /// The reader with this KSN, its counter zero.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn reader_by_ksn(&self, initial: Ksn) -> Result<Option<Reader>, StoreError> {
        let row = self.row(sql(READER_BY_KSN).bind(initial.to_string())).await?;
        row.map(reader_from).transpose()
    }

    /// All readers of a merchant, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn readers_of(&self, merchant: MerchantId) -> Result<Vec<Reader>, StoreError> {
        let rows = self.rows(sql(READERS_OF).bind(merchant.0)).await?;
        rows.into_iter().map(reader_from).collect()
    }

    /// So many readers with higher numbers than `after`, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn readers_after(
        &self,
        after: ReaderId,
        most: u32,
    ) -> Result<Vec<Reader>, StoreError> {
        let rows = self.rows(sql(READERS).bind(after.0).bind(i64::from(most))).await?;
        rows.into_iter().map(reader_from).collect()
    }

    /// Adds a reader.
    ///
    /// # Errors
    /// When it is there already or the database cannot be written.
    pub async fn add_reader(&self, reader: &Reader, now: Millis) -> Result<(), StoreError> {
        let statement = sql(INSERT_READER)
            .bind(reader.id.0)
            .bind(reader.serial.as_str())
            .bind(reader.kind.name())
            .bind(reader.merchant.0)
            .bind(reader.endpoint.map(|endpoint| endpoint.0))
            .bind(reader.group.map(|group| group.0))
            .bind(reader.key_set.0)
            .bind(reader.initial_ksn.to_string())
            .bind(reader.state.name())
            .bind(reader.last_counter)
            .bind(reader.injected_at)
            .bind(now);
        self.change(vec![statement]).await.map(drop)
    }

    /// Changes a reader's state and whom it serves.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn change_reader(&self, reader: &Reader) -> Result<(), StoreError> {
        let statement = sql(CHANGE_READER)
            .bind(reader.id.0)
            .bind(reader.state.name())
            .bind(reader.merchant.0)
            .bind(reader.endpoint.map(|endpoint| endpoint.0))
            .bind(reader.group.map(|group| group.0));
        self.change(vec![statement]).await.map(drop)
    }

    /// Notes that a reader's initial key is handed out. `false` if it was before.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn note_injection(&self, reader: &Reader, now: Millis) -> Result<bool, StoreError> {
        let statement =
            sql(NOTE_INJECTION).bind(reader.id.0).bind(now).bind(reader.initial_ksn.to_string());
        Ok(self.change(vec![statement]).await?.changed > 0)
    }

    /// Gives a reader the key set and the initial KSN of `rekeyed`: it counts from zero again and
    /// waits for its key. `false` if it is blocked or lost.
    ///
    /// # Errors
    /// When somebody else did so meanwhile, the KSN is another reader's, or the database cannot be
    /// written.
    pub async fn replace_key(
        &self,
        reader: &Reader,
        rekeyed: &Reader,
        now: Millis,
    ) -> Result<bool, StoreError> {
        let old = reader.initial_ksn.to_string();
        let retire = sql(RETIRE_KSN).bind(reader.id.0).bind(old.as_str()).bind(now);
        let replace = sql(REPLACE_KEY)
            .bind(reader.id.0)
            .bind(rekeyed.key_set.0)
            .bind(rekeyed.initial_ksn.to_string())
            .bind(old);
        Ok(self.change(vec![retire, replace]).await?.changed > 0)
    }

    /// Changes a reader's state from one to another. `false` if it was not in the first.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_reader_state(
        &self,
        reader: ReaderId,
        from: ReaderState,
        to: ReaderState,
    ) -> Result<bool, StoreError> {
        let statement = sql(SET_STATE).bind(reader.0).bind(from.name()).bind(to.name());
        Ok(self.change(vec![statement]).await?.changed > 0)
    }

    /// Changes whom a reader serves. `false` if it is lost.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn assign_reader(&self, reader: &Reader) -> Result<bool, StoreError> {
        let statement = sql(ASSIGN)
            .bind(reader.id.0)
            .bind(reader.merchant.0)
            .bind(reader.endpoint.map(|endpoint| endpoint.0))
            .bind(reader.group.map(|group| group.0));
        Ok(self.change(vec![statement]).await?.changed > 0)
    }

    /// Whether a reader has or had this initial KSN.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn is_ksn_used(&self, ksn: Ksn) -> Result<bool, StoreError> {
        let text = ksn.to_string();
        let used = self.row(sql(READER_WITH_KSN).bind(text.as_str())).await?.is_some();
        Ok(used || self.row(sql(KSN_RETIRED).bind(text)).await?.is_some())
    }
}

/// The statement that adds a key set.
pub(super) fn insert_key_set(set: &KeySetRecord) -> Statement {
    sql(INSERT_KEY_SET)
        .bind(set.id.0)
        .bind(hex::encode_upper(&set.prefix))
        .bind(set.cipher.name())
        .bind(set.cipher.variant().map(str::to_owned))
        .bind(pin_names(&set.pin_formats))
        .bind(set.exportability.letter().to_string())
        .bind(&*set.base_key_sealed)
}

fn key_set_from(mut row: Row) -> Result<KeySetRecord, StoreError> {
    Ok(KeySetRecord {
        id: KeySetId(row.int()?),
        prefix: hex::decode(row.text()?).map_err(|_| corrupt("key set prefix"))?,
        cipher: cipher(&mut row)?,
        pin_formats: pin_formats(&row.text()?)?,
        exportability: Exportability::from_text(&row.text()?)
            .ok_or_else(|| corrupt("exportability"))?,
        base_key_sealed: row.bytes()?,
    })
}

fn reader_from(mut row: Row) -> Result<Reader, StoreError> {
    Ok(Reader {
        id: ReaderId(row.int()?),
        serial: row.text()?,
        kind: ReaderKind::from_name(&row.text()?).ok_or_else(|| corrupt("reader kind"))?,
        merchant: MerchantId(row.int()?),
        endpoint: row.optional_int()?.map(EndpointId),
        group: row.optional_int()?.map(GroupId),
        key_set: KeySetId(row.int()?),
        cipher: cipher(&mut row)?,
        key_set_prefix: hex::decode(row.text()?).map_err(|_| corrupt("key set prefix"))?,
        initial_ksn: Ksn::from_hex(&row.text()?).ok_or_else(|| corrupt("initial KSN"))?,
        state: ReaderState::from_name(&row.text()?).ok_or_else(|| corrupt("reader state"))?,
        last_counter: row.int()?,
        injected_at: row.optional_int()?,
    })
}

fn cipher(row: &mut Row) -> Result<Cipher, StoreError> {
    let (name, variant) = (row.text()?, row.optional_text()?);
    Cipher::from_names(&name, variant.as_deref()).ok_or_else(|| corrupt("cipher"))
}

pub(super) fn pin_formats(names: &str) -> Result<Vec<PinFormat>, StoreError> {
    let names = names.split(',').filter(|name| !name.is_empty());
    names.map(|name| PinFormat::from_name(name).ok_or_else(|| corrupt("PIN format"))).collect()
}

/// Formats of PIN blocks as they are stored, parted by commas.
pub(super) fn pin_names(formats: &[PinFormat]) -> String {
    let names: Vec<_> = formats.iter().map(|format| format.name()).collect();
    names.join(",")
}
