//! The fault battery: real processes, really killed. It proves that nothing is lost, doubled or
//! stuck, whatever breaks.
//!
//! `cargo test --test faults -- [--long] [NAME]` plays the faults whose names contain NAME. The
//! short form runs with all other tests. PostgreSQL is there when `TEST_DATABASE_URL` names one;
//! faults that break a server start one of their own.

#![expect(clippy::print_stdout, reason = "a test program reports on standard output")]

mod arguments;
mod audit;
mod back_pressure;
mod child;
mod database;
mod disk_full;
mod flaky_receiver;
mod folder;
mod gateway;
mod gateway_killed;
mod host;
mod instances;
mod ledger;
mod link;
mod load;
mod merchant;
mod postgres;
mod postgres_killed;
mod receiver;
mod same_name;
mod slow_sockets;
mod small_disk;
mod stage;

use arguments::{Arguments, Length};
use child::Role;
use database::Engine::{Postgres, Sqlite};
use futures_util::future::{BoxFuture, FutureExt};
use std::process::ExitCode;
use std::time::Instant;

/// How a fault ended that did no harm.
pub enum Told {
    /// What was done and found, in figures.
    Held(String),
    /// What this machine lacks to play it.
    LeftOut(&'static str),
}

/// A name that says what must be true in the end, and the play.
type Fault = (&'static str, fn(Length) -> BoxFuture<'static, anyhow::Result<Told>>);

const FAULTS: &[Fault] = &[
    ("a_killed_gateway_loses_nothing_on_sqlite", |l| gateway_killed::play(Sqlite, l).boxed()),
    ("a_killed_gateway_loses_nothing_on_postgres", |l| gateway_killed::play(Postgres, l).boxed()),
    ("every_event_reaches_a_flaky_receiver_on_sqlite", |l| flaky_receiver::play(Sqlite, l).boxed()),
    ("every_event_reaches_a_flaky_receiver_on_postgres", |l| {
        flaky_receiver::play(Postgres, l).boxed()
    }),
    ("a_killed_postgres_loses_nothing", |l| postgres_killed::play(l).boxed()),
    ("one_name_makes_one_order_on_sqlite", |l| same_name::play(Sqlite, l).boxed()),
    ("one_name_makes_one_order_on_postgres", |l| same_name::play(Postgres, l).boxed()),
    ("the_second_instance_takes_over_from_the_first", |l| instances::play(2, l).boxed()),
    ("two_instances_take_over_from_the_third", |l| instances::play(3, l).boxed()),
    ("a_full_disk_stops_only_new_work_on_sqlite", |l| disk_full::play(Sqlite, l).boxed()),
    ("a_full_disk_stops_only_new_work_on_postgres", |l| disk_full::play(Postgres, l).boxed()),
    ("slow_sockets_slow_nobody_else", |l| slow_sockets::play(l).boxed()),
    ("too_much_work_is_put_off_on_sqlite", |l| back_pressure::play(Sqlite, l).boxed()),
    ("too_much_work_is_put_off_on_postgres", |l| back_pressure::play(Postgres, l).boxed()),
];

fn main() -> ExitCode {
    let arguments = Arguments::read(std::env::args().skip(1));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return explain(&error.into()),
    };
    match &arguments.role {
        Some((role, orders)) => match runtime.block_on(act(*role, orders)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => explain(&error),
        },
        None if arguments.list => {
            for (name, _) in FAULTS {
                println!("{name}: test");
            }
            ExitCode::SUCCESS
        }
        None => runtime.block_on(play_all(&arguments)),
    }
}

async fn act(role: Role, orders: &str) -> anyhow::Result<()> {
    match role {
        Role::Gateway => gateway::play(serde_json::from_str(orders)?).await,
        Role::Host => host::play().await,
    }
}

async fn play_all(arguments: &Arguments) -> ExitCode {
    let began = Instant::now();
    let chosen: Vec<_> = FAULTS.iter().filter(|(name, _)| arguments.choose(name)).collect();
    println!("\nplaying {} faults", chosen.len());
    let (mut held, mut failed, mut left_out) = (0, 0, 0);
    for (name, play) in &chosen {
        println!("fault {name} ...");
        let fault_start = Instant::now();
        // A fault that panics must not take the others along.
        let outcome = tokio::spawn(play(arguments.length)).await.map_err(anyhow::Error::from);
        let seconds = fault_start.elapsed().as_secs();
        match outcome.flatten() {
            Ok(Told::Held(figures)) => {
                held += 1;
                println!("fault {name} ... ok, {seconds} s: {figures}");
            }
            Ok(Told::LeftOut(reason)) => {
                left_out += 1;
                println!("fault {name} ... left out: {reason}");
            }
            Err(error) => {
                failed += 1;
                println!("fault {name} ... FAILED after {seconds} s: {error:#}");
            }
        }
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {result}. {held} passed; {failed} failed; {left_out} left out; \
         {} filtered out; finished in {:.2}s\n",
        FAULTS.len() - chosen.len(),
        began.elapsed().as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn explain(error: &anyhow::Error) -> ExitCode {
    eprintln!("{error:#}");
    ExitCode::FAILURE
}
