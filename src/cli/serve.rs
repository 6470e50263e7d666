//! `tillgate serve`: the gateway for real use, configured by a file and the environment.

use super::{StopSignal, forbid_core_dumps};
use crate::app::{App, Start};
use crate::clock::{Clock, Entropy};
use crate::gateway::Resealed;
use crate::settings::Settings;
use crate::telemetry;
use clap::Args;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

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
    let mut hangup = signal(SignalKind::hangup())?;
    forbid_core_dumps();
    if settings.sandbox {
        tracing::warn!("the sandbox plays the acquirer: no money moves");
    } else {
        tracing::warn!("no acquirer is connected: every order will be declined (907)");
    }
    tracing::warn!("keys are kept in software: this is neither a PCI PIN nor a P2PE environment");
    if !settings.test_cards_only {
        tracing::warn!("real cards are taken, by the operator's word");
    }
    let start = Start {
        clock: Clock::system(),
        entropy: Entropy::system()?,
        workers: true,
        sandbox_login: None,
        acquirer: None,
        key_store: None,
    };
    let app = App::start(settings, start).await?;
    tracing::info!(address = %app.address(), "ready");
    reseal(&app).await;
    loop {
        tokio::select! {
            () = stop.received() => break,
            _ = hangup.recv() => take_master_keys(&app, &arguments).await,
        }
    }
    tracing::info!("stopping: finishing what is under way");
    app.stop().await;
    Ok(())
}

/// SIGHUP: the file of the master keys may have another first line.
async fn take_master_keys(app: &App, arguments: &ServeArguments) {
    match Settings::load(arguments.settings.as_deref(), arguments.db.as_deref()) {
        Ok(settings) => match app.gateway().take_master_keys(&settings.master_keys).await {
            Ok(()) => {
                tracing::info!(keys = ?settings.master_keys, "the master keys were read again");
                reseal(app).await;
            }
            Err(failure) => tracing::error!(%failure, "the master keys stay as they are"),
        },
        Err(error) => tracing::error!(%error, "the master keys stay as they are"),
    }
}

async fn reseal(app: &App) {
    match app.gateway().reseal().await {
        Ok(Resealed { resealed: 0, unreadable: 0 }) => {
            tracing::info!("everything is sealed under the present master key");
        }
        Ok(Resealed { resealed, unreadable: 0 }) => {
            tracing::info!(resealed, "everything is sealed anew under the present master key");
        }
        Ok(Resealed { resealed, unreadable }) => tracing::error!(
            resealed,
            unreadable,
            "some keys were sealed under a master key that is missing; add it below the others"
        ),
        Err(failure) => tracing::warn!(%failure, "not everything is sealed anew; repeat SIGHUP"),
    }
}
