//! Retrievers by vectors that are not dense: sparse ones, and several a point.

use crate::engine::error::Result;
use crate::engine::fetch::{Filtered, Retrieved, Scope, untied};
use crate::engine::pool::Deadline;
use nigh_index::params::Found;
use nigh_index::sparse::search;
use nigh_index::sparse::vector::SparseVector;
use nigh_index::sparse::weights::{self, Statistics};
use nigh_index::vector::multi::MultiVector;
use nigh_storage::snapshot::Snapshot;
use std::time::Instant;

/// The numbers of a query as the field weighs them: where that is by rarity, one set of statistics holds for all parts. They
/// count what is in the corpus, or all points where there is none.
pub(crate) fn weighed(
    snapshot: &Snapshot,
    field: usize,
    query: &SparseVector,
    corpus: Option<&Filtered>,
    deadline: &Deadline,
) -> Result<Vec<(u32, f32)>> {
    if !snapshot.spec.sparse[field].spec.idf {
        return Ok(weights::plain(query));
    }
    let mut all = Statistics { rows: 0, frequencies: vec![0; query.indices().len()] };
    for (at, view) in snapshot.parts.iter().enumerate() {
        deadline.check()?;
        if let Some(part) = view.part.others().sparse(field) {
            all += &match corpus {
                None => part.statistics(query, &view.dead),
                Some(corpus) => part.statistics(query, &corpus.parts[at].others(view)),
            };
        }
    }
    Ok(weights::by_rarity(query, &all))
}

/// The `k` greatest dot products of what is allowed.
pub(crate) fn sparse(
    snapshot: &Snapshot,
    scope: Scope<'_>,
    field: usize,
    query: &SparseVector,
    k: usize,
    deadline: &Deadline,
) -> Result<Retrieved> {
    let numbers = weighed(snapshot, field, query, scope.corpus, deadline)?;
    let mut ranking = Retrieved::over(snapshot);
    for (at, (view, allowed)) in snapshot.parts.iter().zip(&scope.allowed.parts).enumerate() {
        deadline.check()?;
        let begin = Instant::now();
        let found = match view.part.others().sparse(field).filter(|_| allowed.matching > 0) {
            Some(part) => untied(k, |k| Ok(search::search(part, &numbers, k, allowed.rows.as_deref())))?,
            None => Found::nothing(),
        };
        ranking.add(at, (view, allowed), found, None, begin.elapsed());
    }
    Ok(ranking.best(k))
}

/// The `k` nearest of what is allowed by several vectors a point; all of it is compared.
pub(crate) fn multi(
    snapshot: &Snapshot,
    allowed: &Filtered,
    field: usize,
    query: &MultiVector,
    k: usize,
    deadline: &Deadline,
) -> Result<Retrieved> {
    let mut ranking = Retrieved::over(snapshot);
    for (at, (view, allowed)) in snapshot.parts.iter().zip(&allowed.parts).enumerate() {
        deadline.check()?;
        let begin = Instant::now();
        let found = match view.part.others().multi(field).filter(|_| allowed.matching > 0) {
            Some(part) => untied(k, |k| {
                let found = part.search(query, k, allowed.rows.as_deref(), &|| deadline.check().is_ok());
                deadline.check().map(|()| found)
            })?,
            None => Found::nothing(),
        };
        ranking.add(at, (view, allowed), found, None, begin.elapsed());
    }
    Ok(ranking.best(k))
}
