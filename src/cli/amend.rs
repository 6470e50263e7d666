//! `tillgate capture`, `return` and `void`: what comes after a sale or a hold, as a merchant's back
//! end asks for it.

use super::client::{MerchantArguments, Pairs};
use super::sale::{details, is_accepted, poll, reason, say};
use crate::payment::money::{Amount, Currency};
use anyhow::{Context, bail};
use clap::Args;

#[derive(Args)]
pub(super) struct AmendArguments {
    #[command(flatten)]
    merchant: MerchantArguments,
    /// Your name for the order
    #[arg(long)]
    order: String,
    /// The gateway's id of the order (`paynet-order-id`); asked for when left out
    #[arg(long)]
    id: Option<String>,
    /// In highest units, for example 5.00; all that is left when left out
    #[arg(long, requires = "currency")]
    amount: Option<String>,
    /// The order's currency
    #[arg(long)]
    currency: Option<String>,
}

/// Sends the command and waits for its end.
pub(super) async fn run(command: &str, arguments: AmendArguments) -> anyhow::Result<()> {
    let amount = amount_of(&arguments)?;
    let merchant = arguments.merchant.client().await?;
    let name = &arguments.order;
    let order = if let Some(id) = &arguments.id {
        id.clone()
    } else {
        let known = merchant.status(name, "").await?;
        let id = known.get("paynet-order-id");
        id.with_context(|| format!("no order {name}: {}", reason(&known)))?.clone()
    };
    let accepted = merchant.amend(command, name, &order, amount).await?;
    if !is_accepted(&accepted) {
        bail!("the {command} was refused: {}", reason(&accepted));
    }
    say(&format!("1. {command:<15} order {order}, your name for it {name}"))?;
    let answer = poll(&merchant, name, &order).await?;
    let get = |name: &str| answer.get(name).map_or("?", String::as_str).to_owned();
    let (status, stage, amount) = (get("status"), get("order-stage"), get("amount"));
    say(&format!("2. final status    {status} ({stage}), {amount}{}", told(&answer)))?;
    Ok(())
}

fn amount_of(arguments: &AmendArguments) -> anyhow::Result<Option<Amount>> {
    let Some(amount) = &arguments.amount else {
        return Ok(None);
    };
    let currency = arguments.currency.as_deref().and_then(Currency::from_alpha);
    let currency = currency.context("--currency: use a code such as RUB")?;
    Ok(Some(Amount::parse(amount, currency).context("--amount")?))
}

/// What else there is to say: a cancel and a void have no number of their own.
fn told(answer: &Pairs) -> String {
    match answer.get("status").map(String::as_str) {
        Some("approved") if !answer.contains_key("processor-rrn") => String::new(),
        _ => details(answer),
    }
}
