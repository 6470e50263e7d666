//! The language of a terminal and its point of sale: XML, JSON, or JSON protected by a passphrase.

use crate::clock::Entropy;
use crate::crypto::nexo_crypto::{NexoKey, derive};
use crate::doors::nexo::wire::message::Message;
use crate::doors::nexo::wire::{json, secured, xml};
use crate::payment::terminal::Dialect;
use anyhow::{Context, anyhow, bail};
use std::sync::Arc;

#[derive(Clone)]
pub(super) struct Language {
    pub(super) dialect: Dialect,
    key: Option<Arc<NexoKey>>,
    entropy: Entropy,
}

impl Language {
    /// XML until the terminal is found to speak JSON, protected where there is a passphrase.
    pub(super) fn of(
        passphrase: Option<&str>,
        key_id: &str,
        key_version: i64,
    ) -> anyhow::Result<Self> {
        let key = match passphrase {
            None => None,
            Some(passphrase) => {
                let material = derive(passphrase).context("--passphrase: ASCII, and not empty")?;
                let key = NexoKey::from_material(key_id, key_version, &material);
                Some(Arc::new(key.context("--passphrase makes no key")?))
            }
        };
        Ok(Self { dialect: Dialect::Xml31, key, entropy: Entropy::system()? })
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self.dialect {
            Dialect::Xml31 => "application/xml; charset=utf-8",
            Dialect::Json => "application/json; charset=utf-8",
        }
    }

    pub(super) fn written(&self, message: &Message) -> Vec<u8> {
        match (self.dialect, &self.key) {
            (Dialect::Xml31, _) => xml::write(message),
            (Dialect::Json, None) => json::write(message),
            (Dialect::Json, Some(key)) => secured::write(message, key, &self.entropy.bytes()),
        }
    }

    pub(super) fn read(&self, body: &[u8]) -> anyhow::Result<Message> {
        let wrong = |error| anyhow!("no nexo message: {error}");
        if self.dialect == Dialect::Xml31 {
            return xml::read(body).map_err(wrong);
        }
        let Some(sealed) = secured::recognise(body).map_err(wrong)? else {
            return json::read(body).map_err(wrong);
        };
        let Some(key) = &self.key else {
            bail!("an encrypted message; give --passphrase");
        };
        sealed.open(key).map_err(|_| anyhow!("encrypted with another passphrase or key"))
    }
}
