//! Centroids as bytes on one grid: compared with queries and rows by integer products, a quarter of the
//! memory of floats. The grid point *is* the centroid: residuals are taken from it, so nothing is lost.
//!
//! Every number is `centre + low + step * u` with a byte `u`. What this room calls a centroid has the
//! centre taken away, and so has the query that is compared with it, which moves no distance. An inner
//! product changes by what is the same for all rows.

use crate::vector::kernel::tile8::Tile8;
use crate::vector::kernel::{Block, LINE};
use crate::vector::metric::Metric;

/// This share of the numbers may lie beyond the grid, at either end.
const CLIPPED: f64 = 0.0005;

/// How numbers become bytes.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::vector) struct Grid {
    pub(in crate::vector) step: f32,
    pub(in crate::vector) low: f32,
    pub(in crate::vector) centre: Vec<f32>,
}

impl Grid {
    /// Learns the grid from whole vectors of `size` numbers.
    pub(in crate::vector) fn learn(size: usize, sample: &[f32]) -> Self {
        let mut sums = vec![0f64; size];
        for row in sample.chunks_exact(size) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let rows = (sample.len() / size).max(1) as f64;
        let centre: Vec<f32> = sums.into_iter().map(|sum| (sum / rows) as f32).collect();
        let mut offsets: Vec<f32> = sample
            .chunks_exact(size)
            .flat_map(|row| row.iter().zip(&centre).map(|(value, centre)| value - centre))
            .collect();
        let (mut low, mut high) = (0.0, 0.0);
        if let Some(last) = offsets.len().checked_sub(1) {
            let clipped = (offsets.len() as f64 * CLIPPED) as usize;
            low = *offsets.select_nth_unstable_by(clipped, f32::total_cmp).1;
            high = *offsets.select_nth_unstable_by(last - clipped, f32::total_cmp).1;
        }
        let step = ((high - low) / 255.0).max(f32::MIN_POSITIVE);
        Self { step: if step.is_finite() { step } else { f32::MAX / 256.0 }, low, centre }
    }

    /// Bytes of a code: whole cache lines.
    pub(in crate::vector) fn stride(&self) -> usize {
        self.centre.len().next_multiple_of(LINE)
    }

    /// The code of a vector.
    pub(in crate::vector) fn encode(&self, values: &[f32], code: &mut [u8]) {
        let per_step = 1.0 / self.step;
        for ((value, centre), code) in values.iter().zip(&self.centre).zip(code) {
            // A cast of a float stops at the ends, and NaN becomes 0.
            *code = ((value - centre - self.low) * per_step + 0.5) as u8;
        }
    }

    /// What a code stands for, the centre taken away.
    pub(super) fn decode(&self, code: &[u8], values: &mut [f32]) {
        for (value, code) in values.iter_mut().zip(code) {
            *value = self.low + self.step * f32::from(*code);
        }
    }
}

/// All centroids, and how a query is compared with them.
#[derive(Debug)]
pub(super) struct Centroids {
    pub(super) grid: Grid,
    codes: Block,
    squares: Vec<f32>,
    kernel: Tile8,
}

/// A query as centroids and codes are compared with it.
#[derive(Debug, Default)]
pub(super) struct Placed {
    /// The query; without the grid's centre where distances are looked for.
    pub(super) values: Vec<f32>,
    bytes: Vec<u8>,
    dots: Vec<u32>,
}

impl Centroids {
    /// From codes, whole rows of the grid's stride.
    pub(super) fn new(grid: Grid, codes: &[u8]) -> Self {
        let mut values = vec![0f32; grid.centre.len()];
        let square = |code: &[u8]| {
            grid.decode(code, &mut values);
            values.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>() as f32
        };
        let squares = codes.chunks_exact(grid.stride()).map(square).collect();
        Self { codes: Block::copy_of(codes), squares, kernel: Tile8::detect(), grid }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.squares.len()
    }

    /// Bytes held in memory.
    pub(super) fn memory_bytes(&self) -> u64 {
        (self.codes.len() + size_of_val(&self.squares[..])) as u64
    }

    /// A centroid, the centre taken away.
    pub(super) fn decode(&self, list: usize, values: &mut [f32]) {
        let stride = self.grid.stride();
        self.grid.decode(&self.codes[list * stride..][..stride], values);
    }

