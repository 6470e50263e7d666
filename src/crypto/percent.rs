//! Percent-encoding as OAuth wants it (RFC 5849 3.6).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;

/// All but the unreserved characters of RFC 3986.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// RFC 3986 percent-encoding with upper-case hex; borrows when there is nothing to encode.
pub(super) fn percent_encoded(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, &RESERVED).into()
}

/// Appends the percent-encoded text.
pub(super) fn push_encoded(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text, &RESERVED));
}

/// Encodes what is encoded already: only its percent signs are still reserved.
pub(super) fn push_again(out: &mut String, encoded: &str) {
    let mut parts = encoded.split('%');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push_str("%25");
        out.push_str(part);
    }
}

/// Undoes percent-encoding, strictly: graphic ASCII, two hex digits after each `%`, then UTF-8.
pub(super) fn decoded(text: &str) -> Option<Cow<'_, str>> {
    let escape = |part: &str| part.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if !plain || !text.split('%').skip(1).all(escape) {
        return None;
    }
    percent_encoding::percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(percent_encoded("aZ09-._~"), "aZ09-._~");
        assert_eq!(percent_encoded(" +*&=%é"), "%20%2B%2A%26%3D%25%C3%A9");
        let mut out = String::new();
        push_again(&mut out, "a%20%C3");
        assert_eq!(out, "a%2520%25C3");
    }

    #[test]
    fn decoding_is_strict() {
        assert_eq!(decoded("%20+%C3%A9").as_deref(), Some(" +é"));
        for bad in ["%", "%4", "%zz", "%ff", "é", "a b", "\\"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }
}
