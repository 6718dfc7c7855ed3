//! A server to talk to: in this process, or as a child that can be killed.

use nigh_server::config::Config;
use nigh_server::serve::Running;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What a test sets otherwise than by default.
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    /// Live rows are sealed into a segment when they are this many.
    pub seal_rows: Option<u64>,
    /// Batches that may wait for the writer of a collection.
    pub queue_batches: Option<usize>,
}

/// A server in this process, on ports of its own.
pub struct Server {
    running: Running,
    /// Where gRPC listens, as a client wants it.
    pub url: String,
}

impl Tuning {
    fn config(&self, folder: &Path) -> Config {
        let loopback = "127.0.0.1:0".parse().unwrap();
        let mut config = Config { grpc: loopback, http: loopback, ..Config::new(folder) };
        config.storage.seal_rows = self.seal_rows.unwrap_or(config.storage.seal_rows);
        config.storage.queue_batches = self.queue_batches.unwrap_or(config.storage.queue_batches);
        config
    }
}

impl Server {
    /// Starts on a directory and waits until everything is open.
    pub async fn start_in(folder: &Path, tuning: &Tuning) -> Self {
        let running = nigh_server::serve::Server::start(tuning.config(folder)).await.unwrap();
        running.ready().await;
        let url = format!("http://{}", running.grpc_addr());
        Self { running, url }
    }

    /// Stops it as a signal would.
    pub async fn stop(self) {
        self.running.shutdown().await.unwrap();
    }
}

/// A server process.
pub struct Child {
    process: std::process::Child,
    folder: PathBuf,
    /// Where gRPC listens, as a client wants it.
    pub url: String,
}

impl Child {
    /// Starts `nigh serve` on a directory and waits until it listens.
    pub async fn start_in(folder: &Path, tuning: &Tuning) -> Self {
        let mut command = Command::new(binary());
        command.args(["serve", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data"]).arg(folder);
        if let Some(rows) = tuning.seal_rows {
            command.arg("--seal-rows").arg(rows.to_string());
        }
        let mut process = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let at = line.find("127.0.0.1:").unwrap_or_else(|| panic!("`{line}` tells no address"));
        let address: String = line[at..].chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
        // What else it says is read, so that it never waits for us.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { process, folder: folder.to_owned(), url: format!("http://{address}") }
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

/// The `nigh` binary of this build: beside this test, built once where `cargo test` has not done so.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let own = std::env::current_exe().unwrap();
        let folder = own.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
        let folder = folder.expect("a test lies in the folder of its profile");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "-p", "nigh-server", "--bin", "nigh"]).current_dir(crate::data::workspace());
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "nigh could not be built");
        folder.join(format!("nigh{}", std::env::consts::EXE_SUFFIX))
    })
}
