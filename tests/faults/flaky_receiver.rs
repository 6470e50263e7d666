//! A receiver that fails every third callback, and a gateway that is killed meanwhile: each event
//! arrives in the end, and few arrive twice.

use crate::Told;
use crate::arguments::Length;
use crate::audit::Findings;
use crate::database::{Database, Engine, postgres_url};
use crate::folder::Folder;
use crate::stage::Stage;
use anyhow::ensure;
use tillgate::payment::HOUR;

const MERCHANTS: u32 = 16;
/// Of a hundred callbacks.
const FAILS: usize = 30;
/// Of a hundred events, at most so many arrive more than once.
const REPEATED_MAX: usize = 1;

pub async fn play(engine: Engine, length: Length) -> anyhow::Result<Told> {
    if engine == Engine::Postgres && postgres_url().is_none() {
        return Ok(Told::LeftOut("TEST_DATABASE_URL names no PostgreSQL"));
    }
    // A kill repeats up to as many callbacks as are under way, so that few events bear few kills.
    let (events, kills) = (length.count(4_000, 100_000), length.count(2, 20));
    let folder = Folder::make()?;
    let database = Database::of(engine, &folder).await?;
    let mut stage = Stage::set(database, folder, 1, MERCHANTS).await?;
    stage.receiver.fail(FAILS);
    let load = stage.start_load()?;
    for kill in 1..=kills {
        stage.more_sales(events / kills).await?;
        stage.kill_gateway(0).await?;
        stage.start_gateway().await?;
        println!("  {kill} kills, {} orders", stage.ledger.count());
    }
    load.stop().await;
    stage.settle_by(HOUR).await?;
    let findings = Findings::of(&stage).await?;
    findings.hold()?;
    let (sold, repeated) = (stage.ledger.count(), findings.repeated_callbacks());
    ensure!(
        repeated * 100 <= sold * REPEATED_MAX,
        "{repeated} of {sold} events arrived more than once"
    );
    let failed = stage.receiver.failed();
    ensure!(failed > sold / 5, "the receiver has failed {failed} times only");
    stage.clear().await?;
    Ok(Told::Held(format!("{kills} kills, {failed} callbacks refused, {findings}")))
}
