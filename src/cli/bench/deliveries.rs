//! Callbacks alone: those of a stretch of time are sent again, which a bare HTTP client races
//! against, to the same receiver.

use super::measured::float;
use super::process::Stat;
use super::receiver::Receiver;
use super::side::Side;
use super::wire::Wire;
use crate::cli::client::http_client;
use crate::settings::DEV_ADMIN_TOKEN;
use anyhow::{Context, bail};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// As many calls at once as a gateway has to one receiver at first.
const AT_ONCE: usize = 64;
/// How long no callback may come before the gateway counts as stuck.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// As long as the query of a callback is.
const QUERY: usize = 500;

/// What came of it.
#[derive(Clone, Copy, Default)]
pub(super) struct Deliveries {
    /// Callbacks a second, each attempt recorded.
    pub rps: f64,
    /// The gateway's processor time for each, and the database server's, where it can be known.
    pub cpu_us: f64,
    pub database_cpu_us: Option<f64>,
    /// Calls a second of a client that does nothing else.
    pub client_rps: f64,
    /// Its processor time for each, with that of the receiver, which is in the same process.
    pub client_cpu_us: f64,
}

impl Deliveries {
    /// The processor time for each of gateway and database together.
    pub(super) fn whole_cpu_us(&self) -> Option<f64> {
        Some(self.cpu_us + self.database_cpu_us?)
    }
}

/// Measures both, one after the other.
pub(super) async fn measure_deliveries(side: &Side, time: Duration) -> anyhow::Result<Deliveries> {
    let (client_rps, client_cpu_us) = bare_client(&side.receiver, time).await?;
    let (before, cpu_before) = (side.receiver.received(), side.cpu()?);
    let began = Instant::now();
    let wanted = replay(side.address(), &side.enrolled.endpoint.to_string()).await?;
    let (mut last, mut progress) = (before, Instant::now());
    while last - before < wanted {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let received = side.receiver.received();
        if received > last {
            (last, progress) = (received, Instant::now());
        }
        if progress.elapsed() > PATIENCE {
            bail!("of {wanted} callbacks {} came again, and then none", last - before);
        }
    }
    let (count, cpu) = (float(last - before), side.cpu()? - cpu_before);
    let each = |micros: u64| Duration::from_micros(micros).as_secs_f64() * 1e6 / count.max(1.0);
    Ok(Deliveries {
        rps: count / (progress - began).as_secs_f64(),
        cpu_us: each(cpu.gateway_us),
        database_cpu_us: cpu.database_us.map(each),
        client_rps,
        client_cpu_us,
    })
}

/// Has all callbacks sent again that ended; answers how many.
async fn replay(gateway: SocketAddr, endpoint: &str) -> anyhow::Result<usize> {
    let body = r#"{"from":"2000-01-01T00:00:00Z","to":"2100-01-01T00:00:00Z"}"#;
    let request = format!(
        "POST /admin/v1/endpoints/{endpoint}/callbacks/replay HTTP/1.1\r\nHost: {gateway}\r\n\
         Authorization: Bearer {DEV_ADMIN_TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut wire = Wire::connect(gateway).await?;
    let answer = wire.ask(request.as_bytes()).await?;
    let told: serde_json::Value = serde_json::from_slice(answer.body)?;
    let count = told.get("count").and_then(serde_json::Value::as_u64);
    let count = count.with_context(|| format!("no callbacks to send again: {told}"))?;
    Ok(usize::try_from(count)?)
}

/// Calls a second, and the processor time of one in microseconds.
async fn bare_client(receiver: &Receiver, time: Duration) -> anyhow::Result<(f64, f64)> {
    let client = http_client()?;
    let url = format!("{}?filler={}", receiver.url(), "x".repeat(QUERY));
    let used = || Ok::<_, anyhow::Error>(Stat::of(std::process::id())?.own_us);
    let (began, before) = (Instant::now(), used()?);
    let calls = (0..AT_ONCE).map(async |_| {
        let mut count = 0;
        while began.elapsed() < time {
            client.get(&url).send().await?;
            count += 1;
        }
        Ok::<usize, reqwest::Error>(count)
    });
    let counts = futures_util::future::try_join_all(calls).await?;
    let (count, took) = (float(counts.iter().sum()), began.elapsed());
    let cpu = Duration::from_micros(used()?.saturating_sub(before));
    Ok((count / took.as_secs_f64(), cpu.as_secs_f64() * 1e6 / count.max(1.0)))
}
