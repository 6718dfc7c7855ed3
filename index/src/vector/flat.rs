//! Every matching row, compared on its full vector: the index of small parts, what every plan falls
//! back to, and what tests hold the graph against.

use crate::bitmap::Bitmap;
use crate::params::{Found, Route, Work};
use crate::row::{Hit, Row, TopK};
use crate::vector::quant::full::{Full, Query};

/// The `k` nearest of the rows that are allowed and have a vector.
pub(super) fn nearest(full: &Full, query: &[f32], k: usize, allowed: Option<&Bitmap>) -> Found {
    let mut scan = Scan { full, query: Query::new(query), top: TopK::new(k), scored: 0 };
    if k > 0 {
        match (allowed, full.present()) {
            (None, None) => scan.score((0..full.rows()).map(Row)),
            (Some(rows), None) | (None, Some(rows)) => scan.score(rows.iter()),
            (Some(rows), Some(present)) => scan.score(rows.iter().filter(|row| present.has(*row))),
        }
    }
    if scan.scored == 0 {
        return Found::nothing();
    }
    Found {
        hits: scan.top.into_sorted(),
        route: Route::Exact,
        effort: 0,
        work: Work { distances_full: scan.scored, ..Work::default() },
    }
}

struct Scan<'a> {
    full: &'a Full,
    query: Query<'a>,
    top: TopK,
    scored: u64,
}

impl Scan<'_> {
    fn score(&mut self, rows: impl Iterator<Item = Row>) {
        for row in rows.take_while(|row| row.0 < self.full.rows()) {
            self.top.offer(Hit { row, score: self.full.score(self.query, row) });
            self.scored += 1;
        }
    }
}
