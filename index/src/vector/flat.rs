//! Every matching row: the index of small parts, what every plan falls back to, and what tests hold the
//! graph against.
//!
//! Where there are codes, they tell between what a row's distance lies, for certain or in all likelihood, and only rows
//! that may be among the nearest are compared on full vectors. The answer is the same, for certain or in all likelihood, for
//! a fraction of the bytes.

use crate::bitmap::Bitmap;
use crate::params::{Found, Route, Work};
use crate::row::{Hit, Row, TopK};
use crate::selection::Selection;
use crate::vector::cells::Cells;
use crate::vector::hnsw::pool::Scratch;
use crate::vector::kernel::sift;
use crate::vector::quant::full::{Full, Query};
use crate::vector::quant::{Coded, Codes};
use crate::vector::skim::{DEVIATIONS, deviations_of, skim};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Rows that are asked for at a time, ahead of their comparison.
const ASKED: usize = 8;

/// The `k` nearest of the rows that are allowed and have a vector.
pub(super) fn nearest(full: &Full, query: &[f32], k: usize, allowed: Option<&Bitmap>) -> Found {
    let mut scan = Scan::new(full, query, k);
    if k > 0 {
        match (allowed, full.present()) {
            (None, None) => scan.score((0..full.rows()).map(Row)),
            (Some(rows), None) | (None, Some(rows)) => scan.score_scattered(rows.iter()),
            (Some(rows), Some(present)) => scan.score_scattered(rows.iter().filter(|row| present.has(*row))),
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
        rows.take_while(|row| row.0 < self.full.rows()).for_each(|row| self.compare(row));
    }

    /// The same of rows that stand anywhere, each asked for a few rows ahead.
    fn score_scattered(&mut self, rows: impl Iterator<Item = Row>) {
        let (mut ahead, mut asked) = ([Row(0); ASKED], 0);
        for row in rows.take_while(|row| row.0 < self.full.rows()) {
            self.full.prefetch(row);
            let waiting = std::mem::replace(&mut ahead[asked % ASKED], row);
            if asked >= ASKED {
                self.compare(waiting);
            }
            asked += 1;
        }
        (asked.saturating_sub(ASKED)..asked).for_each(|at| self.compare(ahead[at % ASKED]));
    }

    fn compare(&mut self, row: Row) {
        self.top.offer(Hit { row, score: self.full.score(self.query, row) });
        self.work.distances_full += 1;
    }

    fn found(self) -> Found {
        let hits = self.top.into_sorted();
        if hits.is_empty() {
            return Found::nothing();
        }
        Found { hits, route: Route::Exact, effort: 0, work: self.work }
    }
}

/// Bounds leave so many rows open for each neighbour, if there are as many: 30 to 100 under nine filters of 100,000 passages. Of fewer
/// they tell nothing.
const OPEN_EACH: u64 = 50;

/// How far codes are trusted.
#[derive(Copy, Clone, PartialEq, Debug)]
pub(super) enum Trust {
    /// As far as their bounds go: the answer is exact.
    Bounds,
    /// Up to so many standard deviations, of rough estimates and of those by code: rows whose estimate is farther off
    /// are missed.
    Deviations { skimmed: f32, coded: f32 },
}

/// Where nothing is said of what may be missed, estimates by code are taken for the truth beyond so many standard deviations:
/// next to nothing is missed.
const CODED_DEVIATIONS: f32 = 5.0;

/// Of what may be missed, the share that codes may miss of what skimming left: comparing a few more in full is cheaper than
/// looking at more codes.
const MISSED_BY_CODE: f32 = 0.1;

impl Trust {
    /// As far as so great a share of the nearest may be missed; that is so of the farthest of them, nearer ones are safer.
    pub(super) fn to_miss(share: Option<f32>) -> Self {
        let (skimmed, coded) = share.map_or((f32::INFINITY, f32::INFINITY), |share| {
            (deviations_of(share), deviations_of(share * MISSED_BY_CODE))
        });
        Self::Deviations { skimmed: skimmed.min(DEVIATIONS), coded: coded.min(CODED_DEVIATIONS) }
    }
}

/// As [`nearest`], over codes first; with `cells`, of as many rows of the nearest of them.
pub(super) fn nearest_by_codes(
    full: &Full,
    (codes, cells): (&Codes, Option<(&Cells, usize)>),
    query: &[f32],
    k: usize,
    allowed: Option<&Selection>,
    trust: Trust,
) -> Found {
    let mut coded = Coded::default();
    let directed = Query::new(query).inverse > 0.0;
    let each = if trust == Trust::Bounds { OPEN_EACH } else { 2 };
    let few = allowed.is_some_and(|allowed| allowed.count() < each * k as u64 + 64);
    if few || k == 0 || !directed || !codes.encode_query(Query::new(query), trust == Trust::Bounds, &mut coded) {
        return nearest(full, query, k, allowed.map(Selection::rows));
    }
    Scratch::lend(|scratch| {
        let Scratch { fresh: rows, distances, .. } = scratch;
        rows.clear();
        let mut scan = Scan::new(full, query, k);
        match cells {
            None => every(full, allowed, rows),
            Some((cells, enough)) => {
                scan.work.distances_coded += cells.len() as u64;
                cells.nearest_rows((codes, &mut coded), allowed, enough.max(k), distances, rows);
            }
        }

        let known = match trust {
            Trust::Deviations { skimmed, .. } => {
                skim((full, scan.query), (codes, &mut coded), (k, skimmed), rows, distances)
            }
            Trust::Bounds => Vec::new(),
        };
        scan.work.distances_full += known.len() as u64;
        known.iter().for_each(|hit| scan.top.offer(*hit));
        let is_known = |row: u32| known.binary_search_by_key(&row, |hit| hit.row.0).is_ok();
        scan.work.distances_coded += rows.len() as u64;
        codes.distances(&mut coded, rows, distances);
        // The nearest by code tell how far the nearest are at most; whatever may be nearer than that is compared after them.
        let mut first: Vec<u32> = smallest(distances, k).map(|at| rows[at]).filter(|row| !is_known(*row)).collect();
        first.sort_unstable();
        scan.score_scattered(first.iter().map(|row| Row(*row)));
        let limit = codes.distance_of_score(scan.query, scan.top.floor());
        let enough = scan.top.floor() > f32::NEG_INFINITY;
        let (cutoff, margin) = match trust {
            _ if !enough => (f32::INFINITY, f32::INFINITY),
            Trust::Bounds => (codes.cutoff(&coded, limit), 0.0),
            Trust::Deviations { coded: deviations, .. } => {
                let margin = deviations * codes.deviation(&coded, limit);
                (limit + margin, margin)
            }
        };
        let mut near: Vec<(f32, u32)> = Vec::new();
        for (row, estimate) in
            rows.iter().zip(&*distances).filter(|(_, estimate)| **estimate <= cutoff || estimate.is_nan())
        {
            let low = match trust {
                Trust::Bounds => codes.bounds(&coded, *row, *estimate).0,
                Trust::Deviations { .. } => estimate - margin,
            };
            if !(enough && low > limit) && first.binary_search(row).is_err() && !is_known(*row) {
                near.push((low, *row));
            }
        }
        near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        scan.finish(codes, near);
        let mut found = scan.found();
        if found.route == Route::Exact && trust != Trust::Bounds {
            found.route = Route::Codes;
            found.effort = cells.map_or(0, |(_, enough)| enough.min(u32::MAX as usize) as u32);
        }
        found
    })
}

/// All rows that are allowed and have a vector, rising.
fn every(full: &Full, allowed: Option<&Selection>, rows: &mut Vec<u32>) {
    match allowed {
        Some(allowed) => match allowed.dense() {
            Some(bits) => sift::positions(bits.words(), rows),
            None => rows.extend(allowed.rows().iter().map(|row| row.0)),
        },
        None => rows.extend(0..full.rows()),
    }
    rows.truncate(rows.partition_point(|row| *row < full.rows()));
    if let Some(present) = full.present() {
        rows.retain(|row| present.has(Row(*row)));
    }
}

/// Where the `k` smallest distances stand, in no order.
fn smallest(distances: &[f32], k: usize) -> impl Iterator<Item = usize> {
    let mut kept: BinaryHeap<(Far, usize)> = BinaryHeap::with_capacity(k.min(distances.len()) + 1);
    let mut worst = f32::INFINITY;
    for (at, distance) in distances.iter().enumerate() {
        if *distance < worst || kept.len() < k {
            kept.push((Far(*distance), at));
            if kept.len() > k {
                kept.pop();
            }
            if kept.len() == k {
                worst = kept.peek().map_or(worst, |far| far.0.0);
            }
        }
    }
    kept.into_iter().map(|far| far.1)
}

/// A distance, in order.
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

impl Scan<'_> {
    /// Compares rows in full that come with the least their distance may be, rising, until the rest is too far.
    fn finish(&mut self, codes: &Codes, near: Vec<(f32, u32)>) {
        for asked in near.chunks(ASKED) {
            let floor = self.top.floor();
            if floor > f32::NEG_INFINITY && asked[0].0 > codes.distance_of_score(self.query, floor) {
                return;
            }
            self.score_scattered(asked.iter().map(|(_, row)| Row(*row)));
        }
    }
}
