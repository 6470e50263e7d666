//! The same `client_orderid` twice at the same moment: the same request, or two different ones.

use crate::Told;
use crate::arguments::Length;
use crate::audit::Findings;
use crate::database::{Database, Engine, postgres_url};
use crate::folder::Folder;
use crate::ledger::{Ledger, Sold};
use crate::load::APPROVED;
use crate::merchant::{Answer, Fields, Merchant, VirtualReader};
use crate::stage::Stage;
use anyhow::{Context, ensure};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Two of them make a pair.
const CONNECTIONS: u32 = 32;
/// MAPI 10: another request has opened an order with this name.
const DUPLICATE: &str = "20";

pub async fn play(engine: Engine, length: Length) -> anyhow::Result<Told> {
    if engine == Engine::Postgres && postgres_url().is_none() {
        return Ok(Told::LeftOut("TEST_DATABASE_URL names no PostgreSQL"));
    }
    let pairs = length.count(500, 10_000);
    let folder = Folder::make()?;
    let database = Database::of(engine, &folder).await?;
    let mut stage = Stage::set(database, folder, 1, CONNECTIONS).await?;
    let mut tasks = JoinSet::new();
    let at_once = CONNECTIONS as usize / 2;
    for number in 0..at_once {
        let couple = Couple {
            merchant: Arc::clone(&stage.merchant),
            ledger: Arc::clone(&stage.ledger),
            first: stage.take_reader()?,
            second: stage.take_reader()?,
        };
        tasks.spawn(couple.play((number..pairs).step_by(at_once)));
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    ensure!(stage.ledger.count() == pairs, "{} orders of {pairs} pairs", stage.ledger.count());
    stage.settle().await?;
    let findings = Findings::of(&stage).await?;
    findings.hold()?;
    stage.clear().await?;
    Ok(Told::Held(format!("{pairs} pairs, {findings}")))
}

/// Two connections that always want the same name.
struct Couple {
    merchant: Arc<Merchant>,
    ledger: Arc<Ledger>,
    first: VirtualReader,
    second: VirtualReader,
}

impl Couple {
    async fn play(mut self, pairs: impl Iterator<Item = usize>) -> anyhow::Result<()> {
        for pair in pairs {
            let name = self.first.next_name();
            let order = match (pair / 2).is_multiple_of(2) {
                true => self.send_the_same(&name).await?,
                false => self.send_different_ones(&name).await?,
            };
            self.ledger.accepted(&name, Sold { order, amount: APPROVED });
        }
        Ok(())
    }

    /// The same request is one order, and both are told so.
    async fn send_the_same(&mut self, name: &str) -> anyhow::Result<i64> {
        let form = self.merchant.sale_form(&mut self.first, name, APPROVED)?;
        let (one, other) = self.send(&form, &form).await?;
        let order = one.accepted().with_context(|| format!("{one:?}"))?;
        ensure!(other.accepted() == Some(order), "{name}: {one:?}, but {other:?}");
        Ok(order)
    }

    /// Of two different ones the first counts, and the other hears which order it is.
    async fn send_different_ones(&mut self, name: &str) -> anyhow::Result<i64> {
        let form = self.merchant.sale_form(&mut self.first, name, APPROVED)?;
        let different = self.merchant.sale_form(&mut self.second, name, APPROVED)?;
        let (one, other) = self.send(&form, &different).await?;
        let (order, refused) = match (one.accepted(), other.accepted()) {
            (Some(order), None) => (order, other),
            (None, Some(order)) => (order, one),
            _ => anyhow::bail!("{name}: {one:?} and {other:?}"),
        };
        let existing = order.to_string();
        let told = refused.get("error-code") == Some(DUPLICATE)
            && refused.get("paynet-order-id") == Some(&existing);
        ensure!(told, "{name} is order {order}, but the other was told {refused:?}");
        Ok(order)
    }

    async fn send(&self, one: &Fields, other: &Fields) -> anyhow::Result<(Answer, Answer)> {
        let address = self.merchant.address(0).context("there is no gateway")?;
        tokio::try_join!(self.merchant.sell(address, one), self.merchant.sell(address, other))
    }
}
