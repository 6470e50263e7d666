//! The form of a request: `application/x-www-form-urlencoded`, read strictly and within limits.

use super::http::{BodyError, bad_request, read_body};
use crate::payment::refusal::Refusal;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::percent_decode_str;

/// More fields than any request has.
const FIELDS_MAX: usize = 100;
/// The longest name of a field, in bytes.
const NAME_MAX: usize = 64;

/// Why a body is not a form at all; answered by a 400.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    #[error("the body is not UTF-8")]
    NotUtf8,
    #[error("a percent escape is broken")]
    Escape,
    #[error("too many parameters")]
    TooMany,
    #[error("a parameter name is empty, too long or has control characters")]
    Name,
}

/// The fields of a request in the order in which they came, values as received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// Reads a body.
    ///
    /// # Errors
    /// [`Malformed`] when it is not a form of sane size.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(body).map_err(|_| Malformed::NotUtf8)?;
        let mut fields = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if fields.len() == FIELDS_MAX {
                return Err(Malformed::TooMany);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name)?;
            if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
                return Err(Malformed::Name);
            }
            fields.push((name, decode(value)?));
        }
        Ok(Self { fields })
    }

    /// Reads the query of a request, which is written like a form.
    ///
    /// # Errors
    /// As [`Form::parse`].
    pub fn of_query(query: &str) -> Result<Self, Malformed> {
        Self::parse(query.as_bytes())
    }

    /// The form of a body that is none.
    #[must_use]
    pub fn empty() -> Self {
        Self { fields: Vec::new() }
    }

    /// The fields as received: what a signature covers.
    #[must_use]
    pub fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// The value of a field without blanks around it; `None` when absent or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(known, _)| known == name);
        field.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The value of a mandatory field.
    ///
    /// # Errors
    /// `MissingParameter` when it is absent or empty.
    pub fn require(&self, name: &'static str) -> Result<&str, Refusal> {
        self.get(name).ok_or(Refusal::MissingParameter(name))
    }

    /// Refuses what no field of any request may have: a name twice, a control character.
    ///
    /// # Errors
    /// `InvalidParameter` naming the first such field.
    pub fn check_all(&self) -> Result<(), Refusal> {
        for (place, (name, value)) in self.fields.iter().enumerate() {
            if self.fields[..place].iter().any(|(earlier, _)| earlier == name) {
                return Err(Refusal::invalid(name, "given more than once"));
            }
            if value.chars().any(char::is_control) {
                return Err(Refusal::invalid(name, "control characters are not allowed"));
            }
        }
        Ok(())
    }
}

fn decode(text: &str) -> Result<String, Malformed> {
    if !escapes_are_whole(text) {
        return Err(Malformed::Escape);
    }
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8().map_err(|_| Malformed::NotUtf8)?;
    Ok(decoded.into_owned())
}

fn escapes_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Reads the body as a form, or gives the answer to what is none.
pub(super) async fn read_form(
    request: &HttpRequest,
    payload: Payload,
) -> Result<Form, HttpResponse> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(bad_request("the Content-Type must be application/x-www-form-urlencoded"));
    }
    let body = read_body(request, payload).await.map_err(BodyError::answer)?;
    Form::parse(&body).map_err(answer_malformed)
}

/// 400 with what is malformed.
pub(super) fn answer_malformed(malformed: Malformed) -> HttpResponse {
    tracing::info!(%malformed, "answered 400");
    bad_request(&malformed.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_keep_their_order_and_blanks_are_trimmed_only_on_reading() {
        let form = Form::parse(b"b=+x+&a=%C3%A9&c=").unwrap();
        assert_eq!(form.fields()[0], ("b".to_owned(), " x ".to_owned()));
        assert_eq!(form.get("b"), Some("x"));
        assert_eq!(form.get("a"), Some("é"));
        assert_eq!(form.get("c"), None);
        assert_eq!(form.require("d"), Err(Refusal::MissingParameter("d")));
    }

    #[test]
    fn broken_bodies_are_not_forms() {
        assert_eq!(Form::parse(b"a=\xff"), Err(Malformed::NotUtf8));
        assert_eq!(Form::parse(b"a=%ff"), Err(Malformed::NotUtf8));
        assert_eq!(Form::parse(b"a=%4"), Err(Malformed::Escape));
        assert_eq!(Form::parse(b"a=%zz"), Err(Malformed::Escape));
        assert_eq!(Form::parse(b"=x"), Err(Malformed::Name));
        assert_eq!(Form::parse(b"%00=x"), Err(Malformed::Name));
        assert_eq!(Form::parse("a=1&".repeat(101).as_bytes()), Err(Malformed::TooMany));
    }

    #[test]
    fn a_field_twice_or_with_a_control_character_is_refused() {
        assert!(Form::parse(b"a=1&a=1").unwrap().check_all().is_err());
        assert!(Form::parse(b"a=%00").unwrap().check_all().is_err());
        assert!(Form::parse(b"a=1&b=1").unwrap().check_all().is_ok());
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..512)) {
            if let Ok(form) = Form::parse(&body) {
                let _ = form.check_all();
            }
        }

        #[test]
        fn what_is_encoded_is_read_back(
            fields in proptest::collection::vec(("[a-z]{1,9}", ".*"), 0..9)
        ) {
            let mut body = form_urlencoded::Serializer::new(String::new());
            let body = body.extend_pairs(&fields).finish();
            let form = Form::parse(body.as_bytes()).unwrap();
            prop_assert_eq!(form.fields(), &fields[..]);
        }
    }
}
