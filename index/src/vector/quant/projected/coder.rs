//! How vectors become records: where they are placed so that squared distances order as the metric does, the projection, the
//! grid that a code lies on.

use super::CHUNK;
use crate::row::Row;
use crate::vector::kernel;
use crate::vector::kernel::LINE;
use crate::vector::kernel::packed::{TAIL, Width};
use crate::vector::metric::Metric;
use crate::vector::projection::Projection;
use crate::vector::quant::full::Full;
use rayon::prelude::*;

/// The projection is learned from so many rows, at most.
const SAMPLE_ROWS: usize = 8192;

/// ... and from so many numbers.
const SAMPLE_NUMBERS: usize = 8 << 20;

/// The share of the variance that a projection has to hold. On 100,000 passages (384 numbers, 240 of them kept) the ten
/// nearest are among the 20 nearest by code with a chance of 0.999, on fashion-mnist (784, 240 kept) of 0.994.
const VARIANCE: f64 = 0.95;

/// A projection that was learned from other rows may hold so much less of these, or more.
const VARIANCE_LESS: f64 = 0.005;
const VARIANCE_MORE: f64 = 0.02;

/// Beyond this size learning the directions costs more than they save: all numbers are kept.
const LEARNED_SIZE_MAX: usize = 2048;

/// The steps that a code tries, as shares of the one that takes in the largest number.
const STEPS: [f32; 6] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5];

/// How vectors become records.
#[derive(Debug)]
pub(super) struct Coder {
    pub(super) metric: Metric,
    pub(super) projection: Projection,
    pub(super) width: Width,
    pub(super) lines: usize,
    pub(super) longest: f32,
}

impl Coder {
    /// Learns from some of the rows, or takes over what is known from so many rows like these.
    pub(super) fn of(full: &Full, metric: Metric, rows: &[u32], like: Option<(&Self, usize)>) -> Self {
        let longest = match metric {
            Metric::Dot => rows.par_iter().map(|row| full.length(Row(*row))).reduce(|| 0.0, f32::max),
            _ => 0.0,
        };
        // What few rows were learned from fits those few best.
        let like = like.filter(|(_, rows)| *rows >= 2 * SAMPLE_ROWS).map(|(coder, _)| coder);
        let like = like.filter(|coder| coder.metric == metric && coder.longest == longest);
        if let Some(coder) = like.filter(|coder| coder.suits(full, rows)) {
            let projection = coder.projection.copy();
            return Self { metric, projection, width: coder.width, lines: coder.lines, longest };
        }
        Self::learn(full, metric, rows, longest)
    }

    /// Whether the projection holds about as much of some of the rows as one that is learned from them has to.
    fn suits(&self, full: &Full, rows: &[u32]) -> bool {
        let (size, dims) = (self.projection.size(), self.projection.dims());
        let mut sample = sample_of(full, self.metric, self.longest, rows, SAMPLE_ROWS / 8);
        let whole: f64 = sample.chunks_exact_mut(size).map(|values| f64::from(self.projection.centre(values))).sum();
        let mut turned = vec![0f32; sample.len() / size * dims];
        let pieces = sample.par_chunks(CHUNK * size).zip(turned.par_chunks_mut(CHUNK * dims));
        pieces.for_each(|(sample, turned)| self.projection.turn(sample, turned));
        let held: f64 = turned.chunks_exact(dims).map(|turned| f64::from(kernel::squares(turned))).sum();
        // Fewer numbers may be enough, unless these are as few as can be.
        let most = if self.lines == 1 { f64::INFINITY } else { VARIANCE + VARIANCE_MORE };
        (VARIANCE - VARIANCE_LESS..=most).contains(&(held / whole))
    }

    fn learn(full: &Full, metric: Metric, rows: &[u32], longest: f32) -> Self {
        let size = full.size() + usize::from(metric == Metric::Dot);
        let sample = sample_of(full, metric, longest, rows, SAMPLE_ROWS);
        let width = if size <= Width::Eight.numbers(1) { Width::Eight } else { Width::Four };
        let wanted = if size > LEARNED_SIZE_MAX { f64::INFINITY } else { VARIANCE };
        let least = if size > LEARNED_SIZE_MAX { lines_for(width, size) } else { 1 };
        let projection = Projection::learn(&sample, size, wanted, |at| width.numbers(least + at));
        let lines = lines_for(width, projection.dims());
        Self { metric, projection, width, lines, longest }
    }

    pub(super) fn stride(&self) -> usize {
        self.lines * LINE
    }

