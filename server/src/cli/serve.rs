//! `nigh serve`: the server itself.

use crate::cli::failure::Result;
use nigh_server::config::{Archive, Config, GRPC_PORT, HTTP_PORT};
use nigh_server::engine::memory::default_limit;
use nigh_server::serve::run_until_signal;
use nigh_storage::memory::Budget;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Serves the collections of a data directory until it is told to end.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The data directory; created where it is not there
    #[arg(long, env = "NIGH_DATA_DIR", value_name = "DIR", default_value = "nigh-data")]
    data: PathBuf,
    /// Where gRPC listens
    #[arg(long, env = "NIGH_GRPC", value_name = "ADDR", default_value_t = loopback(GRPC_PORT))]
    grpc: SocketAddr,
    /// Where HTTP listens: health and metrics
    #[arg(long, env = "NIGH_HTTP", value_name = "ADDR", default_value_t = loopback(HTTP_PORT))]
    http: SocketAddr,
    /// Listen where other machines reach it, without keys and without encryption
    #[arg(long, env = "NIGH_INSECURE_BIND")]
    insecure_bind: bool,
    /// Keep the data on a network file system, whose syncs and locks are not known to hold
    #[arg(long, env = "NIGH_ALLOW_NETWORK_FS")]
    allow_network_fs: bool,
    /// Days after which every file is read again and held against its checksum; 0: never
    #[arg(long, env = "NIGH_SCRUB_DAYS", value_name = "DAYS", default_value_t = 7)]
    scrub_days: u32,
    /// MiB a second that this reads; 0: no limit
    #[arg(long, env = "NIGH_SCRUB_IO", value_name = "MIB", default_value_t = 32)]
    scrub_io: u32,
    /// Threads that build segments; as many as there are cores where it is left out
    #[arg(long, env = "NIGH_BUILD_THREADS", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1024))]
    build_threads: Option<u32>,
    /// MiB a second that sealing and merging may write; no limit where it is left out
    #[arg(long, env = "NIGH_UPKEEP_IO", value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    upkeep_io: Option<u32>,
    /// With fewer MiB free on the disk nothing is built that gives no room back; a tenth of the disk and at most 5 GiB
    /// where it is left out
    #[arg(long, env = "NIGH_DISK_SOFT_LIMIT", value_name = "MIB")]
    disk_soft_limit: Option<u32>,
    /// With fewer MiB free only deletes and drops are taken; a fiftieth of the disk and at most 1 GiB where it is left
    /// out
    #[arg(long, env = "NIGH_DISK_HARD_LIMIT", value_name = "MIB")]
    disk_hard_limit: Option<u32>,
    /// MiB that the process may hold; nine tenths of its control group's or three quarters of the machine's memory where
    /// it is left out
    #[arg(long, env = "NIGH_MEMORY_LIMIT", value_name = "MIB", value_parser = clap::value_parser!(u32).range(64..))]
    memory_limit: Option<u32>,
    /// A directory for backups, which requests then name
    #[arg(long = "backup-target", env = "NIGH_BACKUP_TARGETS", value_name = "NAME=DIR", value_delimiter = ',', value_parser = named)]
    backup_targets: Vec<(String, String)>,
    /// The backup target to which the log goes before it may be cut
    #[arg(long, env = "NIGH_ARCHIVE", value_name = "NAME")]
    archive: Option<String>,
    /// Seconds between two pieces of the archive
    #[arg(long, env = "NIGH_ARCHIVE_EVERY", value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    archive_every: u32,
    /// MiB of log that a collection keeps for an archive that lags; beyond it the archive gets a gap
    #[arg(long, env = "NIGH_ARCHIVE_KEEP", value_name = "MIB", default_value_t = 4096)]
    archive_keep: u32,
    /// Days after which pieces of the archive go that no backup needs; they stay where it is left out
    #[arg(long, env = "NIGH_ARCHIVE_RETENTION", value_name = "DAYS", requires = "archive")]
    archive_retention: Option<u32>,
}

/// `name=place`.
fn named(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, place)) if !name.is_empty() && !place.is_empty() => Ok((name.to_owned(), place.to_owned())),
        _ => Err("a target is written NAME=DIRECTORY".to_owned()),
    }
}

/// Runs it.
pub(crate) async fn run(args: Args) -> Result<()> {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,nigh=info,nigh_server=info"));
    // Somebody who embeds this may have set up their own already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).try_init();
    let Args {
        data,
        grpc,
        http,
        insecure_bind,
        allow_network_fs,
        scrub_days,
        scrub_io,
        build_threads,
        upkeep_io,
        disk_soft_limit,
        disk_hard_limit,
        backup_targets,
        memory_limit,
        ..
    } = args;
    let (every, keep_bytes) = (Duration::from_secs(args.archive_every.into()), u64::from(args.archive_keep) << 20);
    let days = |days: u32| Duration::from_secs(u64::from(days) * 24 * 3600);
    let retention = args.archive_retention.map(days);
    let archive = args.archive.map(|target| Archive { target, every, keep_bytes, retention });
    let mut config =
        Config { grpc, http, insecure_bind, allow_network_fs, backup_targets, archive, ..Config::new(data) };
    config.storage.scrub_every = (scrub_days > 0).then(|| days(scrub_days));
    config.storage.scrub_bytes_per_second = (scrub_io > 0).then(|| u64::from(scrub_io) << 20);
    if let Some(threads) = build_threads {
        config.storage.build_threads = threads as usize;
    }
    config.storage.upkeep_bytes_per_second = upkeep_io.map(|mib| u64::from(mib) << 20);
    config.storage.space_soft_bytes = disk_soft_limit.map(|mib| u64::from(mib) << 20);
    config.storage.space_hard_bytes = disk_hard_limit.map(|mib| u64::from(mib) << 20);
    let limit = memory_limit.map_or_else(default_limit, |mib| u64::from(mib) << 20);
    config.storage.memory = Arc::new(Budget::new(limit));
    Ok(run_until_signal(config).await?)
}
