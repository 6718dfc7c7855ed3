//! One bit a number of every row in memory: on which side of the centre it lies once all are turned at random
//! (RaBitQ; Gao & Long 2024). For rows that come and go too fast for a projection to be learned.
//!
//! With `z` the turned vector, about the centre of its part, and `x` its signs, `f x` stands for `z`, where
//! `f = |z|^2 / <x, z>`; what that is off is square on `z`, and points nowhere in particular. For cosines, of vectors of
//! length 1, and for Euclid; the inner product of vectors of unequal lengths would need a deviation for each of them.

use crate::row::Row;
use crate::vector::kernel::gist::{self, Gists};
use crate::vector::kernel::packed::{Terms, Width};
use crate::vector::kernel::{self, Block, LINE};
use crate::vector::metric::Metric;
use crate::vector::quant::full::{Full, Query};
use crate::vector::quant::rotation::Rotation;

/// How many rows the centre is learned from.
const SAMPLE_ROWS: u32 = 1024;

/// What every turn is drawn from.
const SEED: u64 = 0x51_6e_73;

/// A row with greater numbers has no part in the centre.
const NUMBER_MAX: f32 = 1e15;

/// The signs of a part. Never change.
#[derive(Debug)]
pub(in crate::vector) struct Signs {
    metric: Metric,
    centre: Vec<f32>,
    rotation: Rotation,
    kernel: Gists,
    lines: usize,
    gists: Block,
    /// The variance of an estimate, for a distance of 1.
    off: f32,
}

/// A query as signs are compared with it.
#[derive(Debug)]
pub(in crate::vector) struct SignedQuery {
    bytes: Vec<u8>,
    terms: Terms,
}

impl Signs {
    /// Those of all rows; `None` where the metric or the machine has no use for them.
    pub(in crate::vector) fn of(full: &Full, metric: Metric) -> Option<Self> {
        let kernel = Gists::detect().filter(|_| matches!(metric, Metric::Cosine | Metric::Euclid))?;
        let rotation = Rotation::new(full.size(), SEED);
        let lines = (1..).find(|lines| Width::Four.numbers(*lines) >= rotation.turned())?;
        let mut gists = Block::zeroed(full.rows() as usize * gist::bytes(lines));
        let mut signs =
            Self { metric, centre: centre(full), rotation, kernel, lines, gists: Block::zeroed(0), off: 0.0 };
        let (mut values, mut turned, mut record) = (vec![0f32; full.size()], Vec::new(), vec![0u8; lines * LINE]);
        let (mut offs, mut known) = (0f64, 0u32);
        for (row, gist) in (0..full.rows()).map(Row).zip(gists.bytes_mut().chunks_exact_mut(gist::bytes(lines))) {
            full.read(row, &mut values);
            signs.turn(&mut values, full.inverse(row), &mut turned);
            record.fill(0);
            for (at, value) in turned.iter().enumerate() {
                let (_, byte, shift) = Width::Four.place(at);
                // A gist keeps the highest bit of the four.
                record[byte] |= u8::from(*value > 0.0) << 3 << shift;
            }
            let squares = kernel::squares(&turned);
            let factor = squares / turned.iter().map(|value| value.abs()).sum::<f32>();
            let terms = match (squares.is_finite(), factor.is_finite()) {
                (true, true) => {
                    offs += f64::from((factor * factor * turned.len() as f32 - squares).max(0.0));
                    known += 1;
                    [squares, 2.0 * factor]
                }
                // At the centre itself.
                (true, false) => [squares, 0.0],
                (false, _) => [f32::NAN, 0.0],
            };
            gist::write(&record, terms, gist);
        }
        signs.gists = gists;
        signs.off = (4.0 * offs / f64::from(known.max(1)) / signs.rotation.turned() as f64) as f32;
        Some(signs)
    }

    /// Moves the centre away and turns; the values are not those of the row afterwards.
    fn turn(&self, values: &mut [f32], factor: f32, turned: &mut Vec<f32>) {
        values.iter_mut().zip(&self.centre).for_each(|(value, centre)| *value = *value * factor - centre);
        self.rotation.turn(values, turned);
    }

    /// Bytes of a row.
    pub(in crate::vector) fn row_bytes(&self) -> u32 {
        gist::bytes(self.lines) as u32
    }

    /// Bytes in memory.
    pub(in crate::vector) fn memory_bytes(&self) -> u64 {
        (self.gists.len() + size_of_val(&self.centre[..])) as u64 + self.rotation.memory_bytes()
    }

