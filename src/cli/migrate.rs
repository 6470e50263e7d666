//! `tillgate migrate`: tables up to date, for operators who do it before a new version starts.

use crate::store::{Location, Store};
use anyhow::Context;
use clap::Args;

#[derive(Args)]
pub(super) struct MigrateArguments {
    /// The database: `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`
    #[arg(long, env = "TILLGATE_DATABASE", default_value = "sqlite:tillgate.db")]
    db: String,
}

pub(super) async fn run(arguments: MigrateArguments) -> anyhow::Result<()> {
    let location = Location::parse(&arguments.db)
        .context("--db: use sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME")?;
    let store = Store::open(&location).await?;
    store.close().await;
    eprintln!("the tables are up to date");
    Ok(())
}
