//! The gateway under load: a process of its own, so that its processor time is its own.
//!
//! It plays no tricks: the doors, the middleware and the store of `serve`, with the sandbox as
//! its acquirer. One more door, `/bare`, shows what the same server does with the same form when
//! nothing comes after it.

use crate::app::{App, Start};
use crate::cli::StopSignal;
use crate::clock::{Clock, Entropy};
use crate::crypto::seal::SealingKey;
use crate::doors::http::{bad_request, read_body};
use crate::doors::mapi::Form;
use crate::gateway::Gateway;
use crate::payment::ids::{EndpointId, GroupId, KeySetId, MerchantId, ReaderId};
use crate::payment::merchant::Endpoint;
use crate::payment::money::Currency;
use crate::payment::reader::{Reader, ReaderState};
use crate::settings::{LogSettings, Settings};
use crate::store::Location;
use crate::telemetry;
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use anyhow::Context;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use zeroize::Zeroizing;

const LOGIN: &str = "bench";
const MERCHANT: MerchantId = MerchantId(1);
const GROUP: GroupId = GroupId(11);
const ENDPOINT: EndpointId = EndpointId(1111);
const KEY_SET: KeySetId = KeySetId(1);
const KEY_SET_PREFIX: [u8; 3] = [0xFF, 0xFF, 0x01];
/// The least and the most that a sale may be, in minor units.
const AMOUNT_LIMITS_MINOR: (i64, i64) = (1, 9_999_999_999);

#[derive(Args)]
pub(in crate::cli) struct GatewayArguments {
    /// An empty database: sqlite:PATH or postgres://...
    #[arg(long)]
    db: String,
    /// How many virtual readers to enrol
    #[arg(long)]
    readers: u32,
    /// Authorise and call back; without it orders are only accepted
    #[arg(long)]
    workers: bool,
}

/// What the load needs to know of the gateway: one line of JSON on standard output.
#[derive(Serialize, Deserialize)]
pub(super) struct GatewayLine {
    pub address: SocketAddr,
    pub pid: u32,
    pub login: String,
    pub control_key: String,
    pub endpoint: i64,
    pub readers: Vec<ReaderLine>,
}

/// A virtual reader, with all that it takes to be one.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct ReaderLine {
    pub serial: String,
    pub device_id: [u8; 4],
    pub key_set_prefix: [u8; 3],
    /// Hex. It opens nothing but messages of this run.
    pub initial_key: String,
}

pub(in crate::cli) async fn run(arguments: GatewayArguments) -> anyhow::Result<()> {
    telemetry::start_logs(&LogSettings { filter: "warn".to_owned(), json: false })?;
    let entropy = Entropy::system()?;
    let location = Location::parse(&arguments.db).context("--db names no database")?;
    let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let settings = Settings::for_dev(listen, location, SealingKey::from_bytes(entropy.bytes()));
    let start = Start {
        clock: Clock::system(),
        entropy: entropy.clone(),
        workers: arguments.workers,
        sandbox_login: None,
        acquirer: None,
    };
    let mut stop = StopSignal::listen()?;
    let app = App::start_with_door(settings, start, bare_door).await?;
    let line = enrol(app.gateway(), &entropy, app.address(), arguments.readers).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::to_string(&line)?)?;
    out.flush()?;
    tokio::select! {
        () = stop.received() => {}
        () = parent_has_gone() => {}
    }
    app.stop().await;
    Ok(())
}

/// The load holds our standard input open for as long as it needs us. Reading it blocks, so a
/// thread does.
async fn parent_has_gone() {
    let (tell, gone) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0; 1]);
        let _ = tell.send(());
    });
    let _ = gone.await;
}

fn bare_door(config: &mut ServiceConfig) {
    config.service(web::resource("/bare").route(web::post().to(bare)));
}

/// Reads the form as the mPOS API does, and answers as little as it may.
async fn bare(request: HttpRequest, payload: Payload) -> HttpResponse {
    let body = match read_body(&request, payload).await {
        Ok(body) => body,
        Err(error) => return error.answer(),
    };
    match Form::parse(&body) {
        Ok(form) => HttpResponse::Ok()
            .content_type("text/html;charset=utf-8")
            .body(format!("type=bare\n&fields={}\n", form.fields().len())),
        Err(malformed) => bad_request(&malformed.to_string()),
    }
}

async fn enrol(
    gateway: &Gateway,
    entropy: &Entropy,
    address: SocketAddr,
    readers: u32,
) -> anyhow::Result<GatewayLine> {
    let control_key = entropy.uuid().to_uppercase();
    gateway.enrol_merchant(MERCHANT, LOGIN, &control_key).await?;
    gateway.enrol_group(GROUP, MERCHANT).await?;
    gateway.enrol_endpoint(&endpoint()?).await?;
    let base_key = Zeroizing::new(entropy.bytes::<32>());
    gateway.enrol_key_set(KEY_SET, KEY_SET_PREFIX, &base_key).await?;
    let mut lines = Vec::new();
    for number in 1..=readers {
        let reader = reader(number);
        gateway.enrol_reader(&reader).await?;
        lines.push(ReaderLine {
            serial: reader.serial.clone(),
            device_id: reader.device_id,
            key_set_prefix: reader.key_set_prefix,
            initial_key: hex::encode(gateway.initial_key(&reader).await?.expose()),
        });
    }
    Ok(GatewayLine {
        address,
        pid: std::process::id(),
        login: LOGIN.to_owned(),
        control_key,
        endpoint: ENDPOINT.0,
        readers: lines,
    })
}

fn endpoint() -> anyhow::Result<Endpoint> {
    Ok(Endpoint {
        id: ENDPOINT,
        merchant: MERCHANT,
        group: Some(GROUP),
        currency: Currency::from_alpha("RUB").context("there are no roubles")?,
        enabled: true,
        strict_validation: false,
        callback_url: None,
        amount_limits_minor: AMOUNT_LIMITS_MINOR,
        terminal_id: "10000462".to_owned(),
        descriptor: "TILLGATE BENCH".to_owned(),
        sandbox: true,
    })
}

fn reader(number: u32) -> Reader {
    Reader {
        id: ReaderId(number.into()),
        serial: format!("{}", 10_000_000 + number),
        kind: "sim".to_owned(),
        merchant: MERCHANT,
        endpoint: None,
        group: Some(GROUP),
        key_set: KEY_SET,
        key_set_prefix: KEY_SET_PREFIX,
        device_id: number.to_be_bytes(),
        state: ReaderState::New,
        last_counter: 0,
    }
}
