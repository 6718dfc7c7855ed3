//! What each kind of retriever does with the rows that it may rank.

use super::examples::named;
use super::walk::{Trail, Walk, Worked};
use crate::engine::error::{Error, Result};
use crate::engine::fetch::{self, Allowed, Dense, Filtered, Scope};
use crate::engine::query::answer::PartRun;
use crate::engine::query::retriever::{Kind, Retriever, Target};
use crate::engine::ranking::{Placed, Ranking, Sight, Spot, by_score};
use crate::engine::{vectors, words};
use nigh_index::filter::field::{Fields, Rows};
use nigh_index::id::PointId;
use nigh_index::params::{Route, SearchParams, Work};
use nigh_index::query::formula::{Formula, Point};
use nigh_index::query::order::{OrderBy, Real};
use nigh_index::row::Row;
use nigh_index::vector::metric::Metric;
use nigh_storage::snapshot::PartView;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

/// Rows that are compared between two looks at the deadline.
pub(super) const ROWS_A_CHECK: usize = 4_096;
/// So many rows are ordered by an index at a time, which is read once for each: 96 MiB of values.
const ROWS_A_WINDOW: u32 = 4 << 20;
/// Points whose score is computed between two looks at the deadline.
const POINTS_A_CHECK: usize = 256;

