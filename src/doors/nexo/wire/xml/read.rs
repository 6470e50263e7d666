//! From XML: any order, whatever is unknown passed over.

use super::super::fault::{ReadError, Reading, What};
use super::super::message::{Envelope, HEADER, Message, REQUEST, RESPONSE, Read, TRAILER};
use super::super::schema::{Kind, Place, Schema, Structure};
use super::super::slots::Slots;
use super::super::tree::Tree;
use super::walk::{Element, Step, Walk};

/// Reads a message.
///
/// # Errors
/// `ReadError`: not XML or beyond the limits, without a header, or wrong inside.
pub fn read(bytes: &[u8]) -> Result<Message, ReadError> {
    let mut walk = Walk::of(bytes)?;
    let mut envelope = None;
    loop {
        match walk.step()? {
            Step::Open(root) if envelope.is_none() => {
                envelope = Some(read_root(&mut walk, &root)?);
            }
            Step::Text(text) if text.trim().is_empty() => {}
            Step::End => break,
            _ => return Err(ReadError::Unreadable("more than one root element")),
        }
    }
    match envelope {
        Some(Some(envelope)) => envelope.into_message(),
        Some(None) => Err(no_envelope()),
        None => Err(ReadError::Unreadable("no root element")),
    }
}

fn no_envelope() -> ReadError {
    let mut reading = Reading::at(REQUEST, false);
    reading.complain(What::Missing);
    reading.into_fault().map_or(ReadError::Unreadable("no root element"), ReadError::NoHeader)
}

/// What the root holds; `None` if it is another one.
fn read_root<'a>(walk: &mut Walk<'a>, root: &Element<'a>) -> Result<Option<Envelope>, ReadError> {
    let known = [REQUEST, RESPONSE].into_iter().find(|known| *known == root.name());
    let Some(shape) = known.and_then(|name| Schema::get().structure(name)) else {
        walk.skip(root)?;
        return Ok(None);
    };
    let mut envelope = Envelope::named(shape.name);
    while let Some(step) = walk.step_within(root)? {
        let Step::Open(child) = step else { continue };
        let Some((kind, field)) = child_of(shape, &child) else {
            walk.skip(&child)?;
            continue;
        };
        // The header is looked at by itself, and answers are read as openly as can be.
        let strict = field != HEADER && !field.ends_with("Response");
        let mut reading = Reading::at(field, strict);
        let tree = structure(walk, &child, kind, &mut reading)?;
        let read = Read { tree, fault: reading.into_fault() };
        match field {
            HEADER => envelope.header = envelope.header.or(Some(read)),
            TRAILER => envelope.trailer = Some(read.tree),
            body => envelope.add_body(body, read),
        }
    }
    Ok(Some(envelope))
}

/// The structure of a child, and the name of its field.
fn child_of(
    shape: &'static Structure,
    child: &Element<'_>,
) -> Option<(&'static Structure, &'static str)> {
    let (_, field) = shape.field(child.name())?;
    let Kind::Structure(place) = field.kind else { return None };
    Some((Schema::get().structure_at(place)?, field.name))
}

fn structure<'a>(
    walk: &mut Walk<'a>,
    element: &Element<'a>,
    shape: &'static Structure,
    reading: &mut Reading,
) -> Result<Tree, ReadError> {
    let mut slots = Slots::of(shape);
    element.attributes(|name, value| {
        if let Some(at) = place_of(shape, name, Place::Attribute) {
            slots.scalar(at, value, reading);
        }
    })?;
    let mut content = String::new();
    while let Some(step) = walk.step_within(element)? {
        match step {
            Step::Open(child) => match place_of(shape, child.name(), Place::Element) {
                Some(at) => member(walk, &child, &mut slots, at, reading)?,
                None => walk.skip(&child)?,
            },
            Step::Text(text) => content.push_str(&text),
            Step::Close | Step::End => {}
        }
    }
    if let Some(at) = shape.text() {
        slots.scalar(at, &content, reading);
    }
    Ok(slots.finish(reading))
}

/// One child element.
fn member<'a>(
    walk: &mut Walk<'a>,
    child: &Element<'a>,
    slots: &mut Slots,
    at: usize,
    reading: &mut Reading,
) -> Result<(), ReadError> {
    let shape = slots.shape;
    let Some(field) = shape.fields.get(at) else { return walk.skip(child) };
    if let Kind::Structure(place) = field.kind {
        let Some(inner) = Schema::get().structure_at(place) else { return walk.skip(child) };
        let tree = reading.within(field.name, |reading| structure(walk, child, inner, reading))?;
        slots.structure(at, tree, reading);
    } else {
        let text = walk.text(child)?;
        slots.scalar(at, &text, reading);
    }
    Ok(())
}

fn place_of(shape: &Structure, name: &str, place: Place) -> Option<usize> {
    shape.fields.iter().position(|field| field.place == place && field.name == name)
}
