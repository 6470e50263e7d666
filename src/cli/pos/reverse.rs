//! `tillgate pos reverse`: take a payment back.

use super::answer::Answer;
use super::cashier::Cashier;
use super::receipt;
use super::service::carry_out;
use super::session::Session;
use super::terminal::{Terminal, TerminalArguments};
use crate::cli::sale::say;
use clap::Args;
use serde_json::json;

#[derive(Args)]
pub(super) struct ReverseArguments {
    #[command(flatten)]
    terminal: TerminalArguments,
    #[command(flatten)]
    original: Original,
    /// Show the receipts, too
    #[arg(long)]
    receipt: bool,
}

/// What is taken back.
#[derive(Args)]
pub(super) struct Original {
    /// The payment's transaction id; the last payment of the terminal if left out
    #[arg(long, value_name = "ID")]
    pub(super) transaction: Option<String>,
    /// A part of it, in highest units (JSON terminals only); all that is left if left out
    #[arg(long)]
    pub(super) amount: Option<String>,
}

pub(super) async fn run(arguments: ReverseArguments) -> anyhow::Result<()> {
    let ReverseArguments { original, receipt, .. } = &arguments;
    let session = Session::open(&arguments.terminal, Cashier::new(None), false, *receipt).await?;
    let terminal = &session.terminal;
    let service_id = terminal.service_id();
    let meant = original.transaction.as_deref().unwrap_or("the last payment");
    say(&format!("2. reversal        of {meant}, service {service_id}"))?;
    let answer = take_back(terminal, &service_id, original).await?;
    session.until_idle().await;
    say(&format!("3. result          {}", answer.line()))?;
    if *receipt {
        receipt::print_all(&answer.body)?;
    }
    answer.outcome().check(terminal)
}

/// Sends the reversal; answers what became of it.
pub(super) async fn take_back(
    terminal: &Terminal,
    service_id: &str,
    original: &Original,
) -> anyhow::Result<Answer> {
    let meant = match &original.transaction {
        None => json!({ "LastTransactionFlag": true }),
        Some(id) => json!({
            "SaleID": terminal.sale_id,
            "POIID": terminal.poi_id,
            "POITransactionID": { "TransactionID": id, "TimeStamp": terminal.timestamp() },
        }),
    };
    let body = json!({
        "ReversalReason": "MerchantCancel",
        "OriginalPOITransaction": meant,
        "ReversedAmount": original.amount,
    });
    carry_out(terminal, "Reversal", service_id, &body).await
}
