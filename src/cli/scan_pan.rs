//! `tillgate scan-pan`: searches databases, logs and any files for card data.

use crate::crypto::scan::{Finding, KnownCards, Rules, Scanner, Search};
use crate::store::{Location, dump_postgres};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Read, StdoutLock, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;
/// What SQLite keeps beside a database, and the database itself.
const SQLITE_FILES: [&str; 4] = ["", "-wal", "-shm", "-journal"];
/// How often a long run says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// Lines of the summary.
const SUMMARY_MAX: usize = 20;

#[derive(Args)]
pub(super) struct ScanArguments {
    /// Files, and folders with all that is in them; - is standard input
    #[arg(required_unless_present = "database")]
    paths: Vec<PathBuf>,
    /// A database: `sqlite:PATH` with its log, or `postgres://USER:PASSWORD@HOST/NAME`
    #[arg(long)]
    database: Vec<String>,
    /// Look for these cards only, exactly: a file with one `PAN[,track2][,pin-block-hex]` a line
    #[arg(long)]
    known: Option<PathBuf>,
    /// A prefix to look for in doubtful places too: packed and reversed digits, odd lengths
    #[arg(long, value_name = "PREFIX", conflicts_with = "known")]
    bin: Vec<String>,
    /// A prefix that is never reported, such as that of test cards
    #[arg(long, value_name = "PREFIX", conflicts_with = "known")]
    ignore: Vec<String>,
    /// Print JSON, one line for each finding
    #[arg(long)]
    json: bool,
}

/// The scan could not look at everything it was asked to look at.
#[derive(Debug, thiserror::Error)]
#[error("the scan is not complete")]
pub(super) struct Incomplete;

pub(super) async fn run(arguments: ScanArguments) -> anyhow::Result<()> {
    let mut scan = prepare(&arguments).context(Incomplete)?;
    for path in &arguments.paths {
        scan.path(path).context(Incomplete)?;
    }
    for database in &arguments.database {
        scan.database(database).await.context(Incomplete)?;
    }
    scan.end()
}

fn prepare(arguments: &ScanArguments) -> anyhow::Result<Scan> {
    let search = match &arguments.known {
        Some(path) => {
            let name = path.display();
            let text = std::fs::read_to_string(path).map(Zeroizing::new);
            let text = text.with_context(|| format!("cannot read the list of cards {name}"))?;
            Search::Known(KnownCards::parse(&text).with_context(|| format!("--known {name}"))?)
        }
        None => Search::Guess(Rules::new(&arguments.bin, &arguments.ignore)?),
    };
    let list = arguments.known.as_ref().and_then(|path| path.canonicalize().ok());
    let report = Report {
        out: BufWriter::new(std::io::stdout().lock()),
        json: arguments.json,
        groups: BTreeMap::new(),
        findings: 0,
        files: 0,
        bytes: 0,
        unread: 0,
        told: Instant::now(),
    };
    Ok(Scan { search, list, report })
}

struct Scan {
    search: Search,
    /// The list of cards itself, which is full of them.
    list: Option<PathBuf>,
    report: Report,
}

/// What is told, and counted for the end.
struct Report {
    out: BufWriter<StdoutLock<'static>>,
    json: bool,
    /// How many findings of a BIN, a kind and an encoding.
    groups: BTreeMap<(String, &'static str, &'static str), u64>,
    findings: u64,
    files: u64,
    bytes: u64,
    unread: u64,
    told: Instant,
}