impl Walk<'_> {
    /// The ranking of a retriever that looks at rows itself: of what is allowed, the `k` best.
    pub(super) fn search(
        &self,
        retriever: &Retriever,
        allowed: &Filtered,
        k: usize,
        exact: bool,
        trail: &mut Trail,
    ) -> Result<Worked> {
        let corpus = retriever.corpus.as_ref().map(|corpus| self.filtered(Some(corpus.clone()), trail)).transpose()?;
        let scope = Scope { allowed, corpus: corpus.as_deref() };
        let effort = |params: &SearchParams| match exact {
            true => SearchParams { exact: true, ..SearchParams::default() },
            false => *params,
        };
        match &retriever.kind {
            Kind::Dense { field, target, params } => {
                let (vector, left_out) = match target {
                    Target::Vector(vector) => (Cow::Borrowed(vector), None),
                    Target::Point(id) => (Cow::Owned(self.dense(*field, id)?), Some(*id)),
                };
                self.nearest(allowed, *field, &vector, k, effort(params), left_out.as_slice())
            }
            Kind::Sparse { field, vector } => {
                let found = vectors::sparse(self.snapshot, scope, *field, vector, k, self.deadline)?;
                Ok(Worked::found(found, Sight::Plain))
            }
            Kind::SparseOf { field, point } => {
                let vector = self.own(point, |view, row| view.part.others().sparse(*field)?.vector(row))?;
                let found = vectors::sparse(self.snapshot, scope, *field, &vector, k + 1, self.deadline)?;
                Ok(Worked::found(found.without(&[*point], k), Sight::Plain))
            }
            Kind::Multi { field, vectors: several } => {
                let found = vectors::multi(self.snapshot, allowed, *field, several, k, self.deadline)?;
                Ok(Worked::found(found, Sight::Metric(self.snapshot.spec.multi[*field].spec.metric)))
            }
            Kind::MultiOf { field, point } => {
                let several = self.own(point, |view, row| view.part.others().multi(*field)?.vectors(row))?;
                let found = vectors::multi(self.snapshot, allowed, *field, &several, k + 1, self.deadline)?;
                let metric = self.snapshot.spec.multi[*field].spec.metric;
                Ok(Worked::found(found.without(&[*point], k), Sight::Metric(metric)))
            }
            Kind::Text(words) => {
                let found = words::search(self.snapshot, scope, words, k, self.deadline)?;
                Ok(Worked::found(found, Sight::Plain))
            }
            Kind::Average { field, positive, negative, params } => {
                let vector = self.averaged(*field, positive, negative)?;
                let left_out = named(positive.iter().chain(negative));
                self.near(scope, *field, &vector, k, effort(params), &left_out)
            }
            Kind::Examples { field, likeness, positive, negative } => {
                let vectors = self.vectors(*field, positive.iter().chain(negative))?;
                let names = named(positive.iter().chain(negative));
                self.alike(scope, *field, likeness, (&vectors, positive.len()), k, &names)
            }
            Kind::Diverse { field, target, params, diversity, candidates } => {
                let vector = self.vector(*field, target)?;
                let from = (*candidates).max(k);
                let worked = self.near(scope, *field, &vector, from, effort(params), &named([target]))?;
                self.diversified(*field, &vector, worked, k, *diversity)
            }
            Kind::Order(order) => self.ordered(order, allowed, k, trail),
            Kind::Sample { seed } => self.sampled(*seed, allowed, k),
            Kind::Fuse(_) | Kind::Formula(_) => Err(Error::Internal("an inner retriever was sent to search rows")),
        }
    }

    pub(super) fn metric(&self, field: usize) -> Metric {
        self.snapshot.spec.vectors[field].spec.metric
    }

    pub(super) fn dense(&self, field: usize, id: &PointId) -> Result<Vec<f32>> {
        self.own(id, |view, row| Some(view.part.nearest(field).vector(row)?.into_owned()))
    }

    /// What a point has of a field.
    pub(super) fn own<T>(&self, id: &PointId, of: impl FnOnce(&PartView, Row) -> Option<T>) -> Result<T> {
        let missing = |what| Error::Missing { what, name: id.to_string() };
        let (part, row) = self.snapshot.find(id).ok_or_else(|| missing("point"))?;
        of(&self.snapshot.parts[part], row).ok_or_else(|| missing("vector of this field at point"))
    }

    pub(super) fn nearest(
        &self,
        allowed: &Filtered,
        field: usize,
        vector: &[f32],
        k: usize,
        params: SearchParams,
        left_out: &[PointId],
    ) -> Result<Worked> {
        let kind = self.tally(field, allowed);
        let correction = self.recalls.correction(&kind);
        // More by those that are left out.
        let dense = Dense { field, vector, k: k + left_out.len(), params, correction };
        let mut found = fetch::dense(self.snapshot, allowed, &dense, &|| self.reads.spare(), self.deadline)?;
        if self.query.explain {
            let measured = self.recalls.of(&kind);
            found.parts.iter_mut().for_each(|part| part.measured = measured);
        }
        Ok(Worked::found(found.without(left_out, k), Sight::Metric(self.metric(field))))
    }

    fn ordered(&self, order: &OrderBy, allowed: &Filtered, k: usize, trail: &mut Trail) -> Result<Worked> {
        let before = |left: &(Real, Placed), right: &(Real, Placed)| {
            order.direction.turn((left.0, left.1.id).cmp(&(right.0, right.1.id)))
        };
        let (mut all, mut runs) = (Vec::new(), Vec::new());
        for (part, (view, allowed)) in self.snapshot.parts.iter().zip(&allowed.parts).enumerate() {
            self.deadline.check()?;
            let begin = Instant::now();
            // Of few rows the payloads are read sooner than a whole index.
            let few = allowed.matching <= POINTS_A_CHECK as u64;
            let window = |from: u32| {
                firsts(order, view.part.fields(), from..view.part.rows().min(from.saturating_add(ROWS_A_WINDOW)))
            };
            let (mut from, mut values) = (0, if few { None } else { window(0)? });
            let known = values.is_some();
            if !known && !few {
                trail.scanned.push(order.path.as_str().to_owned());
            }
            for (at, row) in rows_of(view, allowed).into_iter().enumerate() {
                if at % if known { ROWS_A_CHECK } else { POINTS_A_CHECK } == 0 {
                    self.deadline.check()?;
                }
                while known && row.0 - from >= ROWS_A_WINDOW {
                    from += ROWS_A_WINDOW;
                    if row.0 - from < ROWS_A_WINDOW {
                        values = window(from)?;
                    }
                }
                let first = match &values {
                    Some(values) => values[(row.0 - from) as usize],
                    None => order.of(&view.payload(row)?),
                };
                if let Some(value) = first {
                    all.push((value, Placed { id: view.part.id(row), score: 1.0, part, row }));
                }
                if at % ROWS_A_CHECK == 0 {
                    prune(&mut all, k, before);
                }
            }
            runs.push(compared(view, allowed, Work::default(), begin));
        }
        all.sort_unstable_by(before);
        all.truncate(k);
        let (values, placed) = all.into_iter().unzip();
        Ok(Worked { ranking: Ranking { placed, values, sight: Sight::Plain }, parts: runs })
    }

    fn sampled(&self, seed: u64, allowed: &Filtered, k: usize) -> Result<Worked> {
        let (mut all, mut runs) = (Vec::new(), Vec::new());
        for (part, (view, allowed)) in self.snapshot.parts.iter().zip(&allowed.parts).enumerate() {
            self.deadline.check()?;
            let begin = Instant::now();
            for (at, row) in rows_of(view, allowed).into_iter().enumerate() {
                let id = view.part.id(row);
                all.push(Placed { id, score: chance(seed, &id), part, row });
                if at % ROWS_A_CHECK == 0 {
                    self.deadline.check()?;
                    prune(&mut all, k, by_score);
                }
            }
            runs.push(compared(view, allowed, Work::default(), begin));
        }
        all.sort_unstable_by(by_score);
        all.truncate(k);
        Ok(Worked { ranking: Ranking::new(all, Sight::Plain), parts: runs })
    }

    /// The points of sources by a formula.
    pub(super) fn computed(&self, formula: &Formula, points: &[Spot], sources: &[Ranking]) -> Result<Ranking> {
        let of = |source: &Ranking| -> HashMap<PointId, f32> {
            source.placed.iter().map(|one| (one.id, source.sight.outward(one.score))).collect()
        };
        let known: Vec<HashMap<PointId, f32>> = sources.iter().map(of).collect();
        let (reads, nothing) = (formula.reads_payload(), Value::Null);
        let mut placed = Vec::with_capacity(points.len());
        for (at, spot) in points.iter().enumerate() {
            if at % POINTS_A_CHECK == 0 {
                self.deadline.check()?;
            }
            let scores: Vec<Option<f32>> = known.iter().map(|known| known.get(&spot.id).copied()).collect();
            let view = &self.snapshot.parts[spot.part];
            let payload = if reads { &view.payload(spot.row)? } else { &nothing };
            let has = |name: &str| view.with_vector(name).has(spot.row);
            let score = formula.score(Point { id: &spot.id, payload, scores: &scores, has: &has })?;
            placed.push(Placed::at(*spot, score));
        }
        placed.sort_unstable_by(by_score);
        Ok(Ranking::new(placed, Sight::Plain))
    }
}

