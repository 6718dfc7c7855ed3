//! Every setting: its name, what it is for, how it is read and shown. Files, environment and flags all come here, and
//! `docs/configuration.md` is written from it.

use super::given::{Given, Read, quoted, word_of};
use super::secure::{self, Secure};
use super::traces::{self, Drafted};
use super::{Archive, Config, LogFormat};
use crate::engine::memory::default_limit;
use nigh_storage::memory::Budget;
use std::sync::Arc;
use std::time::Duration;

/// What is being put together: a [`Config`], and what only makes sense together with something else.
pub(super) struct Draft {
    pub(super) config: Config,
    memory_limit: Option<u64>,
    build_threads: Option<usize>,
    archive_target: Option<String>,
    archive_every_s: u64,
    archive_keep_bytes: u64,
    archive_retention_days: Option<u64>,
    secure: Secure,
    traces: Drafted,
}

impl Default for Draft {
    fn default() -> Self {
        let mut config = Config::new("nigh-data");
        config.storage.scrub_every = Some(Duration::from_secs(7 * DAY_S));
        config.storage.scrub_bytes_per_second = Some(32 << 20);
        Self {
            config,
            memory_limit: None,
            build_threads: None,
            archive_target: None,
            archive_every_s: 10,
            archive_keep_bytes: 4 << 30,
            archive_retention_days: None,
            secure: Secure::default(),
            traces: Drafted::default(),
        }
    }
}

impl Draft {
    /// The whole, where its parts make sense together.
    pub(super) fn finish(self) -> Result<Config, String> {
        let mut config = self.config;
        config.storage.memory = Arc::new(Budget::new(self.memory_limit.unwrap_or_else(default_limit)));
        if let Some(threads) = self.build_threads {
            config.storage.build_threads = threads;
        }
        self.secure.finish(&mut config)?;
        self.traces.finish(&mut config)?;
        if let Some(target) = self.archive_target {
            if !config.backup_targets.iter().any(|(name, _)| *name == target) {
                return Err(format!("archive.target is `{target}`; it is one of the names of backup.targets"));
            }
            let (every, keep_bytes) = (Duration::from_secs(self.archive_every_s), self.archive_keep_bytes);
            let retention = self.archive_retention_days.map(|days| Duration::from_secs(days * DAY_S));
            config.archive = Some(Archive { target, every, keep_bytes, retention });
        }
        Ok(config)
    }
}

/// One setting.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// What it is, in the words of the documentation.
    pub(super) help: &'static str,
    /// What holds where it is not set, where that is not a value.
    pub(super) otherwise: &'static str,
    /// Whether its value is shown to nobody, and may come from a file (`NAME_file`).
    pub(super) secret: bool,
    /// As a TOML value; `None` where it is not set.
    pub(super) show: fn(&Draft) -> Option<String>,
    pub(super) set: fn(&mut Draft, &Given) -> Read<()>,
}

const DAY_S: u64 = 24 * 3600;

const fn key(
    name: &'static str,
    help: &'static str,
    show: fn(&Draft) -> Option<String>,
    set: fn(&mut Draft, &Given) -> Read<()>,
) -> Key {
    Key { name, help, otherwise: "", secret: false, show, set }
}

