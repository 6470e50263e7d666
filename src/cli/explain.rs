//! `tillgate explain`: what is wrong with what was sent, and what to change.

use super::client::http_client;
use super::explain_control::{CallbackArguments, ControlArguments};
use super::operator_access::OperatorAccess;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

#[derive(Args)]
pub(super) struct ExplainArguments {
    #[command(flatten)]
    access: OperatorAccess,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say why a reader's message does not open; exits with 1 if anything is wrong
    Decrypt(DecryptArguments),
    /// Say why the control of a command does not agree; exits with 1 if anything is wrong
    Control(ControlArguments),
    /// Say why the control of a callback does not agree; exits with 1 if anything is wrong
    Callback(CallbackArguments),
}

#[derive(Args)]
struct DecryptArguments {
    /// The reader's serial
    #[arg(long)]
    reader: String,
    /// The `encrypted-type` that the app sends
    #[arg(long = "type")]
    encrypted_type: String,
    /// The `encrypted-data`: the text itself, @FILE, or - for standard input
    #[arg(long)]
    data: String,
    /// The sale's amount in highest units; the sim profile binds it
    #[arg(long)]
    amount: Option<String>,
    /// ISO 4217 code
    #[arg(long, default_value = "RUB")]
    currency: String,
}

#[derive(Serialize)]
struct Asked<'a> {
    reader: &'a str,
    encrypted_type: &'a str,
    encrypted_data: &'a str,
    amount: Option<&'a str>,
    currency: &'a str,
}

/// What was found.
#[derive(Deserialize, Serialize)]
pub(super) struct Found {
    pub(super) finding: String,
    pub(super) well: bool,
    pub(super) says: String,
    pub(super) wrong: String,
    pub(super) change: String,
    pub(super) facts: Vec<String>,
    /// The right control, for whoever brought the key; a gateway never tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) right_control: Option<String>,
}

pub(super) async fn run(arguments: ExplainArguments) -> anyhow::Result<()> {
    let access = &arguments.access;
    let found = match &arguments.command {
        Command::Decrypt(decrypt) => explain_decrypt(access, decrypt).await?,
        Command::Control(control) => control.explain(access).await?,
        Command::Callback(callback) => callback.explain(access).await?,
    };
    let text = match arguments.json {
        true => format!("{}\n", serde_json::to_string_pretty(&found)?),
        false => told(&found),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    match found.well {
        true => Ok(()),
        false => bail!("{}", found.finding),
    }
}

async fn explain_decrypt(
    access: &OperatorAccess,
    decrypt: &DecryptArguments,
) -> anyhow::Result<Found> {
    let data = read_data(&decrypt.data)?;
    let asked = Asked {
        reader: &decrypt.reader,
        encrypted_type: &decrypt.encrypted_type,
        encrypted_data: &data,
        amount: decrypt.amount.as_deref(),
        currency: &decrypt.currency,
    };
    ask(access, "decrypt", &asked).await
}

/// The text itself, a file's, or that of standard input. The line end at the end of a file is the
/// editor's, not the app's.
pub(super) fn read_data(named: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    match named.strip_prefix('@') {
        Some(path) => {
            text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        }
        None if named == "-" => {
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        }
        None => return Ok(named.to_owned()),
    }
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    Ok(text)
}

/// Asks the gateway what is wrong.
pub(super) async fn ask(
    access: &OperatorAccess,
    what: &str,
    asked: &impl Serialize,
) -> anyhow::Result<Found> {
    let base = access.base();
    let request = http_client()?.post(format!("{base}/admin/explain/{what}")).json(asked);
    let answer = access.send(request).await?;
    Ok(answer.json().await?)
}

fn told(found: &Found) -> String {
    let mut text = format!(
        "what it is   {}\nwhat is wrong   {} ({})\nwhat to change   {}\n",
        found.says, found.wrong, found.finding, found.change
    );
    let right = found.right_control.iter().map(|control| format!("the right control: {control}"));
    for fact in found.facts.iter().cloned().chain(right) {
        text.push_str("  ");
        text.push_str(&fact);
        text.push('\n');
    }
    text
}
