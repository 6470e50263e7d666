//! One sale at a time, the next when the callback of the last has come: nobody to share a commit
//! with, nobody to wait for. After each, one durable commit of a single row, which such a sale
//! cannot undercut; in turns, because a disk has its moods.

use super::driver::Driver;
use super::ledger::micros;
use super::measured::percentile;
use super::players::Player;
use super::side::Side;
use super::wire::Wire;
use anyhow::Context;
use std::time::{Duration, Instant};

/// How long a callback may take when nothing else is going on.
const CALLBACK_MAX: Duration = Duration::from_secs(30);
const CREATE: &str = "\
    CREATE TABLE IF NOT EXISTS bench_commits (id BIGINT NOT NULL, content TEXT NOT NULL)";
const INSERT: &str = "INSERT INTO bench_commits (id, content) VALUES ($1, $2)";
/// About as much as an order says.
const CONTENT_LENGTH: usize = 800;

/// What lone sales came to, in medians.
#[derive(Clone, Copy, Default)]
pub(super) struct Lone {
    /// Until the sale was accepted, in microseconds.
    pub accept: f64,
    /// Until its callback came.
    pub end_to_end: f64,
    /// Until a single row was durable, by the engine's plain driver.
    pub commit: f64,
}

impl Side {
    /// Lone sales for `time`, on one connection, in turns with commits on another database.
    pub(super) async fn lone(
        &mut self,
        driver: &mut Driver,
        time: Duration,
    ) -> anyhow::Result<Lone> {
        driver.run(CREATE.to_owned()).await?;
        let content = "x".repeat(CONTENT_LENGTH);
        let mut wire = Wire::connect(self.address()).await?;
        let (mut accepts, mut commits) = (Vec::new(), Vec::new());
        self.drain().await?;
        let began = Instant::now();
        while began.elapsed() < time {
            accepts.push(self.lone_sale(&mut wire).await?);
            let one = Instant::now();
            driver.insert(INSERT, 1, &content).await?;
            commits.push(micros(one.elapsed()));
        }
        let whole = self.drain().await?.latencies;
        Ok(Lone { accept: median(accepts), end_to_end: median(whole), commit: median(commits) })
    }

    /// One sale and its callback; the microseconds until it was accepted.
    async fn lone_sale(&mut self, wire: &mut Wire) -> anyhow::Result<u32> {
        let seller = self.sellers.first_mut().context("nobody sells")?;
        seller.prepare(1)?;
        let sent = Instant::now();
        let answer = wire.ask(seller.request(sent)?).await?;
        let took = micros(sent.elapsed());
        seller.answered(&answer)?;
        let settled = tokio::time::timeout(CALLBACK_MAX, self.ledger.settled()).await;
        settled.context("a lone sale waits for its callback in vain")??;
        Ok(took)
    }
}

fn median(mut micros: Vec<u32>) -> f64 {
    micros.sort_unstable();
    percentile(&micros, 50)
}
