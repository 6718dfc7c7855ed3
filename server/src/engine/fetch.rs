//! One retriever over all parts of a snapshot: filter, plan, search, merge into one ranking.

use crate::engine::error::Result;
use crate::engine::pool::{Deadline, Spare};
use crate::engine::query::answer::PartRun;
use crate::engine::ranking::{Placed, by_score};
use nigh_index::bitmap::Bitmap;
use nigh_index::filter::condition::Condition;
use nigh_index::id::PointId;
use nigh_index::params::{Found, Plan, Route, SearchParams, Standing};
use nigh_index::query::cost::Machine;
use nigh_index::query::plan::{Asked, plan};
use nigh_index::row::TopK;
use nigh_index::selection::Selection;
use nigh_index::vector::nearest::Nearest;
use nigh_storage::snapshot::{PartView, Snapshot};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A thread beside is worth starting for this much work, in microseconds.
const HELPER_US: f64 = 200.0;

/// A retriever asks each part for one hit more than it wants. Where that one is as good as the last, there may be more
/// of them, and a smaller id among those; then it asks for so many times as many.
const TIES_FACTOR: usize = 8;

/// What one retriever found, best first, and how.
pub(crate) struct Retrieved {
    pub(crate) placed: Vec<Placed>,
    pub(crate) parts: Vec<PartRun>,
}

/// The rows of one part that may be found.
pub(crate) struct Allowed {
    /// `None`: all of them.
    pub(crate) rows: Option<Arc<Selection>>,
    /// How many.
    pub(crate) matching: u64,
}

impl Allowed {
    /// The rows of the part that are not among them.
    pub(crate) fn others(&self, view: &PartView) -> Bitmap {
        match &self.rows {
            None => Bitmap::new(),
            Some(rows) => {
                let mut others = Bitmap::full(view.part.rows());
                others.minus(rows.rows());
                others
            }
        }
    }
}

/// What a filter left of a snapshot.
pub(crate) struct Filtered {
    /// One for each part.
    pub(crate) parts: Vec<Allowed>,
    /// Fields that had no index and were scanned.
    pub(crate) scanned: Vec<String>,
}

impl Filtered {
    /// Points that match.
    pub(crate) fn matching(&self) -> u64 {
        self.parts.iter().map(|part| part.matching).sum()
    }
}

/// What a retriever may find, and among what it counts.
#[derive(Copy, Clone)]
pub(crate) struct Scope<'f> {
    /// What may be found.
    pub(crate) allowed: &'f Filtered,
    /// The points among which a term is rare or is not; all of them where that is left out.
    pub(crate) corpus: Option<&'f Filtered>,
}

/// Evaluates a filter over all parts; dead rows are not in what it leaves.
pub(crate) fn filter(snapshot: &Snapshot, condition: Option<&Condition>, deadline: &Deadline) -> Result<Filtered> {
    let mut filtered = Filtered { parts: Vec::with_capacity(snapshot.parts.len()), scanned: Vec::new() };
    for view in &snapshot.parts {
        let rows = match condition {
            None => view.selected_alive(),
            Some(condition) => {
                deadline.check()?;
                Some(matching(view, condition, &mut filtered.scanned, deadline)?)
            }
        };
        let matching = rows.as_ref().map_or(u64::from(view.part.rows()), |rows| rows.count());
        filtered.parts.push(Allowed { rows, matching });
    }
    Ok(filtered)
}

/// The rows alive in one part that match; notes the fields that were scanned.
pub(crate) fn matching(
    view: &PartView,
    condition: &Condition,
    scanned: &mut Vec<String>,
    deadline: &Deadline,
) -> Result<Arc<Selection>> {
    // What was called off was so by the deadline, which says why.
    let matching = view.matching(condition, &|| deadline.check().is_ok());
    let matching = matching.or_else(|err| deadline.check().and(Err(err.into())))?;
    for field in matching.scanned.iter() {
        if !scanned.contains(field) {
            scanned.push(field.clone());
        }
    }
    Ok(matching.rows)
}

/// A dense retriever's question.
#[derive(Copy, Clone)]
pub(crate) struct Dense<'q> {
    /// The place of the vector field in the spec.
    pub(crate) field: usize,
    /// Near to what.
    pub(crate) vector: &'q [f32],
    /// Hits wanted.
    pub(crate) k: usize,
    /// How hard it tries.
    pub(crate) params: SearchParams,
    /// What live queries say of the curves of effort.
    pub(crate) correction: f32,
}

