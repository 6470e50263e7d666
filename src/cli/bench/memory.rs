//! Memory of the gateway: idle, at a fixed rate, and for the nonces that it remembers.

use super::child::measured_apart;
use super::process::resident_mib;
use super::side::Side;
use crate::clock::{Clock, Entropy};
use crate::gateway::NonceBook;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::time::Duration;

/// Sales a second for the second figure.
const SALES_RATE: f64 = 1000.0;
/// As many nonces as sales of that rate bring in a thousand seconds.
const NONCES: i64 = 1_000_000;

/// Resident memory in MiB.
#[derive(Clone, Copy)]
pub(super) struct Memory {
    /// After the start, before any request.
    pub idle: f64,
    pub at_1000_sales: f64,
    /// What a million nonces add to a process.
    pub million_nonces: f64,
}

#[derive(Serialize, Deserialize)]
struct NoncesLine {
    grown_mib: f64,
}

/// Measures a gateway that was just started.
pub(super) async fn measure_memory(side: &mut Side, time: Duration) -> anyhow::Result<Memory> {
    let idle = side.resident_mib()?;
    let at_1000_sales = side.memory_at(SALES_RATE, time).await?;
    let nonces: NoncesLine = measured_apart(&["bench-nonces".to_owned()]).await?;
    Ok(Memory { idle, at_1000_sales, million_nonces: nonces.grown_mib })
}

/// A process that remembers a million nonces, each a millisecond younger than the one before.
pub(in crate::cli) fn run_nonces() -> anyhow::Result<()> {
    let (book, entropy, now) = (NonceBook::new(), Entropy::system()?, Clock::system().now());
    let before = resident_mib(std::process::id())?;
    for number in 0..NONCES {
        book.is_new(now + number, entropy.bytes());
    }
    let line = NoncesLine { grown_mib: resident_mib(std::process::id())? - before };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&line)?)?;
    // It must not be forgotten before it was weighed.
    drop(book);
    Ok(())
}
