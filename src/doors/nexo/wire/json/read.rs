//! From JSON, leniently: one value for an array and the reverse, numbers and flags as texts, null
//! for what is absent, and both names of what has two.

use super::super::BYTES_MAX;
use super::super::fault::{ReadError, Reading, What};
use super::super::message::{Envelope, HEADER, Message, REQUEST, RESPONSE, Read, TRAILER};
use super::super::schema::{Kind, Schema, Structure};
use super::super::slots::Slots;
use super::super::tree::Tree;
use super::{LEVEL, SECOND_NAMES, scalars};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Reads a message.
///
/// # Errors
/// `ReadError`: not JSON or beyond the limits, without a header, or wrong inside.
pub fn read(bytes: &[u8]) -> Result<Message, ReadError> {
    if bytes.len() > BYTES_MAX {
        return Err(ReadError::Unreadable("longer than 256 KiB"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ReadError::Unreadable("not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if scalars::is_too_deep(text) {
        return Err(ReadError::Unreadable("nested deeper than 32"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let envelope = Root.deserialize(&mut deserializer);
    let envelope = envelope.and_then(|envelope| deserializer.end().map(|()| envelope));
    match envelope {
        Ok(Some(envelope)) => envelope.into_message(),
        Ok(None) => Err(no_envelope()),
        Err(_) => Err(ReadError::Unreadable("not a JSON object")),
    }
}

fn no_envelope() -> ReadError {
    let mut reading = Reading::at(REQUEST, false);
    reading.complain(What::Missing);
    reading.into_fault().map_or(ReadError::Unreadable("not a JSON object"), ReadError::NoHeader)
}

/// The outermost object: gives its first envelope.
struct Root;

impl<'de> DeserializeSeed<'de> for Root {
    type Value = Option<Envelope>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Root {
    type Value = Option<Envelope>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let known = |name: &str| [REQUEST, RESPONSE].into_iter().find(|known| *known == name);
        while let Some(name) = map.next_key_seed(Key(known))? {
            match name.and_then(|name| Schema::get().structure(name)) {
                Some(shape) if found.is_none() => {
                    let mut envelope = Envelope::named(shape.name);
                    map.next_value_seed(&mut Members(InEnvelope {
                        shape,
                        envelope: &mut envelope,
                    }))?;
                    found = Some(envelope);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// A name, as something that is known of it.
struct Key<F>(F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Key<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<T, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Key<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
        Ok((self.0)(name))
    }
}

/// What takes the properties of an object.
trait Owner {
    /// Reads the values of one object. `map` is at its beginning.
    fn take<'de, A: MapAccess<'de>>(&mut self, map: A) -> Result<(), A::Error>;

    /// Something else than an object stands here.
    fn refuse(&mut self);
}

/// Reads an object, each object of an array, or nothing for null, into its owner.
struct Members<O>(O);

impl<'de, O: Owner> DeserializeSeed<'de> for &mut Members<O> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, O: Owner> Visitor<'de> for &mut Members<O> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.0.take(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(&mut *self)?.is_some() {}
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.0.refuse();
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.0.refuse();
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.0.refuse();
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.0.refuse();
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.0.refuse();
        Ok(())
    }
}

/// The properties of an envelope.
struct InEnvelope<'e> {
    shape: &'static Structure,
    envelope: &'e mut Envelope,
}

impl Owner for InEnvelope<'_> {
    fn take<'de, A: MapAccess<'de>>(&mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(child) = map.next_key_seed(Key(|name: &str| child_of(self.shape, name)))? {
            let Some((shape, field)) = child else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            // The header is looked at by itself, and answers are read as openly as can be.
            let strict = field != HEADER && !field.ends_with("Response");
            let mut reading = Reading::at(field, strict);
            let mut found = None;
            let owner = InField { shape, found: &mut found, reading: &mut reading };
            map.next_value_seed(&mut Members(owner))?;
            let Some(tree) = found else { continue };
            let read = Read { tree, fault: reading.into_fault() };
            match field {
                HEADER if self.envelope.header.is_none() => self.envelope.header = Some(read),
                HEADER => {}
                TRAILER => self.envelope.trailer = Some(read.tree),
                body => self.envelope.add_body(body, read),
            }
        }
        Ok(())
    }

    fn refuse(&mut self) {}
}

/// The structure of a property, and the name of its field.
fn child_of(shape: &'static Structure, name: &str) -> Option<(&'static Structure, &'static str)> {
    let (_, field) = shape.field(name)?;
    let Kind::Structure(place) = field.kind else { return None };
    Some((Schema::get().structure_at(place)?, field.name))
}

/// One structure by itself.
struct InField<'r> {
    shape: &'static Structure,
    found: &'r mut Option<Tree>,
    reading: &'r mut Reading,
}

impl Owner for InField<'_> {
    fn take<'de, A: MapAccess<'de>>(&mut self, map: A) -> Result<(), A::Error> {
        let tree = structure(self.shape, map, self.reading)?;
        if self.found.is_some() {
            self.reading.complain(What::Unexpected);
        }
        *self.found = Some(tree);
        Ok(())
    }

    fn refuse(&mut self) {
        self.reading.complain(What::Unexpected);
        self.found.get_or_insert_default();
    }
}

/// The structures of one field inside another structure.
struct InSlots<'r> {
    shape: &'static Structure,
    slots: &'r mut Slots,
    at: usize,
    reading: &'r mut Reading,
}

impl Owner for InSlots<'_> {
    fn take<'de, A: MapAccess<'de>>(&mut self, map: A) -> Result<(), A::Error> {
        let name = self.slots.name(self.at);
        let tree = self.reading.within(name, |reading| structure(self.shape, map, reading))?;
        self.slots.structure(self.at, tree, self.reading);
        Ok(())
    }

    fn refuse(&mut self) {
        let name = self.slots.name(self.at);
        self.reading.within(name, |reading| reading.complain(What::Unexpected));
    }
}

/// The level that a repeated response has more: its properties are those of the structure around.
struct InLevel<'r> {
    slots: &'r mut Slots,
    reading: &'r mut Reading,
}

impl Owner for InLevel<'_> {
    fn take<'de, A: MapAccess<'de>>(&mut self, map: A) -> Result<(), A::Error> {
        properties(self.slots, map, self.reading)
    }

    fn refuse(&mut self) {
        self.reading.complain(What::Unexpected);
    }
}

