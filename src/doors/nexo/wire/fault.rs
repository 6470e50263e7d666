//! Why bytes are not a message.

use super::message::Header;
use std::fmt;

/// Why bytes are not a message, by what can still be answered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// Not XML or JSON at all, or more of it than is read. Says why.
    #[error("{0}")]
    Unreadable(&'static str),
    /// Well-formed, but without a header that tells who speaks to whom about what.
    #[error("{0}")]
    NoHeader(Fault),
    /// The header is good; what follows it is not. A header whose own ids are of a wrong length is
    /// here too, without those ids.
    #[error("{fault}")]
    Body { header: Box<Header>, fault: Fault },
}

/// The first field that is wrong. Shown as `{path}: missing` or `{path}: unexpected value`
/// (contract 7.2); values are never shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Names from the body element down, with `/` between them.
    pub path: String,
    pub what: What,
}

/// What is wrong with a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    Missing,
    Unexpected,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Missing => "missing",
            What::Unexpected => "unexpected value",
        };
        write!(f, "{}: {what}", self.path)
    }
}

/// Where a reader stands, and the first fault it met. It reads on after one, to find the header.
pub(super) struct Reading {
    path: Vec<&'static str>,
    fault: Option<Fault>,
    strict: bool,
}

impl Reading {
    /// At the top of a structure of this name. `strict` closes the enumerations of mandatory
    /// fields.
    pub(super) fn at(name: &'static str, strict: bool) -> Self {
        Self { path: vec![name], fault: None, strict }
    }

    /// Does `work` one level further down.
    pub(super) fn within<T>(&mut self, name: &'static str, work: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(name);
        let done = work(self);
        self.path.pop();
        done
    }

    /// Remembers what is wrong here, unless something was wrong before.
    pub(super) fn complain(&mut self, what: What) {
        if self.fault.is_none() {
            self.fault = Some(Fault { path: self.path.join("/"), what });
        }
    }

    pub(super) fn strict(&self) -> bool {
        self.strict
    }

    pub(super) fn into_fault(self) -> Option<Fault> {
        self.fault
    }
}
