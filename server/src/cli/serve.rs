//! `nigh serve`: the server itself.

use crate::cli::failure::Result;
use nigh_server::config::{Config, GRPC_PORT, HTTP_PORT};
use nigh_server::serve::run_until_signal;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
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
}

/// Runs it.
pub(crate) async fn run(args: Args) -> Result<()> {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,nigh=info,nigh_server=info"));
    // Somebody who embeds this may have set up their own already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).try_init();
    let Args { data, grpc, http, insecure_bind, build_threads, upkeep_io, disk_soft_limit, disk_hard_limit } = args;
    let mut config = Config { grpc, http, insecure_bind, ..Config::new(data) };
    if let Some(threads) = build_threads {
        config.storage.build_threads = threads as usize;
    }
    config.storage.upkeep_bytes_per_second = upkeep_io.map(|mib| u64::from(mib) << 20);
    config.storage.space_soft_bytes = disk_soft_limit.map(|mib| u64::from(mib) << 20);
    config.storage.space_hard_bytes = disk_hard_limit.map(|mib| u64::from(mib) << 20);
    Ok(run_until_signal(config).await?)
}
