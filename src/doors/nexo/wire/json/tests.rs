//! Tests of the JSON: what is accepted, and what is not.

use super::super::examples::examples;
use super::super::fault::ReadError;
use super::super::message::Message;
use super::super::tree::{Node, Tree};
use super::{read, write};
use proptest::prelude::*;

const PAYMENT: &str = r#"{"SaleToPOIRequest":{"MessageHeader":{"MessageClass":"Service",
    "MessageCategory":"Payment","MessageType":"Request","ServiceID":"1","SaleID":"TILL",
    "POIID":"SIM"},"PaymentRequest":{"SaleData":{"SaleTransactionID":{"TransactionID":"T1",
    "TimeStamp":"2026-11-20T10:31:02Z"}},"PaymentTransaction":{"AmountsReq":{"Currency":"SEK",
    "RequestedAmount":149.50}}}}}"#;

fn payment_with(from: &str, to: &str) -> Result<Message, ReadError> {
    assert!(PAYMENT.contains(from), "{from}");
    read(PAYMENT.replace(from, to).as_bytes())
}

fn good(from: &str, to: &str) -> Message {
    payment_with(from, to).unwrap_or_else(|fault| panic!("{to}: {fault}"))
}

fn fault(from: &str, to: &str) -> String {
    match payment_with(from, to) {
        Err(ReadError::Body { fault, .. }) => format!("body {fault}"),
        Err(ReadError::NoHeader(fault)) => format!("header {fault}"),
        Err(ReadError::Unreadable(why)) => format!("bytes {why}"),
        Ok(_) => format!("{to} is read"),
    }
}

/// An example with one change.
fn example_with(name: &str, from: &str, to: &str) -> Message {
    let examples = examples("", "json");
    let text = std::str::from_utf8(&examples[name]).unwrap();
    assert!(text.contains(from), "{from}");
    read(text.replace(from, to).as_bytes()).unwrap_or_else(|fault| panic!("{to}: {fault}"))
}

#[test]
fn what_clients_write_otherwise_is_the_same_message() {
    let same = good("149.50", "149.50");
    for (from, to) in [
        ("149.50", "\"149.50\""),
        ("149.50", "1.4950e2"),
        ("\"1\"", "1"),
        ("\"Payment\"", "\"PAYMENT\""),
        ("\"Request\"", "\"REQUEST\""),
        ("10:31:02Z", "10:31:02"),
        ("{\"SaleToPOIRequest\"", "\u{feff} {\"X\":[{\"a\":null}],\"SaleToPOIRequest\""),
        (
            "\"SaleData\":{",
            "\"Colour\":{\"a\":[1e999]},\"PaymentData\":null,\"SaleData\":{\"X\":1,",
        ),
        ("\"SaleTransactionID\":{", "\"SponsoredMerchant\":[],\"SaleTransactionID\":{"),
        ("\"T1\"", "\"\\u00541\""),
        ("\"Currency\"", "\"Curr\\u0065ncy\""),
        ("\"PaymentRequest\":{", "\"PaymentRequest\":{\"LoyaltyData\":null,"),
    ] {
        assert!(good(from, to) == same, "{to}");
    }
    let (start, end) =
        (PAYMENT.find("\"MessageHeader\"").unwrap(), PAYMENT.find("\"PaymentRequest\""));
    let (header, body) = PAYMENT[start..].split_at(end.unwrap() - start);
    let body = body.strip_suffix("}}").unwrap();
    let header = header.trim().strip_suffix(',').unwrap();
    let swapped = format!("{{\"SaleToPOIRequest\":{{{body},{header}}}}}");
    assert!(read(swapped.as_bytes()).unwrap() == same, "{swapped}");
}

#[test]
fn one_stands_for_an_array_and_the_reverse() {
    let display = "display-to-terminal-request";
    let whole = example_with(display, "Thank you!", "Thank you!");
    let text = String::from_utf8(write(&whole)).unwrap();
    let single = text.replace("[{", "{").replace("}]", "}");
    assert_ne!(single, text);
    assert!(read(single.as_bytes()).unwrap() == whole);
    let array = text
        .replace("\"OutputContent\":{", "\"OutputContent\":[{")
        .replace("}]}}]}}}", "}]}]}]}}}");
    assert_ne!(array, text);
    assert!(read(array.as_bytes()).unwrap() == whole);
    let card = example_with("cardacquisition-response", "[\n      \"ICC\"\n     ]", "\"icc\"");
    let mode = card.body.at("PaymentInstrumentData/CardData/EntryMode");
    assert!(mode == Some(&Node::List(vec!["ICC".into()])));
}

#[test]
fn names_and_numbers_of_other_versions_are_taken() {
    let login = example_with("login-light-request", "ProviderIdentification", "ManufacturerID");
    assert!(login.body.text("SaleSoftware/ProviderIdentification").is_some());
    let card = example_with("cardacquisition-response", "\"MaskedPAN\"", "\"MaskedPan\"");
    assert!(card.body.text("PaymentInstrumentData/CardData/MaskedPAN").is_some());
    let approved = "payment-response-approved";
    let numbers = example_with(approved, "\"20261120\"", "20261120");
    assert_eq!(numbers.body.text("POIData/POIReconciliationID"), Some("20261120"));
    let flag = example_with(approved, "\"OnlineFlag\": true", "\"OnlineFlag\": \"true\"");
    assert!(flag.body.at("PaymentResult/OnlineFlag") == Some(&Node::Flag(true)));
    let pin = "\"OnlineFlag\": true, \"AuthenticationMethod\": \"OnlinePIN\"";
    let pin = example_with(approved, "\"OnlineFlag\": true", pin);
    assert!(
        pin.body.at("PaymentResult/AuthenticationMethod")
            == Some(&Node::List(vec!["OnLinePIN".into()]))
    );
    assert!(String::from_utf8(write(&pin)).unwrap().contains("[\"OnlinePIN\"]"));
}

