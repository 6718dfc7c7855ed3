//! A collection: takes writes, hands out snapshots.

use crate::error::Result;
use crate::schema::CollectionSpec;
use crate::snapshot::Snapshot;
use crate::write::{Durability, Write, Written};
use std::sync::Arc;

/// A collection that is open.
pub struct Collection {
    spec: Arc<CollectionSpec>,
}

/// Called once with what became of a write.
pub type Done = Box<dyn FnOnce(Result<Written>) + Send>;

impl Collection {
    /// What it holds.
    pub fn spec(&self) -> &Arc<CollectionSpec> {
        &self.spec
    }

    /// Applies a batch, all of it or nothing, and waits until it is as far as was asked.
    pub fn write(&self, _ops: Vec<Write>, _durability: Durability) -> Result<Written> {
        todo!()
    }

    /// As [`Self::write`], without waiting: `done` is called from the writer's thread, so it must
    /// not block. A full queue, a poisoned collection and a malformed batch are told at once.
    pub fn submit(&self, _ops: Vec<Write>, _durability: Durability, _done: Done) -> Result<()> {
        todo!()
    }

    /// The newest state.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        todo!()
    }

    /// How it is.
    pub fn status(&self) -> Status {
        todo!()
    }

    /// Seals what is live and merges what should be merged, now, and waits for it.
    pub fn settle(&self) -> Result<()> {
        todo!()
    }
}

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
    /// "idle", "sealing" or "merging".
    pub upkeep: &'static str,
    /// Why writes are refused, where they are.
    pub refuses_writes: Option<String>,
    /// Batches written since it was opened, and syncs of the log that they shared.
    pub batches: u64,
    /// See `batches`.
    pub syncs: u64,
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
