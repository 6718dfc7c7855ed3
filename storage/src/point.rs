//! A point as it is written.

use bytes::Bytes;
use nigh_index::id::PointId;

/// A point: its name, its vectors, its payload.
#[derive(Clone, PartialEq, Debug)]
pub struct Point {
    /// The user's own name for it.
    pub id: PointId,
    /// Vectors by the place of their field in the collection's spec, rising; any subset.
    pub vectors: Vec<(u16, Vec<f32>)>,
    /// The payload: the text of a JSON object, as it was given. Empty stands for `{}`.
    pub payload: Bytes,
    /// From this time on, in Unix milliseconds, it is not there any more; `None`: it stays.
    pub expires_at_ms: Option<u64>,
}

impl Point {
    /// A point without vectors, with an empty payload, that stays.
    pub fn new(id: impl Into<PointId>) -> Self {
        Self { id: id.into(), vectors: Vec::new(), payload: Bytes::new(), expires_at_ms: None }
    }
}
