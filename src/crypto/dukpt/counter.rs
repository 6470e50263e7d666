//! Which counter values a reader uses, and how the host walks to one.

use super::DukptError;

/// The rule of one scheme.
pub(super) struct Counters {
    /// The last value of a reader's life, the highest with the most one bits.
    pub(super) last: u32,
    /// One bits that a value has at most.
    pub(super) ones_max: u32,
}

impl Counters {
    /// # Errors
    /// `ZeroCounter` and `TooManyOnes`, the latter also for what lies beyond the last value.
    pub(super) fn check(&self, counter: u32) -> Result<(), DukptError> {
        if counter == 0 {
            return Err(DukptError::ZeroCounter);
        }
        let legal = counter <= self.last && counter.count_ones() <= self.ones_max;
        if legal { Ok(()) } else { Err(DukptError::TooManyOnes) }
    }

    /// The next value after any value; `None` at the end of the reader's life.
    pub(super) fn next(&self, counter: u32) -> Option<u32> {
        let mut next = counter.checked_add(1)?;
        while next.count_ones() > self.ones_max {
            // What lies between here and a carry out of the lowest one bit has all these ones and
            // more.
            next = next.checked_add(next & next.wrapping_neg())?;
        }
        (next <= self.last).then_some(next)
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

    /// A small scheme that can be counted through.
    const SMALL: Counters = Counters { last: 0b1110_0000, ones_max: 3 };

    #[test]
    fn the_next_value_is_the_one_that_a_walk_finds() {
        for counter in 0..=0xFF_u32 {
            let walked = (counter + 1..=0xFF).find(|value| value.count_ones() <= 3);
            assert_eq!(SMALL.next(counter), walked, "{counter}");
        }
    }

    #[test]
    fn zero_and_heavy_values_are_told_apart() {
        assert_eq!(SMALL.check(0), Err(DukptError::ZeroCounter));
        assert_eq!(SMALL.check(0b1011), Ok(()));
        assert_eq!(SMALL.check(0b1111), Err(DukptError::TooManyOnes));
        assert_eq!(SMALL.check(0b1_0000_0000), Err(DukptError::TooManyOnes));
    }

    #[test]
    fn the_way_to_a_value_adds_its_bits_from_the_highest() {
        assert_eq!(stations(0b1011).collect::<Vec<_>>(), [0b1000, 0b1010, 0b1011]);
        assert_eq!(stations(1 << 31).collect::<Vec<_>>(), [1 << 31]);
        assert_eq!(stations(0).next(), None);
        assert_eq!(stations(u32::MAX).count(), 32);
    }
}
