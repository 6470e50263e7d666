//! The steps through an XML document, within limits.

use super::super::fault::ReadError;
use super::super::{ATTRIBUTE_MAX, ATTRIBUTES_MAX, BYTES_MAX, DEPTH_MAX};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, BytesText, Event};
use quick_xml::reader::Reader;
use std::borrow::Cow;

const NOT_XML: ReadError = ReadError::Unreadable("not well-formed XML");

/// A document on the way.
pub(super) struct Walk<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
}

/// What comes next. Comments and instructions are passed over.
pub(super) enum Step<'a> {
    Open(Element<'a>),
    Text(Cow<'a, str>),
    Close,
    End,
}

/// The beginning of an element.
pub(super) struct Element<'a> {
    start: BytesStart<'a>,
    /// `<It/>`: no `Close` follows.
    pub(super) is_closed: bool,
}

impl<'a> Walk<'a> {
    /// Begins at the first byte.
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, ReadError> {
        if bytes.len() > BYTES_MAX {
            return Err(ReadError::Unreadable("longer than 256 KiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ReadError::Unreadable("not UTF-8"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Ok(Self { reader: Reader::from_str(text), depth: 0 })
    }

    pub(super) fn step(&mut self) -> Result<Step<'a>, ReadError> {
        loop {
            return match self.reader.read_event().map_err(|_| NOT_XML)? {
                Event::Start(start) => self.open(start, false),
                Event::Empty(start) => self.open(start, true),
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Ok(Step::Close)
                }
                Event::Text(text) => Ok(Step::Text(text_of(text))),
                Event::CData(text) => Ok(Step::Text(text.into_inner())),
                Event::GeneralRef(reference) => referred(&reference).map(Step::Text),
                Event::DocType(_) => Err(ReadError::Unreadable("has a document type")),
                Event::Decl(declaration) => match declaration.encoding() {
                    None => continue,
                    Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") => continue,
                    Some(_) => Err(ReadError::Unreadable("not UTF-8")),
                },
                Event::Comment(_) | Event::PI(_) => continue,
                // The reader notices by itself only that tags do not match.
                Event::Eof if self.depth > 0 => Err(NOT_XML),
                Event::Eof => Ok(Step::End),
            };
        }
    }

    fn open(&mut self, start: BytesStart<'a>, is_closed: bool) -> Result<Step<'a>, ReadError> {
        if self.depth >= DEPTH_MAX {
            return Err(ReadError::Unreadable("nested deeper than 32"));
        }
        if !is_closed {
            self.depth += 1;
        }
        Ok(Step::Open(Element { start, is_closed }))
    }

    /// The text up to the end of this element, without that of elements inside.
    pub(super) fn text(&mut self, element: &Element<'a>) -> Result<Cow<'a, str>, ReadError> {
        element.attributes(|_, _| {})?;
        let mut whole = Cow::Borrowed("");
        while let Some(step) = self.step_within(element)? {
            match step {
                Step::Text(text) if whole.is_empty() => whole = text,
                Step::Text(text) => whole.to_mut().push_str(&text),
                Step::Open(inner) => self.skip(&inner)?,
                Step::Close | Step::End => {}
            }
        }
        Ok(whole)
    }

    /// The next step inside an element; `None` at its end.
    pub(super) fn step_within(&mut self, of: &Element<'a>) -> Result<Option<Step<'a>>, ReadError> {
        if of.is_closed {
            return Ok(None);
        }
        match self.step()? {
            Step::Close => Ok(None),
            // Unreachable while an element is open; it ends every loop.
            Step::End => Err(NOT_XML),
            step => Ok(Some(step)),
        }
    }

    /// Goes to the end of an element.
    pub(super) fn skip(&mut self, element: &Element<'a>) -> Result<(), ReadError> {
        element.attributes(|_, _| {})?;
        let mut open = usize::from(!element.is_closed);
        while open > 0 {
            match self.step()? {
                Step::Open(inner) => {
                    inner.attributes(|_, _| {})?;
                    open += usize::from(!inner.is_closed);
                }
                Step::Close => open -= 1,
                Step::Text(_) => {}
                Step::End => return Err(NOT_XML),
            }
        }
        Ok(())
    }
}

impl Element<'_> {
    pub(super) fn name(&self) -> &str {
        self.start.name().into_inner()
    }

    /// Gives each attribute to `take`.
    pub(super) fn attributes(&self, mut take: impl FnMut(&str, &str)) -> Result<(), ReadError> {
        // Two of a name are noticed where they are taken; the reader's own check is quadratic.
        for (place, attribute) in self.start.attributes().with_checks(false).enumerate() {
            let attribute = attribute.map_err(|_| NOT_XML)?;
            if attribute.value.len() > ATTRIBUTE_MAX {
                return Err(ReadError::Unreadable("an attribute is longer than 8 KiB"));
            }
            if place >= ATTRIBUTES_MAX {
                return Err(ReadError::Unreadable("an element has more than 64 attributes"));
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| NOT_XML)?;
            take(attribute.key.into_inner(), &value);
        }
        Ok(())
    }
}

/// The text with line ends as XML has them.
fn text_of(text: BytesText<'_>) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.xml10_content().into_owned())
    } else {
        text.into_inner()
    }
}

/// The character that a reference stands for: one of the five, or by its number.
fn referred<'a>(reference: &quick_xml::events::BytesRef<'a>) -> Result<Cow<'a, str>, ReadError> {
    if let Some(c) = reference.resolve_char_ref().map_err(|_| NOT_XML)? {
        return Ok(Cow::Owned(c.to_string()));
    }
    quick_xml::escape::resolve_predefined_entity(reference)
        .map(Cow::Borrowed)
        .ok_or(ReadError::Unreadable("has an entity beyond the five of XML"))
}
