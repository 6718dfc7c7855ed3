//! What is asked for, as the engine sees it. What is answered is in [`answer`].

pub mod answer;
pub mod retriever;

use crate::engine::query::retriever::Retriever;
use nigh_index::filter::condition::Condition;
use nigh_index::id::PointId;
use nigh_index::query::order::Real;
use nigh_index::value::Path;
use nigh_storage::schema::VectorPlace;
use std::collections::HashSet;

/// A query: a tree of retrievers, of whose root's ranking a piece comes back.
#[derive(Clone, Debug)]
pub struct Query {
    /// Whose ranking it is. Its limit is at least `limit` and `offset` together.
    pub root: Retriever,
    /// Holds for every retriever.
    pub filter: Option<Condition>,
    /// Hits wanted.
    pub limit: usize,
    /// Hits skipped before them.
    pub offset: usize,
    /// The worst score that is a hit, as the caller sees scores.
    pub score_threshold: Option<f32>,
    /// Whether the ranking is read page by page, from its beginning or from behind a hit. Every page is cut from the
    /// whole ranking, so that none overlaps another: vectors are compared with all that matches.
    pub paging: Option<Paging>,
    /// Whether hits come back in groups.
    pub grouping: Option<Grouping>,
    /// What comes back of payloads.
    pub payload: PayloadSelection,
    /// What comes back of vectors.
    pub vectors: VectorSelection,
    /// Whether every hit's place in every retriever is wanted.
    pub explain: bool,
    /// The version to read; empty: the newest state.
    pub version: String,
}

impl Query {
    /// The best of a retriever, without anything else.
    pub fn new(root: Retriever, limit: usize) -> Self {
        Self {
            root,
            filter: None,
            limit,
            offset: 0,
            score_threshold: None,
            paging: None,
            grouping: None,
            payload: PayloadSelection::Nothing,
            vectors: VectorSelection::default(),
            explain: false,
            version: String::new(),
        }
    }
}

/// Where a page begins.
#[derive(Copy, Clone, PartialEq, Debug)]
pub enum Paging {
    /// At the best hit.
    First,
    /// Behind the last hit of the page before.
    After(Place),
}

/// Where a hit stands in its ranking.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Place {
    /// As rankings compare it: bigger is better.
    pub score: f32,
    /// The value that points are ordered by, where they are.
    pub value: Option<Real>,
    /// The hit's id.
    pub id: PointId,
}

/// Hits in groups of those that have a value in common.
#[derive(Clone, Debug)]
pub struct Grouping {
    /// Where the value is: a string or an integer. A point with several is in several groups, one without in none.
    pub path: Path,
    /// Groups wanted.
    pub groups: usize,
    /// Hits wanted of each.
    pub size: usize,
    /// Whether the point whose id is the group's value comes back with it.
    pub lookup: Option<Lookup>,
}

/// Where the point of a group is, and what comes back of it.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The collection.
    pub collection: String,
    /// What comes back of its payload.
    pub payload: PayloadSelection,
    /// What comes back of its vectors.
    pub vectors: VectorSelection,
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
    Include(HashSet<String>),
    /// All but these top-level keys.
    Exclude(HashSet<String>),
}

/// Which vectors come back: the places of their fields in the spec.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct VectorSelection(pub Vec<VectorPlace>);

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
