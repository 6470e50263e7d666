//! The commands, one file each.

mod amend;
mod bench;
mod callbacks;
mod client;
mod clock;
mod close_day;
mod dev;
mod explain;
mod explain_control;
mod health;
mod listen;
mod migrate;
mod openapi;
mod operator;
mod operator_access;
mod pos;
mod reconcile;
mod sale;
mod sandbox_terminals;
mod scan_pan;
mod serve;
mod swipe;

pub use dev::{ReadyLine, enrol_sandbox};

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Self-hosted mPOS acquirer gateway and its sandbox.
#[derive(Parser)]
#[command(name = "tillgate", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start gateway and sandbox on this machine, with nothing to configure
    Dev(dev::DevArguments),
    /// Start the gateway with settings from a file and the environment
    Serve(serve::ServeArguments),
    /// Create or update the tables of a database, then stop
    Migrate(migrate::MigrateArguments),
    /// Print the OpenAPI document
    Openapi,
    /// Make a complete signed sale with a virtual reader, and print each step
    Sale(sale::SaleArguments),
    /// Play a point of sale at a payment terminal: pay, abort, ask for the status, reverse
    Pos(pos::PosArguments),
    /// Take what a preauthorisation holds, or a part of it
    Capture(amend::AmendArguments),
    /// Release what is held, or give back what was taken, or a part of it
    Return(amend::AmendArguments),
    /// Undo a sale or a capture before its business day is closed
    Void(amend::AmendArguments),
    /// End the business day of an end point's gate
    CloseDay(close_day::CloseDayArguments),
    /// Hold a card to a virtual reader and print what it hands to the app
    Swipe(swipe::SwipeArguments),
    /// Look at gates, open them, decide unknown outcomes, fetch settlement files
    Operator(operator::OperatorArguments),
    /// Look at callbacks, send them again, let them wait
    Callbacks(callbacks::CallbacksArguments),
    /// Relay callbacks to a server of your own, and show each one
    Listen(listen::ListenArguments),
    /// Say what is wrong with what a reader sent, or with a control, and what to change
    Explain(explain::ExplainArguments),
    /// Hold the acquirer's file against a settlement file; exits with 1 if anything differs
    Reconcile(reconcile::ReconcileArguments),
    /// Search databases, logs and files for card data; exits with 1 if there is any
    ScanPan(scan_pan::ScanArguments),
    /// Print the time of a running sandbox, or move it forwards: `tillgate clock +7d`
    Clock(clock::ClockArguments),
    /// Ask a running gateway whether it is ready; exits with 1 if not
    Health(health::HealthArguments),
    /// Measure this machine: sales, callbacks and status against a bare form handler
    Bench(bench::BenchArguments),
    /// The gateway that `bench` starts
    #[command(hide = true)]
    BenchGateway(bench::GatewayArguments),
    /// The store without a gateway that `bench` measures
    #[command(hide = true)]
    BenchBatch(bench::BatchArguments),
    /// The memory of nonces that `bench` weighs
    #[command(hide = true)]
    BenchNonces,
}

/// Runs the command of this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error.into()),
    };
    match runtime.block_on(run(arguments.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error),
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Dev(arguments) => dev::run(arguments).await,
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Migrate(arguments) => migrate::run(arguments).await,
        Command::Openapi => openapi::run(),
        Command::Sale(arguments) => sale::run(arguments).await,
        Command::Pos(arguments) => pos::run(arguments).await,
        Command::Capture(arguments) => amend::run("capture", arguments).await,
        Command::Return(arguments) => amend::run("return", arguments).await,
        Command::Void(arguments) => amend::run("void", arguments).await,
        Command::CloseDay(arguments) => close_day::run(arguments).await,
        Command::Swipe(arguments) => swipe::run(arguments).await,
        Command::Operator(arguments) => operator::run(arguments).await,
        Command::Callbacks(arguments) => callbacks::run(arguments).await,
        Command::Listen(arguments) => listen::run(arguments).await,
        Command::Explain(arguments) => explain::run(arguments).await,
        Command::Reconcile(arguments) => reconcile::run(&arguments),
        Command::ScanPan(arguments) => scan_pan::run(arguments).await,
        Command::Clock(arguments) => clock::run(arguments).await,
        Command::Health(arguments) => health::run(arguments).await,
        Command::Bench(arguments) => bench::run(arguments).await,
        Command::BenchGateway(arguments) => bench::run_gateway(arguments).await,
        Command::BenchBatch(arguments) => bench::run_batch(arguments).await,
        Command::BenchNonces => bench::run_nonces(),
    }
}

fn complain(error: &anyhow::Error) -> ExitCode {
    eprintln!("tillgate: {error:#}");
    // Whoever asks whether there is card data must not take trouble for an answer.
    if error.is::<scan_pan::Incomplete>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// Hears when the process is asked to stop: by SIGTERM, or by Ctrl-C. It hears from the moment it
/// is made, so that a request which comes while the program starts is not the end of it.
struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the request.
    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A dump of this process's memory would hold keys, so none is written.
fn forbid_core_dumps() {
    if let Err(error) = rlimit::setrlimit(rlimit::Resource::CORE, 0, 0) {
        tracing::warn!(%error, "core dumps cannot be switched off");
    }
}
