//! The life of a reader: registered, given its key, assigned, blocked, lost.

use super::RegistryError;
use super::key_sets::Known;
use crate::crypto::block_key::CHECK_VALUE_LEN;
use crate::gateway::Gateway;
use crate::payment::ids::{EndpointId, GroupId, KeySetId, MerchantId, ReaderId, TransportKeyId};
use crate::payment::ksn::Ksn;
use crate::payment::reader::{Reader, ReaderKind, ReaderState};
use crate::store::Numbered;
use zeroize::Zeroizing;

/// Characters of a serial.
const SERIAL_MAX: usize = 32;

/// Where a reader serves: at one of a merchant's endpoints, or at all of one of its groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The merchant's login.
    pub merchant: String,
    pub endpoint: Option<EndpointId>,
    pub group: Option<GroupId>,
}

/// A reader to be registered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewReader {
    pub serial: String,
    pub kind: ReaderKind,
    pub place: Place,
    pub key_set: KeySetId,
    /// Its number among the devices of the key set, or …
    pub device: Option<u32>,
    /// … its whole KSN with a counter of zero.
    pub initial_ksn: Option<Ksn>,
}

/// Which key a reader is to have, and how it is to be handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Injection {
    /// Another key set: the reader is re-keyed first.
    pub key_set: Option<KeySetId>,
    /// Its number among the devices of that set; without one it keeps its own.
    pub device: Option<u32>,
    /// The key comes as a key block under this one; without it, in the clear.
    pub transport_key: Option<TransportKeyId>,
}

/// The key of a reader, to be injected and then forgotten.
pub struct Injected {
    pub reader: Reader,
    pub key: InjectedKey,
    pub check_value: [u8; CHECK_VALUE_LEN],
}

/// An initial key on its way to its reader.
pub enum InjectedKey {
    /// Hexadecimal digits.
    Clear(Zeroizing<String>),
    /// A key block of usage B1.
    Block(String),
}

impl Gateway {
    /// Adds a reader, which waits for its key.
    ///
    /// # Errors
    /// The first thing about it that is wrong; a serial or KSN that is taken.
    pub async fn register_reader(&self, new: &NewReader) -> Result<Reader, RegistryError> {
        let graphic = new.serial.bytes().all(|b| b.is_ascii_graphic());
        if !graphic || !(1..=SERIAL_MAX).contains(&new.serial.len()) {
            let why = "must be 1 to 32 printable ASCII characters without spaces";
            return Err(RegistryError::invalid("serial", why));
        }
        let _turn = self.registry_turn.lock().await;
        if self.store().reader(&new.serial).await?.is_some() {
            return Err(RegistryError::conflict("a reader has this serial"));
        }
        let merchant = self.owner_of(&new.place).await?;
        let set = self.known_key_set(new.key_set).await?;
        let initial_ksn = self.fresh_ksn(&set, new.device, new.initial_ksn).await?;
        let reader = Reader {
            id: ReaderId(self.number(None, Numbered::Readers).await?),
            serial: new.serial.clone(),
            kind: new.kind,
            merchant,
            endpoint: new.place.endpoint,
            group: new.place.group,
            key_set: set.id,
            cipher: set.facts.cipher,
            key_set_prefix: set.facts.prefix,
            initial_ksn,
            state: ReaderState::New,
            last_counter: 0,
            injected_at: None,
        };
        self.enrol_reader(&reader).await?;
        Ok(reader)
    }

