//! Encrypted PIN blocks (ISO 9564-1): formats 0, 1 and 3 under TDES, format 4 under AES.
//!
//! A PIN is turned from one key and format to another without leaving [`translate`]. What a
//! decrypted block lacks is told apart in [`PinError`] for the operator's eyes only: whoever sent
//! the block must hear the same of all of it, for the difference between a wrong digit and a wrong
//! fill tells digits of the PIN to somebody who tries card numbers.

use super::block_key::{Algorithm, BlockKey};
use super::pin_field::{ClearPin, Field, pan_field};
use crate::payment::card::Pan;
use crate::payment::pin_format::PinFormat;
use std::fmt;
use zeroize::Zeroizing;

/// Why a PIN block is not taken, made or translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PinError {
    #[error("a PIN block has 8 bytes in formats 0, 1 and 3, and 16 in format 4")]
    BlockLength,
    #[error("formats 0, 1 and 3 need a TDES key, format 4 needs an AES key")]
    Key,
    #[error("a PIN block that is bound to a card is not translated into one that is not")]
    Forbidden,
    #[error("the decrypted block is not of its format")]
    Control,
    #[error("the decrypted block has a PIN of fewer than 4 or more than 12 digits")]
    Length,
    #[error("the decrypted block has a PIN digit that is none")]
    Digit,
    #[error("the decrypted block is not filled as its format wants")]
    Fill,
    #[error("a PIN has 4 to 12 digits")]
    NotAPin,
}

/// A PIN block as it travels: encrypted, with its format beside it. Only the format is printed.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedPin {
    format: PinFormat,
    block: Vec<u8>,
}

/// Refuses a key of the other cipher.
fn check_key(format: PinFormat, key: &BlockKey) -> Result<(), PinError> {
    let fits = (format == PinFormat::Iso4) == (key.algorithm() != Algorithm::Tdes);
    fits.then_some(()).ok_or(PinError::Key)
}

impl EncryptedPin {
    /// Takes an encrypted block of its format's length.
    ///
    /// # Errors
    /// `PinError::BlockLength`.
    pub fn new(format: PinFormat, block: &[u8]) -> Result<Self, PinError> {
        if block.len() != format.block_len() {
            return Err(PinError::BlockLength);
        }
        Ok(Self { format, block: block.to_vec() })
    }

    /// The layout of the decrypted block.
    #[must_use]
    pub fn format(&self) -> PinFormat {
        self.format
    }

    /// The encrypted block: 8 or 16 bytes.
    #[must_use]
    pub fn block(&self) -> &[u8] {
        &self.block
    }
}

impl fmt::Debug for EncryptedPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptedPin({}, ..)", self.format.name())
    }
}

/// Turns an encrypted block into one of another key and, if allowed, another format, for the same
/// card. The random bytes fill formats 1, 3 and 4 and must be fresh.
///
/// A block that is bound to a card stays bound to it (the translation table of ISO 9564-1). That is
/// refused, like a key that does not fit, before anything is decrypted.
///
/// # Errors
/// `PinError`, all but `NotAPin`.
pub fn translate(
    block: &[u8],
    from: (PinFormat, &BlockKey),
    to: (PinFormat, &BlockKey),
    pan: &Pan,
    random: [u8; 16],
) -> Result<Vec<u8>, PinError> {
    if from.0.has_pan() && !to.0.has_pan() {
        return Err(PinError::Forbidden);
    }
    check_key(to.0, to.1)?;
    let pin = opened(block, from.0, from.1, pan)?;
    closed(&pin, to.0, to.1, pan, random)
}

/// The PIN pad's side: the block of a PIN of 4 to 12 digits. The random bytes must be fresh.
///
/// # Errors
/// `PinError::NotAPin` or `PinError::Key`.
pub fn encrypt_pin(
    pin: &str,
    format: PinFormat,
    key: &BlockKey,
    pan: &Pan,
    random: [u8; 16],
) -> Result<Vec<u8>, PinError> {
    check_key(format, key)?;
    closed(&ClearPin::parse(pin)?, format, key, pan, random)
}

/// The issuer's side: whether the block holds the expected PIN of this card. The comparison takes
/// as long for a nearly right PIN as for a wrong one.
///
/// # Errors
/// `PinError`, all but `Forbidden`.
pub fn pin_is(
    block: &[u8],
    format: PinFormat,
    key: &BlockKey,
    pan: &Pan,
    expected: &str,
) -> Result<bool, PinError> {
    let expected = ClearPin::parse(expected)?;
    Ok(opened(block, format, key, pan)?.same_as(&expected))
}

fn opened(
    block: &[u8],
    format: PinFormat,
    key: &BlockKey,
    pan: &Pan,
) -> Result<ClearPin, PinError> {
    check_key(format, key)?;
    let bound = pan_field(format, pan);
    let mut field: Field = Zeroizing::new([0; 16]);
    let place = field.get_mut(..block.len()).filter(|place| place.len() == format.block_len());
    let place = place.ok_or(PinError::BlockLength)?;
    place.copy_from_slice(block);
    // With the card's field as its vector, decrypting takes that field off: a decrypted block is
    // XORed with the vector. In format 4 the PIN lies under a second encryption.
    key.decrypt_from(&*bound, place).map_err(|_| PinError::BlockLength)?;
    if format == PinFormat::Iso4 {
        key.decrypt(place).map_err(|_| PinError::BlockLength)?;
    }
    ClearPin::read(&field, format)
}

fn closed(
    pin: &ClearPin,
    format: PinFormat,
    key: &BlockKey,
    pan: &Pan,
    random: [u8; 16],
) -> Result<Vec<u8>, PinError> {
    check_key(format, key)?;
    let bound = pan_field(format, pan);
    let mut field = pin.write(format, &random);
    let place = field.get_mut(..format.block_len()).unwrap_or_default();
    // The card's field goes in as the vector: before the only encryption, and in format 4 between
    // the two. Whole blocks are never refused; if they were, no clear PIN would get out.
    if format == PinFormat::Iso4 {
        key.encrypt(place).map_err(|_| PinError::BlockLength)?;
    }
    key.encrypt_from(&*bound, place).map_err(|_| PinError::BlockLength)?;
    Ok(place.to_vec())
}

#[cfg(test)]
mod tests;
