//! Whatever lies sealed in the registry, to be sealed again when the master key is replaced, and
//! the gateway's own keys.

use super::sql::sql;
use super::{Store, StoreError};
use crate::payment::Millis;

/// Where secrets lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretPlace {
    ControlKeys,
    /// Control keys that were replaced and are still good for a while.
    OldControlKeys,
    BaseKeys,
    CardKeys,
    RingKeys,
    Components,
    TransportKeys,
    /// Of Standard Webhooks; the name is the end point's number.
    WebhookKeys,
    /// Passphrases of terminals' messages.
    Passphrases,
}

/// One secret, still sealed.
#[derive(Clone)]
pub struct StoredSecret {
    pub place: SecretPlace,
    /// The number in its row's key, and the name in it, if it has one. A base key is named by its
    /// exportability, which it is bound to.
    pub number: i64,
    pub name: String,
    pub sealed: Vec<u8>,
}

/// One of the gateway's own keys, sealed.
#[derive(Clone)]
pub struct RingKey {
    pub purpose: String,
    /// The highest of a purpose is the present one.
    pub number: i64,
    pub key_sealed: Vec<u8>,
}

impl SecretPlace {
    /// All places.
    pub const ALL: [Self; 9] = [
        Self::ControlKeys,
        Self::OldControlKeys,
        Self::BaseKeys,
        Self::CardKeys,
        Self::RingKeys,
        Self::Components,
        Self::TransportKeys,
        Self::WebhookKeys,
        Self::Passphrases,
    ];

    fn select(self) -> &'static str {
        match self {
            Self::ControlKeys => "SELECT id, '', control_key_sealed FROM merchants",
            Self::OldControlKeys => {
                "SELECT id, '', old_control_key_sealed FROM merchants \
                 WHERE old_control_key_sealed IS NOT NULL"
            }
            Self::BaseKeys => "SELECT id, exportability, base_key_sealed FROM key_sets",
            Self::CardKeys => "SELECT id, '', key_sealed FROM card_keys",
            Self::RingKeys => "SELECT number, purpose, key_sealed FROM ring_keys",
            Self::Components => {
                "SELECT ceremony_id, operator, component_sealed FROM key_components"
            }
            Self::TransportKeys => "SELECT id, '', key_sealed FROM transport_keys",
            Self::WebhookKeys => {
                "SELECT number, CAST(endpoint_id AS TEXT), key_sealed FROM webhook_keys"
            }
            Self::Passphrases => {
                "SELECT id, '', passphrase_sealed FROM terminals \
                 WHERE passphrase_sealed IS NOT NULL"
            }
        }
    }

    /// Only while it still is what was read: another instance may be about the same.
    fn update(self) -> &'static str {
        match self {
            Self::ControlKeys => {
                "UPDATE merchants SET control_key_sealed = $4 \
                 WHERE id = $1 AND '' = $2 AND control_key_sealed = $3"
            }
            Self::OldControlKeys => {
                "UPDATE merchants SET old_control_key_sealed = $4 \
                 WHERE id = $1 AND '' = $2 AND old_control_key_sealed = $3"
            }
            Self::BaseKeys => {
                "UPDATE key_sets SET base_key_sealed = $4 \
                 WHERE id = $1 AND exportability = $2 AND base_key_sealed = $3"
            }
            Self::CardKeys => {
                "UPDATE card_keys SET key_sealed = $4 \
                 WHERE id = $1 AND '' = $2 AND key_sealed = $3"
            }
            Self::RingKeys => {
                "UPDATE ring_keys SET key_sealed = $4 \
                 WHERE number = $1 AND purpose = $2 AND key_sealed = $3"
            }
            Self::Components => {
                "UPDATE key_components SET component_sealed = $4 \
                 WHERE ceremony_id = $1 AND operator = $2 AND component_sealed = $3"
            }
            Self::WebhookKeys => {
                "UPDATE webhook_keys SET key_sealed = $4 \
                 WHERE number = $1 AND CAST(endpoint_id AS TEXT) = $2 AND key_sealed = $3"
            }
            Self::Passphrases => {
                "UPDATE terminals SET passphrase_sealed = $4 \
                 WHERE id = $1 AND '' = $2 AND passphrase_sealed = $3"
            }
            Self::TransportKeys => {
                "UPDATE transport_keys SET key_sealed = $4 \
                 WHERE id = $1 AND '' = $2 AND key_sealed = $3"
            }
        }
    }
}

const RING_KEYS: &str =
    "SELECT purpose, number, key_sealed FROM ring_keys ORDER BY purpose, number DESC";
const INSERT_RING_KEY: &str = "\
    INSERT INTO ring_keys (purpose, number, key_sealed, created_at) VALUES ($1, $2, $3, $4) \
    ON CONFLICT DO NOTHING";

impl Store {
    /// All secrets of one place.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn secrets(&self, place: SecretPlace) -> Result<Vec<StoredSecret>, StoreError> {
        let rows = self.rows(sql(place.select())).await?;
        rows.into_iter()
            .map(|mut row| {
                let (number, name, sealed) = (row.int()?, row.text()?, row.bytes()?);
                Ok(StoredSecret { place, number, name, sealed })
            })
            .collect()
    }

    /// Replaces a secret by the same, sealed anew. `false` if it has changed since it was read.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn replace_secret(
        &self,
        secret: &StoredSecret,
        sealed: &[u8],
    ) -> Result<bool, StoreError> {
        let statement = sql(secret.place.update())
            .bind(secret.number)
            .bind(secret.name.as_str())
            .bind(&*secret.sealed)
            .bind(sealed);
        Ok(self.change(vec![statement]).await?.changed > 0)
    }

    /// The gateway's own keys, of each purpose the present one first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn ring_keys(&self) -> Result<Vec<RingKey>, StoreError> {
        let rows = self.rows(sql(RING_KEYS)).await?;
        rows.into_iter()
            .map(|mut row| {
                let (purpose, number, key_sealed) = (row.text()?, row.int()?, row.bytes()?);
                Ok(RingKey { purpose, number, key_sealed })
            })
            .collect()
    }

    /// Adds a key, unless another instance has just added one of this number.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn add_ring_key(&self, key: &RingKey, now: Millis) -> Result<(), StoreError> {
        let statement = sql(INSERT_RING_KEY)
            .bind(key.purpose.as_str())
            .bind(key.number)
            .bind(&*key.key_sealed)
            .bind(now);
        self.change(vec![statement]).await.map(drop)
    }
}
