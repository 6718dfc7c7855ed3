//! What can be done to points, as it is asked for; and how far a write got.

use crate::point::Point;
use bytes::Bytes;
use nigh_index::filter::condition::Condition;
use nigh_index::id::PointId;

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
    /// Sets these vectors of an existing point, keeps the others and the payload.
    UpdateVectors(PointId, Vec<(u16, Vec<f32>)>),
    /// Takes the vectors of these fields out.
    DeleteVectors(Selector, Vec<u16>),
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
    /// Visible to reads; not yet handed to the operating system.
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
}
