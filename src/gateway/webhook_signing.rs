//! Standard Webhooks around a callback: which end points have them, with which keys, and the
//! headers that they put on a call.

use super::deliver::Worded;
use super::egress::{Call, SIGNATURE_HEADER};
use super::keys::Sealed;
use super::{Failure, Gateway, RegistryError};
use crate::crypto::webhook::{KEY_LEN, WebhookKey};
use crate::payment::ids::EndpointId;
use crate::payment::notice::{Notice, Webhooks, event_id};
use crate::payment::refusal::Refusal;
use crate::payment::{DAY, Millis, SECOND};
use crate::store::WebhookKeyRecord;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The longest time for which several keys sign.
const OVERLAP_MAX: Millis = 30 * DAY;

/// How an end point's callbacks are signed.
pub(super) struct Signing {
    pub(super) webhooks: Webhooks,
    /// The present key first.
    keys: Vec<WebhookKey>,
}

impl Signing {
    /// The call that delivers a callback. Its id is the same on every attempt; it stands there also
    /// without Standard Webhooks, where receivers may know repeats by it.
    pub(super) fn call(&self, notice: &Notice, worded: Worded, seconds: i64) -> Call {
        let id = event_id(notice.id);
        let mut headers = vec![("webhook-id", id.clone())];
        let Worded { address, whole, parameters } = worded;
        let body = (self.webhooks == Webhooks::Post)
            .then(|| json_of(notice, &parameters, seconds).to_string());
        let address = if body.is_some() { address } else { whole };
        if self.webhooks != Webhooks::Off {
            // A GET has no content, so that its query stands for it.
            let content = body.as_deref().unwrap_or(address.query().unwrap_or_default());
            let signatures: Vec<_> =
                self.keys.iter().map(|key| key.sign(&id, seconds, content)).collect();
            headers.push(("webhook-timestamp", seconds.to_string()));
            headers.push((SIGNATURE_HEADER, signatures.join(" ")));
        }
        Call { address, headers, body }
    }
}

/// `type`, `timestamp` and `data`, as Standard Webhooks recommends.
fn json_of(notice: &Notice, parameters: &[(&'static str, String)], seconds: i64) -> Value {
    let find = |name: &str| parameters.iter().find(|(known, _)| *known == name);
    let kind = find("type").map_or("transaction", |(_, kind)| kind.as_str());
    let at = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    let data: Map<String, Value> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({
        "type": format!("{kind}.{}", notice.status.name()),
        "timestamp": at.to_rfc3339_opts(SecondsFormat::Secs, true),
        "data": data,
    })
}

impl Gateway {
    /// How the end point's callbacks are signed now.
    pub(super) async fn webhook_signing(&self, of: EndpointId) -> Result<Arc<Signing>, Failure> {
        let now = self.clock().now();
        if let Some(known) = self.registry.signings.get(&of.0, now) {
            return Ok(known);
        }
        let webhooks = self.store().webhooks(of).await?.unwrap_or(Webhooks::Off);
        let mut keys = Vec::new();
        if webhooks != Webhooks::Off {
            let good = |key: &WebhookKeyRecord| key.expires_at.is_none_or(|at| now < at);
            for record in self.store().webhook_keys(of).await?.into_iter().filter(good) {
                keys.push(self.open_webhook_key(&record)?);
            }
        }
        let signing = Arc::new(Signing { webhooks, keys });
        self.registry.signings.put(of.0, Arc::clone(&signing), now);
        Ok(signing)
    }

    /// How the end point's callbacks are signed, as an operator sees it.
    ///
    /// # Errors
    /// When there is no such end point.
    pub async fn webhooks(&self, of: EndpointId) -> Result<Webhooks, RegistryError> {
        let found = self.store().webhooks(of).await?;
        found.ok_or_else(|| RegistryError::Missing(format!("no end point has the id {of}")))
    }

    /// Switches Standard Webhooks on or off.
    ///
    /// # Errors
    /// No such end point; one that has no key yet.
    pub async fn set_webhooks(&self, of: EndpointId, to: Webhooks) -> Result<(), RegistryError> {
        self.webhooks(of).await?;
        if to != Webhooks::Off && self.store().webhook_keys(of).await?.is_empty() {
            let why = "there is no key to sign with; make one first (webhook-key)";
            return Err(RegistryError::Conflict(why.to_owned()));
        }
        self.store().set_webhooks(of, to).await?;
        self.registry.signings.clear();
        Ok(())
    }

    /// Gives the end point another key. For the overlap the ones before it sign as well. Answers
    /// the new key, to be shown once.
    ///
    /// # Errors
    /// No such end point; an overlap of more than 30 days; when somebody else has just made one.
    pub async fn rotate_webhook_key(
        &self,
        of: EndpointId,
        overlap_seconds: u32,
    ) -> Result<Zeroizing<String>, RegistryError> {
        self.webhooks(of).await?;
        if Millis::from(overlap_seconds) * SECOND > OVERLAP_MAX {
            return Err(Refusal::invalid("overlap_seconds", "30 days are the most").into());
        }
        let now = self.clock().now();
        let until = now + Millis::from(overlap_seconds) * SECOND;
        let known = self.store().webhook_keys(of).await?;
        let number = known.iter().map(|key| key.number + 1).max().unwrap_or(1);
        let fresh = Zeroizing::new(self.parts.entropy.bytes::<KEY_LEN>());
        let key = WebhookKey::from_slice(&*fresh);
        let key = key.ok_or_else(|| Failure::Internal("no webhook key".to_owned()))?;
        let context = webhook_context(of, number);
        let key_sealed =
            self.parts.keys.seal(Sealed::WebhookKey, &context, key.expose(), &self.parts.entropy);
        let record = WebhookKeyRecord {
            endpoint: of,
            number,
            key_sealed,
            created_at: now,
            expires_at: None,
        };
        self.store().add_webhook_key(&record, until).await?;
        self.registry.signings.clear();
        Ok(key.text())
    }

    fn open_webhook_key(&self, record: &WebhookKeyRecord) -> Result<WebhookKey, Failure> {
        let context = webhook_context(record.endpoint, record.number);
        let opened = self.parts.keys.open(Sealed::WebhookKey, &context, &record.key_sealed).ok();
        let key = opened.and_then(|bytes| WebhookKey::from_slice(&bytes));
        key.ok_or_else(|| Failure::Internal(format!("no master key opens the {context}")))
    }
}

/// Whose webhook key it is.
pub(super) fn webhook_context(of: EndpointId, number: i64) -> String {
    format!("webhook key {number} of end point {of}")
}
