//! What can be done to points, as it is asked for; and how far a write got.

use crate::point::Point;
use crate::schema::VectorPlace;
use bytes::Bytes;
use nigh_index::filter::condition::Condition;
use nigh_index::id::PointId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A batch has at most this many positions.
pub const POSITIONS_MAX: usize = 64;
/// The name of a source or of a partition has at most this many bytes.
pub const SOURCE_BYTES_MAX: usize = 256;

/// Operations that are applied together or not at all, and what goes with them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WriteBatch {
    /// At least one.
    pub ops: Vec<Write>,
    /// What has to hold of points, rising by operation. One that does not refuses the batch.
    pub conditions: Vec<IfVersion>,
    /// A name for the batch. One that comes again under its name, before many others have come, is
    /// answered as it was the first time, and not applied again.
    pub op_id: Option<Uuid>,
    /// How far its sources have come with it.
    pub positions: Vec<Position>,
    /// What it follows upon, if anything.
    pub chain: Option<Chain>,
}

impl From<Vec<Write>> for WriteBatch {
    fn from(ops: Vec<Write>) -> Self {
        Self { ops, ..Self::default() }
    }
}

/// What holds batches together that follow upon each other: once one of them is not taken, because of the disk and not of what
/// is in it, none behind it is. Whoever sends them again, from that one on, never turns their order round.
#[derive(Clone, Debug, Default)]
pub struct Chain(Arc<AtomicBool>);

impl Chain {
    /// Whether one was not taken.
    pub fn is_broken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Nothing of it is taken from now on.
    pub fn break_off(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Every point of an operation on ids has to have this version when the operation's turn comes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct IfVersion {
    /// The operation's place in the batch, from 0.
    pub op: usize,
    /// The operation that last wrote the point; 0: the point must not be there.
    pub version: u64,
}

/// A place in what a batch was read from. It lands with the batch or not at all; a batch whose offset
/// is at or below that of its partition was applied before, and is not applied again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// What it was read from.
    pub source: String,
    /// Which part of it; may be empty.
    pub partition: String,
    /// How far; rising from batch to batch.
    pub offset: u64,
    /// Where the partition has to stand before (0 where nothing is known of it): a batch behind a gap is
    /// refused. `None`: any place will do.
    pub after: Option<u64>,
}

/// One operation of a batch, as a caller asks for it.
#[derive(Clone, PartialEq, Debug)]
pub enum Write {
    /// Replaces the whole point.
    Upsert(Point),
    /// Deletes points.
    Delete(Selector),
    /// Sets these top-level keys, keeps the others. The text of a JSON object.
    SetPayload(Selector, Bytes),
    /// Replaces the payload. The text of a JSON object.
    OverwritePayload(Selector, Bytes),
    /// Takes these top-level keys out.
    DeletePayloadKeys(Selector, Vec<String>),
    /// Takes the whole payload out.
    ClearPayload(Selector),
    /// Sets the vectors of this point in an existing one, which keeps its others, its payload and its time.
    UpdateVectors(Point),
    /// Takes the vectors of these fields out.
    DeleteVectors(Selector, Vec<VectorPlace>),
    /// Sets when points expire, in Unix milliseconds; `None`: never.
    SetExpiry(Selector, Option<u64>),
    /// Forgets how far this source has come.
    DropSource(String),
}

/// The points that an operation speaks of. A filter is resolved to ids before the write is logged;
/// it sees the operations before it in the same batch.
#[derive(Clone, PartialEq, Debug)]
pub enum Selector {
    /// These.
    Ids(Vec<PointId>),
    /// All that match.
    Filter(Condition),
}

/// How far a write has to get, or got.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Durability {
    /// Visible to reads. What is visible was logged before, so it comes to the same as `Logged`.
    Applied,
    /// Handed to the operating system: survives the end of the process.
    Logged,
    /// On disk: survives a power cut.
    #[default]
    Durable,
}

/// A write that was taken.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// The sequence number of the batch's last operation.
    pub seq: u64,
    /// How far it got.
    pub reached: Durability,
    /// Points written, changed or deleted.
    pub affected: u64,
    /// Whether it had been applied before, by its name or its positions, and was not applied again.
    /// `seq` and `affected` are those of the first time, or `seq` of the last batch of the source.
    pub duplicate: bool,
    /// Where its time went.
    pub course: Course,
}

/// Where the time of a write went once the queue had it, one after the other. What is done for a whole group at once counts
/// for each of its batches.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Course {
    /// When the queue took it.
    pub queued: Option<Instant>,
    /// Until its turn came.
    pub waited: Duration,
    /// Filters became ids, and rows were made.
    pub folded: Duration,
    /// The log took it.
    pub logged: Duration,
    /// The log was on its way to the disk; none where nobody of its group waited for that.
    pub synced: Duration,
    /// It became what readers see.
    pub applied: Duration,
}
