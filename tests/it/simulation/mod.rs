//! A deterministic simulation of the whole order path: the real gateway in a made world, with
//! faults of the network, the receiver, the clock and the database, and a crash at any await. An
//! auditor checks the promises after every step.
//!
//! ```text
//! cargo test --test it simulation                              a few hundred seeds
//! SEEDS=10000 cargo test --test it simulation                  so many
//! SEED=4711 cargo test --test it simulation -- --nocapture     one, step by step
//! ```

mod auditor;
mod conduct;
mod disk;
mod host;
mod network;
mod notebook;
mod receiver;
mod request;
mod shop;
mod single_fault;
mod snapshot;
mod staff;
mod time;
mod weather;
mod world;

use crate::effort::{on_all_cores, wanted};
use disk::Place;
use notebook::{Notebook, Tally};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tracing::subscriber::{NoSubscriber, with_default};
use weather::Fault;

/// How many seeds a run tries if nobody says otherwise.
const SEEDS: u64 = 200;
/// A quiet run whose orders all end soon: none is pending at the host, none is a hold for days.
const QUIET: u64 = 10;
/// How many of them on a file.
const SEEDS_ON_FILE: u64 = 10;

/// What must happen in a run beside every fault, so that a silent gap shows.
const EVENTS: [&str; 23] = [
    "weather that cleared over a gateway",
    "a crash",
    "a gateway that was stopped",
    "a start that failed",
    "a card key destroyed",
    "a request that was accepted",
    "a request whose counter had been passed by",
    "a request whose rival came first",
    "a request that the gateway could not take",
    "a request repeated while the first is under way",
    "a signed request sent again by somebody else",
    "a nonce that was used before",
    "an order that began",
    "an order whose outcome became unknown",
    "an order that was approved",
    "an order that was declined",
    "an order that was filtered",
    "a reversal",
    "an order that the host does not know",
    "a request that arrived after its reversal",
    "an answer for which nobody waits any more",
    "an answer after the reversal",
    "a callback received",
];

#[test]
fn no_seed_breaks_a_promise_and_every_kind_of_fault_strikes() {
    let tally = try_seeds(wanted("SEEDS").unwrap_or(SEEDS), Place::Memory);
    for event in Fault::ALL.map(Fault::name).into_iter().chain(EVENTS) {
        let happened = tally.contains_key(event) || wanted("SEED").is_some();
        assert!(happened, "in all those seeds, never {event}");
    }
}

#[test]
fn no_seed_breaks_a_promise_on_a_file() {
    if wanted("SEED").is_some() {
        // It runs in memory just as on a file, as the next scenario shows.
        return;
    }
    try_seeds(wanted("SEEDS_ON_FILE").unwrap_or(SEEDS_ON_FILE), Place::File);
}

#[test]
fn a_seed_runs_the_same_way_every_time_in_memory_and_on_a_file() {
    for seed in 0..8 {
        let trace = |place| quietly(|| world::run(seed, place, true)).trace();
        let first = trace(Place::Memory);
        assert!(first.len() > 50, "seed {seed} did nothing");
        for again in [trace(Place::Memory), trace(Place::File)] {
            let differs = first.iter().zip(&again).find(|(first, again)| first != again);
            assert_eq!(differs, None, "seed {seed}");
            assert_eq!(first.len(), again.len(), "seed {seed}");
        }
    }
}

#[test]
fn a_crash_at_any_await_of_a_quiet_run_breaks_no_promise() {
    let awaits =
        until_over(|turns| single_fault::crash_after(u32::try_from(turns).unwrap(), QUIET));
    assert!(awaits > 50, "only {awaits} places to crash at");
}

#[test]
fn an_error_at_any_statement_of_a_quiet_run_breaks_no_promise() {
    for fault in [Fault::StatementBusy, Fault::StatementBroken, Fault::CommitUnanswered] {
        let statements = until_over(|number| single_fault::fail_statement(number, fault, QUIET));
        assert!(statements > 20, "only {statements} statements to fail");
    }
}

/// Tries place after place until one lies behind the end, and answers how many there were.
fn until_over(run: impl Fn(u64) -> single_fault::Outcome) -> u64 {
    for place in 0.. {
        let single_fault::Outcome { notebook, was_over } = quietly(|| run(place));
        assert_eq!(notebook.accusation(), None, "at place {place}");
        if was_over {
            return place;
        }
    }
    unreachable!()
}

/// Runs the seeds, or the one that was asked for, and answers how often each thing happened.
#[expect(clippy::print_stdout, reason = "shown with --nocapture, and when a seed fails")]
fn try_seeds(seeds: u64, place: Place) -> Tally {
    if let Some(seed) = wanted("SEED") {
        let notebook = quietly(|| world::run(seed, place, true));
        println!("{}", notebook.trace().join("\n"));
        judge(seed, &notebook);
        return notebook.tally();
    }
    let began = std::time::Instant::now();
    let parts = on_all_cores(seeds, |seed, total: &mut Tally| {
        let run = || quietly(|| world::run(seed, place, false));
        let Ok(notebook) = catch_unwind(AssertUnwindSafe(run)) else {
            panic!("seed {seed} panicked; {}", replay(seed));
        };
        judge(seed, &notebook);
        for (event, times) in notebook.tally() {
            *total.entry(event).or_default() += times;
        }
    });
    let mut tally = Tally::new();
    for (event, times) in parts.into_iter().flatten() {
        *tally.entry(event).or_default() += times;
    }
    println!("{seeds} seeds, {place:?}, {:?}", began.elapsed());
    for (event, times) in &tally {
        println!("{times:>10}  {event}");
    }
    tally
}

fn judge(seed: u64, notebook: &Notebook) {
    if let Some(accusation) = notebook.accusation() {
        panic!("seed {seed}: {accusation}; {}", replay(seed));
    }
}

fn replay(seed: u64) -> String {
    format!("to follow it: SEED={seed} cargo test --test it simulation -- --nocapture")
}

/// The log of thousands of gateways would drown the one of the other scenarios.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    with_default(NoSubscriber::default(), run)
}
