//! Whether the rates hold when the table of orders has grown: two gateways, one on a young table
//! and one on a full one, in turns.

use super::driver::Driver;
use super::engine::Engine;
use super::gateway::Role;
use super::ledger::{STORED_BEFORE, STORED_FACTOR, STORED_MODULUS, STORED_PREFIX};
use super::measured::Measured;
use super::registry::Fleet;
use super::side::{Side, WARM_UP};
use crate::clock::Entropy;
use std::time::Duration;

const YOUNG_ORDERS: i64 = 10_000;
/// How many orders one statement stores.
const CHUNK: i64 = 100_000;

/// One round of measurements.
#[derive(Clone, Copy, Default)]
pub(super) struct GrowthRound {
    pub young_accept: Measured,
    pub grown_accept: Measured,
    pub young_status: Measured,
    pub grown_status: Measured,
}

/// Stores `orders` in one of two tables and measures both in turns.
pub(super) async fn measure_growth(
    engine: &Engine,
    orders: i64,
    (connections, rounds, time): (usize, u32, Duration),
    entropy: &Entropy,
) -> anyhow::Result<Vec<GrowthRound>> {
    let mut young = start(engine, "young", YOUNG_ORDERS, connections, entropy).await?;
    let mut grown = start(engine, "grown", orders, connections, entropy).await?;
    let mut measured = Vec::new();
    for number in 1..=rounds {
        eprint!("{}: growth, round {number} of {rounds}:", engine.name);
        let round = GrowthRound {
            young_accept: young.accept(time).await?,
            grown_accept: grown.accept(time).await?,
            young_status: young.status(time).await?,
            grown_status: grown.status(time).await?,
        };
        eprintln!(
            " accept {:.0}/s and {:.0}/s, status {:.0}/s and {:.0}/s",
            round.young_accept.rps,
            round.grown_accept.rps,
            round.young_status.rps,
            round.grown_status.rps
        );
        measured.push(round);
    }
    young.stop().await?;
    grown.stop().await?;
    Ok(measured)
}

/// A gateway on a table with this many orders; they are copies of one that it took itself.
async fn start(
    engine: &Engine,
    name: &'static str,
    orders: i64,
    connections: usize,
    entropy: &Entropy,
) -> anyhow::Result<Side> {
    let database = engine.database(name);
    let mut side = Side::start(database, Role::Accept, Fleet::sim(connections), entropy).await?;
    side.sell(WARM_UP).await?;
    let mut driver = engine.driver(name).await?;
    let columns = driver.columns_of("orders").await?;
    let mut stored = 0;
    while stored < orders {
        let until = (stored + CHUNK).min(orders);
        driver.run(copies(&columns, stored + 1, until)).await?;
        stored = until;
        eprint!("\r{}: {stored} of {orders} orders stored", engine.name);
        // A stop is heard between two statements.
        tokio::task::yield_now().await;
    }
    eprintln!();
    settle(&mut driver, orders).await?;
    side.ledger.stored(orders);
    Ok(side)
}

/// New orders come after the stored ones, and the table is in order.
async fn settle(driver: &mut Driver, orders: i64) -> anyhow::Result<()> {
    let next = STORED_BEFORE + orders + 1;
    driver.run(format!("UPDATE counters SET next_value = {next} WHERE name = 'order'")).await?;
    driver.run(driver.settle_statement().to_owned()).await
}

/// One statement, the same text for both engines: copies of the first order, final, under names
/// and ids of their own.
fn copies(columns: &[String], from: i64, until: i64) -> String {
    let values = columns.iter().map(|column| match column.as_str() {
        "id" => format!("{STORED_BEFORE} + n.i"),
        "client_orderid" => {
            format!("'{STORED_PREFIX}' || ((n.i * {STORED_FACTOR}) % {STORED_MODULUS})")
        }
        "status" | "stage" => "'approved'".to_owned(),
        "card_sealed" => "NULL".to_owned(),
        other => format!("o.{other}"),
    });
    format!(
        "WITH RECURSIVE n (i) AS (\
             SELECT CAST({from} AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {until}) \
         INSERT INTO orders ({}) SELECT {} FROM n, \
             (SELECT * FROM orders ORDER BY id LIMIT 1) AS o",
        columns.join(", "),
        values.collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_differ_in_name_and_id_only_and_hold_no_card() {
        let columns = ["id", "client_orderid", "card", "card_sealed"].map(str::to_owned);
        let statement = copies(&columns, 1, 5);
        assert!(statement.contains("SELECT 1000000 + n.i, 'stored-' || "), "{statement}");
        assert!(statement.contains("% 4294967296), o.card, NULL FROM n"), "{statement}");
        assert!(statement.contains("WHERE i < 5)"), "{statement}");
    }
}
