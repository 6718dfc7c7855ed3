//! What is asked for and what is answered, as the engine sees it.

use crate::engine::recall::Measured;
use bytes::Bytes;
use nigh_index::filter::condition::Condition;
use nigh_index::id::PointId;
use nigh_index::params::{Note, Route, SearchParams, Work};
use nigh_index::query::fuse::Rrf;
use nigh_index::sparse::vector::SparseVector;
use nigh_index::vector::multi::MultiVector;
use nigh_storage::schema::VectorPlace;

/// A query: retrievers, and how their rankings become one.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// At least one.
    pub retrievers: Vec<Retriever>,
    /// Holds for every retriever.
    pub filter: Option<Condition>,
    /// How several rankings become one.
    pub fusion: Rrf,
    /// Hits wanted.
    pub limit: usize,
    /// Hits skipped before them.
    pub offset: usize,
    /// What comes back of payloads.
    pub payload: PayloadSelection,
    /// What comes back of vectors.
    pub vectors: VectorSelection,
    /// Whether every hit's place in every retriever is wanted.
    pub explain: bool,
    /// The worst score that is a hit, as the caller sees scores.
    pub score_threshold: Option<f32>,
    /// The version to read; empty: the newest state.
    pub version: String,
}

/// One way of finding points.
#[derive(Clone, Debug)]
pub struct Retriever {
    /// Its name in explanations.
    pub name: String,
    /// How it finds.
    pub kind: Kind,
    /// Hits that go into the fusion.
    pub limit: usize,
    /// Narrows the query's own filter.
    pub filter: Option<Condition>,
    /// The worst score that is a hit, as the caller sees scores.
    pub score_threshold: Option<f32>,
}

/// How a retriever finds.
#[derive(Clone, Debug)]
pub enum Kind {
    /// By the nearness of vectors.
    Dense {
        /// The place of the vector field in the spec.
        field: usize,
        /// Near to what.
        target: Target,
        /// How hard it tries.
        params: SearchParams,
    },
    /// By the dot product of sparse vectors.
    Sparse {
        /// The place of the field in the spec.
        field: usize,
        /// With which.
        vector: SparseVector,
    },
    /// By the nearness of several vectors a point.
    Multi {
        /// The place of the field in the spec.
        field: usize,
        /// Near to which.
        vectors: MultiVector,
    },
    /// By words.
    Text {
        /// The place of the text field in the spec.
        field: usize,
        /// The words, as they were said.
        query: String,
    },
}

/// What a dense retriever looks for.
#[derive(Clone, Debug)]
pub enum Target {
    /// Points near this vector.
    Vector(Vec<f32>),
    /// Points near this one, which is itself left out.
    Point(PointId),
}

/// What of a payload comes back.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum PayloadSelection {
    /// Nothing.
    #[default]
    Nothing,
    /// All of it, as it was written.
    All,
    /// These top-level keys.
    Include(Vec<String>),
    /// All but these top-level keys.
    Exclude(Vec<String>),
}

/// Which vectors come back: the places of their fields in the spec.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct VectorSelection(pub Vec<VectorPlace>);

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
}

/// The answer to a query.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Best first.
    pub hits: Vec<Hit>,
    /// The state that all of it speaks of.
    pub seq: u64,
    /// What each retriever did.
    pub runs: Vec<Run>,
    /// Filter fields that had no index and were scanned.
    pub scanned: Vec<String>,
    /// Where the time went, in order.
    pub stages: Vec<Stage>,
}

/// What one retriever did.
#[derive(Clone, Debug)]
pub struct Run {
    /// The retriever's name.
    pub retriever: String,
    /// Points that matched its filter.
    pub matching: u64,
    /// What it did in each part.
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
    /// The time it took.
    pub took_us: u64,
}

/// Points to look up.
#[derive(Clone, Debug)]
pub struct Get {
    /// Their ids, in the order in which they come back.
    pub ids: Vec<PointId>,
    /// What comes back of payloads.
    pub payload: PayloadSelection,
    /// What comes back of vectors.
    pub vectors: VectorSelection,
    /// The version to read; empty: the newest state.
    pub version: String,
}

/// A page of points, in rising order of id.
#[derive(Clone, Debug)]
pub struct Scroll {
    /// Which points.
    pub filter: Option<Condition>,
    /// The first id, inclusive.
    pub from: Option<PointId>,
    /// Points of a page.
    pub limit: usize,
    /// What comes back of payloads.
    pub payload: PayloadSelection,
    /// What comes back of vectors.
    pub vectors: VectorSelection,
    /// The version to read; empty: the newest state.
    pub version: String,
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
