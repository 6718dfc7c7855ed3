//! What a server is told when it starts: where it listens, where its data lies, what it puts up with.
//!
//! ```text
//! given    a value as text or as TOML, read
//! table    every setting: its name, how it is read and shown
//! secure   keys and certificates
//! traces   the collector of traces
//! layers   file, environment, flags: who wins, what is refused
//! ```

mod given;
pub mod layers;
mod secure;
mod table;
pub mod traces;

use crate::access::keys::{Key, Secret};
use crate::tls;
use crate::traces::Traces;
use nigh_storage::store::Options;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Where gRPC listens unless told otherwise.
pub const GRPC_PORT: u16 = 6334;
/// Where HTTP listens unless told otherwise.
pub const HTTP_PORT: u16 = 6333;

/// How a server works.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory; created where it is not there.
    pub data: PathBuf,
    /// Where gRPC listens; port 0 takes a free one.
    pub grpc: SocketAddr,
    /// Where HTTP listens; port 0 takes a free one.
    pub http: SocketAddr,
    /// Whether it may listen where other machines reach it without keys.
    pub insecure_bind: bool,
    /// Whether the data may lie on a network file system.
    pub allow_network_fs: bool,
    /// How collections are kept.
    pub storage: Options,
    /// What one caller, and all of them together, may ask for.
    pub limits: Limits,
    /// Where backups may go, by name: directories. Requests name these, and no others.
    pub backup_targets: Vec<(String, String)>,
    /// Where snapshots of single collections are kept.
    pub snapshots: Snapshots,
    /// Where the log goes before it may be cut.
    pub archive: Option<Archive>,
    /// What the server writes about itself.
    pub log: Log,
    /// Who may ask; whoever can connect, where nobody is named.
    pub security: Security,
    /// How both ports are encrypted; not at all where it is left out.
    pub tls: Option<tls::Files>,
    /// Where spans go; nowhere where it is left out.
    pub traces: Option<traces::Collector>,
}

/// Who may ask, and what is written down of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Security {
    /// Keys.
    pub keys: Vec<Key>,
    /// What tokens are signed with.
    pub jwt_secret: Option<Secret>,
    /// Where the audit log is appended.
    pub audit_file: Option<PathBuf>,
    /// Whether reads are in it as well.
    pub audit_reads: bool,
}

impl Security {
    /// Whether a caller has to say who they are.
    pub fn is_guarded(&self) -> bool {
        !self.keys.is_empty() || self.jwt_secret.is_some()
    }
}

/// What a server writes about itself, on its standard error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Log {
    /// In which form.
    pub format: LogFormat,
    /// What of it: a level, or levels by module, as `warn,nigh_server=debug`.
    pub filter: String,
    /// Queries that take longer are told with their plans.
    pub slow_query: Option<Duration>,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "warn,nigh=info,nigh_server=info".to_owned(), slow_query: None }
    }
}

/// The form of a log.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

impl LogFormat {
    /// Each by its word.
    pub(crate) const WORDS: [(&str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];
}

/// Where snapshots of single collections are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshots {
    /// Their folder, which no other server uses; `snapshots` in the data directory where it is left out.
    pub dir: Option<PathBuf>,
    /// Bytes of one that is uploaded.
    pub upload_bytes_max: u64,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { dir: None, upload_bytes_max: 64 << 30 }
    }
}

/// An archive of the log.
#[derive(Clone, Debug)]
pub struct Archive {
    /// The name of the backup target.
    pub target: String,
    /// How often what is on disk is sent there.
    pub every: Duration,
    /// Log that waits for the archive is kept up to this, for each collection.
    pub keep_bytes: u64,
    /// What no restore can need is removed when it is so old; `None`: never.
    pub retention: Option<Duration>,
}

