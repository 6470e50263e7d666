//! The merchant's back end: answers 200 to every callback and notes when it came, or fails some.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SORRY: &[u8] = b"HTTP/1.1 500 Sorry\r\nContent-Length: 0\r\n\r\n";
const THANKS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// One callback.
#[derive(Clone, Debug)]
pub struct Callback {
    pub at: Instant,
    pub order: i64,
    pub status: String,
}

/// All callbacks, by the merchant's name for the order.
pub type Callbacks = HashMap<String, Vec<Callback>>;

/// Listens as long as the program runs.
pub struct Receiver {
    address: SocketAddr,
    callbacks: Arc<Mutex<Callbacks>>,
    moods: Arc<Moods>,
}

/// How a receiver fails.
#[derive(Default)]
struct Moods {
    /// How many of a hundred callbacks are answered 500 and not noted.
    fails: AtomicUsize,
    asked: AtomicUsize,
    failed: AtomicUsize,
}

impl Receiver {
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let callbacks = Arc::new(Mutex::new(Callbacks::new()));
        let into = Arc::clone(&callbacks);
        let moods = Arc::new(Moods::default());
        let own = Arc::clone(&moods);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(receive(stream, Arc::clone(&into), Arc::clone(&own)));
            }
        });
        Ok(Self { address, callbacks, moods })
    }

    pub fn url(&self) -> String {
        format!("http://{}/callback", self.address)
    }

    /// From now on it fails so many of a hundred callbacks.
    pub fn fail(&self, of_a_hundred: usize) {
        self.moods.fails.store(of_a_hundred, Ordering::Relaxed);
    }

    /// How many callbacks it has failed.
    pub fn failed(&self) -> usize {
        self.moods.failed.load(Ordering::Relaxed)
    }

    pub fn callbacks(&self) -> Callbacks {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many orders have been called back.
    pub fn count(&self) -> usize {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Moods {
    /// Whether the next callback fails: spread over each hundred, whoever sends it.
    fn fails(&self) -> bool {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let fails = asked * 37 % 100 < self.fails.load(Ordering::Relaxed);
        self.failed.fetch_add(usize::from(fails), Ordering::Relaxed);
        fails
    }
}

async fn receive(mut stream: TcpStream, into: Arc<Mutex<Callbacks>>, moods: Arc<Moods>) {
    let mut text = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut text).await {
        while let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..end]).into_owned();
            text.drain(..end + 4);
            if moods.fails() {
                if stream.write_all(SORRY).await.is_err() {
                    return;
                }
                continue;
            }
            if let Some((name, callback)) = parse(&head) {
                let mut callbacks = into.lock().unwrap_or_else(PoisonError::into_inner);
                callbacks.entry(name).or_default().push(callback);
            }
            if stream.write_all(THANKS).await.is_err() {
                return;
            }
        }
    }
}

fn parse(head: &str) -> Option<(String, Callback)> {
    let (_, query) = head.strip_prefix("GET ")?.split(' ').next()?.split_once('?')?;
    let pairs: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let order = pairs.get("orderid")?.parse().ok()?;
    let status = pairs.get("status")?.clone();
    Some((pairs.get("client_orderid")?.clone(), Callback { at: Instant::now(), order, status }))
}
