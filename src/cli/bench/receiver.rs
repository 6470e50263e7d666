//! The merchant's side of callbacks: answers 200 to each and notes whose it was, or hangs.

use super::ledger::Ledger;
use super::wire::{HEAD_END, find};
use anyhow::Context;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const THANKS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
/// More than any callback of the bench.
const REQUEST_MAX: usize = 16 * 1024;
const NAME_FIELD: &str = "client_orderid=";

/// Listens as long as it lives; its connections end with it.
pub(super) struct Receiver {
    address: SocketAddr,
    hangs: watch::Sender<bool>,
    /// All that came, repeats included.
    received: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Starts to listen on an address of this machine; what comes goes into the ledger.
    pub(super) async fn start(host: Ipv4Addr, ledger: &Arc<Ledger>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((host, 0)).await;
        let listener = listener.context("cannot listen for callbacks")?;
        let address = listener.local_addr()?;
        let (hangs, hanging) = watch::channel(false);
        let ledger = Arc::clone(ledger);
        let received = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&received);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (ledger, count) = (Arc::clone(&ledger), Arc::clone(&count));
                tokio::spawn(receive(stream, ledger, count, hanging.clone()));
            }
        });
        Ok(Self { address, hangs, received, task })
    }

    /// Where callbacks go.
    pub(super) fn url(&self) -> String {
        format!("http://{}/callback", self.address)
    }

    /// How many calls came, repeats included.
    pub(super) fn received(&self) -> usize {
        self.received.load(Ordering::Relaxed)
    }

    /// From now on it takes callbacks and never answers.
    pub(super) fn hang(&self) {
        self.hangs.send_replace(true);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, until the gateway lets go of it.
async fn receive(
    mut stream: TcpStream,
    ledger: Arc<Ledger>,
    received: Arc<AtomicUsize>,
    mut hanging: watch::Receiver<bool>,
) {
    let mut buffer = Vec::with_capacity(4096);
    while let Ok(1..) = stream.read_buf(&mut buffer).await {
        while let Some(end) = find(&buffer, HEAD_END) {
            if *hanging.borrow() {
                // Until the receiver is gone: nobody stops hanging.
                let _ = hanging.wait_for(|hangs| !*hangs).await;
                return;
            }
            let head = String::from_utf8_lossy(&buffer[..end]);
            received.fetch_add(1, Ordering::Relaxed);
            // A call without an order is none of a gateway.
            if let Some(order) = order_of(&head) {
                ledger.called_back(order);
            }
            buffer.drain(..end + HEAD_END.len());
            if stream.write_all(THANKS).await.is_err() {
                return;
            }
        }
        if buffer.len() > REQUEST_MAX {
            return;
        }
    }
}

/// The order's name in the request line.
fn order_of(head: &str) -> Option<&str> {
    let line = head.strip_prefix("GET ")?.split(' ').next()?;
    let (_, query) = line.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(NAME_FIELD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_stands_in_the_query() {
        let head = "GET /callback?merchant_order=x&client_orderid=bench-7&type=sale HTTP/1.1\r\n";
        assert_eq!(order_of(head), Some("bench-7"));
        assert_eq!(order_of("POST /callback?client_orderid=bench-7 HTTP/1.1"), None);
        assert_eq!(order_of("GET /callback HTTP/1.1"), None);
    }

    #[tokio::test]
    async fn who_hangs_answers_nothing_and_lets_go_at_the_end() {
        let ledger = Arc::new(Ledger::new("bench"));
        ledger.sent(ledger.next_number(), std::time::Instant::now());
        let receiver = Receiver::start(Ipv4Addr::LOCALHOST, &ledger).await.unwrap();
        let mut stream = TcpStream::connect(receiver.address).await.unwrap();
        let callback = b"GET /callback?client_orderid=bench-0 HTTP/1.1\r\n\r\n";
        let mut answer = vec![0; THANKS.len()];
        stream.write_all(callback).await.unwrap();
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, THANKS);
        receiver.hang();
        stream.write_all(callback).await.unwrap();
        drop(receiver);
        assert_eq!(stream.read(&mut answer).await.unwrap_or(0), 0);
    }
}
