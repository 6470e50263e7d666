//! `tillgate serve`: the gateway for real use, configured by a file and the environment.

use super::StopSignal;
use crate::app::{App, Start};
use crate::clock::{Clock, Entropy};
use crate::settings::Settings;
use crate::telemetry;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct ServeArguments {
    /// A settings file (TOML); see src/settings.toml for every option
    #[arg(long)]
    settings: Option<PathBuf>,
    /// The database, `sqlite:PATH` or `postgres://...`; outranks file and environment
    #[arg(long)]
    db: Option<String>,
}

pub(super) async fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    let settings = Settings::load(arguments.settings.as_deref(), arguments.db.as_deref())?;
    telemetry::start_logs(&settings.log)?;
    let mut stop = StopSignal::listen()?;
    if settings.sandbox {
        tracing::warn!("the sandbox plays the acquirer: no money moves");
    } else {
        tracing::warn!("no acquirer is connected: every order will be declined (907)");
    }
    tracing::warn!("keys are kept in software: this is neither a PCI PIN nor a P2PE environment");
    let start = Start {
        clock: Clock::system(),
        entropy: Entropy::system()?,
        workers: true,
        sandbox_login: None,
        acquirer: None,
    };
    let app = App::start(settings, start).await?;
    tracing::info!(address = %app.address(), "ready");
    stop.received().await;
    tracing::info!("stopping: finishing what is under way");
    app.stop().await;
    Ok(())
}
