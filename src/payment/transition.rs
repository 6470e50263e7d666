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
//!              └──────────► approved | declined   an operator found out
//! ```
//!
//! With a chip in the reader, an approval of the issuer leads to
//!
//! ```text
//!       validating ──► advice ──────────► approved   the chip agreed, the acquirer knows
//!             └──────► auto reversal ───► declined   the chip refused, or said nothing in time
//! ```
//!
//! An approved preauthorisation is final, and keeps one job: to release the hold in time.

use super::Millis;
use super::amend::hold_ends;
use super::chip::{ADVICE_WAIT, Completion};
use super::decline::{self, Decline};
use super::host::HostAnswer;
use super::ladder;
use super::order::{Kind, Order, Outcome, OutcomeError, Stage, Status};

pub use super::step::{Planned, Step};

/// How often an advice or a reversal may stay unanswered before the order counts as unknown.
const QUIET_REPEATS: u32 = 4;

/// What to save: the order as it now is, and the one step it still needs.
///
/// An order without a next step is final; the only final one with a step is a hold.
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
    /// The chip had the last word.
    AdviceReceived(Completion),
    /// The chip's last word has not come in time.
    AdviceMissing,
    /// The acquirer knows the chip's last word.
    AdviceAcknowledged,
    /// Advice number `round` brought no acknowledgement.
    AdviceUnanswered { round: u32 },
    /// Repeat number `round` of an amendment brought no answer.
    RepeatUnanswered { round: u32 },
    /// An operator found out what became of it.
    OperatorDecided { approved: bool },
}

/// An event that cannot happen to a transaction in its state. Seeing one is a fault of the gateway.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{event:?} cannot happen to a transaction that is {status:?}")]
pub struct IllegalEvent {
    pub event: Box<Event>,
    pub status: Status,
}

/// Opens an accepted order: what the filter says against it ends it at once, or the acquirer is
/// asked next.
#[must_use]
pub fn open(mut order: Order, filtered: Option<Decline>, now: Millis) -> Change {
    if let Some(reason) = filtered {
        let outcome = Outcome::refused(reason);
        return finish(order, (Status::Filtered, Stage::Filtered), outcome, now);
    }
    if order.needs_advice() {
        order.stage = Stage::EmvProcessing;
    }
    proceed(order, Step::Authorise { round: 0 }, now, now)
}

/// What follows when `event` happens to the order.
///
/// # Errors
/// An event that the order's state does not allow; nothing may be saved then.
pub fn apply(order: Order, event: Event, now: Millis) -> Result<Change, IllegalEvent> {
    use {Stage as At, Status::Processing, Status::Unknown};
    match (order.status, order.stage, event) {
        (Processing, At::Processing | At::EmvProcessing, event) => apply_to_sent(order, event, now),
        (Processing, At::EmvValidating, Event::AdviceReceived(completion)) => {
            Ok(complete(order, completion, now))
        }
        (Processing, At::EmvValidating, Event::AdviceMissing) => Ok(reverse(order, now)),
        (Processing | Unknown, At::EmvAdviceProcessing, Event::AdviceAcknowledged) => {
            let outcome = order.outcome.clone();
            Ok(finish(order, (Status::Approved, Stage::Approved), outcome, now))
        }
        (Processing | Unknown, At::EmvAdviceProcessing, Event::AdviceUnanswered { round }) => {
            Ok(repeat(order, round, |round| Step::Advise { round }, now))
        }
        (Processing | Unknown, At::AutoReversalProcessing, Event::ReversalAcknowledged) => {
            Ok(decline_reversed(order, now))
        }
        (Processing | Unknown, At::AutoReversalProcessing, Event::ReversalUnanswered { round }) => {
            Ok(repeat(order, round, |round| Step::Reverse { round }, now))
        }
        (Unknown, _, Event::OperatorDecided { approved }) => {
            Ok(decide_by_hand(order, approved, now))
        }
        (status, _, event) => Err(IllegalEvent { event: Box::new(event), status }),
    }
}

/// Until the acquirer decided.
fn apply_to_sent(order: Order, event: Event, now: Millis) -> Result<Change, IllegalEvent> {
    match event {
        Event::Answered(answer) => Ok(decide(order, answer, now)),
        Event::Pending { ask_after } => {
            Ok(proceed(order, Step::Inquire { round: 0 }, now + ask_after, now))
        }
        Event::NotSent { round } => Ok(resend(order, round, now)),
        Event::AnswerLost => Ok(inquire(order, 0, now)),
        Event::StillUndecided { round } => Ok(inquire(order, round.saturating_add(1), now)),
        Event::Unsendable => {
            let outcome = Outcome::refused(decline::MALFUNCTION);
            Ok(finish(order, (Status::Error, Stage::Error), outcome, now))
        }
        event => Err(IllegalEvent { event: Box::new(event), status: order.status }),
    }
}

