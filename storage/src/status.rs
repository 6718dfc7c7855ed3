//! How a collection is, as others are told.

use crate::archive::Archived;
use crate::times::Histogram;
use std::time::Duration;

/// How a collection is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Status {
    /// Points alive.
    pub points: u64,
    /// The last operation applied.
    pub seq: u64,
    /// The last operation known to be on disk.
    pub durable_seq: u64,
    /// The segments.
    pub segments: Vec<SegmentStatus>,
    /// Rows in live parts.
    pub live_rows: u64,
    /// Bytes in live parts.
    pub live_bytes: u64,
    /// Bytes of log and segments.
    pub disk_bytes: u64,
    /// "idle", "sealing", "merging" or "sealing and merging".
    pub upkeep: &'static str,
    /// What upkeep does, in detail.
    pub tasks: Vec<TaskStatus>,
    /// What upkeep could not do when it tried last, and why.
    pub upkeep_failed: Option<String>,
    /// What the next merge waits for, where it waits.
    pub upkeep_waits: Option<String>,
    /// Why writes are refused, where they are.
    pub refuses_writes: Option<String>,
    /// How far its archive is, where one is kept.
    pub archive: Option<Archived>,
    /// Batches written since it was opened, and syncs of the log that they shared.
    pub batches: u64,
    /// See `batches`.
    pub syncs: u64,
    /// Batches that wait for the writer, and their bytes.
    pub queue_batches: u64,
    /// See `queue_batches`.
    pub queue_bytes: u64,
    /// Bytes that segments hold in memory: what a search walks.
    pub graph_bytes: u64,
    /// How long batches waited for the writer.
    pub queue_waits: Histogram,
    /// How long syncs of the log took.
    pub sync_times: Histogram,
    /// How long seals took.
    pub seal_times: Histogram,
    /// How long merges took.
    pub merge_times: Histogram,
}

/// How a segment is.
#[derive(Clone, PartialEq, Debug)]
pub struct SegmentStatus {
    /// Its number.
    pub number: u64,
    /// Its rows, the dead ones included.
    pub rows: u64,
    /// Those of them that are dead.
    pub dead_rows: u64,
    /// Its bytes on disk.
    pub bytes: u64,
}

/// A seal or a merge that runs.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskStatus {
    /// "sealing" or "merging".
    pub what: &'static str,
    /// Why it was begun.
    pub reason: String,
    /// Rows that it lays down.
    pub rows: u64,
    /// What it is at: the files that are being made.
    pub stage: String,
    /// Files that are made, of `files`.
    pub files_done: u64,
    /// Files that it makes.
    pub files: u64,
    /// For how long it has run.
    pub running: Duration,
}
