//! The table of fields: `schema.txt`, read once.

use std::collections::HashMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("schema.txt");

/// The most elements of a list that the standard does not bound.
const LIST_MAX: usize = 100;
/// The lists that get bounds of their own, and these.
const OWN_BOUNDS: &[(&str, usize)] = &[("OutputText", 64), ("SaleItem", 100)];

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::parse(TEXT).unwrap_or_default());

/// All structures of the protocol.
#[derive(Default)]
pub struct Schema {
    structures: Vec<Structure>,
    enumerations: Vec<Enumeration>,
    by_name: HashMap<&'static str, usize>,
    /// Every name of a field; true if it is a secret anywhere.
    names: HashMap<&'static str, bool>,
}

/// One structure: an element of XML, an object of JSON.
pub struct Structure {
    pub name: &'static str,
    /// In the order of XML, attributes first.
    pub fields: Vec<Field>,
    pub choices: Vec<Choice>,
}

/// Fields of which there is one, or at least one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice {
    pub required: bool,
    pub repeated: bool,
}

/// One field of a structure.
pub struct Field {
    pub name: &'static str,
    pub place: Place,
    pub kind: Kind,
    pub min: usize,
    pub max: usize,
    /// Whether the standard sets no upper bound, so that `max` is ours.
    pub unbounded: bool,
    /// The place in [`Structure::choices`] of the choice it belongs to.
    pub choice: Option<usize>,
    /// What an absent field stands for.
    pub default: Option<&'static str>,
    pub secret: bool,
}

/// Where XML has a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Attribute,
    Element,
    Text,
}

/// What a field holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Structure(usize),
    Scalar(Scalar),
    /// Values of an enumeration, separated by spaces in XML.
    Tokens(usize),
}

/// A single value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scalar {
    Text(Bounds),
    Digits(Bounds),
    Base64(Bounds),
    Integer(Bounds),
    Decimal,
    Amount,
    Flag,
    DateTime,
    Upper(usize),
    Lower(usize),
    Enumeration(usize),
}

/// The least and the greatest length, or number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    pub min: u32,
    pub max: Option<u32>,
}

/// An open enumeration.
pub struct Enumeration {
    pub name: &'static str,
    pub values: Vec<&'static str>,
    pub list: bool,
}

impl Schema {
    /// The table.
    #[must_use]
    pub fn get() -> &'static Self {
        &SCHEMA
    }

    /// The structure of this name, a body element for example.
    #[must_use]
    pub fn structure(&self, name: &str) -> Option<&Structure> {
        self.structures.get(*self.by_name.get(name)?)
    }

    /// All structures, in the order of the table.
    #[must_use]
    pub fn structures(&self) -> &[Structure] {
        &self.structures
    }

    /// The structure that a field holds.
    #[must_use]
    pub fn structure_at(&self, place: usize) -> Option<&Structure> {
        self.structures.get(place)
    }

    /// The values of an enumeration.
    #[must_use]
    pub fn enumeration(&self, place: usize) -> Option<&Enumeration> {
        self.enumerations.get(place)
    }

    /// All enumerations, in the order of the table.
    #[must_use]
    pub fn enumerations(&self) -> &[Enumeration] {
        &self.enumerations
    }

    /// The table's own copy of a field's name, and whether the field is a secret.
    #[must_use]
    pub fn name(&self, name: &str) -> Option<(&'static str, bool)> {
        self.names.get_key_value(name).map(|(name, secret)| (*name, *secret))
    }

    /// The structure of a body element of this envelope.
    #[must_use]
    pub fn body(&self, envelope: &str, name: &str) -> Option<&Structure> {
        let bodies = self.structure(envelope)?;
        let (_, field) = bodies.field(name)?;
        field.choice?;
        self.structure(name)
    }
}

impl Structure {
    /// The field of this name, and its place.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        self.fields.iter().enumerate().find(|(_, field)| field.name == name)
    }

    /// The place of the field that is the text of the element.
    #[must_use]
    pub fn text(&self) -> Option<usize> {
        self.fields.iter().position(|field| field.place == Place::Text)
    }
}

