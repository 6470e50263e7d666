//! More work than can be queued, while the database stands still.

use crate::Told;
use crate::arguments::Length;
use crate::audit::Findings;
use crate::database::{Database, Engine};
use crate::folder::Folder;
use crate::ledger::Sold;
use crate::load::{APPROVED, sell};
use crate::merchant::{Answer, VirtualReader};
use crate::postgres::Server;
use crate::stage::Stage;
use anyhow::{Context, bail, ensure};
use sqlx::{AnyConnection, Connection, Executor};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const READERS: u32 = 256;
/// More than all queues of the gateway hold.
const SALES_MAX: usize = 12_000;
/// Each reader's messages go out one after the other, as far as that can be seen to from here.
const BETWEEN_WAVES: Duration = Duration::from_millis(100);
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// A message that comes after a later one of the same reader.
const COUNTER_REPLAYED: &str = "25";

pub async fn play(engine: Engine, length: Length) -> anyhow::Result<Told> {
    let folder = Folder::make()?;
    match engine {
        Engine::Sqlite => {
            let database = Database::sqlite_in(folder.path());
            let stage = Stage::set(database, folder, 1, READERS).await?;
            let address = stage.database.address.clone();
            overwhelm(stage, Standstill::Locked(address), length).await
        }
        Engine::Postgres => {
            let Some(programs) = Server::programs() else {
                return Ok(Told::LeftOut("the programs of PostgreSQL are not found"));
            };
            let server = Server::start_new(programs).await?;
            let database = Database::postgres(&server.url()).await?;
            let stage = Stage::set(database, folder, 1, READERS).await?;
            overwhelm(stage, Standstill::Frozen(Box::new(server)), length).await
        }
    }
}

/// How the database is made to stand still.
enum Standstill {
    /// Somebody else holds SQLite's write lock.
    Locked(String),
    /// PostgreSQL's processes are stopped in their tracks.
    Frozen(Box<Server>),
}

impl Standstill {
    async fn begin(&self) -> anyhow::Result<Option<AnyConnection>> {
        match self {
            Self::Locked(address) => {
                let mut rival = AnyConnection::connect(address).await?;
                // The gateway may be busy with what an earlier round has left.
                rival.execute("PRAGMA busy_timeout = 30000").await?;
                rival.execute("BEGIN IMMEDIATE").await?;
                Ok(Some(rival))
            }
            Self::Frozen(server) => server.freeze().await.map(|()| None),
        }
    }

    async fn end(&self, rival: Option<AnyConnection>) -> anyhow::Result<()> {
        if let Some(mut rival) = rival {
            rival.execute("ROLLBACK").await?;
            rival.close().await?;
        }
        match self {
            Self::Locked(_) => Ok(()),
            Self::Frozen(server) => server.thaw().await,
        }
    }
}

async fn overwhelm(
    mut stage: Stage,
    standstill: Standstill,
    length: Length,
) -> anyhow::Result<Told> {
    let rounds = length.count(1, 5);
    let mut readers = (0..READERS).map(|_| stage.take_reader()).collect::<Result<Vec<_>, _>>()?;
    // Sales before the standstill, so that caches and blocks of numbers are as in daily work.
    for reader in &mut readers {
        sell(&stage.merchant, &stage.ledger, reader, 0, APPROVED).await?;
    }
    let (mut put_off, mut refused) = (0, 0);
    for _ in 0..rounds {
        let answers = flood(&stage, &standstill, &mut readers).await?;
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
    ensure!(stage.ledger.count() > readers.len(), "no sale outlived the standstill");
    stage.settle().await?;
    let findings = Findings::of(&stage).await?;
    findings.hold()?;
    stage.clear().await?;
    Ok(Told::Held(format!("{put_off} put off, {refused} overtaken, {findings}")))
}

/// Sends sales until the gateway says that it is too much, then lets the database go on.
async fn flood(
    stage: &Stage,
    standstill: &Standstill,
    readers: &mut [VirtualReader],
) -> anyhow::Result<Vec<(String, Answer)>> {
    let address = stage.merchant.address(0).context("there is no gateway")?;
    let rival = standstill.begin().await?;
    let mut tasks = JoinSet::new();
    let (too_much, mut heard) = mpsc::channel(1);
    for wave in 1..=SALES_MAX / readers.len() {
        for reader in readers.iter_mut() {
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
        }
        // The last wave waits for the answer that all of them were sent for.
        let last = wave == SALES_MAX / readers.len();
        let patience = if last { ANSWER_TIMEOUT } else { BETWEEN_WAVES };
        if tokio::time::timeout(patience, heard.recv()).await.is_ok() {
            break;
        }
    }
    standstill.end(rival).await?;
    let mut answers = Vec::with_capacity(tasks.len());
    while let Some(ended) = tasks.join_next().await {
        answers.push(ended??);
    }
    Ok(answers)
}
