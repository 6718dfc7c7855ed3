//! Every matching row: the index of small parts, what every plan falls back to, and what tests hold the
//! graph against.
//!
//! Where there are codes, they tell which rows cannot be among the nearest, and only the rest is
//! compared on full vectors. The answer is the same, for a quarter of the bytes: if a code is at most
//! `e` from its row and the query's code `f` from the query, no row's true distance differs from that of
//! the codes by more than `e + f`, so whatever is farther than the `k`-th code by more than twice that
//! is not among the `k` nearest.

use crate::bitmap::{Bitmap, Bits};
use crate::params::{Found, Route, Work};
use crate::row::{Hit, Row, TopK};
use crate::vector::kernel;
use crate::vector::quant::full::{Full, Query};
use crate::vector::quant::scalar::Codes;
use std::collections::BinaryHeap;

/// Rows whose code is farther off than that of all but this share are always compared in full.
const LOOSE_SHARE: usize = 100;

/// Rows that are asked for at a time, ahead of their comparison.
const ASKED: usize = 8;

/// How many rows are compared by code in one call.
const LISTED: usize = 1024;

/// Distances on full vectors are sums of floats: so far they may be off.
const ROUNDING: f32 = 1e-4;

/// The `k` nearest of the rows that are allowed and have a vector.
pub(super) fn nearest(full: &Full, query: &[f32], k: usize, allowed: Option<&Bitmap>) -> Found {
    let mut scan = Scan::new(full, query, k);
    if k > 0 {
        match (allowed, full.present()) {
            (None, None) => scan.score((0..full.rows()).map(Row)),
            (Some(rows), None) | (None, Some(rows)) => scan.score(rows.iter()),
            (Some(rows), Some(present)) => scan.score(rows.iter().filter(|row| present.has(*row))),
        }
    }
    scan.found()
}

struct Scan<'a> {
    full: &'a Full,
    query: Query<'a>,
    top: TopK,
    work: Work,
}

impl<'a> Scan<'a> {
    fn new(full: &'a Full, query: &'a [f32], k: usize) -> Self {
        Self { full, query: Query::new(query), top: TopK::new(k), work: Work::default() }
    }

    fn score(&mut self, rows: impl Iterator<Item = Row>) {
        for row in rows.take_while(|row| row.0 < self.full.rows()) {
            self.top.offer(Hit { row, score: self.full.score(self.query, row) });
            self.work.distances_full += 1;
        }
    }

    fn found(self) -> Found {
        let hits = self.top.into_sorted();
        if hits.is_empty() {
            return Found::nothing();
        }
        Found { hits, route: Route::Exact, effort: 0, work: self.work }
    }
}

/// What the codes of a part allow to be left out.
#[derive(Debug)]
pub(super) struct Bounds {
    /// No code is farther from its row than this, but for the loose ones.
    error: f32,
    loose: Bits,
}

impl Bounds {
    /// Looks at the codes of the rows that have one.
    pub(super) fn of(full: &Full, codes: &Codes) -> Self {
        let rows = || (0..full.rows()).map(Row).filter(|row| full.has(*row));
        let mut errors: Vec<f32> = rows().map(|row| codes.error(row.0)).collect();
        let mut error = 0.0;
        if let Some(last) = errors.len().checked_sub(1) {
            error = *errors.select_nth_unstable_by(last - last / LOOSE_SHARE, f32::total_cmp).1;
        }
        let mut loose = Bits::none(full.rows());
        for row in rows() {
            let off = codes.error(row.0);
            // A vector of length 0 has no direction, so its code says nothing of its cosine.
            if off > error || !off.is_finite() || full.inverse(row) == 0.0 {
                loose.set(row);
            }
        }
        Self { error, loose }
    }

    /// As [`nearest`], over codes first.
    pub(super) fn nearest(
        &self,
        full: &Full,
        codes: &Codes,
        query: &[f32],
        k: usize,
        allowed: Option<&Bitmap>,
    ) -> Found {
        let coded = codes.scale().encode_query(Query::new(query));
        let slack = self.error + coded.error;
        let directed = Query::new(query).inverse > 0.0;
        let few = allowed.is_some_and(|allowed| allowed.len() < 2 * k as u64 + 64);
        if few || k == 0 || !slack.is_finite() || !directed {
            return nearest(full, query, k, allowed);
        }
        let mut sieve = Sieve { k, kth: BinaryHeap::new(), passed: Vec::new(), limit: u32::MAX };
        let mut scan = Scan::new(full, query, k);
        let (mut list, mut distances) = (Vec::with_capacity(LISTED), Vec::new());
        let mut compare = |list: &mut Vec<u32>, work: &mut Work| {
            codes.distances(&coded, list, &mut distances);
            work.distances_coded += list.len() as u64;
            for (row, distance) in list.drain(..).zip(&distances) {
                sieve.offer(*distance, row, |kth| codes.reach(codes.length(kth) + 2.0 * slack));
            }
        };
        let mut each = |row: Row, scan: &mut Scan<'_>| {
            if self.loose.has(row) {
                scan.score(std::iter::once(row));
                return;
            }
            list.push(row.0);
            if list.len() == LISTED {
                compare(&mut list, &mut scan.work);
            }
        };
        let has = |row: &Row| row.0 < full.rows() && full.present().is_none_or(|present| present.has(*row));
        match allowed {
            Some(rows) => rows.iter().filter(has).for_each(|row| each(row, &mut scan)),
            None => (0..full.rows()).map(Row).filter(has).for_each(|row| each(row, &mut scan)),
        }
        compare(&mut list, &mut scan.work);
        scan.finish(codes, sieve.into_nearest_first(), slack);
        scan.found()
    }
}

impl Scan<'_> {
    /// Compares what passed the sieve in full, nearest code first, until the rest is too far.
    fn finish(&mut self, codes: &Codes, passed: Vec<(u32, u32)>, slack: f32) {
        for asked in passed.chunks(ASKED) {
            let floor = self.top.floor();
            let far = codes.length_of_score(self.query, floor) * (1.0 + ROUNDING) + slack;
            if floor > f32::NEG_INFINITY && codes.length(asked[0].0) > far + ROUNDING * far {
                return;
            }
            for (_, row) in asked {
                kernel::prefetch(self.full.values(Row(*row)));
            }
            self.score(asked.iter().map(|(_, row)| Row(*row)));
        }
    }
}

/// Lets through what is not too far beyond the `k`-th nearest code so far.
struct Sieve {
    k: usize,
    kth: BinaryHeap<u32>,
    passed: Vec<(u32, u32)>,
    limit: u32,
}

impl Sieve {
    #[inline]
    fn offer(&mut self, distance: u32, row: u32, limit: impl Fn(u32) -> u32) {
        if distance > self.limit {
            return;
        }
        self.passed.push((distance, row));
        if self.kth.len() < self.k {
            self.kth.push(distance);
        } else if let Some(mut kth) = self.kth.peek_mut()
            && distance < *kth
        {
            *kth = distance;
        } else {
            return;
        }
        if self.kth.len() == self.k {
            self.limit = limit(self.kth.peek().copied().unwrap_or(u32::MAX));
        }
    }

    fn into_nearest_first(self) -> Vec<(u32, u32)> {
        let limit = self.limit;
        let mut passed: Vec<(u32, u32)> = self.passed.into_iter().filter(|row| row.0 <= limit).collect();
        passed.sort_unstable();
        passed
    }
}