impl Field {
    /// Whether it is an array in JSON.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.repeats() || matches!(self.kind, Kind::Tokens(_))
    }

    /// Whether there may be several elements of it.
    #[must_use]
    pub fn repeats(&self) -> bool {
        self.max > 1
    }
}

/// Parsing.
impl Schema {
    /// Reads the table; `Err` is the line that is wrong.
    fn parse(text: &'static str) -> Result<Self, &'static str> {
        let mut schema = Self::default();
        let entries = entries(text);
        // Names first, since structures name what follows them.
        for (head, _) in &entries {
            match head.split_once(' ') {
                Some((what, name)) => {
                    let list = what == "list";
                    schema.enumerations.push(Enumeration { name, values: Vec::new(), list });
                }
                None => {
                    schema.by_name.insert(head, schema.by_name.len());
                }
            }
        }
        let mut enumerations = 0;
        for (head, words) in entries {
            if head.contains(' ') {
                schema.enumerations.get_mut(enumerations).ok_or(head)?.values = words;
                enumerations += 1;
            } else {
                let structure = schema.parse_structure(head, &words)?;
                for field in &structure.fields {
                    *schema.names.entry(field.name).or_default() |= field.secret;
                }
                schema.structures.push(structure);
            }
        }
        Ok(schema)
    }

    fn parse_structure(
        &self,
        name: &'static str,
        words: &[&'static str],
    ) -> Result<Structure, &'static str> {
        let mut structure = Structure { name, fields: Vec::new(), choices: Vec::new() };
        let mut choosing = false;
        for word in words {
            match *word {
                "(" => {
                    choosing = true;
                    structure.choices.push(Choice { required: true, repeated: false });
                }
                "|" => {}
                ")" | ")+" => {
                    choosing = false;
                    let choice = structure.choices.last_mut().ok_or(*word)?;
                    choice.repeated = *word == ")+";
                }
                word => {
                    let mut field = self.parse_field(word)?;
                    if choosing {
                        let choice = structure.choices.last_mut().ok_or(word)?;
                        choice.required &= field.min > 0;
                        field.min = 0;
                        field.choice = Some(structure.choices.len() - 1);
                    }
                    structure.fields.push(field);
                }
            }
        }
        for field in &mut structure.fields {
            if field.choice.and_then(|at| structure.choices.get(at)).is_some_and(|it| it.repeated) {
                (field.max, field.unbounded) = (LIST_MAX, true);
            }
        }
        Ok(structure)
    }

    fn parse_field(&self, word: &'static str) -> Result<Field, &'static str> {
        let (rest, default) = match word.split_once('=') {
            Some((rest, default)) => (rest, Some(default)),
            None => (word, None),
        };
        let (rest, secret) = rest.strip_suffix('!').map_or((rest, false), |rest| (rest, true));
        let (rest, kind) = rest.split_once(':').unwrap_or((rest, ""));
        let (rest, place) = match rest.strip_prefix('@') {
            Some(rest) => (rest, Place::Attribute),
            None => match rest.strip_prefix('$') {
                Some(rest) => (rest, Place::Text),
                None => (rest, Place::Element),
            },
        };
        let end = rest.find(['?', '*', '+', '{']).unwrap_or(rest.len());
        let (name, count) = rest.split_at(end);
        let own = OWN_BOUNDS.iter().find(|(own, _)| *own == name).map_or(LIST_MAX, |own| own.1);
        let (min, max, unbounded) = match count {
            "" => (1, 1, false),
            "?" => (0, 1, false),
            "*" => (0, own, true),
            "+" => (1, own, true),
            count => {
                let bounds = bounds(count.trim_matches(['{', '}'])).ok_or(word)?;
                (bounds.min as usize, bounds.max.ok_or(word)? as usize, false)
            }
        };
        let kind = self.parse_kind(if kind.is_empty() { name } else { kind }).ok_or(word)?;
        Ok(Field { name, place, kind, min, max, unbounded, choice: None, default, secret })
    }

    fn parse_kind(&self, word: &str) -> Option<Kind> {
        if let Some(place) = self.by_name.get(word) {
            return Some(Kind::Structure(*place));
        }
        if let Some(place) = self.enumerations.iter().position(|it| it.name == word) {
            let list = self.enumerations.get(place)?.list;
            let one = Kind::Scalar(Scalar::Enumeration(place));
            return Some(if list { Kind::Tokens(place) } else { one });
        }
        let (word, limit) = word.trim_end_matches(')').split_once('(').unwrap_or((word, "0.."));
        let scalar = match word {
            "text" => Scalar::Text(bounds(limit)?),
            "digits" => Scalar::Digits(bounds(limit)?),
            "base64" => Scalar::Base64(bounds(limit)?),
            "integer" => Scalar::Integer(bounds(limit)?),
            "decimal" => Scalar::Decimal,
            "amount" => Scalar::Amount,
            "flag" => Scalar::Flag,
            "datetime" => Scalar::DateTime,
            "upper" => Scalar::Upper(limit.parse().ok()?),
            "lower" => Scalar::Lower(limit.parse().ok()?),
            _ => return None,
        };
        Some(Kind::Scalar(scalar))
    }
}

/// What stands before each colon at the beginning of a line, with the words behind it.
fn entries(text: &'static str) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut entries: Vec<(&'static str, Vec<&'static str>)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let rest = if line.starts_with(' ') {
            line
        } else {
            let (head, rest) = line.split_once(':').unwrap_or((line, ""));
            entries.push((head, Vec::new()));
            rest
        };
        if let Some((_, words)) = entries.last_mut() {
            words.extend(rest.split_whitespace());
        }
    }
    entries
}

