//! A PostgreSQL server of our own, to be killed.

use crate::folder::Folder;
use anyhow::{Context, bail, ensure};
use sqlx::{Connection, PgConnection};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

const READY_TIMEOUT: Duration = Duration::from_mins(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

pub struct Server {
    programs: PathBuf,
    user: User,
    port: u16,
    folder: Folder,
    postmaster: Option<Child>,
}

/// Whom the server runs as: never as root.
#[derive(Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl Server {
    /// Where Debian's packages put the programs, the newest version first.
    pub fn programs() -> Option<PathBuf> {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
        let version = |entry: &fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
        let newest = versions.max_by_key(version)?.path().join("bin");
        newest.join("initdb").exists().then_some(newest)
    }

    /// Makes an empty server and starts it.
    pub async fn start_new(programs: PathBuf) -> anyhow::Result<Self> {
        let (folder, user) = (Folder::make()?, User::of_server()?);
        chown(folder.path(), Some(user.uid), Some(user.gid))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = Self { programs, user, port, folder, postmaster: None };
        let made = server
            .command("initdb")
            .arg("-D")
            .arg(server.data())
            .args(["-A", "trust", "-U", "postgres", "--no-sync"])
            .stdout(Stdio::null())
            .status()
            .await?;
        ensure!(made.success(), "initdb ended with {made}");
        server.start().await?;
        Ok(server)
    }

    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The address of one of the server's databases.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Gives a folder to the user that the server runs as.
    pub fn give(&self, folder: &Path) -> anyhow::Result<()> {
        Ok(chown(folder, Some(self.user.uid), Some(self.user.gid))?)
    }

    /// Starts it and waits until it answers. What a killed one has left may be in the way for a
    /// moment: its last children still hold the shared memory.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < READY_TIMEOUT {
            let mut postmaster = self.spawn()?;
            while postmaster.try_wait()?.is_none() {
                if let Ok(connection) = PgConnection::connect(&self.url()).await {
                    connection.close().await?;
                    self.postmaster = Some(postmaster);
                    return Ok(());
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        bail!("PostgreSQL does not start; see {}", self.folder.path().display())
    }

    /// kill -9 for the server and all of its processes.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.signal("-KILL").await?;
        let mut postmaster = self.postmaster.take().context("PostgreSQL does not run")?;
        postmaster.wait().await?;
        Ok(())
    }

    /// Lets all of its processes stand still.
    pub async fn freeze(&self) -> anyhow::Result<()> {
        self.signal("-STOP").await
    }

    /// Lets them go on.
    pub async fn thaw(&self) -> anyhow::Result<()> {
        self.signal("-CONT").await
    }

    async fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let postmaster = self.postmaster.as_ref().and_then(Child::id);
        let postmaster = postmaster.context("PostgreSQL does not run")?;
        let children = format!("/proc/{postmaster}/task/{postmaster}/children");
        let children = fs::read_to_string(children)?;
        let mut kill = Command::new("kill");
        kill.arg(signal).arg(postmaster.to_string()).args(children.split_whitespace());
        // One that ended in between is none to be signalled.
        kill.stderr(Stdio::null()).status().await?;
        Ok(())
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let log = self.folder.path().join("log");
        let log = fs::File::options().create(true).append(true).open(log)?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        Ok(command.stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn()?)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.uid(self.user.uid).gid(self.user.gid);
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl User {
    /// Ourselves, or `postgres` where we are root.
    fn of_server() -> anyhow::Result<Self> {
        let own = fs::metadata("/proc/self")?;
        if own.uid() != 0 {
            return Ok(Self { uid: own.uid(), gid: own.gid() });
        }
        let users = fs::read_to_string("/etc/passwd")?;
        let line = users.lines().find_map(|line| line.strip_prefix("postgres:"));
        let mut numbers = line.context("there is no user postgres")?.split(':').skip(1);
        let mut next = || numbers.next().and_then(|text| text.parse().ok());
        let (uid, gid) = next().zip(next()).context("/etc/passwd cannot be read")?;
        Ok(Self { uid, gid })
    }
}
