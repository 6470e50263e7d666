//! `tillgate explain`: what is wrong with what was sent, and what to change.

use super::client::http_client;
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

/// What the gateway found.
#[derive(Deserialize, Serialize)]
struct Found {
    finding: String,
    well: bool,
    says: String,
    wrong: String,
    change: String,
    facts: Vec<String>,
}

pub(super) async fn run(arguments: ExplainArguments) -> anyhow::Result<()> {
    let Command::Decrypt(decrypt) = &arguments.command;
    let data = read_data(&decrypt.data)?;
    let asked = Asked {
        reader: &decrypt.reader,
        encrypted_type: &decrypt.encrypted_type,
        encrypted_data: &data,
        amount: decrypt.amount.as_deref(),
        currency: &decrypt.currency,
    };
    let found = ask(&arguments, &asked).await?;
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

/// The line end at the end of a file is the editor's, not the app's.
fn read_data(named: &str) -> anyhow::Result<String> {
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

async fn ask(arguments: &ExplainArguments, asked: &Asked<'_>) -> anyhow::Result<Found> {
    let base = arguments.access.base();
    let request = http_client()?.post(format!("{base}/admin/explain/decrypt")).json(asked);
    let answer = arguments.access.send(request).await?;
    Ok(answer.json().await?)
}

fn told(found: &Found) -> String {
    let mut text = format!(
        "what it is   {}\nwhat is wrong   {} ({})\nwhat to change   {}\n",
        found.says, found.wrong, found.finding, found.change
    );
    for fact in &found.facts {
        text.push_str("  ");
        text.push_str(fact);
        text.push('\n');
    }
    text
}
