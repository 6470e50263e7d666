//! More work than can be queued, while the database stands still.

use crate::Told;
use crate::arguments::Length;
use crate::audit::Findings;
use crate::database::Database;
use crate::folder::Folder;
use crate::ledger::Sold;
use crate::load::APPROVED;
use crate::merchant::{Answer, VirtualReader};
use crate::stage::Stage;
use anyhow::{Context, bail, ensure};
use sqlx::{AnyConnection, Connection, Executor};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const READERS: u32 = 256;
/// More than all queues of the gateway hold.
const SALES_MAX: usize = 12_000;
/// A message that comes after a later one of the same reader.
const COUNTER_REPLAYED: &str = "25";

pub async fn play(length: Length) -> anyhow::Result<Told> {
    let rounds = length.count(1, 5);
    let folder = Folder::make()?;
    let database = Database::sqlite_in(folder.path());
    let mut stage = Stage::set(database, folder, 1, READERS).await?;
    let mut readers = (0..READERS).map(|_| stage.take_reader()).collect::<Result<Vec<_>, _>>()?;
    let (mut put_off, mut refused) = (0, 0);
    for _ in 0..rounds {
        let answers = flood(&stage, &mut readers).await?;
        for (name, answer) in answers {
            match answer.accepted() {
                Some(order) => stage.ledger.accepted(&name, Sold { order, amount: APPROVED }),
                None if answer.says_later() => put_off += 1,
                // Sales of one reader that overtook each other on their way.
                None if answer.get("error-code") == Some(COUNTER_REPLAYED) => refused += 1,
                None => bail!("{name} was answered with {answer:?}"),
            }
        }
    }
    ensure!(put_off > 0, "{SALES_MAX} sales at once were not too many");
    stage.settle().await?;
    let findings = Findings::of(&stage).await?;
    findings.hold()?;
    stage.clear().await?;
    Ok(Told::Held(format!("{put_off} put off, {refused} overtaken, {findings}")))
}

/// Sends sales until the gateway says that it is too much, then lets the database go on.
async fn flood(
    stage: &Stage,
    readers: &mut [VirtualReader],
) -> anyhow::Result<Vec<(String, Answer)>> {
    let address = stage.merchant.address(0).context("there is no gateway")?;
    let mut rival = AnyConnection::connect(&stage.database.address).await?;
    rival.execute("BEGIN IMMEDIATE").await?;
    let mut tasks = JoinSet::new();
    let (too_much, mut heard) = mpsc::channel(1);
    let readers_in_turn = (0..readers.len()).cycle().take(SALES_MAX);
    for place in readers_in_turn {
        let reader = &mut readers[place];
        let name = reader.next_name();
        let form = stage.merchant.sale_form(reader, &name, APPROVED)?;
        let (merchant, too_much) = (Arc::clone(&stage.merchant), too_much.clone());
        tasks.spawn(async move {
            let answer = merchant.sell(address, &form).await?;
            if answer.says_later() {
                let _ = too_much.try_send(());
            }
            anyhow::Ok((name, answer))
        });
        // Lets the requests of before go out before the reader's next one.
        tokio::task::yield_now().await;
        if heard.try_recv().is_ok() {
            break;
        }
    }
    rival.execute("ROLLBACK").await?;
    rival.close().await?;
    let mut answers = Vec::with_capacity(tasks.len());
    while let Some(ended) = tasks.join_next().await {
        answers.push(ended??);
    }
    Ok(answers)
}
