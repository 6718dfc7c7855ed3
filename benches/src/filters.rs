//! The data's own filters: every route under each of them.

use crate::data::{Floors, Matrix, Set};
use crate::error::Result;
use crate::measure::{Quiz, Run, TARGETS, planned};
use flate2::read::GzDecoder;
use nigh_index::bitmap::Bitmap;
use nigh_index::params::{Plan, Route};
use nigh_index::selection::Selection;
use nigh_index::vector::sealed::SealedVectors;
use nigh_tests::oracle::passes;
use serde::Serialize;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};

/// A filter, the rows that match it, and what the true neighbours under it score.
#[derive(Debug)]
pub struct Filter {
    /// Its name in `filters.json`.
    pub name: String,
    /// The rows that match.
    pub rows: Selection,
    /// What hits have to reach.
    pub floors: Floors,
}

/// Reads the filters of a set; none where it has none.
pub fn read(set: &Set) -> Result<Vec<Filter>> {
    let Ok(file) = File::open(set.folder.join("filters.json")) else { return Ok(Vec::new()) };
    let filters: Vec<Value> = serde_json::from_reader(BufReader::new(file))?;
    let lines = BufReader::new(GzDecoder::new(File::open(set.folder.join("base.jsonl.gz"))?)).lines();
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); filters.len()];
    for (row, line) in lines.enumerate() {
        let passage: Value = serde_json::from_str(&line?)?;
        for (rows, filter) in rows.iter_mut().zip(&filters) {
            if passes(&filter["filter"], &passage) {
                rows.push(row as u32);
            }
        }
    }
    let filter = |(rows, filter): (Vec<u32>, Value)| {
        let name = filter["name"].as_str().ok_or("a filter has a name")?.to_owned();
        if Some(rows.len() as u64) != filter["matching"].as_u64() {
            return Err(format!("{name}: {} rows match, not {}", rows.len(), filter["matching"]).into());
        }
        let scores = Matrix::read(&set.folder.join(format!("filter_{name}_scores.npy")))?;
        let rows = Selection::new(Bitmap::from_rows(rows), set.base.rows() as u32);
        Ok(Filter { name, rows, floors: Floors::of_scores(&scores) })
    };
    rows.into_iter().zip(filters).map(filter).collect()
}

/// One route under one filter.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The filter.
    pub filter: String,
    /// Rows that match it.
    pub matching: u64,
    /// What the planner weighed, where it chose.
    pub considered: Vec<(&'static str, f64)>,
    /// Whether the planner chose it.
    pub default: bool,
    /// The route.
    pub route: &'static str,
    /// The effort.
    pub effort: u32,
    /// Right hits among those wanted.
    pub recall: f64,
    /// Queries with as many hits as there are to find, and all queries.
    pub complete: (usize, usize),
    /// Median latency.
    pub p50_us: f64,
    /// The latency that one query in a hundred exceeds.
    pub p99_us: f64,
    /// Distances on codes, a query.
    pub coded: f64,
    /// Distances on full vectors, a query.
    pub full: f64,
    /// Queries that ended on another route.
    pub in_vain: usize,
}

/// The planner's choice, its choices for the recalls of [`TARGETS`], and every route, under one filter.
pub fn measure(sealed: &SealedVectors, quiz: &Quiz<'_>, filter: &Filter) -> Vec<Line> {
    let quiz = Quiz { allowed: Some(&filter.rows), floors: &filter.floors, ..*quiz };
    let chosen = planned(sealed, Some(&filter.rows), None);
    let asked = TARGETS.map(|recall| (false, planned(sealed, Some(&filter.rows), Some(recall))));
    let ef = planned(sealed, None, None).ef;
    let by = |(route, ef)| (false, Plan::by(route, ef));
    let all = [(Route::Exact, 0), (Route::Graph, ef), (Route::GraphFiltered, 2 * ef)].map(by);
    let line = |(default, plan): (bool, Plan)| {
        let run = Run::of(sealed, &quiz, &plan);
        Line {
            filter: filter.name.clone(),
            matching: filter.rows.count(),
            considered: plan.considered.iter().map(|(route, cost)| (route.name(), *cost)).collect(),
            default,
            route: plan.route.name(),
            effort: plan.ef,
            recall: run.recall,
            complete: (run.complete, run.asked),
            p50_us: run.micros_at(0.5),
            p99_us: run.micros_at(0.99),
            coded: run.each(run.work.distances_coded),
            full: run.each(run.work.distances_full),
            in_vain: run.routes.iter().filter(|route| **route != plan.route).count(),
        }
    };
    std::iter::once((true, chosen)).chain(asked).chain(all).map(line).collect()
}
