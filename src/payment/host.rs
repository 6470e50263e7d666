//! What acquirer hosts say, in the words that every kind of host shares.

use super::Millis;
use serde::{Deserialize, Serialize};

/// An acquirer's decision about one transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostAnswer {
    /// ISO 8583 field 39, two characters; `00` approves.
    pub response_code: String,
    /// ISO 8583 field 38, six characters, on approvals.
    pub approval_code: Option<String>,
    /// ISO 8583 field 37, twelve characters.
    pub rrn: Option<String>,
    /// The acquirer's own name for the transaction.
    pub processor_tx_id: Option<String>,
    /// What the issuer tells the chip: a BER-TLV list of tags such as 91, 71 and 72, in upper-case
    /// hex (ISO 8583 field 55).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_data: Option<String>,
}

/// Whose test amounts a sandbox's host plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostProfile {
    /// Those of mobile apps (MAPI 11).
    #[default]
    Mpos,
    /// What is played at a payment terminal (nexo 14.2): the last three digits of its amount, or
    /// others that were chosen.
    Terminal { ending: i64 },
}

impl HostProfile {
    /// Whether they are the usual ones.
    #[must_use]
    pub fn is_mpos(&self) -> bool {
        *self == Self::Mpos
    }
}

/// What came back from the first request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Authorisation {
    Answered(HostAnswer),
    /// The host has it and will decide later; ask for the outcome after this long.
    Pending {
        ask_after: Millis,
    },
}

/// What came back from asking after an earlier request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Inquiry {
    /// The host has the transaction and this is its decision.
    Answered(HostAnswer),
    /// The host never saw the transaction, so it is safe to send it.
    NotFound,
    /// The host cannot say.
    Undecided,
}
