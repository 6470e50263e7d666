//! Merchants, endpoints, readers and key sets, their secrets opened, remembered for a moment so
//! that not every request asks the database for them.

use super::key_store::{KeyStoreError, ReaderKeys};
use super::terminals::KnownTerminal;
use super::webhook_signing::Signing;
use super::{Failure, Gateway};
use crate::payment::ids::{EndpointId, GroupId, KeySetId, MerchantId};
use crate::payment::key_set::Exportability;
use crate::payment::merchant::Endpoint;
use crate::payment::money::Currency;
use crate::payment::pin_format::PinFormat;
use crate::payment::reader::Reader;
use crate::payment::{Millis, SECOND};
use crate::store::{KeySetRecord, MerchantRecord};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

/// How old a remembered entry may be: the longest time for which a change made by another
/// instance is not seen here.
const FRESH: Millis = SECOND;
/// When more than this many are remembered all are forgotten.
const REMEMBERED_MAX: usize = 100_000;

/// A merchant with its control key opened. Unprintable.
pub struct Merchant {
    pub id: MerchantId,
    pub login: String,
    /// The secret of signatures and controls.
    pub control_key: Zeroizing<String>,
    /// The one before, and until when it still proves who calls.
    pub old_control_key: Option<(Zeroizing<String>, Millis)>,
}

impl Merchant {
    /// The keys by which the merchant may prove itself now, the present one first.
    pub fn good_keys(&self, now: Millis) -> impl Iterator<Item = &str> {
        let old = self.old_control_key.as_ref().filter(|(_, until)| now < *until);
        std::iter::once(self.control_key.as_str()).chain(old.map(|(key, _)| key.as_str()))
    }
}

/// A key set whose keys are ready for use.
pub(super) struct KeySet {
    pub(super) keys: Arc<dyn ReaderKeys>,
    /// What its readers may send PIN blocks in.
    pub(super) pin_formats: Vec<PinFormat>,
    /// What the key store has opened the keys with.
    pub(super) exportability: Exportability,
}

/// What is remembered.
pub(super) struct Registry {
    logins: Memory<String, Arc<Merchant>>,
    merchants: Memory<i64, Arc<Merchant>>,
    endpoints: Memory<i64, Arc<Endpoint>>,
    key_sets: Memory<i64, Arc<KeySet>>,
    readers: Memory<String, Arc<Reader>>,
    shut_gates: Memory<i64, bool>,
    pub(super) terminals: Memory<String, Arc<KnownTerminal>>,
    pub(super) currencies: Memory<(GroupId, Currency), Arc<Endpoint>>,
    pub(super) callback_stops: Memory<i64, bool>,
    pub(super) signings: Memory<i64, Arc<Signing>>,
}

impl Registry {
    pub(super) fn new() -> Self {
        Self {
            logins: Memory::new(),
            merchants: Memory::new(),
            endpoints: Memory::new(),
            key_sets: Memory::new(),
            readers: Memory::new(),
            shut_gates: Memory::new(),
            terminals: Memory::new(),
            currencies: Memory::new(),
            callback_stops: Memory::new(),
            signings: Memory::new(),
        }
    }

    /// Forgets everything, after this process changed the registry.
    pub(super) fn forget(&self) {
        self.logins.clear();
        self.merchants.clear();
        self.endpoints.clear();
        self.key_sets.clear();
        self.readers.clear();
        self.signings.clear();
        self.terminals.clear();
        self.currencies.clear();
    }
}

impl Gateway {
    /// The merchant with this login.
    ///
    /// # Errors
    /// When the database cannot be read or the key was sealed under another master key.
    pub async fn merchant_by_login(&self, login: &str) -> Result<Option<Arc<Merchant>>, Failure> {
        let now = self.clock().now();
        if let Some(known) = self.registry.logins.get(login, now) {
            return Ok(Some(known));
        }
        self.merchant_now(login).await
    }

    /// The merchant with this id. Errors as [`Gateway::merchant_by_login`].
    pub(super) async fn merchant(&self, id: MerchantId) -> Result<Arc<Merchant>, Failure> {
        let now = self.clock().now();
        if let Some(known) = self.registry.merchants.get(&id.0, now) {
            return Ok(known);
        }
        let record = self.store().merchant(id).await?;
        let record = record.ok_or_else(|| Failure::Internal(format!("no merchant {id}")))?;
        let merchant = Arc::new(self.open_merchant(record)?);
        self.registry.merchants.put(id.0, Arc::clone(&merchant), now);
        Ok(merchant)
    }

