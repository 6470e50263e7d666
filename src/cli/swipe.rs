//! `tillgate swipe`: a card at a virtual reader of a running sandbox.

use super::client::http_client;
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::io::Write;

/// How the card meets the reader.
#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum EntryModeArgument {
    Swipe,
    Insert,
    Tap,
    Fallback,
}

impl EntryModeArgument {
    /// Whether a chip says how its holder was recognised.
    pub(super) fn is_chip(self) -> bool {
        matches!(self, Self::Insert | Self::Tap)
    }
}

#[derive(Args, Clone, Serialize)]
pub(super) struct CardArguments {
    /// Amount in highest units, for example 10.42
    #[arg(long)]
    pub amount: String,
    /// ISO 4217 code
    #[arg(long, default_value = "RUB")]
    pub currency: String,
    /// Card number; the sandbox's test card when left out
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pan: Option<String>,
    /// Expiry as YYMM
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry: Option<String>,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cardholder: Option<String>,
    /// How the card meets the reader
    #[arg(long, value_enum, default_value = "swipe")]
    pub entry_mode: EntryModeArgument,
    /// The PIN that its holder enters; that of every test card is 1234
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

#[derive(Args)]
pub(super) struct SwipeArguments {
    /// Where the sandbox listens
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The reader's serial
    #[arg(long)]
    reader: String,
    #[command(flatten)]
    card: CardArguments,
}

/// What a virtual reader hands over.
#[derive(Deserialize, Serialize)]
pub(super) struct Swiped {
    pub encrypted_data: String,
    pub encrypted_type: String,
    pub ksn: String,
}

pub(super) async fn run(arguments: SwipeArguments) -> anyhow::Result<()> {
    let http = http_client()?;
    let swiped = hold_card(&http, &arguments.url, &arguments.reader, &arguments.card).await?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&swiped)?)?;
    Ok(())
}

/// Holds a card to a virtual reader of the sandbox at `base_url`.
pub(super) async fn hold_card(
    http: &reqwest::Client,
    base_url: &str,
    reader: &str,
    card: &CardArguments,
) -> anyhow::Result<Swiped> {
    ask_reader(http, base_url, reader, "swipe", card).await
}

/// Lets the chip in a virtual reader have the last word, after its issuer's response code and data.
pub(super) async fn complete_chip(
    http: &reqwest::Client,
    base_url: &str,
    reader: &str,
    card: &CardArguments,
    issuer: (&str, &str),
) -> anyhow::Result<Swiped> {
    let request = serde_json::json!({
        "amount": card.amount,
        "currency": card.currency,
        "auth_response_code": issuer.0,
        "emv_issuer_response": issuer.1,
    });
    ask_reader(http, base_url, reader, "complete", &request).await
}

async fn ask_reader(
    http: &reqwest::Client,
    base_url: &str,
    reader: &str,
    what: &str,
    request: &impl Serialize,
) -> anyhow::Result<Swiped> {
    let base_url = base_url.trim_end_matches('/');
    let url = format!("{base_url}/sandbox/readers/{reader}/{what}");
    let answer = http.post(&url).json(request).send().await;
    let answer = answer.with_context(|| {
        format!("{base_url} does not answer; is `tillgate dev` running, and on this port?")
    })?;
    let status = answer.status();
    let body = answer.text().await?;
    if !status.is_success() {
        bail!("the reader gave nothing: {status} {body}");
    }
    serde_json::from_str(&body).context("the sandbox's answer cannot be read")
}
