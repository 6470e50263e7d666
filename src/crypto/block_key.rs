//! Keys of block ciphers, TDES and AES, as readers, PIN pads and key blocks use them.

use super::key::KeyTextError;
use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::array::{Array, ArraySize};
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cmac::{Cmac, KeyInit, Mac};
use des::TdesEde2;
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of the longest key.
const KEY_MAX: usize = 32;
/// Bytes of the longest block.
const BLOCK_MAX: usize = 16;
/// Bytes of a key check value as it is printed beside a key.
pub const CHECK_VALUE_LEN: usize = 3;

/// A block cipher and the length of its keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    /// Triple DES with a double-length key (16 bytes).
    Tdes,
    Aes128,
    Aes192,
    Aes256,
}

impl Algorithm {
    /// Every algorithm there is, the weakest first (PCI PIN security, annex C).
    pub const ALL: [Self; 4] = [Self::Tdes, Self::Aes128, Self::Aes192, Self::Aes256];

    /// The stored and shown spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tdes => "tdes",
            Self::Aes128 => "aes128",
            Self::Aes192 => "aes192",
            Self::Aes256 => "aes256",
        }
    }

    /// The algorithm of this spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Whether its keys are at least as strong as those of the other, and so may protect them.
    #[must_use]
    pub fn may_protect(self, other: Self) -> bool {
        let rank = |wanted| Self::ALL.iter().position(|algorithm| *algorithm == wanted);
        rank(self) >= rank(other)
    }

    /// Bytes of a key, parity bits included.
    #[must_use]
    pub fn key_len(self) -> usize {
        match self {
            Self::Tdes | Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// Bytes of a block.
    #[must_use]
    pub fn block_len(self) -> usize {
        match self {
            Self::Tdes => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }
}

/// A key. It wipes itself and cannot be printed, cloned or compared.
pub struct BlockKey {
    algorithm: Algorithm,
    bytes: Zeroizing<[u8; KEY_MAX]>,
}

/// The data is not a whole number of blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a whole number of {0}-byte blocks")]
pub struct BlockLengthError(pub usize);

/// Runs a block with `$cipher` standing for the cipher of this key's algorithm.
macro_rules! with_cipher {
    ($key:expr, $cipher:ident => $run:expr) => {
        match $key.algorithm {
            Algorithm::Tdes => {
                type $cipher = TdesEde2;
                $run
            }
            Algorithm::Aes128 => {
                type $cipher = Aes128;
                $run
            }
            Algorithm::Aes192 => {
                type $cipher = Aes192;
                $run
            }
            Algorithm::Aes256 => {
                type $cipher = Aes256;
                $run
            }
        }
    };
}

impl BlockKey {
    /// Copies the raw key; `None` unless it has the algorithm's length.
    #[must_use]
    pub fn from_slice(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        let mut own = Zeroizing::new([0; KEY_MAX]);
        let place = own.get_mut(..bytes.len()).filter(|_| bytes.len() == algorithm.key_len())?;
        place.copy_from_slice(bytes);
        Some(Self { algorithm, bytes: own })
    }

    /// Takes a double-length TDES key and wipes the copy it was handed.
    #[must_use]
    pub fn tdes(mut bytes: [u8; 16]) -> Self {
        let mut own = Zeroizing::new([0; KEY_MAX]);
        for (to, from) in own.iter_mut().zip(&bytes) {
            *to = *from;
        }
        bytes.zeroize();
        Self { algorithm: Algorithm::Tdes, bytes: own }
    }

    /// Reads hexadecimal digits of either case, twice as many as the key has bytes.
    ///
    /// # Errors
    /// `KeyTextError`, which never carries the text.
    pub fn from_hex(algorithm: Algorithm, text: &str) -> Result<Self, KeyTextError> {
        let mut own = Zeroizing::new([0; KEY_MAX]);
        let place = own.get_mut(..algorithm.key_len()).unwrap_or_default();
        hex::decode_to_slice(text, place).map_err(|_| KeyTextError)?;
        Ok(Self { algorithm, bytes: own })
    }

    /// The cipher this key is for.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The clear bytes. Whoever calls this must not keep or show them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.bytes.get(..self.algorithm.key_len()).unwrap_or_default()
    }

    /// Encrypts whole blocks in place, in CBC mode from an initialisation vector of zeros. A single
    /// block is thereby simply encrypted.
    ///
    /// # Errors
    /// `BlockLengthError`, with nothing changed.
    pub fn encrypt(&self, data: &mut [u8]) -> Result<(), BlockLengthError> {
        self.encrypt_from(&[0; BLOCK_MAX], data)
    }

    /// Undoes [`encrypt`](Self::encrypt).
    ///
    /// # Errors
    /// `BlockLengthError`, with nothing changed.
    pub fn decrypt(&self, data: &mut [u8]) -> Result<(), BlockLengthError> {
        self.decrypt_from(&[0; BLOCK_MAX], data)
    }

    /// Encrypts in CBC mode from an initialisation vector, of which as many bytes count as a block
    /// has; missing ones count as zeros.
    ///
    /// # Errors
    /// `BlockLengthError`, with nothing changed.
    pub fn encrypt_from(&self, iv: &[u8], data: &mut [u8]) -> Result<(), BlockLengthError> {
        let key = self.expose();
        let iv = &padded_iv(iv)[..self.algorithm.block_len()];
        with_cipher!(self, Cipher => {
            let blocks = whole_blocks(data)?;
            // The lengths are the algorithm's own, so they are never refused.
            if let Ok(mut mode) = cbc::Encryptor::<Cipher>::new_from_slices(key, iv) {
                mode.encrypt_blocks(blocks);
            }
        });
        Ok(())
    }

    /// Undoes [`encrypt_from`](Self::encrypt_from).
    ///
    /// # Errors
    /// `BlockLengthError`, with nothing changed.
    pub fn decrypt_from(&self, iv: &[u8], data: &mut [u8]) -> Result<(), BlockLengthError> {
        let key = self.expose();
        let iv = &padded_iv(iv)[..self.algorithm.block_len()];
        with_cipher!(self, Cipher => {
            let blocks = whole_blocks(data)?;
            if let Ok(mut mode) = cbc::Decryptor::<Cipher>::new_from_slices(key, iv) {
                mode.decrypt_blocks(blocks);
            }
        });
        Ok(())
    }

    /// The CMAC (NIST SP 800-38B) of a message: one block.
    #[must_use]
    pub fn cmac(&self, message: &[u8]) -> Zeroizing<Vec<u8>> {
        with_cipher!(self, Cipher => {
            // The length is the algorithm's own, so it is never refused.
            let mac = Cmac::<Cipher>::new_from_slice(self.expose());
            let mac = mac.map(|mac| mac.chain_update(message).finalize().into_bytes().to_vec());
            Zeroizing::new(mac.unwrap_or_default())
        })
    }

    /// The check value by which two people compare a key without saying it: for TDES the front of
    /// an encrypted block of zeros, for AES the front of the CMAC of one (ANSI X9.24-1).
    #[must_use]
    pub fn check_value(&self) -> [u8; CHECK_VALUE_LEN] {
        let mut block = Zeroizing::new(vec![0; self.algorithm.block_len()]);
        match self.algorithm {
            // A whole block is never refused.
            Algorithm::Tdes => drop(self.encrypt(&mut block)),
            _ => block = self.cmac(&block),
        }
        let mut front = [0; CHECK_VALUE_LEN];
        for (to, from) in front.iter_mut().zip(block.iter()) {
            *to = *from;
        }
        front
    }
}

fn padded_iv(iv: &[u8]) -> [u8; BLOCK_MAX] {
    let mut whole = [0; BLOCK_MAX];
    for (to, from) in whole.iter_mut().zip(iv) {
        *to = *from;
    }
    whole
}

fn whole_blocks<N: ArraySize>(data: &mut [u8]) -> Result<&mut [Array<u8, N>], BlockLengthError> {
    let (blocks, rest) = Array::slice_as_chunks_mut(data);
    if rest.is_empty() { Ok(blocks) } else { Err(BlockLengthError(N::USIZE)) }
}

impl fmt::Debug for BlockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockKey({:?}, ..)", self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(algorithm: Algorithm, text: &str) -> BlockKey {
        BlockKey::from_hex(algorithm, text).unwrap()
    }

    const TDES: &str = "0123456789ABCDEFFEDCBA9876543210";
    const AES128: &str = "2b7e151628aed2a6abf7158809cf4f3c";
    const AES192: &str = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b";
    const AES256: &str = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";

    #[test]
    fn the_vectors_of_nist_hold() {
        // SP 800-38A F.1 and F.2, first block; a vector of zeros makes CBC the plain cipher.
        for (algorithm, text, expected) in [
            (Algorithm::Aes128, AES128, "3ad77bb40d7a3660a89ecaf32466ef97"),
            (Algorithm::Aes192, AES192, "bd334f1d6e45f25ff712a214571fa5cc"),
            (Algorithm::Aes256, AES256, "f3eed1bdb5d2a03c064b5a7e3db181f8"),
        ] {
            let mut block = hex::decode("6bc1bee22e409f96e93d7e117393172a").unwrap();
            key(algorithm, text).encrypt(&mut block).unwrap();
            assert_eq!(hex::encode(&block), expected);
            key(algorithm, text).decrypt(&mut block).unwrap();
            assert_eq!(hex::encode(&block), "6bc1bee22e409f96e93d7e117393172a");
        }
        // SP 800-38B D.1 example 1: the empty message.
        let mac = key(Algorithm::Aes128, AES128).cmac(b"");
        assert_eq!(hex::encode(mac.as_slice()), "bb1d6929e95937287fa37d129b756746");
    }

    #[test]
    fn blocks_are_chained_from_the_vector_and_taken_back() {
        let key = key(Algorithm::Aes128, AES128);
        let iv: Vec<u8> = (0..16).collect();
        let mut data =
            hex::decode("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
                .unwrap();
        let clear = data.clone();
        key.encrypt_from(&iv, &mut data).unwrap();
        let expected = "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2";
        assert_eq!(hex::encode(&data), expected);
        key.decrypt_from(&iv, &mut data).unwrap();
        assert_eq!(data, clear);
        assert_eq!(key.encrypt(&mut data[1..]), Err(BlockLengthError(16)));
        assert_eq!(data, clear);
    }

    #[test]
    fn check_values_are_the_known_ones() {
        assert_eq!(hex::encode_upper(key(Algorithm::Tdes, TDES).check_value()), "08D7B4");
        let zeros = BlockKey::from_slice(Algorithm::Aes128, &[0; 16]).unwrap();
        assert_eq!(zeros.check_value(), *zeros.cmac(&[0; 16]).first_chunk().unwrap());
    }

    #[test]
    fn algorithms_have_names_and_protect_none_that_is_stronger() {
        for (place, algorithm) in Algorithm::ALL.into_iter().enumerate() {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
            for (other_place, other) in Algorithm::ALL.into_iter().enumerate() {
                assert_eq!(algorithm.may_protect(other), place >= other_place);
            }
        }
        assert_eq!(Algorithm::from_name("des"), None);
    }

    #[test]
    fn a_key_has_its_algorithms_length_and_is_never_printed() {
        for algorithm in [Algorithm::Tdes, Algorithm::Aes128, Algorithm::Aes192, Algorithm::Aes256]
        {
            let length = algorithm.key_len();
            assert!(BlockKey::from_slice(algorithm, &vec![1; length]).is_some());
            assert!(BlockKey::from_slice(algorithm, &vec![1; length + 1]).is_none());
            assert!(BlockKey::from_slice(algorithm, &[]).is_none());
        }
        assert!(BlockKey::from_hex(Algorithm::Tdes, &TDES[1..]).is_err());
        assert_eq!(format!("{:?}", BlockKey::tdes([1; 16])), "BlockKey(Tdes, ..)");
        assert_eq!(BlockKey::tdes([1; 16]).expose(), [1; 16]);
    }
}
