//! How what became of a payment is worded (nexo contract 5.2): the same order always gives the same
//! answer, before a crash or after it.

use super::call::{transaction_id, transaction_text};
use super::condition::{Failed, form_encoded};
use super::receipt;
use super::sale::Sale;
use crate::gateway::KnownTerminal;
use crate::payment::card::{Brand, CardFacts, EntryMode};
use crate::payment::order::Order;
use crate::payment::terminal::Dialect;
use serde_json::{Value, json};

/// How many characters a token has.
const TOKEN_LEN: usize = 70;

/// What became of a payment.
pub(super) enum Ending<'a> {
    Approved(&'a Order),
    /// The acquirer, or the cashier, said no; or nobody knows what the acquirer said.
    Declined(&'a Order, &'a Failed),
    /// Nothing was sent.
    Failed(&'a Failed),
}

/// The element `PaymentResponse`.
pub(super) fn payment_body(
    known: &KnownTerminal,
    sale: &Sale,
    number: i64,
    ending: &Ending<'_>,
) -> Value {
    let dialect = known.terminal.dialect;
    let transaction = transaction_id(&transaction_text(known, number), sale.started_at);
    let mut body = json!({
        "SaleData": { "SaleTransactionID": sale.transaction },
        "POIData": { "POITransactionID": transaction },
    });
    let order = match ending {
        Ending::Failed(failed) => {
            body["Response"] = failed.response(dialect);
            return body;
        }
        Ending::Declined(order, failed) => {
            body["Response"] = failed.response(dialect);
            order
        }
        Ending::Approved(order) => {
            body["Response"] = success(sale, order, dialect, &transaction_text(known, number));
            order
        }
    };
    let is_approved = matches!(ending, Ending::Approved(_));
    body["PaymentResult"] = result(known, sale, order, &transaction, is_approved);
    let mut facts = receipt::facts_of(known, sale, number, order);
    // Nobody signs what was not approved.
    facts.signature &= is_approved;
    body["PaymentReceipt"] = receipt::copies(&facts, dialect);
    body
}

fn success(sale: &Sale, order: &Order, dialect: Dialect, transaction: &str) -> Value {
    let is_partial = order.amount.minor() < sale.minor;
    let mut response = json!({ "Result": if is_partial { "Partial" } else { "Success" } });
    if dialect == Dialect::Json {
        let mut pairs =
            vec![("pspReference", transaction), ("cardType", short_name(order.card.brand))];
        pairs.extend(sale.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        response["AdditionalResponse"] = form_encoded(&pairs).into();
    }
    response
}

fn result(
    known: &KnownTerminal,
    sale: &Sale,
    order: &Order,
    transaction: &Value,
    is_approved: bool,
) -> Value {
    let terminal = &known.terminal;
    let mut result = json!({
        "PaymentType": sale.kind.name(),
        "OnlineFlag": true,
        "PaymentInstrumentData": instrument(&order.card, terminal.dialect, sale.token_wanted),
    });
    let play = sale.play();
    if play.pin.is_some() {
        let method = match terminal.dialect {
            Dialect::Xml31 => "OnLinePIN",
            Dialect::Json => "OnlinePIN",
        };
        result["AuthenticationMethod"] = json!([method]);
    } else if play.signature && is_approved {
        result["AuthenticationMethod"] = json!(["PaperSignature"]);
    }
    let currency = order.amount.currency();
    let mut acquirer = json!({
        "MerchantID": terminal.profile.shop.merchant_number,
        "AcquirerPOIID": terminal.acquirer_poi_id,
    });
    if terminal.dialect == Dialect::Json {
        acquirer["AcquirerTransactionID"] = transaction.clone();
    }
    if is_approved {
        let mut amounts = json!({
            "Currency": sale.currency,
            "AuthorizedAmount": currency.decimal(order.amount.minor()),
        });
        if sale.cash_back_minor > 0 || terminal.dialect == Dialect::Xml31 {
            amounts["CashBackAmount"] = currency.decimal(sale.cash_back_minor).into();
        }
        result["AmountsResp"] = amounts;
        if let Some(code) = &order.outcome.approval_code {
            acquirer["ApprovalCode"] = code.as_str().into();
        }
    } else if terminal.dialect == Dialect::Json {
        result["AmountsResp"] =
            json!({ "Currency": sale.currency, "AuthorizedAmount": currency.decimal(0) });
    }
    result["PaymentAcquirerData"] = acquirer;
    result
}

/// `PaymentInstrumentData`.
pub(super) fn instrument(card: &CardFacts, dialect: Dialect, token_wanted: bool) -> Value {
    let (brand, masked) = match dialect {
        Dialect::Xml31 => (
            format!("01,{}", receipt::scheme(card.brand)),
            format!("{}******{}", card.bin, card.last_four),
        ),
        Dialect::Json => {
            (short_name(card.brand).to_owned(), format!("{} **** {}", card.bin, card.last_four))
        }
    };
    let mut data = json!({
        "PaymentBrand": brand,
        "MaskedPAN": masked,
        "EntryMode": [entry_name(card.entry_mode)],
        "CardCountryCode": "752",
    });
    if token_wanted {
        data["PaymentToken"] = json!({
            "TokenRequestedType": "Customer",
            "TokenValue": token(&card.hash),
        });
    }
    json!({ "PaymentInstrumentType": "Card", "CardData": data })
}

/// Seventy characters that are the same for the same card at all terminals of this gateway: its
/// keyed hash, over and over.
fn token(hash: &str) -> String {
    hash.chars().cycle().take(TOKEN_LEN).collect::<String>().to_uppercase()
}

/// `EntryMode`.
fn entry_name(mode: EntryMode) -> &'static str {
    match mode {
        EntryMode::Contactless => "Contactless",
        EntryMode::Chip => "ICC",
        EntryMode::Swipe | EntryMode::FallbackSwipe => "MagStripe",
        EntryMode::QrCode => "Mobile",
    }
}

/// The JSON family's names of schemes.
fn short_name(brand: Brand) -> &'static str {
    match brand {
        Brand::Visa => "visa",
        Brand::Mastercard => "mc",
        Brand::Maestro => "maestro",
        Brand::Mir => "mir",
        Brand::Amex => "amex",
        Brand::UnionPay => "cup",
        Brand::Jcb => "jcb",
        Brand::Unknown => "unknown",
    }
}
