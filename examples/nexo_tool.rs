//! The messages of the nexo door on the command line, for holding them against other programs.
//!
//! ```text
//! nexo_tool schema            prints an XML schema of our own table of fields
//! nexo_tool xml < MESSAGE     reads a message in XML or JSON, and writes it in XML
//! nexo_tool json < MESSAGE    the same, in JSON
//! ```
//!
//! `tests/nexo/sale_to_poi.xsd` is what `schema` prints.

use anyhow::bail;
use std::fmt::Write as _;
use std::io::{Read, Write};
use tillgate::doors::nexo::wire::message::Message;
use tillgate::doors::nexo::wire::schema::{Bounds, Field, Kind, Place, Scalar, Schema, Structure};
use tillgate::doors::nexo::wire::{json, xml};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!-- nexo Retailer 3.1, Sale to POI. Written from our own table of fields by the example nexo_tool:
     it is ours, and not the official schema of the nexo standards body. -->
<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">
  <xs:element name=\"SaleToPOIRequest\" type=\"SaleToPOIRequest\"/>
  <xs:element name=\"SaleToPOIResponse\" type=\"SaleToPOIResponse\"/>
  <xs:simpleType name=\"Extension\">
    <xs:restriction base=\"xs:string\">
      <xs:pattern value=\"[0-9A-Za-z][0-9A-Za-z]*:[A-Z][0-9A-Za-z]*\"/>
    </xs:restriction>
  </xs:simpleType>
";

fn main() -> anyhow::Result<()> {
    let command = std::env::args().nth(1).unwrap_or_default();
    let out = match command.as_str() {
        "schema" => schema()?.into_bytes(),
        "xml" => xml::write(&message()?),
        "json" => json::write(&message()?),
        _ => bail!("usage: nexo_tool schema | xml | json"),
    };
    std::io::stdout().write_all(&out)?;
    Ok(())
}

fn message() -> anyhow::Result<Message> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let is_json = bytes.trim_ascii_start().starts_with(b"{");
    Ok(if is_json { json::read(&bytes)? } else { xml::read(&bytes)? })
}

fn schema() -> anyhow::Result<String> {
    let mut out = HEAD.to_owned();
    for enumeration in Schema::get().enumerations() {
        let item = if enumeration.list { "Item" } else { "" };
        let name = enumeration.name;
        writeln!(
            out,
            "  <xs:simpleType name=\"{name}{item}\">\n    <xs:union memberTypes=\"Extension\">"
        )?;
        writeln!(out, "      <xs:simpleType>\n        <xs:restriction base=\"xs:string\">")?;
        for value in &enumeration.values {
            writeln!(out, "          <xs:enumeration value=\"{value}\"/>")?;
        }
        writeln!(out, "        </xs:restriction>\n      </xs:simpleType>")?;
        writeln!(out, "    </xs:union>\n  </xs:simpleType>")?;
        if enumeration.list {
            writeln!(out, "  <xs:simpleType name=\"{name}\">")?;
            writeln!(out, "    <xs:list itemType=\"{name}Item\"/>\n  </xs:simpleType>")?;
        }
    }
    for structure in Schema::get().structures() {
        complex_type(&mut out, structure)?;
    }
    out.push_str("</xs:schema>\n");
    Ok(out)
}

fn complex_type(out: &mut String, structure: &Structure) -> anyhow::Result<()> {
    writeln!(out, "  <xs:complexType name=\"{}\">", structure.name)?;
    let at = |place: Place| structure.fields.iter().filter(move |field| field.place == place);
    if let Some(text) = at(Place::Text).next() {
        let Kind::Scalar(scalar) = text.kind else { bail!("{} is no scalar", text.name) };
        // A text with a length needs a type of its own to be extended; its length is left out.
        let base = if matches!(scalar, Scalar::Decimal) { "xs:decimal" } else { "xs:string" };
        writeln!(out, "    <xs:simpleContent>\n      <xs:extension base=\"{base}\">")?;
        for field in at(Place::Attribute) {
            attribute(out, field)?;
        }
        writeln!(out, "      </xs:extension>\n    </xs:simpleContent>")?;
    } else {
        writeln!(out, "    <xs:sequence>")?;
        let mut open = None;
        for field in at(Place::Element) {
            if field.choice != open {
                if open.is_some() {
                    writeln!(out, "      </xs:choice>")?;
                }
                if let Some(choice) = field.choice.and_then(|at| structure.choices.get(at)) {
                    let min = usize::from(choice.required);
                    let max = if choice.repeated { "unbounded" } else { "1" };
                    writeln!(out, "      <xs:choice minOccurs=\"{min}\" maxOccurs=\"{max}\">")?;
                }
                open = field.choice;
            }
            element(out, field)?;
        }
        if open.is_some() {
            writeln!(out, "      </xs:choice>")?;
        }
        writeln!(out, "    </xs:sequence>")?;
        for field in at(Place::Attribute) {
            attribute(out, field)?;
        }
    }
    writeln!(out, "  </xs:complexType>")?;
    Ok(())
}

