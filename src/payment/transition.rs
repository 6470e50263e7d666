//! What may happen to an order, and what follows from it.
//!
//! ```text
//!            open ──► filtered
//!             │
//!             ▼
//!         processing ────► approved | declined   the host answered, or was never reached
//!          │  ▲     └────► error                 the card could not be sent
//!    lost, │  │ undecided
//!  pending ▼  │
//!         inquiry ────────► approved | declined   the host answered after all
//!          │ four times undecided
//!          ▼
//!        unknown ─────────► declined              the reversal was acknowledged
//! ```

use super::Millis;
use super::decline::{self, Decline};
use super::filter;
use super::host::HostAnswer;
use super::ladder;
use super::merchant::Endpoint;
use super::order::{Order, Outcome, OutcomeError, Stage, Status};

/// Work that an order still needs, one piece at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send the transaction to the acquirer; `round` counts the attempts that certainly did not
    /// reach it, from 0.
    Authorise { round: u32 },
    /// Ask the acquirer what became of it; `round` counts from 0.
    Inquire { round: u32 },
    /// Take it back; `round` counts from 0.
    Reverse { round: u32 },
}

impl Step {
    /// The stored spelling and round.
    #[must_use]
    pub fn name_and_round(self) -> (&'static str, u32) {
        match self {
            Self::Authorise { round } => ("authorise", round),
            Self::Inquire { round } => ("inquire", round),
            Self::Reverse { round } => ("reverse", round),
        }
    }

    /// The step with this stored spelling.
    #[must_use]
    pub fn from_name_and_round(name: &str, round: u32) -> Option<Self> {
        match name {
            "authorise" => Some(Self::Authorise { round }),
            "inquire" => Some(Self::Inquire { round }),
            "reverse" => Some(Self::Reverse { round }),
            _ => None,
        }
    }
}

/// A step and the moment from which it may be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Planned {
    pub step: Step,
    pub due_at: Millis,
}

/// What to save: the order as it now is, and the one step it still needs.
///
/// An order without a next step is final, and the other way round.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    pub order: Order,
    pub next: Option<Planned>,
}

/// Something that happened while a step was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The acquirer decided.
    Answered(HostAnswer),
    /// The acquirer has the transaction and will decide later.
    Pending { ask_after: Millis },
    /// Attempt number `round` certainly did not reach the acquirer.
    NotSent { round: u32 },
    /// The transaction may have reached the acquirer; its answer did not reach us.
    AnswerLost,
    /// Inquiry number `round` brought no decision.
    StillUndecided { round: u32 },
    /// The acquirer confirmed that the transaction is undone.
    ReversalAcknowledged,
    /// Reversal number `round` brought no acknowledgement.
    ReversalUnanswered { round: u32 },
    /// The card data can no longer be opened, and the transaction was certainly never sent.
    Unsendable,
}

/// An event that cannot happen to an order in its state. Seeing one is a fault of the gateway.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{event:?} cannot happen to an order that is {status:?}")]
pub struct IllegalEvent {
    pub event: Event,
    pub status: Status,
}

/// Opens an accepted order: the filter ends it at once or the acquirer is asked next.
#[must_use]
pub fn open(order: Order, endpoint: &Endpoint, now: Millis) -> Change {
    if let Some(reason) = filter::judge(endpoint, order.amount) {
        return finish(order, (Status::Filtered, Stage::Filtered), refused(reason), now);
    }
    proceed(order, Step::Authorise { round: 0 }, now, now)
}

