//! Tests of the XML: what is accepted, and what is not.

use super::super::examples::examples;
use super::super::fault::ReadError;
use super::super::message::{Class, Kind, Message};
use super::super::tree::{Node, Tree};
use super::{read, write};
use proptest::prelude::*;

const PAYMENT: &str = r#"<SaleToPOIRequest><MessageHeader MessageClass="Service"
    MessageCategory="Payment" MessageType="Request" ServiceID="1" SaleID="TILL" POIID="SIM"/>
    <PaymentRequest><SaleData><SaleTransactionID TransactionID="T1"
    TimeStamp="2026-11-20T11:31:02+01:00"/></SaleData><PaymentTransaction>
    <AmountsReq Currency="SEK" RequestedAmount="149.50"/></PaymentTransaction></PaymentRequest>
    </SaleToPOIRequest>"#;

fn payment_with(from: &str, to: &str) -> Result<Message, ReadError> {
    assert!(PAYMENT.contains(from), "{from}");
    read(PAYMENT.replace(from, to).as_bytes())
}

fn good(from: &str, to: &str) -> Message {
    payment_with(from, to).unwrap_or_else(|fault| panic!("{to}: {fault}"))
}

/// The words of the fault with which a message is refused, header or not.
fn fault(from: &str, to: &str) -> String {
    match payment_with(from, to) {
        Err(ReadError::Body { fault, header }) => {
            assert_eq!((header.sale_id.as_str(), header.poi_id.as_str()), ("TILL", "SIM"));
            format!("body {fault}")
        }
        Err(ReadError::NoHeader(fault)) => format!("header {fault}"),
        Err(ReadError::Unreadable(why)) => format!("bytes {why}"),
        Ok(_) => format!("{to} is read"),
    }
}

#[test]
fn a_payment_is_read() {
    let message = good("149.50", "149.50");
    let header = &message.header;
    assert_eq!((header.class, header.kind), (Class::Service, Kind::Request));
    assert_eq!(header.body_name(), "PaymentRequest");
    assert_eq!(header.answer().body_name(), "PaymentResponse");
    assert_eq!(header.answer().service_id.as_deref(), Some("1"));
    assert_eq!(message.body.text("PaymentTransaction/AmountsReq/RequestedAmount"), Some("149.5"));
    assert_eq!(message.body.text("SaleData/SaleTransactionID/TransactionID"), Some("T1"));
}

#[test]
fn any_order_prolog_and_whatever_is_unknown_are_taken() {
    let same = good("149.50", "149.50");
    for (from, to) in [
        ("<SaleToPOIRequest>", "\u{feff}<SaleToPOIRequest>"),
        (
            "<SaleToPOIRequest>",
            "<?xml version='1.0' encoding='utf-8'?>\n<!-- x --><SaleToPOIRequest>",
        ),
        ("<SaleToPOIRequest>", "<SaleToPOIRequest xmlns:xsi='http://x' xsi:y='1' Z=\"&lt;\">"),
        (
            "<SaleData>",
            "<Unknown a='b'><SaleData>x</SaleData><b/></Unknown><SaleData Colour='red'>",
        ),
        ("<SaleData>", "<SaleData><?pi x?>stray text"),
        ("<PaymentRequest>", "<Foo/><PaymentRequest>"),
        ("149.50", " 0149.500 "),
        ("\"T1\"", "\"&#84;&#x31;\""),
        ("\"TILL\"", "'TILL'"),
        ("MessageClass=\"Service\"\n", "MessageClass=\"SERVICE\" "),
    ] {
        assert!(good(from, to) == same, "{to}");
    }
    let start = PAYMENT.find("<SaleData>").unwrap();
    let middle = PAYMENT.find("<PaymentTransaction>").unwrap();
    let end = PAYMENT.find("</PaymentRequest>").unwrap();
    let (front, rest) = (&PAYMENT[start..middle], &PAYMENT[middle..end]);
    let swapped = [&PAYMENT[..start], rest, front, &PAYMENT[end..]].concat();
    assert!(read(swapped.as_bytes()).unwrap() == same);
}

