//! The rules about readers: who may use one, and why its counter must rise.

use super::Millis;
use super::ids::{EndpointId, GroupId, KeySetId, MerchantId, ReaderId};
use super::key_set::Cipher;
use super::ksn::Ksn;
use super::merchant::Endpoint;
use super::refusal::Refusal;

/// The life of a reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReaderState {
    /// Registered; its key is injected but it has sent nothing yet.
    New,
    Active,
    Blocked,
    Lost,
}

impl ReaderState {
    const ALL: [Self; 4] = [Self::New, Self::Active, Self::Blocked, Self::Lost];

    /// The stored spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Blocked => "blocked",
            Self::Lost => "lost",
        }
    }

    /// The state with this stored spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// The kind of device, which decides how its messages are laid out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReaderKind {
    /// Our own profile (MAPI 4.8).
    Sim,
    /// Spire `SPm2` and `SPm20` (MAPI 4.2, 4.3).
    Spire,
    /// Miura M006 to M010 (MAPI 4.4).
    Miura,
    /// A phone whose codes are scanned (MAPI 4.5).
    QrCode,
}

impl ReaderKind {
    /// Every kind there is.
    pub const ALL: [Self; 4] = [Self::Sim, Self::Spire, Self::Miura, Self::QrCode];

    /// The stored spelling, and the `encrypted-type` that its apps send.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Spire => "spire",
            Self::Miura => "miura",
            Self::QrCode => "mc-qrcode",
        }
    }

    /// The kind of this spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A reader as the registry knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reader {
    pub id: ReaderId,
    /// As the reader tells it: 1 to 32 graphic ASCII characters.
    pub serial: String,
    pub kind: ReaderKind,
    pub merchant: MerchantId,
    /// The one endpoint it serves, or …
    pub endpoint: Option<EndpointId>,
    /// … the group whose endpoints it serves.
    pub group: Option<GroupId>,
    pub key_set: KeySetId,
    /// How its key set encrypts.
    pub cipher: Cipher,
    /// The first bytes of its KSN, which name the key set.
    pub key_set_prefix: Vec<u8>,
    /// Its KSN with a counter of zero.
    pub initial_ksn: Ksn,
    pub state: ReaderState,
    /// The counter of the last accepted message; the next one must be higher.
    pub last_counter: i64,
    /// When its initial key was handed out for injection.
    pub injected_at: Option<Millis>,
}

impl Reader {
    /// Whether this reader may be used at the endpoint. Another merchant's reader is answered
    /// like one that nobody registered, so that serials cannot be probed.
    ///
    /// # Errors
    /// Unknown to this merchant, disabled, or assigned elsewhere.
    pub fn admit(&self, endpoint: &Endpoint) -> Result<(), Refusal> {
        if self.merchant != endpoint.merchant {
            return Err(Refusal::ReaderNotRegistered);
        }
        if matches!(self.state, ReaderState::Blocked | ReaderState::Lost) {
            return Err(Refusal::ReaderDisabled);
        }
        let by_endpoint = self.endpoint == Some(endpoint.id);
        let by_group = self.group.is_some() && self.group == endpoint.group;
        if !by_endpoint && !by_group {
            return Err(Refusal::ReaderNotAssigned);
        }
        Ok(())
    }

    /// Whether this reader sends messages of this `encrypted-type`. The `sim` cipher also travels
    /// in Spire's container (MAPI 4.8).
    #[must_use]
    pub fn may_send(&self, encrypted_type: &str) -> bool {
        let as_spire = self.cipher == Cipher::AesGcm && encrypted_type == "spire";
        self.kind.name() == encrypted_type || (self.kind == ReaderKind::Sim && as_spire)
    }

    /// Whether a KSN is one of this reader's.
    ///
    /// # Errors
    /// `UnknownKeySet` for a KSN of other keys, `DecryptionFailed` for one of another device.
    pub fn admit_ksn(&self, ksn: Ksn) -> Result<(), Refusal> {
        if !ksn.as_bytes().starts_with(&self.key_set_prefix) {
            return Err(Refusal::UnknownKeySet);
        }
        if ksn.with_counter(self.cipher, 0) != Some(self.initial_ksn) {
            return Err(Refusal::DecryptionFailed);
        }
        Ok(())
    }

    /// Whether a message with this counter is fresh. The store checks once more, in the
    /// transaction that records the new counter.
    ///
    /// # Errors
    /// A reader that has no counter left, a repeated or fallen counter, one for which no key
    /// exists, and one that is further ahead than `most_ahead`.
    pub fn admit_counter(&self, counter: u32, most_ahead: Option<u32>) -> Result<(), Refusal> {
        if self.is_exhausted() {
            return Err(Refusal::ReaderExhausted);
        }
        let ahead = i64::from(counter) - self.last_counter;
        if ahead <= 0 {
            return Err(Refusal::CounterReplayed);
        }
        if !self.cipher.is_legal_counter(counter) {
            return Err(Refusal::InvalidEncryptedData);
        }
        match most_ahead {
            Some(most) if ahead > i64::from(most) => Err(Refusal::CounterJumped),
            _ => Ok(()),
        }
    }

    /// Whether the reader has used the last key of its life.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.last_counter >= i64::from(self.cipher.last_counter())
    }

    /// Where the reader is in its life: `new`, `active`, `exhausted`, `blocked` or `lost`.
    #[must_use]
    pub fn life(&self) -> &'static str {
        match self.state {
            ReaderState::New | ReaderState::Active if self.is_exhausted() => "exhausted",
            state => state.name(),
        }
    }
}