fn decide(mut order: Order, answer: HostAnswer, now: Millis) -> Change {
    let (status, outcome) = Outcome::of_answer(answer);
    match status {
        Status::Approved if order.needs_advice() => {
            order.outcome = outcome;
            order.stage = Stage::EmvValidating;
            proceed(order, Step::AwaitAdvice, now + ADVICE_WAIT, now)
        }
        Status::Approved => finish(order, (status, Stage::Approved), outcome, now),
        _ => finish(order, (Status::Declined, Stage::Declined), outcome, now),
    }
}

/// The chip's last word: it agrees, and the acquirer is told, or it refuses, and all is undone.
fn complete(mut order: Order, completion: Completion, now: Millis) -> Change {
    let approved = completion.approved;
    order.outcome.completion = Some(completion);
    if !approved {
        return reverse(order, now);
    }
    order.stage = Stage::EmvAdviceProcessing;
    proceed(order, Step::Advise { round: 0 }, now, now)
}

fn reverse(mut order: Order, now: Millis) -> Change {
    order.stage = Stage::AutoReversalProcessing;
    proceed(order, Step::Reverse { round: 0 }, now + ladder::reversal_wait(0), now)
}

/// What has no answer is sent again, for as long as it takes.
fn repeat(mut order: Order, round: u32, step: fn(u32) -> Step, now: Millis) -> Change {
    let round = round.saturating_add(1);
    if round >= QUIET_REPEATS {
        order.status = Status::Unknown;
    }
    proceed(order, step(round), now + ladder::reversal_wait(round), now)
}

fn decline_reversed(order: Order, now: Millis) -> Change {
    let approved_by_issuer = order.outcome.response_code.is_some();
    let reason = match &order.outcome.completion {
        Some(_) => decline::DECLINED_BY_CARD,
        None if approved_by_issuer => decline::ADVICE_MISSING,
        None => decline::REVERSED_WITHOUT_ANSWER,
    };
    decline_for(order, reason, now)
}

fn decide_by_hand(order: Order, approved: bool, now: Millis) -> Change {
    match approved {
        true => {
            let outcome = order.outcome.clone();
            finish(order, (Status::Approved, Stage::Approved), outcome, now)
        }
        false => decline_for(order, decline::DECIDED_BY_OPERATOR, now),
    }
}

/// Keeps what the issuer said, if it said anything.
fn decline_for(order: Order, reason: Decline, now: Millis) -> Change {
    let outcome = Outcome { error: Some(OutcomeError::of(reason)), ..order.outcome.clone() };
    finish(order, (Status::Declined, Stage::Declined), outcome, now)
}

/// Sends again after a while, or gives up: nothing ever reached the acquirer, so nothing moved.
fn resend(order: Order, round: u32, now: Millis) -> Change {
    if let Some(wait) = ladder::resend_wait(round) {
        let step = Step::Authorise { round: round.saturating_add(1) };
        return proceed(order, step, now + wait, now);
    }
    decline_for(order, decline::ACQUIRER_UNREACHABLE, now)
}

/// Asks (again), or gives up asking: then the outcome is unknown and the reversal begins.
fn inquire(mut order: Order, round: u32, now: Millis) -> Change {
    if let Some(wait) = ladder::inquiry_wait(round) {
        return proceed(order, Step::Inquire { round }, now + wait, now);
    }
    order.status = Status::Unknown;
    reverse(order, now)
}

fn proceed(mut order: Order, step: Step, due_at: Millis, now: Millis) -> Change {
    order.updated_at = now;
    Change { order, next: Some(Planned { step, due_at }) }
}

