//! `tillgate pos status`: what became of a service.

use super::answer::Answer;
use super::ear::printable;
use super::receipt;
use super::terminal::{Terminal, TerminalArguments};
use crate::cli::sale::say;
use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};

/// What may be asked for by its number alone; the JSON family means payments where nothing is said.
const CATEGORIES: [&str; 2] = ["Payment", "Reversal"];

#[derive(Args)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    terminal: TerminalArguments,
    /// The number of the service (`ServiceID`); the last one of this point of sale if left out
    #[arg(long, value_name = "ID")]
    service: Option<String>,
    /// Show the receipts, too
    #[arg(long)]
    receipt: bool,
}

/// What a terminal tells of a service.
pub(super) enum Told {
    /// It has ended so.
    Ended { service: String, answer: Answer },
    /// It is under way; a reference to it.
    Running(Value),
    /// It is not told.
    Failed(Answer),
}

pub(super) async fn run(arguments: &StatusArguments) -> anyhow::Result<()> {
    let terminal = Terminal::find(&arguments.terminal).await?;
    match find(&terminal, arguments.service.as_deref()).await? {
        Told::Ended { service, answer } => {
            say(&format!("1. service         {service}"))?;
            say(&format!("2. result          {}", answer.line()))?;
            if arguments.receipt {
                receipt::print_all(&answer.body)?;
            }
            answer.outcome().check(&terminal)
        }
        Told::Running(reference) => {
            say(&format!("1. service         {}", name_of(&reference)))?;
            say("2. result          none yet: it is under way")?;
            let poi = &terminal.poi_id;
            bail!("ask again later, or stop it with `tillgate pos abort --terminal {poi}`")
        }
        Told::Failed(answer) => {
            say(&format!("1. status          {}", answer.line()))?;
            answer.outcome().check(&terminal)
        }
    }
}

async fn find(terminal: &Terminal, service_id: Option<&str>) -> anyhow::Result<Told> {
    let Some(service_id) = service_id else {
        return ask_status(terminal, None).await;
    };
    let [payment, reversal] = CATEGORIES.map(|it| reference_to(terminal, it, service_id));
    match ask_status(terminal, Some(&payment)).await? {
        Told::Failed(answer) if answer.outcome().condition == "NotFound" => {
            ask_status(terminal, Some(&reversal)).await
        }
        told => Ok(told),
    }
}

/// Refers to a service of this point of sale.
pub(super) fn reference_to(terminal: &Terminal, category: &str, service_id: &str) -> Value {
    json!({
        "MessageCategory": category,
        "ServiceID": service_id,
        "SaleID": terminal.sale_id,
        "POIID": terminal.poi_id,
    })
}

/// Category and number of a service, by a reference to it or by its header.
pub(super) fn name_of(reference: &Value) -> String {
    let text = |name: &str| reference[name].as_str().unwrap_or("?").to_owned();
    printable(&format!("{} {}", text("MessageCategory"), text("ServiceID")))
}

/// Asks for a service; without a reference for the one under way, or the last one.
pub(super) async fn ask_status(
    terminal: &Terminal,
    reference: Option<&Value>,
) -> anyhow::Result<Told> {
    let answer =
        terminal.ask("TransactionStatus", json!({ "MessageReference": reference })).await?;
    let outcome = answer.outcome();
    let running = matches!(outcome.condition.as_str(), "Busy" | "InProgress");
    if let Some(reference) = answer.body.get("MessageReference").filter(|_| running) {
        return Ok(Told::Running(reference.clone()));
    }
    if !outcome.is_good() {
        return Ok(Told::Failed(answer));
    }
    let Some(Value::Object(repeated)) = answer.body.get("RepeatedMessageResponse") else {
        bail!("the terminal tells of a service without its answer");
    };
    let header = repeated.get("MessageHeader").unwrap_or(&Value::Null);
    let category = header["MessageCategory"].as_str().unwrap_or_default();
    let body = repeated.get(&format!("{category}Response")).unwrap_or(&Value::Null);
    Ok(Told::Ended { service: name_of(header), answer: answer.inner(body) })
}
