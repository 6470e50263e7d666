//! Later transactions on an order: capture, cancel, reversal, void.
//!
//! ```text
//!            open
//!             │
//!             ▼
//!         processing ────► approved | declined   the host answered, or was never reached
//!    lost, │  ▲
//!  pending ▼  │ undecided
//!         inquiry ────────► approved | declined
//!          │ four times undecided
//!          ▼
//!        unknown ─────────► approved | declined  it is asked for, and sent again, until answered
//! ```
//!
//! Nothing takes an amendment back: it is repeated under the same reference until the host answers.

use super::Millis;
use super::decline;
use super::host::HostAnswer;
use super::ids::{AmendmentId, OrderId, SerialNumber};
use super::ladder;
use super::money::Amount;
use super::order::{Outcome, Status};
use super::transition::{Event, IllegalEvent, Planned, Step};

/// What kind of later transaction this is (MAPI 9.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Takes what a preauthorisation holds, or a part of it.
    Capture,
    /// Releases what a preauthorisation holds.
    Cancel,
    /// Gives back what a sale or a capture took, or a part of it.
    Reversal,
    /// Undoes a sale or a capture before its business day is closed.
    Void,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Capture, Self::Cancel, Self::Reversal, Self::Void];

    /// The wire and stored spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Cancel => "cancel",
            Self::Reversal => "reversal",
            Self::Void => "void",
        }
    }

    /// The kind with this spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One later transaction. `version` counts its saved changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Amendment {
    pub id: AmendmentId,
    pub order: OrderId,
    /// Which of the order's amendments it is, from 1.
    pub ordinal: u32,
    pub kind: Kind,
    pub status: Status,
    pub amount: Amount,
    /// The number of the request that asked for it.
    pub serial: SerialNumber,
    /// Why, in the merchant's words.
    pub comment: Option<String>,
    pub outcome: Outcome,
    pub created_at: Millis,
    pub updated_at: Millis,
    pub version: i64,
}

impl Amendment {
    /// The wire's `order-stage`, for example `reversal_approved` (MAPI 9.3). A void that the host
    /// refuses is `void_rejected`: the families of voids know no other word.
    #[must_use]
    pub fn wire_stage(&self) -> String {
        match (self.kind, self.status) {
            (Kind::Void, Status::Declined) => "void_rejected".to_owned(),
            (kind, status) => format!("{}_{}", kind.name(), status.name()),
        }
    }

    /// Whether it has had its effect, or still may have it.
    #[must_use]
    pub fn may_count(&self) -> bool {
        matches!(self.status, Status::Processing | Status::Unknown | Status::Approved)
    }
}

/// What to save of an amendment: how it now is, and the one step it still needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    pub amendment: Amendment,
    pub next: Option<Planned>,
}

/// The first step of an amendment that was accepted.
#[must_use]
pub fn open(amendment: Amendment) -> Change {
    let due_at = amendment.created_at;
    Change { amendment, next: Some(Planned { step: Step::Amend { round: 0 }, due_at }) }
}

/// What follows when `event` happens to the amendment.
///
/// # Errors
/// An event that the amendment's state does not allow; nothing may be saved then.
pub fn apply(amendment: Amendment, event: Event, now: Millis) -> Result<Change, IllegalEvent> {
    match (amendment.status, event) {
        (Status::Processing | Status::Unknown, Event::Answered(answer)) => {
            Ok(decide(amendment, answer, now))
        }
        (Status::Processing, Event::Pending { ask_after }) => {
            Ok(proceed(amendment, Step::Inquire { round: 0 }, now + ask_after, now))
        }
        (Status::Processing, Event::NotSent { round }) => Ok(resend(amendment, round, now)),
        (Status::Processing, Event::AnswerLost) => Ok(inquire(amendment, 0, now)),
        (Status::Processing, Event::StillUndecided { round }) => {
            Ok(inquire(amendment, round.saturating_add(1), now))
        }
        (Status::Unknown, Event::RepeatUnanswered { round }) => {
            let round = round.saturating_add(1);
            let due_at = now + ladder::reversal_wait(round);
            Ok(proceed(amendment, Step::Repeat { round }, due_at, now))
        }
        (Status::Unknown, Event::OperatorDecided { approved }) => {
            Ok(decide_by_hand(amendment, approved, now))
        }
        (status, event) => Err(IllegalEvent { event: Box::new(event), status }),
    }
}

fn decide(amendment: Amendment, answer: HostAnswer, now: Millis) -> Change {
    let (status, outcome) = Outcome::of_answer(answer);
    finish(amendment, status, outcome, now)
}

fn decide_by_hand(amendment: Amendment, approved: bool, now: Millis) -> Change {
    if approved {
        return finish(amendment, Status::Approved, Outcome::default(), now);
    }
    finish(amendment, Status::Declined, Outcome::refused(decline::DECIDED_BY_OPERATOR), now)
}

/// Sends again after a while, or gives up: it never reached the acquirer, so nothing moved.
fn resend(amendment: Amendment, round: u32, now: Millis) -> Change {
    if let Some(wait) = ladder::resend_wait(round) {
        let step = Step::Amend { round: round.saturating_add(1) };
        return proceed(amendment, step, now + wait, now);
    }
    let outcome = Outcome::refused(decline::ACQUIRER_UNREACHABLE);
    finish(amendment, Status::Declined, outcome, now)
}

fn inquire(mut amendment: Amendment, round: u32, now: Millis) -> Change {
    if let Some(wait) = ladder::inquiry_wait(round) {
        return proceed(amendment, Step::Inquire { round }, now + wait, now);
    }
    amendment.status = Status::Unknown;
    proceed(amendment, Step::Repeat { round: 0 }, now + ladder::reversal_wait(0), now)
}

fn proceed(mut amendment: Amendment, step: Step, due_at: Millis, now: Millis) -> Change {
    amendment.updated_at = now;
    Change { amendment, next: Some(Planned { step, due_at }) }
}

fn finish(mut amendment: Amendment, status: Status, outcome: Outcome, now: Millis) -> Change {
    amendment.status = status;
    amendment.outcome = outcome;
    amendment.updated_at = now;
    Change { amendment, next: None }
}
