//! The key serial number: which reader's key sealed a message, and which of its messages it was.

use super::key_set::Cipher;
use std::fmt;

/// Bytes of the longest KSN.
const BYTES_MAX: usize = 12;

/// Key set, device and counter: ten bytes (`sim` profile, MAPI 4.8; TDES DUKPT, ANSI X9.24-1) or
/// twelve (AES DUKPT, ANSI X9.24-3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ksn {
    bytes: [u8; BYTES_MAX],
    length: usize,
}

impl Ksn {
    /// Takes the bytes as a reader sends them: ten or twelve.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut own = [0; BYTES_MAX];
        let place = own.get_mut(..bytes.len()).filter(|place| matches!(place.len(), 10 | 12))?;
        place.copy_from_slice(bytes);
        Some(Self { bytes: own, length: bytes.len() })
    }

    /// Reads twenty or twenty-four hex digits of either case.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        Self::from_slice(&hex::decode(text).ok()?)
    }

    /// The KSN of a reader that has sealed nothing: the key set's bytes, the device's number right
    /// before the counter, zeros elsewhere. `None` if they do not fit beside each other.
    #[must_use]
    pub fn of_device(cipher: Cipher, prefix: &[u8], device: u32) -> Option<Self> {
        let length = cipher.ksn_len();
        let mut bytes = [0; BYTES_MAX];
        bytes.get_mut(..prefix.len())?.copy_from_slice(prefix);
        let above_counter = u128::from(device) << cipher.counter_mask().count_ones();
        let number = above_counter.to_be_bytes();
        let device_bytes = number.get(number.len() - length..)?;
        for (place, (to, from)) in bytes.iter_mut().zip(device_bytes).enumerate() {
            if place < prefix.len() && *from != 0 {
                return None;
            }
            *to |= from;
        }
        Some(Self { bytes, length })
    }

    /// The number of the device: what stands between so many bytes of key set and the counter.
    /// `None` if it is too large for [`of_device`](Self::of_device).
    #[must_use]
    pub fn device(self, cipher: Cipher, prefix_len: usize) -> Option<u32> {
        let below = self.as_bytes().get(prefix_len..)?;
        let number = below.iter().fold(0, |all, byte| (all << 8) | u128::from(*byte));
        u32::try_from(number >> cipher.counter_mask().count_ones()).ok()
    }

    /// The bytes as a reader sends them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// How many keys the device has used, this one included, if it counts as this cipher does.
    #[must_use]
    pub fn counter(self, cipher: Cipher) -> u32 {
        self.last_four() & cipher.counter_mask()
    }

    /// The same device at another count; `None` if the counter has too many bits.
    #[must_use]
    pub fn with_counter(mut self, cipher: Cipher, counter: u32) -> Option<Self> {
        let mask = cipher.counter_mask();
        let last_four = (self.last_four() & !mask) | counter;
        self.bytes.get_mut(self.length - 4..self.length)?.copy_from_slice(&last_four.to_be_bytes());
        (counter <= mask).then_some(self)
    }

    fn last_four(self) -> u32 {
        let tail = self.as_bytes().last_chunk().copied();
        u32::from_be_bytes(tail.unwrap_or_default())
    }
}

/// Upper-case hex digits.
impl fmt::Display for Ksn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Ksn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ksn({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::super::key_set::{AesLength, DataVariant};
    use super::*;

    const TDES: Cipher = Cipher::TdesDukpt(DataVariant::DataRequest);
    const AES: Cipher = Cipher::AesDukpt(AesLength::Aes128);

    #[test]
    fn the_counter_lies_where_the_cipher_says() {
        let ksn = Ksn::from_hex("ffff0102628D11E0005E").unwrap();
        assert_eq!(ksn.counter(Cipher::AesGcm), 0xE0_005E);
        assert_eq!(ksn.counter(TDES), 0x5E);
        assert_eq!(ksn.with_counter(TDES, 0x1F_F800).unwrap().to_string(), "FFFF0102628D11FFF800");
        assert_eq!(ksn.with_counter(TDES, 0).unwrap().to_string(), "FFFF0102628D11E00000");
        assert_eq!(ksn.with_counter(TDES, 0x20_0000), None);
        let ksn = Ksn::from_hex("123456789012345600000007").unwrap();
        assert_eq!(ksn.counter(AES), 7);
        assert_eq!(
            format!("{ksn} {ksn:?}"),
            "123456789012345600000007 Ksn(123456789012345600000007)"
        );
    }

    #[test]
    fn a_device_stands_between_key_set_and_counter() {
        let ksn = |cipher, prefix: &[u8], device| {
            Ksn::of_device(cipher, prefix, device).map(|ksn| ksn.to_string())
        };
        let of = |text: &str| Some(text.to_owned());
        assert_eq!(ksn(Cipher::AesGcm, &[0xFF, 0xFF, 1], 5), of("FFFF0100000005000000"));
        assert_eq!(ksn(TDES, &[0xFF, 0xFF, 2, 0, 0], 5), of("FFFF0200000000A00000"));
        assert_eq!(ksn(AES, &[1, 2, 3, 4], 5), of("010203040000000500000000"));
        // Nineteen bits are left beside five bytes of key set.
        assert!(ksn(TDES, &[0xFF; 5], 0x7FFFF).is_some());
        assert_eq!(ksn(TDES, &[0xFF; 5], 0x80000), None);
        assert_eq!(ksn(Cipher::AesGcm, &[0xFF; 13], 1), None);
    }

    #[test]
    fn the_device_is_found_again() {
        for (cipher, prefix) in [
            (Cipher::AesGcm, &[0xFF, 0xFF, 1][..]),
            (TDES, &[0xFF, 0xFF, 2, 0, 0]),
            (TDES, &[0xFF; 3]),
            (AES, &[1, 2, 3, 4]),
        ] {
            let ksn = Ksn::of_device(cipher, prefix, 462).unwrap();
            let later = ksn.with_counter(cipher, 17).unwrap();
            assert_eq!(later.device(cipher, prefix.len()), Some(462), "{cipher:?}");
        }
    }

    #[test]
    fn another_length_is_no_ksn() {
        for length in [0, 9, 11, 13] {
            assert_eq!(Ksn::from_slice(&vec![0; length]), None, "{length}");
        }
        assert_eq!(Ksn::from_hex("00"), None);
    }
}
