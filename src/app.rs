//! Putting everything together: the only place that knows all parts.

use crate::acquirer::Acquirer;
use crate::acquirer::unplugged::Unplugged;
use crate::clock::{Clock, Entropy};
use crate::crypto::block_key::Algorithm;
use crate::crypto::pin_zone::PinZone;
use crate::doors::admin::{self, Admin};
use crate::doors::docs::Docs;
use crate::doors::mapi::{self, Mapi};
use crate::doors::nexo::{self, Nexo};
use crate::doors::ops::{self, Ops};
use crate::doors::rki::{self, Rki};
use crate::doors::sandbox::{self as sandbox_door, Sandbox};
use crate::doors::{docs, http};
use crate::gateway::{EgressRules, Gateway, GuardedClient, KeyStore, Keys, Parts, SoftwareKeys};
use crate::payment::pin_format::PinFormat;
use crate::sandbox::host::SandboxHost;
use crate::sandbox::inbox::Inbox;
use crate::sandbox::reader::Counters;
use crate::settings::Settings;
use crate::store::{Commits, Store};
use crate::telemetry;
use crate::work::runner::Runner;
use crate::work::schedule::{self, Recovery};
use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web::ServiceConfig;
use actix_web::{App as ActixApp, HttpServer, web};
use anyhow::Context;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio_cron_scheduler::JobScheduler;

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long running requests may take after a stop was asked for.
const STOP_SECONDS: u64 = 10;
/// As many open files as clients and receivers could want, if the system allows them.
const OPEN_FILES: u64 = 65_536;
/// Requests are light, and most of the work is the writer's and the database's.
const HTTP_THREADS: usize = 2;

/// How the program is started, apart from its settings.
pub struct Start {
    pub clock: Clock,
    pub entropy: Entropy,
    /// Whether workers run by themselves; a test steps them by hand.
    pub workers: bool,
    /// The sandbox merchant's login, where the sandbox is to be had over HTTP too.
    pub sandbox_login: Option<String>,
    /// The acquirer, where it is another than the settings choose.
    pub acquirer: Option<Arc<dyn Acquirer>>,
    /// What holds the base keys, where it is not this program.
    pub key_store: Option<Arc<dyn KeyStore>>,
}

/// What the bench changes about the program.
pub struct Extras {
    /// One more door beside the others.
    pub door: fn(&mut ServiceConfig),
    pub commits: Commits,
}

/// The running program.
pub struct App {
    gateway: Arc<Gateway>,
    store: Arc<Store>,
    host: Option<Arc<SandboxHost>>,
    nexo: Option<Nexo>,
    address: SocketAddr,
    server: ServerHandle,
    runner: Option<Runner>,
    scheduler: Option<JobScheduler>,
}

impl App {
    /// Opens the store, builds the gateway, binds the listener, starts the work.
    ///
    /// # Errors
    /// What keeps any of them from starting, in words for the person at the keyboard.
    pub async fn start(settings: Settings, start: Start) -> anyhow::Result<Self> {
        Self::start_with(settings, start, Extras { door: |_| {}, commits: Commits::default() })
            .await
    }

    /// As [`App::start`], with what the bench needs.
    ///
    /// # Errors
    /// As [`App::start`].
    pub async fn start_with(
        settings: Settings,
        start: Start,
        extras: Extras,
    ) -> anyhow::Result<Self> {
        // Another part of the process may have installed it; any provider will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let metrics = telemetry::start_metrics();
        raise_open_files();
        let store = Store::open_with(&settings.location, extras.commits).await;
        let store = Arc::new(store.context("cannot open the database")?);
        let pin_zone = settings.sandbox.then(|| sandbox_pin_zone(&settings)).flatten();
        let host = settings.sandbox.then(|| {
            let (clock, delay) = (start.clock.clone(), settings.sandbox_host_delay);
            Arc::new(SandboxHost::new(clock, delay, pin_zone.clone()))
        });
        let gateway =
            Arc::new(build_gateway(&settings, &start, &store, (host.as_ref(), pin_zone))?);
        gateway.load_own_keys().await.context("cannot read the gateway's own keys")?;
        let listener = TcpListener::bind(settings.listen).with_context(|| {
            format!("cannot listen on {}; choose another port", settings.listen)
        })?;
        let address = listener.local_addr()?;
        let counters = Arc::new(Counters::default());
        let nexo = settings.sandbox.then(|| {
            let (gateway, counters) = (Arc::clone(&gateway), Arc::clone(&counters));
            Nexo::new(gateway, start.entropy.clone(), counters, address.ip().is_loopback())
        });
        let sandbox = start.sandbox_login.as_ref().map(|login| Sandbox {
            gateway: Arc::clone(&gateway),
            inbox: Arc::new(Inbox::default()),
            counters: Arc::clone(&counters),
            entropy: start.entropy.clone(),
            login: login.as_str().into(),
        });
        let doors = Doors {
            mapi: Mapi {
                gateway: Arc::clone(&gateway),
                base_urls: settings.public_base_urls.clone().into(),
            },
            rki: Rki {
                gateway: Arc::clone(&gateway),
                base_urls: settings.public_base_urls.clone().into(),
            },
            ops: Ops { gateway: Arc::clone(&gateway), metrics },
            admin: Admin {
                gateway: Arc::clone(&gateway),
                token: settings.admin_token.as_deref().map(Arc::from),
            },
            entropy: start.entropy.clone(),
            docs: Docs { sandbox: sandbox.is_some() },
            sandbox,
            nexo: nexo.clone(),
            extra: extras.door,
        };
        let server = serve(listener, doors)?;
        let (runner, scheduler) = match start.workers {
            true => (
                Some(Runner::start(&gateway, settings.jobs_at_once, settings.callbacks_at_once)),
                Some(
                    schedule::start(&gateway, telemetry::tidy_metrics, recoveries(nexo.as_ref()))
                        .await?,
                ),
            ),
            false => (None, None),
        };
        Ok(Self { gateway, store, host, nexo, address, server, runner, scheduler })
    }

