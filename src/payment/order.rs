//! An order: what the merchant asked for, where it stands, and what came of it.

use super::Millis;
use super::card::CardFacts;
use super::ids::{EndpointId, OrderId, ReaderId, SerialNumber};
use super::money::Amount;
use serde::{Deserialize, Serialize};

/// What kind of transaction opened the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Sale,
    Preauth,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Sale, Self::Preauth];

    /// The wire and stored spelling (MAPI 9.2).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Preauth => "preauth",
        }
    }

    /// The kind with this spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// How the order's stages begin: preauthorisations are `auth_…` on the wire (MAPI 9.3).
    fn stage_prefix(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Preauth => "auth",
        }
    }
}

/// Where the order stands, as the merchant sees it (MAPI 9.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Processing,
    /// Nobody can say whether money moved. Not final: a reversal is on its way.
    Unknown,
    Approved,
    Declined,
    Filtered,
    Error,
}

impl Status {
    const ALL: [Self; 6] = [
        Self::Processing,
        Self::Unknown,
        Self::Approved,
        Self::Declined,
        Self::Filtered,
        Self::Error,
    ];

    /// The wire and stored spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::Unknown => "unknown",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Filtered => "filtered",
            Self::Error => "error",
        }
    }

    /// The status with this spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether nothing will change it any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Processing | Self::Unknown)
    }
}

/// How far processing has come (MAPI 9.3). The wire puts the kind in front: `sale_approved`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Processing,
    AutoReversalProcessing,
    Approved,
    Declined,
    Filtered,
    Error,
}

impl Stage {
    const ALL: [Self; 6] = [
        Self::Processing,
        Self::AutoReversalProcessing,
        Self::Approved,
        Self::Declined,
        Self::Filtered,
        Self::Error,
    ];

    /// The stored spelling, which is the wire's without the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::AutoReversalProcessing => "auto_reversal_processing",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Filtered => "filtered",
            Self::Error => "error",
        }
    }

    /// The stage with this stored spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

/// What the request said besides money and card: kept to be shown again, never searched.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RequestFacts {
    pub order_desc: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    pub email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    pub ipaddress: String,
    /// The mobile device that sent the request.
    pub phone_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merchant_data: Option<String>,
    /// Where the callback goes, as decided when the order was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    pub terminal_id: String,
    pub descriptor: String,
    /// Names the receipt page; a random UUID.
    pub receipt_id: String,
}

/// How an order ended.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The public code and sentence, unless it was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<OutcomeError>,
    /// ISO 8583 field 39.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rrn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor_tx_id: Option<String>,
}

/// The public reason why an order was not approved.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutcomeError {
    pub code: u32,
    pub message: String,
}

/// One order. `version` counts its saved changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    pub id: OrderId,
    pub endpoint: EndpointId,
    /// The merchant's own name for it, unique at the endpoint.
    pub client_orderid: String,
    pub kind: Kind,
    pub status: Status,
    pub stage: Stage,
    pub amount: Amount,
    pub reader: ReaderId,
    pub card: CardFacts,
    pub request: RequestFacts,
    /// The number of the request that opened the order.
    pub serial: SerialNumber,
    pub outcome: Outcome,
    pub created_at: Millis,
    pub updated_at: Millis,
    pub version: i64,
}

impl Order {
    /// The wire's `order-stage`, for example `sale_approved` or `auth_processing`.
    #[must_use]
    pub fn wire_stage(&self) -> String {
        format!("{}_{}", self.kind.stage_prefix(), self.stage.name())
    }

    /// Who paid, as the request or else the card names them.
    #[must_use]
    pub fn payer_name(&self) -> Option<String> {
        let names = [&self.request.first_name, &self.request.last_name];
        let names: Vec<_> = names.into_iter().flatten().map(String::as_str).collect();
        if names.is_empty() { self.card.cardholder.clone() } else { Some(names.join(" ")) }
    }
}