/// The nearest of what is allowed. Parts are searched side by side where that pays and `spare` lends threads.
pub(crate) fn dense(
    snapshot: &Snapshot,
    allowed: &Filtered,
    dense: &Dense<'_>,
    spare: &dyn Fn() -> Option<Spare>,
    deadline: &Deadline,
) -> Result<Retrieved> {
    let parts: Vec<(&PartView, &Allowed)> = snapshot.parts.iter().zip(&allowed.parts).collect();
    let plans: Vec<Plan> = parts.iter().map(|(view, allowed)| planned(view, allowed, dense)).collect();
    // The best of all parts so far: the next one need not tell of what is worse.
    let best = Mutex::new(TopK::new(dense.k));
    let search = |at: usize| {
        deadline.check()?;
        let (begin, (view, allowed)) = (Instant::now(), parts[at]);
        let plan = &Plan { floor: best.lock().floor(), ..plans[at].clone() };
        let found = match plan.route {
            Route::Empty => Found::nothing(),
            _ => untied(dense.k, |k| {
                Ok(view.part.nearest(dense.field).search(dense.vector, k, allowed.rows.as_deref(), plan))
            })?,
        };
        if parts.len() > 1 {
            let mut best = best.lock();
            found.hits.iter().for_each(|hit| best.offer(*hit));
        }
        Ok((found, begin.elapsed()))
    };
    let helpers = helpers(&plans, spare);
    let found = side_by_side(parts.len(), helpers.len(), &search);
    drop(helpers);
    let mut ranking = Retrieved::over(snapshot);
    for (at, ((found, took), plan)) in found.into_iter().collect::<Result<Vec<_>>>()?.into_iter().zip(plans).enumerate()
    {
        ranking.add(at, parts[at], found, Some(plan), took);
    }
    Ok(ranking.best(dense.k))
}

/// The `k` best of a part and all that are as good as the last of them, so that ids may choose among those.
pub(crate) fn untied(k: usize, mut search: impl FnMut(usize) -> Result<Found>) -> Result<Found> {
    let mut asked = k.saturating_add(1);
    loop {
        let mut found = search(asked)?;
        let tied = k > 0 && found.hits.len() >= asked && found.hits[asked - 1].score == found.hits[k - 1].score;
        if !tied {
            let last = k.checked_sub(1).and_then(|last| found.hits.get(last)).map_or(f32::INFINITY, |last| last.score);
            found.hits.truncate(found.hits.partition_point(|hit| hit.score >= last).max(k.min(found.hits.len())));
            return Ok(found);
        }
        asked = asked.saturating_mul(TIES_FACTOR);
    }
}

fn planned(view: &PartView, allowed: &Allowed, dense: &Dense<'_>) -> Plan {
    let nearest = view.part.nearest(dense.field);
    let (k, params, correction) = (dense.k, dense.params, dense.correction);
    let asked = Asked { matching: with_vector(nearest, allowed), k, params, correction };
    let standing = |of| match (&allowed.rows, of) {
        (None, _) => 1.0,
        (Some(rows), Standing::Together) => rows.standing(dense.field, of, |rows| nearest.standing(of, rows)),
        // That takes milliseconds: see `learn`.
        (Some(rows), Standing::Ease) => rows.known(dense.field, of).unwrap_or(of.unknown()),
    };
    plan(&nearest.outline(), &asked, &Machine::default(), standing)
}

/// Measures what takes longer than a query and makes later ones of the same filter better: how easily the nearest cells of each
/// part come to what is near.
pub(crate) fn learn(snapshot: &Snapshot, allowed: &Filtered, field: usize, deadline: &Deadline) -> Result<()> {
    for (view, allowed) in snapshot.parts.iter().zip(&allowed.parts) {
        let nearest = view.part.nearest(field);
        if let Some(rows) = allowed.rows.as_ref().filter(|_| nearest.outline().reach.is_some()) {
            deadline.check()?;
            rows.standing(field, Standing::Ease, |rows| nearest.standing(Standing::Ease, rows));
        }
    }
    Ok(())
}

