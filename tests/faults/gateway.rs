//! The gateway: the whole program, in a process of its own that may be killed. Its acquirer is
//! the host in the third process.
//!
//! Its clock goes with the machine's and can be told to jump, so that nobody has to wait for the
//! leases of the dead.

use crate::child::{Role, Spoken, listen, say};
use crate::link::RemoteHost;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tillgate::app::{App, Start};
use tillgate::cli::enrol_sandbox;
use tillgate::clock::{Clock, Entropy};
use tillgate::crypto::seal::SealingKey;
use tillgate::gateway::Gateway;
use tillgate::payment::Millis;
use tillgate::payment::ids::ReaderId;
use tillgate::payment::ksn::Ksn;
use tillgate::payment::reader::{Reader, ReaderState};
use tillgate::settings::{LogSettings, Settings};
use tillgate::store::Location;
use tillgate::telemetry;

/// Short, so that a lost answer is soon asked after.
const ACQUIRER_TIMEOUT: Duration = Duration::from_secs(2);
const CLOCK_STEP: Duration = Duration::from_millis(2);
/// The numbers of our readers begin here, above those that the sandbox brings.
const FIRST_READER: u32 = 1000;

/// How a gateway is to be started.
#[derive(Clone, Serialize, Deserialize)]
pub struct GatewayOrders {
    /// `sqlite:PATH` or `postgres://…`.
    pub database: String,
    pub host: SocketAddr,
    /// How many virtual readers there must be.
    pub readers: u32,
    /// How far its clock is ahead of the machine's.
    pub ahead: Millis,
}

/// What its clients need to know.
#[derive(Clone, Serialize, Deserialize)]
pub struct GatewayReady {
    pub address: SocketAddr,
    pub login: String,
    pub control_key: String,
    pub endpoint: String,
    pub readers: Vec<ReaderLine>,
}

/// A virtual reader, with all that it takes to be one.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReaderLine {
    pub serial: String,
    /// Its KSN with a counter of zero, hex.
    pub initial_ksn: String,
    pub initial_key: Vec<u8>,
}

/// A running gateway, as the test sees it.
pub struct GatewayProcess {
    pub ready: GatewayReady,
    child: Spoken,
}

impl GatewayProcess {
    pub async fn start(orders: &GatewayOrders, folder: &Path) -> anyhow::Result<Self> {
        let (child, ready) = Spoken::start(Role::Gateway, orders, folder, "gateway").await?;
        Ok(Self { ready: serde_json::from_str(&ready)?, child })
    }

    pub fn address(&self) -> SocketAddr {
        self.ready.address
    }

    /// Moves its clock on.
    pub async fn pass(&mut self, time: Millis) -> anyhow::Result<()> {
        self.child.tell(&time.to_string()).await
    }

    /// kill -9.
    pub async fn kill(self) -> anyhow::Result<()> {
        self.child.kill().await
    }
}

/// What the gateway's process runs, until it is killed.
pub async fn play(orders: GatewayOrders) -> anyhow::Result<()> {
    telemetry::start_logs(&LogSettings { filter: "warn".to_owned(), json: false })?;
    let clock = Clock::manual(Clock::system().now() + orders.ahead);
    let entropy = Entropy::system()?;
    let location = Location::parse(&orders.database);
    let location = location.ok_or_else(|| anyhow::anyhow!("{} is no database", orders.database))?;
    let listen_on = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut settings = Settings::for_dev(listen_on, location, SealingKey::from_bytes([9; 32]));
    settings.acquirer_timeout = ACQUIRER_TIMEOUT;
    let start = Start {
        clock: clock.clone(),
        entropy: entropy.clone(),
        workers: true,
        sandbox_login: None,
        acquirer: Some(Arc::new(RemoteHost::new(orders.host))),
        key_store: None,
    };
    go_with_the_machine(clock.clone());
    let app = App::start(settings, start).await?;
    let ready = enrol(&app, &entropy, orders.readers).await?;
    listen(move |line| clock.advance(line.parse().unwrap_or_default()));
    say(&ready)?;
    std::future::pending().await
}

fn go_with_the_machine(clock: Clock) {
    let machine = Clock::system();
    std::thread::spawn(move || {
        let mut last = machine.now();
        loop {
            std::thread::sleep(CLOCK_STEP);
            let now = machine.now();
            clock.advance((now - last).max(0));
            last = now;
        }
    });
}

async fn enrol(app: &App, entropy: &Entropy, readers: u32) -> anyhow::Result<GatewayReady> {
    let gateway = app.gateway();
    let sandbox = enrol_sandbox(gateway, entropy, &format!("http://{}", app.address())).await?;
    let mut lines = Vec::new();
    for number in FIRST_READER..FIRST_READER + readers {
        let reader = enrol_reader(gateway, &sandbox.readers[0].serial, number).await?;
        lines.push(ReaderLine {
            serial: reader.serial.clone(),
            initial_ksn: reader.initial_ksn.to_string(),
            initial_key: gateway.initial_key(&reader).await?.expose().to_vec(),
        });
    }
    Ok(GatewayReady {
        address: app.address(),
        login: sandbox.login,
        control_key: sandbox.control_key,
        endpoint: sandbox.endpoint_id,
        readers: lines,
    })
}

/// A reader like the sandbox's own, unless it is there.
async fn enrol_reader(gateway: &Gateway, like: &str, number: u32) -> anyhow::Result<Arc<Reader>> {
    let serial = (20_000_000 + number).to_string();
    if let Some(reader) = gateway.reader(&serial).await? {
        return Ok(reader);
    }
    let like = gateway.reader(like).await?.ok_or_else(|| anyhow::anyhow!("no reader {like}"))?;
    let reader = Reader {
        id: ReaderId(number.into()),
        serial,
        initial_ksn: Ksn::of_device(like.cipher, &like.key_set_prefix, number)
            .ok_or_else(|| anyhow::anyhow!("no KSN for reader {number}"))?,
        state: ReaderState::New,
        last_counter: 0,
        ..Reader::clone(&like)
    };
    gateway.enrol_reader(&reader).await?;
    Ok(Arc::new(reader))
}
