//! Percent-encoding as OAuth wants it (RFC 5849 3.6).

use std::borrow::Cow;
use std::cmp::Ordering;

/// RFC 3986 percent-encoding with upper-case hex; borrows when there is nothing to encode.
pub(super) fn percent_encoded(text: &str) -> Cow<'_, str> {
    if text.bytes().all(is_unreserved) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + text.len() / 2);
    push_encoded(&mut out, text);
    Cow::Owned(out)
}

/// Appends the percent-encoded text.
pub(super) fn push_encoded(out: &mut String, text: &str) {
    push_escaped(out, text, "%");
}

/// Appends text whose percent-encoding is encoded once more.
pub(super) fn push_encoded_twice(out: &mut String, text: &str) {
    push_escaped(out, text, "%25");
}

/// Every request is encoded twice byte by byte to check its signature, so this is a plain loop.
fn push_escaped(out: &mut String, text: &str, mark: &str) {
    for byte in text.bytes() {
        if is_unreserved(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(mark);
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// Compares two texts as if they were percent-encoded, without encoding them.
pub(super) fn compare_encoded(one: &str, other: &str) -> Ordering {
    one.bytes().flat_map(encoded_byte).cmp(other.bytes().flat_map(encoded_byte))
}

fn encoded_byte(byte: u8) -> impl Iterator<Item = u8> {
    let (bytes, length) = match is_unreserved(byte) {
        true => ([byte, 0, 0], 1),
        false => ([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]], 3),
    };
    bytes.into_iter().take(length)
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// RFC 3986 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
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
        push_encoded_twice(&mut out, "a ~é");
        assert_eq!(out, "a%2520~%25C3%25A9");
    }

    #[test]
    fn texts_compare_as_their_encodings_do() {
        for (one, other) in
            [("a", "b"), ("a-", "a"), ("é", "z"), ("a b", "a+b"), ("~", "é"), ("", "")]
        {
            let encodings = percent_encoded(one).cmp(&percent_encoded(other));
            assert_eq!(compare_encoded(one, other), encodings, "{one} {other}");
        }
    }

    #[test]
    fn decoding_is_strict() {
        assert_eq!(decoded("%20+%C3%A9").as_deref(), Some(" +é"));
        for bad in ["%", "%4", "%zz", "%ff", "é", "a b", "\\"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }
}