#[test]
fn a_fault_says_where_it_is() {
    for (from, to, expected) in [
        (
            " RequestedAmount=\"149.50\"",
            " RequestedAmount=\"1,5\"",
            "body PaymentRequest/\
            PaymentTransaction/AmountsReq/RequestedAmount: unexpected value",
        ),
        (
            "149.50",
            "100000000",
            "body PaymentRequest/PaymentTransaction/AmountsReq/\
            RequestedAmount: unexpected value",
        ),
        (
            "Currency=\"SEK\"",
            "",
            "body PaymentRequest/PaymentTransaction/AmountsReq/Currency: \
            missing",
        ),
        (
            "\"SEK\"",
            "\"Sek\"",
            "body PaymentRequest/PaymentTransaction/AmountsReq/Currency: \
            unexpected value",
        ),
        (
            "T11:31",
            " 11:31",
            "body PaymentRequest/SaleData/SaleTransactionID/TimeStamp: \
            unexpected value",
        ),
        (
            "</PaymentRequest>",
            "<PaymentData/><PaymentData/></PaymentRequest>",
            "body PaymentRequest/PaymentData: unexpected value",
        ),
        ("<PaymentRequest>", "<LoginRequest/><PaymentRequest>", "body PaymentRequest: missing"),
        (
            "</SaleToPOIRequest>",
            "<AdminRequest/></SaleToPOIRequest>",
            "body AdminRequest: unexpected value",
        ),
        (
            "\"T1\"",
            "\"T&#1;\"",
            "body PaymentRequest/SaleData/SaleTransactionID/TransactionID: \
            unexpected value",
        ),
        ("ServiceID=\"1\"", "", "body MessageHeader/ServiceID: missing"),
        (
            "ServiceID=\"1\"",
            "ServiceID=\"12345678901\"",
            "body MessageHeader/ServiceID: unexpected value",
        ),
        (
            "Category=\"Payment\"",
            "Category=\"Foo\"",
            "body MessageHeader/MessageCategory: unexpected value",
        ),
        ("SaleID=\"TILL\"", "", "header MessageHeader/SaleID: missing"),
        ("\"Service\"", "\"Servant\"", "header MessageHeader/MessageClass: unexpected value"),
        ("\"Request\"", "\"Response\"", "header MessageHeader/MessageType: unexpected value"),
        ("<MessageHeader", "<Header", "header MessageHeader: missing"),
    ] {
        assert_eq!(fault(from, to), expected, "{to}");
    }
    let other = read(b"<Hello/>").unwrap_err();
    assert_eq!(other.to_string(), "SaleToPOIRequest: missing");
}

#[test]
fn what_is_not_xml_or_too_much_of_it_is_refused() {
    let deep = format!("{}{}", "<a>".repeat(33), "</a>".repeat(33));
    let long = format!("<a b='{}'/>", "x".repeat(8 * 1024 + 1));
    let many = " a='b'".repeat(65);
    for (from, to, expected) in [
        ("<SaleToPOIRequest>", "<!DOCTYPE a><SaleToPOIRequest>", "has a document type"),
        ("\"TILL\"", "\"&xxe;\"", "not well-formed XML"),
        ("<SaleData>", "<SaleData>&xxe;", "has an entity beyond the five of XML"),
        ("<SaleData>", &deep, "nested deeper than 32"),
        ("<SaleData>", &long, "an attribute is longer than 8 KiB"),
        ("<SaleData>", &format!("<a{many}/>"), "an element has more than 64 attributes"),
        (
            "<SaleToPOIRequest>",
            "<?xml version='1.0' encoding='ISO-8859-1'?><SaleToPOIRequest>",
            "not UTF-8",
        ),
        ("<SaleToPOIRequest>", "<a/><SaleToPOIRequest>", "more than one root element"),
        ("<SaleToPOIRequest>", "text<SaleToPOIRequest>", "more than one root element"),
        ("</SaleToPOIRequest>", "", "not well-formed XML"),
        ("</SaleData>", "</SaleDate>", "not well-formed XML"),
    ] {
        assert_eq!(fault(from, to), format!("bytes {expected}"), "{to}");
    }
    for (bytes, expected) in [
        (&b""[..], "no root element"),
        (b"hello", "more than one root element"),
        (b"{}", "more than one root element"),
        (b"\xff<a/>", "not UTF-8"),
        (&vec![b' '; 256 * 1024 + 1], "longer than 256 KiB"),
    ] {
        assert_eq!(read(bytes).unwrap_err(), ReadError::Unreadable(expected));
    }
}

#[test]
fn lists_have_bounds() {
    let items = |count| {
        "<SaleItem ItemID=\"1\" ProductCode=\"1\" ItemAmount=\"1\"/>".repeat(count)
            + "</PaymentTransaction>"
    };
    let message = good("</PaymentTransaction>", &items(100));
    let Some(Node::List(list)) = message.body.at("PaymentTransaction/SaleItem") else {
        panic!("a list");
    };
    assert_eq!(list.len(), 100);
    let over = fault("</PaymentTransaction>", &items(101));
    assert_eq!(over, "body PaymentRequest/PaymentTransaction/SaleItem: unexpected value");
    let display = |lines: usize| {
        let text = "<OutputText>x</OutputText>".repeat(lines);
        let text = format!(
            "<SaleToPOIRequest><MessageHeader MessageClass='Device' MessageCategory='Display' \
             MessageType='Request' DeviceID='1' SaleID='T' POIID='S'/><DisplayRequest>\
             <DisplayOutput Device='CustomerDisplay' InfoQualify='Display'><OutputContent \
             OutputFormat='Text'>{text}</OutputContent></DisplayOutput></DisplayRequest>\
             </SaleToPOIRequest>"
        );
        read(text.as_bytes()).map(|_| ()).map_err(|fault| fault.to_string())
    };
    let path = "DisplayRequest/DisplayOutput/OutputContent/OutputText: unexpected value";
    assert_eq!((display(64), display(65)), (Ok(()), Err(path.to_owned())));
}