/// What follows when `event` happens to the order.
///
/// # Errors
/// An event that the order's state does not allow; nothing may be saved then.
pub fn apply(order: Order, event: Event, now: Millis) -> Result<Change, IllegalEvent> {
    match (order.status, event) {
        (Status::Processing, Event::Answered(answer)) => Ok(decide(order, answer, now)),
        (Status::Processing, Event::Pending { ask_after }) => {
            Ok(proceed(order, Step::Inquire { round: 0 }, now + ask_after, now))
        }
        (Status::Processing, Event::NotSent { round }) => Ok(resend(order, round, now)),
        (Status::Processing, Event::AnswerLost) => Ok(inquire(order, 0, now)),
        (Status::Processing, Event::StillUndecided { round }) => {
            Ok(inquire(order, round.saturating_add(1), now))
        }
        (Status::Processing, Event::Unsendable) => {
            let outcome = refused(decline::MALFUNCTION);
            Ok(finish(order, (Status::Error, Stage::Error), outcome, now))
        }
        (Status::Unknown, Event::ReversalAcknowledged) => {
            let outcome = refused(decline::REVERSED_WITHOUT_ANSWER);
            Ok(finish(order, (Status::Declined, Stage::Declined), outcome, now))
        }
        (Status::Unknown, Event::ReversalUnanswered { round }) => {
            let round = round.saturating_add(1);
            Ok(proceed(order, Step::Reverse { round }, now + ladder::reversal_wait(round), now))
        }
        (status, event) => Err(IllegalEvent { event, status }),
    }
}

fn decide(order: Order, answer: HostAnswer, now: Millis) -> Change {
    let approved = answer.response_code == decline::APPROVED;
    let error = (!approved).then(|| public(decline::for_response(&answer.response_code)));
    let outcome = Outcome {
        error,
        response_code: Some(answer.response_code),
        approval_code: answer.approval_code,
        rrn: answer.rrn,
        processor_tx_id: answer.processor_tx_id,
    };
    let end = match approved {
        true => (Status::Approved, Stage::Approved),
        false => (Status::Declined, Stage::Declined),
    };
    finish(order, end, outcome, now)
}

/// Sends again after a while, or gives up: nothing ever reached the acquirer, so nothing moved.
fn resend(order: Order, round: u32, now: Millis) -> Change {
    if let Some(wait) = ladder::resend_wait(round) {
        let step = Step::Authorise { round: round.saturating_add(1) };
        return proceed(order, step, now + wait, now);
    }
    let outcome = refused(decline::ACQUIRER_UNREACHABLE);
    finish(order, (Status::Declined, Stage::Declined), outcome, now)
}

/// Asks (again), or gives up asking: then the outcome is unknown and the reversal begins.
fn inquire(mut order: Order, round: u32, now: Millis) -> Change {
    if let Some(wait) = ladder::inquiry_wait(round) {
        return proceed(order, Step::Inquire { round }, now + wait, now);
    }
    order.status = Status::Unknown;
    order.stage = Stage::AutoReversalProcessing;
    proceed(order, Step::Reverse { round: 0 }, now + ladder::reversal_wait(0), now)
}

fn proceed(mut order: Order, step: Step, due_at: Millis, now: Millis) -> Change {
    order.updated_at = now;
    Change { order, next: Some(Planned { step, due_at }) }
}

fn finish(mut order: Order, end: (Status, Stage), outcome: Outcome, now: Millis) -> Change {
    (order.status, order.stage) = end;
    order.outcome = outcome;
    order.updated_at = now;
    Change { order, next: None }
}

fn refused(reason: Decline) -> Outcome {
    Outcome { error: Some(public(reason)), ..Outcome::default() }
}

