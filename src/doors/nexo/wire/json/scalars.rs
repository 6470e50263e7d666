//! Values of JSON as the texts that XML would have.

use super::super::DEPTH_MAX;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Gives the text of a value, or of each value of an array, to `take`; null gives none.
/// `Err` is an object, or an array in an array.
pub(super) fn each(raw: &RawValue, mut take: impl FnMut(&str)) -> Result<(), ()> {
    if !raw.get().starts_with('[') {
        return one(raw, &mut take);
    }
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| ())?;
    items.into_iter().try_for_each(|item| one(item, &mut take))
}

fn one(raw: &RawValue, take: &mut impl FnMut(&str)) -> Result<(), ()> {
    let raw = raw.get();
    match raw.as_bytes().first() {
        Some(b'"') => take(&string(raw).ok_or(())?),
        Some(b'{' | b'[') | None => return Err(()),
        Some(b'n') => {}
        // A number keeps the digits it was written with.
        Some(_) => take(raw),
    }
    Ok(())
}

fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Whether brackets are nested deeper than is read. What is no JSON may give any answer.
pub(super) fn is_too_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                bytes.next();
            }
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}