impl Scan {
    /// A file, a folder, or standard input. What cannot be read is told and passed over.
    fn path(&mut self, path: &Path) -> anyhow::Result<()> {
        if path == Path::new("-") {
            return self.stream("standard input", &mut std::io::stdin().lock());
        }
        let mut waiting = vec![path.to_path_buf()];
        let mut named = true;
        while let Some(path) = waiting.pop() {
            // Links within a folder are not followed: what they name is scanned in its own place.
            let kind = if std::mem::take(&mut named) {
                std::fs::metadata(&path)
            } else {
                path.symlink_metadata()
            };
            match kind {
                Ok(kind) if kind.is_dir() => match entries(&path) {
                    Ok(entries) => waiting.extend(entries),
                    Err(error) => self.report.cannot_read(&path, &error),
                },
                Ok(kind) if kind.is_file() => self.file(&path)?,
                Ok(_) => (),
                Err(error) => self.report.cannot_read(&path, &error),
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        if self.list.is_some() && path.canonicalize().ok() == self.list {
            eprintln!("tillgate: {} is the list of cards and is left out", path.display());
            return Ok(());
        }
        match File::open(path) {
            Ok(mut file) => self.stream(&path.display().to_string(), &mut file),
            Err(error) => {
                self.report.cannot_read(path, &error);
                Ok(())
            }
        }
    }

    fn stream(&mut self, name: &str, input: &mut impl Read) -> anyhow::Result<()> {
        let mut piece = Zeroizing::new(vec![0; PIECE]);
        let mut scanner = self.search.scanner();
        self.report.files += 1;
        loop {
            match input.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => self.report.feed(name, &mut scanner, &piece[..length])?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (),
                Err(error) => {
                    self.report.cannot_read(Path::new(name), &error);
                    break;
                }
            }
        }
        self.report.tell(name, scanner.finish())
    }

    async fn database(&mut self, address: &str) -> anyhow::Result<()> {
        let location = Location::parse(address)
            .context("--database: use sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME")?;
        match location {
            Location::Sqlite(path) if !path.exists() => {
                bail!("there is no database {}", path.display())
            }
            Location::Sqlite(path) => {
                for ending in SQLITE_FILES {
                    let mut name = OsString::from(&path);
                    name.push(ending);
                    let file = PathBuf::from(name);
                    if file.exists() {
                        self.file(&file)?;
                    }
                }
                Ok(())
            }
            Location::Postgres(url) => self.postgres(&url).await,
        }
    }

    /// Each table is a stream of its own.
    async fn postgres(&mut self, url: &str) -> anyhow::Result<()> {
        let Self { search, report, .. } = self;
        let mut open: Option<(String, Scanner<'_>)> = None;
        let mut trouble = Ok(());
        dump_postgres(url, |table, bytes| {
            let mut step = || -> anyhow::Result<()> {
                if open.as_ref().is_none_or(|(name, _)| name != table) {
                    report.files += 1;
                    let next = (table.to_owned(), search.scanner());
                    if let Some((name, scanner)) = open.replace(next) {
                        report.tell(&name, scanner.finish())?;
                    }
                }
                let Some((_, scanner)) = &mut open else { return Ok(()) };
                report.feed(table, scanner, bytes)
            };
            if trouble.is_ok() {
                trouble = step();
            }
        })
        .await?;
        trouble?;
        match open {
            Some((name, scanner)) => report.tell(&name, scanner.finish()),
            None => Ok(()),
        }
    }

    fn end(mut self) -> anyhow::Result<()> {
        self.report.end().context(Incomplete)?;
        let Report { findings, files, bytes, unread, .. } = self.report;
        let looked = format!("{files} files or tables, {bytes} bytes");
        if unread > 0 {
            let told = format!("{looked}, {findings} findings; {unread} could not be read");
            return Err(anyhow::anyhow!("{told}: see above, give access, and scan again"))
                .context(Incomplete);
        }
        if findings > 0 {
            bail!(
                "{looked}: {findings} findings. Look at each place: remove real card data and find \
                 out what wrote it; leave false alarms out with --ignore PREFIX"
            );
        }
        eprintln!("{looked}: nothing found");
        Ok(())
    }
}

/// What is in a folder, last name first, as a stack wants it.
fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by(|a, b| b.cmp(a));
    Ok(entries)
}

impl Report {
    fn feed(&mut self, name: &str, scanner: &mut Scanner<'_>, bytes: &[u8]) -> anyhow::Result<()> {
        let found = scanner.feed(bytes);
        self.tell(name, found)?;
        self.bytes += u64::try_from(bytes.len())?;
        if self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            let mib = self.bytes / (1024 * 1024);
            eprintln!("tillgate: {mib} MiB, {} findings, now in {name}", self.findings);
        }
        Ok(())
    }

    fn tell(&mut self, name: &str, found: Vec<Finding>) -> anyhow::Result<()> {
        for finding in found {
            let Finding { offset, end, encoding, kind, masked } = &finding;
            let (kind, encoding) = (kind.name(), encoding.name());
            match self.json {
                true => {
                    let line = json!({
                        "file": name, "offset": offset, "length": end - offset, "kind": kind,
                        "encoding": encoding, "masked": masked,
                    });
                    writeln!(self.out, "{line}")?;
                }
                false => writeln!(self.out, "{name}:{offset}: {kind} {encoding} {masked}")?,
            }
            let bin = masked.chars().take_while(char::is_ascii_digit).take(6).collect();
            *self.groups.entry((bin, kind, encoding)).or_default() += 1;
            self.findings += 1;
        }
        Ok(())
    }

    fn cannot_read(&mut self, path: &Path, error: &std::io::Error) {
        self.unread += 1;
        eprintln!("tillgate: cannot read {}: {error}", path.display());
    }

    /// The findings once more, the most frequent prefixes first, and their number.
    fn end(&mut self) -> anyhow::Result<()> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by(|a, b| b.1.cmp(a.1));
        for ((bin, kind, encoding), count) in groups.iter().take(SUMMARY_MAX) {
            let bin = if bin.is_empty() { "------" } else { bin };
            eprintln!("{count:>9} x {bin} {kind} {encoding}");
        }
        if groups.len() > SUMMARY_MAX {
            eprintln!("          and {} more prefixes", groups.len() - SUMMARY_MAX);
        }
        match self.json {
            true => writeln!(self.out, "{}", json!({ "findings": self.findings }))?,
            false => writeln!(self.out, "{} findings", self.findings)?,
        }
        Ok(self.out.flush()?)
    }
}
