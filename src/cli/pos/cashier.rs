//! The person at the point of sale, who compares signatures.

use crate::cli::sale::say;
use clap::ValueEnum;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::oneshot;

/// What the cashier says of every signature.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Signature {
    /// It is the card holder's
    Yes,
    /// It is not
    No,
}

/// Answers by itself, or asks the person at the keyboard.
pub(super) struct Cashier {
    always: Option<Signature>,
    was_asked: AtomicBool,
}

impl Cashier {
    pub(super) fn new(always: Option<Signature>) -> Self {
        Self { always, was_asked: AtomicBool::new(false) }
    }

    /// Whether a signature was looked at already.
    pub(super) fn was_asked(&self) -> bool {
        self.was_asked.load(Ordering::Relaxed)
    }

    /// Whether the signature is right. Who says nothing, says no.
    pub(super) async fn confirms(&self, question: &str) -> anyhow::Result<bool> {
        self.was_asked.store(true, Ordering::Relaxed);
        say(&format!("   input           {question} (y/n)"))?;
        let confirmed = match self.always {
            Some(signature) => signature == Signature::Yes,
            None => says_yes().await,
        };
        say(&format!("   answer          {}", if confirmed { "yes" } else { "no" }))?;
        Ok(confirmed)
    }
}

/// Reads the keyboard. That blocks, and may be in vain, so a thread does it.
async fn says_yes() -> bool {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        let _ = tell.send(read.is_ok() && line.trim().to_ascii_lowercase().starts_with('y'));
    });
    told.await.unwrap_or(false)
}
