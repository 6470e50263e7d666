//! `tillgate operator`: what operators do with a running gateway.

use super::client::http_client;
use super::operator_access::OperatorAccess;
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use futures_util::StreamExt;
use std::io::Write;

#[derive(Args)]
pub(super) struct OperatorArguments {
    #[command(flatten)]
    access: OperatorAccess,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show whether a gate is shut, and why
    Gate {
        /// The end point's id
        endpoint: i64,
    },
    /// Open a gate that the close of a day keeps shut
    Unlock {
        /// The end point's id
        endpoint: i64,
    },
    /// Decide a transaction whose outcome nobody else can tell
    Resolve {
        /// The order's id (`paynet-order-id`)
        order: i64,
        /// What you found out
        #[arg(value_enum)]
        outcome: Outcome,
    },
    /// Print the settlement file of a closed day
    Settlement {
        /// The batch number (`RRN` of close-day)
        batch: i64,
        #[arg(long, value_enum, default_value = "csv")]
        format: Format,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Outcome {
    /// The money moved
    Approved,
    /// It did not
    Declined,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Json,
}

pub(super) async fn run(arguments: OperatorArguments) -> anyhow::Result<()> {
    let http = http_client()?;
    let base = arguments.access.base();
    let request = match &arguments.command {
        Command::Gate { endpoint } => http.get(format!("{base}/admin/gates/{endpoint}")),
        Command::Unlock { endpoint } => http.post(format!("{base}/admin/gates/{endpoint}/unlock")),
        Command::Resolve { order, outcome } => {
            let approved = *outcome == Outcome::Approved;
            http.post(format!("{base}/admin/orders/{order}/resolve"))
                .json(&serde_json::json!({ "approved": approved }))
        }
        Command::Settlement { batch, format } => {
            let ending = match format {
                Format::Csv => "csv",
                Format::Json => "json",
            };
            http.get(format!("{base}/admin/settlements/{batch}.{ending}"))
        }
    };
    let answer = arguments.access.send(request).await?;
    let mut out = std::io::stdout().lock();
    let mut pieces = answer.bytes_stream();
    while let Some(piece) = pieces.next().await {
        out.write_all(&piece.context("the answer broke off; what was printed is not whole")?)?;
    }
    out.flush()?;
    Ok(())
}
