//! Logs and metrics. Both are process-wide, so they are set up once and only by the commands.

use crate::settings::LogSettings;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal;
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// Upper bounds of the histograms of durations, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Logs to standard error from now on; a second call changes nothing.
///
/// # Errors
/// When the filter is not one.
pub fn start_logs(settings: &LogSettings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.filter)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Colours are for people; in a file or a collector they are noise.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A logger that is already there stays.
    let _ = if settings.json {
        logs.json().flatten_event(true).try_init()
    } else {
        logs.with_target(false).try_init()
    };
    Ok(())
}

/// Merges the samples gathered since the last call.
pub fn tidy_metrics() {
    if let Some(handle) = METRICS.get() {
        handle.run_upkeep();
    }
}

/// Counts from now on, and answers what renders the counts.
pub fn start_metrics() -> Option<PrometheusHandle> {
    if METRICS.get().is_none()
        && let Ok(builder) = PrometheusBuilder::new().set_buckets(&BUCKETS)
        && let Ok(handle) = builder.install_recorder()
    {
        let _ = METRICS.set(handle);
    }
    METRICS.get().cloned()
}
