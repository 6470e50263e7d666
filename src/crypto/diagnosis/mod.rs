//! Why a reader's message is not understood: what it is, what is wrong, and what to change.
//!
//! The message is looked at from the outside in: its text, its frame, its KSN, the key, the mode,
//! the card. The first thing that is wrong is told; what lies deeper shows once it is put right.
//! What is told holds no key, and of a card the first six and last four digits at most.

mod content;
mod dukpt_trials;
mod facts;
mod finding;
mod frame;
mod keys;
mod ksn;
mod sim_trials;
mod text;

pub use finding::Finding;
pub use frame::names_in;

use super::reader_keys::BaseKey;
use crate::payment::Millis;
use crate::payment::ids::KeySetId;
use crate::payment::money::Amount;
use crate::payment::reader::{Reader, ReaderState};
use facts::Facts;

/// What is to be explained, and all that is known about its reader.
pub struct Case<'a> {
    /// The value of `encrypted-data`, as it was sent.
    pub text: &'a str,
    /// The value of `encrypted-type`.
    pub encrypted_type: &'a str,
    /// What the `sim` profile binds, and a chip signs; none if the caller did not tell.
    pub amount: Option<Amount>,
    pub now: Millis,
    pub reader: &'a Reader,
    /// The base key of the reader's key set.
    pub base: &'a BaseKey,
    /// All other key sets.
    pub others: &'a [KnownSet<'a>],
    /// Registered readers that the message names, by serial or by KSN.
    pub named: &'a [Reader],
    /// How far a counter may jump, if that is limited.
    pub most_ahead: Option<u32>,
}

/// A key set whose base key may be tried.
#[derive(Clone, Copy)]
pub struct KnownSet<'a> {
    pub id: KeySetId,
    pub prefix: &'a [u8],
    pub base: &'a BaseKey,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnosis {
    pub finding: Finding,
    /// What the data is.
    pub says: String,
    /// What is wrong with it.
    pub wrong: String,
    /// What to change.
    pub change: String,
    /// What else there is to know.
    pub facts: Vec<String>,
}

/// What is wrong, as soon as it is found.
#[derive(Debug)]
struct Fault {
    finding: Finding,
    wrong: String,
    change: String,
}

impl Fault {
    fn new(finding: Finding, wrong: impl Into<String>, change: impl Into<String>) -> Self {
        Self { finding, wrong: wrong.into(), change: change.into() }
    }
}

impl Diagnosis {
    /// What is told of a reader that nobody registered.
    #[must_use]
    pub fn of_unknown_reader(serial: &str) -> Self {
        let fault = Fault::new(
            Finding::ReaderNotRegistered,
            format!("no reader with the serial {serial:?} is registered"),
            "register the reader, or give the serial as the reader itself tells it",
        );
        fault.told(Facts::default())
    }
}

impl Fault {
    fn told(self, facts: Facts) -> Diagnosis {
        let (says, facts) = facts.told();
        Diagnosis { finding: self.finding, says, wrong: self.wrong, change: self.change, facts }
    }
}

/// Looks for what is wrong with a message.
#[must_use]
pub fn diagnose(case: &Case<'_>) -> Diagnosis {
    let mut facts = Facts::default();
    let well =
        || Fault::new(Finding::AllIsWell, "nothing", "nothing, as far as reader, key and card go");
    let fault = examine(case, &mut facts).err().unwrap_or_else(well);
    fault.told(facts)
}

fn examine(case: &Case<'_>, facts: &mut Facts) -> Result<(), Fault> {
    let bytes = text::read(case.text)?;
    facts.is(format!("{} bytes", bytes.len()));
    let message = frame::read(case, &bytes, facts)?;
    facts.message(case, &message);
    check_reader(case, &message.serial)?;
    ksn::check_device(case, &message)?;
    if message.sealed.is_empty() {
        return content::last_word(&message, facts);
    }
    ksn::check_legal(case, &message)?;
    content::check(case, &message, facts)?;
    ksn::check_fresh(case, &message)
}

fn check_reader(case: &Case<'_>, serial: &str) -> Result<(), Fault> {
    let reader = case.reader;
    let own = &reader.serial;
    if serial != own {
        let known = match case.named.iter().any(|one| one.serial == serial) {
            true => "which is registered, too",
            false => "which nobody registered",
        };
        return Err(Fault::new(
            Finding::OtherSerial,
            format!("the message names the reader {serial}, {known}; you asked about {own}"),
            format!("ask about {serial}, or let the message carry the serial {own}"),
        ));
    }
    let state = |finding, wrong: &str, change: &str| {
        Err(Fault::new(finding, format!("reader {own} {wrong}"), change))
    };
    match reader.state {
        ReaderState::Blocked => {
            state(Finding::ReaderBlocked, "is blocked", "make it active again, or use another")
        }
        ReaderState::Lost => {
            state(Finding::ReaderLost, "is marked lost, for good", "use another reader")
        }
        _ if reader.is_exhausted() => state(
            Finding::ReaderExhausted,
            "has used the last key of its life",
            "inject a new initial key, under a new KSN",
        ),
        _ if reader.endpoint.is_none() && reader.group.is_none() => state(
            Finding::ReaderUnassigned,
            "serves neither an end point nor a group",
            "assign it to an end point or a group",
        ),
        _ => Ok(()),
    }
}
