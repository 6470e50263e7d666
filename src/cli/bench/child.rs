//! Starting this very program once more: gateways under load, and measurements that need a process
//! of their own.

use super::engine::Database;
use super::gateway::{GatewayLine, Role};
use super::registry::Fleet;
use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// How long a child may take to create its tables and its fixtures, or to measure.
const LINE_TIMEOUT: Duration = Duration::from_mins(2);
/// How long it may take to finish what is under way.
const STOP_TIMEOUT: Duration = Duration::from_mins(1);

/// A running gateway. It ends with its owner.
pub(super) struct GatewayProcess {
    child: Child,
    pub line: GatewayLine,
}

impl GatewayProcess {
    /// Starts a gateway. With a `fleet` it fills an empty registry, without it takes the database
    /// as it is.
    pub(super) async fn start(
        database: &Database,
        role: Role,
        fleet: Option<Fleet>,
    ) -> anyhow::Result<Self> {
        let mut arguments = vec![
            "bench-gateway".to_owned(),
            format!("--db={}", database.address),
            format!("--role={}", role.name()),
        ];
        if let Some(Fleet { readers, encryption, terminals }) = fleet {
            arguments.push(format!("--readers={readers}"));
            arguments.push(format!("--encryption={}", encryption.name()));
            arguments.push(format!("--terminals={terminals}"));
        }
        let (mut child, mut lines) = start(&arguments)?;
        let input = child.stdin.as_mut().context("the gateway has no standard input")?;
        input.write_all(format!("{}\n", database.master_key).as_bytes()).await?;
        let line = next_line(&mut lines).await?;
        Ok(Self { child, line })
    }

    /// Lets the gateway finish and waits for its end.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        finish(&mut self.child).await
    }
}

/// Runs a measurement in a process of its own and reads the line that it prints.
pub(super) async fn measured_apart<T: DeserializeOwned>(arguments: &[String]) -> anyhow::Result<T> {
    let (mut child, mut lines) = start(arguments)?;
    let line = next_line(&mut lines).await?;
    finish(&mut child).await?;
    Ok(line)
}

fn start(arguments: &[String]) -> anyhow::Result<(Child, Lines<BufReader<ChildStdout>>)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start a process")?;
    let out = child.stdout.take().context("the process has no standard output")?;
    Ok((child, BufReader::new(out).lines()))
}

async fn next_line<T: DeserializeOwned>(
    lines: &mut Lines<BufReader<ChildStdout>>,
) -> anyhow::Result<T> {
    let line = tokio::time::timeout(LINE_TIMEOUT, lines.next_line())
        .await
        .with_context(|| format!("a process says nothing for {LINE_TIMEOUT:?}"))??
        .context("a process ended too early; its reason stands above")?;
    serde_json::from_str(&line).context("the line of a process cannot be read")
}

async fn finish(child: &mut Child) -> anyhow::Result<()> {
    let ended = tokio::time::timeout(STOP_TIMEOUT, child.wait()).await;
    let status = ended.context("a process does not stop")??;
    if !status.success() {
        bail!("a process ended with {status}");
    }
    Ok(())
}
