//! The built program as a child process, in a folder of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tillgate::cli::ReadyLine;

/// The program that Cargo built for these tests.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_tillgate");

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A file of the repository.
pub fn repository_file(path: &str) -> String {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(whole).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The subcommands that `tillgate --help` lists.
pub fn subcommands() -> Vec<String> {
    let help = Folder::make().run(&["--help"], &[]);
    let lines = help.out.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty());
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

/// A folder that vanishes with its owner.
pub struct Folder(PathBuf);

/// What a command that has ended left behind.
#[derive(Debug)]
pub struct Ended {
    pub success: bool,
    pub out: String,
    pub err: String,
}

impl Folder {
    pub fn make() -> Self {
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("tillgate_process_{}_{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The program, with no other settings than these.
    fn command(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(&self.0);
        // A program that is killed cannot tidy up; this way its temporary files go with the folder.
        command
            .env_clear()
            .env("TMPDIR", &self.0)
            .envs(settings.iter().copied())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Ended {
        let output = self.command(arguments, settings).output().unwrap();
        Ended {
            success: output.status.success(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts the program and lets it run.
    pub fn start(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Running {
        let mut command = self.command(arguments, settings);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let err = BufReader::new(child.stderr.take().unwrap());
        Running { child, out, err }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program under way; it is killed when the scenario ends.
pub struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
}

impl Running {
    /// The next line on standard output; waits for it.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        if self.out.read_line(&mut line).unwrap() == 0 {
            let mut err = String::new();
            self.err.read_to_string(&mut err).unwrap();
            panic!("it ended before it printed a line:\n{err}");
        }
        line
    }

    pub fn ready(&mut self) -> ReadyLine {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Reads the log up to a line that contains `text`, and answers that line.
    pub fn log_line(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let begin = seen.len();
            assert_ne!(self.err.read_line(&mut seen).unwrap(), 0, "no {text:?} in:\n{seen}");
            if seen[begin..].contains(text) {
                return seen.split_off(begin);
            }
        }
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, as a service manager does; answers how it ended and what else it wrote
    /// to standard output.
    pub fn stop(mut self) -> (ExitStatus, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request without a body; answers the status and the body.
pub fn ask(address: &str, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body)
}
