//! `tillgate bench`: what this machine can do, measured against what it does with a bare form.
//!
//! Load, receiver of callbacks and gateway share the machine. The load is one thread; the
//! gateways are processes of their own, one that only accepts and one that also authorises and
//! calls back, each on an empty database.

mod child;
mod engine;
mod figures;
mod fixtures;
mod flush;
mod gateway;
mod ledger;
mod load;
mod players;
mod process;
mod receiver;
mod report;
mod side;
mod wire;

pub(super) use gateway::{GatewayArguments, run as run_gateway};

use super::StopSignal;
use crate::clock::Entropy;
use anyhow::anyhow;
use clap::Args;
use engine::Engine;
use figures::Round;
use flush::flush_micros;
use report::Report;
use side::Side;
use std::io::Write;
use std::time::Duration;

#[derive(Args)]
pub(super) struct BenchArguments {
    /// How long each measurement takes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// How many clients ask at the same time, each with a reader of its own
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// How often everything is measured, in turns
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Measure on this PostgreSQL database too, in schemas of its own that it drops afterwards;
    /// SQLite, in a temporary folder, is always measured
    #[arg(long, value_name = "URL", alias = "db")]
    postgres: Vec<String>,
    /// Print one line of JSON for each engine
    #[arg(long)]
    json: bool,
}

impl BenchArguments {
    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// The load runs on one thread of its own: it must not take more of the machine than it needs.
pub(super) async fn run(arguments: BenchArguments) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(measure_all(&arguments))
    })
    .await?
}

async fn measure_all(arguments: &BenchArguments) -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: its figures mean nothing");
    }
    let entropy = Entropy::system()?;
    let sqlite = Engine::sqlite(&entropy)?;
    measure_unless_stopped(sqlite, arguments, &entropy).await?;
    for url in &arguments.postgres {
        let postgres = Engine::postgres(url, &entropy).await?;
        measure_unless_stopped(postgres, arguments, &entropy).await?;
    }
    Ok(())
}

/// Measures one engine, prints what came of it, and leaves nothing behind, stopped or not.
async fn measure_unless_stopped(
    engine: Engine,
    arguments: &BenchArguments,
    entropy: &Entropy,
) -> anyhow::Result<()> {
    let mut stop = StopSignal::listen()?;
    let result = tokio::select! {
        result = measure(&engine, arguments, entropy) => result,
        () = stop.received() => Err(anyhow!("stopped")),
    };
    engine.remove().await?;
    let report = result?;
    let mut out = std::io::stdout().lock();
    match arguments.json {
        true => writeln!(out, "{}", serde_json::to_string(&report)?)?,
        false => writeln!(out, "{report}")?,
    }
    out.flush()?;
    Ok(())
}

async fn measure(
    engine: &Engine,
    arguments: &BenchArguments,
    entropy: &Entropy,
) -> anyhow::Result<Report> {
    let connections = usize::from(arguments.connections);
    eprintln!("{}: starting two gateways with {connections} readers each", engine.name);
    let mut quiet = Side::start(&engine.quiet_db, connections, false, entropy).await?;
    let mut busy = Side::start(&engine.busy_db, connections, true, entropy).await?;
    let before = flush_micros(&engine.folder.0)?;
    let mut rounds = Vec::new();
    for number in 1..=arguments.rounds {
        eprint!("{}: round {number} of {}:", engine.name, arguments.rounds);
        rounds.push(measure_round(&mut quiet, &mut busy, arguments.time()).await?);
        eprintln!();
    }
    let after = flush_micros(&engine.folder.0)?;
    quiet.stop().await?;
    busy.stop().await?;
    Ok(Report {
        engine: engine.name,
        connections,
        seconds: arguments.seconds,
        rounds,
        flush_us: (before, after),
    })
}

async fn measure_round(quiet: &mut Side, busy: &mut Side, time: Duration) -> anyhow::Result<Round> {
    let bare = quiet.bare(time).await?;
    eprint!(" bare {:.0}/s", bare.rps);
    let accept = quiet.accept(time).await?;
    eprint!(", accept {:.0}/s", accept.rps);
    let (e2e, drain) = busy.end_to_end(time).await?;
    eprint!(", end to end {:.0}/s", e2e.rps);
    let status = busy.status(time).await?;
    eprint!(", status {:.0}/s", status.rps);
    Ok(Round { bare, accept, e2e, status, drain, resident_mib: busy.resident_mib()? })
}
