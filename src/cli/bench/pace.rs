//! Load at a constant rate, whatever the answers: each request has a moment at which it is to be
//! sent, and its latency counts from there, also when nobody was free to send it.

use super::ledger::micros;
use super::load::{Load, gather};
use super::measured::float;
use super::players::Player;
use super::wire::Wire;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Lets the players ask `rate` times a second, together, for `time`. All are waited for.
///
/// # Errors
/// The first wrong answer of any player.
pub(super) async fn drive_at<P: Player>(
    address: SocketAddr,
    players: Vec<P>,
    rate: f64,
    time: Duration,
) -> anyhow::Result<Load<P>> {
    let mut pairs = Vec::with_capacity(players.len());
    for player in players {
        pairs.push((player, Wire::connect(address).await?));
    }
    let began = Instant::now();
    let timetable = Arc::new(Timetable::new(began, rate, time));
    timetable.strike(pairs.len());
    let mut tasks = JoinSet::new();
    for (player, wire) in pairs {
        tasks.spawn(play(player, wire, Arc::clone(&timetable)));
    }
    gather(tasks, began).await
}

async fn play<P: Player>(
    mut player: P,
    mut wire: Wire,
    timetable: Arc<Timetable>,
) -> anyhow::Result<(P, Vec<u32>)> {
    let mut latencies = Vec::new();
    while let Some(moment) = timetable.next().await {
        let answer = wire.ask(player.request(moment)?).await?;
        let took = micros(moment.elapsed());
        if player.answered(&answer)? {
            latencies.push(took);
        }
    }
    Ok((player, latencies))
}

/// The moments at which requests are to be sent.
struct Timetable {
    began: Instant,
    interval: Duration,
    count: u32,
    taken: AtomicU32,
    /// As many permits as moments have come that nobody has taken.
    come: Semaphore,
}

impl Timetable {
    fn new(began: Instant, rate: f64, time: Duration) -> Self {
        let interval = Duration::from_secs_f64(1.0 / rate.max(1.0));
        let count = (time.as_nanos() / interval.as_nanos().max(1)).max(1);
        Self {
            began,
            interval,
            count: u32::try_from(count).unwrap_or(u32::MAX),
            taken: AtomicU32::new(0),
            come: Semaphore::new(0),
        }
    }

    fn moment(&self, place: u32) -> Instant {
        self.began + self.interval * place
    }

    /// The next moment, as soon as it has come; `None` after the last one.
    async fn next(&self) -> Option<Instant> {
        self.come.acquire().await.ok()?.forget();
        let place = self.taken.fetch_add(1, Ordering::Relaxed);
        (place < self.count).then(|| self.moment(place))
    }

    /// Lets the moments come. The runtime's timers know only milliseconds; a thread that sleeps is
    /// right to a tenth of one. It ends when nobody is left, and tells each player of the end.
    fn strike(self: &Arc<Self>, players: usize) {
        let (weak, count) = (Arc::downgrade(self), self.count);
        std::thread::spawn(move || {
            for place in 0..count {
                let Some(moment) = weak.upgrade().map(|timetable| timetable.moment(place)) else {
                    return;
                };
                std::thread::sleep(moment.saturating_duration_since(Instant::now()));
                add_permits(&weak, 1);
            }
            add_permits(&weak, players);
        });
    }
}

fn add_permits(timetable: &Weak<Timetable>, count: usize) {
    if let Some(timetable) = timetable.upgrade() {
        timetable.come.add_permits(count);
    }
}

/// How many requests a player out of this many has to be ready for.
pub(super) fn share(rate: f64, time: Duration, players: usize) -> usize {
    let wanted = rate * time.as_secs_f64();
    // Twice its part: who is answered sooner asks more often.
    (1..10_000).find(|each| float(each * players) > 2.0 * wanted).unwrap_or(10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn moments_come_in_their_order_and_end() {
        let began = Instant::now();
        let table = Arc::new(Timetable::new(began, 1000.0, Duration::from_millis(5)));
        table.strike(2);
        for place in 0..5 {
            let moment = table.next().await.unwrap();
            assert_eq!(moment, began + Duration::from_millis(place));
            assert!(Instant::now() >= moment, "it has come");
        }
        assert_eq!((table.next().await, table.next().await), (None, None));
    }

    #[test]
    fn everybody_has_enough_to_send() {
        assert_eq!(share(1000.0, Duration::from_secs(1), 10), 201);
        assert_eq!(share(0.0, Duration::ZERO, 64), 1);
    }
}
