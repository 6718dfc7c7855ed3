//! Counters and latencies of every call, as Prometheus reads them.
//!
//! The text format is written by hand: a few counters need no registry.

use crate::engine::Engine;
use crate::engine::catalog;
use crate::engine::recall::{Measured, Recalls};
use crate::latency::{self, Latency};
use crate::turnstile::Turnstile;
use nigh_storage::memory::What;
use nigh_storage::scrub::ScrubCounts;
use nigh_storage::times::Histogram;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// So many collections, the first by name, have lines of their own: what reads the metrics keeps a series for each.
const TOLD_MAX: usize = 500;
/// gRPC has codes from 0 to 16.
const CODES: usize = 17;
/// Nobody waited for the answer.
const CANCELLED: usize = 1;

/// A call that is counted.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "they are the names of the calls")]
pub enum Rpc {
    Create,
    Drop,
    Describe,
    List,
    Optimize,
    ChangeAliases,
    ListAliases,
    Estimate,
    CancelMerge,
    Analyze,
    AddVectors,
    DropVectors,
    AddText,
    DropText,
    Scrub,
    Erase,
    Write,
    /// One batch of an ingest stream, from its arrival to its acknowledgement.
    IngestBatch,
    Query,
    Get,
    Scroll,
    Count,
    Facet,
    Pin,
    Pins,
    Unpin,
    Diff,
    GetSourcePositions,
    DropSource,
    Backup,
    Backups,
    DropBackup,
    Restore,
}

const RPCS: [(Rpc, &str); 33] = [
    (Rpc::Create, "Create"),
    (Rpc::Drop, "Drop"),
    (Rpc::Describe, "Describe"),
    (Rpc::List, "List"),
    (Rpc::Optimize, "Optimize"),
    (Rpc::ChangeAliases, "ChangeAliases"),
    (Rpc::ListAliases, "ListAliases"),
    (Rpc::Estimate, "Estimate"),
    (Rpc::CancelMerge, "CancelMerge"),
    (Rpc::Analyze, "Analyze"),
    (Rpc::AddVectors, "AddVectors"),
    (Rpc::DropVectors, "DropVectors"),
    (Rpc::AddText, "AddText"),
    (Rpc::DropText, "DropText"),
    (Rpc::Scrub, "Scrub"),
    (Rpc::Erase, "Erase"),
    (Rpc::Write, "Write"),
    (Rpc::IngestBatch, "IngestBatch"),
    (Rpc::Query, "Query"),
    (Rpc::Get, "Get"),
    (Rpc::Scroll, "Scroll"),
    (Rpc::Count, "Count"),
    (Rpc::Facet, "Facet"),
    (Rpc::Pin, "Pin"),
    (Rpc::Pins, "Pins"),
    (Rpc::Unpin, "Unpin"),
    (Rpc::Diff, "Diff"),
    (Rpc::GetSourcePositions, "GetSourcePositions"),
    (Rpc::DropSource, "DropSource"),
    (Rpc::Backup, "Backup"),
    (Rpc::Backups, "Backups"),
    (Rpc::DropBackup, "DropBackup"),
    (Rpc::Restore, "Restore"),
];

/// What has been counted since the start.
pub struct Metrics {
    calls: Box<[Calls]>,
    /// Connections that were closed because there were too many, or were not begun in time.
    pub(crate) connections_refused: Arc<AtomicU64>,
    /// Where requests are counted as they pass.
    turnstile: Option<Arc<Turnstile>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let calls = RPCS.iter().map(|_| Calls::default()).collect();
        Self { calls, connections_refused: Arc::default(), turnstile: None }
    }
}

#[derive(Default)]
struct Calls {
    codes: [AtomicU64; CODES],
    latency: Latency,
}

/// Measures one call; one that is dropped unfinished counts as cancelled.
pub struct Timer<'m> {
    calls: &'m Calls,
    begin: Instant,
    code: usize,
}

impl Timer<'_> {
    /// The call ended with this gRPC code.
    pub fn end(mut self, code: i32) {
        self.code = usize::try_from(code).unwrap_or(CANCELLED).min(CODES - 1);
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.calls.count(self.code, self.begin.elapsed());
    }
}