    /// The address that the program really listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The gateway.
    #[must_use]
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The sandbox's acquirer host, where there is one.
    #[must_use]
    pub fn host(&self) -> Option<&Arc<SandboxHost>> {
        self.host.as_ref()
    }

    /// The terminals that are played, where the sandbox is on.
    #[must_use]
    pub fn nexo(&self) -> Option<&Nexo> {
        self.nexo.as_ref()
    }

    /// Takes no more requests, finishes those under way, lets the workers end, closes the store.
    pub async fn stop(self) {
        self.server.stop(true).await;
        if let Some(mut scheduler) = self.scheduler {
            let _ = scheduler.shutdown().await;
        }
        if let Some(runner) = self.runner {
            runner.stop().await;
        }
        if let Err(failure) = self.gateway.give_back().await {
            tracing::warn!(%failure, "unfinished work waits for its leases to end");
        }
        self.store.close().await;
    }

    /// Ends as a crash does: who waits hears nothing more, and nothing is given back.
    pub async fn crash(self) {
        self.server.stop(false).await;
        self.store.close().await;
    }
}

/// What the doors have to go on with after a crash.
fn recoveries(nexo: Option<&Nexo>) -> Vec<Recovery> {
    let recovery = |nexo: &Nexo| -> Recovery {
        let nexo = nexo.clone();
        Arc::new(move || {
            let nexo = nexo.clone();
            Box::pin(async move { nexo.recover().await })
        })
    };
    nexo.map(recovery).into_iter().collect()
}

/// Clients and receivers each take an open file, and the usual limit is for a person's shell.
fn raise_open_files() {
    match rlimit::increase_nofile_limit(OPEN_FILES) {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
}

fn build_gateway(
    settings: &Settings,
    start: &Start,
    store: &Arc<Store>,
    (host, pin_zone): (Option<&Arc<SandboxHost>>, Option<Arc<PinZone>>),
) -> anyhow::Result<Gateway> {
    let acquirer: Arc<dyn Acquirer> = match (&start.acquirer, host) {
        (Some(acquirer), _) => Arc::clone(acquirer),
        (None, Some(host)) => Arc::<SandboxHost>::clone(host),
        (None, None) => Arc::new(Unplugged),
    };
    let rules = EgressRules { allowed: settings.callback_allow.clone() };
    let client = GuardedClient::new(rules).context("cannot set up the client for callbacks")?;
    let keys = Arc::new(Keys::derive(&settings.master_keys));
    let software = || SoftwareKeys::new(Arc::clone(&keys), start.entropy.clone(), pin_zone);
    let key_store = start.key_store.clone().unwrap_or_else(|| Arc::new(software()));
    let parts = Parts {
        store: Arc::clone(store),
        acquirer,
        keys,
        key_store,
        clock: start.clock.clone(),
        entropy: start.entropy.clone(),
        egress: Arc::new(client),
        callback_wording: mapi::callback::WORDING,
        acquirer_timeout: settings.acquirer_timeout,
        test_cards_only: settings.test_cards_only,
        callback_days: settings.callback_days,
    };
    Ok(Gateway::new(parts))
}

/// The key for PIN blocks between the gateway and the sandbox's host. As long as the master key is
/// the same it outlives a restart, so that orders which wait meanwhile keep their PINs.
fn sandbox_pin_zone(settings: &Settings) -> Option<Arc<PinZone>> {
    let key =
        settings.master_keys.present().derive_block_key("sandbox PIN zone", Algorithm::Tdes)?;
    PinZone::new(PinFormat::Iso0, key).map(Arc::new)
}

#[derive(Clone)]
struct Doors {
    mapi: Mapi,
    rki: Rki,
    entropy: Entropy,
    ops: Ops,
    admin: Admin,
    docs: Docs,
    sandbox: Option<Sandbox>,
    nexo: Option<Nexo>,
    extra: fn(&mut ServiceConfig),
}

/// Starts the HTTP server; it runs on threads of its own until its handle stops it.
fn serve(listener: TcpListener, doors: Doors) -> anyhow::Result<ServerHandle> {
    let server = HttpServer::new(move || {
        let doors = doors.clone();
        ActixApp::new()
            .wrap(from_fn(http::observe))
            .app_data(web::Data::new(doors.entropy))
            .app_data(web::Data::new(doors.mapi))
            .app_data(web::Data::new(doors.rki))
            .app_data(web::Data::new(doors.ops))
            .app_data(web::Data::new(doors.docs))
            .app_data(web::Data::new(doors.admin))
            // Before the scope `/paynet`, which answers for whatever is below it.
            .configure(rki::configure)
            .configure(mapi::configure)
            .configure(ops::configure)
            .configure(admin::configure)
            .configure(docs::configure)
            .configure(|config| {
                if let Some(sandbox) = doors.sandbox {
                    config.app_data(web::Data::new(sandbox));
                    sandbox_door::configure(config);
                }
            })
            .configure(|config| {
                if let Some(nexo) = doors.nexo {
                    config.app_data(web::Data::new(nexo));
                    nexo::configure(config);
                }
            })
            .configure(doors.extra)
    })
    .workers(HTTP_THREADS)
    .client_request_timeout(HEAD_TIMEOUT)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(STOP_SECONDS)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(handle)
}