#[test]
fn a_repeated_response_is_taken_with_and_without_its_own_level() {
    let found = "transactionstatus-response-found";
    let whole = example_with(found, "Success", "Success");
    assert!(whole.body.at("RepeatedMessageResponse/PaymentResponse/SaleData").is_some());
    let text = String::from_utf8(write(&whole)).unwrap();
    let flat = text.replace("\"RepeatedResponseMessageBody\":{", "").replacen("}}}}}", "}}}}", 1);
    assert_ne!(flat, text);
    assert!(read(flat.as_bytes()).unwrap() == whole, "{flat}");
}

#[test]
fn no_digit_of_a_number_is_lost() {
    let read = |number: &str| {
        let message = good("149.50", number);
        let amount = message.body.text("PaymentTransaction/AmountsReq/RequestedAmount");
        amount.unwrap().to_owned()
    };
    assert_eq!(read("99999999.999999"), "99999999.999999");
    assert_eq!(read("0.1"), "0.1");
    let path = "PaymentRequest/PaymentTransaction/AmountsReq/RequestedAmount: unexpected value";
    for bad in ["149.50000000000000001", "100000000", "-1", "true", "{}", "[1,2]", "[[1]]"] {
        assert_eq!(fault("149.50", bad), format!("body {path}"), "{bad}");
    }
}

#[test]
fn a_fault_says_where_it_is() {
    for (from, to, expected) in [
        (
            "\"Currency\":\"SEK\",",
            "",
            "body PaymentRequest/PaymentTransaction/AmountsReq/Currency: missing",
        ),
        ("\"T1\"", "null", "body PaymentRequest/SaleData/SaleTransactionID/TransactionID: missing"),
        (
            "\"T1\"",
            "\"\\u0000\"",
            "body PaymentRequest/SaleData/SaleTransactionID/TransactionID: unexpected value",
        ),
        (
            "\"SaleData\":{",
            "\"SaleData\":\"x\",\"Y\":{",
            "body PaymentRequest/SaleData: unexpected value",
        ),
        ("\"PaymentRequest\":{", "\"PaymentRequest\":[],\"Y\":{", "body PaymentRequest: missing"),
        (
            "\"PaymentRequest\":{",
            "\"PaymentRequest\":7,\"Y\":{",
            "body PaymentRequest: unexpected value",
        ),
        ("\"SIM\"", "null", "header MessageHeader/POIID: missing"),
        ("\"MessageHeader\"", "\"Header\"", "header MessageHeader: missing"),
        ("SaleToPOIRequest", "SaleToPOIDream", "header SaleToPOIRequest: missing"),
    ] {
        assert_eq!(fault(from, to), expected, "{to}");
    }
}

#[test]
fn what_is_not_json_or_too_much_of_it_is_refused() {
    let deep = format!("\"X\":{}{},\"SaleData\":{{", "[".repeat(30), "]".repeat(30));
    assert_eq!(fault("\"SaleData\":{", &deep), "bytes nested deeper than 32");
    for bad in ["", "hello", "[]", "7", "{", "{}{}", "{\"SaleToPOIRequest\":{}", "\"\\u\"", "nul"] {
        let error = read(bad.as_bytes()).unwrap_err();
        assert_eq!(error, ReadError::Unreadable("not a JSON object"), "{bad}");
    }
    for (bytes, expected) in [
        (&b"\xff{}"[..], "not UTF-8"),
        (&vec![b' '; 256 * 1024 + 1], "longer than 256 KiB"),
        (&vec![b'['; 100_000], "nested deeper than 32"),
    ] {
        assert_eq!(read(bytes).unwrap_err(), ReadError::Unreadable(expected));
    }
}

#[test]
fn a_tree_that_does_not_fit_is_written_as_json_all_the_same() {
    let mut message = good("149.50", "149.50");
    let amounts = Tree::new().with("Currency", Tree::new()).with("RequestedAmount", "1,5");
    let transaction =
        Tree::new().with("AmountsReq", vec![amounts]).with("SaleItem", Node::List(vec![]));
    message.body.set("PaymentTransaction", transaction);
    let written = String::from_utf8(write(&message)).unwrap();
    let end = "\"AmountsReq\":{\"Currency\":null,\"RequestedAmount\":\"1,5\"}}}}}";
    assert!(written.ends_with(end), "{written}");
}

proptest! {
    #[test]
    fn any_text_comes_back(text in "[^\\p{C}\u{fffe}\u{ffff}]{1,40}[\t\n\r\"\\\\]?") {
        let mut message = good("149.50", "149.50");
        let id = Tree::new()
            .with("TransactionID", text.as_str())
            .with("TimeStamp", "2026-11-20T10:31:02Z");
        message.body.set("SaleData", Tree::new().with("SaleTransactionID", id));
        prop_assert!(read(&write(&message)).unwrap() == message);
    }
}