impl Metrics {
    /// With what is counted of requests as they pass.
    pub(crate) fn new(turnstile: Arc<Turnstile>) -> Self {
        Self { turnstile: Some(turnstile), ..Self::default() }
    }

    /// A call begins.
    pub fn begin(&self, rpc: Rpc) -> Timer<'_> {
        Timer { calls: &self.calls[rpc as usize], begin: Instant::now(), code: CANCELLED }
    }

    /// A call took this long and ended with this gRPC code.
    pub fn count(&self, rpc: Rpc, code: i32, took: Duration) {
        self.calls[rpc as usize].count(usize::try_from(code).unwrap_or(CANCELLED).min(CODES - 1), took);
    }

    /// All of it as text. Blocks for a moment where a collection syncs its log.
    pub fn text(&self, engine: &Engine) -> String {
        let mut out = String::with_capacity(8 << 10);
        // Writing to a String does not fail.
        let _ = self.write_calls(&mut out);
        let _ = self.turnstile.as_ref().map_or(Ok(()), |turnstile| turnstile.write(&mut out));
        let _ = engine.observed().write(&mut out);
        let refused = self.connections_refused.load(Ordering::Relaxed);
        let _ = head(
            &mut out,
            "nigh_connections_refused_total",
            "counter",
            "Connections beyond their limit, or not begun in time.",
        );
        let _ = writeln!(out, "nigh_connections_refused_total {refused}");
        let _ = write_process(&mut out, engine);
        let _ = write_collections(&mut out, engine);
        let _ = write_recalls(&mut out, engine.recalls());
        let _ = write_scrubs(&mut out, engine.scrubs());
        out
    }

    fn write_calls(&self, out: &mut String) -> std::fmt::Result {
        head(out, "nigh_calls_total", "counter", "Calls that ended, by their gRPC code.")?;
        for (calls, (_, rpc)) in self.calls.iter().zip(RPCS) {
            for (code, count) in calls.codes.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    writeln!(out, "nigh_calls_total{{rpc=\"{rpc}\",code=\"{code}\"}} {count}")?;
                }
            }
        }
        let name = "nigh_call_duration_seconds";
        head(out, name, "histogram", "Time of calls, from the whole request to the whole reply.")?;
        for (calls, (_, rpc)) in self.calls.iter().zip(RPCS) {
            calls.latency.write(out, name, &format!("rpc=\"{rpc}\""))?;
        }
        Ok(())
    }
}

impl Calls {
    fn count(&self, code: usize, took: Duration) {
        self.codes[code].fetch_add(1, Ordering::Relaxed);
        self.latency.count(took);
    }
}

