//! Whether receivers that never answer keep the callbacks of the others waiting.

use super::engine::Engine;
use super::fixtures::VirtualReader;
use super::gateway::Role;
use super::ledger::Ledger;
use super::measured::Measured;
use super::pace::{drive_at, share};
use super::players::SalePlayer;
use super::process::Cpu;
use super::receiver::Receiver;
use super::registry::Fleet;
use super::side::Side;
use crate::clock::Entropy;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Receivers of either kind, each a host of its own.
const RECEIVERS: u8 = 8;
/// How long the last callback to somebody healthy is waited for; one that is later counts as this.
const WAIT_MAX: Duration = Duration::from_mins(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// End to end, as healthy receivers see it.
#[derive(Clone, Copy)]
pub(super) struct Evil {
    pub without: Measured,
    pub with: Measured,
    /// By how many MiB the gateway's memory grew while half of them hung.
    pub growth_mib: f64,
}

/// Half of the receivers, with the clients whose callbacks go there.
struct Half {
    ledger: Arc<Ledger>,
    receivers: Vec<Receiver>,
    sellers: Vec<SalePlayer>,
}

/// Sales at a constant rate, first while all receivers answer, then while half of them hang.
pub(super) async fn measure_evil(
    engine: &Engine,
    connections: usize,
    rate: f64,
    time: Duration,
    entropy: &Entropy,
) -> anyhow::Result<Evil> {
    eprintln!("{}: {rate:.0} sales/s, at first all receivers answer", engine.name);
    let side =
        Side::start(engine.database("evil"), Role::Full, Fleet::sim(connections), entropy).await?;
    let (mut healthy, mut evil) = halves(&side).await?;
    sell(&side, [&mut healthy, &mut evil], rate, time).await?;
    healthy.wait(Duration::ZERO).await?;
    let without = sell(&side, [&mut healthy, &mut evil], rate, time).await?;
    eprintln!("{}: now half of the receivers hang", engine.name);
    evil.receivers.iter().for_each(Receiver::hang);
    let before_mib = side.resident_mib()?;
    let with = sell(&side, [&mut healthy, &mut evil], rate, time).await?;
    let growth_mib = side.resident_mib()? - before_mib;
    // Who hangs lets go, so that the gateway can end.
    drop(evil);
    side.stop().await?;
    Ok(Evil { without, with, growth_mib })
}

async fn halves(side: &Side) -> anyhow::Result<(Half, Half)> {
    let mut halves = Vec::new();
    for (name, place) in [("healthy", 0), ("evil", 1)] {
        let ledger = Arc::new(Ledger::new(name));
        let mut receivers = Vec::new();
        for number in 1..=RECEIVERS {
            let host = Ipv4Addr::new(127, 0, 1 + place, number);
            receivers.push(Receiver::start(host, &ledger).await?);
        }
        let readers = side.enrolled.readers.iter().skip(usize::from(place)).step_by(2);
        let sellers = readers.zip(receivers.iter().cycle()).map(|(reader, receiver)| {
            let reader = VirtualReader::new(reader)?;
            Ok::<_, anyhow::Error>(SalePlayer::new(&side.app, reader, receiver.url(), &ledger))
        });
        let sellers = sellers.collect::<Result<_, _>>()?;
        halves.push(Half { ledger, receivers, sellers });
    }
    match <[Half; 2]>::try_from(halves) {
        Ok([healthy, evil]) => Ok((healthy, evil)),
        Err(_) => anyhow::bail!("there are not two halves"),
    }
}

/// Sells at a rate to both halves, and waits for what the healthy half is owed.
async fn sell(
    side: &Side,
    halves: [&mut Half; 2],
    rate: f64,
    time: Duration,
) -> anyhow::Result<Measured> {
    let [healthy, evil] = halves;
    let (mine, theirs) = (healthy.load(side, rate / 2.0, time), evil.load(side, rate / 2.0, time));
    tokio::try_join!(mine, theirs)?;
    healthy.wait(time).await
}

impl Half {
    async fn load(&mut self, side: &Side, rate: f64, time: Duration) -> anyhow::Result<()> {
        let each = share(rate, time, self.sellers.len());
        self.sellers.iter_mut().try_for_each(|seller| seller.prepare(each))?;
        let sellers = std::mem::take(&mut self.sellers);
        self.sellers = drive_at(side.address(), sellers, rate, time).await?.players;
        Ok(())
    }

    /// Waits for the callbacks that are owed; what is still owed then counts as late.
    async fn wait(&self, time: Duration) -> anyhow::Result<Measured> {
        let began = Instant::now();
        while self.ledger.owed()? > 0 && began.elapsed() < WAIT_MAX {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        let late = super::ledger::micros(WAIT_MAX);
        let mut latencies = self.ledger.take_arrivals().latencies;
        latencies.extend(std::iter::repeat_n(late, self.ledger.owed()?));
        latencies.sort_unstable();
        Ok(Measured::of(time, &latencies, Cpu::default()))
    }
}
