//! `tillgate pos pay`: log in, pay, and show everything that the terminal shows.

use super::answer::Answer;
use super::cashier::{Cashier, Signature};
use super::receipt;
use super::reverse::{Original, take_back};
use super::service::carry_out;
use super::session::Session;
use super::terminal::TerminalArguments;
use crate::cli::sale::say;
use crate::payment::money::{Amount, Currency};
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::json;

#[derive(Args)]
pub(super) struct PayArguments {
    #[command(flatten)]
    terminal: TerminalArguments,
    /// In highest units, for example 149.50
    #[arg(long)]
    amount: String,
    /// One that the merchant takes: in the sandbox RUB, EUR, USD, SEK, MYR
    #[arg(long, default_value = "SEK")]
    currency: String,
    /// What kind of payment it is
    #[arg(long = "type", value_enum, default_value = "normal")]
    kind: PaymentType,
    /// The reservation that a completion takes
    #[arg(long, value_name = "ID", required_if_eq("kind", "completion"))]
    transaction: Option<String>,
    /// What to say of a signature, instead of asking at the keyboard
    #[arg(long, value_enum)]
    signature: Option<Signature>,
    /// Do not listen: nothing is shown, and a signature is asked for on the receipt
    #[arg(long)]
    light: bool,
    /// Show the receipts, too
    #[arg(long)]
    receipt: bool,
}

/// The kinds of payments that terminals take here.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PaymentType {
    /// A sale
    Normal,
    /// Money for the card holder, without an earlier payment
    Refund,
    /// Hold the amount
    FirstReservation,
    /// Take what is held, or a part of it
    Completion,
}

impl PaymentType {
    /// As the protocol spells it.
    fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Refund => "Refund",
            Self::FirstReservation => "FirstReservation",
            Self::Completion => "Completion",
        }
    }
}

pub(super) async fn run(arguments: PayArguments) -> anyhow::Result<()> {
    let currency = Currency::from_alpha(&arguments.currency);
    let currency = currency.context("--currency: use a code such as SEK")?;
    let amount = Amount::parse(&arguments.amount, currency).context("--amount")?;
    let PayArguments { light, receipt, .. } = arguments;
    let cashier = Cashier::new(arguments.signature);
    let session = Session::open(&arguments.terminal, cashier, light, receipt).await?;
    let terminal = &session.terminal;

    let service_id = terminal.service_id();
    let kind = arguments.kind.name();
    say(&format!("2. payment         {kind} {amount} {}, service {service_id}", currency.alpha()))?;
    let mut body = json!({
        "SaleData": { "SaleTransactionID": {
            "TransactionID": format!("pos-{service_id}"), "TimeStamp": terminal.timestamp(),
        }},
        "PaymentTransaction": { "AmountsReq": {
            "Currency": currency.alpha(), "RequestedAmount": amount.to_string(),
        }},
        "PaymentData": { "PaymentType": kind },
    });
    if let Some(transaction) = &arguments.transaction {
        body["PaymentTransaction"]["OriginalPOITransaction"] = json!({ "POITransactionID": {
            "TransactionID": transaction, "TimeStamp": terminal.timestamp(),
        }});
    }
    let answer = carry_out(terminal, "Payment", &service_id, &body).await?;
    session.until_idle().await;
    say(&format!("3. result          {}", answer.line()))?;
    if receipt {
        receipt::print_all(&answer.body)?;
    }
    answer.outcome().check(terminal)?;
    check_signature(&session, &answer).await
}

/// In the light style the receipt asks for the signature, and the point of sale takes a payment
/// back whose signature is not right.
async fn check_signature(session: &Session, answer: &Answer) -> anyhow::Result<()> {
    let Session { terminal, cashier, .. } = session;
    if cashier.was_asked() || !receipt::wants_signature(&answer.body) {
        return Ok(());
    }
    if cashier.confirms("Is the signature on the receipt OK?").await? {
        return Ok(());
    }
    let id = answer.text("/POIData/POITransactionID/TransactionID");
    let original = Original { transaction: id.map(str::to_owned), amount: None };
    let service_id = terminal.service_id();
    say(&format!("4. reversal        service {service_id}"))?;
    let reversed = take_back(terminal, &service_id, &original).await?;
    say(&format!("5. result          {}", reversed.line()))?;
    reversed.outcome().check(terminal)?;
    bail!("the signature was not right, and the payment is taken back")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_names_what_it_completes() {
        #[derive(clap::Parser)]
        struct Command {
            #[command(flatten)]
            pay: PayArguments,
        }
        let read = |more: &[&str]| {
            let words = ["pay", "--terminal", "SIM-XML-1", "--amount", "1", "--type", "completion"];
            <Command as clap::Parser>::try_parse_from([&words, more].concat())
        };
        assert!(read(&[]).is_err());
        let completion = read(&["--transaction", "4120010001"]).unwrap();
        assert_eq!(completion.pay.transaction.as_deref(), Some("4120010001"));
    }
}
