//! The disk runs full and has room again. Without room new work is put off and status is still
//! told; with room everything goes on by itself.

use crate::Told;
use crate::arguments::Length;
use crate::audit::Findings;
use crate::database::{Database, Engine, run};
use crate::folder::Folder;
use crate::postgres::Server;
use crate::small_disk::SmallDisk;
use crate::stage::Stage;
use anyhow::{Context, ensure};
use std::time::{Duration, Instant};

const MERCHANTS: u32 = 8;
const SALES: usize = 100;
/// How long the room that the database still has inside its files may last.
const FULL_TIMEOUT: Duration = Duration::from_mins(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// So many sales are put off before we believe that the disk is full.
const PUT_OFF: usize = 20;
/// More than any block of serial numbers that was reserved while there was room.
const QUESTIONS: usize = 4_500;

pub async fn play(engine: Engine, length: Length) -> anyhow::Result<Told> {
    let Some(disk) = SmallDisk::mount()? else {
        return Ok(Told::LeftOut("a small file system cannot be mounted here"));
    };
    match engine {
        Engine::Sqlite => {
            let database = Database::sqlite_in(disk.path());
            let stage = Stage::set(database, Folder::make()?, 1, MERCHANTS).await?;
            fill_and_free(stage, &disk, length).await
        }
        Engine::Postgres => {
            let Some(programs) = Server::programs() else {
                return Ok(Told::LeftOut("the programs of PostgreSQL are not found"));
            };
            let server = Server::start_new(programs).await?;
            server.give(disk.path())?;
            let place = disk.path().display();
            run(&server.url(), &format!("CREATE TABLESPACE small LOCATION '{place}'")).await?;
            run(&server.url(), "CREATE DATABASE small TABLESPACE small").await?;
            let database = Database::postgres(&server.url_of("small")).await?;
            let stage = Stage::set(database, Folder::make()?, 1, MERCHANTS).await?;
            fill_and_free(stage, &disk, length).await
        }
    }
}

async fn fill_and_free(mut stage: Stage, disk: &SmallDisk, length: Length) -> anyhow::Result<Told> {
    let times = length.count(1, 10);
    let load = stage.start_load()?;
    let mut told = 0;
    for time in 1..=times {
        stage.more_sales(SALES).await?;
        let began = Instant::now();
        disk.fill()?;
        let full = wait_until_full(&stage).await;
        let status = match full {
            Ok(()) => ask_for_status(&stage).await,
            Err(error) => Err(error),
        };
        disk.free()?;
        told += status?;
        stage.outages.push((began, Instant::now()));
        println!("  {time} times full, {} orders", stage.ledger.count());
    }
    stage.more_sales(SALES).await?;
    load.stop().await;
    stage.settle().await?;
    let findings = Findings::of(&stage).await?;
    findings.hold()?;
    let later = stage.ledger.later();
    stage.clear().await?;
    let figures = format!("{times} times full, {later} put off, {told} status answers, {findings}");
    Ok(Told::Held(figures))
}

async fn wait_until_full(stage: &Stage) -> anyhow::Result<()> {
    let (goal, began) = (stage.ledger.later() + PUT_OFF, Instant::now());
    while stage.ledger.later() < goal {
        stage.ledger.check()?;
        ensure!(began.elapsed() < FULL_TIMEOUT, "a full disk stops nobody");
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

async fn ask_for_status(stage: &Stage) -> anyhow::Result<usize> {
    let address = stage.merchant.address(0).context("there is no gateway")?;
    let sold = stage.ledger.sold();
    for (name, sold) in sold.iter().cycle().take(QUESTIONS) {
        let answer = stage.merchant.status(address, name, sold.order).await?;
        let told = answer.status == 200 && answer.get("status").is_some();
        ensure!(told, "on a full disk status was answered with {answer:?}");
    }
    Ok(QUESTIONS)
}
