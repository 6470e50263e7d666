//! A service that moves money, to its end: a busy terminal is asked again, and an answer that gets
//! lost is asked for.

use super::answer::Answer;
use super::status::{Told, ask_status, reference_to};
use super::terminal::{Lost, Terminal};
use crate::cli::sale::say;
use anyhow::{Context, bail};
use serde_json::Value;
use std::time::Duration;

/// Terminals are busy with themselves for about three seconds behind a payment.
const BUSY_TRIES: usize = 5;
const PAUSE: Duration = Duration::from_secs(1);
/// A service takes three minutes at most.
const STATUS_TRIES: usize = 180;
/// How often a service may be unknown before it is taken for one that never began.
const UNSEEN_MAX: usize = 3;

/// Sends it and answers what became of it.
pub(super) async fn carry_out(
    terminal: &Terminal,
    category: &str,
    service_id: &str,
    body: &Value,
) -> anyhow::Result<Answer> {
    for attempt in 1.. {
        let answer = match terminal.send(category, service_id, body).await {
            Err(error) if error.is::<Lost>() => {
                return after_loss(terminal, category, service_id).await;
            }
            answer => {
                answer?.with_context(|| format!("the terminal has no answer to {category}"))?
            }
        };
        if answer.outcome().condition != "Busy" || attempt == BUSY_TRIES {
            return Ok(answer);
        }
        if attempt == 1 {
            say("   busy            asked again every second")?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("the terminal is busy")
}

/// The service goes on without us, and its status tells its end.
async fn after_loss(
    terminal: &Terminal,
    category: &str,
    service_id: &str,
) -> anyhow::Result<Answer> {
    say("   answer lost     its status is asked for")?;
    let reference = reference_to(terminal, category, service_id);
    let mut unseen = 0;
    for _ in 0..STATUS_TRIES {
        match ask_status(terminal, Some(&reference)).await {
            Ok(Told::Ended { answer, .. }) => return Ok(answer),
            Ok(Told::Failed(answer)) => match answer.outcome() {
                // Our request may still be on its way.
                outcome if outcome.condition == "NotFound" && unseen < UNSEEN_MAX => unseen += 1,
                outcome if outcome.condition == "NotFound" => {
                    bail!("the terminal never began it: nothing was taken; try again")
                }
                outcome if outcome.condition == "Busy" => {}
                outcome => outcome.check(terminal)?,
            },
            // It has no end yet, or the gateway cannot be reached for now.
            Ok(Told::Running(_)) | Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!(
        "what became of it is not known yet; ask later: `tillgate pos status --terminal {} \
         --service {service_id}`",
        terminal.poi_id
    )
}
