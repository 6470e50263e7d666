//! Receipts as lines: ready ones of the seed style, names and values of the JSON family.

use super::ear::printable;
use crate::cli::sale::say;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Prints a receipt, or what is printed, whichever way it is worded.
pub(super) fn print(document: &Value) -> anyhow::Result<()> {
    for line in lines(document) {
        say(format!("   | {}", printable(&line)).trim_end())?;
    }
    Ok(())
}

/// Prints all receipts of an answer.
pub(super) fn print_all(answer: &Value) -> anyhow::Result<()> {
    for receipt in answer["PaymentReceipt"].as_array().into_iter().flatten() {
        let document = receipt["DocumentQualifier"].as_str().unwrap_or("?");
        say(&format!("   receipt         {}", printable(document)))?;
        print(receipt)?;
    }
    Ok(())
}

/// Whether the card holder has to sign one of them.
pub(super) fn wants_signature(answer: &Value) -> bool {
    let receipts = answer["PaymentReceipt"].as_array().into_iter().flatten();
    receipts.into_iter().any(|receipt| receipt["RequiredSignatureFlag"] == true)
}

fn lines(document: &Value) -> Vec<String> {
    let texts = document.pointer("/OutputContent/OutputText").and_then(Value::as_array);
    let texts = texts.into_iter().flatten().filter_map(|text| text["Text"].as_str());
    texts.flat_map(|text| seed_lines(text).unwrap_or_else(|| vec![named_line(text)])).collect()
}

/// The ready lines in base64 of JSON.
fn seed_lines(text: &str) -> Option<Vec<String>> {
    let json: Value = serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()?;
    let copy = json.as_object()?.values().next()?;
    let lines = copy.pointer("/Optional/ReceiptString")?.as_array()?;
    Some(lines.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// `name=…&value=…&key=…`.
fn named_line(text: &str) -> String {
    let field = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(text.as_bytes());
        pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let name = field("name").unwrap_or_default();
    match field("value") {
        Some(value) => format!("{name:<16}{value}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_styles_become_lines() {
        let copy =
            json!({ "Merchant": { "Optional": { "ReceiptString": ["Shop", "", "Approved"] } } });
        let text = STANDARD.encode(copy.to_string());
        let seed = json!({ "OutputContent": { "OutputText": [{ "Text": text }] } });
        assert_eq!(lines(&seed), ["Shop", "", "Approved"]);
        let named = json!({ "OutputContent": { "OutputText": [
            { "Text": "name=Norra%20Kaffe&key=header1" },
            { "Text": "name=TOTAL&value=EUR%2014.95&key=totalAmount" },
        ] } });
        assert_eq!(lines(&named), ["Norra Kaffe", "TOTAL           EUR 14.95"]);
    }
}
