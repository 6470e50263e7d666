//! `tillgate sale`: what a mobile app does, step by step: read a card, sign and send the sale,
//! ask for the status until it is final.

use super::client::{MerchantArguments, MerchantClient, Pairs};
use super::swipe::{CardArguments, EntryModeArgument, Given, Swiped, complete_chip, hold_card};
use crate::payment::chip::needs_signature;
use anyhow::{Context, bail};
use clap::Args;
use std::io::Write;
use std::time::Duration;

/// MAPI 3.4: shipped clients ask every second, and give up after two minutes.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
const POLLS_MAX: usize = 120;
/// The first questions come faster, since the sandbox answers in milliseconds.
const FIRST_POLL: Duration = Duration::from_millis(100);

/// The stage at which the chip is asked.
const VALIDATING: &str = "sale_emv_validating";

#[derive(Args)]
pub(super) struct SaleArguments {
    #[command(flatten)]
    merchant: MerchantArguments,
    /// The serial of the virtual reader
    #[arg(long)]
    reader: String,
    /// The merchant's name for the order; a fresh one when left out
    #[arg(long)]
    order: Option<String>,
    /// Where the callback goes
    #[arg(long)]
    callback_url: Option<String>,
    /// Hold the amount instead of charging it
    #[arg(long)]
    preauth: bool,
    /// Amount in highest units, for example 10.42
    #[arg(long)]
    amount: String,
    #[command(flatten)]
    card: CardArguments,
}

pub(super) async fn run(arguments: SaleArguments) -> anyhow::Result<()> {
    let merchant = arguments.merchant.client().await?;
    let client_orderid =
        arguments.order.clone().unwrap_or_else(|| format!("cli-{}", merchant.entropy.uuid()));
    let (reader, amount) = (arguments.reader.as_str(), arguments.amount.as_str());
    let swiped = read_card(&merchant, reader, amount, &arguments.card).await?;

    let mut form = vec![
        ("currency", arguments.card.currency.as_str()),
        ("client_orderid", client_orderid.as_str()),
        ("amount", amount),
        ("encrypted-data", swiped.encrypted_data.as_str()),
        ("encrypted-type", swiped.encrypted_type.as_str()),
        ("phone-id", "00000000-0000-0000-0000-000000000001"),
        ("order_desc", "sale from the command line"),
        ("email", "cli@example.com"),
        ("address1", "no-address"),
        ("ipaddress", "127.0.0.1"),
        ("zip_code", "123000"),
        ("city", "Moscow"),
        ("country", "RU"),
    ];
    if let Some(url) = &arguments.callback_url {
        form.push(("server_callback_url", url));
    }
    let command = if arguments.preauth { "/mapi/v1/preauth" } else { "/mapi/v1/sale" };
    let accepted = merchant.post_signed(command, &form).await?;
    let Some(order) = accepted.get("paynet-order-id").filter(|_| is_accepted(&accepted)) else {
        bail!("the sale was refused: {}", reason(&accepted));
    };
    say(&format!("2. sale accepted   order {order}, your name for it {client_orderid}"))?;

    let mut answer = poll(&merchant, &client_orderid, order).await?;
    if answer.get("order-stage").is_some_and(|stage| stage == VALIDATING) {
        let paid = (amount, arguments.card.currency.as_str());
        complete(&merchant, reader, paid, order, &answer).await?;
        answer = poll(&merchant, &client_orderid, order).await?;
    }
    let status = answer.get("status").map_or("?", String::as_str);
    let stage = answer.get("order-stage").map_or("?", String::as_str);
    say(&format!("3. final status    {status} ({stage}){}", details(&answer)))?;
    let cvm = answer.get("emv-cvm-9f34").map(String::as_str);
    let inserted = arguments.card.entry_mode.is_some_and(EntryModeArgument::is_chip);
    if status == "approved" && inserted && needs_signature(cvm) {
        say("   receipt         the card holder signs")?;
    }
    Ok(())
}

/// The card meets the reader. A reader that gives nothing ends the sale before it begins.
async fn read_card(
    merchant: &MerchantClient,
    reader: &str,
    amount: &str,
    card: &CardArguments,
) -> anyhow::Result<Swiped> {
    match hold_card(&merchant.http, &merchant.base_url, reader, amount, card).await? {
        Given::Message(swiped) => {
            say(&format!("1. card read       reader {reader}, KSN {}", swiped.ksn))?;
            if let Some(event) = &swiped.event {
                say(&format!("   reader event    {event}"))?;
            }
            Ok(swiped)
        }
        Given::Nothing { event } => bail!("the reader gave an event and no message: {event}"),
    }
}

/// The chip hears its issuer, and what it says to that goes to the gateway.
async fn complete(
    merchant: &MerchantClient,
    reader: &str,
    paid: (&str, &str),
    order: &str,
    answer: &Pairs,
) -> anyhow::Result<()> {
    let get = |name| answer.get(name).map(String::as_str).unwrap_or_default();
    let issuer = (get("auth-response-code"), get("emv-issuer-response"));
    let completed = complete_chip(&merchant.http, &merchant.base_url, reader, paid, issuer).await?;
    let form = [
        ("orderid", order),
        ("client_orderid", "dummy"),
        ("login", merchant.login.as_str()),
        ("encrypted-type", completed.encrypted_type.as_str()),
        ("encrypted-data", completed.encrypted_data.as_str()),
    ];
    let advised = merchant.post_signed("/mapi/v1/emv-advice", &form).await?;
    if !is_accepted(&advised) {
        bail!("the chip's last word was refused: {}", reason(&advised));
    }
    say(&format!("   chip            the issuer said {}, the chip's answer is sent", issuer.0))
}

pub(super) async fn poll(
    merchant: &MerchantClient,
    client_orderid: &str,
    order: &str,
) -> anyhow::Result<Pairs> {
    let mut told_waiting = false;
    for poll in 0..POLLS_MAX {
        tokio::time::sleep(if poll == 0 { FIRST_POLL } else { POLL_INTERVAL }).await;
        let answer = merchant.status(client_orderid, order).await?;
        let status = answer.get("status").context("the answer to status has no status")?;
        let validating = answer.get("order-stage").is_some_and(|stage| stage == VALIDATING);
        if validating || !matches!(status.as_str(), "processing" | "unknown") {
            return Ok(answer);
        }
        if !told_waiting {
            say(&format!("   waiting         {status}"))?;
            told_waiting = true;
        }
    }
    bail!("the order is not final after two minutes; ask for its status later")
}

pub(super) fn is_accepted(answer: &Pairs) -> bool {
    answer.get("type").is_some_and(|kind| kind == "async-response")
}

pub(super) fn reason(answer: &Pairs) -> String {
    let get = |name| answer.get(name).map_or("?", String::as_str);
    format!("{} {}", get("error-code"), get("error-message"))
}

pub(super) fn details(answer: &Pairs) -> String {
    match (answer.get("approval-code"), answer.get("processor-rrn")) {
        (Some(code), Some(rrn)) => format!(", approval code {code}, RRN {rrn}"),
        _ => format!(", {}", reason(answer)),
    }
}

pub(super) fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}
