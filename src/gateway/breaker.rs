//! Rests for receivers that fail: after a row of failures nothing is sent for an end point for a
//! while, then one attempt feels its way, and its success lets all others follow.
//!
//! What waits meanwhile does not use up its attempts.

use crate::payment::ids::EndpointId;
use crate::payment::{MINUTE, Millis, SECOND};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// So many failures in a row open the breaker.
const FAILURES_MAX: u32 = 10;
/// The first rest; each further one is twice as long, up to the longest.
const REST_FIRST: Millis = 30 * SECOND;
const REST_MAX: Millis = 15 * MINUTE;
/// How long an attempt that feels its way keeps others from doing so, at most.
const PROBE_MAX: Millis = 30 * SECOND;

/// The breakers of all end points that failed last.
#[derive(Default)]
pub(super) struct Breakers(Mutex<HashMap<EndpointId, Breaker>>);

/// What is known of an end point whose last attempt failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Breaker {
    /// So many failures in a row, and attempts go on.
    Failing(u32),
    /// Nothing is sent until then.
    Resting { until: Millis, rest: Millis },
    /// One attempt feels its way; the others ask again then.
    Probing { until: Millis, rest: Millis },
}

impl Breakers {
    /// Whether an attempt may be made now. If not, when to ask again.
    pub(super) fn admit(&self, endpoint: EndpointId, now: Millis) -> Result<(), Millis> {
        let mut breakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        breakers.get_mut(&endpoint).map_or(Ok(()), |breaker| breaker.admit(now))
    }

    /// Learns what an attempt came to. Answers whether the breaker has just opened.
    pub(super) fn learn(&self, endpoint: EndpointId, delivered: bool, now: Millis) -> bool {
        let mut breakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if delivered {
            breakers.remove(&endpoint);
            return false;
        }
        breakers.entry(endpoint).or_insert(Breaker::Failing(0)).fail(now)
    }

    /// Forgets an end point's failures: somebody says that it works again.
    pub(super) fn reset(&self, endpoint: EndpointId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&endpoint);
    }
}

impl Breaker {
    fn admit(&mut self, now: Millis) -> Result<(), Millis> {
        match *self {
            Self::Failing(_) => Ok(()),
            Self::Resting { until, .. } | Self::Probing { until, .. } if now < until => Err(until),
            Self::Resting { rest, .. } | Self::Probing { rest, .. } => {
                *self = Self::Probing { until: now + PROBE_MAX, rest };
                Ok(())
            }
        }
    }

    /// Whether this failure opens it.
    fn fail(&mut self, now: Millis) -> bool {
        let before = *self;
        *self = match before {
            Self::Failing(failures) if failures + 1 < FAILURES_MAX => Self::Failing(failures + 1),
            Self::Failing(_) => Self::Resting { until: now + REST_FIRST, rest: REST_FIRST },
            // It was under way when the breaker opened, and says nothing new.
            Self::Resting { .. } => before,
            Self::Probing { rest, .. } => {
                let rest = (rest * 2).min(REST_MAX);
                Self::Resting { until: now + rest, rest }
            }
        };
        matches!((before, *self), (Self::Failing(_), Self::Resting { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: EndpointId = EndpointId(1111);

    fn failing(times: u32) -> Breakers {
        let breakers = Breakers::default();
        for time in 1..=times {
            let opened = breakers.learn(SHOP, false, 0);
            assert_eq!(opened, time == FAILURES_MAX, "{time}");
        }
        breakers
    }

    #[test]
    fn ten_failures_in_a_row_bring_a_rest_and_one_success_ends_the_row() {
        assert_eq!(failing(9).admit(SHOP, 0), Ok(()));
        assert_eq!(failing(10).admit(SHOP, 0), Err(REST_FIRST));
        let breakers = failing(9);
        breakers.learn(SHOP, true, 0);
        assert!(!breakers.learn(SHOP, false, 0));
        assert_eq!(breakers.admit(SHOP, 0), Ok(()));
        assert_eq!(failing(10).admit(EndpointId(1112), 0), Ok(()), "another end point goes on");
    }

    #[test]
    fn after_the_rest_one_attempt_feels_its_way_for_all() {
        let breakers = failing(12);
        assert_eq!(breakers.admit(SHOP, REST_FIRST), Ok(()));
        assert_eq!(breakers.admit(SHOP, REST_FIRST), Err(REST_FIRST + PROBE_MAX));
        breakers.learn(SHOP, true, REST_FIRST);
        assert_eq!(breakers.admit(SHOP, REST_FIRST), Ok(()));
    }

    #[test]
    fn rests_grow_to_a_quarter_of_an_hour() {
        let (breakers, mut now, mut rests) = (failing(10), 0, Vec::new());
        for _ in 0..8 {
            let until = breakers.admit(SHOP, now).unwrap_err();
            rests.push((until - now) / SECOND);
            now = until;
            assert_eq!(breakers.admit(SHOP, now), Ok(()));
            assert!(!breakers.learn(SHOP, false, now));
        }
        assert_eq!(rests, [30, 60, 120, 240, 480, 900, 900, 900]);
    }

    #[test]
    fn an_attempt_that_never_ends_keeps_the_others_for_half_a_minute() {
        let breakers = failing(10);
        assert_eq!(breakers.admit(SHOP, REST_FIRST), Ok(()));
        assert_eq!(breakers.admit(SHOP, REST_FIRST + PROBE_MAX), Ok(()));
        breakers.reset(SHOP);
        assert_eq!(breakers.admit(SHOP, REST_FIRST), Ok(()));
    }
}