    /// A query as signs are compared with it; `None` where it has no direction, or is too long for floats.
    pub(in crate::vector) fn encode_query(&self, query: Query<'_>) -> Option<SignedQuery> {
        let factor = if self.metric == Metric::Cosine { query.inverse } else { 1.0 };
        let (mut values, mut turned) = (query.values.to_vec(), Vec::new());
        self.turn(&mut values, factor, &mut turned);
        let norm = kernel::squares(&turned);
        if !norm.is_finite() || query.inverse == 0.0 {
            return None;
        }
        let (mut signed, mut bytes) = (Vec::new(), Vec::new());
        let (unit, sum) = gist::write_query(&turned, self.lines, &mut signed, &mut bytes);
        // The middle of a bit is a half.
        Some(SignedQuery { bytes, terms: Terms { norm, scale: 2.0 * unit, offset: sum as f32 / 2.0 } })
    }

    /// The roughly estimated distances of a list of rows; NaN where nothing is known.
    pub(in crate::vector) fn distances(&self, query: &SignedQuery, rows: &[u32], out: &mut Vec<f32>) {
        self.kernel.distances(&self.gists, &query.bytes, query.terms, rows, out);
    }

    /// The standard deviation of estimates of a distance.
    pub(in crate::vector) fn deviation(&self, distance: f32) -> f32 {
        (self.off * distance.max(0.0)).sqrt()
    }

    /// The distance that goes with a score.
    pub(in crate::vector) fn distance_of_score(&self, score: f32) -> f32 {
        if self.metric == Metric::Cosine { 2.0 - 2.0 * score } else { -score }
    }
}

/// The mean of a sample, of vectors of length 1 where lengths do not count.
fn centre(full: &Full) -> Vec<f32> {
    let (mut sums, mut values, mut rows) = (vec![0f64; full.size()], vec![0f32; full.size()], 0u32);
    let every = (full.rows() / SAMPLE_ROWS).max(1) as usize;
    for row in (0..full.rows()).step_by(every).map(Row).filter(|row| full.has(*row)) {
        full.read(row, &mut values);
        let factor = full.inverse(row);
        if values.iter().all(|value| (value * factor).abs() < NUMBER_MAX) {
            sums.iter_mut().zip(&values).for_each(|(sum, value)| *sum += f64::from(value * factor));
            rows += 1;
        }
    }
    sums.iter().map(|sum| (sum / f64::from(rows.max(1))) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::spec::VectorSpec;

    /// Directions by chance, in clouds as data has them.
    fn rows(count: usize, size: usize) -> Vec<Vec<f32>> {
        let mut state = 7u64;
        let mut number = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        let clouds: Vec<Vec<f32>> = (0..40).map(|_| (0..size).map(|_| number()).collect()).collect();
        (0..count).map(|at| clouds[at % 40].iter().map(|value| value + 0.5 * number()).collect()).collect()
    }

    #[test]
    fn estimates_are_off_by_what_they_say() {
        for metric in [Metric::Cosine, Metric::Euclid] {
            let size = 200;
            let rows = rows(2_000, size);
            let full = Full::collect(&VectorSpec::new(size as u32, metric), rows.iter().map(|row| Some(&row[..])));
            let Some(signs) = Signs::of(&full, metric) else {
                eprintln!("skipped: no instructions for gists here");
                return;
            };
            let all: Vec<u32> = (0..2_000).collect();
            let (mut estimates, mut inside, mut tried) = (Vec::new(), 0, 0);
            for query in rows.iter().step_by(97) {
                let query = Query::new(query);
                signs.distances(&signs.encode_query(query).unwrap(), &all, &mut estimates);
                for (row, estimate) in estimates.iter().enumerate() {
                    let truth = signs.distance_of_score(full.score(query, Row(row as u32)));
                    inside += u32::from((estimate - truth).abs() <= 2.0 * signs.deviation(truth) + 1e-3);
                    tried += 1;
                }
            }
            assert!(f64::from(inside) > 0.93 * f64::from(tried), "{metric:?}: {inside} of {tried}");
        }
    }

    #[test]
    fn what_has_no_direction_is_not_told_by_signs() {
        let rows = rows(64, 64);
        let full = Full::collect(&VectorSpec::new(64, Metric::Cosine), rows.iter().map(|row| Some(&row[..])));
        assert!(Signs::of(&full, Metric::Dot).is_none() && Signs::of(&full, Metric::Manhattan).is_none());
        let Some(signs) = Signs::of(&full, Metric::Cosine) else { return };
        assert!(signs.encode_query(Query::new(&[0.0; 64])).is_none());
        assert!(signs.encode_query(Query::new(&[f32::MAX; 64])).is_none_or(|query| query.terms.norm.is_finite()));
    }
}
