//! What is answered, as the engine sees it, and how it came about.

use crate::engine::query::Place;
use crate::engine::recall::Measured;
use crate::engine::words::Piece;
use bytes::Bytes;
use nigh_index::filter::condition::Scalar;
use nigh_index::id::PointId;
use nigh_index::params::{Note, Route, Work};
use nigh_index::query::order::Real;
use nigh_index::sparse::vector::SparseVector;
use nigh_index::vector::multi::MultiVector;

/// A point as it comes back.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// Its id.
    pub id: PointId,
    /// What was selected of its payload; empty where that was nothing.
    pub payload: Bytes,
    /// What was selected of its vectors, by the place of the field.
    pub vectors: Vec<(usize, Vec<f32>)>,
    /// Of the sparse ones, likewise.
    pub sparse: Vec<(usize, SparseVector)>,
    /// Of fields with several a point, likewise.
    pub multi: Vec<(usize, MultiVector)>,
    /// The operation that last wrote it.
    pub version: u64,
    /// When it expires, in Unix milliseconds.
    pub expires_at_ms: Option<u64>,
}

impl Record {
    /// A point of which nothing was selected.
    pub fn new(id: PointId) -> Self {
        let (vectors, sparse, multi) = (Vec::new(), Vec::new(), Vec::new());
        Self { id, payload: Bytes::new(), vectors, sparse, multi, version: 0, expires_at_ms: None }
    }
}

/// A point that was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Hit {
    /// What was selected of it.
    pub record: Record,
    /// Its score, as the caller sees scores.
    pub score: f32,
    /// Its rank (from 1) and score in every retriever; `None` where it was not found there. Empty
    /// where no explanation was asked for.
    pub placings: Vec<Option<(u32, f32)>>,
    /// The value that it is ordered by, where points are.
    pub value: Option<Real>,
    /// What was found in its texts, where that was asked for.
    pub shown: Vec<Piece>,
}

/// Hits that have a value in common.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    /// The value.
    pub key: Scalar,
    /// Best first.
    pub hits: Vec<Hit>,
    /// The point whose id the value is, where it was wanted and is there.
    pub lookup: Option<Record>,
}

/// The answer to a query.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Best first; none where there are groups.
    pub hits: Vec<Hit>,
    /// The group of the best hit first, where groups were wanted.
    pub groups: Vec<Group>,
    /// Behind what the next page begins, where there may be one.
    pub next: Option<Place>,
    /// The state that all of it speaks of.
    pub seq: u64,
    /// What each retriever did: the root first, every other one behind the one that it is a source of.
    pub runs: Vec<Run>,
    /// Filter fields that had no index and were scanned.
    pub scanned: Vec<String>,
    /// Where the time went, in order.
    pub stages: Vec<Stage>,
    /// From the request's arrival in the engine to its answer.
    pub total_us: u64,
}

/// What one retriever did.
#[derive(Clone, Debug)]
pub struct Run {
    /// The retriever's name.
    pub retriever: String,
    /// What it is called.
    pub kind: &'static str,
    /// Whether it looked at rows itself.
    pub searches: bool,
    /// How far below the root it stands.
    pub depth: u32,
    /// Points that it could rank: that matched its filter, or that its sources found.
    pub matching: u64,
    /// Points of its ranking.
    pub found: u64,
    /// When its own work was begun, after the beginning of the query.
    pub begun_us: u64,
    /// The time it took, without its sources.
    pub took_us: u64,
    /// What it did in each part, where it looked at rows.
    pub parts: Vec<PartRun>,
}

/// What one retriever did in one part.
#[derive(Clone, Debug)]
pub struct PartRun {
    /// The segment's number; 0 for a live part.
    pub segment: u64,
    /// Rows of the part, the dead ones included.
    pub rows: u64,
    /// Rows alive that matched the filter.
    pub matching: u64,
    /// The route taken.
    pub route: Route,
    /// The effort used; 0 where the route has none.
    pub ef: u32,
    /// What it cost.
    pub work: Work,
    /// The recall that the plan is known to come to; `None` where nobody measured it.
    pub recall: Option<f32>,
    /// What has to be said of the plan.
    pub note: Option<Note>,
    /// What queries like this one came to lately.
    pub measured: Option<Measured>,
    /// Every plan weighed, with its estimated cost in microseconds.
    pub considered: Vec<(Route, f64)>,
    /// The time it took.
    pub took_us: u64,
}

/// A part of the way, and the time it took.
#[derive(Clone, PartialEq, Debug)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// When it was first begun, after the beginning of the query.
    pub begun_us: u64,
    /// The time it took, all together where it was begun again.
    pub took_us: u64,
}

/// A page.
#[derive(Clone, Debug)]
pub struct Page {
    /// The points.
    pub records: Vec<Record>,
    /// Where the next page starts, where there is one.
    pub next: Option<PointId>,
    /// The state that all of it speaks of.
    pub seq: u64,
}
