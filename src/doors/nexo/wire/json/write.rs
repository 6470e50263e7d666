//! To JSON, strictly: what may be several is an array always, what has two names has both.

use super::super::decimal;
use super::super::message::{HEADER, Header, Message, TRAILER};
use super::super::schema::{Field, Kind, Scalar, Schema, Structure};
use super::super::tree::{Node, Tree};
use super::{LEVEL, SECOND_NAMES, SECOND_VALUES};
use std::fmt::Write;

/// Room for an answer with two receipts.
const CAPACITY: usize = 8 * 1024;

/// Writes a message. What the table of fields does not have is left out.
#[must_use]
pub fn write(message: &Message) -> Vec<u8> {
    let mut out = begun(&message.header);
    let body = message.header.body_name();
    named(&mut out, &body, &body, &message.body);
    if let Some(trailer) = &message.trailer {
        named(&mut out, TRAILER, "ContentInformation", trailer);
    }
    out.push_str("}}");
    out.into_bytes()
}

/// Writes an envelope whose content is not in the table of fields: `fill` is given what writes a
/// name and a value, which has to be JSON.
pub(in super::super) fn write_envelope(
    header: &Header,
    fill: impl FnOnce(&mut dyn FnMut(&str, &str)),
) -> Vec<u8> {
    let mut out = begun(header);
    fill(&mut |name, value| {
        write_name(&mut out, name);
        out.push_str(value);
    });
    out.push_str("}}");
    out.into_bytes()
}

/// An envelope up to the end of its header.
fn begun(header: &Header) -> String {
    let mut out = String::with_capacity(CAPACITY);
    out.push('{');
    write_name(&mut out, header.envelope());
    out.push('{');
    named(&mut out, HEADER, HEADER, &header.to_tree());
    out
}

fn named(out: &mut String, property: &str, structure: &str, tree: &Tree) {
    if let Some(shape) = Schema::get().structure(structure) {
        write_name(out, property);
        write_structure(out, shape, tree);
    }
}

fn write_structure(out: &mut String, shape: &Structure, tree: &Tree) {
    out.push('{');
    // The body of a repeated response is what it has a choice of, one level further down.
    let lower = |field: &Field| shape.name == LEVEL.0 && field.choice.is_some();
    write_fields(out, tree, shape.fields.iter().filter(|field| !lower(field)));
    if shape.name == LEVEL.0 {
        write_name(out, LEVEL.1);
        out.push('{');
        write_fields(out, tree, shape.fields.iter().filter(|field| lower(field)));
        out.push('}');
    }
    out.push('}');
}

fn write_fields<'a>(out: &mut String, tree: &Tree, fields: impl Iterator<Item = &'a Field>) {
    for field in fields {
        let Some(node) = tree.get(field.name) else { continue };
        let items = node.items();
        let Some(first) = items.first() else { continue };
        let second = SECOND_NAMES.iter().find(|(first, _)| *first == field.name);
        for name in std::iter::once(field.name).chain(second.map(|(_, second)| *second)) {
            write_name(out, name);
            if field.is_list() {
                write_list(out, field, items);
            } else {
                write_value(out, field, first);
            }
        }
    }
}

fn write_list(out: &mut String, field: &Field, items: &[Node]) {
    out.push('[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write_value(out, field, item);
    }
    out.push(']');
}

fn write_value(out: &mut String, field: &Field, node: &Node) {
    match (field.kind, node) {
        (Kind::Structure(place), Node::Structure(tree)) => {
            if let Some(shape) = Schema::get().structure_at(place) {
                write_structure(out, shape, tree);
            }
        }
        (Kind::Scalar(Scalar::Decimal | Scalar::Amount), Node::Text(text))
            if decimal::is_json_number(text) =>
        {
            out.push_str(text);
        }
        (Kind::Tokens(_) | Kind::Scalar(Scalar::Enumeration(_)), Node::Text(text)) => {
            let second = SECOND_VALUES.iter().find(|(first, _)| first == text);
            write_text(out, second.map_or(text.as_str(), |(_, second)| second));
        }
        (_, Node::Flag(flag)) => out.push_str(if *flag { "true" } else { "false" }),
        (_, Node::Number(number)) => out.push_str(&number.to_string()),
        (_, Node::Text(text)) => write_text(out, text),
        (_, Node::Secret(text)) => write_text(out, text),
        (_, Node::List(_) | Node::Structure(_)) => out.push_str("null"),
    }
}

/// A name and its colon, after a comma where something stands before.
fn write_name(out: &mut String, name: &str) {
    if !out.is_empty() && !out.ends_with('{') {
        out.push(',');
    }
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    // Nothing of these bytes is escaped: all of the text is the rest.
    let plain = text.bytes().all(|byte| byte >= b' ' && !matches!(byte, b'"' | b'\\'));
    let (before, mut rest) = if plain { (text, "") } else { ("", text) };
    out.push_str(before);
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '\\') || c < ' ') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let mut characters = from.chars();
        match characters.next() {
            Some(c @ ('"' | '\\')) => out.extend(['\\', c]),
            Some('\n') => out.push_str("\\n"),
            Some(c) => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out.push('"');
}