fn element(out: &mut String, field: &Field) -> anyhow::Result<()> {
    let name = field.name;
    let (min, max) = match (field.choice, field.unbounded) {
        // The choice counts.
        (Some(_), _) => (1, "1".to_owned()),
        (None, true) => (field.min, "unbounded".to_owned()),
        (None, false) => (field.min, field.max.to_string()),
    };
    write!(out, "      <xs:element name=\"{name}\" minOccurs=\"{min}\" maxOccurs=\"{max}\"")?;
    typed(out, "element", field)
}

fn attribute(out: &mut String, field: &Field) -> anyhow::Result<()> {
    write!(out, "    <xs:attribute name=\"{}\"", field.name)?;
    match field.default {
        Some(default) => write!(out, " default=\"{default}\"")?,
        None if field.min > 0 => write!(out, " use=\"required\"")?,
        None => {}
    }
    typed(out, "attribute", field)
}

/// The rest of an element or an attribute: its type.
fn typed(out: &mut String, what: &str, field: &Field) -> anyhow::Result<()> {
    let named = match field.kind {
        Kind::Structure(at) => Schema::get().structure_at(at).map(|it| it.name),
        Kind::Tokens(at) | Kind::Scalar(Scalar::Enumeration(at)) => {
            Schema::get().enumeration(at).map(|it| it.name)
        }
        Kind::Scalar(scalar) => match facets(scalar) {
            (base, facets) if facets.is_empty() => Some(base),
            (base, facets) => {
                writeln!(out, "><xs:simpleType><xs:restriction base=\"{base}\">")?;
                for (facet, value) in facets {
                    writeln!(out, "        <xs:{facet} value=\"{value}\"/>")?;
                }
                writeln!(out, "      </xs:restriction></xs:simpleType></xs:{what}>")?;
                return Ok(());
            }
        },
    };
    writeln!(out, " type=\"{}\"/>", named.unwrap_or_default())?;
    Ok(())
}

fn facets(scalar: Scalar) -> (&'static str, Vec<(&'static str, String)>) {
    let pattern = |pattern: &str| ("pattern", pattern.to_owned());
    match scalar {
        Scalar::Text(bounds) => ("xs:string", within(bounds, "minLength", "maxLength")),
        Scalar::Base64(bounds) => ("xs:base64Binary", within(bounds, "minLength", "maxLength")),
        Scalar::Integer(bounds) => ("xs:integer", within(bounds, "minInclusive", "maxInclusive")),
        Scalar::Digits(bounds) => {
            let mut facets = within(bounds, "minLength", "maxLength");
            facets.push(pattern("[0-9]*"));
            ("xs:string", facets)
        }
        Scalar::Decimal => ("xs:decimal", Vec::new()),
        Scalar::Amount => {
            let max = ("maxInclusive", "99999999.999999".to_owned());
            ("xs:decimal", vec![("minInclusive", "0".to_owned()), max])
        }
        Scalar::Flag => ("xs:boolean", Vec::new()),
        Scalar::DateTime => ("xs:dateTime", vec![pattern(".+T.+(Z|[+\\-].+)")]),
        Scalar::Upper(count) => ("xs:string", vec![pattern(&format!("[A-Z]{{{count}}}"))]),
        Scalar::Lower(count) => ("xs:string", vec![pattern(&format!("[a-z]{{{count}}}"))]),
        Scalar::Enumeration(_) => ("xs:string", Vec::new()),
    }
}

/// The facets of bounds that bound anything.
fn within(bounds: Bounds, min: &'static str, max: &'static str) -> Vec<(&'static str, String)> {
    let lower = (bounds.min > 0 || bounds.max.is_some()).then(|| (min, bounds.min.to_string()));
    let upper = bounds.max.map(|bound| (max, bound.to_string()));
    lower.into_iter().chain(upper).collect()
}
