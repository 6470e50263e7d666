//! The example messages, through both encodings and back.

use super::message::Message;
use super::{json, xml};
use quick_xml::events::Event;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const PAIRS: usize = 51;
const LOGINLESS: usize = 18;

/// The files of a folder below the examples, by name.
pub(super) fn examples(folder: &str, ending: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/nexo/examples").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let wanted = paths.filter(|path| path.extension().is_some_and(|it| it == ending));
    let name = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    wanted.map(|path| (name(&path), fs::read(path).unwrap())).collect()
}

/// An element of XML, to be compared.
#[derive(Default, PartialEq, Debug)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    children: Vec<Element>,
}

fn elements(bytes: &[u8]) -> Element {
    let mut reader = quick_xml::Reader::from_str(std::str::from_utf8(bytes).unwrap());
    reader.config_mut().expand_empty_elements = true;
    let mut stack = vec![Element::default()];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                let attribute = |it: quick_xml::events::attributes::Attribute<'_>| {
                    let name = it.key.into_inner().to_owned();
                    let value = it.normalized_value(quick_xml::XmlVersion::Implicit1_0).unwrap();
                    (name.clone(), by_value(&name, &value))
                };
                stack.push(Element {
                    name: start.name().into_inner().to_owned(),
                    attributes: start.attributes().map(|it| attribute(it.unwrap())).collect(),
                    ..Element::default()
                });
            }
            Event::End(_) => {
                let mut done = stack.pop().unwrap();
                done.text = by_value(&done.name, done.text.trim());
                stack.last_mut().unwrap().children.push(done);
            }
            Event::Text(text) => stack.last_mut().unwrap().text.push_str(&text),
            Event::GeneralRef(it) => {
                let text = &mut stack.last_mut().unwrap().text;
                text.extend(["&", &*it, ";"]);
            }
            Event::Eof => return stack.pop().unwrap(),
            _ => {}
        }
    }
}

/// Amounts are equal by value, not by digits.
fn by_value(name: &str, text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if name.ends_with("Amount") => number.to_string(),
        _ => text.to_owned(),
    }
}

/// Numbers as floats, and both names of what has two.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        Value::Array(items) => items.iter().map(comparable).collect(),
        Value::Object(fields) => {
            let mut both: Map<_, _> =
                fields.iter().map(|(name, value)| (name.clone(), comparable(value))).collect();
            for (first, second) in
                [("MaskedPAN", "MaskedPan"), ("ProviderIdentification", "ManufacturerID")]
            {
                if let Some(value) = fields.get(first).or_else(|| fields.get(second)) {
                    both.insert(first.to_owned(), value.clone());
                    both.insert(second.to_owned(), value.clone());
                }
            }
            Value::Object(both)
        }
        value => value.clone(),
    }
}

fn json_of(message: &Message) -> Value {
    serde_json::from_slice(&json::write(message)).unwrap()
}

#[test]
fn every_example_in_xml_is_read_and_written_back_equal_by_value() {
    let examples = examples("", "xml");
    assert_eq!(examples.len(), PAIRS);
    for (name, bytes) in examples {
        let message = xml::read(&bytes).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let written = xml::write(&message);
        assert_eq!(elements(&written), elements(&bytes), "{name}");
        assert!(xml::read(&written).unwrap() == message, "{name}");
    }
}

#[test]
fn every_example_in_json_is_read_and_written_back_equal_by_value() {
    let mut all = examples("", "json");
    assert_eq!(all.len(), PAIRS);
    all.extend(examples("json-loginless", "json").into_iter().map(|(n, b)| (n + " loginless", b)));
    assert_eq!(all.len(), PAIRS + LOGINLESS);
    for (name, bytes) in all {
        let message = json::read(&bytes).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let example: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(comparable(&json_of(&message)), comparable(&example), "{name}");
        assert!(json::read(&json::write(&message)).unwrap() == message, "{name}");
    }
}

#[test]
fn both_encodings_of_an_example_read_the_same() {
    let json = examples("", "json");
    for (name, bytes) in examples("", "xml") {
        let from_xml = xml::read(&bytes).unwrap();
        let from_json = json::read(&json[&name]).unwrap();
        assert_eq!(json_of(&from_xml), json_of(&from_json), "{name}");
        assert!(from_xml == from_json, "{name}");
    }
}

#[test]
fn every_example_without_a_login_could_be_xml_as_well() {
    for (name, bytes) in examples("json-loginless", "json") {
        let message = json::read(&bytes).unwrap();
        let through = xml::read(&xml::write(&message)).unwrap_or_else(|it| panic!("{name}: {it}"));
        assert!(through == message, "{name}");
    }
}
