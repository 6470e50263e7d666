//! Standard Webhooks around a callback: which end points have them, with which keys, and the headers
//! that they put on a call.

use super::deliver::Worded;
use super::egress::Call;
use super::keys::Sealed;
use super::{Failure, Gateway};
use crate::crypto::webhook::{KEY_LEN, WebhookKey};
use crate::payment::ids::EndpointId;
use crate::payment::notice::{Notice, Webhooks};
use crate::payment::{Millis, SECOND};
use crate::store::WebhookKeyRecord;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use zeroize::Zeroizing;

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
        let id = event_id(notice);
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
            headers.push(("webhook-signature", signatures.join(" ")));
        }
        Call { address, headers, body }
    }
}

/// What tells one event from another, on every attempt alike.
fn event_id(notice: &Notice) -> String {
    format!("evt_{}", notice.id)
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

    /// Switches Standard Webhooks on or off. The first time there is a fresh key, which is answered
    /// to be shown once.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn set_webhooks(
        &self,
        of: EndpointId,
        webhooks: Webhooks,
    ) -> Result<Option<Zeroizing<String>>, Failure> {
        self.store().set_webhooks(of, webhooks).await?;
        self.registry.signings.clear();
        let has_key = !self.store().webhook_keys(of).await?.is_empty();
        match webhooks != Webhooks::Off && !has_key {
            true => self.rotate_webhook_key(of, 0).await.map(Some),
            false => Ok(None),
        }
    }

    /// Gives the end point another key. For the overlap the ones before it sign as well. Answers
    /// the new key, to be shown once.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn rotate_webhook_key(
        &self,
        of: EndpointId,
        overlap_seconds: u32,
    ) -> Result<Zeroizing<String>, Failure> {
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
