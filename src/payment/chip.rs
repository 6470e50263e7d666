//! What a chip says of a transaction: the tags that a receipt shows, and how the chip ended it.

use super::{Millis, SECOND};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long a chip sale that the issuer approved waits for the chip's last word (MAPI 3.5); as long
/// as shipped clients keep sending it.
pub const ADVICE_WAIT: Millis = 120 * SECOND;

/// Tags and their values in upper-case hex, for receipts and for the acquirer.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChipTags(BTreeMap<String, String>);

impl ChipTags {
    /// Whether there is none: the card was swiped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a tag, named in upper-case hex.
    #[must_use]
    pub fn get(&self, tag: &str) -> Option<&str> {
        self.0.get(tag).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for ChipTags {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(tags: I) -> Self {
        Self(tags.into_iter().collect())
    }
}

/// How the chip ended a transaction that the issuer approved: its second cryptogram (EMV Book 3,
/// 6.5.5).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Completion {
    /// A transaction certificate; otherwise the chip declined.
    pub approved: bool,
    pub tags: ChipTags,
}

/// Whether the card holder must sign, by the method that chip and reader agreed on (tag 9F34, hex):
/// its first byte says signature, or there is none (MAPI 3.6).
#[must_use]
pub fn needs_signature(cvm: Option<&str>) -> bool {
    let method = cvm.map(|cvm| cvm.get(..2).and_then(|byte| u8::from_str_radix(byte, 16).ok()));
    match method {
        None => true,
        Some(method) => method.is_some_and(|method| matches!(method & 0x3F, 0x03 | 0x05 | 0x1E)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_needed_without_a_method_or_by_one_that_says_so() {
        for (cvm, needed) in [
            (None, true),
            (Some("1E0300"), true),
            (Some("5E0300"), true),
            (Some("030000"), true),
            (Some("050000"), true),
            (Some("1F0302"), false),
            (Some("420300"), false),
            (Some(""), false),
        ] {
            assert_eq!(needs_signature(cvm), needed, "{cvm:?}");
        }
    }
}
