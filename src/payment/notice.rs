//! Callbacks owed to merchants: what they tell, and when the next attempt is due.

use super::amendment::Amendment;
use super::ids::{AmendmentId, EndpointId, NoticeId, OrderId};
use super::order::{Order, Status};
use super::{HOUR, MINUTE, Millis};

/// The waits between 30 attempts, which span 13 days and 21 hours (MAPI 7).
const WAITS: [Millis; 29] = [
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    4 * HOUR,
    6 * HOUR,
    6 * HOUR,
    8 * HOUR,
    8 * HOUR,
    12 * HOUR,
    12 * HOUR,
    12 * HOUR,
    12 * HOUR,
    18 * HOUR,
    18 * HOUR,
    18 * HOUR,
    24 * HOUR,
    24 * HOUR,
    24 * HOUR,
    24 * HOUR,
    24 * HOUR,
    24 * HOUR,
    24 * HOUR,
    24 * HOUR,
];

/// The wait after failed attempt number `attempts` (from 1); `None` after the last one.
#[must_use]
pub fn wait_after(attempts: u32) -> Option<Millis> {
    let place = attempts.checked_sub(1)?;
    WAITS.get(place as usize).copied()
}

/// One callback: a status that an order reached, owed to an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    pub id: NoticeId,
    pub order: OrderId,
    /// The later transaction that it is about; otherwise it is the one that opened the order.
    pub amendment: Option<AmendmentId>,
    pub endpoint: EndpointId,
    pub url: String,
    /// The status to report. It stands here, not only in the order, because the order goes on.
    pub status: Status,
}

impl Notice {
    /// Whether the order has reached a status that the merchant wants to hear of: a final one, and
    /// there is an address.
    #[must_use]
    pub fn is_owed(order: &Order) -> bool {
        order.status.is_final() && order.request.callback_url.is_some()
    }

    /// The notice for the status that the order has just reached, if one is owed.
    #[must_use]
    pub fn for_order(id: NoticeId, order: &Order) -> Option<Self> {
        let url = order.request.callback_url.clone()?;
        Self::is_owed(order).then_some(Self {
            id,
            order: order.id,
            amendment: None,
            endpoint: order.endpoint,
            url,
            status: order.status,
        })
    }

    /// The notice for the status that a later transaction has just reached, if one is owed.
    #[must_use]
    pub fn for_amendment(id: NoticeId, order: &Order, amendment: &Amendment) -> Option<Self> {
        let url = order.request.later_callback_url.clone()?;
        amendment.status.is_final().then_some(Self {
            id,
            order: order.id,
            amendment: Some(amendment.id),
            endpoint: order.endpoint,
            url,
            status: amendment.status,
        })
    }
}

/// What became of one attempt to deliver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// The receiver answered 200.
    Delivered,
    /// Anything else; the next attempt is due at this moment.
    RetryAt(Millis),
    /// The last attempt failed; the notice is kept but not sent again by itself.
    GivenUp,
    /// The receiver was not asked: due again at this time, and it does not count.
    NotMade(Millis),
}

impl Attempt {
    /// Judges attempt number `attempts` (from 1).
    #[must_use]
    pub fn judge(delivered: bool, attempts: u32, now: Millis) -> Self {
        match (delivered, wait_after(attempts)) {
            (true, _) => Self::Delivered,
            (false, Some(wait)) => Self::RetryAt(now + wait),
            (false, None) => Self::GivenUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_attempts_within_fourteen_days() {
        let total: Millis = WAITS.iter().sum();
        assert_eq!(total, 13 * 24 * HOUR + 20 * HOUR + 63 * MINUTE);
        assert!(total < 14 * 24 * HOUR);
        assert_eq!(wait_after(1), Some(MINUTE));
        assert_eq!(wait_after(29), Some(24 * HOUR));
        assert_eq!(wait_after(30), None);
        assert!(WAITS.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn an_attempt_is_delivered_retried_or_given_up() {
        assert_eq!(Attempt::judge(true, 30, 0), Attempt::Delivered);
        assert_eq!(Attempt::judge(false, 1, 5), Attempt::RetryAt(5 + MINUTE));
        assert_eq!(Attempt::judge(false, 30, 5), Attempt::GivenUp);
    }
}