    /// Writes the record of a turned vector; how far off it is. `norm` is the square of the whole vector's length.
    pub(super) fn encode(&self, turned: &[f32], norm: f32, record: &mut [u8], levels: &mut [f32]) -> [f32; 2] {
        let (squares, top) = (kernel::squares(turned), self.width.top());
        let largest = turned.iter().fold(0f32, |most, value| most.max(value.abs()));
        let half = f32::from(top) / 2.0;
        let mut best = (0f32, 0f32);
        let steps = if self.width == Width::Four { &STEPS[..] } else { &STEPS[..1] };
        for share in steps {
            let by = half / (largest * share);
            let (dot, own) = kernel::on_grid(turned, by, half, levels);
            let alike = dot / own.sqrt();
            if alike > best.0 {
                best = (alike, by);
            }
        }
        let (code, tail) = record.split_at_mut(record.len() - TAIL);
        code.fill(0);
        let (dot, own) = kernel::on_grid(turned, best.1, half, levels);
        for (at, level) in levels.iter().enumerate() {
            let (_, byte, shift) = self.width.place(at);
            code[byte] |= ((level + half) as u8) << shift;
        }
        let factor = squares / dot;
        let sound = norm.is_finite() && factor.is_finite();
        // A vector that is too long for floats is far from everything.
        let [bias, factor] = if sound { [norm, factor] } else { [if norm > 0.0 { f32::MAX / 4.0 } else { 0.0 }, 0.0] };
        tail[..4].copy_from_slice(&bias.to_le_bytes());
        tail[4..].copy_from_slice(&factor.to_le_bytes());
        match (sound, norm > 0.0) {
            (true, _) => [(factor * factor * own - squares).max(0.0).sqrt(), (norm - squares).max(0.0).sqrt()],
            (false, true) if norm.is_finite() => [squares.sqrt(), (norm - squares).max(0.0).sqrt()],
            (false, true) => [f32::INFINITY, 0.0],
            (false, false) => [0.0, 0.0],
        }
    }
}

/// Some of the rows as they are placed among the others, one after another.
fn sample_of(full: &Full, metric: Metric, longest: f32, rows: &[u32], most: usize) -> Vec<f32> {
    let size = full.size() + usize::from(metric == Metric::Dot);
    let every = rows.len().div_ceil(most.min(SAMPLE_NUMBERS / size).max(1)).max(1);
    let sampled: Vec<u32> = rows.iter().copied().step_by(every).collect();
    let mut sample = vec![0f32; sampled.len() * size];
    sample.par_chunks_exact_mut(size).zip(&sampled).for_each(|(values, row)| {
        placed(full, metric, longest, Row(*row), values);
        // What does not fit a float would spoil the mean of all.
        if !values.iter().all(|value| value.abs() < 1e15) {
            values.fill(0.0);
        }
    });
    sample
}

pub(super) fn lines_for(width: Width, numbers: usize) -> usize {
    (1..).find(|lines| width.numbers(*lines) >= numbers).unwrap_or(1)
}

/// A row as it is placed among the others, so that squared distances order as the metric does.
pub(super) fn placed(full: &Full, metric: Metric, longest: f32, row: Row, out: &mut [f32]) {
    let (values, extra) = out.split_at_mut(full.size());
    full.read(row, values);
    match metric {
        Metric::Cosine => {
            let inverse = full.inverse(row);
            values.iter_mut().for_each(|value| *value *= inverse);
        }
        Metric::Dot => extra[0] = (longest * longest - kernel::squares(values)).max(0.0).sqrt(),
        Metric::Euclid | Metric::Manhattan => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::spec::VectorSpec;

    /// Numbers of a vector, the first sixteen of which or the next vary: a projection of 56 numbers has no room for more.
    const SIZE: usize = 128;

    fn rows(count: u32, seed: u32, varying: std::ops::Range<usize>) -> Full {
        let mut state = seed;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let row = |_| (0..SIZE).map(|at| if varying.contains(&at) { noise() } else { 0.0 }).collect::<Vec<f32>>();
        let rows: Vec<Vec<f32>> = (0..count).map(row).collect();
        Full::collect(&VectorSpec::new(SIZE as u32, Metric::Euclid), rows.iter().map(|row| Some(&row[..])))
    }

    fn learned(full: &Full, like: Option<(&Coder, usize)>) -> Coder {
        Coder::of(full, Metric::Euclid, &(0..full.rows()).collect::<Vec<_>>(), like)
    }

    fn turned(coder: &Coder) -> Vec<f32> {
        let (mut vector, mut turned) = (vec![0f32; SIZE], vec![0f32; coder.projection.dims()]);
        (vector[3], vector[40]) = (1.0, 1.0);
        coder.projection.turn(&vector, &mut turned);
        turned
    }

    #[test]
    fn a_projection_is_taken_over_where_it_holds_what_varies() {
        let before = learned(&rows(2_000, 1, 0..16), None);
        let (alike, others) = (rows(2_000, 2, 0..16), rows(2_000, 3, 32..48));
        let enough = 2 * SAMPLE_ROWS;
        assert_eq!(turned(&learned(&alike, Some((&before, enough)))), turned(&before));
        assert_ne!(turned(&learned(&alike, Some((&before, enough - 1)))), turned(&before), "too few knew it");
        let anew = learned(&others, Some((&before, enough)));
        assert_eq!(turned(&anew), turned(&learned(&others, None)));
        assert!(anew.suits(&others, &(0..2_000).collect::<Vec<_>>()));
        assert!(!before.suits(&others, &(0..2_000).collect::<Vec<_>>()));
        let of_lengths = Coder::of(&alike, Metric::Dot, &(0..2_000).collect::<Vec<_>>(), Some((&before, enough)));
        assert_eq!(of_lengths.projection.size(), SIZE + 1, "another metric places vectors elsewhere");
    }
}
