//! What a terminal answered, in words.

use super::ear::printable;
use super::terminal::Terminal;
use crate::doors::nexo::wire::message::Message;
use crate::doors::nexo::wire::typed::from_tree;
use crate::payment::money::{Amount, Currency};
use crate::payment::terminal::Dialect;
use anyhow::{Context, bail};
use serde_json::Value;
use std::fmt;

/// The condition of a message that was rejected: an event stands in the place of its answer.
pub(super) const REJECTED: &str = "Reject";

/// The content of an answer's body element.
pub(super) struct Answer {
    pub(super) body: Value,
    dialect: Dialect,
}

/// How a service ended.
pub(super) struct Outcome {
    /// `Success`, `Partial` or `Failure`.
    pub(super) result: String,
    /// The `ErrorCondition` of a failure; else empty.
    pub(super) condition: String,
    /// A sentence, or nothing.
    pub(super) text: String,
}

impl Answer {
    pub(super) fn of(message: &Message, dialect: Dialect) -> anyhow::Result<Self> {
        let body = from_tree(&message.body).context("the answer cannot be read")?;
        Ok(Self { body, dialect })
    }

    /// An answer that stands inside of another one.
    pub(super) fn inner(&self, body: &Value) -> Self {
        Self { body: body.clone(), dialect: self.dialect }
    }

    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.body.pointer(pointer)?.as_str()
    }

    pub(super) fn outcome(&self) -> Outcome {
        let get = |pointer| self.text(pointer).unwrap_or_default().to_owned();
        if self.body.get("EventToNotify").is_some() {
            let condition = get("/EventToNotify");
            let text = self.sentence(&get("/EventDetails"));
            return Outcome { result: "Failure".to_owned(), condition, text };
        }
        Outcome {
            result: get("/Response/Result"),
            condition: get("/Response/ErrorCondition"),
            text: self.sentence(&get("/Response/AdditionalResponse")),
        }
    }

    /// The sentence in an additional answer, which the JSON family puts into a form.
    fn sentence(&self, text: &str) -> String {
        match self.dialect {
            Dialect::Xml31 => text.to_owned(),
            Dialect::Json => {
                let mut pairs = form_urlencoded::parse(text.as_bytes());
                let message = pairs.find(|(name, _)| name == "message");
                message.map(|(_, message)| message.into_owned()).unwrap_or_default()
            }
        }
    }

    /// Amount, card and numbers, as far as they are there.
    fn details(&self) -> Vec<String> {
        let get = |pointer| self.text(pointer);
        let mut details = Vec::new();
        let amount = get("/PaymentResult/AmountsResp/AuthorizedAmount");
        let currency = get("/PaymentResult/AmountsResp/Currency");
        if let (Some(amount), Some(currency)) = (amount, currency.and_then(Currency::from_alpha)) {
            let padded = Amount::parse(amount, currency).map(|amount| amount.to_string());
            details.push(format!("{} {}", padded.as_deref().unwrap_or(amount), currency.alpha()));
        }
        if let Some(reversed) = get("/ReversedAmount") {
            details.push(format!("{reversed} given back"));
        }
        details.extend(self.card());
        if let Some(code) = get("/PaymentResult/PaymentAcquirerData/ApprovalCode") {
            details.push(format!("approval code {code}"));
        }
        if let Some(id) = get("/POIData/POITransactionID/TransactionID") {
            details.push(format!("transaction {id}"));
        }
        details
    }

    fn card(&self) -> Option<String> {
        let card = self.body.pointer("/PaymentResult/PaymentInstrumentData/CardData")?;
        let (pan, entry) = (card["MaskedPAN"].as_str()?, card["EntryMode"][0].as_str());
        // The seed writes the kind of the product before its name.
        let brand = card["PaymentBrand"].as_str().unwrap_or("card");
        let brand = brand.split_once(',').map_or(brand, |(_, name)| name);
        Some(format!("{brand} {pan} ({})", entry.unwrap_or("?")))
    }

    /// The whole result in one line.
    pub(super) fn line(&self) -> String {
        let outcome = self.outcome();
        let details = match outcome.is_good() {
            true => self.details(),
            false => Vec::new(),
        };
        let mut words = vec![outcome.to_string()];
        words.extend(details);
        printable(&words.join(", "))
    }
}

impl Outcome {
    pub(super) fn is_good(&self) -> bool {
        matches!(self.result.as_str(), "Success" | "Partial")
    }

    /// # Errors
    /// A sentence about what to do next, unless the service succeeded.
    pub(super) fn check(&self, terminal: &Terminal) -> anyhow::Result<()> {
        if self.is_good() {
            return Ok(());
        }
        bail!("{}", self.next_step(&terminal.poi_id, &terminal.sale_id))
    }

    fn next_step(&self, poi: &str, sale: &str) -> String {
        let next = match self.condition.as_str() {
            "NotAllowed" | "LoggedOut" if self.text.contains("Login") => {
                return format!(
                    "{sale:?} is not logged in: `tillgate pos pay --terminal {poi}` logs in; \
                     --sale-id names the point of sale that you mean"
                );
            }
            "Busy" | "InProgress" => {
                return format!(
                    "{poi} is busy: wait some seconds behind a payment; `tillgate pos abort \
                     --terminal {poi}` stops a service that is under way"
                );
            }
            "Aborted" => "it was stopped and nothing was taken; pay again",
            "Cancel" => "the customer did not go on and nothing was taken; pay again",
            "Refusal" | "InvalidCard" | "WrongPIN" => {
                "nothing was taken; in the sandbox the amount decides: see docs/terminals.md"
            }
            "UnreachableHost" => "the acquirer did not answer and nothing is kept; pay again later",
            "DeviceOut" => "the terminal is out of order; take another one, or try again",
            "UnavailableDevice" | REJECTED => "`tillgate dev` prints its terminals",
            "NotFound" => {
                "there is no such service or transaction; look at --service, --transaction and \
                 --sale-id"
            }
            _ => "it was refused for what it asks; change that",
        };
        next.to_owned()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.result)?;
        if !self.condition.is_empty() {
            write!(f, ", {}", self.condition)?;
        }
        if !self.text.is_empty() {
            write!(f, ": {}", self.text)?;
        }
        Ok(())
    }
}
