//! What is written down while a seed runs: how often each thing happened, every step for whoever
//! wants to follow, and accusations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// How often each thing happened.
pub type Tally = BTreeMap<&'static str, u64>;

/// Shared by everybody in one seed's world.
#[derive(Clone)]
pub struct Notebook(Arc<Mutex<Pages>>);

struct Pages {
    tally: Tally,
    /// `None` when nobody will read it.
    trace: Option<Vec<String>>,
    accusation: Option<String>,
    /// Something happened that an auditor wants to see.
    stirred: bool,
}

impl Notebook {
    pub fn new(traced: bool) -> Self {
        let trace = traced.then(Vec::new);
        let tally = Tally::new();
        Self(Arc::new(Mutex::new(Pages { tally, trace, accusation: None, stirred: true })))
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap()
    }

    /// Counts something and writes it into the trace.
    pub fn count(&self, what: &'static str) {
        *self.pages().tally.entry(what).or_default() += 1;
        self.write(|| format!("* {what}"));
    }

    /// A line of the trace.
    pub fn write(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.pages().trace {
            trace.push(line());
        }
    }

    /// Says that the gateway broke a promise. The first accusation ends the seed.
    pub fn accuse(&self, of: String) {
        self.write(|| format!("BROKEN: {of}"));
        self.pages().accusation.get_or_insert(of);
    }

    /// Says that something changed: rows, the host's book, an answer, the post.
    pub fn stir(&self) {
        self.pages().stirred = true;
    }

    /// Whether anything changed since the last call.
    pub fn take_stirred(&self) -> bool {
        std::mem::take(&mut self.pages().stirred)
    }

    pub fn accusation(&self) -> Option<String> {
        self.pages().accusation.clone()
    }

    pub fn is_clean(&self) -> bool {
        self.pages().accusation.is_none()
    }

    pub fn tally(&self) -> Tally {
        self.pages().tally.clone()
    }

    pub fn trace(&self) -> Vec<String> {
        self.pages().trace.clone().unwrap_or_default()
    }
}
