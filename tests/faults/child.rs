//! This program, started again in another role. A child says one line when it is ready, listens
//! to lines from its parent, and ends with it.

use anyhow::Context;
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// The parts that a child may play.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Gateway,
    Host,
}

impl Role {
    const ALL: [Self; 2] = [Self::Gateway, Self::Host];

    fn name(self) -> &'static str {
        match self {
            Self::Gateway => "--play-gateway",
            Self::Host => "--play-host",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A child that has said its line.
pub struct Spoken {
    child: Child,
    tell: ChildStdin,
}

impl Spoken {
    /// Starts this program in a role with these orders; its log goes to `folder/name.log`.
    pub async fn start(
        role: Role,
        orders: &impl Serialize,
        folder: &Path,
        name: &str,
    ) -> anyhow::Result<(Self, String)> {
        let log = folder.join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(log)?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg(role.name())
            .arg(serde_json::to_string(orders)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let tell = child.stdin.take().context("a child without standard input")?;
        let out = child.stdout.take().context("a child without standard output")?;
        let mut lines = BufReader::new(out).lines();
        let line = tokio::time::timeout(READY_TIMEOUT, lines.next_line()).await;
        let line = line.with_context(|| format!("{name} is not ready after a minute"))??;
        let line = line.with_context(|| format!("{name} ended before it was ready"))?;
        Ok((Self { child, tell }, line))
    }

    /// Says a line to the child.
    pub async fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        self.tell.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(())
    }

    /// kill -9, and waits until it is dead.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// The child's one line.
pub fn say(line: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(line)?)?;
    Ok(out.flush()?)
}

/// The child's ear: hears what the parent says, and ends the process with the parent.
pub fn listen(mut hear: impl FnMut(&str) + Send + 'static) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            hear(&line);
        }
        std::process::exit(0);
    });
}
