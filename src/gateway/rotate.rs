//! Replacing the gateway's own keys while it serves: nothing is refused meanwhile, since the old
//! key opens and counts as long as anything needs it.

use super::card_vault::key_context;
use super::key_store::KeyStoreError;
use super::keys::{
    Keys, OwnKeys, Sealed, merchant_context, passphrase_context, transport_key_context,
};
use super::webhook_signing::webhook_context;
use super::{Failure, Gateway};
use crate::crypto::key_ring::KeyRing;
use crate::crypto::seal::SealingKey;
use crate::payment::ids::{EndpointId, KeySetId, MerchantId, TerminalId, TransportKeyId};
use crate::payment::key_set::Exportability;
use crate::store::{RingKey, SecretPlace, StoredSecret};
use zeroize::Zeroizing;

/// The purposes of the gateway's own keys, as they are stored.
const CARD_HASH: &str = "card hash";
const REQUEST_DIGEST: &str = "request digest";
const AUDIT: &str = "audit log";

/// What a change of the master key came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Resealed {
    /// Secrets that the present master key seals now.
    pub resealed: u64,
    /// Secrets that no master key of the ring opens.
    pub unreadable: u64,
}

impl Gateway {
    /// Reads the gateway's own keys, and makes them in a database that has none. Other instances
    /// learn of a new one within a minute.
    ///
    /// # Errors
    /// When the database is away, or its keys were sealed under a master key that is not there.
    pub async fn load_own_keys(&self) -> Result<(), Failure> {
        let mut stored = self.store().ring_keys().await?;
        if self.add_first_keys(&stored).await? {
            stored = self.store().ring_keys().await?;
        }
        let hashes = self.open_ring_keys(&stored, CARD_HASH)?;
        let digests = self.open_ring_key(&stored, REQUEST_DIGEST)?;
        let audit = self.open_ring_key(&stored, AUDIT)?;
        self.parts.keys.take_own(OwnKeys { hashes, digests, audit });
        Ok(())
    }

    /// Whether any was missing.
    async fn add_first_keys(&self, stored: &[RingKey]) -> Result<bool, Failure> {
        let own = self.parts.keys.own();
        let first = [
            (CARD_HASH, own.hashes.last()),
            (REQUEST_DIGEST, Some(&own.digests)),
            (AUDIT, Some(&own.audit)),
        ];
        let mut added = false;
        for (purpose, key) in first {
            let missing = !stored.iter().any(|key| key.purpose == purpose);
            if let Some(key) = key.filter(|_| missing) {
                self.add_ring_key(purpose, 0, key.expose()).await?;
                added = true;
            }
        }
        Ok(added)
    }

