//! The rules about readers: who may use one, and why its counter must rise.

use super::ids::{EndpointId, GroupId, KeySetId, MerchantId, ReaderId};
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

/// A reader as the registry knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reader {
    pub id: ReaderId,
    pub serial: String,
    /// The kind of device, for example `sim`: decides which messages it may send.
    pub kind: String,
    pub merchant: MerchantId,
    /// The one endpoint it serves, or …
    pub endpoint: Option<EndpointId>,
    /// … the group whose endpoints it serves.
    pub group: Option<GroupId>,
    pub key_set: KeySetId,
    /// The first three bytes of its KSN, which name the key set.
    pub key_set_prefix: [u8; 3],
    /// The four bytes of the KSN that name the device.
    pub device_id: [u8; 4],
    pub state: ReaderState,
    /// The counter of the last accepted message; the next one must be higher.
    pub last_counter: i64,
}

/// The last counter of the `sim` profile, whose KSN ends in three counter bytes (MAPI 4.8).
pub const LAST_COUNTER: i64 = 0x00FF_FFFF;

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

    /// Whether this kind of reader sends messages of this `encrypted-type`. The `sim` cipher also
    /// travels in Spire's container (MAPI 4.8).
    #[must_use]
    pub fn may_send(&self, encrypted_type: &str) -> bool {
        matches!((self.kind.as_str(), encrypted_type), ("sim", "sim" | "spire"))
    }

    /// Whether a message with this counter is fresh. The store checks once more, in the
    /// transaction that records the new counter.
    ///
    /// # Errors
    /// A repeated or fallen counter, and a reader that has none left.
    pub fn admit_counter(&self, counter: i64) -> Result<(), Refusal> {
        if counter <= self.last_counter {
            return Err(Refusal::CounterReplayed);
        }
        if counter > LAST_COUNTER {
            return Err(Refusal::ReaderExhausted);
        }
        Ok(())
    }
}
