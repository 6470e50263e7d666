//! A key that arrives in two or three clear components, each brought by a custodian of its own, so
//! that nobody ever holds the key alone (dual control, split knowledge).
//!
//! The key is the XOR of its components. DES ignores the lowest bit of each byte, so everything
//! here that asks whether two TDES values are the same leaves that bit out. Parity itself is
//! reported and not enforced: two components of odd parity always add up to a key of even parity,
//! and some custodians' devices write none.

use super::block_key::{Algorithm, BlockKey, CHECK_VALUE_LEN};
use std::fmt;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// The fewest components of a key.
pub const COMPONENTS_MIN: usize = 2;
/// The most components. Of three that differ and are not zero none can come out as the key itself;
/// of four, three can cancel each other and leave one custodian with the key.
pub const COMPONENTS_MAX: usize = 3;
/// Bytes of the longest key.
const KEY_MAX: usize = 32;
/// The bits of a byte that DES looks at.
const DES_BITS: u8 = 0xFE;

/// One custodian's share of a key. It wipes itself, and only its check value is printed.
pub struct Component {
    key: BlockKey,
    check_value: [u8; CHECK_VALUE_LEN],
}

/// Why a component is not taken, or components make no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ComponentError {
    #[error("a component is written as twice as many hexadecimal digits as its key has bytes")]
    Text,
    #[error("the component does not have the check value that came with it")]
    CheckValue,
    #[error("a component of zeros adds nothing: the others' holders would know the key")]
    Zeros,
    #[error("a key is made of at least two components")]
    TooFew,
    #[error("a key is made of at most three components")]
    TooMany,
    #[error("components of different algorithms make no key")]
    Mixed,
    #[error("two components are the same and would cancel each other")]
    Twice,
    #[error("the components add up to zeros, or to a TDES key of two equal halves")]
    Weak,
}

impl Component {
    /// Reads a component as it is written on its custodian's paper: hexadecimal digits of either
    /// case, and the check value beside them, where there is one. The check value is verified at
    /// once, so that the custodian who mistyped hears of it, and not the last one.
    ///
    /// # Errors
    /// `ComponentError::Text`, `CheckValue` or `Zeros`; none carries the text.
    pub fn from_hex(
        algorithm: Algorithm,
        text: &str,
        check_value: Option<[u8; CHECK_VALUE_LEN]>,
    ) -> Result<Self, ComponentError> {
        let key = BlockKey::from_hex(algorithm, text).map_err(|_| ComponentError::Text)?;
        if bool::from(same(algorithm, key.expose(), &[0; KEY_MAX])) {
            return Err(ComponentError::Zeros);
        }
        let own = key.check_value();
        if check_value.is_some_and(|expected| expected != own) {
            return Err(ComponentError::CheckValue);
        }
        Ok(Self { key, check_value: own })
    }

    /// The cipher whose key this is a share of.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The check value: three bytes, to be compared with the custodian's paper.
    #[must_use]
    pub fn check_value(&self) -> [u8; CHECK_VALUE_LEN] {
        self.check_value
    }

    /// Whether every byte has an odd number of ones, as TDES keys are commonly written; `None` for
    /// AES, which knows no parity. For the record only: nothing is refused for it.
    #[must_use]
    pub fn has_odd_parity(&self) -> Option<bool> {
        let odd = || self.key.expose().iter().fold(1, |all, byte| all & byte.count_ones()) == 1;
        (self.algorithm() == Algorithm::Tdes).then(odd)
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Component({})", hex::encode_upper(self.check_value))
    }
}

/// Adds the components up to their key. Its own check value is for the custodians to compare.
///
/// # Errors
/// `ComponentError`, all but `Text`, `CheckValue` and `Zeros`, which no [`Component`] has.
pub fn combine(components: &[Component]) -> Result<BlockKey, ComponentError> {
    let (first, others) = components.split_first().ok_or(ComponentError::TooFew)?;
    if components.len() < COMPONENTS_MIN {
        return Err(ComponentError::TooFew);
    }
    if components.len() > COMPONENTS_MAX {
        return Err(ComponentError::TooMany);
    }
    let algorithm = first.algorithm();
    if others.iter().any(|other| other.algorithm() != algorithm) {
        return Err(ComponentError::Mixed);
    }
    if any_twice(algorithm, components) {
        return Err(ComponentError::Twice);
    }
    let mut sum = Zeroizing::new([0; KEY_MAX]);
    for component in components {
        for (to, from) in sum.iter_mut().zip(component.key.expose()) {
            *to ^= from;
        }
    }
    let key = sum.get(..algorithm.key_len()).and_then(|key| BlockKey::from_slice(algorithm, key));
    key.filter(|key| !is_weak(key)).ok_or(ComponentError::Weak)
}

