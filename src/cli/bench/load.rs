//! Closed-loop load: every connection has exactly one request under way.

use super::ledger::micros;
use super::players::Player;
use super::wire::Wire;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What a while of load came to.
pub(super) struct Load<P> {
    /// The clients, to go on with.
    pub players: Vec<P>,
    pub began: Instant,
    pub ended: Instant,
    /// One for each answer, in microseconds, ascending.
    pub latencies: Vec<u32>,
}

/// Lets each player ask on a connection of its own for `time`. A request that was sent in time
/// is waited for.
///
/// # Errors
/// The first wrong answer of any player.
pub(super) async fn drive<P: Player>(
    address: SocketAddr,
    players: Vec<P>,
    time: Duration,
) -> anyhow::Result<Load<P>> {
    let mut pairs = Vec::with_capacity(players.len());
    for player in players {
        pairs.push((player, Wire::connect(address).await?));
    }
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for (player, wire) in pairs {
        tasks.spawn(play(player, wire, began + time));
    }
    gather(tasks, began).await
}

/// Waits for all players to end, each with its latencies.
pub(super) async fn gather<P: Player>(
    mut tasks: JoinSet<anyhow::Result<(P, Vec<u32>)>>,
    began: Instant,
) -> anyhow::Result<Load<P>> {
    let mut load = Load { players: Vec::new(), began, ended: began, latencies: Vec::new() };
    while let Some(ended) = tasks.join_next().await {
        let (player, latencies) = ended??;
        load.players.push(player);
        load.latencies.extend(latencies);
    }
    load.ended = Instant::now();
    load.latencies.sort_unstable();
    Ok(load)
}

async fn play<P: Player>(
    mut player: P,
    mut wire: Wire,
    until: Instant,
) -> anyhow::Result<(P, Vec<u32>)> {
    let mut latencies = Vec::with_capacity(4096);
    let mut now = Instant::now();
    while now < until {
        let request = player.request(Instant::now())?;
        let sent = Instant::now();
        let answer = wire.ask(request).await?;
        now = Instant::now();
        if player.answered(&answer)? {
            latencies.push(micros(now - sent));
        }
    }
    Ok((player, latencies))
}