    /// So many readers with higher numbers than `after`, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn readers_after(
        &self,
        after: ReaderId,
        most: u32,
    ) -> Result<Vec<Reader>, RegistryError> {
        Ok(self.store().readers_after(after, most).await?)
    }

    /// The reader with this serial, as the database has it now.
    ///
    /// # Errors
    /// When there is none.
    pub async fn known_reader(&self, serial: &str) -> Result<Reader, RegistryError> {
        let found = self.store().reader(serial).await?;
        found.ok_or_else(|| RegistryError::missing("no reader has this serial"))
    }

    /// Lets a reader serve somewhere else, another merchant perhaps.
    ///
    /// # Errors
    /// No such reader or place; a reader that is lost.
    pub async fn assign_reader(
        &self,
        serial: &str,
        place: &Place,
    ) -> Result<Reader, RegistryError> {
        let reader = self.known_reader(serial).await?;
        let merchant = self.owner_of(place).await?;
        let (endpoint, group) = (place.endpoint, place.group);
        if !self.store().assign_reader(&Reader { merchant, endpoint, group, ..reader }).await? {
            return Err(lost());
        }
        self.forget_registry();
        self.known_reader(serial).await
    }

    /// Refuses what a reader sends, until it is unblocked.
    ///
    /// # Errors
    /// No such reader; one that is lost.
    pub async fn block_reader(&self, serial: &str) -> Result<Reader, RegistryError> {
        self.turn_reader(serial, ReaderState::Blocked).await
    }

    /// Refuses what a reader sends, for good.
    ///
    /// # Errors
    /// No such reader.
    pub async fn lose_reader(&self, serial: &str) -> Result<Reader, RegistryError> {
        self.turn_reader(serial, ReaderState::Lost).await
    }

    /// Takes again what a blocked reader sends.
    ///
    /// # Errors
    /// No such reader; one that is lost.
    pub async fn unblock_reader(&self, serial: &str) -> Result<Reader, RegistryError> {
        let reader = self.known_reader(serial).await?;
        let awake = if reader.last_counter > 0 { ReaderState::Active } else { ReaderState::New };
        match reader.state {
            ReaderState::Lost => Err(lost()),
            ReaderState::New | ReaderState::Active => Ok(reader),
            ReaderState::Blocked => self.turn_reader(serial, awake).await,
        }
    }

    /// Hands out a reader's initial key, once. With another key set the reader is given a place
    /// there first: its counter begins again, under keys that it never had.
    ///
    /// # Errors
    /// No such reader, key set or transport key; a reader that is blocked or lost; a transport key
    /// that is too weak; a key that was handed out before.
    pub async fn inject_reader(
        &self,
        serial: &str,
        injection: Injection,
    ) -> Result<Injected, RegistryError> {
        let Injection { key_set, device, transport_key } = injection;
        let reader = self.known_reader(serial).await?;
        if matches!(reader.state, ReaderState::Blocked | ReaderState::Lost) {
            let why = format!("the reader is {}", reader.state.name());
            return Err(RegistryError::conflict(why));
        }
        let rekeyed = match key_set {
            Some(key_set) => self.rekeyed(&reader, key_set, device).await?,
            None => reader.clone(),
        };
        // The key is made before anything is written: one that cannot be made neither re-keys the
        // reader nor counts as handed out.
        let initial = self.initial_key(&rekeyed).await?;
        let key = match transport_key {
            Some(id) => {
                let transport = self.carrier(id, rekeyed.key_set).await?;
                InjectedKey::Block(self.initial_block(&transport, &initial, &rekeyed)?)
            }
            None => InjectedKey::Clear(Zeroizing::new(hex::encode_upper(initial.expose()))),
        };
        self.hand_out(&reader, &rekeyed).await?;
        let check_value = initial.check_value();
        Ok(Injected { reader: self.known_reader(serial).await?, key, check_value })
    }

    /// Writes that a reader's key is handed out, of another set if it is re-keyed.
    async fn hand_out(&self, reader: &Reader, rekeyed: &Reader) -> Result<(), RegistryError> {
        let now = self.clock().now();
        if rekeyed != reader {
            if !self.store().replace_key(reader, rekeyed, now).await? {
                let why = "the reader has just changed; look at it again";
                return Err(RegistryError::conflict(why));
            }
            self.forget_registry();
        }
        if !self.store().note_injection(rekeyed, now).await? {
            let why = "the key was handed out before; name another key_set for a new one";
            return Err(RegistryError::conflict(why));
        }
        self.forget_registry();
        Ok(())
    }

    /// The reader as it will be with a key of this set. If it has a place there already, whose key
    /// nobody got, it is left as it is: whoever re-keyed it was interrupted, or need not have.
    async fn rekeyed(
        &self,
        reader: &Reader,
        key_set: KeySetId,
        device: Option<u32>,
    ) -> Result<Reader, RegistryError> {
        let own = reader.initial_ksn.device(reader.cipher, reader.key_set_prefix.len());
        if reader.key_set == key_set {
            if reader.injected_at.is_none() && (device.is_none() || device == own) {
                return Ok(reader.clone());
            }
            let why = "the reader's keys are of this set; name another one";
            return Err(RegistryError::conflict(why));
        }
        let set = self.known_key_set(key_set).await?;
        let initial_ksn = self.fresh_ksn(&set, device.or(own), None).await?;
        Ok(Reader {
            key_set,
            cipher: set.facts.cipher,
            key_set_prefix: set.facts.prefix,
            initial_ksn,
            state: ReaderState::New,
            last_counter: 0,
            injected_at: None,
            ..reader.clone()
        })
    }

    /// The merchant of the place, if the place is one.
    async fn owner_of(&self, place: &Place) -> Result<MerchantId, RegistryError> {
        let merchant = self.merchant_called(&place.merchant).await?.id;
        let owner = match (place.endpoint, place.group) {
            (Some(endpoint), None) => Some(self.known_endpoint(endpoint).await?.merchant),
            (None, Some(group)) => self.store().group_owner(group).await?,
            _ => {
                let why = "name either an endpoint or a group";
                return Err(RegistryError::invalid("endpoint", why));
            }
        };
        match owner {
            Some(owner) if owner == merchant => Ok(merchant),
            Some(_) => Err(RegistryError::conflict("the place is another merchant's")),
            None => Err(RegistryError::missing("no group has this id")),
        }
    }

    /// A KSN of the set with a counter of zero, which no reader has or had.
    async fn fresh_ksn(
        &self,
        set: &Known,
        device: Option<u32>,
        whole: Option<Ksn>,
    ) -> Result<Ksn, RegistryError> {
        let (cipher, prefix) = (set.facts.cipher, &set.facts.prefix);
        let ksn = match (device, whole) {
            (Some(device), None) => Ksn::of_device(cipher, prefix, device).ok_or_else(|| {
                RegistryError::invalid("device", "does not fit beside the key set's prefix")
            })?,
            (None, Some(ksn)) => ksn,
            _ => {
                let why = "name either a device or an initial_ksn";
                return Err(RegistryError::invalid("device", why));
            }
        };
        let bytes = ksn.as_bytes();
        if bytes.len() != cipher.ksn_len() || !bytes.starts_with(prefix) || ksn.counter(cipher) != 0
        {
            let why = "must begin with the key set's prefix and end with a counter of zero";
            return Err(RegistryError::invalid("initial_ksn", why));
        }
        if self.store().is_ksn_used(ksn).await? {
            return Err(RegistryError::conflict("a reader has or had this KSN"));
        }
        Ok(ksn)
    }

    async fn turn_reader(&self, serial: &str, to: ReaderState) -> Result<Reader, RegistryError> {
        let reader = self.known_reader(serial).await?;
        if reader.state == to {
            return Ok(reader);
        }
        if reader.state == ReaderState::Lost {
            return Err(lost());
        }
        let done = self.store().set_reader_state(reader.id, reader.state, to).await?;
        self.forget_registry();
        match done {
            true => self.known_reader(serial).await,
            false => Err(RegistryError::conflict("the reader has just changed; try again")),
        }
    }
}

fn lost() -> RegistryError {
    RegistryError::conflict("the reader is lost, for good")
}