impl Key {
    const fn otherwise(mut self, text: &'static str) -> Self {
        self.otherwise = text;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

fn mib(bytes: u64) -> Option<String> {
    Some((bytes >> 20).to_string())
}

/// Puts a value that was read where it belongs.
fn put<T>(place: &mut T, read: Read<T>) -> Read<()> {
    *place = read?;
    Ok(())
}

/// A number of the limits, from 1 to its most.
macro_rules! limit {
    ($name:literal, $field:ident, $most:expr, $help:literal) => {
        key(
            $name,
            $help,
            |draft| Some(draft.config.limits.$field.to_string()),
            |draft, given| put(&mut draft.config.limits.$field, given.number(1..=$most)),
        )
    };
}

const U32: u64 = u32::MAX as u64;

/// All of them.
pub(super) const KEYS: &[Key] = &[
    key(
        "data.dir",
        "The data directory; created where it is not there.",
        |draft| Some(quoted(draft.config.data.display())),
        |draft, given| put(&mut draft.config.data, given.path()),
    ),
    key(
        "data.allow_network_fs",
        "Whether the data may lie on a network file system, whose syncs and locks are not known to hold.",
        |draft| Some(draft.config.allow_network_fs.to_string()),
        |draft, given| put(&mut draft.config.allow_network_fs, given.flag()),
    ),
    key(
        "listen.grpc",
        "Where gRPC listens; port 0 takes a free one.",
        |draft| Some(quoted(draft.config.grpc)),
        |draft, given| put(&mut draft.config.grpc, given.addr()),
    ),
    key(
        "listen.http",
        "Where HTTP listens; port 0 takes a free one.",
        |draft| Some(quoted(draft.config.http)),
        |draft, given| put(&mut draft.config.http, given.addr()),
    ),
    key(
        "listen.insecure_bind",
        "Whether it may listen where other machines reach it without keys.",
        |draft| Some(draft.config.insecure_bind.to_string()),
        |draft, given| put(&mut draft.config.insecure_bind, given.flag()),
    ),
    key(
        "memory.limit_mib",
        "MiB that the process may hold; files that are mapped do not count.",
        |draft| draft.memory_limit.and_then(mib),
        |draft, given| put(&mut draft.memory_limit, given.mib(64).map(Some)),
    )
    .otherwise("nine tenths of its control group's, or three quarters of the machine's memory"),
    key(
        "storage.seal_rows",
        "Live rows of a collection are sealed into a segment when they are this many.",
        |draft| Some(draft.config.storage.seal_rows.to_string()),
        |draft, given| put(&mut draft.config.storage.seal_rows, given.number(1..=U32)),
    ),
    key(
        "storage.seal_mib",
        "Or when they hold this many MiB.",
        |draft| mib(draft.config.storage.seal_bytes),
        |draft, given| put(&mut draft.config.storage.seal_bytes, given.mib(1)),
    ),
    key(
        "storage.build_threads",
        "Threads that build segments. While requests come they keep to a half of the cores (Linux).",
        |draft| draft.build_threads.map(|threads| threads.to_string()),
        |draft, given| put(&mut draft.build_threads, given.number(1..=1024).map(Some)),
    )
    .otherwise("as many as there are cores"),
    key(
        "storage.upkeep_mib_per_second",
        "MiB a second that sealing and merging may write.",
        |draft| draft.config.storage.upkeep_bytes_per_second.and_then(mib),
        |draft, given| put(&mut draft.config.storage.upkeep_bytes_per_second, given.mib(1).map(Some)),
    )
    .otherwise("no limit"),
    key(
        "storage.disk_soft_mib",
        "With fewer MiB free on the disk nothing is built that gives no room back.",
        |draft| draft.config.storage.space_soft_bytes.and_then(mib),
        |draft, given| put(&mut draft.config.storage.space_soft_bytes, given.mib(0).map(Some)),
    )
    .otherwise("a tenth of the disk, at most 5 GiB"),
    key(
        "storage.disk_hard_mib",
        "With fewer MiB free only deletes and drops are taken.",
        |draft| draft.config.storage.space_hard_bytes.and_then(mib),
        |draft, given| put(&mut draft.config.storage.space_hard_bytes, given.mib(0).map(Some)),
    )
    .otherwise("a fiftieth of the disk, at most 1 GiB"),
    key(
        "scrub.every_days",
        "Days after which every file is read again and held against its checksum; 0: never.",
        |draft| Some(draft.config.storage.scrub_every.map_or(0, |every| every.as_secs() / DAY_S).to_string()),
        |draft, given| {
            let days: u64 = given.number(0..=36_500)?;
            draft.config.storage.scrub_every = (days > 0).then(|| Duration::from_secs(days * DAY_S));
            Ok(())
        },
    ),
    key(
        "scrub.mib_per_second",
        "MiB a second that this reads; 0: no limit.",
        |draft| mib(draft.config.storage.scrub_bytes_per_second.unwrap_or(0)),
        |draft, given| {
            let bytes = given.mib(0)?;
            draft.config.storage.scrub_bytes_per_second = (bytes > 0).then_some(bytes);
            Ok(())
        },
    ),
    key(
        "backup.targets",
        "Directories for backups, by the names that requests use. A table; NAME=DIRECTORY,... in environment and flags.",
        |draft| {
            let one = |(name, place): &(String, String)| format!("{} = {}", quoted(name), quoted(place));
            let all: Vec<_> = draft.config.backup_targets.iter().map(one).collect();
            (!all.is_empty()).then(|| format!("{{ {} }}", all.join(", ")))
        },
        |draft, given| put(&mut draft.config.backup_targets, given.pairs()),
    )
    .otherwise("none"),
    key(
        "snapshots.dir",
        "The folder of snapshots of single collections, which no other server uses; see [Coming from Qdrant](migrating-from-qdrant.md#snapshots).",
        |draft| draft.config.snapshots.dir.as_ref().map(|path| quoted(path.display())),
        |draft, given| put(&mut draft.config.snapshots.dir, given.path().map(Some)),
    )
    .otherwise("`snapshots` in the data directory"),
    key(
        "snapshots.upload_max_mib",
        "MiB of a snapshot that is uploaded.",
        |draft| mib(draft.config.snapshots.upload_bytes_max),
        |draft, given| put(&mut draft.config.snapshots.upload_bytes_max, given.mib(1)),
    ),
    key(
        "archive.target",
        "The backup target to which the log goes before it may be cut.",
        |draft| draft.archive_target.as_ref().map(quoted),
        |draft, given| put(&mut draft.archive_target, given.text().map(Some)),
    )
    .otherwise("none"),
    key(
        "archive.every_seconds",
        "Seconds between two pieces of the archive.",
        |draft| Some(draft.archive_every_s.to_string()),
        |draft, given| put(&mut draft.archive_every_s, given.number(1..=U32)),
    ),
    key(
        "archive.keep_mib",
        "MiB of log that a collection keeps for an archive that lags; beyond it the archive gets a gap.",
        |draft| mib(draft.archive_keep_bytes),
        |draft, given| put(&mut draft.archive_keep_bytes, given.mib(0)),
    ),
    key(
        "archive.retention_days",
        "Days after which pieces of the archive are removed that no backup needs.",
        |draft| draft.archive_retention_days.map(|days| days.to_string()),
        |draft, given| put(&mut draft.archive_retention_days, given.number(0..=36_500).map(Some)),
    )
    .otherwise("they stay"),
    key(
        "security.keys",
        "Keys: tables with `name`, `hash` or `key_file`, `role` (`read`, `write`, `admin`), `collections` and \
         `calls_per_second`; see [security](security.md). Only in a file.",
        |draft| secure::shown(&draft.secure.keys),
        |draft, given| put(&mut draft.secure.keys, secure::keys(given)),
    )
    .otherwise("none"),
    key(
        "security.admin_key",
        "A key of role `admin`, for all collections.",
        |draft| draft.secure.admin.as_ref().map(quoted),
        |draft, given| put(&mut draft.secure.admin, secure::hash(given).map(Some)),
    )
    .otherwise("none")
    .secret(),
    key(
        "security.read_key",
        "A key of role `read`, for all collections.",
        |draft| draft.secure.read.as_ref().map(quoted),
        |draft, given| put(&mut draft.secure.read, secure::hash(given).map(Some)),
    )
    .otherwise("none")
    .secret(),
    key(
        "security.jwt_secret",
        "What tokens (JWT, HS256) are signed with; at least 32 bytes. With none no token is taken.",
        |draft| draft.config.security.jwt_secret.as_ref().map(|_| quoted("***")),
        |draft, given| put(&mut draft.config.security.jwt_secret, secure::secret(given).map(Some)),
    )
    .otherwise("none")
    .secret(),
    key(
        "security.audit_file",
        "The file of the audit log: refusals, writes and upkeep, a JSON object a line.",
        |draft| draft.config.security.audit_file.as_ref().map(|path| quoted(path.display())),
        |draft, given| put(&mut draft.config.security.audit_file, given.path().map(Some)),
    )
    .otherwise("none"),
    key(
        "security.audit_reads",
        "Whether reads are in the audit log as well.",
        |draft| Some(draft.config.security.audit_reads.to_string()),
        |draft, given| put(&mut draft.config.security.audit_reads, given.flag()),
    ),
    key(
        "tls.cert_file",
        "The server's certificate for both ports, PEM, with those between it and the root.",
        |draft| draft.secure.cert.as_ref().map(|path| quoted(path.display())),
        |draft, given| put(&mut draft.secure.cert, given.path().map(Some)),
    )
    .otherwise("none: not encrypted"),
    key(
        "tls.key_file",
        "Its private key, PEM.",
        |draft| draft.secure.cert_key.as_ref().map(|path| quoted(path.display())),
        |draft, given| put(&mut draft.secure.cert_key, given.path().map(Some)),
    )
    .otherwise("none"),
    key(
        "tls.client_ca_file",
        "Who signs the certificates of clients, PEM: with it a client without one is refused.",
        |draft| draft.secure.client_ca.as_ref().map(|path| quoted(path.display())),
        |draft, given| put(&mut draft.secure.client_ca, given.path().map(Some)),
    )
    .otherwise("none: clients need no certificate"),
    key(
        "log.format",
        "What the log on standard error looks like: `text` for people, `json` for programs (one object a line).",
        |draft| word_of(&LogFormat::WORDS, draft.config.log.format),
        |draft, given| put(&mut draft.config.log.format, given.one_of(&LogFormat::WORDS)),
    ),
    key(
        "log.filter",
        "What is logged: `error`, `warn`, `info`, `debug` or `trace`, or levels by module as in `warn,nigh_server=debug`.",
        |draft| Some(quoted(&draft.config.log.filter)),
        |draft, given| put(&mut draft.config.log.filter, given.text()),
    ),
    key(
        "log.slow_query_ms",
        "Queries that take at least so many milliseconds are logged with their stages and plan; 0: none.",
        |draft| Some(draft.config.log.slow_query.map_or(0, |slow| slow.as_millis()).to_string()),
        |draft, given| {
            let ms: u64 = given.number(0..=U32)?;
            draft.config.log.slow_query = (ms > 0).then(|| Duration::from_millis(ms));
            Ok(())
        },
    ),
    key(
        "traces.endpoint",
        "The collector that traces go to: OTLP over gRPC, as `http://127.0.0.1:4317`. With none there are none.",
        |draft| draft.traces.endpoint.as_ref().map(quoted),
        |draft, given| put(&mut draft.traces.endpoint, given.text().map(Some)),
    )
    .otherwise("none"),
    key(
        "traces.sample",
        "The share of traces that are sent, from 0 to 1, of requests whose caller says nothing of it (`traceparent`).",
        |draft| Some(format!("{:?}", draft.traces.sample)),
        |draft, given| put(&mut draft.traces.sample, given.share()),
    ),
    key(
        "traces.headers",
        "Headers for the collector, `NAME=VALUE`: one a line, or with commas between them.",
        |draft| (!draft.traces.headers.0.is_empty()).then(|| quoted("***")),
        |draft, given| put(&mut draft.traces.headers, traces::headers(given)),
    )
    .otherwise("none")
    .secret(),
    key(
        "traces.ca_file",
        "Who signed the certificate of a collector at `https://`, PEM.",
        |draft| draft.traces.ca_file.as_ref().map(|path| quoted(path.display())),
        |draft, given| put(&mut draft.traces.ca_file, given.path().map(Some)),
    )
    .otherwise("whom the system trusts"),
    key(
        "traces.service_name",
        "What this server is called in traces (`service.name`).",
        |draft| Some(quoted(&draft.traces.service_name)),
        |draft, given| put(&mut draft.traces.service_name, given.text()),
    ),
    key(
        "traces.queue_spans",
        "Spans that wait to be sent; more are dropped, and counted.",
        |draft| Some(draft.traces.queue_spans.to_string()),
        |draft, given| put(&mut draft.traces.queue_spans, given.number(1..=1 << 20)),
    ),
    limit!("limits.hits_max", hits_max, U32, "Hits of a query, hits of a retriever, points of a page, ids of a Get."),
    limit!("limits.offset_max", offset_max, U32, "Hits that a query skips."),
    limit!("limits.retrievers_max", retrievers_max, 1024, "Retrievers of a query."),
    limit!("limits.ef_max", ef_max, U32, "Width of a graph search."),
    limit!("limits.query_text_bytes_max", query_text_bytes_max, 16 << 20, "Bytes of a text query."),
    limit!("limits.batch_ops_max", batch_ops_max, nigh_storage::prepare::OPS_MAX as u64, "Operations of a batch."),
    limit!("limits.reads_running", reads_running, 4096, "Reads that run at once.").otherwise("as many as there are cores, at least 2"),
    limit!("limits.reads_queued", reads_queued, 1 << 20, "Reads that wait for one of those; more are refused."),
    limit!("limits.writes_running", writes_running, 4096, "Writes that are parsed and analysed at once.").otherwise("as many as there are cores, at least 2"),
    limit!("limits.writes_queued", writes_queued, 1 << 20, "Writes that wait for one of those; more are refused."),
    limit!("limits.ingest_batches", ingest_batches, 4096, "Batches of one ingest stream that may be unacknowledged."),
    limit!("limits.ingest_bytes", ingest_bytes, 1 << 30, "Bytes of one ingest stream that may be unacknowledged."),
    limit!("limits.message_bytes_max", message_bytes_max, 1 << 30, "Bytes of a gRPC message, in and out."),
    limit!("limits.streams_max", streams_max, U32, "Calls of one gRPC connection that are served at once."),
    limit!("limits.connections_max", connections_max, 1 << 20, "Connections of one port at once; more are closed."),
    limit!("limits.begin_ms", begin_ms, 3_600_000, "Milliseconds from a connection to its first byte, and for the head of an HTTP request."),
    limit!("limits.stall_ms", stall_ms, 3_600_000, "Milliseconds for which a client may take nothing of an answer; then its connection is closed."),
    limit!("limits.arriving_bytes", arriving_bytes, 1 << 40, "Bytes of requests that are arriving, all of one port together, streams left out; more are refused."),
    limit!("limits.request_ms", request_ms, 86_400_000, "Milliseconds of a request from its head to the beginning of its answer; of work on all of a collection only until it has arrived."),
    key(
        "limits.calls_per_second",
        "Calls a second of one key, and of all tokens together; 0: as many as come.",
        |draft| Some(draft.config.limits.calls_per_second.to_string()),
        |draft, given| put(&mut draft.config.limits.calls_per_second, given.number(0..=U32)),
    ),
    key(
        "limits.calls_running",
        "Calls of one key at once, and of all tokens together, until their answers begin; 0: as many as come.",
        |draft| Some(draft.config.limits.calls_running.to_string()),
        |draft, given| put(&mut draft.config.limits.calls_running, given.number(0..=1 << 20)),
    ),
    limit!("limits.drain_ms", drain_ms, 3_600_000, "Milliseconds for which calls that run may go on when the server stops."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    const BEGIN: &str = "<!-- settings: written by a test -->\n";
    const END: &str = "<!-- end of settings -->\n";

    fn documented() -> String {
        let draft = Draft::default();
        let mut text = "| setting | where it is not set | |\n|---|---|---|\n".to_owned();
        for key in KEYS {
            let default = (key.show)(&draft).map(|value| format!("`{value}`"));
            let default = if key.otherwise.is_empty() { default.unwrap_or_default() } else { key.otherwise.to_owned() };
            let file = if key.secret { format!(", `{}_file`", key.name) } else { String::new() };
            writeln!(text, "| `{}`{file} | {default} | {} |", key.name, key.help).unwrap();
        }
        text
    }

    /// Written anew where `NIGH_WRITE_DOCS` is set.
    #[test]
    fn every_setting_is_in_the_documentation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the settings");
        let (found, after) = rest.split_once(END).expect("and its end");
        let want = documented();
        if std::env::var_os("NIGH_WRITE_DOCS").is_some() {
            std::fs::write(path, format!("{before}{BEGIN}{want}{END}{after}")).unwrap();
        } else {
            assert_eq!(found, want, "run this test once with NIGH_WRITE_DOCS=1");
        }
    }

    #[test]
    fn every_setting_has_a_name_of_its_own_and_a_default() {
        for (at, key) in KEYS.iter().enumerate() {
            assert!(KEYS[..at].iter().all(|other| other.name != key.name), "{}", key.name);
            let shown = (key.show)(&Draft::default());
            assert!(shown.is_some() || !key.otherwise.is_empty(), "{} says nothing where it is not set", key.name);
        }
    }
}
