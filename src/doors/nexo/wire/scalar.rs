//! Single values: what a text has to look like, and the node it becomes.

use super::ATTRIBUTE_MAX;
use super::decimal;
use super::schema::{Bounds, Scalar, Schema};
use super::tree::Node;
use std::borrow::Cow;
use zeroize::Zeroizing;

/// The greatest amount is 99999999.999999 (nexo 3.1, `SimpleAmountType`).
const AMOUNT_WHOLE_DIGITS: usize = 8;
const AMOUNT_FRACTION_DIGITS: usize = 6;

/// A text is not what its field may hold.
pub(super) struct Unexpected;

/// How a value is looked at.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// Values of enumerations that the table does not know are refused.
    pub(super) closed: bool,
    /// The text is wiped when it is dropped.
    pub(super) secret: bool,
}

/// Reads a value. `Ok(None)` is an empty text where only something could be meant.
pub(super) fn read(scalar: Scalar, text: &str, look: Look) -> Result<Option<Node>, Unexpected> {
    if let Scalar::Text(bounds) = scalar {
        let good = fits(bounds, text.chars().count()) && is_printable(text);
        return if good { Ok(Some(text_node(text, look))) } else { Err(Unexpected) };
    }
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    if text.is_empty() {
        return Ok(None);
    }
    match scalar {
        Scalar::Flag => flag(text),
        Scalar::Integer(bounds) => integer(text, bounds),
        Scalar::Decimal => decimal::shortest(text).map(Node::Text),
        Scalar::Amount => decimal::shortest(text).filter(|it| is_amount(it)).map(Node::Text),
        Scalar::Enumeration(place) => value_of(place, text, look).map(Node::from),
        Scalar::DateTime => zoned(text).map(|text| Node::Text(text.into_owned())),
        Scalar::Digits(bounds) => {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            (digits && fits(bounds, text.len())).then(|| text_node(text, look))
        }
        Scalar::Base64(bounds) => is_base64(text, bounds).then(|| text_node(text, look)),
        Scalar::Upper(length) => letters(text, length, u8::is_ascii_uppercase),
        Scalar::Lower(length) => letters(text, length, u8::is_ascii_lowercase),
        Scalar::Text(_) => None,
    }
    .map(Some)
    .ok_or(Unexpected)
}

/// A value of an enumeration as the table spells it.
pub(super) fn value_of(place: usize, text: &str, look: Look) -> Option<&str> {
    let known = Schema::get().enumeration(place).map_or(&[][..], |known| &known.values);
    // Some clients write all in capitals, and OnlinePIN for OnLinePIN.
    let same = |value: &&&str| value.eq_ignore_ascii_case(text);
    let known = known.iter().find(|value| **value == text).or_else(|| known.iter().find(same));
    match known {
        Some(value) => Some(value),
        None if look.closed && !is_extension(text) => None,
        None => (is_printable(text) && text.len() <= ATTRIBUTE_MAX).then_some(text),
    }
}

fn text_node(text: &str, look: Look) -> Node {
    let text = text.to_owned();
    if look.secret { Node::Secret(Zeroizing::new(text)) } else { Node::Text(text) }
}

fn fits(bounds: Bounds, length: usize) -> bool {
    length >= bounds.min as usize && bounds.max.is_none_or(|max| length <= max as usize)
}

/// XML knows no other control characters, and databases no NUL.
fn is_printable(text: &str) -> bool {
    // Nearly every text is plain ASCII, and told so much faster byte by byte.
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    plain
        || text.chars().all(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'))
            && !text.contains(['\u{fffe}', '\u{ffff}'])
}

/// `Prefix:Value`, by which anyone may extend an enumeration.
fn is_extension(text: &str) -> bool {
    let word = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.split_once(':').is_some_and(|(prefix, value)| {
        let capital = value.starts_with(|c: char| c.is_ascii_uppercase());
        !prefix.is_empty() && word(prefix) && word(value) && capital
    })
}

fn flag(text: &str) -> Option<Node> {
    match text {
        "true" | "1" | "True" | "TRUE" => Some(Node::Flag(true)),
        "false" | "0" | "False" | "FALSE" => Some(Node::Flag(false)),
        _ => None,
    }
}

/// A whole number, also as "30.0".
fn integer(text: &str, bounds: Bounds) -> Option<Node> {
    let number: i32 = decimal::shortest(text)?.parse().ok()?;
    let number = i64::from(number);
    let bounded = bounds == Bounds { min: 0, max: None }
        || number >= i64::from(bounds.min) && bounds.max.is_none_or(|max| number <= max.into());
    bounded.then_some(Node::Number(number))
}

fn is_amount(shortest: &str) -> bool {
    let (whole, fraction) = shortest.split_once('.').unwrap_or((shortest, ""));
    !shortest.starts_with('-')
        && whole.len() <= AMOUNT_WHOLE_DIGITS
        && fraction.len() <= AMOUNT_FRACTION_DIGITS
}

fn letters(text: &str, length: usize, is_one: fn(&u8) -> bool) -> Option<Node> {
    (text.len() == length && text.bytes().all(|byte| is_one(&byte))).then(|| Node::from(text))
}

/// Base64 of a number of octets within the bounds; lines may be broken.
fn is_base64(text: &str, bounds: Bounds) -> bool {
    let mut digits = 0;
    let mut padding = 0;
    for byte in text.bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {}
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => digits += 1,
            _ => return false,
        }
    }
    let whole = (digits + padding) % 4 == 0 && padding <= 2;
    whole && fits(bounds, digits * 3 / 4)
}

/// A time stamp with a zone; without one it is taken for UTC.
fn zoned(text: &str) -> Option<Cow<'_, str>> {
    let (date, time) = text.split_once('T')?;
    let end = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(end);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let good = has_form(date, "0000-00-00")
        && has_form(clock, "00:00:00")
        && (1..=9).contains(&fraction.len())
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let zone_good =
        matches!(zone, "" | "Z") || zone.get(1..).is_some_and(|it| has_form(it, "00:00"));
    let zoned = || if zone.is_empty() { Cow::Owned(format!("{text}Z")) } else { text.into() };
    (good && zone_good).then(zoned)
}

/// Whether a text has a digit where the form has one, and the form's other characters.
fn has_form(text: &str, form: &str) -> bool {
    let same = |(is, should): (u8, u8)| is == should || should == b'0' && is.is_ascii_digit();
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(same)
}
