//! `tillgate close-day`: ends the business day of an end point's gate.

use super::client::MerchantArguments;
use super::sale::{reason, say};
use crate::clock::Entropy;
use anyhow::bail;
use clap::Args;
use std::time::Duration;

/// How often, and how many times, an unfinished close is asked for.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
const POLLS_MAX: usize = 360;

#[derive(Args)]
pub(super) struct CloseDayArguments {
    #[command(flatten)]
    merchant: MerchantArguments,
    /// Your name for this close: 8 to 32 letters and digits; a fresh one when left out
    #[arg(long)]
    request_id: Option<String>,
}

pub(super) async fn run(arguments: CloseDayArguments) -> anyhow::Result<()> {
    let merchant = arguments.merchant.client().await?;
    let fresh = || Entropy::system().map(|entropy| entropy.uuid().replace('-', ""));
    let request_id = match arguments.request_id {
        Some(given) => given,
        None => fresh()?,
    };
    let form = [("day_close_request_id", request_id.as_str())];
    for poll in 0..POLLS_MAX {
        let answer = merchant.post_signed("/api/v2/close-day", &form).await?;
        let get = |name: &str| answer.get(name).map_or("?", String::as_str);
        match answer.get("status").map(String::as_str) {
            None => bail!("the day was not closed: {}", reason(&answer)),
            Some("processing") if poll == 0 => say("   waiting         for orders in flight")?,
            Some("processing") => {}
            Some(status) => {
                return say(&format!(
                    "day closed         {status}; sales: {}, {}; reversals: {}, {}; code {}, batch {}",
                    get("saleApprovedCount"),
                    get("saleAmount"),
                    get("reversalApprovedCount"),
                    get("reversalAmount"),
                    get("code39"),
                    get("RRN").trim_start_matches('0'),
                ));
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    bail!("the day is still closing; ask again with --request-id {request_id}")
}
