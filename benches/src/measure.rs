//! Queries asked one at a time, by one thread; the frontier of recall and speed.

use crate::clock::{Took, Whose, timed};
use crate::data::{Floors, K, Matrix};
use nigh_index::params::{Plan, Route, SearchParams, Work};
use nigh_index::query::cost::Machine;
use nigh_index::query::plan::{Asked, plan};
use nigh_index::selection::Selection;
use nigh_index::vector::nearest::Nearest;
use nigh_index::vector::sealed::SealedVectors;
use serde::Serialize;
use std::time::Instant;

/// The recalls that a frontier is read at.
pub const LEVELS: [f64; 4] = [0.90, 0.95, 0.99, 0.999];

/// A route with an effort, whatever the planner would choose.
pub fn by(route: Route, ef: u32) -> Plan {
    Plan::by(route, ef)
}

/// The recalls that are asked for by name.
pub const TARGETS: [f32; 3] = [0.90, 0.95, 0.99];

/// The plan for a recall, or for none that was asked for.
pub fn planned(sealed: &SealedVectors, allowed: Option<&Selection>, recall: Option<f32>) -> Plan {
    let outline = sealed.outline();
    let matching = allowed.map_or(outline.rows, Selection::count);
    let asked = Asked::new(matching, K, SearchParams { recall, ..SearchParams::default() });
    plan(&outline, &asked, &Machine::default(), |of| allowed.map_or(1.0, |allowed| sealed.standing(of, allowed)))
}

/// What is asked, and what would be right.
#[derive(Copy, Clone, Debug)]
pub struct Quiz<'a> {
    /// The queries.
    pub queries: &'a Matrix,
    /// What their hits have to reach.
    pub floors: &'a Floors,
    /// How many of them are asked, from the first.
    pub asked: usize,
    /// The rows that may be found.
    pub allowed: Option<&'a Selection>,
}

/// What a run of queries came to.
#[derive(Debug, Default)]
pub struct Run {
    /// Right hits among those wanted.
    pub recall: f64,
    /// Queries with as many hits as there are to find.
    pub complete: usize,
    /// Queries asked.
    pub asked: usize,
    /// All of it.
    pub took: Took,
    /// Each query, in microseconds, rising.
    pub micros: Vec<f64>,
    /// What was counted.
    pub work: Work,
    /// The route that each query took.
    pub routes: Vec<Route>,
    /// The rows found, best first.
    pub rows: Vec<Vec<u32>>,
}

impl Run {
    /// Asks every query once.
    pub fn of(sealed: &SealedVectors, quiz: &Quiz<'_>, plan: &Plan) -> Self {
        let asked = quiz.queries.rows().min(quiz.asked);
        let mut run = Self { asked, ..Self::default() };
        let mut found = Vec::with_capacity(asked);
        let ((), took) = timed(Whose::Thread, || {
            for query in 0..asked {
                let start = Instant::now();
                found.push(sealed.search(quiz.queries.row(query), K, quiz.allowed, plan));
                run.micros.push(start.elapsed().as_secs_f64() * 1e6);
            }
        });
        let (mut right, mut wanted) = (0, 0);
        for (query, found) in found.into_iter().enumerate() {
            let good = found.hits.iter().filter(|hit| {
                quiz.floors.reached(query, hit.score) && quiz.allowed.is_none_or(|allowed| allowed.rows().has(hit.row))
            });
            right += good.count().min(quiz.floors.wanted(query));
            wanted += quiz.floors.wanted(query);
            run.complete += usize::from(found.hits.len() == quiz.floors.wanted(query));
            run.work += found.work;
            run.routes.push(found.route);
            run.rows.push(found.hits.iter().map(|hit| hit.row.0).collect());
        }
        run.recall = right as f64 / wanted as f64;
        run.took = took;
        run.micros.sort_by(f64::total_cmp);
        run
    }

    /// What so great a share of the queries stayed below, in microseconds.
    pub fn micros_at(&self, share: f64) -> f64 {
        self.micros[((self.micros.len() - 1) as f64 * share) as usize]
    }

    /// A count, a query.
    pub fn each(&self, count: u64) -> f64 {
        count as f64 / self.asked as f64
    }
}

/// A plan measured: medians over the rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// The route's name.
    pub route: &'static str,
    /// The effort asked for.
    pub effort: u32,
    /// Right hits among those wanted.
    pub recall: f64,
    /// Queries a second on the wall's clock.
    pub qps: f64,
    /// Queries a second of this thread's processor time.
    pub qps_cpu: f64,
    /// Median latency.
    pub p50_us: f64,
    /// The latency that one query in a hundred exceeds.
    pub p99_us: f64,
    /// Distances on codes, a query.
    pub coded: f64,
    /// Distances on full vectors, a query.
    pub full: f64,
    /// Nodes expanded, a query.
    pub expanded: f64,
}

/// Measures every plan in every round, so that a disturbance meets all of them alike.
pub fn sweep(sealed: &SealedVectors, quiz: &Quiz<'_>, plans: &[Plan], rounds: usize) -> Vec<Point> {
    let mut runs: Vec<Vec<Run>> = plans.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (plan, runs) in plans.iter().zip(&mut runs) {
            runs.push(Run::of(sealed, quiz, plan));
        }
    }
    plans.iter().zip(&runs).map(|(plan, runs)| point(plan, runs)).collect()
}

fn point(plan: &Plan, runs: &[Run]) -> Point {
    let last = &runs[runs.len() - 1];
    let rate = |seconds: f64| last.asked as f64 / seconds;
    Point {
        route: plan.route.name(),
        effort: plan.ef,
        recall: last.recall,
        qps: rate(median(runs.iter().map(|run| run.took.seconds))),
        qps_cpu: rate(median(runs.iter().map(|run| run.took.cpu_seconds))),
        p50_us: median(runs.iter().map(|run| run.micros_at(0.5))),
        p99_us: median(runs.iter().map(|run| run.micros_at(0.99))),
        coded: last.each(last.work.distances_coded),
        full: last.each(last.work.distances_full),
        expanded: last.each(last.work.expanded),
    }
}

/// The middle one.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], values[middle]) } else { values[middle] }
}

/// The fastest point that reaches each of [`LEVELS`].
pub fn best(points: &[Point]) -> [Option<&Point>; LEVELS.len()] {
    LEVELS
        .map(|level| points.iter().filter(|point| point.recall >= level).max_by(|a, b| a.qps_cpu.total_cmp(&b.qps_cpu)))
}