/// What stands before the numbers of a name.
pub(crate) fn head(out: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

fn write_process(out: &mut String, engine: &Engine) -> std::fmt::Result {
    let progress = engine.progress();
    let (reads, writes) = engine.callers();
    let one = |out: &mut String, name: &str, help: &str, value: u64| {
        head(out, name, "gauge", help)?;
        writeln!(out, "{name} {value}")
    };
    one(out, "nigh_resident_bytes", "Memory of the process, mapped files included.", catalog::resident_bytes())?;
    let failed = engine.archive_failed().is_some().into();
    one(out, "nigh_archive_failed", "1 where the log could not be archived when it was tried last.", failed)?;
    let memory = engine.memory();
    one(out, "nigh_memory_limit_bytes", "How much the process may hold; mapped files do not count.", memory.limit)?;
    head(out, "nigh_memory_bytes", "gauge", "Memory by what it is held for; own: all that is not mapped from files.")?;
    for (what, bytes) in What::ALL.into_iter().zip(memory.held) {
        writeln!(out, "nigh_memory_bytes{{what=\"{}\"}} {bytes}", what.name())?;
    }
    writeln!(out, "nigh_memory_bytes{{what=\"own\"}} {}", memory.own)?;
    head(out, "nigh_memory_refusals_total", "counter", "Writes that were refused for want of memory.")?;
    writeln!(out, "nigh_memory_refusals_total {}", memory.refused)?;
    one(out, "nigh_ready", "1 when every collection is open or quarantined.", progress.ready.into())?;
    head(out, "nigh_callers", "gauge", "Callers that run or wait.")?;
    writeln!(out, "nigh_callers{{of=\"reads\"}} {reads}\nnigh_callers{{of=\"writes\"}} {writes}")?;
    head(out, "nigh_collections", "gauge", "Collections by state.")?;
    let states = [("open", progress.open), ("opening", progress.opening), ("quarantined", progress.quarantined)];
    for (state, count) in states {
        writeln!(out, "nigh_collections{{state=\"{state}\"}} {count}")?;
    }
    Ok(())
}

fn write_scrubs(out: &mut String, scrubs: ScrubCounts) -> std::fmt::Result {
    let all: [(&str, &str, &str, u64); 6] = [
        ("nigh_scrub_running", "gauge", "1 while files are being read again.", scrubs.running.into()),
        ("nigh_scrubbed_files_total", "counter", "Files that were read again.", scrubs.files),
        ("nigh_scrubbed_bytes_total", "counter", "Bytes that were read again.", scrubs.bytes),
        ("nigh_scrub_errors_total", "counter", "Files that were found damaged.", scrubs.errors),
        ("nigh_scrub_passes_total", "counter", "Times that everything was read again.", scrubs.passes),
        ("nigh_scrub_last_pass_seconds", "gauge", "Unix time of the last of them; 0: none.", scrubs.last_pass_s),
    ];
    for (name, kind, help, value) in all {
        head(out, name, kind, help)?;
        writeln!(out, "{name} {value}")?;
    }
    Ok(())
}

type Gauge = (&'static str, &'static str, &'static str, fn(&nigh_storage::status::Status) -> u64);

const OF_COLLECTIONS: [Gauge; 19] = [
    ("nigh_points", "gauge", "Points alive.", |status| status.points),
    ("nigh_seq", "gauge", "The last operation applied.", |status| status.seq),
    ("nigh_durable_seq", "gauge", "The last operation known to be on disk.", |status| status.durable_seq),
    ("nigh_segments", "gauge", "Segments.", |status| status.segments.len() as u64),
    ("nigh_dead_rows", "gauge", "Rows of segments that were deleted or replaced.", |status| {
        status.segments.iter().map(|segment| segment.dead_rows).sum()
    }),
    ("nigh_live_rows", "gauge", "Rows not yet in a segment.", |status| status.live_rows),
    ("nigh_live_bytes", "gauge", "Memory of rows not yet in a segment.", |status| status.live_bytes),
    ("nigh_disk_bytes", "gauge", "Bytes of log and segments.", |status| status.disk_bytes),
    ("nigh_batches_total", "counter", "Batches written.", |status| status.batches),
    ("nigh_syncs_total", "counter", "Syncs of the log, each shared by many batches.", |status| status.syncs),
    ("nigh_queue_batches", "gauge", "Batches that wait for the writer.", |status| status.queue_batches),
    ("nigh_queue_bytes", "gauge", "Bytes of batches that wait for the writer.", |status| status.queue_bytes),
    ("nigh_graph_bytes", "gauge", "Memory of what searches of segments walk.", |status| status.graph_bytes),
    ("nigh_upkeep_tasks", "gauge", "Seals and merges that run.", |status| status.tasks.len() as u64),
    ("nigh_upkeep_failed", "gauge", "1 where a seal or a merge failed when it was tried last.", |status| {
        status.upkeep_failed.is_some().into()
    }),
    ("nigh_archived_seq", "gauge", "The last operation in the archive of the log.", |status| {
        status.archive.map_or(0, |archive| archive.seq)
    }),
    ("nigh_archive_lag", "gauge", "Operations on disk that are not in the archive yet.", |status| {
        status.archive.map_or(0, |archive| archive.lag)
    }),
    ("nigh_archive_gap", "gauge", "1 where log was cut that was not in the archive: a backup is needed.", |status| {
        status.archive.is_some_and(|archive| archive.gap).into()
    }),
    ("nigh_refuses_writes", "gauge", "1 where writes are refused.", |status| status.refuses_writes.is_some().into()),
];

type Timed = (&'static str, &'static str, fn(&nigh_storage::status::Status) -> &Histogram);

const TIMES_OF_COLLECTIONS: [Timed; 4] = [
    ("nigh_queue_wait_seconds", "How long batches waited for the writer.", |status| &status.queue_waits),
    ("nigh_sync_duration_seconds", "How long syncs of the log took.", |status| &status.sync_times),
    ("nigh_seal_duration_seconds", "How long seals took, those that ended early too.", |status| &status.seal_times),
    ("nigh_merge_duration_seconds", "How long merges took, those that ended early too.", |status| &status.merge_times),
];

fn write_collections(out: &mut String, engine: &Engine) -> std::fmt::Result {
    let mut statuses = engine.statuses();
    let all = statuses.len();
    statuses.truncate(TOLD_MAX);
    head(out, "nigh_collections_untold", "gauge", "Open collections that are not told of one by one.")?;
    writeln!(out, "nigh_collections_untold {}", all - statuses.len())?;
    for (name, help, times) in TIMES_OF_COLLECTIONS {
        head(out, name, "histogram", help)?;
        for (collection, status) in statuses.iter().filter(|(_, status)| times(status).times() > 0) {
            latency::write(out, name, &format!("collection=\"{collection}\""), times(status))?;
        }
    }
    for (name, kind, help, value) in OF_COLLECTIONS {
        head(out, name, kind, help)?;
        for (collection, status) in &statuses {
            // A collection's name has no character that has to be escaped.
            writeln!(out, "{name}{{collection=\"{collection}\"}} {}", value(status))?;
        }
    }
    Ok(())
}

type Recall = (&'static str, &'static str, &'static str, fn(&Measured) -> f64);

const OF_RECALLS: [Recall; 5] = [
    ("nigh_recall", "gauge", "Recall of live queries, measured by answering some exactly beside.", |measured| {
        measured.recall.into()
    }),
    ("nigh_recall_low", "gauge", "Lower end of the 95 % confidence interval of the recall.", |measured| {
        measured.low.into()
    }),
    ("nigh_recall_high", "gauge", "Upper end of the 95 % confidence interval of the recall.", |measured| {
        measured.high.into()
    }),
    ("nigh_recall_queries_total", "counter", "Queries whose recall was measured.", |measured| measured.queries as f64),
    (
        "nigh_recall_correction",
        "gauge",
        "What misses to a recall is multiplied by this when effort is chosen.",
        |measured| measured.correction.into(),
    ),
];

fn write_recalls(out: &mut String, recalls: &Recalls) -> std::fmt::Result {
    let all = recalls.all();
    for (name, kind, help, value) in OF_RECALLS {
        head(out, name, kind, help)?;
        for (of, measured) in &all {
            let (collection, field, share) = (&of.collection, &of.field, of.share());
            let value = value(measured);
            writeln!(out, "{name}{{collection=\"{collection}\",field=\"{field}\",matching=\"{share}\"}} {value:.6}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_its_place() {
        for (at, (rpc, _)) in RPCS.into_iter().enumerate() {
            assert_eq!(rpc as usize, at);
        }
    }

    #[test]
    fn buckets_add_up_and_what_is_dropped_is_cancelled() {
        let metrics = Metrics::default();
        metrics.count(Rpc::Query, 0, Duration::from_micros(100));
        metrics.count(Rpc::Query, 0, Duration::from_secs(60));
        drop(metrics.begin(Rpc::Get));
        let mut out = String::new();
        metrics.write_calls(&mut out).unwrap();
        for line in [
            r#"nigh_calls_total{rpc="Query",code="0"} 2"#,
            r#"nigh_calls_total{rpc="Get",code="1"} 1"#,
            r#"nigh_call_duration_seconds_bucket{rpc="Query",le="0.0001"} 1"#,
            r#"nigh_call_duration_seconds_bucket{rpc="Query",le="5"} 1"#,
            r#"nigh_call_duration_seconds_bucket{rpc="Query",le="+Inf"} 2"#,
            r#"nigh_call_duration_seconds_count{rpc="Query"} 2"#,
        ] {
            assert!(out.lines().any(|have| have == line), "{line}\n{out}");
        }
    }
}
