//! The one ladder that leads out of an unknown outcome: ask four times, then reverse until the
//! reversal is acknowledged. What never left us is simply sent again for a while.

use super::{Millis, SECOND};

/// How long to wait before each inquiry after an answer was lost.
const INQUIRY_WAITS: [Millis; 4] = [0, SECOND, 5 * SECOND, 30 * SECOND];

/// The longest pause between two attempts to reverse.
const REVERSAL_WAIT_MAX: Millis = 10 * 60 * SECOND;

/// How long to wait before sending again what certainly did not reach the acquirer.
const RESEND_WAITS: [Millis; 6] =
    [SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 20 * SECOND, 30 * SECOND];

/// The wait after failed attempt `round` (from 0), or `None` when it is time to give up.
#[must_use]
pub fn resend_wait(round: u32) -> Option<Millis> {
    RESEND_WAITS.get(round as usize).copied()
}

/// The wait before inquiry number `round` (from 0), or `None` when it is time to reverse.
#[must_use]
pub fn inquiry_wait(round: u32) -> Option<Millis> {
    INQUIRY_WAITS.get(round as usize).copied()
}

/// The wait before reversal number `round` (from 0): at once, then 5 s doubling to ten minutes.
/// There is no last one: a reversal is repeated until somebody acknowledges it.
#[must_use]
pub fn reversal_wait(round: u32) -> Millis {
    match round {
        0 => 0,
        _ => ((5 * SECOND) << (round - 1).min(16)).min(REVERSAL_WAIT_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_inquiries_then_the_reversal() {
        let waits: Vec<_> = (0..6).map_while(inquiry_wait).collect();
        assert_eq!(waits, [0, 1_000, 5_000, 30_000]);
    }

    #[test]
    fn reversals_slow_down_but_never_stop() {
        assert_eq!([0, 1, 2, 3].map(reversal_wait), [0, 5_000, 10_000, 20_000]);
        assert_eq!(reversal_wait(u32::MAX), REVERSAL_WAIT_MAX);
    }
}
