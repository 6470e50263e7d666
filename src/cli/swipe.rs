//! `tillgate swipe`: a card at a virtual reader of a running sandbox.

use super::client::http_client;
use crate::sandbox::reader::script::{Outcome, SCRIPTS};
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Write;

/// How the card meets the reader.
#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum EntryModeArgument {
    Swipe,
    Insert,
    Tap,
    Fallback,
    Scan,
}

impl EntryModeArgument {
    /// Whether a chip says how its holder was recognised.
    pub(super) fn is_chip(self) -> bool {
        matches!(self, Self::Insert | Self::Tap)
    }
}

#[derive(Args, Clone, Serialize)]
pub(super) struct CardArguments {
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
    /// How the card meets the reader: swiped when left out, or as the script wants it
    #[arg(long, value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_mode: Option<EntryModeArgument>,
    /// What the reader does, by name; `tillgate swipe --scripts` lists the names
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// The PIN that its holder enters; that of every test card is 1234
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
}

/// A card and the amount for which it is held to the reader.
#[derive(Serialize)]
struct Held<'a> {
    amount: &'a str,
    #[serde(flatten)]
    card: &'a CardArguments,
}

#[derive(Args)]
pub(super) struct SwipeArguments {
    /// Where the sandbox listens
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// List what readers can be told to do, and do nothing else
    #[arg(long)]
    scripts: bool,
    /// The reader's serial
    #[arg(long, required_unless_present = "scripts")]
    reader: Option<String>,
    /// Amount in highest units, for example 10.42
    #[arg(long, required_unless_present = "scripts")]
    amount: Option<String>,
    #[command(flatten)]
    card: CardArguments,
}

/// What a virtual reader hands over.
#[derive(Deserialize, Serialize)]
pub(super) struct Swiped {
    pub encrypted_data: String,
    pub encrypted_type: String,
    pub ksn: String,
    /// What it tells the app beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Told>,
}

/// What a virtual reader tells the app.
#[derive(Deserialize, Serialize)]
pub(super) struct Told {
    pub name: String,
    pub code: u32,
    pub message: String,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {}", self.code, self.name, self.message)
    }
}

/// An answer of the sandbox: a message, or an event instead.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Given {
    Message(Swiped),
    Nothing { event: Told },
}

pub(super) async fn run(arguments: SwipeArguments) -> anyhow::Result<()> {
    if arguments.scripts {
        return list_scripts();
    }
    let http = http_client()?;
    let SwipeArguments { url, reader, amount, card, .. } = arguments;
    let (reader, amount) = (reader.unwrap_or_default(), amount.unwrap_or_default());
    let given = hold_card(&http, &url, &reader, &amount, &card).await?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&given)?)?;
    Ok(())
}

/// One line a script: name, what comes of it, which readers, the sentence.
fn list_scripts() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for script in SCRIPTS {
        let outcome = match script.outcome {
            Outcome::Accepted => "accepted".to_owned(),
            Outcome::Refused(code) => format!("error {code}"),
            Outcome::Event => "event".to_owned(),
        };
        let readers: Vec<_> = script.models.iter().map(|model| model.name()).collect();
        let (name, readers, says) = (script.name, readers.join(","), script.says);
        writeln!(out, "{name:26} {outcome:9} {readers:32} {says}")?;
    }
    Ok(())
}

/// Holds a card to a virtual reader of the sandbox at `base_url`.
pub(super) async fn hold_card(
    http: &reqwest::Client,
    base_url: &str,
    reader: &str,
    amount: &str,
    card: &CardArguments,
) -> anyhow::Result<Given> {
    ask_reader(http, base_url, reader, "swipe", &Held { amount, card }).await
}

/// Lets the chip in a virtual reader have the last word, after its issuer's response code and data.
pub(super) async fn complete_chip(
    http: &reqwest::Client,
    base_url: &str,
    reader: &str,
    (amount, currency): (&str, &str),
    issuer: (&str, &str),
) -> anyhow::Result<Swiped> {
    let request = serde_json::json!({
        "amount": amount,
        "currency": currency,
        "auth_response_code": issuer.0,
        "emv_issuer_response": issuer.1,
    });
    ask_reader(http, base_url, reader, "complete", &request).await
}

async fn ask_reader<A: DeserializeOwned>(
    http: &reqwest::Client,
    base_url: &str,
    reader: &str,
    what: &str,
    request: &impl Serialize,
) -> anyhow::Result<A> {
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
