//! Starting the gateway under load, and stopping it.

use super::gateway::GatewayLine;
use anyhow::{Context, bail};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long the gateway may take to create its tables and its fixtures.
const READY_TIMEOUT: Duration = Duration::from_mins(1);
/// How long it may take to finish what is under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A running gateway. It ends with its owner.
pub(super) struct GatewayProcess {
    child: Child,
    pub line: GatewayLine,
}

impl GatewayProcess {
    /// Starts this very program as a gateway on an empty database.
    pub(super) async fn start(db: &str, readers: usize, workers: bool) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench-gateway", "--db", db, "--readers", &readers.to_string()]);
        if workers {
            command.arg("--workers");
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a gateway")?;
        let out = child.stdout.take().context("the gateway has no standard output")?;
        let mut lines = BufReader::new(out).lines();
        let line = tokio::time::timeout(READY_TIMEOUT, lines.next_line())
            .await
            .context("the gateway is not ready after a minute")??
            .context("the gateway ended before it was ready; its reason stands above")?;
        let line = serde_json::from_str(&line).context("the gateway's line cannot be read")?;
        Ok(Self { child, line })
    }

    /// Lets the gateway finish and waits for its end.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let ended = tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await;
        let status = ended.context("the gateway does not stop")??;
        if !status.success() {
            bail!("the gateway ended with {status}");
        }
        Ok(())
    }
}