/// `min..max` or `min..`.
fn bounds(text: &str) -> Option<Bounds> {
    let (min, max) = text.split_once("..")?;
    let max = if max.is_empty() { None } else { Some(max.parse().ok()?) };
    Some(Bounds { min: min.parse().ok()?, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let schema = Schema::parse(TEXT).unwrap();
        assert_eq!((schema.enumerations.len(), schema.structures.len()), (63, 169));
        for name in ["SaleToPOIRequest", "SaleToPOIResponse"] {
            let envelope = schema.structure(name).unwrap();
            for body in envelope.fields.iter().filter(|field| field.choice.is_some()) {
                assert!(schema.body(name, body.name).is_some(), "{}", body.name);
            }
        }
        assert!(schema.body("SaleToPOIRequest", "MessageHeader").is_none());
        assert!(schema.body("SaleToPOIRequest", "PaymentResponse").is_none());
        for enumeration in &schema.enumerations {
            assert!(!enumeration.values.is_empty(), "{}", enumeration.name);
            for value in &enumeration.values {
                let word = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                assert!(word, "{}: {value}", enumeration.name);
            }
        }
        assert!(schema.structures.iter().all(|it| it.fields.iter().all(|field| field.min <= 1)));
    }

    #[test]
    fn a_field_is_read_with_all_its_marks() {
        let schema = Schema::parse(TEXT).unwrap();
        let track = schema.structure("TrackData").unwrap();
        let number = track.field("TrackNumb").unwrap().1;
        let bounds = Bounds { min: 1, max: Some(3) };
        assert_eq!(number.kind, Kind::Scalar(Scalar::Integer(bounds)));
        assert_eq!((number.place, number.default), (Place::Attribute, Some("2")));
        let value = track.text().unwrap();
        let value = &track.fields[value];
        assert_eq!((value.name, value.secret, value.min), ("TrackValue", true, 1));
        let status = schema.structure("TransactionStatusRequest").unwrap();
        let documents = status.field("DocumentQualifier").unwrap().1;
        assert_eq!((documents.min, documents.max, documents.unbounded), (0, 2, false));
        let keys = schema.structure("EnvelopedData").unwrap();
        assert!(keys.choices == [Choice { required: true, repeated: true }]);
        assert!(keys.field("KEK").unwrap().1.repeats());
        let any = schema.structure("TransactionToPerform").unwrap();
        assert!(any.choices == [Choice { required: false, repeated: false }]);
        assert_eq!(schema.name("PAN"), Some(("PAN", true)));
        assert_eq!(schema.name("Currency"), Some(("Currency", false)));
        assert_eq!(schema.name("currency"), None);
    }
}
