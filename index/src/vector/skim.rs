//! Which of many rows are worth a look at their codes: told by one bit a number, for a fraction of the bytes.

use crate::row::{Hit, Row, TopK};
use crate::vector::kernel::sift::{LANES, least_of_lanes, within};
use crate::vector::quant::full::{Full, Query};
use crate::vector::quant::{Coded, Codes};

/// Fewer rows than this are looked at by their codes at once.
const ROWS_MIN: usize = 512;

/// The roughly nearest of so many samples of the rows, for each neighbour wanted, tell how far the nearest are at most.
const SAMPLES_EACH: usize = 2;

/// A row is left out at most whose rough estimate lies so many standard deviations beyond the nearest: next to none of those is
/// near in truth.
pub(super) const DEVIATIONS: f32 = 3.0;

/// Beyond so many standard deviations lies this share of what spreads as errors do, at most a half of it. (The tail of the
/// normal distribution; Abramowitz & Stegun 1964, 26.2.23.)
pub(super) fn deviations_of(share: f32) -> f32 {
    let t = (-2.0 * share.clamp(1e-9, 0.5).ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    t - above / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)))
}

/// Leaves of `rows` those that may be among the `k` nearest, in their order; all of them where there is nothing to tell by. Those that
/// were compared in full for it, by row.
pub(super) fn skim(
    (full, of): (&Full, Query<'_>),
    (codes, query): (&Codes, &mut Coded),
    (k, deviations): (usize, f32),
    rows: &mut Vec<u32>,
    distances: &mut Vec<f32>,
) -> Vec<Hit> {
    if samples(rows.len(), k).is_none() || !codes.rough_distances(query, rows, distances) {
        return Vec::new();
    }
    let Some(nearest) = nearest_of_samples(distances, k) else { return Vec::new() };
    let (mut by_code, of_them) = (Vec::new(), nearest.iter().map(|at| rows[*at]).collect::<Vec<_>>());
    codes.distances(query, &of_them, &mut by_code);
    let mut near: Vec<(f32, u32, usize)> =
        by_code.into_iter().zip(nearest).map(|(distance, at)| (distance, rows[at], at)).collect();
    near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    near.truncate(k);
    // Compared in full: the code of a vector without a direction says nothing of it, and must not draw the line.
    near.iter().for_each(|(_, row, _)| full.prefetch(Row(*row)));
    let compared = |(_, row, _): &(f32, u32, usize)| Hit { row: Row(*row), score: full.score(of, Row(*row)) };
    let mut known: Vec<Hit> = near.iter().map(compared).collect();
    known.sort_unstable_by_key(|hit| hit.row);
    let mut top = TopK::new(k);
    known.iter().for_each(|hit| top.offer(*hit));
    let floor = top.floor();
    if floor > f32::NEG_INFINITY {
        let limit = codes.distance_of_score(of, floor);
        let cutoff = limit + deviations * codes.rough_deviation(query, limit);
        keep(rows, distances, cutoff, near.iter().map(|near| near.2));
    }
    known
}

/// Rows that are sampled together, each [`LANES`] times; `None` where there are too few rows for a choice among them.
pub(super) fn samples(rows: usize, k: usize) -> Option<usize> {
    let together = rows / (SAMPLES_EACH * k).div_ceil(LANES).max(1);
    (rows >= ROWS_MIN && together >= 2 * LANES).then_some(together)
}

/// Where the roughly nearest row of each sample stands.
pub(super) fn nearest_of_samples(distances: &[f32], k: usize) -> Option<Vec<usize>> {
    let together = samples(distances.len(), k)?;
    let of_sample = |(sample, distances): (usize, &[f32])| {
        let found = least_of_lanes(distances).into_iter().filter(|at| *at != u32::MAX);
        found.map(move |at| sample * together + at as usize)
    };
    Some(distances.chunks(together).enumerate().flat_map(of_sample).collect())
}

/// Leaves the rows whose rough distance is not beyond the cutoff, and those that are known to be near by where they stand, so that
/// there are never too few of them; all rows where the cutoff says nothing.
pub(super) fn keep(rows: &mut Vec<u32>, distances: &mut [f32], cutoff: f32, known: impl Iterator<Item = usize>) {
    if cutoff.is_nan() {
        return;
    }
    known.for_each(|at| distances[at] = f32::NEG_INFINITY);
    within(distances, cutoff, rows);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A little recall asked for draws the line so near that not even those that drew it are within.
    #[test]
    fn what_is_known_to_be_near_is_kept() {
        let mut rows: Vec<u32> = (0..100).collect();
        let mut distances: Vec<f32> = rows.iter().map(|row| *row as f32).collect();
        keep(&mut rows, &mut distances, 1.5, [70, 1, 30].into_iter());
        assert_eq!(rows, [0, 1, 30, 70]);
        keep(&mut rows, &mut distances[..4], f32::NAN, std::iter::empty());
        assert_eq!(rows.len(), 4);
    }

    #[test]
    fn deviations_are_those_of_the_normal_distribution() {
        for (share, want) in [(0.5, 0.0), (0.1, 1.2816), (0.05, 1.6449), (0.01, 2.3263), (1e-3, 3.0902), (0.9, 0.0)] {
            assert!((deviations_of(share) - want).abs() < 2e-3, "{share}: {}", deviations_of(share));
        }
    }
}
