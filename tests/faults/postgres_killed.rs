//! kill -9 of PostgreSQL under load. The gateway is never restarted.

use crate::Told;
use crate::arguments::Length;
use crate::audit::Findings;
use crate::database::Database;
use crate::folder::Folder;
use crate::ledger::Sold;
use crate::load::{APPROVED, insist};
use crate::merchant::{Fields, VirtualReader};
use crate::postgres::Server;
use crate::stage::Stage;
use anyhow::{Context, ensure};
use std::time::{Duration, Instant};

const MERCHANTS: u32 = 16;
const SALES_BETWEEN: usize = 60;
/// While the database is away the gateway says so within this.
const ANSWER_MAX: Duration = Duration::from_secs(1);
const ASKED_EACH_TIME: usize = 4;

pub async fn play(length: Length) -> anyhow::Result<Told> {
    let Some(programs) = Server::programs() else {
        return Ok(Told::LeftOut("the programs of PostgreSQL are not found"));
    };
    let kills = length.count(3, 20);
    let mut server = Server::start_new(programs).await?;
    let database = Database::postgres(&server.url()).await?;
    let mut stage = Stage::set(database, Folder::make()?, 1, MERCHANTS + 1).await?;
    let mut reader = stage.take_reader()?;
    let load = stage.start_load()?;
    let mut slowest = Duration::ZERO;
    for kill in 1..=kills {
        stage.more_sales(SALES_BETWEEN).await?;
        let began = Instant::now();
        server.kill().await?;
        let asked = ask_in_vain(&stage, &mut reader).await;
        server.start().await?;
        stage.outages.push((began, Instant::now()));
        let Asked { put_off, slowest: of_these } = asked?;
        slowest = slowest.max(of_these);
        for (name, form) in put_off {
            let order = insist(&stage.merchant, &stage.ledger, &form, 0).await?;
            stage.ledger.accepted(&name, Sold { order, amount: APPROVED });
        }
        println!("  {kill} kills, {} orders", stage.ledger.count());
    }
    stage.more_sales(SALES_BETWEEN).await?;
    load.stop().await;
    stage.settle().await?;
    let findings = Findings::of(&stage).await?;
    findings.hold()?;
    let later = stage.ledger.later();
    let figures = format!("{kills} kills, {later} put off, slowest {slowest:?}, {findings}");
    ensure!(slowest <= ANSWER_MAX, "an answer took longer than {ANSWER_MAX:?}: {figures}");
    stage.clear().await?;
    Ok(Told::Held(figures))
}

/// What was asked while there was no database.
struct Asked {
    /// Sales to be sent again, with the merchant's names for them.
    put_off: Vec<(String, Fields)>,
    slowest: Duration,
}

/// Sells and asks for a status while there is no database.
async fn ask_in_vain(stage: &Stage, reader: &mut VirtualReader) -> anyhow::Result<Asked> {
    let address = stage.merchant.address(0).context("there is no gateway")?;
    let (known, sold) = stage.ledger.sold().pop_first().context("nothing was sold")?;
    let mut asked = Asked { put_off: Vec::new(), slowest: Duration::ZERO };
    for _ in 0..ASKED_EACH_TIME {
        let name = reader.next_name();
        let form = stage.merchant.sale_form(reader, &name, APPROVED)?;
        let sale = stage.merchant.sell(address, &form).await?;
        let status = stage.merchant.status(address, &known, sold.order).await?;
        for answer in [sale, status] {
            ensure!(answer.says_later(), "without a database the answer was {answer:?}");
            asked.slowest = asked.slowest.max(answer.took);
        }
        asked.put_off.push((name, form));
    }
    Ok(asked)
}
