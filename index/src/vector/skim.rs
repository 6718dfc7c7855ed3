//! Which of many rows are worth a look at their codes: told by one bit a number, for a fraction of the bytes.

use crate::row::{Hit, Row, TopK};
use crate::vector::quant::full::{Full, Query};
use crate::vector::quant::{Coded, Codes};

/// Fewer rows than this are looked at by their codes at once.
const ROWS_MIN: usize = 512;

/// Stretches of rows, at least, whose roughly nearest tells how far the nearest are at most; and so many for each
/// neighbour wanted.
const STRETCHES: usize = 48;
const STRETCHES_EACH: usize = 2;

/// A row is left out whose rough estimate lies so many standard deviations beyond the nearest: next to none of those is
/// near in truth.
pub(super) const DEVIATIONS: f32 = 3.0;

/// Leaves of `rows` those that may be among the `k` nearest, in their order; all of them where there is nothing to tell by.
pub(super) fn skim(
    (full, of): (&Full, Query<'_>),
    (codes, query): (&Codes, &mut Coded),
    k: usize,
    rows: &mut Vec<u32>,
    distances: &mut Vec<f32>,
) {
    if stretches(rows.len(), k).is_none() || !codes.rough_distances(query, rows, distances) {
        return;
    }
    let Some(nearest) = nearest_of_stretches(rows, distances, k) else { return };
    let mut by_code = Vec::new();
    codes.distances(query, &nearest, &mut by_code);
    let mut near: Vec<(f32, u32)> = by_code.into_iter().zip(nearest).collect();
    near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    // Compared in full: the code of a vector without a direction says nothing of it, and must not draw the line.
    let mut top = TopK::new(k);
    for (_, row) in near.iter().take(k) {
        top.offer(Hit { row: Row(*row), score: full.score(of, Row(*row)) });
    }
    let floor = top.floor();
    if floor == f32::NEG_INFINITY {
        return;
    }
    let limit = codes.distance_of_score(of, floor);
    let cutoff = limit + DEVIATIONS * codes.rough_deviation(query, limit);
    keep(rows, distances, cutoff);
}

/// Rows of a stretch; `None` where there are too few rows for a choice among them.
pub(super) fn stretches(rows: usize, k: usize) -> Option<usize> {
    let long = rows / (STRETCHES_EACH * k).max(STRETCHES);
    (rows >= ROWS_MIN && long >= 2).then_some(long)
}

/// The roughly nearest row of each stretch.
pub(super) fn nearest_of_stretches(rows: &[u32], distances: &[f32], k: usize) -> Option<Vec<u32>> {
    let long = stretches(rows.len(), k)?;
    let of_stretch = |(distances, rows): (&[f32], &[u32])| {
        let least = least(distances);
        distances.iter().position(|distance| *distance == least).map(|at| rows[at])
    };
    Some(distances.chunks(long).zip(rows.chunks(long)).filter_map(of_stretch).collect())
}

/// Leaves the rows whose rough distance is not beyond the cutoff; all of them where that says nothing.
pub(super) fn keep(rows: &mut Vec<u32>, distances: &[f32], cutoff: f32) {
    if cutoff.is_nan() {
        return;
    }
    let mut kept = 0;
    for at in 0..rows.len() {
        rows[kept] = rows[at];
        // What is not told counts as near.
        kept += usize::from(distances[at] <= cutoff || distances[at].is_nan());
    }
    rows.truncate(kept);
}

fn least(distances: &[f32]) -> f32 {
    let (heads, tail) = distances.as_chunks::<16>();
    let mut lanes = [f32::INFINITY; 16];
    for head in heads {
        for (lane, distance) in lanes.iter_mut().zip(head) {
            *lane = if *distance < *lane { *distance } else { *lane };
        }
    }
    lanes.iter().chain(tail).copied().fold(f32::INFINITY, f32::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_found_wherever_it_stands() {
        for len in [1, 15, 16, 17, 100] {
            for at in 0..len {
                let mut distances = vec![2.0; len];
                distances[at] = 1.0;
                assert_eq!(least(&distances), 1.0);
            }
        }
        assert_eq!(least(&[f32::NAN, 3.0]), 3.0);
    }
}
