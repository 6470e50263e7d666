//! To XML: in the order of the table, which the other side may insist on.

use super::super::message::{HEADER, Message, TRAILER};
use super::super::schema::{Field, Kind, Place, Schema, Structure};
use super::super::tree::{Node, Tree};

const PROLOG: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
/// Room for an answer with two receipts.
const CAPACITY: usize = 8 * 1024;

/// Writes a message. What the table of fields does not have is left out.
#[must_use]
pub fn write(message: &Message) -> Vec<u8> {
    let mut out = String::with_capacity(CAPACITY);
    out.push_str(PROLOG);
    let envelope = message.header.envelope();
    open(&mut out, envelope);
    out.push('>');
    named(&mut out, HEADER, HEADER, &message.header.to_tree());
    let body = message.header.body_name();
    named(&mut out, &body, &body, &message.body);
    if let Some(trailer) = &message.trailer {
        named(&mut out, TRAILER, "ContentInformation", trailer);
    }
    close(&mut out, envelope);
    out.into_bytes()
}

fn named(out: &mut String, element: &str, structure: &str, tree: &Tree) {
    if let Some(shape) = Schema::get().structure(structure) {
        write_structure(out, element, shape, tree);
    }
}

fn write_structure(out: &mut String, name: &str, shape: &Structure, tree: &Tree) {
    open(out, name);
    let present = |place: Place| {
        let at_place = shape.fields.iter().filter(move |field| field.place == place);
        at_place.filter_map(|field| tree.get(field.name).map(|node| (field, node)))
    };
    for (field, node) in present(Place::Attribute) {
        out.push(' ');
        out.push_str(field.name);
        out.push_str("=\"");
        write_scalars(out, node.items());
        out.push('"');
    }
    let opened = out.len();
    out.push('>');
    for (_, node) in present(Place::Text) {
        write_scalars(out, node.items());
    }
    for (field, node) in present(Place::Element) {
        write_field(out, field, node);
    }
    if out.len() == opened + 1 {
        out.truncate(opened);
        out.push_str("/>");
    } else {
        close(out, name);
    }
}

fn write_field(out: &mut String, field: &Field, node: &Node) {
    let items = node.items();
    match field.kind {
        Kind::Structure(place) => {
            let Some(shape) = Schema::get().structure_at(place) else { return };
            for tree in items.iter().filter_map(Node::tree) {
                write_structure(out, field.name, shape, tree);
            }
        }
        // All of a list of values stand in one element.
        Kind::Tokens(_) if items.is_empty() => {}
        Kind::Tokens(_) => write_element(out, field.name, items),
        Kind::Scalar(_) => {
            for item in items {
                write_element(out, field.name, std::slice::from_ref(item));
            }
        }
    }
}

fn write_element(out: &mut String, name: &str, items: &[Node]) {
    open(out, name);
    out.push('>');
    write_scalars(out, items);
    close(out, name);
}

fn write_scalars(out: &mut String, items: &[Node]) {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(' ');
        }
        match item {
            Node::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Node::Number(number) => out.push_str(&number.to_string()),
            Node::Text(text) => escape(out, text),
            Node::Secret(text) => escape(out, text),
            Node::List(_) | Node::Structure(_) => {}
        }
    }
}

/// Escapes for attributes and elements alike. What XML cannot hold becomes the replacement
/// character.
fn escape(out: &mut String, text: &str) {
    let special = |c: char| {
        matches!(c, '&' | '<' | '>' | '"' | '\u{fffe}' | '\u{ffff}') || c.is_ascii_control()
    };
    let is_plain =
        |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b'&' | b'<' | b'>' | b'"');
    if text.bytes().all(is_plain) {
        return out.push_str(text);
    }
    let mut rest = text;
    while let Some(at) = rest.find(special) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let mut characters = from.chars();
        match characters.next() {
            Some('&') => out.push_str("&amp;"),
            Some('<') => out.push_str("&lt;"),
            Some('>') => out.push_str("&gt;"),
            Some('"') => out.push_str("&quot;"),
            Some('\t') => out.push_str("&#9;"),
            Some('\n') => out.push_str("&#10;"),
            Some('\r') => out.push_str("&#13;"),
            _ => out.push('\u{fffd}'),
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

fn open(out: &mut String, name: &str) {
    out.push('<');
    out.push_str(name);
}

fn close(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}