/// Threads that are worth having beside the own one: what is not the costliest part is theirs to take.
fn helpers(plans: &[Plan], spare: &dyn Fn() -> Option<Spare>) -> Vec<Spare> {
    let cost_us = |plan: &Plan| {
        let chosen = plan.considered.iter().find(|way| way.0 == plan.route);
        chosen.map_or(0.0, |way| way.1)
    };
    let costs_us: Vec<f64> = plans.iter().map(cost_us).collect();
    let most_us = costs_us.iter().copied().fold(0.0, f64::max);
    let rest_us = costs_us.iter().sum::<f64>() - most_us;
    let worth = (rest_us / HELPER_US) as usize;
    std::iter::from_fn(spare).take(worth.min(plans.len().saturating_sub(1))).collect()
}

/// Does the works `0..count`, each once, on this thread and so many more; in order of their numbers.
pub(crate) fn side_by_side<T: Send>(
    count: usize,
    helpers: usize,
    work: &(impl Fn(usize) -> Result<T> + Sync),
) -> Vec<Result<T>> {
    if helpers == 0 {
        return (0..count).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return done;
            }
            done.push((at, work(at)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let helpers: Vec<_> = (0..helpers).map(|_| scope.spawn(take)).collect();
        let mut done = take();
        for helper in helpers {
            match helper.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|one| one.0);
    done.into_iter().map(|one| one.1).collect()
}

/// How many of the allowed rows have a vector.
fn with_vector(nearest: &dyn Nearest, allowed: &Allowed) -> u64 {
    match (nearest.present(), &allowed.rows) {
        (None, _) => allowed.matching,
        (Some(present), None) => present.len(),
        (Some(present), Some(rows)) => present.and_len(rows.rows()),
    }
}

impl Retrieved {
    pub(crate) fn over(snapshot: &Snapshot) -> Self {
        Self { placed: Vec::new(), parts: Vec::with_capacity(snapshot.parts.len()) }
    }

    pub(crate) fn add(
        &mut self,
        at: usize,
        (view, allowed): (&PartView, &Allowed),
        found: Found,
        plan: Option<Plan>,
        took: Duration,
    ) {
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
            recall: plan.as_ref().and_then(|plan| plan.recall),
            note: plan.as_ref().and_then(|plan| plan.note),
            measured: None,
            considered: plan.map_or_else(Vec::new, |plan| plan.considered),
            took_us: took.as_micros() as u64,
        });
    }

    /// The `k` best without these points.
    pub(crate) fn without(mut self, points: &[PointId], k: usize) -> Self {
        self.placed.retain(|placed| !points.contains(&placed.id));
        self.placed.truncate(k);
        self
    }

    /// One ranking of all parts: by score, then by id.
    pub(crate) fn best(mut self, k: usize) -> Self {
        self.placed.sort_unstable_by(by_score);
        self.placed.truncate(k);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_work_is_done_once_and_in_order() {
        for (count, helpers) in [(0, 0), (1, 0), (5, 0), (5, 1), (50, 3), (2, 4)] {
            let done = side_by_side(count, helpers, &|at| Ok(at * 3));
            let done: Vec<usize> = done.into_iter().map(Result::unwrap).collect();
            assert_eq!(done, (0..count).map(|at| at * 3).collect::<Vec<_>>(), "{count} works, {helpers} helpers");
        }
    }

    #[test]
    fn ties_at_the_end_are_all_found() {
        let scores = [9.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 7.0, f32::NEG_INFINITY];
        let hit = |row: usize| nigh_index::row::Hit { row: nigh_index::row::Row(row as u32), score: scores[row] };
        for k in 0..scores.len() + 3 {
            let found =
                untied(k, |k| Ok(Found { hits: (0..scores.len().min(k)).map(hit).collect(), ..Found::nothing() }));
            let expected = match k {
                0 | 1 => k,
                2..=12 => 12,
                _ => k.min(scores.len()),
            };
            assert_eq!(found.unwrap().hits.len(), expected, "{k}");
        }
    }

    #[test]
    fn helpers_are_asked_for_where_there_is_enough_to_do() {
        let pool = crate::engine::pool::Pool::new("the queue", 4, 0);
        let plan = |cost_us| Plan { considered: vec![(Route::Exact, cost_us)], ..Plan::by(Route::Exact, 0) };
        let asked = |costs: &[f64]| {
            let plans: Vec<Plan> = costs.iter().map(|cost| plan(*cost)).collect();
            helpers(&plans, &|| pool.spare()).len()
        };
        assert_eq!([asked(&[]), asked(&[9e9]), asked(&[100.0, 90.0, 80.0])], [0; 3]);
        assert_eq!(asked(&[500.0, 250.0]), 1);
        assert_eq!(asked(&[9e3; 9]), 4, "no more than the pool has to spare");
    }
}
