//! Work that waited through a stop: how soon the next process is ready, how soon it has done the
//! first, how fast it does the rest, and how much memory that takes.

use super::engine::Engine;
use super::gateway::Role;
use super::measured::float;
use super::registry::Fleet;
use super::side::Side;
use crate::clock::Entropy;
use anyhow::{Context, bail};
use std::time::{Duration, Instant};

/// How long sales are sent between two lines of progress.
const STRETCH: Duration = Duration::from_secs(2);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How long nothing may be done while something waits.
const STANDSTILL_MAX: Duration = Duration::from_mins(2);

/// What became of the waiting work.
#[derive(Clone, Copy)]
pub(super) struct Backlog {
    pub orders: f64,
    /// Of sales end to end, with nothing waiting.
    pub normal_rps: f64,
    /// From the start of the process.
    pub ready: Duration,
    pub first_done: Duration,
    /// Orders authorised and called back in a second.
    pub drain_rps: f64,
    /// The most memory while it works, above what it has when it is ready.
    pub growth_mib: f64,
}

/// Lets a gateway accept `orders` without working on them, stops it, and lets another one work.
pub(super) async fn measure_backlog(
    engine: &Engine,
    orders: usize,
    connections: usize,
    normal_rps: f64,
    entropy: &Entropy,
) -> anyhow::Result<Backlog> {
    let database = engine.database("backlog");
    let mut side = Side::start(database, Role::Accept, Fleet::sim(connections), entropy).await?;
    while side.ledger.accepted_count() < orders {
        side.sell(STRETCH).await?;
        let accepted = side.ledger.accepted_count();
        eprint!("\r{}: {accepted} of {orders} orders wait", engine.name);
    }
    eprintln!();
    side.process.stop().await?;
    let began = Instant::now();
    side.restart(Role::Full).await?;
    let ready = began.elapsed();
    let most_mib = watch(&side, engine.name).await?;
    let arrivals = side.drain().await?;
    side.stop().await?;
    let first = arrivals.first.context("nothing was done")?;
    let took = arrivals.last.context("nothing was done")? - first;
    let orders = float(arrivals.latencies.len());
    Ok(Backlog {
        orders,
        normal_rps,
        ready,
        first_done: first.saturating_duration_since(began),
        drain_rps: orders / took.as_secs_f64().max(0.001),
        growth_mib: most_mib,
    })
}

/// Looks on until all is done; by how many MiB the memory has grown meanwhile.
async fn watch(side: &Side, engine: &str) -> anyhow::Result<f64> {
    let idle_mib = side.resident_mib()?;
    let (mut most_mib, mut owed_last) = (idle_mib, usize::MAX);
    let (mut progress, mut told) = (Instant::now(), Instant::now());
    loop {
        let owed = side.ledger.owed()?;
        most_mib = most_mib.max(side.resident_mib()?);
        if told.elapsed() > STRETCH || owed == 0 {
            eprint!("\r{engine}: {owed:9} orders still wait");
            told = Instant::now();
        }
        if owed == 0 {
            eprintln!();
            return Ok(most_mib - idle_mib);
        }
        if owed < owed_last {
            (owed_last, progress) = (owed, Instant::now());
        }
        if progress.elapsed() > STANDSTILL_MAX {
            bail!("{owed} orders wait, and none was done for {STANDSTILL_MAX:?}");
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
