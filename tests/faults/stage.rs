//! The stage of a fault: database, acquirer host, gateways, the merchant with its readers, and
//! its receiver of callbacks. All but the merchant are processes of their own.

use crate::database::Database;
use crate::folder::Folder;
use crate::gateway::{GatewayOrders, GatewayProcess, ReaderLine};
use crate::host::HostProcess;
use crate::ledger::Ledger;
use crate::load::Load;
use crate::merchant::{Merchant, VirtualReader};
use crate::receiver::Receiver;
use anyhow::{bail, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tillgate::payment::{Millis, SECOND};

/// Longer than any lease.
const JUMP: Millis = 61 * SECOND;
/// If nothing moves for so long, what is left waits for its time.
const STILLNESS: Duration = Duration::from_secs(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// More jumps than the longest ladder of an order has rungs.
const JUMPS_MAX: usize = 30;
/// If no sale is accepted for so long, none will be.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);

/// How much of a log is shown after a failure.
const LOG_LINES: usize = 20;

const OPEN_JOBS: &str = "SELECT COUNT(*) FROM jobs";
const OPEN_NOTICES: &str = "SELECT COUNT(*) FROM notices WHERE due_at IS NOT NULL";

pub struct Stage {
    pub database: Database,
    pub host: HostProcess,
    pub receiver: Receiver,
    pub gateways: Vec<GatewayProcess>,
    pub merchant: Arc<Merchant>,
    pub ledger: Arc<Ledger>,
    /// From when to when something was broken.
    pub outages: Vec<(Instant, Instant)>,
    pub folder: Folder,
    /// Whether the fault is over and did no harm.
    held: bool,
    orders: GatewayOrders,
    readers: Vec<ReaderLine>,
}

impl Stage {
    /// Starts so many gateways on an empty database, and enrols so many readers.
    pub async fn set(
        database: Database,
        folder: Folder,
        gateways: usize,
        readers: u32,
    ) -> anyhow::Result<Self> {
        let host = HostProcess::start(folder.path()).await?;
        let receiver = Receiver::start().await?;
        let (address, host_address) = (database.address.clone(), host.address);
        let orders = GatewayOrders { database: address, host: host_address, readers, ahead: 0 };
        let first = GatewayProcess::start(&orders, folder.path()).await?;
        let mut stage = Self {
            merchant: Arc::new(Merchant::new(&first.ready, receiver.url())?),
            readers: first.ready.readers.clone(),
            gateways: vec![first],
            database,
            host,
            receiver,
            ledger: Arc::default(),
            outages: Vec::new(),
            folder,
            held: false,
            orders,
        };
        while stage.gateways.len() < gateways {
            stage.start_gateway().await?;
        }
        stage.tell_addresses();
        Ok(stage)
    }

    /// Takes a reader that nobody has yet.
    pub fn take_reader(&mut self) -> anyhow::Result<VirtualReader> {
        match self.readers.pop() {
            Some(line) => VirtualReader::new(&line),
            None => bail!("there are no more readers"),
        }
    }

    /// Lets all readers that are left sell.
    pub fn start_load(&mut self) -> anyhow::Result<Load> {
        let lines = std::mem::take(&mut self.readers);
        let readers = lines.iter().map(VirtualReader::new).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Load::start(&self.merchant, &self.ledger, readers))
    }

    /// kill -9.
    pub async fn kill_gateway(&mut self, place: usize) -> anyhow::Result<()> {
        let began = Instant::now();
        self.gateways.remove(place).kill().await?;
        self.outages.push((began, Instant::now()));
        self.tell_addresses();
        Ok(())
    }

    pub async fn start_gateway(&mut self) -> anyhow::Result<()> {
        self.gateways.push(GatewayProcess::start(&self.orders, self.folder.path()).await?);
        self.tell_addresses();
        Ok(())
    }

    fn tell_addresses(&self) {
        self.merchant.move_to(self.gateways.iter().map(GatewayProcess::address).collect());
    }

    /// Waits until so many more sales are accepted.
    pub async fn more_sales(&self, more: usize) -> anyhow::Result<()> {
        let mut count = self.ledger.count();
        let (goal, mut since) = (count + more, Instant::now());
        while count < goal {
            self.ledger.check()?;
            ensure!(since.elapsed() < PROGRESS_TIMEOUT, "no sale is accepted any more");
            tokio::time::sleep(LOOK_INTERVAL / 10).await;
            let now = self.ledger.count();
            if now > count {
                (count, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    /// Lets everything come to its end: whenever nothing moves any more, time jumps.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        self.settle_by(JUMP).await
    }

    /// As [`Stage::settle`], with jumps of another length: callbacks that fail wait for hours.
    pub async fn settle_by(&mut self, jump: Millis) -> anyhow::Result<()> {
        self.ledger.check()?;
        let mut jumps = 0;
        let (mut before, mut since) = ((0, 0, 0), Instant::now());
        loop {
            let jobs = self.database.number(OPEN_JOBS).await?;
            let notices = self.database.number(OPEN_NOTICES).await?;
            if jobs == 0 && notices == 0 {
                return Ok(());
            }
            let now = (jobs, notices, self.receiver.count());
            if now != before {
                (before, since) = (now, Instant::now());
            } else if since.elapsed() >= STILLNESS {
                ensure!(jumps < JUMPS_MAX, "{jobs} orders and {notices} callbacks are stuck");
                jumps += 1;
                self.pass(jump).await?;
                since = Instant::now();
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Moves the clocks of all gateways on.
    async fn pass(&mut self, time: Millis) -> anyhow::Result<()> {
        self.orders.ahead += time;
        for gateway in &mut self.gateways {
            gateway.pass(time).await?;
        }
        Ok(())
    }

    /// Ends everything.
    pub async fn clear(mut self) -> anyhow::Result<()> {
        for gateway in self.gateways.drain(..) {
            gateway.kill().await?;
        }
        self.database.remove().await?;
        self.held = true;
        Ok(())
    }
}

impl Drop for Stage {
    /// After a failure: what the gateways had to say.
    fn drop(&mut self) {
        if self.held {
            return;
        }
        let log = std::fs::read_to_string(self.folder.path().join("gateway.log"));
        let log = log.unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let last = lines.len().saturating_sub(LOG_LINES);
        lines[last..].iter().for_each(|line| println!("  | {line}"));
    }
}
