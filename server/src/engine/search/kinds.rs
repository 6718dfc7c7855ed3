//! What each kind of retriever does with the rows that it may rank.

use super::walk::{Trail, Walk, Worked};
use crate::engine::error::{Error, Result};
use crate::engine::fetch::{self, Allowed, Dense, Filtered, side_by_side};
use crate::engine::query::answer::PartRun;
use crate::engine::query::retriever::{Kind, Retriever, Target};
use crate::engine::ranking::{Placed, Ranking, Sight, Spot, by_score};
use crate::engine::{vectors, words};
use nigh_index::bitmap::Bitmap;
use nigh_index::filter::field::{Fields, Rows};
use nigh_index::id::PointId;
use nigh_index::params::{Plan, Route, SearchParams, Work};
use nigh_index::query::diverse::diverse;
use nigh_index::query::examples::{Likeness, average};
use nigh_index::query::formula::{Formula, Point};
use nigh_index::query::order::{OrderBy, Real};
use nigh_index::row::Row;
use nigh_index::selection::Selection;
use nigh_index::vector::metric::Metric;
use nigh_storage::snapshot::PartView;
use serde_json::Value;
use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

/// Rows that are compared between two looks at the deadline.
const ROWS_A_CHECK: usize = 4_096;
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
        let effort = |params: &SearchParams| match exact {
            true => SearchParams { exact: true, ..SearchParams::default() },
            false => *params,
        };
        match &retriever.kind {
            Kind::Dense { field, target, params } => {
                let vector = self.vector(*field, target)?;
                self.nearest(allowed, *field, &vector, k, effort(params), &named([target]))
            }
            Kind::Sparse { field, vector } => {
                let found = vectors::sparse(self.snapshot, allowed, *field, vector, k, self.deadline)?;
                Ok(Worked::found(found, Sight::Plain))
            }
            Kind::SparseOf { field, point } => {
                let vector = self.own(point, |view, row| view.part.others().sparse(*field)?.vector(row))?;
                let found = vectors::sparse(self.snapshot, allowed, *field, &vector, k + 1, self.deadline)?;
                Ok(Worked::found(found.without(*point, k), Sight::Plain))
            }
            Kind::Multi { field, vectors: several } => {
                let found = vectors::multi(self.snapshot, allowed, *field, several, k, self.deadline)?;
                Ok(Worked::found(found, Sight::Metric(self.snapshot.spec.multi[*field].spec.metric)))
            }
            Kind::MultiOf { field, point } => {
                let several = self.own(point, |view, row| view.part.others().multi(*field)?.vectors(row))?;
                let found = vectors::multi(self.snapshot, allowed, *field, &several, k + 1, self.deadline)?;
                let metric = self.snapshot.spec.multi[*field].spec.metric;
                Ok(Worked::found(found.without(*point, k), Sight::Metric(metric)))
            }
            Kind::Text(words) => {
                let found = words::search(self.snapshot, allowed, words, k, self.deadline)?;
                Ok(Worked::found(found, Sight::Plain))
            }
            Kind::Average { field, positive, negative, params } => {
                let directions = self.metric(*field) == Metric::Cosine;
                let vector = average(&self.vectors(*field, positive)?, &self.vectors(*field, negative)?, directions)?;
                self.nearest(allowed, *field, &vector, k, effort(params), &named(positive.iter().chain(negative)))
            }
            Kind::Examples { field, likeness, positive, negative } => {
                let mut vectors = self.vectors(*field, positive)?;
                vectors.extend(self.vectors(*field, negative)?);
                let names = named(positive.iter().chain(negative));
                self.alike(allowed, *field, likeness, (&vectors, positive.len()), k, &names)
            }
            Kind::Diverse { field, target, params, diversity, candidates } => {
                let vector = self.vector(*field, target)?;
                let from = (*candidates).max(k);
                let worked = self.nearest(allowed, *field, &vector, from, effort(params), &named([target]))?;
                self.diversified(*field, worked, k, *diversity)
            }
            Kind::Order(order) => self.ordered(order, allowed, k, trail),
            Kind::Sample { seed } => self.sampled(*seed, allowed, k),
            Kind::Fuse(_) | Kind::Formula(_) => Err(Error::Internal("an inner retriever was sent to search rows")),
        }
    }

    fn metric(&self, field: usize) -> Metric {
        self.snapshot.spec.vectors[field].spec.metric
    }

    fn vectors(&self, field: usize, targets: &[Target]) -> Result<Vec<Vec<f32>>> {
        targets.iter().map(|target| self.vector(field, target)).collect()
    }

    fn vector(&self, field: usize, target: &Target) -> Result<Vec<f32>> {
        let id = match target {
            Target::Vector(vector) => return Ok(vector.clone()),
            Target::Point(id) => id,
        };
        self.own(id, |view, row| Some(view.part.nearest(field).vector(row)?.into_owned()))
    }

    /// What a point has of a field.
    fn own<T>(&self, id: &PointId, of: impl FnOnce(&PartView, Row) -> Option<T>) -> Result<T> {
        let missing = |what| Error::Missing { what, name: id.to_string() };
        let (part, row) = self.snapshot.find(id).ok_or_else(|| missing("point"))?;
        of(&self.snapshot.parts[part], row).ok_or_else(|| missing("vector of this field at point"))
    }

    fn nearest(
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
        found.placed.retain(|placed| !left_out.contains(&placed.id));
        found.placed.truncate(k);
        Ok(Worked::found(found, Sight::Metric(self.metric(field))))
    }

    /// By the similarity to every example: `positives` of the vectors are positive ones, the first.
    fn alike(
        &self,
        allowed: &Filtered,
        field: usize,
        likeness: &Likeness,
        (vectors, positives): (&[Vec<f32>], usize),
        k: usize,
        left_out: &[PointId],
    ) -> Result<Worked> {
        let parts: Vec<(&PartView, &Allowed)> = self.snapshot.parts.iter().zip(&allowed.parts).collect();
        let work = |at: usize| {
            let begin = Instant::now();
            let (view, allowed) = parts[at];
            let mut placed: Vec<Placed> = Vec::new();
            let rows: Vec<Row> = rows_of(view, allowed);
            let mut work = Work::default();
            for rows in rows.chunks(ROWS_A_CHECK) {
                self.deadline.check()?;
                let similar = similarities(view, field, rows, vectors, &mut work);
                for (row, similar) in rows.iter().zip(similar.chunks(vectors.len())) {
                    let id = view.part.id(*row);
                    // A row without the vector is like nothing.
                    if similar.iter().all(|one| *one > f32::NEG_INFINITY) && !left_out.contains(&id) {
                        placed.push(Placed { id, score: likeness.score(similar, positives), part: at, row: *row });
                    }
                }
                prune(&mut placed, k, by_score);
            }
            Ok((placed, compared(view, allowed, work, begin)))
        };
        let costly = vectors.len() as u64 * allowed.matching() > ROWS_A_CHECK as u64;
        let helpers: Vec<_> = std::iter::from_fn(|| if costly { self.reads.spare() } else { None })
            .take(parts.len().max(1) - 1)
            .collect();
        let done = side_by_side(parts.len(), helpers.len(), &work);
        drop(helpers);
        let (mut all, mut runs) = (Vec::new(), Vec::new());
        for one in done {
            let (placed, run) = one?;
            all.extend(placed);
            runs.push(run);
        }
        all.sort_unstable_by(by_score);
        all.truncate(k);
        Ok(Worked { ranking: Ranking::new(all, Sight::Plain), parts: runs })
    }

    fn diversified(&self, field: usize, worked: Worked, k: usize, diversity: f32) -> Result<Worked> {
        let Worked { mut ranking, parts } = worked;
        let candidates = self.rows_of(ranking.placed.iter());
        let places: HashMap<(usize, Row), usize> =
            ranking.placed.iter().enumerate().map(|(at, one)| ((one.part, one.row), at)).collect();
        let likeness = |chosen: usize| {
            self.deadline.check()?;
            let chosen = &ranking.placed[chosen];
            let vector = self.snapshot.parts[chosen.part].part.nearest(field).vector(chosen.row);
            let mut similar = vec![f32::NEG_INFINITY; ranking.placed.len()];
            let Some(vector) = vector else { return Ok(similar) };
            for (part, (view, allowed)) in self.snapshot.parts.iter().zip(&candidates.parts).enumerate() {
                if allowed.matching > 0 {
                    let count = allowed.matching as usize;
                    let plan = Plan::by(Route::Exact, 0);
                    let found = view.part.nearest(field).search(&vector, count, allowed.rows.as_deref(), &plan);
                    found.hits.iter().for_each(|hit| similar[places[&(part, hit.row)]] = hit.score);
                }
            }
            Ok::<_, Error>(similar)
        };
        let relevance: Vec<f32> = ranking.placed.iter().map(|one| one.score).collect();
        let chosen = diverse(&relevance, k, diversity, likeness)?;
        ranking.placed = chosen.into_iter().map(|at| ranking.placed[at]).collect();
        Ok(Worked { ranking, parts })
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

/// The points that targets name: they are not found themselves.
fn named<'t>(targets: impl IntoIterator<Item = &'t Target>) -> Vec<PointId> {
    let id = |target: &Target| match target {
        Target::Point(id) => Some(*id),
        Target::Vector(_) => None,
    };
    let mut ids: Vec<PointId> = targets.into_iter().filter_map(id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn rows_of(view: &PartView, allowed: &Allowed) -> Vec<Row> {
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

/// How similar each of these rows is to every vector, row by row; negative infinity for a row without one.
fn similarities(view: &PartView, field: usize, rows: &[Row], vectors: &[Vec<f32>], work: &mut Work) -> Vec<f32> {
    let mut similar = vec![f32::NEG_INFINITY; rows.len() * vectors.len()];
    let chosen = Selection::new(Bitmap::from_rows(rows.iter().map(|row| row.0)), view.part.rows());
    for (at, vector) in vectors.iter().enumerate() {
        let found = view.part.nearest(field).search(vector, rows.len(), Some(&chosen), &Plan::by(Route::Exact, 0));
        *work += found.work;
        for hit in &found.hits {
            if let Ok(place) = rows.binary_search(&hit.row) {
                similar[place * vectors.len() + at] = hit.score;
            }
        }
    }
    similar
}

fn compared(view: &PartView, allowed: &Allowed, work: Work, begin: Instant) -> PartRun {
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
fn prune<T>(all: &mut Vec<T>, k: usize, before: impl FnMut(&T, &T) -> std::cmp::Ordering) {
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
