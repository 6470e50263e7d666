//! Adding terminals, and changing what they do.

use super::RegistryError;
use crate::crypto::nexo_crypto::derive;
use crate::crypto::token::token_digest;
use crate::gateway::Gateway;
use crate::gateway::keys::{Sealed, passphrase_context};
use crate::payment::ids::TerminalId;
use crate::payment::terminal::{Dialect, Profile, Terminal};
use crate::store::{Numbered, TerminalRecord};
use zeroize::Zeroizing;

/// The first terminal's name at the acquirer; the others follow.
const FIRST_ACQUIRER_POI_ID: i64 = 412_000;

/// A terminal to be added.
pub struct NewTerminal {
    pub poi_id: String,
    /// The merchant's login.
    pub merchant: String,
    /// The serial of the reader inside it, which the merchant must have.
    pub reader: String,
    /// Six digits; the next free ones if it is left out.
    pub acquirer_poi_id: Option<String>,
    pub dialect: Dialect,
    pub profile: Profile,
    pub listener_url: Option<String>,
    /// What its points of sale must show; without one only those of this machine are let in.
    pub credential: Option<Zeroizing<String>>,
    /// What protects its messages.
    pub passphrase: Option<Zeroizing<String>>,
}

impl Gateway {
    /// Adds a terminal.
    ///
    /// # Errors
    /// The first thing about it that is wrong; a name that is taken.
    pub async fn register_terminal(&self, new: NewTerminal) -> Result<Terminal, RegistryError> {
        let _turn = self.registry_turn.lock().await;
        if self.store().terminal(&new.poi_id).await?.is_some() {
            return Err(RegistryError::conflict("a terminal has this POIID"));
        }
        let merchant = self.merchant_called(&new.merchant).await?.id;
        let reader = self.known_reader(&new.reader).await?;
        if reader.merchant != merchant {
            return Err(RegistryError::conflict("the reader is another merchant's"));
        }
        let id = TerminalId(self.number(None, Numbered::Terminals).await?);
        let next = || format!("{:06}", FIRST_ACQUIRER_POI_ID + id.0);
        let terminal = Terminal {
            id,
            poi_id: new.poi_id,
            merchant,
            reader: new.reader,
            acquirer_poi_id: new.acquirer_poi_id.unwrap_or_else(next),
            dialect: new.dialect,
            profile: new.profile,
            listener_url: new.listener_url,
        };
        self.check_terminal(&terminal)?;
        if new.passphrase.as_ref().is_some_and(|passphrase| derive(passphrase).is_none()) {
            return Err(RegistryError::invalid("passphrase", "must be ASCII characters"));
        }
        let passphrase_sealed = new.passphrase.map(|passphrase| {
            let (context, entropy) = (passphrase_context(id), &self.parts.entropy);
            self.parts.keys.seal(Sealed::Passphrase, &context, passphrase.as_bytes(), entropy)
        });
        let record = TerminalRecord {
            terminal: terminal.clone(),
            credential_digest: new.credential.map(|credential| token_digest(&credential)),
            passphrase_sealed,
            period: 0,
        };
        self.store().add_terminal(&record, self.clock().now()).await?;
        Ok(terminal)
    }

    /// So many terminals with higher numbers than `after`, in order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn terminals_after(
        &self,
        after: TerminalId,
        most: u32,
    ) -> Result<Vec<Terminal>, RegistryError> {
        let records = self.store().terminals_after(after, most).await?;
        Ok(records.into_iter().map(|record| record.terminal).collect())
    }

    /// The terminal with this POIID, as the database has it now.
    ///
    /// # Errors
    /// When there is none.
    pub async fn known_terminal(&self, poi_id: &str) -> Result<Terminal, RegistryError> {
        let found = self.store().terminal(poi_id).await?.map(|record| record.terminal);
        found.ok_or_else(|| RegistryError::missing("no terminal has this POIID"))
    }

    /// Changes a terminal's profile and listener.
    ///
    /// # Errors
    /// The first thing about it that is wrong.
    pub async fn change_terminal(&self, terminal: &Terminal) -> Result<(), RegistryError> {
        self.check_terminal(terminal)?;
        self.store().change_terminal(terminal).await?;
        self.forget_registry();
        Ok(())
    }

    fn check_terminal(&self, terminal: &Terminal) -> Result<(), RegistryError> {
        terminal.check()?;
        if let Some(url) = &terminal.listener_url {
            let admitted = self.parts.egress.rules().admit(url);
            admitted.map_err(|error| RegistryError::invalid("listener_url", error.to_string()))?;
        }
        Ok(())
    }
}
