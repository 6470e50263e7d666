//! `tillgate pos abort`: stop the service that is under way, which another process may wait for.

use super::answer::Answer;
use super::status::{Told, ask_status, name_of};
use super::terminal::{Terminal, TerminalArguments};
use crate::cli::sale::say;
use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

/// A service that can be stopped ends at once.
const LOOKS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(super) struct AbortArguments {
    #[command(flatten)]
    terminal: TerminalArguments,
}

pub(super) async fn run(arguments: &AbortArguments) -> anyhow::Result<()> {
    let terminal = Terminal::find(&arguments.terminal).await?;
    let reference = match ask_status(&terminal, None).await? {
        Told::Running(reference) => reference,
        Told::Ended { .. } => bail!("nothing is under way at {}", terminal.poi_id),
        Told::Failed(answer) => return nothing_found(&terminal, &answer),
    };
    say(&format!("1. under way       {}", name_of(&reference)))?;
    let body = json!({ "MessageReference": reference, "AbortReason": "MerchantAbort" });
    terminal.send("Abort", &terminal.service_id(), &body).await?;
    say("2. abort           sent; it has no answer of its own")?;
    let Some(ended) = end_of(&terminal, &reference).await? else {
        say("3. result          it goes on")?;
        bail!("it cannot be stopped any more; its own answer tells its end");
    };
    say(&format!("3. result          {}", ended.line()))?;
    if ended.outcome().condition == "Aborted" {
        return Ok(());
    }
    let poi = &terminal.poi_id;
    bail!("the abort came too late; `tillgate pos reverse --terminal {poi}` takes a payment back")
}

fn nothing_found(terminal: &Terminal, answer: &Answer) -> anyhow::Result<()> {
    if answer.outcome().condition == "NotFound" {
        bail!("nothing is under way at {}", terminal.poi_id);
    }
    say(&format!("1. status          {}", answer.line()))?;
    answer.outcome().check(terminal)
}

/// What the service that was to be stopped answered, if it has ended.
async fn end_of(terminal: &Terminal, reference: &Value) -> anyhow::Result<Option<Answer>> {
    for _ in 0..LOOKS {
        if let Told::Ended { answer, .. } = ask_status(terminal, Some(reference)).await? {
            return Ok(Some(answer));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(None)
}
