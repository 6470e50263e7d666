//! Thirty-two secret bytes.

use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// A 256-bit key. It wipes itself and cannot be printed, cloned or compared.
pub struct Key32(Zeroizing<[u8; 32]>);

/// Why a text is not a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a key is written as 64 hexadecimal digits")]
pub struct KeyTextError;

impl Key32 {
    /// Takes the raw bytes and wipes the copy it was handed.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let key = Self(Zeroizing::new(bytes));
        bytes.zeroize();
        key
    }

    /// Reads 64 hexadecimal digits of either case.
    ///
    /// # Errors
    /// `KeyTextError`, which never carries the text.
    pub fn from_hex(text: &str) -> Result<Self, KeyTextError> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, &mut *bytes).map_err(|_| KeyTextError)?;
        Ok(Self(bytes))
    }

    /// The clear bytes. Whoever calls this must not keep or show them.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Key32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key32(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixty_four_hex_digits_and_never_printed() {
        let key = Key32::from_hex(&"aB".repeat(32)).unwrap();
        assert_eq!(key.expose(), &[0xab; 32]);
        assert_eq!(format!("{key:?}"), "Key32(..)");
        for bad in ["", "ab", &"ab".repeat(33), &"zz".repeat(32), &"é".repeat(32)] {
            assert_eq!(Key32::from_hex(bad).unwrap_err(), KeyTextError);
        }
    }
}
