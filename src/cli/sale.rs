//! `tillgate sale`: what a mobile app does, step by step: read a card, sign and send the sale,
//! ask for the status until it is final.

use super::client::{MerchantClient, Pairs, http_client};
use super::clock::clock_of_sandbox;
use super::swipe::{CardArguments, hold_card};
use crate::clock::Entropy;
use anyhow::{Context, bail};
use clap::Args;
use std::io::Write;
use std::time::Duration;

/// MAPI 3.4: shipped clients ask every second, and give up after two minutes.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
const POLLS_MAX: usize = 120;
/// The first questions come faster, since the sandbox answers in milliseconds.
const FIRST_POLL: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(super) struct SaleArguments {
    /// Where the sandbox listens
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The end point's id
    #[arg(long)]
    endpoint: String,
    /// The merchant's login
    #[arg(long)]
    login: String,
    /// The merchant's control key
    #[arg(long, env = "TILLGATE_CONTROL_KEY", hide_env_values = true)]
    control_key: String,
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
    #[command(flatten)]
    card: CardArguments,
}

pub(super) async fn run(arguments: SaleArguments) -> anyhow::Result<()> {
    let entropy = Entropy::system()?;
    let client_orderid =
        arguments.order.clone().unwrap_or_else(|| format!("cli-{}", entropy.uuid()));
    let http = http_client()?;
    let merchant = MerchantClient {
        // The time stamp of a signature must be near the time of the one who checks it.
        clock: clock_of_sandbox(&http, &arguments.url).await,
        http,
        base_url: arguments.url.clone(),
        endpoint: arguments.endpoint.clone(),
        login: arguments.login.clone(),
        control_key: arguments.control_key.clone(),
        entropy,
    };
    let swiped =
        hold_card(&merchant.http, &arguments.url, &arguments.reader, &arguments.card).await?;
    say(&format!("1. card read       reader {}, KSN {}", arguments.reader, swiped.ksn))?;

    let mut form = vec![
        ("currency", arguments.card.currency.as_str()),
        ("client_orderid", client_orderid.as_str()),
        ("amount", arguments.card.amount.as_str()),
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

    let answer = poll(&merchant, &client_orderid, order).await?;
    let status = answer.get("status").map_or("?", String::as_str);
    let stage = answer.get("order-stage").map_or("?", String::as_str);
    say(&format!("3. final status    {status} ({stage}){}", details(&answer)))?;
    Ok(())
}

async fn poll(
    merchant: &MerchantClient,
    client_orderid: &str,
    order: &str,
) -> anyhow::Result<Pairs> {
    let mut told_waiting = false;
    for poll in 0..POLLS_MAX {
        tokio::time::sleep(if poll == 0 { FIRST_POLL } else { POLL_INTERVAL }).await;
        let answer = merchant.status(client_orderid, order).await?;
        let status = answer.get("status").context("the answer to status has no status")?;
        if !matches!(status.as_str(), "processing" | "unknown") {
            return Ok(answer);
        }
        if !told_waiting {
            say(&format!("   waiting         {status}"))?;
            told_waiting = true;
        }
    }
    bail!("the order is not final after two minutes; ask for its status later")
}

fn is_accepted(answer: &Pairs) -> bool {
    answer.get("type").is_some_and(|kind| kind == "async-response")
}

fn reason(answer: &Pairs) -> String {
    let get = |name| answer.get(name).map_or("?", String::as_str);
    format!("{} {}", get("error-code"), get("error-message"))
}

fn details(answer: &Pairs) -> String {
    match (answer.get("approval-code"), answer.get("processor-rrn")) {
        (Some(code), Some(rrn)) => format!(", approval code {code}, RRN {rrn}"),
        _ => format!(", {}", reason(answer)),
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}
