//! The gateway under load: a process of its own, so that its processor time is its own.
//!
//! It plays no tricks: the doors, the middleware and the store of `serve`, with the sandbox as
//! its acquirer. One more door, `/bare`, shows what the same server does with the same form when
//! nothing comes after it.

use super::registry::{Encryption, enrol};
use crate::app::{App, Extras, Start};
use crate::cli::StopSignal;
use crate::clock::{Clock, Entropy};
use crate::crypto::seal::SealingKey;
use crate::doors::form::Form;
use crate::doors::http::{bad_request, read_body};
use crate::settings::{LogSettings, Settings};
use crate::store::{Commits, Location};
use crate::telemetry;
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Receivers that hang are part of the game; every callback that they fail needs no line.
const LOG_FILTER: &str = "warn,tillgate::gateway::deliver=error";

/// What a gateway does with the sales that come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(in crate::cli) enum Role {
    /// Accept them, and no more.
    Accept,
    /// Authorise them and call back, too.
    Full,
    /// As `full`, with a transaction for each change: what others do.
    Naive,
}

impl Role {
    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Full => "full",
            Self::Naive => "naive",
        }
    }

    fn commits(self) -> Commits {
        match self {
            Self::Accept | Self::Full => Commits::Together,
            Self::Naive => Commits::Alone,
        }
    }
}

#[derive(Args)]
pub(in crate::cli) struct GatewayArguments {
    /// sqlite:PATH or postgres://...
    #[arg(long)]
    db: String,
    /// What to do with sales
    #[arg(long, value_enum)]
    role: Role,
    /// How many virtual readers to enrol in the empty database; without it, it is taken as it is
    #[arg(long)]
    readers: Option<u32>,
    /// How many payment terminals to enrol beside them
    #[arg(long, default_value_t = 0)]
    terminals: u32,
    /// How they encrypt
    #[arg(long, value_enum, default_value_t = Encryption::Sim)]
    encryption: Encryption,
}

/// What the load needs to know of the gateway: one line of JSON on standard output.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct GatewayLine {
    pub address: SocketAddr,
    pub pid: u32,
    /// Who was enrolled just now.
    pub enrolled: Option<Enrolled>,
}

/// A merchant and its readers.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Enrolled {
    pub login: String,
    pub control_key: String,
    pub endpoint: i64,
    pub readers: Vec<ReaderLine>,
    /// Their POIIDs.
    pub terminals: Vec<String>,
}

/// A virtual reader, with all that it takes to be one.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct ReaderLine {
    pub serial: String,
    /// The reader's cipher and variant, as the registry spells them.
    pub cipher: String,
    pub variant: Option<String>,
    /// Its KSN with a counter of zero, hex.
    pub initial_ksn: String,
    /// Hex. It opens nothing but messages of this run.
    pub initial_key: String,
}

pub(in crate::cli) async fn run(arguments: GatewayArguments) -> anyhow::Result<()> {
    telemetry::start_logs(&LogSettings { filter: LOG_FILTER.to_owned(), json: false })?;
    let entropy = Entropy::system()?;
    let location = Location::parse(&arguments.db).context("--db names no database")?;
    let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let settings = Settings::for_dev(listen, location, master_key()?);
    let start = Start {
        clock: Clock::system(),
        entropy: entropy.clone(),
        workers: arguments.role != Role::Accept,
        sandbox_login: None,
        acquirer: None,
        key_store: None,
    };
    let mut stop = StopSignal::listen()?;
    let extras = Extras { door: bare_door, commits: arguments.role.commits() };
    let app = App::start_with(settings, start, extras).await?;
    let enrolled = match arguments.readers {
        Some(readers) => {
            let (terminals, cipher) = (arguments.terminals, arguments.encryption.cipher());
            Some(enrol(app.gateway(), &entropy, readers, terminals, cipher).await?)
        }
        None => None,
    };
    let line = GatewayLine { address: app.address(), pid: std::process::id(), enrolled };
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

/// The first line of standard input, so that it stands in no list of processes.
fn master_key() -> anyhow::Result<SealingKey> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    SealingKey::from_hex(line.trim()).map_err(|_| anyhow!("standard input begins with no key"))
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