    /// Hashes cards under a new key from now on. What was counted under the old one still counts.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn rotate_card_hash_key(&self) -> Result<(), Failure> {
        let stored = self.store().ring_keys().await?;
        let present = stored.iter().find(|key| key.purpose == CARD_HASH);
        let number = present.map_or(0, |key| key.number + 1);
        let fresh = Zeroizing::new(self.parts.entropy.bytes::<32>());
        self.add_ring_key(CARD_HASH, number, &fresh).await?;
        self.load_own_keys().await
    }

    /// Takes other master keys: the first one seals from now on, the others still open. Follow it
    /// with [`Gateway::reseal`]; the sweep repeats that as long as there are others.
    ///
    /// # Errors
    /// When they do not open all of the gateway's own keys: then the present ones stay. When the
    /// database cannot be read.
    pub async fn take_master_keys(&self, masters: &KeyRing) -> Result<(), Failure> {
        let next = Keys::derive(masters);
        for key in self.store().ring_keys().await? {
            let context = ring_key_context(&key.purpose, key.number);
            next.open(Sealed::RingKey, &context, &key.key_sealed).map_err(|_| {
                Failure::Internal(format!(
                    "no key among the new master keys opens the {context}; keep the old line below"
                ))
            })?;
        }
        self.parts.keys.take_masters(masters);
        self.forget_registry();
        Ok(())
    }

    /// Seals anew what was still sealed under an earlier master key while this one was taken.
    pub(super) async fn reseal_leftovers(&self) -> Result<(), Failure> {
        if !self.parts.keys.has_earlier_masters() {
            return Ok(());
        }
        let Resealed { resealed, unreadable } = self.reseal().await?;
        if resealed + unreadable > 0 {
            tracing::warn!(resealed, unreadable, "keys were sealed under an earlier master key");
        }
        Ok(())
    }

    /// Seals under the present master key whatever another one has sealed. Safe to repeat, and on
    /// every instance.
    ///
    /// # Errors
    /// When the database cannot be read or written, or the key store is away; the next run goes on.
    pub async fn reseal(&self) -> Result<Resealed, Failure> {
        let (mut done, mut away) = (Resealed::default(), None);
        for place in SecretPlace::ALL {
            for secret in self.store().secrets(place).await? {
                match self.renewed(&secret).await {
                    Ok(Some(sealed)) => {
                        let replaced = self.store().replace_secret(&secret, &sealed).await?;
                        done.resealed += u64::from(replaced);
                    }
                    Ok(None) => {}
                    // Whatever needs no key store goes on without it.
                    Err(KeyStoreError::Away(why)) => away = Some(why),
                    Err(_) => done.unreadable += 1,
                }
            }
        }
        away.map_or(Ok(done), |why| Err(Failure::Unavailable(why)))
    }

    /// The secret sealed anew, unless the present master key has sealed it.
    async fn renewed(&self, secret: &StoredSecret) -> Result<Option<Vec<u8>>, KeyStoreError> {
        let Some((kind, context)) = whose(secret) else {
            let exportability = Exportability::from_text(&secret.name)
                .ok_or_else(|| KeyStoreError::Unreadable("no such exportability".to_owned()))?;
            let (of, kept) = (KeySetId(secret.number), &secret.sealed);
            return self.parts.key_store.renew(of, exportability, kept).await;
        };
        let keys = &self.parts.keys;
        if keys.is_present(kind, &secret.sealed) {
            return Ok(None);
        }
        let clear = keys.open(kind, &context, &secret.sealed)?;
        Ok(Some(keys.seal(kind, &context, &clear, &self.parts.entropy)))
    }

    async fn add_ring_key(
        &self,
        purpose: &str,
        number: i64,
        key: &[u8; 32],
    ) -> Result<(), Failure> {
        let context = ring_key_context(purpose, number);
        let key_sealed = self.parts.keys.seal(Sealed::RingKey, &context, key, &self.parts.entropy);
        let key = RingKey { purpose: purpose.to_owned(), number, key_sealed };
        Ok(self.store().add_ring_key(&key, self.clock().now()).await?)
    }

    fn open_ring_key(&self, stored: &[RingKey], purpose: &str) -> Result<SealingKey, Failure> {
        let present = self.open_ring_keys(stored, purpose)?.into_iter().next();
        present.ok_or_else(|| Failure::Internal(format!("there is no {purpose} key")))
    }

    fn open_ring_keys(
        &self,
        stored: &[RingKey],
        purpose: &str,
    ) -> Result<Vec<SealingKey>, Failure> {
        let of_purpose = stored.iter().filter(|key| key.purpose == purpose);
        of_purpose
            .map(|key| {
                let context = ring_key_context(purpose, key.number);
                let opened = self.parts.keys.open(Sealed::RingKey, &context, &key.key_sealed);
                let opened = opened
                    .ok()
                    .and_then(|bytes| bytes.first_chunk().filter(|_| bytes.len() == 32).copied());
                let why = || Failure::Internal(format!("no master key opens the {context}"));
                opened.map(SealingKey::from_bytes).ok_or_else(why)
            })
            .collect()
    }
}

/// Under which ring a secret lies, and what it was bound to; nothing of what is the key store's.
fn whose(secret: &StoredSecret) -> Option<(Sealed, String)> {
    let number = secret.number;
    Some(match secret.place {
        SecretPlace::ControlKeys | SecretPlace::OldControlKeys => {
            (Sealed::ControlKey, merchant_context(MerchantId(number)))
        }
        SecretPlace::BaseKeys => return None,
        SecretPlace::CardKeys => (Sealed::CardKey, key_context(number)),
        SecretPlace::RingKeys => (Sealed::RingKey, ring_key_context(&secret.name, number)),
        SecretPlace::Components => (Sealed::Component, component_context(number, &secret.name)),
        SecretPlace::WebhookKeys => {
            let of = secret.name.parse().map_or(EndpointId(0), EndpointId);
            (Sealed::WebhookKey, webhook_context(of, number))
        }
        SecretPlace::Passphrases => (Sealed::Passphrase, passphrase_context(TerminalId(number))),
        SecretPlace::TransportKeys => {
            (Sealed::TransportKey, transport_key_context(TransportKeyId(number)))
        }
    })
}

fn ring_key_context(purpose: &str, number: i64) -> String {
    format!("{purpose} key {number}")
}

/// Whose component of which ceremony it is.
pub(super) fn component_context(ceremony: i64, operator: &str) -> String {
    format!("component of {operator} in ceremony {ceremony}")
}
