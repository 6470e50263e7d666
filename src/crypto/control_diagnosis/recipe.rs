//! How a control is made: parts in their order, and the digest over them.

use super::mask::masked;
use crate::crypto::mac::{hmac_sha1, hmac_sha256};
use sha1::{Digest as _, Sha1};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

/// Characters of a hashed text that are told.
const TOLD_MAX: usize = 400;

/// One of the texts that are hashed one after the other.
#[derive(Clone)]
pub(super) struct Part {
    /// The field, or what else it is.
    pub(super) name: String,
    pub(super) is_key: bool,
    /// For people: a key is masked.
    shown: String,
    bytes: Zeroizing<Vec<u8>>,
}

/// What is done with the parts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Sha1,
    /// SHA-1 of the digits of a SHA-1.
    Sha1Twice,
    Sha256,
    Sha512,
    /// Under the control key, over the other parts.
    HmacSha1,
    HmacSha256,
}

/// How a control is made.
#[derive(Clone)]
pub(super) struct Recipe {
    pub(super) parts: Vec<Part>,
    pub(super) digest: Digest,
}

impl Part {
    /// A value that was sent, or what stands for it.
    pub(super) fn value(name: &str, value: &str) -> Self {
        let bytes = Zeroizing::new(value.as_bytes().to_vec());
        Self { name: name.to_owned(), is_key: false, shown: value.to_owned(), bytes }
    }

    /// What is hashed though nobody sent it.
    pub(super) fn literal(text: &str) -> Self {
        Self { name: format!("{text:?}"), ..Self::value("", text) }
    }

    /// The control key, or what somebody took for it.
    pub(super) fn key(key: &str) -> Self {
        let bytes = Zeroizing::new(key.as_bytes().to_vec());
        Self { name: "control key".to_owned(), is_key: true, shown: masked(key), bytes }
    }

    /// The same with other bytes that are no text.
    pub(super) fn as_bytes(&self, bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { shown: format!("({} bytes)", bytes.len()), ..self.with_bytes(bytes) }
    }

    /// The same written otherwise, which people do not see.
    pub(super) fn with_bytes(&self, bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { bytes, ..self.clone() }
    }

    /// The same with another text.
    pub(super) fn with_text(&self, text: &str) -> Self {
        match self.is_key {
            true => Self::key(text),
            false => Self { name: self.name.clone(), ..Self::value("", text) },
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What is hashed, if it is text.
    pub(super) fn text(&self) -> &str {
        str::from_utf8(&self.bytes).unwrap_or_default()
    }
}

impl Recipe {
    pub(super) fn new(parts: Vec<Part>) -> Self {
        Self { parts, digest: Digest::Sha1 }
    }

    /// The same of other parts.
    pub(super) fn of(&self, parts: Vec<Part>) -> Self {
        Self { parts, digest: self.digest }
    }

    /// The same with each part changed, or left as it is where nothing is given.
    pub(super) fn map(&self, change: impl Fn(&Part) -> Option<Part>) -> Self {
        self.of(self.parts.iter().map(|part| change(part).unwrap_or(part.clone())).collect())
    }

    /// Whether the other hashes the same bytes in the same way.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let bytes = |recipe: &Self| {
            let all = recipe.parts.iter().flat_map(|part| part.bytes.iter().copied());
            Zeroizing::new(all.collect::<Vec<_>>())
        };
        self.digest == other.digest && bytes(self) == bytes(other)
    }

    /// The digest that comes of it.
    pub(super) fn made(&self) -> Zeroizing<Vec<u8>> {
        let parts: Vec<&[u8]> = self.parts.iter().map(|part| part.bytes.as_slice()).collect();
        let others = self.parts.iter().filter(|part| !part.is_key);
        let others: Vec<&[u8]> = others.map(|part| part.bytes.as_slice()).collect();
        let key = self.parts.iter().find(|part| part.is_key);
        let key = key.map_or(&[][..], |part| part.bytes.as_slice());
        Zeroizing::new(match self.digest {
            Digest::Sha1 => sha1(&parts),
            Digest::Sha1Twice => sha1(&[hex::encode(sha1(&parts)).as_bytes()]),
            Digest::Sha256 => Sha256::digest(parts.concat()).to_vec(),
            Digest::Sha512 => Sha512::digest(parts.concat()).to_vec(),
            Digest::HmacSha1 => hmac_sha1(key, &others).to_vec(),
            Digest::HmacSha256 => hmac_sha256(key, &others).to_vec(),
        })
    }

    /// SHA-1 of all but the key, which nobody needs a secret for, and how many bytes that is.
    pub(super) fn without_key(&self) -> (String, usize) {
        let others = self.parts.iter().filter(|part| !part.is_key);
        let others: Vec<&[u8]> = others.map(|part| part.bytes.as_slice()).collect();
        (hex::encode(sha1(&others)), others.iter().map(|part| part.len()).sum())
    }

    /// Names of the parts in their order.
    pub(super) fn names(&self) -> String {
        let names: Vec<_> = self.parts.iter().map(|part| part.name.as_str()).collect();
        names.join(" + ")
    }

    /// What is hashed, with the key masked.
    pub(super) fn told(&self) -> String {
        let text: String = self.parts.iter().map(|part| part.shown.as_str()).collect();
        match text.char_indices().nth(TOLD_MAX) {
            Some((place, _)) => format!("{:?} and more", &text[..place]),
            None => format!("{text:?}"),
        }
    }
}

fn sha1(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().to_vec()
}
