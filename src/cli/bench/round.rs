//! One round: everything that is measured in turns, so that each ratio is taken within minutes.

use super::batch::batch_rps;
use super::deliveries::{Deliveries, measure_deliveries};
use super::driver::Driver;
use super::engine::{Database, Engine};
use super::gateway::Role;
use super::lone::Lone;
use super::measured::Measured;
use super::memory::{Memory, measure_memory};
use super::registry::{Encryption, Fleet};
use super::side::Side;
use crate::clock::Entropy;
use std::time::Duration;

/// All that one round measures.
#[derive(Clone, Copy, Default)]
pub(super) struct Round {
    pub bare: Measured,
    pub accept: Measured,
    /// The same from readers with DUKPT.
    pub accept_tdes: Measured,
    pub accept_aes: Measured,
    pub e2e: Measured,
    pub status: Measured,
    /// Status at a quarter of its full rate.
    pub status_alone: Measured,
    /// The same, with sales at half of their full rate.
    pub status_with_sales: Measured,
    pub naive: Measured,
    pub lone: Lone,
    pub batch_rps: f64,
    pub commits_per_second: Option<f64>,
    pub deliveries: Deliveries,
    /// From the last accepted sale to the last callback.
    pub drain: Duration,
    /// The full gateway, at the end of the round.
    pub resident_mib: f64,
}

/// The gateways that all rounds share.
pub(super) struct Field {
    /// Only accepts.
    quiet: Side,
    /// Does it all.
    busy: Side,
    /// Does it all, with a transaction for each change.
    naive: Side,
    /// Only accept, from readers with DUKPT.
    tdes: Side,
    aes: Side,
    batch: Database,
    driver: Driver,
}

impl Field {
    /// Starts the gateways.
    pub(super) async fn start(
        engine: &Engine,
        connections: usize,
        entropy: &Entropy,
    ) -> anyhow::Result<Self> {
        let fleet = Fleet::sim(connections);
        let start = |name, role| Side::start(engine.database(name), role, fleet, entropy);
        let with = |name, encryption| {
            let fleet = Fleet { encryption, ..fleet };
            Side::start(engine.database(name), Role::Accept, fleet, entropy)
        };
        Ok(Self {
            quiet: start("quiet", Role::Accept).await?,
            busy: start("busy", Role::Full).await?,
            naive: start("naive", Role::Naive).await?,
            tdes: with("tdes", Encryption::Tdes).await?,
            aes: with("aes", Encryption::Aes).await?,
            batch: engine.database("batch"),
            driver: engine.driver("batch").await?,
        })
    }

    /// Before the first round: the memory of a gateway that has not done anything yet.
    pub(super) async fn memory(&mut self, time: Duration) -> anyhow::Result<Memory> {
        measure_memory(&mut self.busy, time).await
    }

    /// Measures everything, each for `time`.
    pub(super) async fn round(&mut self, time: Duration) -> anyhow::Result<Round> {
        let Self { quiet, busy, naive, tdes, aes, batch, driver } = self;
        let bare = quiet.bare(time).await?;
        eprint!(" bare {:.0}/s", bare.rps);
        let accept = quiet.accept(time).await?;
        eprint!(", accept {:.0}/s", accept.rps);
        let accept_tdes = tdes.accept(time).await?;
        let accept_aes = aes.accept(time).await?;
        eprint!(", TDES DUKPT {:.0}/s, AES {:.0}/s", accept_tdes.rps, accept_aes.rps);
        let e2e = busy.end_to_end(time).await?;
        eprint!(", end to end {:.0}/s", e2e.measured.rps);
        let resident_mib = busy.resident_mib()?;
        let deliveries = measure_deliveries(busy, time).await?;
        eprint!(
            ", deliveries {:.0}/s, a bare client {:.0}/s",
            deliveries.rps, deliveries.client_rps
        );
        let status = busy.status(time).await?;
        eprint!(", status {:.0}/s", status.rps);
        let (asked, sold) = (status.rps / 4.0, e2e.measured.rps / 2.0);
        let status_alone = busy.status_at(asked, time).await?;
        let status_with_sales = busy.status_with_sales(asked, sold, time).await?;
        eprint!(
            ", its p99 {:.0} us, with sales {:.0} us",
            status_alone.p99_us, status_with_sales.p99_us
        );
        let lone = busy.lone(driver, time).await?;
        eprint!(", a lone sale {:.0} us, a commit {:.0} us", lone.accept, lone.commit);
        let naive = naive.end_to_end(time).await?.measured;
        eprint!(", naive {:.0}/s", naive.rps);
        let batch_rps = batch_rps(batch, time).await?;
        eprintln!(", batch {batch_rps:.0}/s");
        Ok(Round {
            bare,
            accept,
            accept_tdes,
            accept_aes,
            e2e: e2e.measured,
            status,
            status_alone,
            status_with_sales,
            naive,
            lone,
            deliveries,
            batch_rps,
            commits_per_second: e2e.commits_per_second,
            drain: e2e.drain,
            resident_mib,
        })
    }

    /// Stops the gateways.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.quiet.stop().await?;
        self.busy.stop().await?;
        self.naive.stop().await?;
        self.tdes.stop().await?;
        self.aes.stop().await
    }
}