pub(super) fn rows_of(view: &PartView, allowed: &Allowed) -> Vec<Row> {
    match &allowed.rows {
        Some(rows) => rows.rows().iter().collect(),
        None => (0..view.part.rows()).map(Row).collect(),
    }
}

/// What each of these rows is ordered by; `None` where no index can tell.
fn firsts(order: &OrderBy, fields: &dyn Fields, rows: Range<u32>) -> Result<Option<Vec<Option<Real>>>> {
    let mut firsts: Vec<Option<Real>> = vec![None; rows.len()];
    let known = order.each(fields, &mut |value, row| {
        let first = row.0.checked_sub(rows.start).and_then(|at| firsts.get_mut(at as usize));
        if let Some(first) = first
            && first.is_none_or(|first| order.direction.turn(value.cmp(&first)).is_lt())
        {
            *first = Some(value);
        }
    })?;
    Ok(known.then_some(firsts))
}

pub(super) fn compared(view: &PartView, allowed: &Allowed, work: Work, begin: Instant) -> PartRun {
    PartRun {
        segment: view.part.segment(),
        rows: u64::from(view.part.rows()),
        matching: allowed.matching,
        route: if allowed.matching == 0 { Route::Empty } else { Route::Exact },
        ef: 0,
        work,
        recall: None,
        note: None,
        measured: None,
        considered: Vec::new(),
        took_us: begin.elapsed().as_micros() as u64,
    }
}

/// Keeps what may be among the first `k`, once there is much more.
pub(super) fn prune<T>(all: &mut Vec<T>, k: usize, before: impl FnMut(&T, &T) -> std::cmp::Ordering) {
    if k > 0 && all.len() > 2 * k + ROWS_A_CHECK {
        all.select_nth_unstable_by(k - 1, before);
        all.truncate(k);
    }
}

/// From 0 to 1, by the id and a seed alone: SplitMix64 (Steele et al. 2014) over both.
fn chance(seed: u64, id: &PointId) -> f32 {
    let mix = |mixed: u64| {
        let mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let (kind, number) = match id {
        PointId::Num(number) => (0, u128::from(*number)),
        PointId::Uuid(uuid) => (1, uuid.as_u128()),
    };
    let mixed = mix(mix(mix(seed ^ kind) ^ number as u64) ^ (number >> 64) as u64);
    (mixed >> 40) as f32 / (1u32 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use nigh_index::filter::extract::Extracted;
    use nigh_index::filter::live::LiveFields;
    use nigh_index::filter::rules::FieldRules;
    use nigh_index::query::order::Direction;
    use nigh_index::value::Path;
    use serde_json::json;

    #[test]
    fn chance_is_even_and_of_its_seed() {
        let above = |seed: u64| (0..10_000).filter(|id| chance(seed, &PointId::Num(*id)) >= 0.5).count();
        assert!((4_800..5_200).contains(&above(1)) && (4_800..5_200).contains(&above(2)));
        assert!(chance(1, &PointId::Num(7)) != chance(2, &PointId::Num(7)));
        assert_eq!(chance(1, &PointId::Num(7)), chance(1, &PointId::Num(7)));
    }

    #[test]
    fn windows_of_rows_are_ordered_as_all_at_once() {
        let payloads: Vec<Value> =
            (0..100).map(|row| json!({"n": [row * 7 % 13, row % 5], "m": "no number"})).collect();
        let rules = FieldRules::default();
        let fields = LiveFields::build(payloads.iter().map(|payload| Extracted::of(payload, &rules)), &rules);
        for direction in [Direction::Rising, Direction::Falling] {
            let order = OrderBy { path: Path::parse("n").unwrap(), direction, from: None };
            let expected: Vec<Option<Real>> = payloads.iter().map(|payload| order.of(payload)).collect();
            for step in [1, 7, 33, 100, 200] {
                let window = |from: u32| firsts(&order, &fields, from..100.min(from + step)).unwrap().unwrap();
                let windows: Vec<Option<Real>> = (0..100).step_by(step as usize).flat_map(window).collect();
                assert_eq!(windows, expected, "{step} rows at a time");
            }
        }
    }

    #[test]
    fn pruning_keeps_the_first() {
        let mut all: Vec<usize> = (0..3 * ROWS_A_CHECK).rev().collect();
        prune(&mut all, 5, usize::cmp);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4]);
    }
}
