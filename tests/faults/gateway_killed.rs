//! kill -9 of the gateway, at random moments, under load.

use crate::Told;
use crate::arguments::Length;
use crate::audit::Findings;
use crate::database::{Database, Engine, postgres_url};
use crate::folder::Folder;
use crate::stage::Stage;
use std::time::Duration;
use tillgate::clock::Entropy;

const MERCHANTS: u32 = 16;
/// A kill comes at some time within this after the first sales.
const UP_AT_MOST_MS: u64 = 400;

pub async fn play(engine: Engine, length: Length) -> anyhow::Result<Told> {
    if engine == Engine::Postgres && postgres_url().is_none() {
        return Ok(Told::LeftOut("TEST_DATABASE_URL names no PostgreSQL"));
    }
    let kills = length.count(10, 200);
    let folder = Folder::make()?;
    let database = Database::of(engine, &folder).await?;
    let mut stage = Stage::set(database, folder, 1, MERCHANTS).await?;
    let load = stage.start_load()?;
    for kill in 1..=kills {
        stage.more_sales(1).await?;
        tokio::time::sleep(some_time(UP_AT_MOST_MS)?).await;
        stage.kill_gateway(0).await?;
        stage.start_gateway().await?;
        if kill % 20 == 0 {
            println!("  {kill} kills, {} orders", stage.ledger.count());
        }
    }
    stage.more_sales(1).await?;
    load.stop().await;
    stage.settle().await?;
    let findings = Findings::of(&stage).await?;
    findings.hold()?;
    stage.clear().await?;
    Ok(Told::Held(format!("{kills} kills, {findings}")))
}

/// A random time, up to so many milliseconds.
fn some_time(most: u64) -> anyhow::Result<Duration> {
    let random = u64::from_le_bytes(Entropy::system()?.bytes());
    Ok(Duration::from_millis(random % most))
}
