//! The merchant's back end: answers 200 to every callback and notes when it came.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
}

impl Receiver {
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let callbacks = Arc::new(Mutex::new(Callbacks::new()));
        let into = Arc::clone(&callbacks);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(receive(stream, Arc::clone(&into)));
            }
        });
        Ok(Self { address, callbacks })
    }

    pub fn url(&self) -> String {
        format!("http://{}/callback", self.address)
    }

    pub fn callbacks(&self) -> Callbacks {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many orders have been called back.
    pub fn count(&self) -> usize {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

async fn receive(mut stream: TcpStream, into: Arc<Mutex<Callbacks>>) {
    let mut text = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut text).await {
        while let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..end]).into_owned();
            if let Some((name, callback)) = parse(&head) {
                let mut callbacks = into.lock().unwrap_or_else(PoisonError::into_inner);
                callbacks.entry(name).or_default().push(callback);
            }
            text.drain(..end + 4);
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
