//! What a payment is, as it is remembered from its request to its answer and over a crash. Nothing
//! of a card is in it.

use super::condition::{Condition, Failed};
use super::message::{Message, StoredHeader};
use crate::payment::ids::EndpointId;
use crate::payment::money::{Amount, Currency};
use crate::payment::order::Kind;
use crate::payment::terminal::Dialect;
use crate::sandbox::terminal::{self as script, Play};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest list of pairs that is given back.
const METADATA_MAX: usize = 20;

/// What a completion must name.
const ORIGINAL: &str = "PaymentRequest/PaymentTransaction/OriginalPOITransaction/POITransactionID";

/// `PaymentType`, as far as the core has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum PaymentType {
    Normal,
    Refund,
    OneTimeReservation,
    FirstReservation,
    Completion,
}

impl PaymentType {
    const ALL: [Self; 5] = [
        Self::Normal,
        Self::Refund,
        Self::OneTimeReservation,
        Self::FirstReservation,
        Self::Completion,
    ];

    /// The schema's spelling.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Refund => "Refund",
            Self::OneTimeReservation => "OneTimeReservation",
            Self::FirstReservation => "FirstReservation",
            Self::Completion => "Completion",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What it opens in the core; a completion belongs to an order that is there.
    pub(super) fn order_kind(self) -> Option<Kind> {
        match self {
            Self::Normal => Some(Kind::Sale),
            Self::Refund => Some(Kind::Refund),
            Self::OneTimeReservation | Self::FirstReservation => Some(Kind::Preauth),
            Self::Completion => None,
        }
    }

    /// What it counts as in the totals (`TransactionType`).
    pub(super) fn movement(self) -> &'static str {
        match self {
            Self::Normal => "Debit",
            Self::Refund => "Credit",
            Self::OneTimeReservation => "OneTimeReservation",
            Self::FirstReservation => "FirstReservation",
            Self::Completion => "CompletedReservation",
        }
    }
}

/// A payment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Sale {
    pub(super) header: StoredHeader,
    /// The point of sale's name for it, to be given back.
    pub(super) transaction: Value,
    pub(super) kind: PaymentType,
    /// In minor units, what cash comes on top included.
    pub(super) minor: i64,
    pub(super) currency: String,
    pub(super) cash_back_minor: i64,
    /// What is played: how the amount ends, or what was chosen instead.
    pub(super) ending: i64,
    pub(super) token_wanted: bool,
    /// Whether the cashier is asked about a signature, and not the receipt.
    pub(super) asks_cashier: bool,
    /// What the JSON family gives back of its data for the acquirer.
    #[serde(default)]
    pub(super) metadata: Vec<(String, String)>,
    /// The transaction that a completion belongs to.
    #[serde(default)]
    pub(super) original: Option<String>,
    /// The card read ahead that it is to be made with.
    #[serde(default)]
    pub(super) card_ahead: Option<String>,
    /// Where its order is opened; none where the currency is not configured.
    #[serde(default)]
    pub(super) endpoint: Option<EndpointId>,
    pub(super) started_at: i64,
}

