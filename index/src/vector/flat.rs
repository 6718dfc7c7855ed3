//! Every matching row: the index of small parts, what every plan falls back to, and what tests hold the
//! graph against.
//!
//! Where there are codes, they tell between what a row's distance lies, and only rows that may be among the nearest are
//! compared on full vectors. The answer is the same, for a fraction of the bytes.

use crate::bitmap::Bitmap;
use crate::params::{Found, Route, Work};
use crate::row::{Hit, Row, TopK};
use crate::vector::quant::full::{Full, Query};
use crate::vector::quant::{Coded, Codes};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Rows that are asked for at a time, ahead of their comparison.
const ASKED: usize = 8;

/// How many rows are compared by code in one call.
const LISTED: usize = 1024;

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

/// As [`nearest`], over codes first.
pub(super) fn nearest_by_codes(full: &Full, codes: &Codes, query: &[f32], k: usize, allowed: Option<&Bitmap>) -> Found {
    let mut coded = Coded::default();
    let directed = Query::new(query).inverse > 0.0;
    let few = allowed.is_some_and(|allowed| allowed.len() < 2 * k as u64 + 64);
    if few || k == 0 || !directed || !codes.encode_query(Query::new(query), true, &mut coded) {
        return nearest(full, query, k, allowed);
    }
    let mut sieve = Sieve { k, kth: BinaryHeap::new(), passed: Vec::new(), limit: f32::INFINITY };
    let mut scan = Scan::new(full, query, k);
    let (mut list, mut distances) = (Vec::with_capacity(LISTED), Vec::new());
    let mut compare = |list: &mut Vec<u32>| {
        codes.distances(&mut coded, list, &mut distances);
        scan.work.distances_coded += list.len() as u64;
        for (row, distance) in list.drain(..).zip(&distances) {
            sieve.offer(codes.bounds(&coded, row, *distance), row);
        }
    };
    let mut each = |row: Row| {
        list.push(row.0);
        if list.len() == LISTED {
            compare(&mut list);
        }
    };
    let has = |row: &Row| row.0 < full.rows() && full.present().is_none_or(|present| present.has(*row));
    match allowed {
        Some(rows) => rows.iter().filter(has).for_each(&mut each),
        None => (0..full.rows()).map(Row).filter(has).for_each(&mut each),
    }
    compare(&mut list);
    scan.finish(codes, sieve.into_nearest_first());
    scan.found()
}

impl Scan<'_> {
    /// Compares what passed the sieve in full, what may be nearest first, until the rest is too far.
    fn finish(&mut self, codes: &Codes, passed: Vec<(f32, u32)>) {
        for asked in passed.chunks(ASKED) {
            let floor = self.top.floor();
            if floor > f32::NEG_INFINITY && asked[0].0 > codes.distance_of_score(self.query, floor) {
                return;
            }
            for (_, row) in asked {
                self.full.prefetch(Row(*row));
            }
            self.score(asked.iter().map(|(_, row)| Row(*row)));
        }
    }
}

/// Lets through what may be nearer than the `k`-th of those that are nearest for certain.
struct Sieve {
    k: usize,
    kth: BinaryHeap<Far>,
    passed: Vec<(f32, u32)>,
    limit: f32,
}

/// A distance at most, in order.
#[derive(Copy, Clone, PartialEq)]
struct Far(f32);

impl Eq for Far {}

impl Ord for Far {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Far {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Sieve {
    #[inline]
    fn offer(&mut self, (low, high): (f32, f32), row: u32) {
        if low > self.limit {
            return;
        }
        self.passed.push((low, row));
        if self.kth.len() < self.k {
            self.kth.push(Far(high));
        } else if let Some(mut kth) = self.kth.peek_mut()
            && high < kth.0
        {
            *kth = Far(high);
        } else {
            return;
        }
        if self.kth.len() == self.k {
            self.limit = self.kth.peek().map_or(f32::INFINITY, |kth| kth.0);
        }
    }

    fn into_nearest_first(self) -> Vec<(f32, u32)> {
        let limit = self.limit;
        let mut passed: Vec<(f32, u32)> = self.passed.into_iter().filter(|row| row.0 <= limit).collect();
        passed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        passed
    }
}
