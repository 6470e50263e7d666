//! Many receivers, some of which hang: nobody waits for anybody else's.

use crate::world::{World, order_id, scenario};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use tillgate::work::runner::Runner;
use tokio::sync::mpsc;

/// Of the callbacks that may be under way; far fewer than those owed to the hanging receivers.
const AT_ONCE: usize = 128;
/// The places, the line, and some more: what one receiver can have in memory.
const OWED_TO_EACH_HANGING: usize = 64 + 256 + 10;

#[tokio::test(flavor = "multi_thread")]
async fn healthy_receivers_are_told_at_once_while_half_of_the_receivers_hang() {
    scenario(async |world| {
        let (note, mut received) = mpsc::unbounded_channel();
        let hanging = [2, 3].map(|host| Receiver::start(host, Gate::shut(), note.clone()));
        let healthy = [4, 5].map(|host| Receiver::start(host, Gate::open(), note.clone()));
        let mut slow = Vec::new();
        for number in 0..OWED_TO_EACH_HANGING {
            for receiver in &hanging {
                slow.push(owe(world, receiver, number).await);
            }
        }
        let mut quick = Vec::new();
        for number in 0..10 {
            for receiver in &healthy {
                quick.push(owe(world, receiver, number).await);
            }
        }
        take_all_steps(world).await;

        let runner = Runner::start(world.gateway(), 1, AT_ONCE);
        let mut requests: HashMap<String, i64> = HashMap::new();
        while !quick.iter().all(|order| requests.contains_key(order)) {
            *requests.entry(received.recv().await.unwrap()).or_default() += 1;
        }
        let hung = slow.iter().filter(|order| requests.contains_key(*order)).count();
        assert!(hung <= 2 * 64, "{hung} attempts are under way at two hanging receivers");

        let stopped = tokio::spawn(runner.stop());
        for receiver in &hanging {
            receiver.gate.set_open();
        }
        stopped.await.unwrap();
        while let Ok(order) = received.try_recv() {
            *requests.entry(order).or_default() += 1;
        }
        for order in &slow {
            let notices = world.app().store().notices_of(order_id(order)).await.unwrap();
            let asked = requests.get(order).copied().unwrap_or(0);
            assert_eq!(notices[0].attempts, asked, "only what was asked counts: {notices:?}");
        }
    })
    .await;
}

/// Makes a sale whose callback is for this receiver; answers the order's id.
async fn owe(world: &World, receiver: &Receiver, number: usize) -> String {
    let name = format!("{}-{number}", receiver.host);
    let mut form = world.sale_form(&name, "10.42").await;
    form.push(("server_callback_url".to_owned(), receiver.url.clone()));
    world.sale(&form).await.order()
}

async fn take_all_steps(world: &World) {
    loop {
        let jobs = world.claim_jobs().await;
        if jobs.is_empty() {
            return;
        }
        for job in jobs {
            world.gateway().take_step(job).await.unwrap();
        }
    }
}

/// A receiver at an address of its own, which tells the orders that it is asked about and answers
/// as soon as its gate is open.
struct Receiver {
    host: u8,
    url: String,
    gate: Arc<Gate>,
}

impl Receiver {
    fn start(host: u8, gate: Arc<Gate>, note: mpsc::UnboundedSender<String>) -> Self {
        let listener = TcpListener::bind(format!("127.0.0.{host}:0")).unwrap();
        let url = format!("http://{}/cb", listener.local_addr().unwrap());
        let behind = Arc::clone(&gate);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (gate, note) = (Arc::clone(&behind), note.clone());
                std::thread::spawn(move || answer(stream.unwrap(), &gate, &note));
            }
        });
        Self { host, url, gate }
    }
}

fn answer(mut stream: TcpStream, gate: &Gate, note: &mpsc::UnboundedSender<String>) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        request.push(byte[0]);
    }
    let request = String::from_utf8(request).unwrap();
    let query = request.split([' ', '?']).nth(2).unwrap();
    let order = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "orderid");
    // The scenario may have seen enough.
    let _ = note.send(order.unwrap().1.into_owned());
    gate.pass();
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

/// Holds answers back until it is opened.
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn shut() -> Arc<Self> {
        Arc::new(Self { is_open: Mutex::new(false), opened: Condvar::new() })
    }

    fn open() -> Arc<Self> {
        Arc::new(Self { is_open: Mutex::new(true), opened: Condvar::new() })
    }

    fn set_open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let is_open = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
    }
}
