//! Receipts, two copies of each (nexo contract 9): the seed style as base64 of JSON, the JSON
//! family's as lines of name and value.
//!
//! The codes of the line `K/1 3 00 SWE` are ours where no vendor documents them: source `K`
//! contactless, `C` chip, `D` magnetic stripe; verification `/` none, `a` PIN, `@` signature.

use super::call::transaction_text;
use super::clock_text::local;
use super::condition::form_encoded;
use super::sale::{PaymentType, Sale};
use crate::gateway::KnownTerminal;
use crate::payment::Millis;
use crate::payment::card::{Brand, EntryMode};
use crate::payment::order::{Order, Status};
use crate::payment::terminal::{Dialect, Shop};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono_tz::Tz;
use serde_json::{Value, json};

/// Whose copy it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holder {
    Merchant,
    Cardholder,
}

/// What a receipt shows.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a line of its own, by its own name")]
pub(super) struct ReceiptFacts {
    shop: Shop,
    acquirer_poi_id: String,
    /// The transaction id of the payment.
    number: String,
    reference: String,
    currency: String,
    /// With a point.
    amount: String,
    bin: String,
    last_four: String,
    scheme: &'static str,
    entry_mode: EntryMode,
    aid: String,
    tvr: String,
    tsi: String,
    rrn: String,
    approval_code: Option<String>,
    response_code: String,
    with_pin: bool,
    pub(super) signature: bool,
    is_refund: bool,
    pub(super) is_cancelled: bool,
    is_approved: bool,
    at: Millis,
    zone: Tz,
}

/// The facts of a payment.
pub(super) fn facts_of(
    known: &KnownTerminal,
    sale: &Sale,
    number: i64,
    order: &Order,
) -> ReceiptFacts {
    let tag = |name: &str, usual: &str| order.card.chip.get(name).unwrap_or(usual).to_owned();
    let outcome = &order.outcome;
    let play = sale.play();
    ReceiptFacts {
        shop: known.terminal.profile.shop.clone(),
        acquirer_poi_id: known.terminal.acquirer_poi_id.clone(),
        number: transaction_text(known, number),
        reference: sale.transaction["TransactionID"].as_str().unwrap_or_default().to_owned(),
        currency: sale.currency.clone(),
        amount: order.amount.currency().decimal(order.amount.minor()),
        bin: order.card.bin.clone(),
        last_four: order.card.last_four.clone(),
        scheme: scheme(order.card.brand),
        entry_mode: order.card.entry_mode,
        aid: tag("84", "A0000000031010"),
        tvr: tag("95", "0000008001"),
        tsi: tag("9B", "0000"),
        rrn: outcome.rrn.clone().unwrap_or_default(),
        approval_code: outcome.approval_code.clone(),
        response_code: outcome.response_code.clone().unwrap_or_else(|| "91".to_owned()),
        with_pin: play.pin.is_some(),
        signature: play.signature,
        is_refund: sale.kind == PaymentType::Refund,
        is_cancelled: false,
        is_approved: order.status == Status::Approved,
        at: order.updated_at,
        zone: known.terminal.profile.shop.zone().unwrap_or(Tz::UTC),
    }
}

/// The scheme's name on paper.
pub(super) fn scheme(brand: Brand) -> &'static str {
    match brand {
        Brand::Visa => "Visa",
        Brand::Mastercard => "Mastercard",
        Brand::Maestro => "Maestro",
        Brand::Mir => "Mir",
        Brand::Amex => "American Express",
        Brand::UnionPay => "UnionPay",
        Brand::Jcb => "JCB",
        Brand::Unknown => "Card",
    }
}

/// Both copies of a payment; of a reversal the customer's comes first.
pub(super) fn copies(facts: &ReceiptFacts, dialect: Dialect) -> Value {
    let mut holders = [Holder::Merchant, Holder::Cardholder];
    if facts.is_cancelled {
        holders.reverse();
    }
    let copies = holders.map(|holder| {
        let document = match holder {
            Holder::Merchant => "CashierReceipt",
            Holder::Cardholder => "CustomerReceipt",
        };
        let mut copy = json!({
            "DocumentQualifier": document,
            "OutputContent": content(facts, holder, dialect),
        });
        let signs = facts.signature && holder == Holder::Merchant;
        if signs || dialect == Dialect::Json {
            copy["RequiredSignatureFlag"] = signs.into();
        }
        copy
    });
    Value::Array(copies.into())
}

