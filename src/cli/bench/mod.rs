//! `tillgate bench`: what this machine can do, measured against what it does with a bare form.
//!
//! Load, receivers of callbacks and gateways share the machine. The load is one thread; the
//! gateways are processes of their own, each on an empty database: some that only accept, one that
//! also authorises and calls back, and one that does it the naive way. `docs/performance.md`
//! explains each figure.

mod backlog;
mod batch;
mod child;
mod deliveries;
mod driver;
mod engine;
mod evil;
mod figures;
mod fixtures;
mod flush;
mod gateway;
mod growth;
mod ledger;
mod load;
mod lone;
mod measured;
mod memory;
mod metrics;
mod pace;
mod players;
mod process;
mod receiver;
mod registry;
mod report;
mod round;
mod server;
mod side;
mod steady;
mod terminals;
mod wire;

pub(super) use batch::{BatchArguments, run as run_batch};
pub(super) use gateway::{GatewayArguments, run as run_gateway};
pub(super) use memory::run_nonces;

use super::StopSignal;
use crate::clock::Entropy;
use anyhow::anyhow;
use backlog::measure_backlog;
use clap::Args;
use engine::Engine;
use evil::measure_evil;
use figures::Spread;
use flush::flush_micros;
use growth::measure_growth;
use report::Report;
use round::{Field, Round};
use std::io::Write;
use std::time::Duration;
use terminals::measure_terminals;

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
    /// Measure a table of many orders beside a young one, too: takes minutes
    #[arg(long)]
    growth: bool,
    /// How many orders lie in that table
    #[arg(long, value_name = "ORDERS", default_value_t = 10_000_000, requires = "growth",
          value_parser = clap::value_parser!(i64).range(1..=1_000_000_000))]
    growth_orders: i64,
    /// Let this many orders wait through a stop, too, and measure how they are done then: takes
    /// minutes for a million
    #[arg(long, value_name = "ORDERS")]
    backlog: Option<u32>,
    /// Let this many payment terminals take payments, too, and measure what one costs
    #[arg(long, value_name = "TERMINALS",
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    terminals: Option<u16>,
    /// Let half of the receivers hang, too, and measure what the others notice
    #[arg(long)]
    evil: bool,
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
    let (connections, time) = (usize::from(arguments.connections), arguments.time());
    eprintln!("{}: starting five gateways with {connections} readers each", engine.name);
    let mut field = Field::start(engine, connections, entropy).await?;
    let before = flush_micros(&engine.folder.0)?;
    let memory = field.memory(time).await?;
    let mut rounds = Vec::new();
    for number in 1..=arguments.rounds {
        eprint!("{}: round {number} of {}:", engine.name, arguments.rounds);
        rounds.push(field.round(time).await?);
    }
    field.stop().await?;
    let mut report = Report {
        engine: engine.name,
        connections,
        seconds: arguments.seconds,
        rounds,
        memory,
        flush_us: (before, flush_micros(&engine.folder.0)?),
        growth: Vec::new(),
        backlog: None,
        evil: None,
        terminals: Vec::new(),
    };
    measure_at_length(engine, arguments, entropy, &mut report).await?;
    Ok(report)
}

/// What takes minutes, and is only measured when asked for.
async fn measure_at_length(
    engine: &Engine,
    arguments: &BenchArguments,
    entropy: &Entropy,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (connections, time) = (report.connections, arguments.time());
    let normal_rps = median(&report.rounds, |round| round.e2e.rps);
    if arguments.evil {
        let rate = normal_rps / 4.0;
        report.evil = Some(measure_evil(engine, connections, rate, time, entropy).await?);
    }
    if let Some(terminals) = arguments.terminals {
        let (terminals, extent) = (usize::from(terminals), (arguments.rounds, time));
        report.terminals =
            measure_terminals(engine, terminals, connections, extent, entropy).await?;
    }
    if let Some(orders) = arguments.backlog {
        let orders = usize::try_from(orders)?;
        report.backlog =
            Some(measure_backlog(engine, orders, connections, normal_rps, entropy).await?);
    }
    if arguments.growth {
        let extent = (connections, arguments.rounds, time);
        report.growth = measure_growth(engine, arguments.growth_orders, extent, entropy).await?;
    }
    Ok(())
}

fn median(rounds: &[Round], of: fn(&Round) -> f64) -> f64 {
    Spread::of(rounds.iter().map(of).collect()).map_or(0.0, |spread| spread.median)
}
