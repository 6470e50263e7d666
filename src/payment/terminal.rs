//! A payment terminal as the registry knows it. What it says on the wire is its door's matter.

use super::ids::{MerchantId, TerminalId};
use super::refusal::Refusal;
use super::{Millis, SECOND};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// The longest POIID.
const POI_ID_MAX: usize = 32;
/// How many digits the acquirer's name of a terminal has (nexo contract 5.2).
const ACQUIRER_POI_ID_LEN: usize = 6;
/// The longest time that a card holder or a cool-down may take.
const PAUSE_MAX: Millis = 600 * SECOND;

/// How a terminal speaks (nexo contract 1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// nexo Retailer 3.1 in XML, with sessions.
    Xml31,
    /// The JSON family, which needs no login.
    Json,
}

impl Dialect {
    const ALL: [Self; 2] = [Self::Xml31, Self::Json];

    /// The stored spelling, and the one in the sandbox's ready line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Xml31 => "xml31",
            Self::Json => "json",
        }
    }

    /// The dialect of this spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }
}

/// A terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terminal {
    pub id: TerminalId,
    /// What points of sale address it by (POIID): 1 to 32 printable ASCII characters.
    pub poi_id: String,
    pub merchant: MerchantId,
    /// The serial of the card reader inside it, which also says at which endpoints it serves.
    pub reader: String,
    /// What the acquirer calls it (AcquirerPOIID): six digits.
    pub acquirer_poi_id: String,
    pub dialect: Dialect,
    pub profile: Profile,
    /// Where its point of sale listens for what the terminal shows, prints and asks.
    pub listener_url: Option<String>,
}

/// What one terminal does otherwise than its dialect has it, and what it plays.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// Whether a point of sale has to log in first; otherwise as the dialect has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_required: Option<bool>,
    /// How long it is busy behind a payment; otherwise as the dialect has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown_ms: Option<Millis>,
    /// How long the card holder takes to hold a card to it.
    pub card_ms: Millis,
    /// Whether a part of the amount may be approved.
    pub partial_approval: bool,
    /// Whether it can be reached at all.
    pub online: bool,
    /// What protects its messages, where its dialect has protection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyName>,
    pub shop: Shop,
}

/// What a key for the protection of messages goes by (nexo contract 12).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyName {
    pub identifier: String,
    pub version: u32,
}

/// Whose shop it is, for receipts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shop {
    pub name: String,
    pub address: String,
    pub post_code: String,
    pub city: String,
    /// ISO 3166-1, three digits.
    pub country: String,
    pub phone: String,
    pub organisation: String,
    /// The acquirer's name of the shop (card acceptor, `MerchantID`).
    pub merchant_number: String,
    /// By which receipts tell the time, for example `Europe/Stockholm`.
    pub time_zone: String,
}

impl Shop {
    /// The shop's time zone.
    #[must_use]
    pub fn zone(&self) -> Option<Tz> {
        self.time_zone.parse().ok()
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            login_required: None,
            cooldown_ms: None,
            card_ms: 0,
            partial_approval: false,
            online: true,
            key: None,
            shop: Shop::default(),
        }
    }
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            name: "tillgate sandbox".to_owned(),
            address: "Sandgatan 1".to_owned(),
            post_code: "11122".to_owned(),
            city: "Stockholm".to_owned(),
            country: "752".to_owned(),
            phone: "+4680000000".to_owned(),
            organisation: "559900-0001".to_owned(),
            merchant_number: "900100200".to_owned(),
            time_zone: "Europe/Stockholm".to_owned(),
        }
    }
}

impl Terminal {
    /// Whether what is said of the terminal makes sense by itself.
    ///
    /// # Errors
    /// The first field that does not.
    pub fn check(&self) -> Result<(), Refusal> {
        let printable = |text: &str| text.bytes().all(|b| matches!(b, b' '..=b'~'));
        if !(1..=POI_ID_MAX).contains(&self.poi_id.len()) || !printable(&self.poi_id) {
            return Err(Refusal::invalid("poi_id", "must be 1 to 32 printable ASCII characters"));
        }
        let digits = self.acquirer_poi_id.bytes().all(|b| b.is_ascii_digit());
        if self.acquirer_poi_id.len() != ACQUIRER_POI_ID_LEN || !digits {
            return Err(Refusal::invalid("acquirer_poi_id", "must be six digits"));
        }
        let pauses = [Some(self.profile.card_ms), self.profile.cooldown_ms];
        if pauses.into_iter().flatten().any(|pause| !(0..=PAUSE_MAX).contains(&pause)) {
            return Err(Refusal::invalid("profile", "times must be 0 to 600000 milliseconds"));
        }
        if self.profile.shop.zone().is_none() {
            return Err(Refusal::invalid("profile", "time_zone must be one like Europe/Stockholm"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal() -> Terminal {
        Terminal {
            id: TerminalId(1),
            poi_id: "SIM-0001".to_owned(),
            merchant: MerchantId(1),
            reader: "50000001".to_owned(),
            acquirer_poi_id: "412001".to_owned(),
            dialect: Dialect::Xml31,
            profile: Profile::default(),
            listener_url: None,
        }
    }

    #[test]
    fn what_cannot_be_a_terminal_is_named() {
        assert_eq!(terminal().check(), Ok(()));
        let refused = |change: fn(&mut Terminal)| {
            let mut terminal = terminal();
            change(&mut terminal);
            terminal.check().is_err()
        };
        assert!(refused(|terminal| terminal.poi_id.clear()));
        assert!(refused(|terminal| terminal.poi_id = "x".repeat(33)));
        assert!(refused(|terminal| terminal.poi_id = "kassa\u{e5}".to_owned()));
        assert!(refused(|terminal| terminal.acquirer_poi_id = "41200".to_owned()));
        assert!(refused(|terminal| terminal.acquirer_poi_id = "41200a".to_owned()));
        assert!(refused(|terminal| terminal.profile.shop.time_zone = "Stockholm".to_owned()));
        assert!(refused(|terminal| terminal.profile.card_ms = -1));
        assert!(refused(|terminal| terminal.profile.cooldown_ms = Some(PAUSE_MAX + 1)));
    }

    #[test]
    fn a_stored_profile_says_only_what_is_otherwise() {
        let stored = serde_json::to_string(&Profile::default()).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&stored).unwrap(), Profile::default());
        let brief: Profile = serde_json::from_str(r#"{"card_ms":1500}"#).unwrap();
        assert_eq!(brief, Profile { card_ms: 1500, ..Profile::default() });
        assert!(serde_json::from_str::<Profile>(r#"{"card_mss":1500}"#).is_err());
    }
}