/// What the card holder signs.
pub(super) fn signature_copy(facts: &ReceiptFacts, dialect: Dialect) -> Value {
    content(facts, Holder::Merchant, dialect)
}

fn content(facts: &ReceiptFacts, holder: Holder, dialect: Dialect) -> Value {
    let lines = match dialect {
        Dialect::Xml31 => {
            json!([{ "Text": STANDARD.encode(facts.seed_style(holder).to_string()) }])
        }
        Dialect::Json => Value::Array(facts.lines(holder)),
    };
    json!({ "OutputFormat": "Text", "OutputText": lines })
}

impl ReceiptFacts {
    /// The card number: the customer's copy never shows its front.
    fn card_number(&self, holder: Holder) -> String {
        match holder {
            Holder::Merchant => format!("{}******{}", self.bin, self.last_four),
            Holder::Cardholder => format!("************{}", self.last_four),
        }
    }

    fn source(&self) -> &'static str {
        match self.entry_mode {
            EntryMode::Contactless | EntryMode::QrCode => "K",
            EntryMode::Chip => "C",
            EntryMode::Swipe | EntryMode::FallbackSwipe => "D",
        }
    }

    fn verification(&self, holder: Holder) -> &'static str {
        match (self.with_pin, self.signature && holder == Holder::Merchant) {
            (true, _) => "a",
            (false, true) => "@",
            (false, false) => "/",
        }
    }

    fn entry_name(&self) -> &'static str {
        match self.entry_mode {
            EntryMode::Contactless | EntryMode::QrCode => "Contactless",
            EntryMode::Chip => "Chip",
            EntryMode::Swipe | EntryMode::FallbackSwipe => "Magnetic stripe",
        }
    }

    fn outcome_word(&self) -> &'static str {
        match (self.is_cancelled, self.is_approved) {
            (true, _) => "Cancelled",
            (false, true) => "Approved",
            (false, false) => "Declined",
        }
    }

    /// With a comma, as the seed writes amounts.
    fn comma_amount(&self) -> String {
        self.amount.replace('.', ",")
    }

    fn seed_style(&self, holder: Holder) -> Value {
        let (date, time) = local(self.at, self.zone);
        let shop = &self.shop;
        let label = json!({ "ApplicationLabel": self.scheme });
        let mut outcome = json!({
            "AuthorisationResponder": "3",
            "AuthorisationResponseCode": self.response_code,
            "DebitStatus": if self.is_cancelled { "91" } else { "00" },
        });
        if let Some(code) = self.approval_code.as_ref().filter(|_| self.is_approved) {
            outcome["ApprovalCode"] = code.as_str().into();
        }
        let receipt = json!({
            "Mandatory": {
                "Acquirer": {
                    "CardAcceptorNumber": shop.merchant_number,
                    "TerminalID": self.acquirer_poi_id,
                },
                "CardAcceptor": {
                    "Address1": shop.address,
                    "BankAgentName": "tillgate",
                    "Name": shop.name,
                    "OrganisationNumber": shop.organisation,
                    "PostZipCode": shop.post_code,
                    "TownCity": shop.city,
                },
                "CardDetails": {
                    "ApplicationIdentifier": self.aid,
                    "CardSchemeName": label,
                    "PrimaryAccountNumber": self.card_number(holder),
                    "TerminalVerificationResult": self.tvr,
                    "TransactionStatusInformation": self.tsi,
                },
                "Outcome": outcome,
                "Payment": {
                    "AuthorisationChannel": "1",
                    "CardholderVerificationMethod": self.verification(holder),
                    "Currency": self.currency,
                    "FinancialInstitution": "SWE",
                    "PaymentAmount": self.comma_amount(),
                    "ReceiptNumber": self.number,
                    "SignatureBlock": self.signature && holder == Holder::Merchant,
                    "TotalAmount": self.comma_amount(),
                    "TransactionSource": self.source(),
                    "TransactionType": if self.is_refund { "20" } else { "00" },
                },
                "TimeStamp": { "DateOfPayment": date, "TimeOfPayment": time },
            },
            "Optional": {
                "CardAcceptor": { "CountryName": shop.country, "PhoneNumber": shop.phone },
                "CardDetails": { "CardSchemeName": label },
                "Payment": { "Reference": self.reference },
                "ReceiptString": self.ready_lines(holder, &date, &time),
            },
        });
        match holder {
            Holder::Merchant => json!({ "Merchant": receipt }),
            Holder::Cardholder => json!({ "Cardholder": receipt }),
        }
    }

    /// The receipt as ready lines, for tills that only print.
    fn ready_lines(&self, holder: Holder, date: &str, time: &str) -> Vec<String> {
        let shop = &self.shop;
        let kind = if self.is_refund { "REFUND" } else { "PURCHASE" };
        let mut lines = vec![
            shop.name.clone(),
            shop.address.clone(),
            format!("{} {}", shop.post_code, shop.city),
            format!("Org no: {}", shop.organisation),
            format!("{date} {time}"),
            String::new(),
            format!("MID/TID: {}/{}", shop.merchant_number, self.acquirer_poi_id),
            String::new(),
            self.scheme.to_owned(),
            self.entry_name().to_owned(),
            self.card_number(holder),
            String::new(),
            format!("{}{}1 3 {} SWE", self.source(), self.verification(holder), self.response_code),
            format!("AID: {}", self.aid),
            format!("TVR: {}", self.tvr),
            format!("TSI: {}", self.tsi),
            format!("RRN: {}", self.rrn),
        ];
        if let Some(code) = self.approval_code.as_ref().filter(|_| self.is_approved) {
            lines.push(format!("Auth code: {code}"));
        }
        lines.push(format!("ARC: {}", self.response_code));
        lines.push(String::new());
        lines.push(format!("{kind}: {} {}", self.comma_amount(), self.currency));
        lines.push(self.outcome_word().to_owned());
        lines.push(String::new());
        match holder {
            Holder::Merchant if self.signature => lines.extend(
                ["Signature:", "..............................", "", "Merchant copy"]
                    .map(str::to_owned),
            ),
            Holder::Merchant => lines.push("Merchant copy".to_owned()),
            Holder::Cardholder => lines.push("Cardholder copy".to_owned()),
        }
        lines
    }

    /// The JSON family's lines.
    fn lines(&self, holder: Holder) -> Vec<Value> {
        let (date, time) = local(self.at, self.zone);
        let copy = match holder {
            Holder::Merchant => "MERCHANT COPY",
            Holder::Cardholder => "CUSTOMER COPY",
        };
        // Either copy shows the last four digits only, as this family does it.
        let card = format!("************{}", self.last_four);
        let total = format!("{} {}", self.currency, self.amount);
        let outcome = self.outcome_word();
        let mut lines = vec![
            line(&[("name", self.shop.name.as_str()), ("key", "header1")]),
            line(&[("name", copy), ("key", "header2")]),
            line(&[("name", "Date"), ("value", &date), ("key", "txdate")]),
            line(&[("name", "Time"), ("value", &time), ("key", "txtime")]),
            line(&[("name", "Card"), ("value", &card), ("key", "pan")]),
            line(&[("name", "Card type"), ("value", self.scheme), ("key", "cardType")]),
            line(&[("name", "Entry mode"), ("value", self.entry_name()), ("key", "posEntryMode")]),
            line(&[("name", "MID"), ("value", &self.shop.merchant_number), ("key", "mid")]),
            line(&[("name", "TID"), ("value", &self.acquirer_poi_id), ("key", "tid")]),
            line(&[("name", "Tender"), ("value", &self.number), ("key", "txRef")]),
            line(&[("name", "Reference"), ("value", &self.reference), ("key", "mref")]),
        ];
        if let Some(code) = self.approval_code.as_ref().filter(|_| self.is_approved) {
            lines.push(line(&[("name", "Auth. code"), ("value", code), ("key", "authCode")]));
        }
        let mut sum = line(&[("name", "TOTAL"), ("value", &total), ("key", "totalAmount")]);
        sum["CharacterStyle"] = "Bold".into();
        lines.push(sum);
        let (upper, lower) = (outcome.to_uppercase(), outcome.to_lowercase());
        lines.push(line(&[("name", &upper), ("key", &lower)]));
        if self.signature && holder == Holder::Merchant {
            lines.push(line(&[("name", "Signature"), ("key", "signature")]));
        }
        lines
    }
}

fn line(pairs: &[(&str, &str)]) -> Value {
    json!({ "Text": form_encoded(pairs), "EndOfLineFlag": true })
}
