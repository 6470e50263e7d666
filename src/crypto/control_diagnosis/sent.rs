//! The form or the query as it was sent: values, and how they were written.

use super::{Fault, Finding};
use percent_encoding::percent_decode_str;

/// More than any form of a control, or any callback, has; all of it is hashed some thousand times.
const TEXT_MAX: usize = 16 * 1024;
const FIELDS_MAX: usize = 100;

/// One pair.
pub(super) struct Field {
    pub(super) name: String,
    /// As it stood in the text.
    pub(super) raw: String,
    /// As it is read, with the blanks around it.
    pub(super) value: String,
}

/// All pairs, in the order in which they came.
pub(super) struct Sent {
    fields: Vec<Field>,
}

impl Sent {
    /// Reads a body, a query, or a whole address with its query.
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        if text.len() > TEXT_MAX {
            let wrong = format!("{} bytes; {TEXT_MAX} are read", text.len());
            let change = "give one form or one callback, and nothing else";
            return Err(Fault::new(Finding::TooLong, wrong, change));
        }
        let query = query_of(text);
        let pairs: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).collect();
        if pairs.len() > FIELDS_MAX || !query.contains('=') {
            return Err(not_a_form("there are no pairs of names and values in it"));
        }
        let fields = pairs.into_iter().map(Field::read).collect::<Result<_, _>>()?;
        Ok(Self { fields })
    }

    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The field of this name; the last one, since a callback's own query comes after what the
    /// merchant's address has.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().rfind(|field| field.name == name)
    }

    /// The value of a field without blanks around it; empty if it was not sent.
    pub(super) fn value(&self, name: &str) -> &str {
        self.field(name).map_or("", |field| field.value.trim())
    }
}

impl Field {
    fn read(pair: &str) -> Result<Self, Fault> {
        let (name, raw) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text| decoded(text).ok_or_else(|| not_a_form("a percent escape is broken"));
        Ok(Self { name: decode(name)?, raw: raw.to_owned(), value: decode(raw)? })
    }
}

/// Undoes form encoding.
pub(super) fn decoded(text: &str) -> Option<String> {
    let whole = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !text.split('%').skip(1).all(whole) {
        return None;
    }
    let text = text.replace('+', " ");
    Some(percent_decode_str(&text).decode_utf8().ok()?.into_owned())
}

/// What follows the question mark of an address, also where a log wrote more after it.
fn query_of(text: &str) -> &str {
    let is_address = text.contains("://") || text.starts_with(['/', '?']) || text.contains(" /");
    match text.split_once('?').filter(|(front, _)| is_address && !front.contains('=')) {
        Some((_, query)) => query.split([' ', '#', '\r', '\n']).next().unwrap_or_default(),
        None => text,
    }
}

fn not_a_form(wrong: &str) -> Fault {
    let change = "give it exactly as it was sent: name=value&name=value, percent-encoded";
    Fault::new(Finding::NotAForm, wrong, change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_as_it_was_written_and_as_it_is_read() {
        let sent = Sent::read("a=+x%2By&b=&a=2").unwrap();
        assert_eq!(
            (sent.fields()[0].raw.as_str(), sent.fields()[0].value.as_str()),
            ("+x%2By", " x+y")
        );
        assert_eq!((sent.value("a"), sent.value("b"), sent.value("c")), ("2", "", ""));
    }

    #[test]
    fn the_query_of_an_address_and_of_a_log_line_is_found() {
        for text in ["https://shop/cb?a=1&b=2", "?a=1&b=2", "GET /cb?a=1&b=2 HTTP/1.1", "a=1&b=2"] {
            let sent = Sent::read(text).unwrap();
            assert_eq!((sent.value("a"), sent.value("b")), ("1", "2"), "{text}");
        }
        let question = Sent::read("a=what?&b=2").unwrap();
        assert_eq!(question.value("a"), "what?");
    }

    #[test]
    fn what_is_no_form_is_told_so() {
        for text in ["", "{\"a\": 1}", "a=%4", "a=%ff", "plain"] {
            assert_eq!(Sent::read(text).err().unwrap().finding, Finding::NotAForm, "{text}");
        }
        let long = format!("a={}", "x".repeat(TEXT_MAX));
        assert_eq!(Sent::read(&long).err().unwrap().finding, Finding::TooLong);
    }
}
