//! The wording of callbacks: a GET whose query names the order, its status and a control
//! (MAPI 7).

use super::callback_template as template;
use super::status::enabled;
use crate::crypto::sign::callback_control;
use crate::gateway::{CallbackWording, Seen, Worded};
use crate::payment::notice::Notice;
use url::Url;

/// Longer merchant data, in bytes, is left out of the callback: receivers refuse long addresses,
/// and then nothing at all would arrive. The status answer has it in full.
const MERCHANT_DATA_MAX: usize = 2048;

/// How this door words its callbacks.
pub const WORDING: CallbackWording = CallbackWording { check: template::check, word };

/// A callback in words. Macros (`${status}`) in the merchant's address are replaced, and then
/// nothing is added; otherwise all parameters follow a query that the address has.
///
/// # Errors
/// When the merchant's address is not one.
fn word(notice: &Notice, seen: &Seen, control_key: &str) -> Result<Worded, String> {
    let parameters = parameters(notice, seen, control_key);
    let address = template::filled(&notice.url, &parameters);
    let address = Url::parse(&address).map_err(|error| error.to_string())?;
    let mut whole = address.clone();
    if !template::has_macros(&notice.url) {
        whole.query_pairs_mut().extend_pairs(&parameters);
    }
    Ok(Worded { address, whole, parameters })
}

/// Every parameter, in the documented order.
fn parameters(notice: &Notice, seen: &Seen, control_key: &str) -> Vec<(&'static str, String)> {
    let Seen { order, terms, .. } = seen;
    let id = order.id.to_string();
    let status = notice.status.name();
    let control = callback_control(status, &id, &order.client_orderid, control_key);
    let transaction = seen.transaction();
    let outcome = transaction.outcome;
    let error_code = outcome.error.as_ref().map(|error| error.code.to_string());
    let error_message = outcome.error.as_ref().map_or("", |error| error.message.as_str());
    let payer = order.payer_name();
    let cardholder = order.card.cardholder.as_deref();

    let merchant_data = order.request.merchant_data.as_deref();
    let merchant_data = merchant_data.filter(|data| data.len() <= MERCHANT_DATA_MAX);

    let mut parameters = Vec::with_capacity(32);
    let mut add = |name: &'static str, value: &str| parameters.push((name, value.to_owned()));
    add("status", status);
    add("merchant_order", &order.client_orderid);
    add("client_orderid", &order.client_orderid);
    add("orderid", &id);
    add("type", transaction.kind);
    add("amount", &transaction.amount.to_string());
    add("descriptor", &order.request.descriptor);
    let optional = [
        ("error_code", error_code.as_deref()),
        // Present and empty on approvals, as the field does it.
        ("error_message", Some(error_message)),
        ("name", payer.as_deref()),
        ("card-holder-name", cardholder),
        ("email", Some(order.request.email.as_str())),
        ("phone", order.request.phone.as_deref()),
        ("approval-code", outcome.approval_code.as_deref()),
        ("last-four-digits", Some(order.card.last_four.as_str())),
        ("bin", Some(order.card.bin.as_str())),
        ("card-type", Some(order.card.brand.name())),
        ("gate-partial-reversal", Some(enabled(terms.partial_reversal))),
        ("gate-partial-capture", Some(enabled(terms.partial_capture))),
        ("processor-tx-id", outcome.processor_tx_id.as_deref()),
        ("processor-rrn", outcome.rrn.as_deref()),
        ("comment", transaction.comment),
        ("control", Some(control.as_str())),
        ("merchantdata", merchant_data),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            add(name, value);
        }
    }
    parameters
}