    /// The endpoint with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn endpoint(&self, id: EndpointId) -> Result<Option<Arc<Endpoint>>, Failure> {
        let now = self.clock().now();
        if let Some(known) = self.registry.endpoints.get(&id.0, now) {
            return Ok(Some(known));
        }
        let Some(endpoint) = self.store().endpoint(id).await?.map(Arc::new) else {
            return Ok(None);
        };
        self.registry.endpoints.put(id.0, Arc::clone(&endpoint), now);
        Ok(Some(endpoint))
    }

    /// Whether the endpoint's gate is shut because its day is being closed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) async fn is_gate_shut(&self, id: EndpointId) -> Result<bool, Failure> {
        let now = self.clock().now();
        if let Some(known) = self.registry.shut_gates.get(&id.0, now) {
            return Ok(known);
        }
        let gate = self.store().gate(id).await?;
        let shut = gate.is_some_and(|gate| gate.closing.is_some());
        self.registry.shut_gates.put(id.0, shut, now);
        Ok(shut)
    }

    /// The merchant that owns the group.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn group_owner(&self, group: GroupId) -> Result<Option<MerchantId>, Failure> {
        Ok(self.store().group_owner(group).await?)
    }

    /// The reader with this serial. Its counter may have risen since; the store checks again.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn reader(&self, serial: &str) -> Result<Option<Arc<Reader>>, Failure> {
        let now = self.clock().now();
        if let Some(known) = self.registry.readers.get(serial, now) {
            return Ok(Some(known));
        }
        let Some(reader) = self.store().reader(serial).await?.map(Arc::new) else {
            return Ok(None);
        };
        self.registry.readers.put(serial.to_owned(), Arc::clone(&reader), now);
        Ok(Some(reader))
    }

    /// A key set, ready for use.
    pub(super) async fn key_set(&self, id: KeySetId) -> Result<Arc<KeySet>, Failure> {
        let now = self.clock().now();
        if let Some(known) = self.registry.key_sets.get(&id.0, now) {
            return Ok(known);
        }
        let record = self.store().key_set(id).await?;
        let record = record.ok_or_else(|| Failure::Internal(format!("no key set {id}")))?;
        let KeySetRecord { cipher, pin_formats, exportability, base_key_sealed, .. } = record;
        let keys = self.parts.key_store.take_up(id, cipher, exportability, &base_key_sealed);
        let keys = keys.await.map_err(|error| match error {
            KeyStoreError::Away(_) => Failure::Unavailable(error.to_string()),
            _ => sealed_otherwise("key set", &error),
        })?;
        let set = Arc::new(KeySet { keys, pin_formats, exportability });
        self.registry.key_sets.put(id.0, Arc::clone(&set), now);
        Ok(set)
    }

    /// The merchant as the database has it now: another instance may just have changed its key.
    ///
    /// # Errors
    /// As [`Gateway::merchant_by_login`].
    pub async fn merchant_now(&self, login: &str) -> Result<Option<Arc<Merchant>>, Failure> {
        let Some(record) = self.store().merchant_by_login(login).await? else {
            return Ok(None);
        };
        let merchant = Arc::new(self.open_merchant(record)?);
        let now = self.clock().now();
        self.registry.logins.put(login.to_owned(), Arc::clone(&merchant), now);
        Ok(Some(merchant))
    }

    fn open_merchant(&self, record: MerchantRecord) -> Result<Merchant, Failure> {
        let MerchantRecord { id, login, control_key_sealed, old_control_key } = record;
        let open = |sealed: &[u8]| {
            let opened = self.parts.keys.open_control_key(id, sealed);
            opened.map_err(|error| sealed_otherwise("merchant", &error))
        };
        let old_control_key = match old_control_key {
            Some((sealed, until)) => Some((open(&sealed)?, until)),
            None => None,
        };
        Ok(Merchant { id, login, control_key: open(&control_key_sealed)?, old_control_key })
    }

    /// Makes it visible here at once that a gate was shut or opened.
    pub(super) fn forget_gates(&self) {
        self.registry.shut_gates.clear();
    }

    /// Makes changes to the registry visible here at once.
    pub(super) fn forget_registry(&self) {
        self.registry.forget();
    }
}

fn sealed_otherwise(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::Internal(format!("the {what}'s key does not open under this master key: {error}"))
}

/// Values with the moment they were read at.
pub(super) struct Memory<K, V>(RwLock<HashMap<K, (V, Millis)>>);

impl<K: Eq + Hash, V: Clone> Memory<K, V> {
    fn new() -> Self {
        Self(RwLock::new(HashMap::new()))
    }

    pub(super) fn get<Q>(&self, key: &Q, now: Millis) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (value, read_at) = entries.get(key)?;
        (now - read_at < FRESH).then(|| value.clone())
    }

    pub(super) fn put(&self, key: K, value: V, now: Millis) {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= REMEMBERED_MAX {
            entries.clear();
        }
        entries.insert(key, (value, now));
    }

    pub(super) fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
