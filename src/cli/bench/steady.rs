//! Measurements at a constant rate: what a client sees while the gateway is busy with others.

use super::load::Load;
use super::measured::Measured;
use super::pace::{drive_at, share};
use super::players::Player;
use super::process::Cpu;
use super::side::{Side, WARM_UP};
use anyhow::Context;
use std::net::SocketAddr;
use std::time::Duration;

impl Side {
    /// Status questions at a rate, with nothing else going on.
    pub(super) async fn status_at(&self, rate: f64, time: Duration) -> anyhow::Result<Measured> {
        let warm = apart(self.address(), self.askers(), rate, WARM_UP).await?;
        let load = apart(self.address(), warm.players, rate, time).await?;
        Ok(measured(&load))
    }

    /// Status questions at a rate while sales come at another.
    pub(super) async fn status_with_sales(
        &mut self,
        rate: f64,
        sales_rate: f64,
        time: Duration,
    ) -> anyhow::Result<Measured> {
        let (address, askers) = (self.address(), self.askers());
        let sales_time = time + 2 * WARM_UP;
        self.prepare_at(sales_rate, sales_time)?;
        let sellers = std::mem::take(&mut self.sellers);
        let sales = drive_at(address, sellers, sales_rate, sales_time);
        let questions = async {
            tokio::time::sleep(WARM_UP).await;
            apart(address, askers, rate, time).await
        };
        let (sales, questions) = tokio::try_join!(sales, questions)?;
        self.sellers = sales.players;
        self.drain().await?;
        Ok(measured(&questions))
    }

    /// Sales at a rate, and the gateway's memory at the end of it in MiB.
    pub(super) async fn memory_at(&mut self, rate: f64, time: Duration) -> anyhow::Result<f64> {
        self.sell_at(rate, time).await?;
        let resident = self.resident_mib()?;
        self.drain().await?;
        Ok(resident)
    }

    /// Sales at a rate until they are accepted.
    async fn sell_at(&mut self, rate: f64, time: Duration) -> anyhow::Result<()> {
        self.prepare_at(rate, time)?;
        let sellers = std::mem::take(&mut self.sellers);
        self.sellers = drive_at(self.address(), sellers, rate, time).await?.players;
        Ok(())
    }

    fn prepare_at(&mut self, rate: f64, time: Duration) -> anyhow::Result<()> {
        let each = share(rate, time, self.sellers.len());
        self.sellers.iter_mut().try_for_each(|seller| seller.prepare(each))
    }
}

/// Drives the players on a thread of their own: sales and callbacks must not keep them waiting,
/// since that would be the load's fault and not the gateway's.
async fn apart<P: Player>(
    address: SocketAddr,
    players: Vec<P>,
    rate: f64,
    time: Duration,
) -> anyhow::Result<Load<P>> {
    let drive = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(drive_at(address, players, rate, time))
    };
    tokio::task::spawn_blocking(drive).await.context("the load failed")?
}

fn measured<P>(load: &Load<P>) -> Measured {
    Measured::of(load.ended - load.began, &load.latencies, Cpu::default())
}