    /// How far each centroid is from a query, smaller is nearer: squared distances, or negated inner
    /// products. `query` is as the metric places it.
    pub(super) fn distances(&self, metric: Metric, query: &[f32], placed: &mut Placed, out: &mut Vec<f32>) {
        let Placed { values, bytes, dots } = placed;
        values.clear();
        match metric {
            Metric::Dot => values.extend_from_slice(query),
            _ => values.extend(query.iter().zip(&self.grid.centre).map(|(value, centre)| value - centre)),
        }
        // The query has a scale of its own: it may be longer than any vector.
        let mut greatest = [0f32; 16];
        for sixteen in values.chunks(16) {
            for (greatest, value) in greatest.iter_mut().zip(sixteen) {
                *greatest = if value.abs() > *greatest { value.abs() } else { *greatest };
            }
        }
        let scale = (greatest.into_iter().fold(0.0, f32::max) / 127.0).max(f32::MIN_POSITIVE);
        let per_scale = 1.0 / scale;
        bytes.clear();
        bytes.extend(values.iter().map(|value| rounded(value * per_scale)));
        bytes.resize(self.grid.stride(), 0);
        self.kernel.dots(&self.codes, bytes, self.grid.stride(), dots);
        let (mut sums, mut squares) = ([0f32; 16], [0f32; 16]);
        for sixteen in values.chunks(16) {
            for (at, value) in sixteen.iter().enumerate() {
                sums[at] += value;
                squares[at] += value * value;
            }
        }
        let (sum, square): (f32, f32) = (sums.iter().sum(), squares.iter().sum());
        let (shift, step) = (self.grid.low * sum, self.grid.step * scale);
        out.clear();
        let products = dots.iter().map(|dot| shift + step * (*dot as i32) as f32);
        match metric {
            Metric::Dot => out.extend(products.map(|product| -product)),
            _ => out.extend(products.zip(&self.squares).map(|(product, of_list)| square + of_list - 2.0 * product)),
        }
    }
}

/// A number from -127 to 127 as the byte of the nearest whole one. So large a number added leaves a float
/// no digits behind the point, and its lowest byte is that of the sum; a rounding of its own is a call
/// where the baseline of the machine has no instruction for it.
fn rounded(value: f32) -> u8 {
    (value + 12_582_912.0).to_bits() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_floats() {
        let size = 70;
        let number = |at: usize| ((at * 7919 % 1009) as f32 / 1009.0 - 0.5) * 8.0 + 3.0;
        let sample: Vec<f32> = (0..size * 200).map(number).collect();
        let grid = Grid::learn(size, &sample);
        let mut codes = vec![0u8; 9 * grid.stride()];
        for (row, code) in sample.chunks(size).zip(codes.chunks_mut(grid.stride())) {
            grid.encode(row, code);
        }
        let centroids = Centroids::new(grid.clone(), &codes);
        let query: Vec<f32> = (0..size).map(|at| number(at * 31 + 5)).collect();
        for metric in [Metric::Euclid, Metric::Cosine, Metric::Dot] {
            let (mut placed, mut out) = (Placed::default(), Vec::new());
            centroids.distances(metric, &query, &mut placed, &mut out);
            assert_eq!((out.len(), centroids.len()), (9, 9));
            for (list, got) in out.iter().enumerate() {
                let mut centroid = vec![0f32; size];
                centroids.decode(list, &mut centroid);
                let far: f32 = placed.values.iter().zip(&centroid).map(|(q, c)| (q - c) * (q - c)).sum();
                let product: f32 = placed.values.iter().zip(&centroid).map(|(q, c)| q * c).sum();
                let want = if metric == Metric::Dot { -product } else { far };
                assert!((got - want).abs() < 8.0, "{metric:?}: {got} is not {want}");
                // A grid point is at most half a step beside what it stands for, but for what is clipped.
                let row = &sample[list * size..][..size];
                let off = row.iter().zip(&centroid).zip(&grid.centre).map(|((x, c), m)| (x - m - c).abs());
                assert!(off.fold(0.0, f32::max) < grid.step * 2.0);
            }
        }
    }

    #[test]
    fn rounding_is_to_the_nearest() {
        for tenths in -1270..=1270 {
            let value = tenths as f32 / 10.0;
            assert_eq!(rounded(value) as i8, value.round_ties_even() as i8, "{value}");
        }
    }

    #[test]
    fn extremes_make_no_nan_of_a_code() {
        for sample in [vec![], vec![0.0; 8], vec![f32::MAX, -f32::MAX, f32::MAX, f32::MAX]] {
            let grid = Grid::learn(2, &sample);
            assert!(grid.step > 0.0 && grid.step.is_finite());
            let mut code = vec![0; grid.stride()];
            grid.encode(&[f32::MAX, -f32::MAX], &mut code);
        }
    }
}
