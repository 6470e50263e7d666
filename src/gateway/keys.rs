//! The gateway's own keys. Those that seal come from the master keys of the settings; those that
//! must outlive a master key lie in the database, sealed under it.

use crate::clock::Entropy;
use crate::crypto::key_ring::KeyRing;
use crate::crypto::seal::{SealError, SealingKey};
use crate::payment::card::Pan;
use crate::payment::ids::{KeySetId, MerchantId, TerminalId, TransportKeyId};
use crate::payment::key_set::Exportability;
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

/// What lies sealed in the database, each kind under a ring of its own, so that nothing sealed for
/// one purpose opens under another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sealed {
    ControlKey,
    BaseKey,
    CardKey,
    /// The gateway's own keys, see [`OwnKeys`].
    RingKey,
    /// A key of Standard Webhooks.
    WebhookKey,
    /// A custodian's component of a base key or a transport key.
    Component,
    /// A key under which other keys travel.
    TransportKey,
    /// What protects a terminal's messages.
    Passphrase,
}

/// One key for each purpose. It can be replaced while requests are under way.
pub struct Keys {
    rings: RwLock<Arc<Rings>>,
    own: RwLock<Arc<OwnKeys>>,
}

/// The sealing rings, all derived from the master keys.
struct Rings {
    controls: KeyRing,
    bases: KeyRing,
    vault: KeyRing,
    own: KeyRing,
    components: KeyRing,
    webhooks: KeyRing,
    transport: KeyRing,
    passphrases: KeyRing,
}

/// Keys whose results are stored and compared, and which therefore stay when the master key goes.
pub(super) struct OwnKeys {
    /// Card hashes: the present key, and those before it, newest first.
    pub(super) hashes: Vec<SealingKey>,
    pub(super) digests: SealingKey,
    /// The audit log's chain.
    pub(super) audit: SealingKey,
}

impl Rings {
    fn derive(masters: &KeyRing) -> Self {
        Self {
            controls: masters.derive("control keys"),
            bases: masters.derive("base keys"),
            vault: masters.derive("card keys"),
            own: masters.derive("ring keys"),
            components: masters.derive("key components"),
            webhooks: masters.derive("webhook keys"),
            transport: masters.derive("transport keys"),
            passphrases: masters.derive("terminal passphrases"),
        }
    }

    fn of(&self, kind: Sealed) -> &KeyRing {
        match kind {
            Sealed::ControlKey => &self.controls,
            Sealed::BaseKey => &self.bases,
            Sealed::CardKey => &self.vault,
            Sealed::RingKey => &self.own,
            Sealed::Component => &self.components,
            Sealed::WebhookKey => &self.webhooks,
            Sealed::TransportKey => &self.transport,
            Sealed::Passphrase => &self.passphrases,
        }
    }
}

impl OwnKeys {
    /// The first keys of a database: they come from the master key that it began with.
    pub(super) fn first(master: &SealingKey) -> Self {
        let hashes = vec![master.derive("card hash")];
        let (digests, audit) = (master.derive("request digest"), master.derive("audit log"));
        Self { hashes, digests, audit }
    }
}

impl Keys {
    /// Derives the keys from the master keys.
    #[must_use]
    pub fn derive(masters: &KeyRing) -> Self {
        Self {
            own: RwLock::new(Arc::new(OwnKeys::first(masters.oldest()))),
            rings: RwLock::new(Arc::new(Rings::derive(masters))),
        }
    }

    /// Takes other master keys from now on. What the present one has not sealed is sealed again
    /// by [`Gateway::reseal`](super::Gateway::reseal).
    pub(super) fn take_masters(&self, masters: &KeyRing) {
        let mut rings = self.rings.write().unwrap_or_else(PoisonError::into_inner);
        *rings = Arc::new(Rings::derive(masters));
    }

    /// Whether others than the present master key may have sealed something.
    pub(super) fn has_earlier_masters(&self) -> bool {
        self.rings().own.has_earlier()
    }

    pub(super) fn take_own(&self, own: OwnKeys) {
        *self.own.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(own);
    }

    fn rings(&self) -> Arc<Rings> {
        Arc::clone(&self.rings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn own(&self) -> Arc<OwnKeys> {
        Arc::clone(&self.own.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seals a secret for the database. The context says whose it is, and must be given again.
    #[must_use]
    pub fn seal(&self, kind: Sealed, context: &str, clear: &[u8], entropy: &Entropy) -> Vec<u8> {
        self.rings().of(kind).seal(clear, context, entropy.bytes())
    }

    /// Opens what [`seal`](Self::seal) made for the same context.
    ///
    /// # Errors
    /// When it was sealed under another master key or is damaged.
    pub fn open(
        &self,
        kind: Sealed,
        context: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.rings().of(kind).open(sealed, context)
    }

    /// Whether it is sealed under the present master key.
    pub(super) fn is_present(&self, kind: Sealed, sealed: &[u8]) -> bool {
        self.rings().of(kind).is_present(sealed)
    }

    /// Seals a merchant's control key for the registry.
    #[must_use]
    pub fn seal_control_key(&self, of: MerchantId, key: &str, entropy: &Entropy) -> Vec<u8> {
        self.seal(Sealed::ControlKey, &merchant_context(of), key.as_bytes(), entropy)
    }

    /// Opens a merchant's control key.
    ///
    /// # Errors
    /// When it was sealed under another master key or is damaged.
    pub fn open_control_key(
        &self,
        of: MerchantId,
        sealed: &[u8],
    ) -> Result<Zeroizing<String>, SealError> {
        let opened = self.open(Sealed::ControlKey, &merchant_context(of), sealed)?;
        let text = std::str::from_utf8(&opened).map_err(|_| SealError::Content)?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// The keyed hash by which equal cards are recognised; 40 lower-case hex digits.
    #[must_use]
    pub fn card_hash(&self, pan: &Pan) -> String {
        let own = self.own();
        own.hashes.first().map(|key| key.card_hash(pan)).unwrap_or_default()
    }

    /// The card's hashes under the keys that were replaced, for as long as anybody counts by them.
    #[must_use]
    pub fn earlier_card_hashes(&self, pan: &Pan) -> Vec<String> {
        self.own().hashes.iter().skip(1).map(|key| key.card_hash(pan)).collect()
    }

    /// A keyed digest over the fields of a request; 32 lower-case hex digits.
    #[must_use]
    pub fn request_digest<'a>(&self, fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        self.own().digests.digest(fields.flat_map(|(name, value)| [name, value]))
    }

    /// A keyed digest over a row of the audit log; 32 lower-case hex digits. Who can write to the
    /// database but does not know the master key cannot make one.
    #[must_use]
    pub(super) fn audit_digest(&self, parts: &[String]) -> String {
        self.own().audit.digest(parts.iter().map(String::as_str))
    }
}

/// Whose control key it is.
pub(super) fn merchant_context(of: MerchantId) -> String {
    format!("merchant {of}")
}

/// Whose base key it is, and how far it may travel. Base keys of releases before any travelled are
/// bound to their set only, and stay.
pub(super) fn base_key_context(of: KeySetId, exportability: Exportability) -> String {
    match exportability {
        Exportability::No => format!("key set {of}"),
        may => format!("key set {of}, exportable {}", may.letter()),
    }
}

/// Which transport key it is.
pub(super) fn transport_key_context(of: TransportKeyId) -> String {
    format!("transport key {of}")
}

/// Whose messages a passphrase protects.
pub(super) fn passphrase_context(of: TerminalId) -> String {
    format!("terminal {of}")
}