fn structure<'de, A: MapAccess<'de>>(
    shape: &'static Structure,
    map: A,
    reading: &mut Reading,
) -> Result<Tree, A::Error> {
    let mut slots = Slots::of(shape);
    properties(&mut slots, map, reading)?;
    Ok(slots.finish(reading))
}

/// What a name of a property stands for.
enum Property {
    Field(usize),
    /// A field that has a second name, by either.
    TwoNamed(usize),
    Level,
    Unknown,
}

impl Property {
    fn of(shape: &Structure, name: &str) -> Self {
        if (shape.name, name) == LEVEL {
            return Self::Level;
        }
        let second = SECOND_NAMES.iter().find(|(first, second)| name == *first || name == *second);
        let name = second.map_or(name, |(first, _)| first);
        match shape.field(name) {
            Some((at, _)) if second.is_some() => Self::TwoNamed(at),
            Some((at, _)) => Self::Field(at),
            None => Self::Unknown,
        }
    }
}

fn properties<'de, A: MapAccess<'de>>(
    slots: &mut Slots,
    mut map: A,
    reading: &mut Reading,
) -> Result<(), A::Error> {
    let shape = slots.shape;
    while let Some(property) = map.next_key_seed(Key(|name: &str| Property::of(shape, name)))? {
        let at = match property {
            Property::Field(at) => at,
            Property::TwoNamed(at) => {
                slots.clear(at);
                at
            }
            Property::Level => {
                map.next_value_seed(&mut Members(InLevel { slots, reading }))?;
                continue;
            }
            Property::Unknown => {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
        };
        let kind = shape.fields.get(at).map(|field| field.kind);
        let inner = match kind {
            Some(Kind::Structure(place)) => Schema::get().structure_at(place),
            _ => None,
        };
        if let Some(shape) = inner {
            map.next_value_seed(&mut Members(InSlots { shape, slots, at, reading }))?;
        } else {
            let raw: &RawValue = map.next_value()?;
            if scalars::each(raw, |text| slots.scalar(at, text, reading)).is_err() {
                let name = slots.name(at);
                reading.within(name, |reading| reading.complain(What::Unexpected));
            }
        }
    }
    Ok(())
}
