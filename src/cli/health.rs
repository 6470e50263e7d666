//! `tillgate health`: for container health checks, where there is no other HTTP client.

use super::client::http_client;
use anyhow::{Context, bail};
use clap::Args;

#[derive(Args)]
pub(super) struct HealthArguments {
    /// Where the gateway listens
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
}

pub(super) async fn run(arguments: HealthArguments) -> anyhow::Result<()> {
    let url = format!("{}/health/ready", arguments.url.trim_end_matches('/'));
    let answer = http_client()?.get(&url).send().await;
    let status = answer.with_context(|| format!("{url} does not answer"))?.status();
    if !status.is_success() {
        bail!("{url} answered {status}");
    }
    eprintln!("ready");
    Ok(())
}
