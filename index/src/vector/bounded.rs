//! Every matching row, by bounds first: what a code says of a row is an interval that holds its score,
//! and only rows whose interval reaches the `k` best and the floor are compared in full. The hits are those of
//! [`flat::nearest`](super::flat::nearest), row for row and bit for bit, of which those below the floor may be missing.

use crate::bitmap::Bitmap;
use crate::params::{Found, Route, Work};
use crate::row::{Hit, Row, TopK};
use crate::vector::quant::full::{Full, Query};

/// How many rows are bounded in one call.
const LISTED: usize = 512;

/// An interval that holds a row's score as [`Full::score`] computes it.
#[derive(Copy, Clone, PartialEq, Debug)]
pub(super) struct Bound {
    /// The score is at least this; NaN where nothing is known.
    pub(super) lower: f32,
    /// The score is at most this; NaN where nothing is known.
    pub(super) upper: f32,
}

/// The `k` nearest of the rows that are allowed and have a vector. `bounds` is given a list of rows
/// and makes the second list hold an interval for each of them.
pub(super) fn nearest(
    full: &Full,
    query: &[f32],
    (k, floor): (usize, f32),
    allowed: Option<&Bitmap>,
    bounds: impl FnMut(&[u32], &mut Vec<Bound>),
) -> Found {
    let has = |row: &Row| full.present().is_none_or(|present| present.has(*row));
    match allowed {
        None => nearest_of(full, query, (k, floor), (0..full.rows()).map(Row).filter(has), bounds),
        Some(rows) => {
            let rows = rows.iter().take_while(|row| row.0 < full.rows()).filter(has);
            nearest_of(full, query, (k, floor), rows, bounds)
        }
    }
}

/// The `k` nearest of the given rows, which all have a vector.
pub(super) fn nearest_of(
    full: &Full,
    query: &[f32],
    (k, floor): (usize, f32),
    rows: impl Iterator<Item = Row>,
    mut bounds: impl FnMut(&[u32], &mut Vec<Bound>),
) -> Found {
    let mut sieve = Sieve { lowers: TopK::new(k), floor, passed: Vec::new() };
    let mut work = Work::default();
    let (mut list, mut of_list) = (Vec::with_capacity(LISTED), Vec::with_capacity(LISTED));
    let mut sift = |list: &mut Vec<u32>| {
        bounds(list, &mut of_list);
        work.distances_coded += list.len() as u64;
        for (row, bound) in list.drain(..).zip(&of_list) {
            sieve.offer(row, *bound);
        }
    };
    let mut each = |row: Row| {
        list.push(row.0);
        if list.len() == LISTED {
            sift(&mut list);
        }
    };
    if k > 0 {
        rows.for_each(&mut each);
        sift(&mut list);
    }
    let hits = sieve.compare(full, query, k, &mut work);
    if hits.is_empty() && work == Work::default() {
        return Found::nothing();
    }
    Found { hits, route: Route::Exact, effort: 0, work }
}

/// Lets through the rows whose upper bound reaches the floor: the one given, and the `k`-th best lower bound so far.
struct Sieve {
    lowers: TopK,
    floor: f32,
    passed: Vec<(f32, u32)>,
}

impl Sieve {
    #[inline]
    fn offer(&mut self, row: u32, bound: Bound) {
        // A row of which nothing is known passes.
        if bound.upper < self.floor {
            return;
        }
        self.passed.push((if bound.upper.is_nan() { f32::INFINITY } else { bound.upper }, row));
        if bound.lower > self.floor {
            self.lowers.offer(Hit { row: Row(row), score: bound.lower });
            self.floor = self.floor.max(self.lowers.floor());
        }
    }

    /// Compares what passed in full, most promising first, until the rest cannot be among the best.
    fn compare(self, full: &Full, query: &[f32], k: usize, work: &mut Work) -> Vec<Hit> {
        let mut passed = self.passed;
        passed.retain(|(upper, _)| *upper >= self.floor);
        passed.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let query = Query::new(query);
        let mut top = TopK::new(k);
        for (upper, row) in passed {
            if upper < self.floor.max(top.floor()) {
                break;
            }
            top.offer(Hit { row: Row(row), score: full.score(query, Row(row)) });
            work.distances_full += 1;
        }
        top.into_sorted()
    }
}
