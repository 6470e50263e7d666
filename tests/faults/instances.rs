//! Several gateways on one PostgreSQL, one of them killed under load and never started again.

use crate::Told;
use crate::arguments::Length;
use crate::audit::Findings;
use crate::database::{Database, Engine, postgres_url};
use crate::folder::Folder;
use crate::stage::Stage;

const MERCHANTS: u32 = 18;

pub async fn play(gateways: usize, length: Length) -> anyhow::Result<Told> {
    if postgres_url().is_none() {
        return Ok(Told::LeftOut("TEST_DATABASE_URL names no PostgreSQL"));
    }
    let sales = length.count(200, 5000);
    let folder = Folder::make()?;
    let database = Database::of(Engine::Postgres, &folder).await?;
    let mut stage = Stage::set(database, folder, gateways, MERCHANTS).await?;
    let load = stage.start_load()?;
    stage.more_sales(sales).await?;
    stage.kill_gateway(0).await?;
    stage.more_sales(sales).await?;
    load.stop().await;
    stage.settle().await?;
    // The reckoning asks the survivors in turn, whoever took the order.
    let findings = Findings::of(&stage).await?;
    findings.hold()?;
    stage.clear().await?;
    Ok(Told::Held(format!("{gateways} instances, one killed, {findings}")))
}