impl Sale {
    /// Reads a `PaymentRequest`.
    ///
    /// # Errors
    /// The first thing about it that cannot be done.
    pub(super) fn read(
        request: &Message,
        transaction: Value,
        dialect: Dialect,
        started_at: i64,
    ) -> Result<Self, Failed> {
        let body = &request.body;
        let kind = body.pointer("/PaymentData/PaymentType").and_then(Value::as_str);
        let kind = kind.unwrap_or("Normal");
        let kind = PaymentType::from_name(kind).ok_or_else(|| {
            Failed::new(Condition::UnavailableService, format!("PaymentType {kind} not supported"))
        })?;
        if body.pointer("/PaymentData/PaymentInstrumentData/CardData/SensitiveCardData").is_some() {
            return Err(Failed::new(Condition::NotAllowed, "Keyed cards are not configured"));
        }
        let amounts = "/PaymentTransaction/AmountsReq";
        let text = |name: &str| body.pointer(&format!("{amounts}/{name}")).and_then(Value::as_str);
        let alpha = text("Currency").unwrap_or_default();
        let currency = Currency::from_alpha(alpha).ok_or_else(|| unknown_currency(alpha))?;
        let path = |name: &str| format!("PaymentRequest/PaymentTransaction/AmountsReq/{name}");
        let requested = text("RequestedAmount")
            .ok_or_else(|| format_fault(&path("RequestedAmount"), "missing"))?;
        let minor = minor_of(requested, currency)
            .ok_or_else(|| format_fault(&path("RequestedAmount"), "unexpected value"))?;
        let cash_back_minor = minor_of(text("CashBackAmount").unwrap_or("0"), currency)
            .filter(|cash| *cash <= minor)
            .ok_or_else(|| format_fault(&path("CashBackAmount"), "unexpected value"))?;
        if minor == 0 {
            return Err(format_fault(&path("RequestedAmount"), "unexpected value"));
        }
        let original = body
            .pointer("/PaymentTransaction/OriginalPOITransaction/POITransactionID/TransactionID");
        let original = original.and_then(Value::as_str).map(str::to_owned);
        if kind == PaymentType::Completion && original.is_none() {
            return Err(format_fault(ORIGINAL, "missing"));
        }
        let card_ahead = body.pointer("/PaymentData/CardAcquisitionReference/TransactionID");
        Ok(Self {
            header: StoredHeader(request.header.clone()),
            transaction,
            kind,
            minor,
            currency: currency.alpha().to_owned(),
            cash_back_minor,
            ending: script::ending_of(minor),
            token_wanted: body.pointer("/SaleData/TokenRequestedType").is_some(),
            asks_cashier: false,
            metadata: match dialect {
                Dialect::Json => metadata_of(body),
                Dialect::Xml31 => Vec::new(),
            },
            original,
            card_ahead: card_ahead.and_then(Value::as_str).map(str::to_owned),
            endpoint: None,
            started_at,
        })
    }

    /// What happens at the terminal.
    pub(super) fn play(&self) -> Play {
        script::for_ending(self.ending)
    }

    /// Whether it can be given back when the signature is not right.
    pub(super) fn is_reversible(&self) -> bool {
        self.kind != PaymentType::Refund && self.kind != PaymentType::Completion
    }

    pub(super) fn currency(&self) -> Option<Currency> {
        Currency::from_alpha(&self.currency)
    }

    /// What is asked for.
    pub(super) fn amount(&self) -> Option<Amount> {
        Amount::from_minor(self.minor, self.currency()?)
    }
}

/// The metadata of `SaleToAcquirerData`, which is given back.
fn metadata_of(body: &Value) -> Vec<(String, String)> {
    let data = body.pointer("/SaleData/SaleToAcquirerData").and_then(Value::as_str);
    let pairs = data.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let ours = pairs.filter(|(name, _)| name.starts_with("metadata."));
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    ours.take(METADATA_MAX).map(|(name, value)| (name.to_owned(), decoded(value))).collect()
}

/// Minor units of a decimal with a point; no more digits behind it than the currency has, but for
/// zeros.
pub(super) fn minor_of(text: &str, currency: Currency) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let exponent = usize::try_from(currency.exponent()).ok()?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > exponent {
        return None;
    }
    format!("{whole}{fraction:0<exponent$}").parse().ok()
}

/// What `AmountsReq` asks for in minor units, where it can be read.
pub(super) fn minor_of_amounts(amounts: &Value) -> Option<i64> {
    let currency = Currency::from_alpha(amounts.get("Currency")?.as_str()?)?;
    minor_of(amounts.get("RequestedAmount")?.as_str()?, currency)
}

/// What is wrong with a message, and where.
pub(super) fn format_fault(path: &str, why: &str) -> Failed {
    Failed::new(Condition::MessageFormat, format!("{path}: {why}"))
}

pub(super) fn unknown_currency(alpha: &str) -> Failed {
    Failed::new(Condition::NotAllowed, format!("Currency {alpha} not configured"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_text() {
        let sek = Currency::from_alpha("SEK").unwrap();
        for (text, minor) in
            [("149.50", 14_950), ("149.5", 14_950), ("149", 14_900), ("0", 0), ("1.200000", 120)]
        {
            assert_eq!(minor_of(text, sek), Some(minor), "{text}");
        }
        for text in ["", ".5", "1.234", "1,5", "-1", "+1", "1e2", "1.2.3", "99999999999999999999"] {
            assert_eq!(minor_of(text, sek), None, "{text}");
        }
    }
}
