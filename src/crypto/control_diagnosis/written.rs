//! How a digest can be written where 40 hexadecimal digits belong.
//!
//! Each is compared as a whole. A control that is only the beginning of the right one is told by
//! its length and never said to fit, or the right one could be found digit by digit.

use super::Finding;
use crate::crypto::sign::{control_matches, secrets_match};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// How a digest is written.
pub(super) enum Writing {
    /// As it should be, in digits of either case.
    Digits,
    /// Otherwise.
    Otherwise(Flaw),
}

/// What is wrong with how a digest is written, and what to do instead.
pub(super) struct Flaw {
    pub(super) finding: Finding,
    pub(super) wrong: &'static str,
    pub(super) change: &'static str,
}

/// How the control writes this digest; `None` if it is another one.
pub(super) fn writing_of(control: &str, digest: &[u8]) -> Option<Writing> {
    let digits = hex::encode(digest);
    if control.len() == digits.len() {
        return control_matches(&digits, control).then_some(Writing::Digits);
    }
    let found = in_digits(control, &digits).or_else(|| in_base64(control, digest, &digits));
    found.or_else(|| without_zeros(control, digest, &digits)).map(Writing::Otherwise)
}

fn in_digits(control: &str, digits: &str) -> Option<Flaw> {
    let pairs: Vec<_> =
        digits.as_bytes().chunks(2).filter_map(|two| str::from_utf8(two).ok()).collect();
    if ["-", ":", " "].iter().any(|between| control_matches(&pairs.join(between), control)) {
        return Some(Flaw {
            finding: Finding::HexSeparators,
            wrong: "something stands between the digits of the control",
            change: "write the digits one after the other",
        });
    }
    let prefixes = ["0x", "sha1:", "sha1=", "\\x"];
    if prefixes.iter().any(|front| control_matches(&format!("{front}{digits}"), control)) {
        return Some(Flaw {
            finding: Finding::HexPrefix,
            wrong: "something stands before the digits of the control",
            change: "write the digits alone",
        });
    }
    let is_quoted = |by: &&str| control_matches(&format!("{by}{digits}{by}"), control);
    ["\"", "'"].iter().any(is_quoted).then_some(Flaw {
        finding: Finding::Quoted,
        wrong: "the control is in quotes",
        change: "take the quotes away",
    })
}

fn in_base64(control: &str, digest: &[u8], digits: &str) -> Option<Flaw> {
    let engines = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
    if engines.iter().any(|engine| secrets_match(&engine.encode(digest), control)) {
        return Some(Flaw {
            finding: Finding::Base64,
            wrong: "the control is written in base64",
            change: "write the digest as 40 hexadecimal digits",
        });
    }
    let of_digits =
        |digits: &str| engines.iter().any(|engine| secrets_match(&engine.encode(digits), control));
    (of_digits(digits) || of_digits(&digits.to_uppercase())).then_some(Flaw {
        finding: Finding::Base64OfHex,
        wrong: "the control is base64 of the hexadecimal digits",
        change: "send the 40 hexadecimal digits themselves",
    })
}

fn without_zeros(control: &str, digest: &[u8], digits: &str) -> Option<Flaw> {
    if control.len() > digits.len() {
        return None;
    }
    let nibbles = digest
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15].into_iter().skip(usize::from(*byte < 16)));
    let by_byte: String =
        nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect();
    let number = digits.trim_start_matches('0');
    (control_matches(&by_byte, control) || control_matches(number, control)).then_some(Flaw {
        finding: Finding::ZerosLost,
        wrong: "zeros of the control are lost: bytes below 16 have two digits, too",
        change: "write two digits for each of the 20 bytes",
    })
}
