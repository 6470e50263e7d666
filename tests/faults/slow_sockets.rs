//! Thousands of clients that send a byte now and then. They must not slow the others, and the
//! server's limits must end each of them.

use crate::Told;
use crate::arguments::Length;
use crate::audit::Findings;
use crate::database::Database;
use crate::folder::Folder;
use crate::load::{APPROVED, sell};
use crate::merchant::VirtualReader;
use crate::stage::Stage;
use anyhow::{Context, ensure};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const MERCHANTS: usize = 4;
const SALES_EACH: usize = 150;
const TRIES: usize = 3;
const SLOWER_AT_MOST: f64 = 2.0;
const BYTE_EVERY: Duration = Duration::from_secs(2);
/// The server's own limits (5 s for a head, 15 s for a body), and time for a busy machine.
const END_TIMEOUT: Duration = Duration::from_secs(40);
/// Files that a process has open besides the sockets.
const OTHER_FILES: usize = 500;

const SLOW_HEAD: &str = "POST /mapi/v1/sale/1111 HTTP/1.1\r\nX-Slow: ";
const SLOW_BODY: &str = "POST /mapi/v1/sale/1111 HTTP/1.1\r\nHost: slow\r\n\
     Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\n";

pub async fn play(length: Length) -> anyhow::Result<Told> {
    let count = length.count(1_000, 10_000);
    allow_open_files(count + OTHER_FILES)?;
    let folder = Folder::make()?;
    let database = Database::sqlite_in(folder.path());
    let readers = u32::try_from(MERCHANTS)?;
    let mut stage = Stage::set(database, folder, 1, readers).await?;
    let address = stage.merchant.address(0).context("there is no gateway")?;
    let mut readers = (0..MERCHANTS).map(|_| stage.take_reader()).collect::<Result<Vec<_>, _>>()?;
    // Connections and caches that every later measurement has too.
    p99(&stage, &mut readers).await?;
    let mut best = f64::INFINITY;
    let mut closed = 0;
    for attempt in 1..=TRIES {
        let alone = p99(&stage, &mut readers).await?;
        let crowd = Crowd::gather(count, address).await?;
        let crowded = p99(&stage, &mut readers).await?;
        closed += crowd.end().await?;
        println!("  try {attempt}: p99 {alone:?} alone, {crowded:?} among {count} slow sockets");
        best = best.min(crowded.as_secs_f64() / alone.as_secs_f64());
        if best < SLOWER_AT_MOST {
            break;
        }
    }
    ensure!(best < SLOWER_AT_MOST, "{count} slow sockets slow the others {best:.2} times");
    stage.settle().await?;
    let findings = Findings::of(&stage).await?;
    findings.hold()?;
    stage.clear().await?;
    let figures = format!("{count} slow sockets, p99 {best:.2} times, {closed} closed, {findings}");
    Ok(Told::Held(figures))
}

/// The p99 of healthy sales, from the sending to the answer.
async fn p99(stage: &Stage, readers: &mut Vec<VirtualReader>) -> anyhow::Result<Duration> {
    let mut tasks = JoinSet::new();
    for (number, mut reader) in std::mem::take(readers).into_iter().enumerate() {
        let (merchant, ledger) = (Arc::clone(&stage.merchant), Arc::clone(&stage.ledger));
        tasks.spawn(async move {
            let mut times = Vec::with_capacity(SALES_EACH);
            for _ in 0..SALES_EACH {
                let began = Instant::now();
                sell(&merchant, &ledger, &mut reader, number, APPROVED).await?;
                times.push(began.elapsed());
            }
            anyhow::Ok((reader, times))
        });
    }
    let mut all = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        let (reader, times) = ended??;
        readers.push(reader);
        all.extend(times);
    }
    all.sort_unstable();
    Ok(all[all.len() * 99 / 100])
}

/// Slow clients. As long as they are wanted, one that was thrown out comes back.
struct Crowd {
    tasks: JoinSet<anyhow::Result<()>>,
    wanted: Arc<AtomicBool>,
    closed: Arc<AtomicUsize>,
}

impl Crowd {
    /// Waits until every one of them is connected.
    async fn gather(count: usize, address: SocketAddr) -> anyhow::Result<Self> {
        let mut tasks = JoinSet::new();
        let (wanted, closed) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        for number in 0..count {
            let beginning = if number % 2 == 0 { SLOW_HEAD } else { SLOW_BODY };
            let mut socket = connect(address, beginning).await?;
            let (wanted, closed) = (Arc::clone(&wanted), Arc::clone(&closed));
            tasks.spawn(async move {
                loop {
                    dawdle(socket).await?;
                    closed.fetch_add(1, Ordering::Relaxed);
                    if !wanted.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    socket = connect(address, beginning).await?;
                }
            });
        }
        Ok(Self { tasks, wanted, closed })
    }

    /// Nobody comes back any more; answers how often the server has thrown one out.
    async fn end(mut self) -> anyhow::Result<usize> {
        self.wanted.store(false, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(self.closed.load(Ordering::Relaxed))
    }
}

async fn connect(address: SocketAddr, beginning: &str) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(beginning.as_bytes()).await?;
    Ok(socket)
}

/// Sends a byte now and then until the server has had enough.
async fn dawdle(mut socket: TcpStream) -> anyhow::Result<()> {
    let end = Instant::now() + END_TIMEOUT;
    let mut answer = [0; 1024];
    while Instant::now() < end {
        match tokio::time::timeout(BYTE_EVERY, socket.read(&mut answer)).await {
            Ok(Ok(0) | Err(_)) => return Ok(()),
            Ok(Ok(_)) => {}
            Err(_) => {
                if socket.write_all(b"x").await.is_err() {
                    return Ok(());
                }
            }
        }
    }
    anyhow::bail!("a slow socket is still open after {END_TIMEOUT:?}")
}

/// Lets this process, and the gateways that it starts, open so many files.
fn allow_open_files(count: usize) -> anyhow::Result<()> {
    let own = std::process::id().to_string();
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", &own, &format!("--nofile={count}:")]);
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let now = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    if now.is_some_and(|now| now < count) {
        let raised = prlimit.status().context("prlimit is needed to open more files")?;
        ensure!(raised.success(), "more than {now:?} files are not allowed; try ulimit -n {count}");
    }
    Ok(())
}
