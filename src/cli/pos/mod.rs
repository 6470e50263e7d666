//! `tillgate pos`: a point of sale for people who have none. It speaks nexo Retailer to a terminal
//! in the terminal's own dialect, and shows what the terminal shows.

mod abort;
mod answer;
mod cashier;
mod ear;
mod language;
mod pay;
mod receipt;
mod reverse;
mod service;
mod session;
mod status;
mod terminal;

use clap::{Args, Subcommand};

#[derive(Args)]
pub(super) struct PosArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take a payment, and show what the terminal shows meanwhile
    Pay(pay::PayArguments),
    /// Stop the service that is under way
    Abort(abort::AbortArguments),
    /// Tell what became of a service; of the last one if none is named
    Status(status::StatusArguments),
    /// Take a payment back; the last one if none is named
    Reverse(reverse::ReverseArguments),
}

pub(super) async fn run(arguments: PosArguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Pay(arguments) => pay::run(arguments).await,
        Command::Abort(arguments) => abort::run(&arguments).await,
        Command::Status(arguments) => status::run(&arguments).await,
        Command::Reverse(arguments) => reverse::run(arguments).await,
    }
}
