//! Callbacks owed to merchants: what they tell, and when the next attempt is due.

use super::amendment::Amendment;
use super::ids::{AmendmentId, EndpointId, NoticeId, OrderId};
use super::order::{Order, Status};
use super::{HOUR, MINUTE, Millis, SECOND};
use chrono::DateTime;

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

/// The longest that a receiver may ask us to wait.
const ASKED_MAX: Millis = 24 * HOUR;

/// The wait after failed attempt number `attempts` (from 1); `None` after the last one.
#[must_use]
pub fn wait_after(attempts: u32) -> Option<Millis> {
    let place = attempts.checked_sub(1)?;
    WAITS.get(place as usize).copied()
}

/// How long a receiver asks us to wait (`Retry-After`, RFC 9110 section 10.2.3): so many seconds,
/// or until a moment. `None` for what is neither.
#[must_use]
pub fn asked_wait(retry_after: &str, now: Millis) -> Option<Millis> {
    let text = retry_after.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Millis::from(seconds) * SECOND);
    }
    let moment = DateTime::parse_from_rfc2822(text).ok()?;
    Some((moment.timestamp_millis() - now).max(0))
}

/// Whether and how callbacks carry the signature of Standard Webhooks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Webhooks {
    Off,
    /// The documented GET, signed over its query.
    Get,
    /// A POST of JSON.
    Post,
}

impl Webhooks {
    const ALL: [Self; 3] = [Self::Off, Self::Get, Self::Post];

    /// The stored and shown spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Get => "get",
            Self::Post => "post",
        }
    }

    /// The one of this spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Whether a receiver that answers so has taken the callback: 200 and nothing else (MAPI 7),
    /// any 2xx by Standard Webhooks.
    #[must_use]
    pub fn is_taken(self, http_status: u16) -> bool {
        match self {
            Self::Off => http_status == 200,
            Self::Get | Self::Post => (200..300).contains(&http_status),
        }
    }
}

/// What tells one event from another, on every attempt alike.
#[must_use]
pub fn event_id(id: NoticeId) -> String {
    format!("evt_{id}")
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

/// What is kept of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttemptFacts {
    pub made_at: Millis,
    pub took: Millis,
    /// The network address that was dialled, as far as it is known.
    pub address: Option<String>,
    pub http_status: Option<u16>,
    /// Why it failed.
    pub cause: Option<String>,
    /// The front of what was answered, scrubbed.
    pub answer: Option<String>,
}

/// What becomes of a callback by one attempt to deliver it.
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
    /// The receiver was not asked, and will not be before its end point is started again.
    Held,
}

impl Attempt {
    /// Judges attempt number `attempts` (from 1). The next one comes up to a tenth earlier than the
    /// schedule says, by `luck`, so that many that failed together do not come back together; and
    /// not before the time that the receiver asked for, within a day.
    #[must_use]
    pub fn judge(
        delivered: bool,
        attempts: u32,
        now: Millis,
        luck: u8,
        asked: Option<Millis>,
    ) -> Self {
        match (delivered, wait_after(attempts)) {
            (true, _) => Self::Delivered,
            (false, Some(wait)) => {
                let early = wait / 10 * Millis::from(luck) / Millis::from(u8::MAX);
                let asked = asked.unwrap_or_default().clamp(0, ASKED_MAX);
                Self::RetryAt(now + (wait - early).max(asked))
            }
            (false, None) => Self::GivenUp,
        }
    }

    /// The stored spelling of what an attempt came to; `None` of one that was not made.
    #[must_use]
    pub fn outcome(self) -> Option<&'static str> {
        match self {
            Self::Delivered => Some("delivered"),
            Self::RetryAt(_) => Some("retried"),
            Self::GivenUp => Some("given_up"),
            Self::NotMade(_) | Self::Held => None,
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
        assert_eq!(Attempt::judge(true, 30, 0, 0, None), Attempt::Delivered);
        assert_eq!(Attempt::judge(false, 1, 5, 0, None), Attempt::RetryAt(5 + MINUTE));
        assert_eq!(Attempt::judge(false, 30, 5, 0, None), Attempt::GivenUp);
    }

    #[test]
    fn a_receiver_may_ask_for_seconds_or_for_a_moment() {
        let noon = 1_795_262_400_000;
        assert_eq!(asked_wait(" 120 ", noon), Some(2 * MINUTE));
        assert_eq!(asked_wait("Sat, 21 Nov 2026 12:00:30 GMT", noon), Some(30 * SECOND));
        assert_eq!(asked_wait("Sat, 21 Nov 2026 11:00:00 GMT", noon), Some(0));
        assert_eq!((asked_wait("-1", noon), asked_wait("soon", noon)), (None, None));
    }

    #[test]
    fn the_next_attempt_comes_a_little_early_and_not_before_it_is_asked_for() {
        let retry = |luck, asked| Attempt::judge(false, 7, 0, luck, asked);
        assert_eq!(retry(u8::MAX, None), Attempt::RetryAt(HOUR - HOUR / 10));
        assert_eq!(retry(0, Some(MINUTE)), Attempt::RetryAt(HOUR));
        assert_eq!(retry(u8::MAX, Some(2 * HOUR)), Attempt::RetryAt(2 * HOUR));
        assert_eq!(retry(0, Some(Millis::MAX)), Attempt::RetryAt(24 * HOUR));
        assert_eq!(retry(0, Some(-1)), Attempt::RetryAt(HOUR));
    }
}
