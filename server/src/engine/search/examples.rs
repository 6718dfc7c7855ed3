//! Retrievers by examples, over vector fields of every kind: what an example is, how near rows are to it, and what is
//! chosen so that it says nothing twice.
//!
//! | field | similarity | a row that has no number in common |
//! |---|---|---|
//! | dense | that of the metric: Euclid is the negated square of the distance | |
//! | sparse | the dot product, of weighed numbers where the field weighs by rarity | similarity 0 |
//! | several a point | the sum, over the vectors of the example, of the nearest of the row | |
//!
//! Rows without a vector of the field are not found.

use super::kinds::{ROWS_A_CHECK, compared, prune, rows_of};
use super::walk::{Walk, Worked};
use crate::engine::error::{Error, Result};
use crate::engine::fetch::{Allowed, Filtered, Scope, side_by_side};
use crate::engine::pool::Deadline;
use crate::engine::query::retriever::{Example, Vector};
use crate::engine::ranking::{Placed, Ranking, Sight, by_score};
use crate::engine::vectors;
use nigh_index::bitmap::Bitmap;
use nigh_index::id::PointId;
use nigh_index::params::{Found, Plan, Route, SearchParams, Work};
use nigh_index::query::diverse::diverse;
use nigh_index::query::examples::{Likeness, Numbers, average, average_of_several, average_of_sparse};
use nigh_index::row::Row;
use nigh_index::selection::Selection;
use nigh_index::sparse::search;
use nigh_index::sparse::weights;
use nigh_index::vector::metric::Metric;
use nigh_index::vector::multi::MultiVector;
use nigh_storage::schema::VectorPlace;
use nigh_storage::snapshot::PartView;
use std::collections::HashMap;
use std::time::Instant;

/// Similarities that are held at a time, where rows are compared in larger lots: 4 MiB.
const SIMILARITIES_A_LOT: usize = 1 << 20;

