//! One gateway with the clients that play against it, each with one request under way at a time.

use super::child::GatewayProcess;
use super::engine::Database;
use super::fixtures::{MobileApp, VirtualReader};
use super::gateway::{Enrolled, Role};
use super::ledger::{Arrivals, Ledger};
use super::load::{Load, drive};
use super::measured::{Measured, float};
use super::metrics::commits;
use super::players::{BarePlayer, Player, SalePlayer, StatusPlayer};
use super::process::{Cpu, Stat, resident_mib};
use super::receiver::Receiver;
use super::registry::Fleet;
use super::server::ServerProcesses;
use crate::clock::Entropy;
use anyhow::{Context, bail};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Load before each measurement that is not counted: it fills caches and pools.
pub(super) const WARM_UP: Duration = Duration::from_millis(500);
/// How many sales at most are signed in advance, all connections together: 200 MB of them.
const PREPARED_MAX: usize = 100_000;
/// How long the last callbacks may take after the last sale was accepted.
const DRAIN_MAX: Duration = Duration::from_mins(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A running gateway and its clients.
pub(super) struct Side {
    pub process: GatewayProcess,
    database: Database,
    pub enrolled: Enrolled,
    pub app: Arc<MobileApp>,
    pub ledger: Arc<Ledger>,
    pub sellers: Vec<SalePlayer>,
    pub receiver: Receiver,
}

/// What sales until their callbacks came to.
pub(super) struct EndToEnd {
    pub measured: Measured,
    /// From the last accepted sale to the last callback.
    pub drain: Duration,
    /// Durable transactions, where the gateway counts them.
    pub commits_per_second: Option<f64>,
}

impl Side {
    /// Starts a gateway on an empty database.
    pub(super) async fn start(
        database: Database,
        role: Role,
        fleet: Fleet,
        entropy: &Entropy,
    ) -> anyhow::Result<Self> {
        let process = GatewayProcess::start(&database, role, Some(fleet)).await?;
        let enrolled = process.line.enrolled.clone().context("the gateway enrolled nobody")?;
        let ledger = Arc::new(Ledger::new("bench"));
        let receiver = Receiver::start(Ipv4Addr::LOCALHOST, &ledger).await?;
        let app = Arc::new(MobileApp::new(process.line.address, &enrolled, entropy));
        let sellers = enrolled.readers.iter().map(|reader| {
            let reader = VirtualReader::new(reader)?;
            let mut seller = SalePlayer::new(&app, reader, receiver.url(), &ledger);
            if role == Role::Naive {
                // Its waiting line is longer than a client's patience.
                seller.bear_refusals();
            }
            Ok::<_, anyhow::Error>(seller)
        });
        let sellers = sellers.collect::<Result<_, _>>()?;
        Ok(Self { process, database, enrolled, app, ledger, sellers, receiver })
    }

    /// Stops the gateway and starts one in another role on the same database. Its address is
    /// another one, so nobody sells there.
    pub(super) async fn restart(&mut self, role: Role) -> anyhow::Result<()> {
        self.process.stop().await?;
        self.process = GatewayProcess::start(&self.database, role, None).await?;
        self.sellers.clear();
        Ok(())
    }

    /// The form, read and answered with next to nothing.
    pub(super) async fn bare(&self, time: Duration) -> anyhow::Result<Measured> {
        let player = |reader| BarePlayer::new(&self.app, &mut VirtualReader::new(reader)?);
        let players = self.enrolled.readers.iter().map(player).collect::<Result<_, _>>()?;
        self.light(players, time).await
    }

    /// Status of orders that are there, nothing else going on.
    pub(super) async fn status(&self, time: Duration) -> anyhow::Result<Measured> {
        self.light(self.askers(), time).await
    }

    /// A client for each connection that asks for the status of orders that are there.
    pub(super) fn askers(&self) -> Vec<StatusPlayer> {
        let player = |_| StatusPlayer::new(&self.app, &self.ledger);
        self.enrolled.readers.iter().map(player).collect()
    }

    async fn light<P: Player>(&self, players: Vec<P>, time: Duration) -> anyhow::Result<Measured> {
        let warm = drive(self.address(), players, WARM_UP).await?;
        let before = self.cpu()?;
        let load = drive(self.address(), warm.players, time).await?;
        Ok(Measured::of(load.ended - load.began, &load.latencies, self.cpu()? - before))
    }

    /// Sales until they are accepted.
    pub(super) async fn accept(&mut self, time: Duration) -> anyhow::Result<Measured> {
        self.prepare(time).await?;
        let before = self.cpu()?;
        let load = self.sell(time).await?;
        Ok(Measured::of(load.ended - load.began, &load.latencies, self.cpu()? - before))
    }

    /// Sales until their callbacks have come.
    pub(super) async fn end_to_end(&mut self, time: Duration) -> anyhow::Result<EndToEnd> {
        self.prepare(time).await?;
        self.drain().await?;
        let (before, commits_before) = (self.cpu()?, commits(self.address()).await?);
        let load = self.sell(time).await?;
        let Arrivals { mut latencies, last, .. } = self.drain().await?;
        let (cpu, commits_after) = (self.cpu()? - before, commits(self.address()).await?);
        latencies.sort_unstable();
        let ended = last.unwrap_or(load.ended).max(load.ended);
        let took = ended - load.began;
        let committed = commits_before.zip(commits_after);
        Ok(EndToEnd {
            measured: Measured::of(took, &latencies, cpu),
            drain: ended - load.ended,
            commits_per_second: committed.map(|(then, now)| (now - then) / took.as_secs_f64()),
        })
    }

    /// Warms up, learns from it how many sales the measurement will take, and signs them.
    async fn prepare(&mut self, time: Duration) -> anyhow::Result<()> {
        let warm = self.sell(WARM_UP).await?;
        let rate = float(warm.latencies.len()) / (warm.ended - warm.began).as_secs_f64();
        let wanted = rate * time.as_secs_f64() * 1.5;
        let each = (0..PREPARED_MAX / self.sellers.len())
            .take_while(|count| float(count * self.sellers.len()) < wanted)
            .count();
        self.sellers.iter_mut().try_for_each(|seller| seller.prepare(each))
    }

    /// Sales until they are accepted, signed in advance or when they are due.
    pub(super) async fn sell(&mut self, time: Duration) -> anyhow::Result<Load<SalePlayer>> {
        let sellers = std::mem::take(&mut self.sellers);
        let mut load = drive(self.address(), sellers, time).await?;
        self.sellers = std::mem::take(&mut load.players);
        Ok(load)
    }

    /// Waits until no callback is owed.
    pub(super) async fn drain(&self) -> anyhow::Result<Arrivals> {
        let mut owed_last = self.ledger.owed()?;
        let mut progress = Instant::now();
        loop {
            let owed = self.ledger.owed()?;
            if owed == 0 {
                return Ok(self.ledger.take_arrivals());
            }
            if owed < owed_last {
                (owed_last, progress) = (owed, Instant::now());
            }
            if progress.elapsed() > DRAIN_MAX {
                bail!("{owed} accepted sales have no callback, and none came for {DRAIN_MAX:?}");
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.process.line.address
    }

    pub(super) fn cpu(&self) -> anyhow::Result<Cpu> {
        let database_us = self.database.server.map(ServerProcesses::cpu_us).transpose()?;
        Ok(Cpu { gateway_us: Stat::of(self.process.line.pid)?.own_us, database_us })
    }

    /// The gateway's memory in MiB.
    pub(super) fn resident_mib(&self) -> anyhow::Result<f64> {
        resident_mib(self.process.line.pid)
    }

    /// Stops the gateway.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.process.stop().await
    }
}
