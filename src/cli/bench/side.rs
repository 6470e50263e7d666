//! One gateway with the clients that play against it, and the four things that are measured.

use super::child::GatewayProcess;
use super::figures::{Measured, float};
use super::fixtures::{MobileApp, VirtualReader};
use super::ledger::{Arrivals, Ledger};
use super::load::{Load, drive};
use super::players::{BarePlayer, Player, SalePlayer, StatusPlayer};
use super::process::{cpu_micros, resident_kib};
use super::receiver::Receiver;
use crate::clock::Entropy;
use anyhow::bail;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Load before each measurement that is not counted: it fills caches and pools.
const WARM_UP: Duration = Duration::from_millis(500);
/// How many sales at most are signed in advance, all connections together: 200 MB of them.
const PREPARED_MAX: usize = 100_000;
/// How long the last callbacks may take after the last sale was accepted.
const DRAIN_MAX: Duration = Duration::from_mins(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A running gateway and its clients.
pub(super) struct Side {
    process: GatewayProcess,
    app: Arc<MobileApp>,
    ledger: Arc<Ledger>,
    sellers: Vec<SalePlayer>,
    _receiver: Receiver,
}

impl Side {
    /// Starts a gateway on an empty database; with workers it also authorises and calls back.
    pub(super) async fn start(
        db: &str,
        connections: usize,
        workers: bool,
        entropy: &Entropy,
    ) -> anyhow::Result<Self> {
        let process = GatewayProcess::start(db, connections, workers).await?;
        let ledger = Arc::new(Ledger::default());
        let receiver = Receiver::start(Arc::clone(&ledger)).await?;
        let app = Arc::new(MobileApp::new(&process.line, receiver.url(), entropy));
        let sellers = process.line.readers.iter().map(|reader| {
            Ok::<_, anyhow::Error>(SalePlayer::new(&app, VirtualReader::new(reader)?, &ledger))
        });
        let sellers = sellers.collect::<Result<_, _>>()?;
        Ok(Self { process, app, ledger, sellers, _receiver: receiver })
    }

    /// The form, read and answered with next to nothing.
    pub(super) async fn bare(&self, time: Duration) -> anyhow::Result<Measured> {
        let player = |reader| BarePlayer::new(&self.app, &mut VirtualReader::new(reader)?);
        let players = self.process.line.readers.iter().map(player).collect::<Result<_, _>>()?;
        self.light(players, time).await
    }

    /// Status of orders that are there, nothing else going on.
    pub(super) async fn status(&self, time: Duration) -> anyhow::Result<Measured> {
        let player = |_| StatusPlayer::new(&self.app, &self.ledger);
        self.light(self.process.line.readers.iter().map(player).collect(), time).await
    }

    async fn light<P: Player>(&self, players: Vec<P>, time: Duration) -> anyhow::Result<Measured> {
        let warm = self.drive(players, WARM_UP).await?;
        let before = self.cpu()?;
        let load = self.drive(warm.players, time).await?;
        Ok(Measured::of(load.ended - load.began, &load.latencies, self.cpu()? - before))
    }

    /// Sales until they are accepted.
    pub(super) async fn accept(&mut self, time: Duration) -> anyhow::Result<Measured> {
        self.prepare(time).await?;
        let before = self.cpu()?;
        let load = self.sell(time).await?;
        Ok(Measured::of(load.ended - load.began, &load.latencies, self.cpu()? - before))
    }

    /// Sales until their callbacks have come, and how long the last one took after the last sale.
    pub(super) async fn end_to_end(
        &mut self,
        time: Duration,
    ) -> anyhow::Result<(Measured, Duration)> {
        self.prepare(time).await?;
        self.drain().await?;
        let before = self.cpu()?;
        let load = self.sell(time).await?;
        let Arrivals { mut latencies, last } = self.drain().await?;
        let cpu = self.cpu()? - before;
        if latencies.len() != load.latencies.len() {
            bail!("{} sales, but {} callbacks", load.latencies.len(), latencies.len());
        }
        latencies.sort_unstable();
        let ended = last.unwrap_or(load.ended).max(load.ended);
        Ok((Measured::of(ended - load.began, &latencies, cpu), ended - load.ended))
    }

    /// Warms up, learns from it how many sales the measurement will take, and signs them.
    async fn prepare(&mut self, time: Duration) -> anyhow::Result<()> {
        let warm = self.sell(WARM_UP).await?;
        let rate = Measured::of(warm.ended - warm.began, &warm.latencies, 0).rps;
        let wanted = rate * time.as_secs_f64() * 1.5;
        let each = (0..PREPARED_MAX / self.sellers.len())
            .take_while(|count| float(count * self.sellers.len()) < wanted)
            .count();
        self.sellers.iter_mut().try_for_each(|seller| seller.prepare(each))
    }

    async fn sell(&mut self, time: Duration) -> anyhow::Result<Load<SalePlayer>> {
        let sellers = std::mem::take(&mut self.sellers);
        let mut load = self.drive(sellers, time).await?;
        self.sellers = std::mem::take(&mut load.players);
        Ok(load)
    }

    /// Waits until no callback is owed.
    async fn drain(&self) -> anyhow::Result<Arrivals> {
        let began = Instant::now();
        loop {
            match self.ledger.owed()? {
                0 => return Ok(self.ledger.take_arrivals()),
                owed if began.elapsed() > DRAIN_MAX => {
                    bail!("{owed} accepted sales have no callback after {DRAIN_MAX:?}")
                }
                _ => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        }
    }

    async fn drive<P: Player>(&self, players: Vec<P>, time: Duration) -> anyhow::Result<Load<P>> {
        drive(self.process.line.address, players, time).await
    }

    fn cpu(&self) -> anyhow::Result<u64> {
        cpu_micros(self.process.line.pid)
    }

    /// The gateway's memory in MiB.
    pub(super) fn resident_mib(&self) -> anyhow::Result<f64> {
        let kib = resident_kib(self.process.line.pid)?;
        Ok(f64::from(u32::try_from(kib)?) / 1024.0)
    }

    /// Stops the gateway.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.process.stop().await
    }
}
