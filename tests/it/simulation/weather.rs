//! How often each fault strikes in one seed's world, until the weather clears.

use super::notebook::Notebook;
use crate::dice::Dice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What can go wrong around a gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    NotSent,
    BrokenOff,
    RequestLost,
    RequestLate,
    RequestTwice,
    AnswerLost,
    AnswerLate,
    ReceiverRefuses,
    ReceiverHangs,
    ReceiverForgets,
    ReceiverAskedTwice,
    StatementBusy,
    StatementBroken,
    CommitUnanswered,
    ClockForward,
    ClockBack,
}

impl Fault {
    pub const ALL: [Self; 16] = [
        Self::NotSent,
        Self::BrokenOff,
        Self::RequestLost,
        Self::RequestLate,
        Self::RequestTwice,
        Self::AnswerLost,
        Self::AnswerLate,
        Self::ReceiverRefuses,
        Self::ReceiverHangs,
        Self::ReceiverForgets,
        Self::ReceiverAskedTwice,
        Self::StatementBusy,
        Self::StatementBroken,
        Self::CommitUnanswered,
        Self::ClockForward,
        Self::ClockBack,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::NotSent => "a request that could not be sent",
            Self::BrokenOff => "a line that went dead behind a request",
            Self::RequestLost => "a request lost on its way",
            Self::RequestLate => "a request delivered late",
            Self::RequestTwice => "a request delivered twice",
            Self::AnswerLost => "an answer lost on its way",
            Self::AnswerLate => "an answer delivered late",
            Self::ReceiverRefuses => "a receiver that cannot be reached",
            Self::ReceiverHangs => "a receiver that hangs",
            Self::ReceiverForgets => "a receiver whose answer is lost",
            Self::ReceiverAskedTwice => "a callback delivered twice",
            Self::StatementBusy => "a statement that found the database busy",
            Self::StatementBroken => "a statement that failed",
            Self::CommitUnanswered => "a commit whose answer is lost",
            Self::ClockForward => "a clock set forward",
            Self::ClockBack => "a clock set back",
        }
    }
}

/// Shared by everybody who may be struck.
pub struct Weather {
    /// One time in so many, 0 for never, in the order of [`Fault::ALL`].
    odds: [u64; Fault::ALL.len()],
    dice: Dice,
    notebook: Notebook,
    clear: AtomicBool,
    statements: AtomicU64,
    /// The one statement, counted from 0 in bad weather, that is struck for certain.
    appointed: Option<(u64, Fault)>,
}

impl Weather {
    /// Another weather for each seed: most faults are rare or absent, some are everywhere.
    pub fn of(dice: &Dice, notebook: &Notebook) -> Arc<Self> {
        let odds = Fault::ALL.map(|fault| match fault {
            Fault::StatementBusy | Fault::StatementBroken | Fault::CommitUnanswered => {
                dice.pick(&[0, 0, 200, 50, 12])
            }
            Fault::ClockForward | Fault::ClockBack => dice.pick(&[0, 0, 20, 5]),
            Fault::RequestLate => dice.pick(&[0, 30, 8, 3, 2]),
            _ => dice.pick(&[0, 0, 30, 8, 3]),
        });
        notebook.write(|| format!("the weather: {odds:?}"));
        Arc::new(Self::with(odds, dice, notebook))
    }

    /// No faults but the appointed one, if any: what is to strike which statement.
    pub fn mild(dice: &Dice, notebook: &Notebook, appointed: Option<(u64, Fault)>) -> Arc<Self> {
        let calm = Self::with([0; Fault::ALL.len()], dice, notebook);
        Arc::new(Self { appointed, ..calm })
    }

    fn with(odds: [u64; Fault::ALL.len()], dice: &Dice, notebook: &Notebook) -> Self {
        Self {
            odds,
            dice: dice.clone(),
            notebook: notebook.clone(),
            clear: AtomicBool::new(true),
            statements: AtomicU64::new(0),
            appointed: None,
        }
    }

    /// What strikes the next statement. A commit may be lost on its way back.
    pub fn strikes_statement(&self, is_commit: bool) -> Option<Fault> {
        if self.is_clear() {
            return None;
        }
        let number = self.statements.fetch_add(1, Ordering::Relaxed);
        if let Some((appointed, fault)) = self.appointed {
            return (number == appointed).then_some(fault);
        }
        let mut faults = vec![Fault::StatementBusy, Fault::StatementBroken];
        if is_commit {
            faults.push(Fault::CommitUnanswered);
        }
        faults.into_iter().find(|fault| self.strikes(*fault))
    }

    /// How many statements ran in bad weather.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Whether this fault strikes here and now. If it does it is counted.
    pub fn strikes(&self, fault: Fault) -> bool {
        if self.is_clear() {
            return false;
        }
        let place = Fault::ALL.iter().position(|known| *known == fault).unwrap();
        let strikes = self.dice.one_in(self.odds[place]);
        if strikes {
            self.notebook.count(fault.name());
        }
        strikes
    }

    pub fn set_clear(&self, clear: bool) {
        self.clear.store(clear, Ordering::Relaxed);
    }

    pub fn is_clear(&self) -> bool {
        self.clear.load(Ordering::Relaxed)
    }
}
