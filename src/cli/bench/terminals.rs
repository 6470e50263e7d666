//! What a payment at a terminal costs beside a sale of a mobile app, and what a thousand terminals
//! that pay at once cost.

use super::engine::Engine;
use super::gateway::Role;
use super::load::{Load, drive};
use super::measured::Measured;
use super::players::{PlainSalePlayer, Player, TillPlayer};
use super::process::Cpu;
use super::registry::Fleet;
use super::side::{Side, WARM_UP};
use crate::clock::Entropy;
use std::time::Duration;

/// How long the gateway must have done next to nothing to count as idle.
const IDLE_LOOK: Duration = Duration::from_millis(200);
/// The processor time, in microseconds, that is next to nothing in this time.
const IDLE_US: u64 = 10_000;

/// Payments without callbacks, through either door.
#[derive(Clone, Copy, Default)]
pub(super) struct Terminals {
    /// Sales of mobile apps, until they are authorised.
    pub sale: Measured,
    /// Payments at terminals, whose card holders take no time.
    pub payment: Measured,
    /// By how many MiB the gateway's memory grew while all terminals paid at once.
    pub growth_mib: f64,
}

/// Measures one after the other, `rounds` times, and then all terminals at once.
pub(super) async fn measure_terminals(
    engine: &Engine,
    terminals: usize,
    connections: usize,
    (rounds, time): (u32, Duration),
    entropy: &Entropy,
) -> anyhow::Result<Vec<Terminals>> {
    eprintln!("{}: {terminals} terminals", engine.name);
    let fleet = Fleet { terminals, ..Fleet::sim(connections) };
    let database = engine.database("terminals");
    let side = Side::start(database, Role::Full, fleet, entropy).await?;
    let mut sellers = side
        .enrolled
        .readers
        .iter()
        .map(|reader| PlainSalePlayer::new(&side.app, reader))
        .collect::<Result<Vec<_>, _>>()?;
    let till = |terminal: &String| TillPlayer::new(side.address(), terminal);
    let mut tills: Vec<_> = side.enrolled.terminals.iter().map(till).collect();
    let mut resting = tills.split_off(connections.min(tills.len()));
    let mut measured = Vec::new();
    for _ in 0..rounds {
        let sale;
        (sellers, sale) = until_idle(&side, sellers, time).await?;
        let payment;
        (tills, payment) = until_idle(&side, tills, time).await?;
        eprintln!("  sale {:.0} us, payment {:.0} us", sale.cpu_us, payment.cpu_us);
        measured.push(Terminals { sale, payment, growth_mib: 0.0 });
    }
    tills.append(&mut resting);
    let before = side.resident_mib()?;
    drive(side.address(), tills, time).await?;
    let growth_mib = side.resident_mib()? - before;
    for terminals in &mut measured {
        terminals.growth_mib = growth_mib;
    }
    side.stop().await?;
    Ok(measured)
}

/// Lets the players play; all that comes of it counts, also what is done later.
async fn until_idle<P: Player>(
    side: &Side,
    players: Vec<P>,
    time: Duration,
) -> anyhow::Result<(Vec<P>, Measured)> {
    let warm = drive(side.address(), players, WARM_UP).await?;
    idle(side).await?;
    let before = side.cpu()?;
    let Load { players, began, ended, latencies } =
        drive(side.address(), warm.players, time).await?;
    let after = idle(side).await?;
    Ok((players, Measured::of(ended - began, &latencies, after - before)))
}

/// Waits until the gateway does next to nothing.
async fn idle(side: &Side) -> anyhow::Result<Cpu> {
    let mut before = side.cpu()?;
    loop {
        tokio::time::sleep(IDLE_LOOK).await;
        let now = side.cpu()?;
        if now.gateway_us - before.gateway_us < IDLE_US {
            return Ok(now);
        }
        before = now;
    }
}
