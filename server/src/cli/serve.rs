//! `nigh serve`: the server itself.

use crate::cli::failure::{Failure, Result};
use nigh_server::config::layers::Layers;
use nigh_server::config::{Log, LogFormat};
use nigh_server::serve::run_until_signal;
use std::io;
use std::path::PathBuf;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt};

/// Serves the collections of a data directory until it is told to end.
///
/// Every setting of docs/configuration.md can be given: by a flag, by the environment (NIGH__LISTEN__GRPC is listen.grpc),
/// or in the file. Flags win over the environment, that over the file.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    given: Given,
}

/// Settings as they are given.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Given {
    /// The configuration file, TOML
    #[arg(long, env = "NIGH_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Any setting by its name; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// The data directory; created where it is not there [data.dir]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Where gRPC listens [listen.grpc]
    #[arg(long, value_name = "ADDR")]
    grpc: Option<String>,
    /// Where HTTP listens [listen.http]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Listen where other machines reach it without keys [listen.insecure_bind]
    #[arg(long)]
    insecure_bind: bool,
    /// Keep the data on a network file system, whose syncs and locks are not known to hold [data.allow_network_fs]
    #[arg(long)]
    allow_network_fs: bool,
    /// What the log looks like: text or json [log.format]
    #[arg(long, value_name = "FORM")]
    log_format: Option<String>,
    /// Days after which every file is read again and held against its checksum; 0: never [scrub.every_days]
    #[arg(long, value_name = "DAYS")]
    scrub_days: Option<String>,
    /// MiB a second that this reads; 0: no limit [scrub.mib_per_second]
    #[arg(long, value_name = "MIB")]
    scrub_io: Option<String>,
    /// Threads that build segments [storage.build_threads]
    #[arg(long, value_name = "COUNT")]
    build_threads: Option<String>,
    /// MiB a second that sealing and merging may write [storage.upkeep_mib_per_second]
    #[arg(long, value_name = "MIB")]
    upkeep_io: Option<String>,
    /// With fewer MiB free on the disk nothing is built that gives no room back [storage.disk_soft_mib]
    #[arg(long, value_name = "MIB")]
    disk_soft_limit: Option<String>,
    /// With fewer MiB free only deletes and drops are taken [storage.disk_hard_mib]
    #[arg(long, value_name = "MIB")]
    disk_hard_limit: Option<String>,
    /// MiB that the process may hold [memory.limit_mib]
    #[arg(long, value_name = "MIB")]
    memory_limit: Option<String>,
    /// A directory for backups, which requests then name; may be repeated [backup.targets]
    #[arg(long = "backup-target", value_name = "NAME=DIR", value_parser = pair)]
    backup_targets: Vec<(String, String)>,
    /// The backup target to which the log goes before it may be cut [archive.target]
    #[arg(long, value_name = "NAME")]
    archive: Option<String>,
    /// Seconds between two pieces of the archive [archive.every_seconds]
    #[arg(long, value_name = "SECONDS")]
    archive_every: Option<String>,
    /// MiB of log that a collection keeps for an archive that lags [archive.keep_mib]
    #[arg(long, value_name = "MIB")]
    archive_keep: Option<String>,
    /// Days after which pieces of the archive go that no backup needs [archive.retention_days]
    #[arg(long, value_name = "DAYS")]
    archive_retention: Option<String>,
}

/// `name=value`.
fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it is written NAME=VALUE".to_owned()),
    }
}

impl Given {
    /// With what the environment says.
    pub(crate) fn layers(self) -> Layers {
        let targets: Vec<_> = self.backup_targets.iter().map(|(name, place)| format!("{name}={place}")).collect();
        let given = [
            ("data.dir", self.data, "--data"),
            ("listen.grpc", self.grpc, "--grpc"),
            ("listen.http", self.http, "--http"),
            ("listen.insecure_bind", self.insecure_bind.then(|| "true".to_owned()), "--insecure-bind"),
            ("data.allow_network_fs", self.allow_network_fs.then(|| "true".to_owned()), "--allow-network-fs"),
            ("log.format", self.log_format, "--log-format"),
            ("scrub.every_days", self.scrub_days, "--scrub-days"),
            ("scrub.mib_per_second", self.scrub_io, "--scrub-io"),
            ("storage.build_threads", self.build_threads, "--build-threads"),
            ("storage.upkeep_mib_per_second", self.upkeep_io, "--upkeep-io"),
            ("storage.disk_soft_mib", self.disk_soft_limit, "--disk-soft-limit"),
            ("storage.disk_hard_mib", self.disk_hard_limit, "--disk-hard-limit"),
            ("memory.limit_mib", self.memory_limit, "--memory-limit"),
            ("backup.targets", (!targets.is_empty()).then(|| targets.join(",")), "--backup-target"),
            ("archive.target", self.archive, "--archive"),
            ("archive.every_seconds", self.archive_every, "--archive-every"),
            ("archive.keep_mib", self.archive_keep, "--archive-keep"),
            ("archive.retention_days", self.archive_retention, "--archive-retention"),
        ];
        let flag = |(name, value, flag): (&str, Option<String>, &str)| Some((name.to_owned(), value?, flag.to_owned()));
        let set = self.set.into_iter().map(|(name, value)| (name, value, "--set".to_owned()));
        let flags = given.into_iter().filter_map(flag).chain(set).collect();
        // What is no Unicode is no setting of ours.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Layers { file: self.config, environment: std::env::vars_os().filter_map(text).collect(), flags }
    }
}

/// Writes what the server says of itself to the standard error; what of it can be changed.
fn listen_to_log(log: &Log) -> Result<Handle<EnvFilter, Registry>> {
    let wrong = |err| Failure::Usage(format!("log.filter is `{}`; {err}", log.filter));
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(&log.filter).map_err(wrong)?);
    let said = fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    // Somebody who embeds this may have set up their own already.
    let _ = match log.format {
        LogFormat::Text => registry.with(said).try_init(),
        LogFormat::Json => registry.with(said.json().flatten_event(true)).try_init(),
    };
    Ok(handle)
}

/// Runs it.
pub(crate) async fn run(args: Args) -> Result<()> {
    let layers = args.given.layers();
    let (config, _) = layers.read()?;
    let filter = listen_to_log(&config.log)?;
    let reread = move || {
        let (config, _) = layers.read().map_err(|err| err.to_string())?;
        let levels = EnvFilter::try_new(&config.log.filter).map_err(|err| format!("log.filter: {err}"))?;
        let filter = filter.clone();
        let after = move || {
            // It fails only where somebody else's subscriber is there, whose levels are not ours.
            if let Err(err) = filter.reload(levels) {
                tracing::warn!(%err, "log.filter stays as it is");
            }
        };
        Ok((config, after))
    };
    Ok(run_until_signal(config, reread).await?)
}
