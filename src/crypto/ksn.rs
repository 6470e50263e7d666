//! The key serial number of the `sim` profile (MAPI 4.8).

use std::fmt;

/// Ten bytes that name the key of one message: key set (3), device (4), counter (3, big-endian).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ksn([u8; 10]);

/// The counter of the `sim` profile has 24 bits.
const COUNTER_MAX: u32 = 0x00FF_FFFF;

impl Ksn {
    /// Takes the bytes as they stand in tag DFAE64.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 10]) -> Self {
        Self(bytes)
    }

    /// Takes a slice of exactly ten bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads twenty hex digits of either case.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 10];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The bytes as they stand in tag DFAE64.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 10] {
        &self.0
    }

    /// Which base key the reader's own key comes from.
    #[must_use]
    pub fn key_set_id(self) -> [u8; 3] {
        let [a, b, c, ..] = self.0;
        [a, b, c]
    }

    /// Which device of the key set this is.
    #[must_use]
    pub fn device_id(self) -> [u8; 4] {
        let [_, _, _, a, b, c, d, ..] = self.0;
        [a, b, c, d]
    }

    /// How many messages the device has sealed, this one included; below 2^24.
    #[must_use]
    pub fn counter(self) -> u32 {
        let [.., high, middle, low] = self.0;
        u32::from_be_bytes([0, high, middle, low])
    }

    /// The same device at another count; `None` if that needs more than 24 bits.
    #[must_use]
    pub fn with_counter(self, counter: u32) -> Option<Self> {
        let mut bytes = self.0;
        let [.., high, middle, low] = &mut bytes;
        [_, *high, *middle, *low] = counter.to_be_bytes();
        (counter <= COUNTER_MAX).then_some(Self(bytes))
    }
}

/// Twenty upper-case hex digits.
impl fmt::Display for Ksn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Ksn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ksn({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_lie_where_the_profile_says() {
        let ksn = Ksn::from_hex("ffff0102628D1100005E").unwrap();
        assert_eq!(ksn.key_set_id(), [0xFF, 0xFF, 0x01]);
        assert_eq!(ksn.device_id(), [0x02, 0x62, 0x8D, 0x11]);
        assert_eq!(ksn.counter(), 0x5E);
        assert_eq!(format!("{ksn} {ksn:?}"), "FFFF0102628D1100005E Ksn(FFFF0102628D1100005E)");
    }

    #[test]
    fn a_counter_is_set_within_its_24_bits() {
        let ksn = Ksn::from_bytes([9; 10]);
        assert_eq!(ksn.with_counter(0x01_02_03).unwrap().to_string(), "09090909090909010203");
        assert_eq!(ksn.with_counter(COUNTER_MAX).unwrap().counter(), COUNTER_MAX);
        assert_eq!(ksn.with_counter(COUNTER_MAX + 1), None);
    }

    #[test]
    fn another_length_is_no_ksn() {
        assert_eq!(Ksn::from_slice(&[0; 9]), None);
        assert_eq!(Ksn::from_hex("00"), None);
    }
}
