//! The terminals of the sandbox: which there are, and who may use them.

use super::dev::{LOGIN, sandbox_reader};
use crate::gateway::{Gateway, NewTerminal, RegistryError};
use crate::payment::reader::{Reader, ReaderKind};
use crate::payment::terminal::{Dialect, KeyName, Profile};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A terminal of the sandbox.
struct SandboxTerminal {
    poi_id: &'static str,
    dialect: Dialect,
    /// The number and serial of the reader inside.
    reader: (u32, &'static str),
    passphrase: Option<&'static str>,
}

const TERMINALS: [SandboxTerminal; 4] = [
    SandboxTerminal::new("SIM-XML-1", Dialect::Xml31, (21, "50000001"), None),
    SandboxTerminal::new("SIM-XML-2", Dialect::Xml31, (22, "50000002"), None),
    SandboxTerminal::new("SIM-JSON-1", Dialect::Json, (23, "50000003"), None),
    SandboxTerminal::new("SIM-JSON-2", Dialect::Json, (24, "50000004"), Some(PASSPHRASE)),
];
/// What points of sale of the JSON family show.
const API_KEY: &str = "sandbox";
/// What both sides make the keys of protected messages of.
const PASSPHRASE: &str = "sandbox passphrase";
/// How long the sandbox's card holders take.
const CARD_MS: i64 = 1_500;

impl SandboxTerminal {
    const fn new(
        poi_id: &'static str,
        dialect: Dialect,
        reader: (u32, &'static str),
        passphrase: Option<&'static str>,
    ) -> Self {
        Self { poi_id, dialect, reader, passphrase }
    }

    /// What its point of sale shows, in the JSON family.
    fn api_key(&self) -> Option<&'static str> {
        (self.dialect == Dialect::Json).then_some(API_KEY)
    }
}

/// A terminal in the ready line.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReadyTerminal {
    pub poi_id: String,
    /// `xml31` or `json`.
    pub dialect: String,
    /// For the header `X-API-Key`, where it is asked for.
    pub api_key: Option<String>,
    /// What protects its messages, under the key identifier `sandbox`, version 1.
    pub passphrase: Option<String>,
}

/// Whether a reader is part of a terminal, and nobody's to hold cards to.
pub(super) fn is_inside_a_terminal(reader: &Reader) -> bool {
    TERMINALS.iter().any(|terminal| terminal.reader.1 == reader.serial)
}

/// What points of sale need to know.
pub(super) fn ready_terminals() -> Vec<ReadyTerminal> {
    let ready = |terminal: &SandboxTerminal| ReadyTerminal {
        poi_id: terminal.poi_id.to_owned(),
        dialect: terminal.dialect.name().to_owned(),
        api_key: terminal.api_key().map(str::to_owned),
        passphrase: terminal.passphrase.map(str::to_owned),
    };
    TERMINALS.iter().map(ready).collect()
}

/// Enrols those that are missing, each with its reader.
///
/// # Errors
/// When the database cannot be written.
pub(super) async fn enrol_terminals(gateway: &Gateway) -> Result<(), RegistryError> {
    for terminal in TERMINALS {
        let SandboxTerminal { poi_id, dialect, reader: (number, reader), passphrase } = terminal;
        if gateway.reader(reader).await?.is_none() {
            let reader = sandbox_reader(number, reader, ReaderKind::Sim, 0)?;
            gateway.enrol_reader(&reader).await?;
        }
        if gateway.terminal(poi_id).await?.is_none() {
            let key = passphrase.map(|_| KeyName { identifier: "sandbox".to_owned(), version: 1 });
            let secret = |text: &str| Zeroizing::new(text.to_owned());
            let terminal = NewTerminal {
                poi_id: poi_id.to_owned(),
                merchant: LOGIN.to_owned(),
                reader: reader.to_owned(),
                acquirer_poi_id: None,
                dialect,
                profile: Profile { card_ms: CARD_MS, key, ..Profile::default() },
                listener_url: None,
                credential: terminal.api_key().map(secret),
                passphrase: passphrase.map(secret),
            };
            gateway.register_terminal(terminal).await?;
        }
    }
    Ok(())
}