fn finish(mut order: Order, end: (Status, Stage), outcome: Outcome, now: Millis) -> Change {
    (order.status, order.stage) = end;
    order.outcome = outcome;
    order.updated_at = now;
    let holds = order.kind == Kind::Preauth && order.status == Status::Approved;
    let next = holds.then(|| Planned { step: Step::Expire, due_at: hold_ends(&order) });
    Change { order, next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::card::EntryMode;
    use crate::payment::chip::ChipTags;
    use crate::payment::order::example::order;
    use proptest::prelude::*;

    fn answer(response_code: &str) -> Event {
        Event::Answered(HostAnswer {
            response_code: response_code.to_owned(),
            approval_code: None,
            rrn: None,
            processor_tx_id: None,
            issuer_data: None,
        })
    }

    #[test]
    fn an_opened_order_goes_to_the_acquirer_unless_the_filter_stops_it() {
        let sent = open(order(1042), None, 5);
        assert_eq!(sent.next, Some(Planned { step: Step::Authorise { round: 0 }, due_at: 5 }));
        let stopped = open(order(1300), Some(decline::MALFUNCTION), 5);
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
        let mut change = open(order(1042), None, 0);
        while let Some(Planned { step: Step::Authorise { round }, due_at }) = change.next {
            change = apply(change.order, Event::NotSent { round }, due_at).unwrap();
        }
        assert_eq!(change.order.status, Status::Declined);
        assert_eq!(change.order.outcome.error.unwrap().code, 907);
    }

    fn chip_sale() -> Order {
        let mut order = order(1042);
        order.card.entry_mode = EntryMode::Chip;
        open(order, None, 0).order
    }

    fn completion(approved: bool) -> Completion {
        Completion { approved, tags: ChipTags::default() }
    }

    #[test]
    fn a_chip_has_the_last_word_and_the_acquirer_hears_of_it() {
        assert_eq!(chip_sale().wire_stage(), "sale_emv_processing");
        let validating = apply(chip_sale(), answer("00"), 5).unwrap();
        assert_eq!(validating.order.wire_stage(), "sale_emv_validating");
        assert_eq!(validating.next, Some(Planned { step: Step::AwaitAdvice, due_at: 120_005 }));
        let event = Event::AdviceReceived(completion(true));
        let advised = apply(validating.order, event, 9).unwrap();
        assert_eq!(advised.order.wire_stage(), "sale_emv_advice_processing");
        let mut change = advised;
        for round in 0..QUIET_REPEATS {
            assert_eq!(change.order.status, Status::Processing);
            assert_eq!(change.next.unwrap().step, Step::Advise { round });
            change = apply(change.order, Event::AdviceUnanswered { round }, 9).unwrap();
        }
        assert_eq!(change.order.status, Status::Unknown);
        let done = apply(change.order, Event::AdviceAcknowledged, 9).unwrap();
        assert_eq!((done.order.status, done.next), (Status::Approved, None));
    }

    #[test]
    fn a_chip_that_refuses_or_stays_silent_undoes_the_sale() {
        for (event, message) in [
            (Event::AdviceReceived(completion(false)), decline::DECLINED_BY_CARD.message),
            (Event::AdviceMissing, decline::ADVICE_MISSING.message),
        ] {
            let validating = apply(chip_sale(), answer("00"), 5).unwrap();
            let undone = apply(validating.order, event, 9).unwrap();
            assert_eq!(undone.order.wire_stage(), "sale_auto_reversal_processing");
            assert_eq!(undone.order.status, Status::Processing);
            let end = apply(undone.order, Event::ReversalAcknowledged, 9).unwrap();
            assert_eq!(end.order.status, Status::Declined);
            assert_eq!(end.order.outcome.error.unwrap().message, message);
        }
    }

    #[test]
    fn a_chip_sale_that_the_issuer_declines_needs_no_advice() {
        let declined = apply(chip_sale(), answer("51"), 5).unwrap();
        assert_eq!((declined.order.status, declined.next), (Status::Declined, None));
    }

    #[test]
    fn a_refund_is_over_once_it_is_approved_and_asks_no_chip() {
        let mut refund = Order { kind: Kind::Refund, ..order(1042) };
        refund.card.entry_mode = EntryMode::Chip;
        let sent = open(refund, None, 5);
        assert_eq!(sent.order.wire_stage(), "refund_processing");
        let approved = apply(sent.order.clone(), answer("00"), 6).unwrap();
        assert_eq!(approved.order.wire_stage(), "refund_approved");
        assert_eq!((approved.order.status, approved.next), (Status::Approved, None));
        let mut lost = apply(sent.order, Event::AnswerLost, 6).unwrap();
        for round in 0..4 {
            lost = apply(lost.order, Event::StillUndecided { round }, 6).unwrap();
        }
        assert_eq!(lost.order.wire_stage(), "refund_auto_reversal_processing");
        assert_eq!(lost.next.unwrap().step, Step::Reverse { round: 0 });
    }

    #[test]
    fn an_approved_hold_is_released_when_its_days_are_over() {
        let hold = Order { kind: Kind::Preauth, ..order(1042) };
        let approved = apply(hold, answer("00"), 5).unwrap();
        assert_eq!(approved.order.status, Status::Approved);
        let end = 5 + 7 * crate::payment::DAY;
        assert_eq!(approved.next, Some(Planned { step: Step::Expire, due_at: end }));
    }

    #[test]
    fn an_operator_ends_what_nobody_answers() {
        for (approved, status) in [(true, Status::Approved), (false, Status::Declined)] {
            let mut change = apply(order(1042), Event::AnswerLost, 0).unwrap();
            let decided = Event::OperatorDecided { approved };
            assert!(apply(change.order.clone(), decided.clone(), 0).is_err(), "not unknown yet");
            for round in 0..4 {
                change = apply(change.order, Event::StillUndecided { round }, 0).unwrap();
            }
            let end = apply(change.order, decided, 0).unwrap();
            assert_eq!((end.order.status, end.next), (status, None));
        }
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
            any::<bool>().prop_map(|approved| Event::AdviceReceived(completion(approved))),
            Just(Event::AdviceMissing),
            Just(Event::AdviceAcknowledged),
            (0_u32..8).prop_map(|round| Event::AdviceUnanswered { round }),
            (0_u32..8).prop_map(|round| Event::RepeatUnanswered { round }),
            any::<bool>().prop_map(|approved| Event::OperatorDecided { approved }),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_a_final_order_stays_and_an_unfinished_one_has_a_next_step(
            events in proptest::collection::vec(any_event(), 0..40),
            chip in any::<bool>(),
        ) {
            let mut change = open(if chip { chip_sale() } else { order(1042) }, None, 0);
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
