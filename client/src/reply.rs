//! What comes back.

use crate::filter::Scalar;
use crate::id::PointId;
use crate::point::{Durability, Point};
use crate::ranking::{OrderValue, RankPlace};
use crate::vectors::SparseVector;
use crate::words::Highlight;
use serde_json::Value;
use std::collections::HashMap;

/// How far a write got.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct WriteReply {
    /// The sequence number of its last operation.
    pub seq: u64,
    /// How far it got.
    pub reached: Durability,
    /// Points written, changed or deleted.
    pub affected: u64,
    /// It had been applied before, by its name or its positions, and was not applied again.
    pub duplicate: bool,
}

/// What a query found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct QueryReply {
    /// Best first.
    pub hits: Vec<Hit>,
    /// The one state that every part of this reply speaks of.
    pub seq: u64,
    /// The plan that ran, one for each retriever.
    pub plans: Vec<Plan>,
    /// How it came about, where that was asked for.
    pub explanation: Option<Explanation>,
    /// The group of the best hit first, where groups were asked for; there are no other hits then.
    pub groups: Vec<Group>,
    /// Behind what the next page begins; `None` after the last one.
    pub next: Option<RankPlace>,
}

/// Hits that have a value in common.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    /// The value.
    pub key: Scalar,
    /// Best first.
    pub hits: Vec<Hit>,
    /// The point whose id the value is, where it was asked for and is there.
    pub lookup: Option<Point>,
}

/// How many points have each value of a field.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Facets {
    /// The most frequent value first.
    pub values: Vec<(Scalar, u64)>,
    /// How many distinct values there are.
    pub distinct: u64,
    /// Fields that had no index and were scanned.
    pub scanned_fields: Vec<String>,
    /// The state it speaks of.
    pub seq: u64,
}

/// A point that was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Hit {
    /// Its name.
    pub id: PointId,
    /// Bigger is better, but for the distances of Euclid and Manhattan.
    pub score: f32,
    /// What was wanted of its payload.
    pub payload: Value,
    /// Its vectors, where they were wanted.
    pub vectors: HashMap<String, Vec<f32>>,
    /// Its sparse ones, likewise.
    pub sparse: HashMap<String, SparseVector>,
    /// Those of fields with several a point, likewise.
    pub multi: HashMap<String, Vec<Vec<f32>>>,
    /// The operation that last wrote it.
    pub version: u64,
    /// When it expires, in Unix milliseconds.
    pub expires_at_ms: Option<u64>,
    /// Its place in every retriever, where `explain` was asked for.
    pub placings: Vec<Placing>,
    /// The value that points are ordered by, where they are.
    pub order_value: Option<OrderValue>,
    /// What was found in its texts, where a retriever by words was asked to show it.
    pub highlights: Vec<Highlight>,
}

/// A hit's place in one retriever.
#[derive(Clone, PartialEq, Debug)]
pub struct Placing {
    /// The retriever's name.
    pub retriever: String,
    /// From 1; `None`: not among this retriever's hits.
    pub rank: Option<u32>,
    /// Its score there.
    pub score: f32,
}

/// What one retriever did.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// Its name.
    pub retriever: String,
    /// "exact", "graph", "graph_filtered", "postings" or "empty": the distinct ones over all parts.
    pub routes: Vec<String>,
    /// The greatest effort used in any part: the width of a walk (`ef`), lists scanned, or matching rows looked at where not all
    /// were.
    pub ef: u32,
    /// Points that matched the filter.
    pub matching: u64,
}

/// How a reply came about.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Explanation {
    /// What every retriever did in every part.
    pub parts: Vec<PartPlan>,
    /// Where the time went.
    pub stages: Vec<Stage>,
    /// Time in all, in microseconds.
    pub total_us: u64,
    /// Filter fields that had no index and were scanned.
    pub scanned_fields: Vec<String>,
    /// The tree: the root first, every other retriever behind the one that it is a source of.
    pub retrievers: Vec<RetrieverRun>,
}

/// What one retriever came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetrieverRun {
    /// Its name; empty for the fusion of a query's own retrievers.
    pub retriever: String,
    /// What it is called: "dense", "text", "fusion" and so on.
    pub kind: String,
    /// How far below the root it stands.
    pub depth: u32,
    /// Points that it could rank.
    pub matching: u64,
    /// Points of its ranking.
    pub found: u64,
    /// Time without its sources, in microseconds.
    pub took_us: u64,
}

/// What one retriever did in one part.
#[derive(Clone, PartialEq, Debug)]
pub struct PartPlan {
    /// The retriever's name.
    pub retriever: String,
    /// Its place in the explanation's retrievers.
    pub place: u32,
    /// The segment's number; 0 for rows not yet in a segment.
    pub segment: u64,
    /// Rows of the part.
    pub rows: u64,
    /// Rows that matched the filter.
    pub matching: u64,
    /// The way that was taken.
    pub route: String,
    /// Width of the graph search.
    pub ef: u32,
    /// Distances to full vectors.
    pub distances_full: u64,
    /// Distances to compressed vectors.
    pub distances_coded: u64,
    /// Graph nodes expanded.
    pub expanded: u64,
    /// Postings scored.
    pub postings: u64,
    /// Time, in microseconds.
    pub took_us: u64,
    /// The plans that were weighed and their estimated cost in microseconds.
    pub considered: Vec<(String, f64)>,
    /// The recall that the plan was known to come to when the segment was built.
    pub recall: Option<f32>,
    /// "floor": the least effort gives more recall than was asked for; "beyond_effort": no effort is known
    /// to reach it, so every matching row was compared; empty: nothing has to be said.
    pub note: String,
    /// What queries like this one came to lately.
    pub measured: Option<MeasuredRecall>,
}

/// The recall of live queries, measured by answering some of them exactly beside.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct MeasuredRecall {
    /// Of the true neighbours, the share that was found.
    pub recall: f32,
    /// It lies between these with 95 % confidence.
    pub bounds: (f32, f32),
    /// Queries that were measured.
    pub queries: u64,
}

/// A stage of the query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Time, in microseconds.
    pub took_us: u64,
}

/// A page of points.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Page {
    /// In rising order of id.
    pub points: Vec<Point>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<PointId>,
    /// The state it speaks of.
    pub seq: u64,
}
