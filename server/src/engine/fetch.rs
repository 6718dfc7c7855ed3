//! One retriever over all parts of a snapshot: filter, plan, search, merge into one ranking.

use crate::engine::error::Result;
use crate::engine::pool::Deadline;
use crate::engine::query::PartRun;
use nigh_index::bitmap::Bitmap;
use nigh_index::filter::condition::Condition;
use nigh_index::filter::eval;
use nigh_index::id::PointId;
use nigh_index::params::{Found, Plan, Route, SearchParams};
use nigh_index::query::plan::plan;
use nigh_index::row::Row;
use nigh_index::text::analyzer::Analyzer;
use nigh_index::text::bm25::{self, Statistics, Weighted};
use nigh_index::text::spec::TextSpec;
use nigh_index::vector::nearest::Nearest;
use nigh_storage::snapshot::{PartView, Snapshot};
use std::time::Instant;

/// A point in a ranking, and where it stands.
#[derive(Copy, Clone, PartialEq, Debug)]
pub(crate) struct Placed {
    pub(crate) id: PointId,
    /// Bigger is better.
    pub(crate) score: f32,
    pub(crate) part: usize,
    pub(crate) row: Row,
}

/// The points of one retriever, best first, and how they were found.
pub(crate) struct Ranking {
    pub(crate) placed: Vec<Placed>,
    pub(crate) parts: Vec<PartRun>,
}

/// The rows of one part that may be found.
pub(crate) struct Allowed {
    /// `None`: all of them.
    pub(crate) rows: Option<Bitmap>,
    /// How many.
    pub(crate) matching: u64,
}

/// What a filter left of a snapshot.
pub(crate) struct Filtered {
    /// One for each part.
    pub(crate) parts: Vec<Allowed>,
    /// Fields that had no index and were scanned.
    pub(crate) scanned: Vec<String>,
}

/// Evaluates a filter over all parts; dead rows are not in what it leaves.
pub(crate) fn filter(snapshot: &Snapshot, condition: Option<&Condition>, deadline: &Deadline) -> Result<Filtered> {
    let mut filtered = Filtered { parts: Vec::with_capacity(snapshot.parts.len()), scanned: Vec::new() };
    for view in &snapshot.parts {
        let rows = match condition {
            None if view.dead.is_empty() => None,
            None => {
                let mut alive = Bitmap::full(view.part.rows());
                alive.minus(&view.dead);
                Some(alive)
            }
            Some(condition) => {
                deadline.check()?;
                Some(matching(view, condition, &mut filtered.scanned)?)
            }
        };
        let matching = rows.as_ref().map_or(u64::from(view.part.rows()), Bitmap::len);
        filtered.parts.push(Allowed { rows, matching });
    }
    Ok(filtered)
}

/// The rows alive in one part that match; notes the fields that were scanned.
pub(crate) fn matching(view: &PartView, condition: &Condition, scanned: &mut Vec<String>) -> Result<Bitmap> {
    let matched = eval::eval(condition, view.part.fields(), view)?;
    for field in matched.scanned {
        if !scanned.contains(&field) {
            scanned.push(field);
        }
    }
    let mut rows = matched.rows;
    rows.minus(&view.dead);
    Ok(rows)
}

/// The `k` nearest of what is allowed.
pub(crate) fn dense(
    snapshot: &Snapshot,
    allowed: &Filtered,
    field: usize,
    vector: &[f32],
    k: usize,
    params: &SearchParams,
    deadline: &Deadline,
) -> Result<Ranking> {
    let mut ranking = Ranking::over(snapshot);
    for (at, (view, allowed)) in snapshot.parts.iter().zip(&allowed.parts).enumerate() {
        deadline.check()?;
        let begin = Instant::now();
        let nearest = view.part.nearest(field);
        let plan = plan(&nearest.outline(), with_vector(nearest, allowed), k, params);
        let found = match plan.route {
            Route::Empty => Found::nothing(),
            _ => nearest.search(vector, k, allowed.rows.as_ref(), &plan),
        };
        ranking.add(at, view, allowed, found, Some(plan), begin);
    }
    Ok(ranking.best(k))
}

/// How many of the allowed rows have a vector.
fn with_vector(nearest: &dyn Nearest, allowed: &Allowed) -> u64 {
    match (nearest.present(), &allowed.rows) {
        (None, _) => allowed.matching,
        (Some(present), None) => present.len(),
        (Some(present), Some(rows)) => present.and_len(rows),
    }
}

/// The `k` best of what is allowed by BM25, with one set of statistics for all parts.
pub(crate) fn text(
    snapshot: &Snapshot,
    allowed: &Filtered,
    field: usize,
    spec: &TextSpec,
    query: &str,
    k: usize,
    deadline: &Deadline,
) -> Result<Ranking> {
    let terms = bm25::distinct(Analyzer::new(&spec.analyzer)?.terms(query));
    let mut statistics = Statistics::default();
    for view in &snapshot.parts {
        deadline.check()?;
        statistics += &view.part.text(field).statistics(&terms, &view.dead)?;
    }
    let weighted = Weighted::new(&terms, &statistics, spec);
    let mut ranking = Ranking::over(snapshot);
    for (at, (view, allowed)) in snapshot.parts.iter().zip(&allowed.parts).enumerate() {
        deadline.check()?;
        let begin = Instant::now();
        let found = match allowed.matching {
            0 => Found::nothing(),
            _ => view.part.text(field).search(&weighted, k, allowed.rows.as_ref())?,
        };
        ranking.add(at, view, allowed, found, None, begin);
    }
    Ok(ranking.best(k))
}

impl Ranking {
    fn over(snapshot: &Snapshot) -> Self {
        Self { placed: Vec::new(), parts: Vec::with_capacity(snapshot.parts.len()) }
    }

    fn add(&mut self, at: usize, view: &PartView, allowed: &Allowed, found: Found, plan: Option<Plan>, begin: Instant) {
        let place =
            |hit: &nigh_index::row::Hit| Placed { id: view.part.id(hit.row), score: hit.score, part: at, row: hit.row };
        self.placed.extend(found.hits.iter().map(place));
        self.parts.push(PartRun {
            segment: view.part.segment(),
            rows: u64::from(view.part.rows()),
            matching: allowed.matching,
            route: found.route,
            ef: found.effort,
            work: found.work,
            considered: plan.map_or_else(Vec::new, |plan| plan.considered),
            took_us: begin.elapsed().as_micros() as u64,
        });
    }

    /// One ranking of all parts: by score, then by id.
    fn best(mut self, k: usize) -> Self {
        self.placed.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id)));
        self.placed.truncate(k);
        self
    }
}