/// A vector that rows are compared with.
enum Compared<'v> {
    Dense(usize, &'v [f32]),
    /// Its numbers as the field weighs them.
    Sparse(usize, Vec<(u32, f32)>),
    Multi(usize, &'v MultiVector),
}

impl Walk<'_> {
    /// The vectors of examples.
    pub(super) fn vectors<'e>(
        &self,
        field: VectorPlace,
        examples: impl IntoIterator<Item = &'e Example>,
    ) -> Result<Vec<Vector>> {
        let mut numbers = Numbers::default();
        let vector = |example| {
            self.deadline.check()?;
            let vector = self.vector(field, example)?;
            // One vector a point is short enough, however many there are.
            if !matches!(vector, Vector::Dense(_)) {
                numbers.add(vector.numbers())?;
            }
            Ok(vector)
        };
        examples.into_iter().map(vector).collect()
    }

    pub(super) fn vector(&self, field: VectorPlace, example: &Example) -> Result<Vector> {
        let id = match example {
            Example::Vector(vector) => return Ok(vector.clone()),
            Example::Point(id) => id,
        };
        match field {
            VectorPlace::Dense(at) => self.dense(at.into(), id).map(Vector::Dense),
            VectorPlace::Sparse(at) => {
                let own = self.own(id, |view, row| view.part.others().sparse(at.into())?.vector(row))?;
                Ok(Vector::Sparse(own))
            }
            VectorPlace::Multi(at) => {
                let own = self.own(id, |view, row| view.part.others().multi(at.into())?.vectors(row))?;
                Ok(Vector::Multi(own))
            }
        }
    }

    /// One vector that is made of examples.
    pub(super) fn averaged(&self, field: VectorPlace, positive: &[Example], negative: &[Example]) -> Result<Vector> {
        let (positive, negative) = (self.vectors(field, positive)?, self.vectors(field, negative)?);
        match field {
            VectorPlace::Dense(at) => {
                let directions = self.metric(at.into()) == Metric::Cosine;
                let of =
                    |some: Vec<Vector>| all_of(some, |one| if let Vector::Dense(one) = one { Some(one) } else { None });
                Ok(Vector::Dense(average(&of(positive)?, &of(negative)?, directions)?))
            }
            VectorPlace::Sparse(_) => {
                let of = |some: Vec<Vector>| {
                    all_of(some, |one| if let Vector::Sparse(one) = one { Some(one) } else { None })
                };
                Ok(Vector::Sparse(average_of_sparse(&of(positive)?, &of(negative)?)?))
            }
            VectorPlace::Multi(at) => {
                let of =
                    |some: Vec<Vector>| all_of(some, |one| if let Vector::Multi(one) = one { Some(one) } else { None });
                let several = average_of_several(&of(positive)?, &of(negative)?);
                let known = &self.snapshot.spec.multi[usize::from(at)];
                known.spec.check(&known.name, &several)?;
                Ok(Vector::Multi(several))
            }
        }
    }

    /// The `k` nearest to one vector.
    pub(super) fn near(
        &self,
        scope: Scope<'_>,
        field: VectorPlace,
        vector: &Vector,
        k: usize,
        params: SearchParams,
        left_out: &[PointId],
    ) -> Result<Worked> {
        let more = k + left_out.len();
        match (field, vector) {
            (VectorPlace::Dense(at), Vector::Dense(vector)) => {
                self.nearest(scope.allowed, at.into(), vector, k, params, left_out)
            }
            (VectorPlace::Sparse(at), Vector::Sparse(vector)) => {
                let found = vectors::sparse(self.snapshot, scope, at.into(), vector, more, self.deadline)?;
                Ok(Worked::found(found.without(left_out, k), Sight::Plain))
            }
            (VectorPlace::Multi(at), Vector::Multi(several)) => {
                let found = vectors::multi(self.snapshot, scope.allowed, at.into(), several, more, self.deadline)?;
                let metric = self.snapshot.spec.multi[usize::from(at)].spec.metric;
                Ok(Worked::found(found.without(left_out, k), Sight::Metric(metric)))
            }
            _ => Err(OF_ANOTHER_KIND),
        }
    }

    /// By the similarity to every example: `positives` of the vectors are positive ones, the first.
    pub(super) fn alike(
        &self,
        Scope { allowed, corpus }: Scope<'_>,
        field: VectorPlace,
        likeness: &Likeness,
        (vectors, positives): (&[Vector], usize),
        k: usize,
        left_out: &[PointId],
    ) -> Result<Worked> {
        let parts: Vec<(&PartView, &Allowed)> = self.snapshot.parts.iter().zip(&allowed.parts).collect();
        let examples = vectors.iter().map(|vector| self.compared(field, vector, corpus)).collect::<Result<Vec<_>>>()?;
        // What has the numbers of a sparse example is read from lists, for all rows of a lot at once.
        let lot = match field {
            VectorPlace::Sparse(_) => (SIMILARITIES_A_LOT / examples.len().max(1)).max(ROWS_A_CHECK),
            _ => ROWS_A_CHECK,
        };
        let work = |at: usize| {
            let begin = Instant::now();
            let (view, allowed) = parts[at];
            let mut placed: Vec<Placed> = Vec::new();
            let rows: Vec<Row> = rows_of(view, allowed);
            let mut work = Work::default();
            for rows in rows.chunks(lot) {
                self.deadline.check()?;
                let similar = similarities(view, rows, &examples, &mut work, self.deadline)?;
                for (row, similar) in rows.iter().zip(similar.chunks(examples.len().max(1))) {
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

    fn compared<'v>(&self, field: VectorPlace, vector: &'v Vector, corpus: Option<&Filtered>) -> Result<Compared<'v>> {
        match (field, vector) {
            (VectorPlace::Dense(at), Vector::Dense(vector)) => Ok(Compared::Dense(at.into(), vector)),
            (VectorPlace::Sparse(at), Vector::Sparse(vector)) => {
                let numbers = vectors::weighed(self.snapshot, at.into(), vector, corpus, self.deadline)?;
                Ok(Compared::Sparse(at.into(), numbers))
            }
            (VectorPlace::Multi(at), Vector::Multi(several)) => Ok(Compared::Multi(at.into(), several)),
            _ => Err(OF_ANOTHER_KIND),
        }
    }

    /// Of candidates, which are given by their nearness to a vector, `k` that are unlike one another. Sparse vectors are
    /// compared with one another as they are, also where the field weighs by rarity.
    pub(super) fn diversified(
        &self,
        field: VectorPlace,
        vector: &Vector,
        worked: Worked,
        k: usize,
        diversity: f32,
    ) -> Result<Worked> {
        let Worked { mut ranking, parts } = worked;
        let mut relevance: Vec<f32> = ranking.placed.iter().map(|one| one.score).collect();
        if let VectorPlace::Sparse(at) = field
            && self.snapshot.spec.sparse[usize::from(at)].spec.idf
        {
            relevance = self.similar_to(field, vector, &ranking.placed)?;
            let mut order: Vec<usize> = (0..relevance.len()).collect();
            order.sort_by(|a, b| relevance[*b].total_cmp(&relevance[*a]));
            ranking.placed = order.iter().map(|at| ranking.placed[*at]).collect();
            relevance = order.into_iter().map(|at| relevance[at]).collect();
        }
        let likeness = |chosen: usize| self.similar_to_one(field, &ranking.placed, &ranking.placed[chosen]);
        let chosen = diverse(&relevance, k, diversity, likeness)?;
        ranking.placed = chosen.into_iter().map(|at| ranking.placed[at]).collect();
        Ok(Worked { ranking, parts })
    }

    /// How similar each candidate is to one of them. That of several vectors to others is not that of those to them: it
    /// is asked from each candidate's side.
    fn similar_to_one(&self, field: VectorPlace, candidates: &[Placed], chosen: &Placed) -> Result<Vec<f32>> {
        self.deadline.check()?;
        let part = |one: &Placed| &self.snapshot.parts[one.part].part;
        let nothing = || vec![f32::NEG_INFINITY; candidates.len()];
        match field {
            VectorPlace::Dense(at) => match part(chosen).nearest(at.into()).vector(chosen.row) {
                Some(vector) => self.similar_to(field, &Vector::Dense(vector.into_owned()), candidates),
                None => Ok(nothing()),
            },
            VectorPlace::Sparse(at) => {
                match part(chosen).others().sparse(at.into()).and_then(|part| part.vector(chosen.row)) {
                    Some(vector) => self.similar_to(field, &Vector::Sparse(vector), candidates),
                    None => Ok(nothing()),
                }
            }
            VectorPlace::Multi(at) => {
                let Some(of_chosen) = part(chosen).others().multi(at.into()) else { return Ok(nothing()) };
                let one = |candidate: &Placed| {
                    self.deadline.check()?;
                    let own = part(candidate).others().multi(at.into()).and_then(|part| part.vectors(candidate.row));
                    let similar = own.and_then(|own| of_chosen.similarity(&own, chosen.row));
                    Ok(similar.unwrap_or(f32::NEG_INFINITY))
                };
                candidates.iter().map(one).collect()
            }
        }
    }

    /// How similar candidates are to a vector, whose numbers are not weighed.
    fn similar_to(&self, field: VectorPlace, vector: &Vector, candidates: &[Placed]) -> Result<Vec<f32>> {
        let example = match (field, vector) {
            (VectorPlace::Sparse(at), Vector::Sparse(vector)) => Compared::Sparse(at.into(), weights::plain(vector)),
            _ => self.compared(field, vector, None)?,
        };
        let places: HashMap<(usize, Row), usize> =
            candidates.iter().enumerate().map(|(at, one)| ((one.part, one.row), at)).collect();
        let mut similar = vec![f32::NEG_INFINITY; candidates.len()];
        for (at, (view, allowed)) in self.snapshot.parts.iter().zip(&self.rows_of(candidates.iter()).parts).enumerate()
        {
            let rows = rows_of(view, allowed);
            let found = similarities(view, &rows, std::slice::from_ref(&example), &mut Work::default(), self.deadline)?;
            for (row, found) in rows.iter().zip(found) {
                similar[places[&(at, *row)]] = found;
            }
        }
        Ok(similar)
    }
}

/// Seen to before a query is walked.
const OF_ANOTHER_KIND: Error = Error::Internal("an example is of another kind than its field");

fn all_of<T>(some: Vec<Vector>, of: impl Fn(Vector) -> Option<T>) -> Result<Vec<T>> {
    some.into_iter().map(|one| of(one).ok_or(OF_ANOTHER_KIND)).collect()
}

/// The points that examples name: they are not found themselves.
pub(super) fn named<'e>(examples: impl IntoIterator<Item = &'e Example>) -> Vec<PointId> {
    let id = |example: &Example| match example {
        Example::Point(id) => Some(*id),
        Example::Vector(_) => None,
    };
    let mut ids: Vec<PointId> = examples.into_iter().filter_map(id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// How similar each of these rows is to every example, row by row; negative infinity for a row without the vector.
fn similarities(
    view: &PartView,
    rows: &[Row],
    examples: &[Compared<'_>],
    work: &mut Work,
    deadline: &Deadline,
) -> Result<Vec<f32>> {
    let mut similar = vec![f32::NEG_INFINITY; rows.len() * examples.len()];
    if rows.is_empty() {
        return Ok(similar);
    }
    let chosen = Selection::new(Bitmap::from_rows(rows.iter().map(|row| row.0)), view.part.rows());
    for (at, example) in examples.iter().enumerate() {
        deadline.check()?;
        let found = match example {
            Compared::Dense(field, vector) => {
                let plan = Plan::by(Route::Exact, 0);
                view.part.nearest(*field).search(vector, rows.len(), Some(&chosen), &plan)
            }
            Compared::Sparse(field, numbers) => match view.part.others().sparse(*field) {
                None => Found::nothing(),
                Some(part) => {
                    for (place, row) in rows.iter().enumerate() {
                        if part.present().is_none_or(|present| present.has(*row)) {
                            similar[place * examples.len() + at] = 0.0;
                        }
                    }
                    search::search(part, numbers, rows.len(), Some(&chosen))
                }
            },
            Compared::Multi(field, several) => match view.part.others().multi(*field) {
                None => Found::nothing(),
                Some(part) => part.search(several, rows.len(), Some(&chosen), &|| deadline.check().is_ok()),
            },
        };
        *work += found.work;
        for hit in &found.hits {
            if let Ok(place) = rows.binary_search(&hit.row) {
                similar[place * examples.len() + at] = hit.score;
            }
        }
    }
    // A search that ended early has not seen all rows.
    deadline.check()?;
    Ok(similar)
}