impl Config {
    /// The defaults, on this data directory.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self {
            data: data.into(),
            grpc: loopback(GRPC_PORT),
            http: loopback(HTTP_PORT),
            insecure_bind: false,
            allow_network_fs: false,
            storage: Options::default(),
            limits: Limits::default(),
            backup_targets: Vec::new(),
            snapshots: Snapshots::default(),
            archive: None,
            log: Log::default(),
            security: Security::default(),
            tls: None,
            traces: None,
        }
    }

    /// Whether a server would start with it, as far as that is known without starting one.
    pub fn check(&self) -> Result<(), crate::serve::Error> {
        self.exposed().map_or(Ok(()), |addr| Err(crate::serve::Error::Exposed { addr }))?;
        self.traces.as_ref().map_or(Ok(()), Traces::check).map_err(crate::serve::Error::Traces)?;
        Ok(self.tls.as_ref().map_or(Ok(()), tls::Files::check)?)
    }

    /// The first address that other machines reach, where that was not allowed by name.
    pub(crate) fn exposed(&self) -> Option<SocketAddr> {
        let guarded = self.insecure_bind || self.security.is_guarded();
        let open = |addr: &SocketAddr| !addr.ip().is_loopback() && !guarded;
        [self.grpc, self.http].into_iter().find(open)
    }
}

/// The greatest of everything that can be asked for. Above it a request is refused, by name.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Hits of a query, hits of a retriever, points of a page, ids of a Get.
    pub hits_max: u32,
    /// Hits that a query skips.
    pub offset_max: u32,
    /// Retrievers of a query.
    pub retrievers_max: usize,
    /// Width of a graph search.
    pub ef_max: u32,
    /// Bytes of a text query.
    pub query_text_bytes_max: usize,
    /// Operations of a batch.
    pub batch_ops_max: usize,
    /// Reads that run at once.
    pub reads_running: usize,
    /// Reads that wait for one of those; more are refused.
    pub reads_queued: usize,
    /// Writes that are parsed and analysed at once.
    pub writes_running: usize,
    /// Writes that wait for one of those; more are refused.
    pub writes_queued: usize,
    /// Batches of one ingest stream that may be unacknowledged.
    pub ingest_batches: u32,
    /// Bytes of one ingest stream that may be unacknowledged.
    pub ingest_bytes: u32,
    /// Bytes of a message, in and out.
    pub message_bytes_max: usize,
    /// Calls of one connection that are served at once.
    pub streams_max: u32,
    /// Milliseconds for which calls that run may go on when the server stops.
    pub drain_ms: u64,
    /// Connections of one port at once; more are closed.
    pub connections_max: usize,
    /// Milliseconds from a connection to its first byte, and for the head of an HTTP request.
    pub begin_ms: u64,
    /// Milliseconds for which a client may take nothing of an answer.
    pub stall_ms: u64,
    /// Bytes of requests that are arriving, of one port.
    pub arriving_bytes: u64,
    /// Milliseconds of a request from its head to the beginning of its answer, work on all of a collection left out.
    pub request_ms: u64,
    /// Calls a second of one key; 0: as many as come.
    pub calls_per_second: u32,
    /// Calls of one key at once; 0: as many as come.
    pub calls_running: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            hits_max: 10_000,
            offset_max: 10_000,
            retrievers_max: 16,
            ef_max: 65_536,
            query_text_bytes_max: 64 << 10,
            batch_ops_max: nigh_storage::prepare::OPS_MAX,
            reads_running: cores.max(2),
            reads_queued: 1024,
            writes_running: cores.max(2),
            writes_queued: 1024,
            ingest_batches: 32,
            ingest_bytes: 64 << 20,
            message_bytes_max: 64 << 20,
            streams_max: 1024,
            drain_ms: 10_000,
            connections_max: 4096,
            begin_ms: 30_000,
            stall_ms: 60_000,
            arriving_bytes: 1 << 30,
            request_ms: 300_000,
            calls_per_second: 0,
            calls_running: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_without_a_word() {
        let mut config = Config::new("data");
        assert_eq!(config.exposed(), None);
        config.http = "0.0.0.0:80".parse().unwrap();
        assert_eq!(config.exposed(), Some(config.http));
        config.insecure_bind = true;
        assert_eq!(config.exposed(), None);
        config.insecure_bind = false;
        config.security.jwt_secret = Some(Secret(vec![7; 32]));
        assert_eq!(config.exposed(), None, "with keys it may");
        config = Config { grpc: "[::1]:1".parse().unwrap(), ..Config::new("data") };
        assert_eq!(config.exposed(), None);
    }
}
