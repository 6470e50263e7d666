//! Which counters a reader has keys for, and how the host walks to one.

use super::DukptError;
use crate::payment::key_set::Cipher;

/// Whether a key exists for this counter of a scheme.
///
/// # Errors
/// `ZeroCounter` and `TooManyOnes`, the latter also for what lies beyond the last value.
pub(super) fn check(scheme: Cipher, counter: u32) -> Result<(), DukptError> {
    match scheme.is_legal_counter(counter) {
        true => Ok(()),
        false if counter == 0 => Err(DukptError::ZeroCounter),
        false => Err(DukptError::TooManyOnes),
    }
}

/// The stations on the way to a counter: its highest one bit alone, then with the next one, and so
/// on to the counter itself.
pub(super) fn stations(counter: u32) -> impl Iterator<Item = u32> {
    let mut rest = counter;
    std::iter::from_fn(move || {
        let bit = 1_u32.checked_shl(rest.checked_ilog2()?)?;
        rest ^= bit;
        Some(counter ^ rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::key_set::DataVariant;

    #[test]
    fn zero_and_heavy_values_are_told_apart() {
        let scheme = Cipher::TdesDukpt(DataVariant::DataRequest);
        assert_eq!(check(scheme, 0), Err(DukptError::ZeroCounter));
        assert_eq!(check(scheme, 0x3FF), Ok(()));
        assert_eq!(check(scheme, 0x7FF), Err(DukptError::TooManyOnes));
        assert_eq!(check(scheme, 0x1F_F801), Err(DukptError::TooManyOnes));
    }

    #[test]
    fn the_way_to_a_value_adds_its_bits_from_the_highest() {
        assert_eq!(stations(0b1011).collect::<Vec<_>>(), [0b1000, 0b1010, 0b1011]);
        assert_eq!(stations(1 << 31).collect::<Vec<_>>(), [1 << 31]);
        assert_eq!(stations(0).next(), None);
        assert_eq!(stations(u32::MAX).count(), 32);
    }
}