fn public(reason: Decline) -> OutcomeError {
    OutcomeError { code: reason.code, message: reason.message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::card::{Brand, CardFacts, EntryMode, Expiry};
    use crate::payment::ids::{EndpointId, MerchantId, OrderId, ReaderId, SerialNumber};
    use crate::payment::money::{Amount, Currency};
    use crate::payment::order::{Kind, RequestFacts};
    use proptest::prelude::*;

    fn endpoint() -> Endpoint {
        Endpoint {
            id: EndpointId(1111),
            merchant: MerchantId(1),
            group: None,
            currency: Currency::from_alpha("RUB").unwrap(),
            enabled: true,
            strict_validation: false,
            callback_url: None,
            amount_limits_minor: (1, 1_000_000),
            terminal_id: "10000462".to_owned(),
            descriptor: "TEST".to_owned(),
            sandbox: true,
        }
    }

    fn order(minor: i64) -> Order {
        Order {
            id: OrderId(7),
            endpoint: EndpointId(1111),
            client_orderid: "a".to_owned(),
            kind: Kind::Sale,
            status: Status::Processing,
            stage: Stage::Processing,
            amount: Amount::from_minor(minor, Currency::from_alpha("RUB").unwrap()).unwrap(),
            reader: ReaderId(1),
            card: CardFacts {
                bin: "444455".to_owned(),
                last_four: "1111".to_owned(),
                expiry: Expiry::from_yymm("2912").unwrap(),
                brand: Brand::Visa,
                hash: "h".to_owned(),
                cardholder: None,
                entry_mode: EntryMode::Swipe,
            },
            request: RequestFacts::default(),
            serial: SerialNumber(1),
            outcome: Outcome::default(),
            created_at: 0,
            updated_at: 0,
            version: 0,
        }
    }

    fn answer(response_code: &str) -> Event {
        Event::Answered(HostAnswer {
            response_code: response_code.to_owned(),
            approval_code: None,
            rrn: None,
            processor_tx_id: None,
        })
    }

    #[test]
    fn an_opened_order_goes_to_the_acquirer_unless_the_filter_stops_it() {
        let sent = open(order(1042), &endpoint(), 5);
        assert_eq!(sent.next, Some(Planned { step: Step::Authorise { round: 0 }, due_at: 5 }));
        let stopped = open(order(1300), &endpoint(), 5);
        assert_eq!((stopped.order.status, stopped.next), (Status::Filtered, None));
    }

    #[test]
    fn the_answer_decides() {
        let approved = apply(order(1042), answer("00"), 9).unwrap();
        assert_eq!(approved.order.wire_stage(), "sale_approved");
        assert_eq!(approved.order.outcome.error, None);
        let declined = apply(order(1042), answer("51"), 9).unwrap();
        assert_eq!(declined.order.status, Status::Declined);
        assert_eq!(declined.order.outcome.error.unwrap().code, 116);
    }

    #[test]
    fn a_lost_answer_is_asked_for_four_times_then_reversed() {
        let mut change = apply(order(1042), Event::AnswerLost, 0).unwrap();
        for round in 0..4 {
            assert_eq!(change.next.unwrap().step, Step::Inquire { round });
            assert_eq!(change.order.status, Status::Processing);
            let now = change.next.unwrap().due_at;
            change = apply(change.order, Event::StillUndecided { round }, now).unwrap();
        }
        assert_eq!(change.order.status, Status::Unknown);
        assert_eq!(change.order.wire_stage(), "sale_auto_reversal_processing");
        assert_eq!(change.next, Some(Planned { step: Step::Reverse { round: 0 }, due_at: 36_000 }));
        change = apply(change.order, Event::ReversalUnanswered { round: 0 }, 36_000).unwrap();
        assert_eq!(change.next.unwrap().due_at, 41_000);
        change = apply(change.order, Event::ReversalAcknowledged, 41_000).unwrap();
        assert_eq!((change.order.status, change.next), (Status::Declined, None));
    }

    #[test]
    fn what_never_reached_the_acquirer_is_sent_again_and_then_declined() {
        let mut change = open(order(1042), &endpoint(), 0);
        while let Some(Planned { step: Step::Authorise { round }, due_at }) = change.next {
            change = apply(change.order, Event::NotSent { round }, due_at).unwrap();
        }
        assert_eq!(change.order.status, Status::Declined);
        assert_eq!(change.order.outcome.error.unwrap().code, 907);
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            prop_oneof![Just("00"), Just("05"), Just("51")].prop_map(answer),
            (0_i64..100_000).prop_map(|ask_after| Event::Pending { ask_after }),
            Just(Event::AnswerLost),
            (0_u32..8).prop_map(|round| Event::NotSent { round }),
            (0_u32..8).prop_map(|round| Event::StillUndecided { round }),
            Just(Event::ReversalAcknowledged),
            (0_u32..8).prop_map(|round| Event::ReversalUnanswered { round }),
            Just(Event::Unsendable),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_a_final_order_stays_and_an_unfinished_one_has_a_next_step(
            events in proptest::collection::vec(any_event(), 0..40)
        ) {
            let mut change = open(order(1042), &endpoint(), 0);
            for event in events {
                prop_assert_eq!(change.order.status.is_final(), change.next.is_none());
                match apply(change.order.clone(), event, 1) {
                    Ok(_) if change.order.status.is_final() => prop_assert!(false, "left final"),
                    Ok(next) => change = next,
                    Err(illegal) => prop_assert_eq!(illegal.status, change.order.status),
                }
            }
        }
    }
}
