//! A point as it is written.

use bytes::Bytes;
use nigh_index::id::PointId;
use nigh_index::sparse::vector::SparseVector;
use nigh_index::vector::multi::MultiVector;

/// A point: its name, its vectors, its payload.
#[derive(Clone, PartialEq, Debug)]
pub struct Point {
    /// The user's own name for it.
    pub id: PointId,
    /// Dense vectors by the place of their field in the collection's spec, rising; any subset.
    pub vectors: Vec<(u16, Vec<f32>)>,
    /// Sparse vectors, likewise.
    pub sparse: Vec<(u16, SparseVector)>,
    /// Several vectors of one field, likewise.
    pub multi: Vec<(u16, MultiVector)>,
    /// The payload: the text of a JSON object, as it was given. Empty stands for `{}`.
    pub payload: Bytes,
    /// From this time on, in Unix milliseconds, it is not there any more; `None`: it stays.
    pub expires_at_ms: Option<u64>,
}

impl Point {
    /// A point without vectors, with an empty payload, that stays.
    pub fn new(id: impl Into<PointId>) -> Self {
        let (vectors, sparse, multi) = (Vec::new(), Vec::new(), Vec::new());
        Self { id: id.into(), vectors, sparse, multi, payload: Bytes::new(), expires_at_ms: None }
    }
}