fn any_twice(algorithm: Algorithm, components: &[Component]) -> bool {
    let mut rest = components;
    let mut twice = Choice::from(0);
    while let [one, others @ ..] = rest {
        for other in others {
            twice |= same(algorithm, one.key.expose(), other.key.expose());
        }
        rest = others;
    }
    twice.into()
}

/// Whether a key is no key: zeros, or a TDES key of two equal halves, which is single DES.
pub(super) fn is_weak(key: &BlockKey) -> bool {
    let (algorithm, bytes) = (key.algorithm(), key.expose());
    let zeros = same(algorithm, bytes, &[0; KEY_MAX]);
    let halves = bytes.split_at(bytes.len() / 2);
    let equal = match algorithm {
        Algorithm::Tdes => same(algorithm, halves.0, halves.1),
        Algorithm::Aes128 | Algorithm::Aes192 | Algorithm::Aes256 => Choice::from(0),
    };
    (zeros | equal).into()
}

/// Whether the cipher makes no difference between the two, as far as the shorter one goes.
fn same(algorithm: Algorithm, one: &[u8], other: &[u8]) -> Choice {
    let bits = if algorithm == Algorithm::Tdes { DES_BITS } else { 0xFF };
    let different = one.iter().zip(other).fold(0, |all, (a, b)| all | ((a ^ b) & bits));
    different.ct_eq(&0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: &str = "0123456789ABCDEFFEDCBA9876543210";
    const TWO: &str = "E8BC63E5479455E26577F715D587FE68";
    const THREE: &str = "3F419E1CB7079442AA37474C2EFBF8B8";

    fn tdes(text: &str) -> Component {
        Component::from_hex(Algorithm::Tdes, text, None).unwrap()
    }

    fn aes(text: &str) -> Component {
        Component::from_hex(Algorithm::Aes128, text, None).unwrap()
    }

    fn fault(components: &[Component]) -> ComponentError {
        combine(components).unwrap_err()
    }

    #[test]
    fn two_or_three_components_add_up_in_any_order() {
        let key = combine(&[tdes(ONE), tdes(TWO)]).unwrap();
        assert_eq!(hex::encode_upper(key.expose()), "E99F2682CE3F980D9BAB4D8DA3D3CC78");
        let key = combine(&[aes(ONE), aes(TWO), aes(THREE)]).unwrap();
        let expected = "D6DEB89E79380C4F319C0AC18D2834C0";
        assert_eq!(hex::encode_upper(key.expose()), expected);
        let turned = combine(&[aes(THREE), aes(ONE), aes(TWO)]).unwrap();
        assert_eq!(turned.check_value(), key.check_value());
    }

    #[test]
    fn the_check_value_beside_a_component_is_verified() {
        let read = |text, check| Component::from_hex(Algorithm::Tdes, text, Some(check));
        let component = read(ONE, [0x08, 0xD7, 0xB4]).unwrap();
        assert_eq!(component.check_value(), [0x08, 0xD7, 0xB4]);
        // The published check value of TR-31:2018, A.7.3.2.
        assert!(read(TWO, [0x9A, 0x42, 0x12]).is_ok());
        assert_eq!(read(ONE, [0x08, 0xD7, 0xB5]).unwrap_err(), ComponentError::CheckValue);
        assert_eq!(read(TWO, [0x08, 0xD7, 0xB4]).unwrap_err(), ComponentError::CheckValue);
        // The check value of TDES is not that of AES.
        let other = Component::from_hex(Algorithm::Aes128, ONE, Some([0x08, 0xD7, 0xB4]));
        assert_eq!(other.unwrap_err(), ComponentError::CheckValue);
        let aes = Component::from_hex(Algorithm::Aes128, THREE, Some([0x08, 0x79, 0x3E]));
        assert!(aes.is_ok());
    }

    #[test]
    fn a_component_is_hexadecimal_of_its_keys_length_and_not_zeros() {
        let read = |text: &str| Component::from_hex(Algorithm::Tdes, text, None).unwrap_err();
        for bad in ["", &ONE[2..], &ONE.repeat(2), &"zz".repeat(16), &"é".repeat(16)] {
            assert_eq!(read(bad), ComponentError::Text, "{bad}");
        }
        assert_eq!(read(&"00".repeat(16)), ComponentError::Zeros);
        // To DES a byte of 01 is one of zero.
        assert_eq!(read(&"01".repeat(16)), ComponentError::Zeros);
        assert!(Component::from_hex(Algorithm::Aes128, &"01".repeat(16), None).is_ok());
    }

    #[test]
    fn one_component_is_no_key_and_four_are_too_many() {
        assert_eq!(fault(&[]), ComponentError::TooFew);
        assert_eq!(fault(&[tdes(ONE)]), ComponentError::TooFew);
        let four = [tdes(ONE), tdes(TWO), tdes(THREE), tdes(&"42".repeat(16))];
        assert_eq!(fault(&four), ComponentError::TooMany);
    }

    #[test]
    fn the_same_component_twice_is_refused() {
        assert_eq!(fault(&[tdes(ONE), tdes(ONE)]), ComponentError::Twice);
        assert_eq!(fault(&[tdes(ONE), tdes(TWO), tdes(ONE)]), ComponentError::Twice);
        assert_eq!(fault(&[aes(TWO), aes(ONE), aes(ONE)]), ComponentError::Twice);
        // The same but for a parity bit.
        let other = format!("00{}", &ONE[2..]);
        assert_eq!(fault(&[tdes(ONE), tdes(&other)]), ComponentError::Twice);
        assert!(combine(&[aes(ONE), aes(&other)]).is_ok());
    }

    #[test]
    fn components_of_different_algorithms_make_no_key() {
        assert_eq!(fault(&[tdes(ONE), aes(TWO)]), ComponentError::Mixed);
        let long = Component::from_hex(Algorithm::Aes256, &ONE.repeat(2), None).unwrap();
        assert_eq!(fault(&[aes(ONE), long]), ComponentError::Mixed);
    }

    #[test]
    fn a_weak_sum_is_refused() {
        // The third component is the sum of the others.
        let sum = "E99F2682CE3F980D9BAB4D8DA3D3CC78";
        assert_eq!(fault(&[tdes(ONE), tdes(TWO), tdes(sum)]), ComponentError::Weak);
        assert_eq!(fault(&[aes(ONE), aes(TWO), aes(sum)]), ComponentError::Weak);
        // Equal halves make TDES single DES; a parity bit does not change that.
        let halves = format!("{}{}", "11".repeat(8), "22".repeat(8));
        for other in ["2211".repeat(8), format!("23{}", &"2211".repeat(8)[2..])] {
            let turned: String = other.chars().take(16).collect();
            let second = format!("{turned}{}", xored(&turned, 0x33));
            assert_eq!(fault(&[tdes(&halves), tdes(&second)]), ComponentError::Weak);
            assert!(combine(&[aes(&halves), aes(&second)]).is_ok());
        }
    }

    fn xored(text: &str, with: u8) -> String {
        hex::encode(hex::decode(text).unwrap().iter().map(|byte| byte ^ with).collect::<Vec<_>>())
    }

    #[test]
    fn parity_is_reported_and_only_the_check_value_is_printed() {
        assert_eq!(tdes(ONE).has_odd_parity(), Some(true));
        assert_eq!(tdes(&format!("00{}", &ONE[2..])).has_odd_parity(), Some(false));
        assert_eq!(aes(ONE).has_odd_parity(), None);
        assert_eq!(format!("{:?}", tdes(ONE)), "Component(08D7B4)");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[0-9a-fA-F]{30,34}|.{0,70}") {
            for algorithm in [Algorithm::Tdes, Algorithm::Aes192] {
                let _ = Component::from_hex(algorithm, &text, Some([0; 3]));
            }
        }
    }
}
