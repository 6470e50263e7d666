//! An order: what the merchant asked for, where it stands, and what came of it.

use super::Millis;
use super::card::{CardFacts, EntryMode};
use super::chip::Completion;
use super::decline::{self, Decline};
use super::host::{HostAnswer, HostProfile};
use super::ids::{AmendmentId, EndpointId, OrderId, ReaderId, SerialNumber};
use super::merchant::Terms;
use super::money::Amount;
use serde::{Deserialize, Serialize};

/// What kind of transaction opened the order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    Sale,
    Preauth,
    /// Gives money to a card holder without an earlier order; no request of MAPI asks for it.
    Refund,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Sale, Self::Preauth, Self::Refund];

    /// The wire and stored spelling (MAPI 9.2).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Preauth => "preauth",
            Self::Refund => "refund",
        }
    }

    /// The kind with this spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it uses what the card holder has, so that limits count it.
    #[must_use]
    pub fn spends(self) -> bool {
        self != Self::Refund
    }

    /// How the order's stages begin: preauthorisations are `auth_…` on the wire (MAPI 9.3).
    fn stage_prefix(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Preauth => "auth",
            Self::Refund => "refund",
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
    /// A chip transaction is with the acquirer.
    EmvProcessing,
    /// The issuer approved; the chip has the last word.
    EmvValidating,
    /// The acquirer is told the chip's last word.
    EmvAdviceProcessing,
    AutoReversalProcessing,
    Approved,
    Declined,
    Filtered,
    Error,
}

impl Stage {
    const ALL: [Self; 9] = [
        Self::Processing,
        Self::EmvProcessing,
        Self::EmvValidating,
        Self::EmvAdviceProcessing,
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
            Self::EmvProcessing => "emv_processing",
            Self::EmvValidating => "emv_validating",
            Self::EmvAdviceProcessing => "emv_advice_processing",
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
    /// Two or three letters, as sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub country: String,
    /// The mobile device that sent the request.
    pub phone_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merchant_data: Option<String>,
    /// Where the callback goes, as decided when the order was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// Where callbacks about later transactions go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later_callback_url: Option<String>,
    /// The counter of the reader's message.
    #[serde(default)]
    pub counter: i64,
    /// How long a preauthorisation holds, as agreed when it was accepted.
    #[serde(default = "usual_hold_days")]
    pub hold_days: u32,
    pub terminal_id: String,
    #[serde(default, skip_serializing_if = "HostProfile::is_mpos")]
    pub host_profile: HostProfile,
    pub descriptor: String,
    /// Names the receipt page; a random UUID.
    pub receipt_id: String,
}

fn usual_hold_days() -> u32 {
    Terms::default().hold_days
}

/// How a transaction ended.
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
    /// What the issuer tells the chip, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_data: Option<String>,
    /// What the chip said to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<Completion>,
}

impl Outcome {
    /// What the acquirer's answer comes to.
    #[must_use]
    pub fn of_answer(answer: HostAnswer) -> (Status, Self) {
        let approved = answer.response_code == decline::APPROVED;
        let reason = (!approved).then(|| decline::for_response(&answer.response_code));
        let outcome = Self {
            error: reason.map(OutcomeError::of),
            response_code: Some(answer.response_code),
            approval_code: answer.approval_code,
            rrn: answer.rrn,
            processor_tx_id: answer.processor_tx_id,
            issuer_data: answer.issuer_data,
            completion: None,
        };
        (if approved { Status::Approved } else { Status::Declined }, outcome)
    }

    /// An end without an answer.
    #[must_use]
    pub fn refused(reason: Decline) -> Self {
        Self { error: Some(OutcomeError::of(reason)), ..Self::default() }
    }
}

/// The public reason why an order was not approved.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutcomeError {
    pub code: u32,
    pub message: String,
}

impl OutcomeError {
    /// The reason as the wire tells it.
    #[must_use]
    pub fn of(reason: Decline) -> Self {
        Self { code: reason.code, message: reason.message.to_owned() }
    }
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
    /// The latest transaction on the order after the one that opened it.
    pub last_amendment: Option<AmendmentId>,
    pub created_at: Millis,
    /// When the opening transaction last changed.
    pub updated_at: Millis,
    pub version: i64,
}

impl Order {
    /// Whether the chip has the last word once the issuer approved. A hold is completed by its
    /// capture, a refund asks no chip, and a contactless card is gone by then.
    #[must_use]
    pub fn needs_advice(&self) -> bool {
        self.kind == Kind::Sale && self.card.entry_mode == EntryMode::Chip
    }

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

/// An order for tests of rules.
#[cfg(test)]
pub(super) mod example {
    use super::*;
    use crate::payment::card::{Brand, Expiry};
    use crate::payment::chip::ChipTags;
    use crate::payment::money::Currency;

    /// A swiped sale in roubles that the acquirer is about to get.
    pub(in crate::payment) fn order(minor: i64) -> Order {
        Order {
            id: OrderId(7),
            endpoint: EndpointId(1111),
            client_orderid: "a".to_owned(),
            kind: Kind::Sale,
            status: Status::Processing,
            stage: Stage::Processing,
            amount: Amount::from_minor(minor, Currency::from_alpha("RUB").unwrap()).unwrap(),
            reader: ReaderId(1),
            card: CardFacts {
                bin: "444455".to_owned(),
                last_four: "1111".to_owned(),
                expiry: Expiry::from_yymm("2912").unwrap(),
                brand: Brand::Visa,
                hash: "h".to_owned(),
                cardholder: None,
                entry_mode: EntryMode::Swipe,
                chip: ChipTags::default(),
            },
            request: RequestFacts { hold_days: 7, ..RequestFacts::default() },
            serial: SerialNumber(1),
            outcome: Outcome::default(),
            last_amendment: None,
            created_at: 0,
            updated_at: 0,
            version: 0,
        }
    }
}
