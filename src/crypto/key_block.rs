//! Key blocks (ASC X9.143, formerly ANSI TR-31): a key under a key block protection key, bound to
//! what is said of it.
//!
//! Version B is under TDES, version D under AES. From the protection key two keys are derived, one
//! that encrypts and one that authenticates; the CMAC over header and clear key is also the vector
//! from which the key is encrypted. Versions A and C, which bind by key variants, are refused.
//!
//! A key must be protected by one that is at least as strong (PCI PIN security, annex C): no AES
//! key under TDES, and no AES key under a shorter one.

use super::block_key::{Algorithm, BlockKey};
use super::key_header::{FIXED_LEN, is_printable, number};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub use super::key_header::{
    Exportability, KeyHeader, KeyUsage, KeyVersion, ModeOfUse, OptionalBlock,
};

/// Characters of the longest key block that is read or written.
pub const TEXT_MAX: usize = 4096;
/// Random bytes that [`wrap`] takes: what hides a short AES key among long ones.
pub const PAD_MAX: usize = 30;
/// Bytes before the key that say how many bits it has.
const LENGTH_LEN: usize = 2;
/// Bytes of the longest TDES key there is; ours are shorter, and hide among those.
const TDES_KEY_MAX: usize = 24;
/// Bytes of the longest AES key.
const AES_KEY_MAX: usize = 32;
/// Marks the derivation of the key that encrypts.
const FOR_ENCRYPTION: u8 = 0;
/// Marks the derivation of the key that authenticates.
const FOR_AUTHENTICATION: u8 = 1;

/// Why a key block is not opened or not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyBlockError {
    #[error("a key block is printable ASCII of at most 4096 characters")]
    Text,
    #[error("key blocks of version A bind by key variants and are not taken; use B or D")]
    VersionA,
    #[error("key blocks of version C bind by key variants and are not taken; use B or D")]
    VersionC,
    #[error("a key block is of version B or D")]
    UnknownVersion,
    #[error("version B needs a TDES protection key, version D an AES one")]
    ProtectionKey,
    #[error("the length that the key block states, or its parts must have, is not its own")]
    Length,
    #[error("the key usage is none that is used here")]
    Usage,
    #[error("the key is neither of TDES (T) nor of AES (A)")]
    Algorithm,
    #[error("the key's usage knows no such mode of use")]
    Mode,
    #[error("the key version is not two letters or digits, or says that this is a component")]
    KeyVersion,
    #[error("the exportability is none of E, N and S")]
    Exportability,
    #[error("the reserved characters of the header are not zeros")]
    Reserved,
    #[error("the optional blocks are not well-formed, stand twice or do not fill whole blocks")]
    Optional,
    #[error("after its header a key block is hexadecimal with capital letters")]
    Hex,
    #[error("the key block was not made with this protection key, or was changed")]
    NotAuthentic,
    #[error("the block ends before its key does")]
    KeyLength,
    #[error("a key of {0} bits is none of its algorithm that is used here")]
    KeyBits(u16),
    #[error("the protection key is weaker than the key")]
    TooWeak,
}

/// Wraps a key: version B under a TDES protection key, version D under an AES one. Its length is
/// hidden: the block of a short key is as long as that of the longest of its algorithm. The pad
/// must be random.
///
/// # Errors
/// `KeyBlockError::TooWeak`, or `Text` if the optional blocks make it too long.
pub fn wrap(
    kbpk: &BlockKey,
    header: &KeyHeader,
    key: &BlockKey,
    pad: [u8; PAD_MAX],
) -> Result<String, KeyBlockError> {
    check_strength(kbpk.algorithm(), key.algorithm())?;
    let unit = kbpk.algorithm().block_len();
    let (letter, longest) = match key.algorithm() {
        Algorithm::Tdes => ('T', TDES_KEY_MAX),
        Algorithm::Aes128 | Algorithm::Aes192 | Algorithm::Aes256 => ('A', AES_KEY_MAX),
    };
    let data_len = (LENGTH_LEN + longest).next_multiple_of(unit);
    let front = if kbpk.algorithm() == Algorithm::Tdes { 'B' } else { 'D' };
    let mut text = header.write(front, letter, 2 * (data_len + unit), unit);
    if text.len() + 2 * (data_len + unit) > TEXT_MAX {
        return Err(KeyBlockError::Text);
    }
    let bits = u16::try_from(key.expose().len() * 8).map_err(|_| KeyBlockError::KeyLength)?;
    let pad = Zeroizing::new(pad);
    let mut message = Zeroizing::new(Vec::with_capacity(text.len() + data_len));
    message.extend_from_slice(text.as_bytes());
    message.extend_from_slice(&bits.to_be_bytes());
    message.extend_from_slice(key.expose());
    let left = (text.len() + data_len).saturating_sub(message.len());
    message.extend(pad.iter().take(left));
    let mac = derived(kbpk, FOR_AUTHENTICATION)?.cmac(&message);
    let data = message.get_mut(text.len()..).unwrap_or_default();
    let cipher = derived(kbpk, FOR_ENCRYPTION)?;
    cipher.encrypt_from(&mac, data).map_err(|_| KeyBlockError::Length)?;
    text.push_str(&hex::encode_upper(data));
    text.push_str(&hex::encode_upper(&mac));
    Ok(text)
}

