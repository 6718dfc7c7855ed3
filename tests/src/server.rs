//! A server to talk to: in this process, or as a child that can be killed.

use nigh_server::config::Config;
use nigh_server::serve::Running;
use nigh_storage::memory::Budget;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// What a test sets otherwise than by default.
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    /// Live rows are sealed into a segment when they are this many.
    pub seal_rows: Option<u64>,
    /// Batches that may wait for the writer of a collection.
    pub queue_batches: Option<usize>,
    /// Where backups may go: a name, and a directory.
    pub backup_targets: Vec<(String, String)>,
    /// Bytes that the server may hold in memory.
    pub memory_limit_bytes: Option<u64>,
    /// Bytes a second that sealing and merging may write.
    pub upkeep_bytes_per_second: Option<u64>,
}

/// A server in this process, on ports of its own.
pub struct Server {
    running: Running,
    /// Where gRPC listens, as a client wants it.
    pub url: String,
    /// Where HTTP listens: an address and a port.
    pub http: String,
}

impl Tuning {
    fn config(&self, folder: &Path) -> Config {
        let loopback = "127.0.0.1:0".parse().unwrap();
        let mut config = Config { grpc: loopback, http: loopback, ..Config::new(folder) };
        config.storage.seal_rows = self.seal_rows.unwrap_or(config.storage.seal_rows);
        config.backup_targets.clone_from(&self.backup_targets);
        config.storage.queue_batches = self.queue_batches.unwrap_or(config.storage.queue_batches);
        config.storage.upkeep_bytes_per_second = self.upkeep_bytes_per_second;
        if let Some(bytes) = self.memory_limit_bytes {
            config.storage.memory = Arc::new(Budget::new(bytes));
        }
        config
    }
}

impl Server {
    /// Starts on a directory and waits until everything is open.
    pub async fn start_in(folder: &Path, tuning: &Tuning) -> Self {
        let running = nigh_server::serve::Server::start(tuning.config(folder)).await.unwrap();
        running.ready().await;
        let url = format!("http://{}", running.grpc_addr());
        let http = running.http_addr().to_string();
        Self { running, url, http }
    }

    /// Stops it as a signal would.
    pub async fn stop(self) {
        self.running.shutdown().await.unwrap();
    }
}

/// A server in a process of its own, which can be killed.
///
/// It is this very program, started once more with its directory in the environment: so there is nothing to build and
/// to find, and it is tuned like a server in this process. A test binary has a test of the name [`CHILD_TEST`] that
/// calls [`serve_if_child`], another program calls it first.
pub struct Child {
    process: std::process::Child,
    folder: PathBuf,
    /// Where gRPC listens, as a client wants it.
    pub url: String,
    /// Where HTTP listens, where it is known: an address and a port.
    pub http: String,
}

/// The test that becomes the server in a child process.
pub const CHILD_TEST: &str = "serve_if_child";
const DATA: &str = "NIGH_CHILD_DATA";
const SEAL_ROWS: &str = "NIGH_CHILD_SEAL_ROWS";
const MEMORY: &str = "NIGH_CHILD_MEMORY_BYTES";
const UPKEEP: &str = "NIGH_CHILD_UPKEEP_BYTES_PER_SECOND";
const URL: &str = "NIGH_CHILD_URL=";

/// Serves until the parent lets go, where this process was started to be a server; returns at once where it was not.
pub async fn serve_if_child() {
    let Some(folder) = std::env::var_os(DATA) else { return };
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let tuning = Tuning {
        seal_rows: number(SEAL_ROWS),
        memory_limit_bytes: number(MEMORY),
        upkeep_bytes_per_second: number(UPKEEP),
        ..Tuning::default()
    };
    let server = Server::start_in(Path::new(&folder), &tuning).await;
    let mut out = std::io::stdout();
    writeln!(out, "{URL}{} {}", server.url, server.http).and_then(|()| out.flush()).unwrap();
    let parent_is_gone = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    tokio::task::spawn_blocking(parent_is_gone).await.unwrap().unwrap();
    std::process::exit(0);
}

impl Child {
    /// Starts it on a directory and waits until everything is open.
    pub async fn start_in(folder: &Path, tuning: &Tuning) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(DATA, folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.args(["--exact", CHILD_TEST, "--nocapture"]);
        let numbers = [
            (SEAL_ROWS, tuning.seal_rows),
            (MEMORY, tuning.memory_limit_bytes),
            (UPKEEP, tuning.upkeep_bytes_per_second),
        ];
        command.envs(numbers.into_iter().filter_map(|(name, number)| Some((name, number?.to_string()))));
        let mut process = command.spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let (url, http) = loop {
            let mut line = String::new();
            assert!(said.read_line(&mut line).unwrap() > 0, "the server ended before it listened");
            if let Some((url, http)) = line.split_once(URL).and_then(|(_, both)| both.trim().split_once(' ')) {
                break (url.to_owned(), http.to_owned());
            }
        };
        // What else it says is read, so that it never waits for us.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { process, folder: folder.to_owned(), url, http }
    }

    /// Starts the program that users start, with more arguments and more of an environment, and waits until it listens:
    /// its collections may still be opening.
    pub fn start_program(program: &Path, folder: &Path, args: &[String], environment: &[(String, String)]) -> Self {
        const LISTENS: &str = "nigh listens: gRPC ";
        let mut command = Command::new(program);
        command.args(["serve", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data"]).arg(folder).args(args);
        command.envs(environment.iter().cloned()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|err| panic!("{}: {err}", program.display()));
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix(LISTENS).and_then(|rest| rest.split(',').next());
        let url = format!("http://{}", address.unwrap_or_else(|| panic!("the server said {line:?}")));
        Self { process, folder: folder.to_owned(), url, http: String::new() }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its data directory.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends it at once: SIGKILL where there are signals.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A test that failed leaves no process behind; one that was killed is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a server says on one of its pages.
pub fn page(http: &str, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(http).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: nigh\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The value of a metric, by all that stands before it.
pub fn metric(http: &str, name: &str) -> f64 {
    let text = page(http, "/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("there is no {name} in {text}"))
}
