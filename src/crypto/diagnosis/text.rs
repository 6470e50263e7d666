//! From the text to bytes: what it is if it is not plain hexadecimal digits.

use super::{Fault, Finding};
use crate::crypto::reader::HEX_MAX;
use crate::crypto::tlv::{self, Tag};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The first bytes of every message: templates of Spire and of Miura.
pub(super) const TEMPLATES: [u32; 6] = [0xE9, 0xE0, 0xE1, 0xE3, 0xE4, 0xE5];

/// The bytes that the digits stand for.
pub(super) fn read(text: &str) -> Result<Vec<u8>, Fault> {
    if text.trim().is_empty() {
        let change = "send what the reader gave; in a form, check the field's name";
        return Err(Fault::new(Finding::Empty, "encrypted-data is empty", change));
    }
    if text.len() > HEX_MAX {
        let wrong = format!("{} characters; {HEX_MAX} are read", text.len());
        let change = "send one message of the reader, and nothing else";
        return Err(Fault::new(Finding::TooLong, wrong, change));
    }
    match hex::decode(text) {
        Ok(bytes) if stands_for_text(&bytes) => Err(Fault::new(
            Finding::DoubleHex,
            "the digits stand for text, and that text is the message",
            "write the reader's bytes as hexadecimal digits once, not twice",
        )),
        Ok(bytes) => Ok(bytes),
        Err(_) => Err(wrapping(text).unwrap_or_else(|| no_digits(text))),
    }
}

/// Whether the bytes are the characters of a message in digits or in base64.
fn stands_for_text(bytes: &[u8]) -> bool {
    let text = str::from_utf8(bytes).unwrap_or_default().trim();
    is_digits(text) || is_base64(text)
}

/// Digits, an even number of them, with something around or between that does not belong there.
fn wrapping(text: &str) -> Option<Fault> {
    let fault = |finding, wrong: &str, change: &str| Some(Fault::new(finding, wrong, change));
    let trimmed = text.trim();
    if trimmed.starts_with('{') || trimmed.starts_with('[') {
        return fault(
            Finding::WholeJson,
            "this is a JSON document",
            "send the value of its field encrypted_data, without quotes",
        );
    }
    let unquoted = trimmed.trim_matches(['"', '\'']);
    if unquoted.len() < trimmed.len() && is_message_text(unquoted) {
        return fault(Finding::Quoted, "the digits are in quotes", "take the quotes away");
    }
    let named = trimmed.split_once(['=', ':']).filter(|(name, _)| !is_hex(name));
    if named.is_some_and(|(_, value)| is_message_text(value.trim())) {
        return fault(
            Finding::FieldName,
            "the name of the field stands in front of the value",
            "send the value alone: what follows the sign",
        );
    }
    if text.contains('%') && percent_decoded(text).is_some_and(|text| is_message_text(&text)) {
        return fault(
            Finding::PercentEncoded,
            "the value is percent-encoded once too often",
            "let the form library encode it, and do not do it yourself before",
        );
    }
    let bare = trimmed.strip_prefix("0x").or_else(|| trimmed.strip_prefix("0X"));
    let bare = bare.or_else(|| trimmed.strip_prefix("\\x"));
    if bare.is_some_and(is_digits) {
        return fault(Finding::HexPrefix, "a prefix stands in front", "take the prefix away");
    }
    let closed: String = text.split_whitespace().collect();
    if is_digits(&closed) {
        return fault(
            Finding::Whitespace,
            "spaces or line ends stand among or around the digits",
            "send the digits without them",
        );
    }
    let joined = closed.replace([':', '-', ',', ';', '.', '_'], "").replace("\\x", "");
    if is_digits(&joined.replace("0x", "")) {
        return fault(
            Finding::Separators,
            "separators stand among the digits",
            "send the digits one after the other, without separators",
        );
    }
    match is_base64(&closed) {
        true => fault(
            Finding::Base64,
            "the bytes are written in base64",
            "write them as hexadecimal digits",
        ),
        false => None,
    }
}

fn no_digits(text: &str) -> Fault {
    match text.chars().enumerate().find(|(_, c)| !c.is_ascii_hexdigit()) {
        Some((place, c)) => {
            let place = place + 1;
            let wrong = format!("character {place}, {c:?}, is no hexadecimal digit");
            let change = "send the reader's bytes as hexadecimal digits, two for each byte";
            Fault::new(Finding::NotHex, wrong, change)
        }
        None => Fault::new(
            Finding::OddLength,
            format!("{} digits: half a byte is missing", text.len()),
            "write two digits for each byte, a zero in front of small ones; nothing cut off",
        ),
    }
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_digits(text: &str) -> bool {
    is_hex(text) && text.len().is_multiple_of(2)
}

fn is_message_text(text: &str) -> bool {
    is_digits(text) || is_base64(text)
}

/// Whether the text is base64 of a message, of either alphabet.
fn is_base64(text: &str) -> bool {
    let text = text.trim_end_matches('=');
    let bytes = STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text));
    bytes.is_ok_and(|bytes| is_message(&bytes))
}

fn is_message(bytes: &[u8]) -> bool {
    match tlv::read_first(bytes) {
        Ok((code, _)) if code.tag == Tag(0x9F01) => true,
        Ok((template, _)) => TEMPLATES.contains(&template.tag.0) && template.children().is_ok(),
        Err(_) => false,
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let text = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
    Some(text.split_whitespace().collect())
}
