//! What happens at certain times. The scheduler only ticks; what is due is decided by the
//! gateway with its own clock.

use crate::gateway::{Failure, Gateway};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Every minute, at its first second.
const EACH_MINUTE: &str = "0 * * * * *";

/// Often enough that a gate is not shut longer than need be.
const EACH_FEW_SECONDS: &str = "*/5 * * * * *";

/// Goes on with what a crash left behind; answers how much that was.
pub type Recovery =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<usize, Failure>> + Send>> + Send + Sync>;

/// Starts the schedule; it ticks until the scheduler is shut down. `tidy_metrics` merges the
/// samples that the recorder has gathered, which would otherwise pile up until somebody asks.
/// `recoveries` are the doors'.
///
/// # Errors
/// When the scheduler does not start.
pub async fn start(
    gateway: &Arc<Gateway>,
    tidy_metrics: impl Fn() + Send + Sync + 'static,
    recoveries: Vec<Recovery>,
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let upkeep = Job::new(EACH_MINUTE, move |_, _| tidy_metrics())?;
    scheduler.add(upkeep).await?;
    let closer = Arc::clone(gateway);
    let close_days = Job::new_async(EACH_FEW_SECONDS, move |_, _| {
        let gateway = Arc::clone(&closer);
        Box::pin(async move {
            match gateway.close_due_days().await {
                Ok(0) => {}
                Ok(count) => tracing::debug!(count, "went on with closing days"),
                Err(failure) => tracing::warn!(%failure, "cannot close days now"),
            }
        })
    })?;
    scheduler.add(close_days).await?;
    for recovery in recoveries {
        let recover = Job::new_async(EACH_FEW_SECONDS, move |_, _| {
            let recovery = Arc::clone(&recovery);
            Box::pin(async move {
                match recovery().await {
                    Ok(0) => {}
                    Ok(count) => tracing::info!(count, "went on with what a crash left behind"),
                    Err(failure) => tracing::warn!(%failure, "cannot recover now"),
                }
            })
        })?;
        scheduler.add(recover).await?;
    }
    let gateway = Arc::clone(gateway);
    let sweep = Job::new_async(EACH_MINUTE, move |_, _| {
        let gateway = Arc::clone(&gateway);
        Box::pin(async move {
            match gateway.sweep_in_turn().await {
                Ok(None) => tracing::debug!("another instance has swept"),
                Ok(Some(swept)) => tracing::debug!(?swept, "swept"),
                Err(failure) => tracing::warn!(%failure, "cannot sweep now"),
            }
        })
    })?;
    scheduler.add(sweep).await?;
    scheduler.start().await?;
    Ok(scheduler)
}
