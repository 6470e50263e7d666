//! The terminals that are played here, and who is logged in to them.

use super::egress::{EgressError, Exchange, Exchanged};
use super::keys::{Sealed, passphrase_context};
use super::registry::Merchant;
use super::{Failure, Gateway};
use crate::crypto::nexo_crypto::{NexoKey, derive};
use crate::crypto::token::token_digest;
use crate::payment::ids::{MerchantId, TerminalId};
use crate::payment::merchant::Endpoint;
use crate::payment::money::Currency;
use crate::payment::terminal::{KeyName, Terminal};
use crate::store::{SessionRecord, TerminalRecord};
use std::sync::Arc;
use url::Url;

/// How many of a merchant's terminals are listed.
const LISTED_MAX: u32 = 1000;

/// A terminal whose secrets are open. Unprintable.
pub struct KnownTerminal {
    pub terminal: Terminal,
    pub merchant: Arc<Merchant>,
    /// Whether its points of sale must show a key.
    pub has_credential: bool,
    /// What protects its messages.
    pub key: Option<NexoKey>,
}

impl Gateway {
    /// The terminal that points of sale call by this POIID.
    ///
    /// # Errors
    /// When the database cannot be read or its secrets were sealed under another master key.
    pub async fn terminal(&self, poi_id: &str) -> Result<Option<Arc<KnownTerminal>>, Failure> {
        let now = self.clock().now();
        if let Some(known) = self.registry.terminals.get(poi_id, now) {
            return Ok(Some(known));
        }
        let Some(record) = self.store().terminal(poi_id).await? else {
            return Ok(None);
        };
        let known = self.open_terminal(record).await?;
        self.registry.terminals.put(poi_id.to_owned(), Arc::clone(&known), now);
        Ok(Some(known))
    }

    /// The terminal with this number. Errors as [`Gateway::terminal`].
    ///
    /// # Errors
    /// As [`Gateway::terminal`].
    pub async fn terminal_by_id(
        &self,
        id: TerminalId,
    ) -> Result<Option<Arc<KnownTerminal>>, Failure> {
        match self.store().terminal_by_id(id).await? {
            Some(record) => Ok(Some(self.open_terminal(record).await?)),
            None => Ok(None),
        }
    }

    /// A merchant's terminals, oldest first; a thousand at most.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn terminals_of(&self, merchant: MerchantId) -> Result<Vec<Terminal>, Failure> {
        let records = self.store().terminals_of(merchant, LISTED_MAX).await?;
        Ok(records.into_iter().map(|record| record.terminal).collect())
    }

    /// The merchant whose points of sale show this key.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn merchant_of_terminal_key(&self, key: &str) -> Result<Option<MerchantId>, Failure> {
        Ok(self.store().owner_of_credential(&token_digest(key)).await?)
    }

    /// The endpoint at which a terminal takes this currency.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn endpoint_of_terminal(
        &self,
        terminal: &Terminal,
        currency: Currency,
    ) -> Result<Option<Arc<Endpoint>>, Failure> {
        let Some(reader) = self.reader(&terminal.reader).await? else {
            return Ok(None);
        };
        if let Some(endpoint) = reader.endpoint {
            let endpoint = self.endpoint(endpoint).await?;
            return Ok(endpoint.filter(|endpoint| endpoint.currency == currency));
        }
        let Some(group) = reader.group else {
            return Ok(None);
        };
        let now = self.clock().now();
        if let Some(known) = self.registry.currencies.get(&(group, currency), now) {
            return Ok(Some(known));
        }
        let endpoint = self.store().endpoint_for(group, currency).await?.map(Arc::new);
        if let Some(endpoint) = &endpoint {
            self.registry.currencies.put((group, currency), Arc::clone(endpoint), now);
        }
        Ok(endpoint)
    }

    /// The session of a point of sale.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn terminal_session(
        &self,
        terminal: TerminalId,
        sale_id: &str,
    ) -> Result<Option<SessionRecord>, Failure> {
        Ok(self.store().session(terminal, sale_id).await?)
    }

    /// The points of sale that are logged in, longest first; a hundred at most.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn logged_in(&self, terminal: TerminalId) -> Result<Vec<String>, Failure> {
        Ok(self.store().logged_in(terminal).await?)
    }

    /// Logs a point of sale in. Its former session is over. `login` is what it said of itself.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn log_in(
        &self,
        terminal: TerminalId,
        sale_id: &str,
        login: String,
    ) -> Result<SessionRecord, Failure> {
        let session = self.store().next_service_number().await?.0;
        let record = SessionRecord { session, login };
        self.store().open_session(terminal, sale_id, &record, self.clock().now()).await?;
        Ok(record)
    }

    /// Logs a point of sale out, unless it has logged in again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn log_out(
        &self,
        terminal: TerminalId,
        sale_id: &str,
        session: &SessionRecord,
    ) -> Result<(), Failure> {
        Ok(self.store().close_session(terminal, sale_id, session.session).await?)
    }

    /// Sends one message to a point of sale.
    ///
    /// # Errors
    /// A sentence for the log: not allowed, unreachable, or late.
    pub async fn call_point_of_sale(&self, exchange: Exchange) -> Result<Exchanged, String> {
        self.parts.egress.exchange(exchange).await
    }

    /// The address of a point of sale, if it may be called.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn admit_listener(&self, url: &str) -> Result<Url, EgressError> {
        self.parts.egress.rules().admit(url)
    }

    async fn open_terminal(&self, record: TerminalRecord) -> Result<Arc<KnownTerminal>, Failure> {
        let TerminalRecord { terminal, credential_digest, passphrase_sealed, .. } = record;
        let key = match (passphrase_sealed, &terminal.profile.key) {
            (Some(sealed), Some(name)) => Some(self.open_key(terminal.id, &sealed, name)?),
            _ => None,
        };
        Ok(Arc::new(KnownTerminal {
            merchant: self.merchant(terminal.merchant).await?,
            terminal,
            has_credential: credential_digest.is_some(),
            key,
        }))
    }

    fn open_key(&self, of: TerminalId, sealed: &[u8], name: &KeyName) -> Result<NexoKey, Failure> {
        let opened = self.parts.keys.open(Sealed::Passphrase, &passphrase_context(of), sealed);
        let opened = opened.map_err(|error| Failure::Internal(error.to_string()))?;
        let passphrase = std::str::from_utf8(&opened).ok();
        let material = passphrase.and_then(derive);
        let key = material.and_then(|material| {
            NexoKey::from_material(&name.identifier, name.version.into(), &material)
        });
        key.ok_or_else(|| Failure::Internal(format!("terminal {of} has a passphrase that is none")))
    }
}
