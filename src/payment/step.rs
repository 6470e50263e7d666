//! The steps of transactions: what is still to be done, and when.

use super::Millis;

/// Work that a transaction still needs, one piece at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send the transaction to the acquirer; `round` counts the attempts that certainly did not
    /// reach it, from 0.
    Authorise { round: u32 },
    /// Ask the acquirer what became of it; `round` counts from 0.
    Inquire { round: u32 },
    /// Take it back; `round` counts from 0.
    Reverse { round: u32 },
    /// Wait for the chip's last word; when this falls due, it has not come.
    AwaitAdvice,
    /// Tell the acquirer the chip's last word; `round` counts from 0.
    Advise { round: u32 },
    /// Release a hold whose time is over.
    Expire,
    /// Send an amendment to the acquirer; `round` counts the attempts that certainly did not reach
    /// it, from 0.
    Amend { round: u32 },
    /// Ask for an amendment, and send it again; `round` counts from 0.
    Repeat { round: u32 },
}

impl Step {
    /// The stored spelling and round.
    #[must_use]
    pub fn name_and_round(self) -> (&'static str, u32) {
        match self {
            Self::Authorise { round } => ("authorise", round),
            Self::Inquire { round } => ("inquire", round),
            Self::Reverse { round } => ("reverse", round),
            Self::AwaitAdvice => ("await_advice", 0),
            Self::Advise { round } => ("advise", round),
            Self::Expire => ("expire", 0),
            Self::Amend { round } => ("amend", round),
            Self::Repeat { round } => ("repeat", round),
        }
    }

    /// The step with this stored spelling.
    #[must_use]
    pub fn from_name_and_round(name: &str, round: u32) -> Option<Self> {
        match name {
            "authorise" => Some(Self::Authorise { round }),
            "inquire" => Some(Self::Inquire { round }),
            "reverse" => Some(Self::Reverse { round }),
            "await_advice" => Some(Self::AwaitAdvice),
            "advise" => Some(Self::Advise { round }),
            "expire" => Some(Self::Expire),
            "amend" => Some(Self::Amend { round }),
            "repeat" => Some(Self::Repeat { round }),
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