#[test]
fn enumerations_are_open_where_they_may_be() {
    let kind = |kind: &str| format!("<PaymentData PaymentType=\"{kind}\"/></PaymentRequest>");
    let read = |text: &str| {
        let message = good("</PaymentRequest>", &kind(text));
        message.body.text("PaymentData/PaymentType").map(str::to_owned)
    };
    assert_eq!(read("REFUND").as_deref(), Some("Refund"));
    assert_eq!(read("Lending").as_deref(), Some("Lending"));
    assert_eq!(read("Own:Lending").as_deref(), Some("Own:Lending"));
    let means = |kind: &str| {
        format!(
            "<PaymentData><PaymentInstrumentData PaymentInstrumentType=\"{kind}\"/>\
            </PaymentData></PaymentRequest>"
        )
    };
    good("</PaymentRequest>", &means("Own:Stone"));
    assert_eq!(
        fault("</PaymentRequest>", &means("Stone")),
        "body PaymentRequest/PaymentData/PaymentInstrumentData/PaymentInstrumentType: unexpected \
         value"
    );
}

#[test]
fn empty_values_are_absent_ones() {
    let bytes = &examples("", "xml")["input-response-signature-yes"];
    let text = std::str::from_utf8(bytes).unwrap();
    let empty = text.replace(">true</ConfirmedFlag>", "> </ConfirmedFlag>");
    assert_ne!(empty, text);
    let message = read(empty.as_bytes()).unwrap();
    assert_eq!(message.body.at("InputResult/Input/ConfirmedFlag"), None);
    assert_eq!(message.body.text("InputResult/Input/InputCommand"), Some("GetConfirmation"));
}

#[test]
fn a_repeated_attribute_is_refused() {
    let twice = fault("Currency=\"SEK\"", "Currency=\"SEK\" Currency=\"NOK\"");
    assert!(twice.ends_with("AmountsReq/Currency: unexpected value"), "{twice}");
}

#[test]
fn what_is_written_has_a_prolog_the_order_of_the_table_and_escapes() {
    let message = good("149.50", "149.50");
    let text = Tree::new().with("Text", "a < b & \"c\"\r\n\u{1}]]>").with("Color", "Red");
    let content = Tree::new().with("OutputText", vec![text]).with("OutputFormat", "Text");
    let output = Tree::new()
        .with("OutputContent", content)
        .with("MinimumDisplayTime", 3)
        .with("ResponseRequiredFlag", false)
        .with("InfoQualify", "Display")
        .with("Device", "CustomerDisplay")
        .with("SaleID", "not of this structure");
    let body = Tree::new().with("DisplayOutput", vec![output]);
    let category = "Display".to_owned();
    let header = crate::doors::nexo::wire::message::Header { category, ..message.header };
    let written = write(&Message { header, body, trailer: None });
    assert_eq!(
        std::str::from_utf8(&written).unwrap(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<SaleToPOIRequest><MessageHeader \
         MessageClass=\"Service\" MessageCategory=\"Display\" MessageType=\"Request\" \
         ServiceID=\"1\" SaleID=\"TILL\" POIID=\"SIM\"/><DisplayRequest><DisplayOutput \
         ResponseRequiredFlag=\"false\" MinimumDisplayTime=\"3\" Device=\"CustomerDisplay\" \
         InfoQualify=\"Display\"><OutputContent OutputFormat=\"Text\"><OutputText Color=\"Red\">\
         a &lt; b &amp; &quot;c&quot;&#13;&#10;\u{fffd}]]&gt;</OutputText></OutputContent>\
         </DisplayOutput></DisplayRequest></SaleToPOIRequest>"
    );
}

proptest! {
    #[test]
    fn any_text_comes_back(text in "[^\\p{C}\u{fffe}\u{ffff}]{1,40}[\t\n\r]?") {
        let mut message = good("149.50", "149.50");
        let id = Tree::new()
            .with("TransactionID", text.as_str())
            .with("TimeStamp", "2026-11-20T10:31:02Z");
        message.body.set("SaleData", Tree::new().with("SaleTransactionID", id));
        prop_assert!(read(&write(&message)).unwrap() == message);
    }
}