/// Opens a key block. Nothing of the key is looked at before the block is known to be authentic.
///
/// # Errors
/// `KeyBlockError`; a wrong protection key and a changed block look the same.
pub fn unwrap(kbpk: &BlockKey, text: &str) -> Result<(KeyHeader, BlockKey), KeyBlockError> {
    check_front(kbpk, text)?;
    let unit = kbpk.algorithm().block_len();
    let (header, letter, header_len) = KeyHeader::read(text, unit)?;
    let body = text.get(header_len..).unwrap_or_default();
    if body.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(KeyBlockError::Hex);
    }
    let body = hex::decode(body).map_err(|_| KeyBlockError::Hex)?;
    let split = body.len().checked_sub(unit).ok_or(KeyBlockError::Length)?;
    let (data, mac) = body.split_at_checked(split).ok_or(KeyBlockError::Length)?;
    let mut message = Zeroizing::new(Vec::with_capacity(header_len + data.len()));
    message.extend_from_slice(text.as_bytes().get(..header_len).unwrap_or_default());
    message.extend_from_slice(data);
    let clear = message.get_mut(header_len..).unwrap_or_default();
    let cipher = derived(kbpk, FOR_ENCRYPTION)?;
    cipher.decrypt_from(mac, clear).map_err(|_| KeyBlockError::Length)?;
    let expected = derived(kbpk, FOR_AUTHENTICATION)?.cmac(&message);
    if !bool::from(expected.as_slice().ct_eq(mac)) {
        return Err(KeyBlockError::NotAuthentic);
    }
    let key = read_key(letter, message.get(header_len..).unwrap_or_default())?;
    check_strength(kbpk.algorithm(), key.algorithm())?;
    Ok((header, key))
}

/// Looks at the text as a whole, its version, and the length it states.
fn check_front(kbpk: &BlockKey, text: &str) -> Result<(), KeyBlockError> {
    if text.len() > TEXT_MAX || !is_printable(text) {
        return Err(KeyBlockError::Text);
    }
    let for_tdes = match text.chars().next() {
        Some('B') => true,
        Some('D') => false,
        Some('A') => return Err(KeyBlockError::VersionA),
        Some('C') => return Err(KeyBlockError::VersionC),
        _ => return Err(KeyBlockError::UnknownVersion),
    };
    if for_tdes != (kbpk.algorithm() == Algorithm::Tdes) {
        return Err(KeyBlockError::ProtectionKey);
    }
    let stated = text.get(1..5).and_then(|digits| number(digits, 10));
    if text.len() < FIXED_LEN || stated != Some(text.len()) {
        return Err(KeyBlockError::Length);
    }
    Ok(())
}

/// Reads the authentic clear data: bits of the key, the key, and padding.
fn read_key(letter: char, data: &[u8]) -> Result<BlockKey, KeyBlockError> {
    let (length, rest) = data.split_first_chunk().ok_or(KeyBlockError::KeyLength)?;
    let algorithm = match (letter, u16::from_be_bytes(*length)) {
        ('T', 128) => Algorithm::Tdes,
        ('A', 128) => Algorithm::Aes128,
        ('A', 192) => Algorithm::Aes192,
        ('A', 256) => Algorithm::Aes256,
        ('T' | 'A', bits) => return Err(KeyBlockError::KeyBits(bits)),
        _ => return Err(KeyBlockError::Algorithm),
    };
    let key = rest.get(..algorithm.key_len());
    key.and_then(|key| BlockKey::from_slice(algorithm, key)).ok_or(KeyBlockError::KeyLength)
}

/// Refuses to protect a key by a weaker one.
fn check_strength(protecting: Algorithm, protected: Algorithm) -> Result<(), KeyBlockError> {
    protecting.may_protect(protected).then_some(()).ok_or(KeyBlockError::TooWeak)
}

/// A key for one purpose: CMACs of the protection key over counter, purpose, algorithm and bits, as
/// many as fill a key (X9.143, key derivation binding method).
fn derived(kbpk: &BlockKey, purpose: u8) -> Result<BlockKey, KeyBlockError> {
    let algorithm = kbpk.algorithm();
    let (mark, bits) = match algorithm {
        Algorithm::Tdes => (0, 128_u16),
        Algorithm::Aes128 => (2, 128),
        Algorithm::Aes192 => (3, 192),
        Algorithm::Aes256 => (4, 256),
    };
    let [high, low] = bits.to_be_bytes();
    let mut bytes = Zeroizing::new([0; AES_KEY_MAX]);
    for (counter, part) in (1..).zip(bytes.chunks_mut(algorithm.block_len())) {
        let mac = kbpk.cmac(&[counter, 0, purpose, 0, 0, mark, high, low]);
        for (to, from) in part.iter_mut().zip(mac.iter()) {
            *to = *from;
        }
    }
    let key = bytes.get(..algorithm.key_len());
    key.and_then(|key| BlockKey::from_slice(algorithm, key)).ok_or(KeyBlockError::KeyLength)
}

#[cfg(test)]
mod tests;
