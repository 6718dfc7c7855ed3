//! Vectors as 8-bit codes with a scale and an offset for each vector, and a bound on what a code hides
//! (LVQ: Aguerrebere, Bhati, Hildebrand, Tepper & Willke 2023). For rows that are scanned in memory.
//!
//! A row `x` is taken relative to the centre of its part and rounded between its own least and greatest
//! number, so that one far-off row costs no other row its precision: `x = low + step u + e`. A query `p`
//! is rounded likewise, to signed bytes: `p = base + step' w + f`, where the numbers of `f` sum up to 0.
//! So the inner product is
//!
//! ```text
//! <p, x> = low sum(p) + step (step' <u, w> + base sum(u))  +-  |f| step |u - mean(u)|  +-  |p| |e|
//! ```
//!
//! with `|e|` and `step |u - mean(u)|` kept beside each code: 24 bytes. Euclid and cosine follow from the
//! inner product. For sums of absolute differences all rows share one `low` and one `step`; the bounds are
//! sums of absolute values. A bound also holds what [`Full::score`] itself loses by summing floats.

use crate::row::Row;
use crate::vector::bounded::Bound;
use crate::vector::kernel::codes8::Codes8;
use crate::vector::kernel::{Block, LINE};
use crate::vector::metric::Metric;
use crate::vector::quant::full::{Full, Query};

/// How many rows the centre is learned from.
const SAMPLE_ROWS: usize = 1024;

/// Lengths beyond this (or below one over it) may leave the range of floats on the way to a score, so
/// nothing is promised of such a row or query.
const LENGTH_MAX: f32 = 1e18;

/// What float sums may lose at the low end of their range.
const UNDERFLOW: f64 = 1e-37;

/// Length of a sum's lanes; sums of floats side by side, so that the compiler may use whole registers.
const LANES: usize = 16;

/// A float sum of squares may come out too small by so much.
const SHORT: f64 = 1.001;

/// What belongs to a code.
#[derive(Copy, Clone, Debug, Default)]
struct Factors {
    /// What code 0 stands for.
    low: f32,
    /// How far two neighbouring codes are apart.
    step: f32,
    /// The sum of the code.
    sum: f32,
    /// The length of the code about its mean, in units of the vector.
    spread: f32,
    /// How far the code is from its row; infinite where nothing is promised.
    error: f32,
    /// The length of the row, about the centre.
    length: f32,
}

/// The codes of a part. Never change.
#[derive(Debug)]
pub(in crate::vector) struct Lvq {
    metric: Metric,
    size: usize,
    stride: usize,
    centre: Vec<f32>,
    centre_length: f64,
    /// `low` and `step` of all rows; only for sums of absolute differences.
    grid: (f32, f32),
    kernel: Codes8,
    codes: Block,
    factors: Vec<Factors>,
}

/// A query as the codes compare it.
#[derive(Debug)]
pub(in crate::vector) struct LvqQuery {
    bytes: Vec<u8>,
    step: f64,
    base: f64,
    sum: f64,
    length: f64,
    /// How far the bytes are from the query.
    error: f64,
    /// The score of the centre, where scores are inner products.
    of_centre: f64,
    dots: Vec<u32>,
}

impl Lvq {
    /// Codes of all rows. A row without a vector gets one that nobody asks for.
    pub(in crate::vector) fn encode(full: &Full, metric: Metric) -> Self {
        let size = full.size();
        let stride = size.next_multiple_of(LINE);
        let centre = centre(full, metric);
        let mut codes = Block::zeroed(full.rows() as usize * stride);
        let mut of_part = Self {
            metric,
            size,
            stride,
            centre_length: squares(&centre).sqrt(),
            centre,
            grid: (0.0, 0.0),
            kernel: Codes8::detect(),
            codes: Block::zeroed(0),
            factors: Vec::with_capacity(full.rows() as usize),
        };
        if metric == Metric::Manhattan {
            of_part.grid = of_part.grid_of(full);
        }
        let mut values = vec![0f32; size];
        for (row, code) in (0..full.rows()).map(Row).zip(codes.bytes_mut().chunks_exact_mut(stride)) {
            let factor = if metric == Metric::Cosine { full.inverse(row) } else { 1.0 };
            of_part.place(&full.vector(row), factor, &mut values);
            let mut factors = of_part.encode_row(&values, code);
            let in_range = factors.length <= LENGTH_MAX && (factor == 0.0 || is_in_range(factor));
            if !in_range || !factors.error.is_finite() {
                factors = Factors { error: f32::INFINITY, ..Factors::default() };
            }
            of_part.factors.push(factors);
        }
        of_part.codes = codes;
        of_part
    }

    /// A row's numbers, about the centre.
    fn place(&self, of_row: &[f32], factor: f32, values: &mut [f32]) {
        for ((value, of_row), centre) in values.iter_mut().zip(of_row).zip(&self.centre) {
            *value = of_row * factor - centre;
        }
    }

    /// One `low` and `step` for all rows: up to four standard deviations about the centre. A row that
    /// reaches beyond has a large error and is compared in full.
    fn grid_of(&self, full: &Full) -> (f32, f32) {
        let mut values = vec![0f32; self.size];
        let (mut sum, mut numbers, mut farthest) = (0f64, 0usize, 0f32);
        for row in sample(full) {
            self.place(&full.vector(row), 1.0, &mut values);
            let (low, high) = ends(&values);
            farthest = farthest.max(-low).max(high);
            sum += squares(&values);
            numbers += values.len();
        }
        let deviation = (sum / numbers.max(1) as f64).sqrt() as f32;
        let reach = farthest.min(4.0 * deviation).max(f32::MIN_POSITIVE * 256.0);
        let reach = if reach.is_finite() { reach } else { 1.0 };
        (-reach, reach / 127.5)
    }

    fn encode_row(&self, values: &[f32], code: &mut [u8]) -> Factors {
        let (low, step) = match self.metric {
            Metric::Manhattan => self.grid,
            _ => {
                let (low, high) = ends(values);
                (low, (high / 255.0 - low / 255.0).max(f32::MIN_POSITIVE))
            }
        };
        round(values, low, step, code);
        let (of_values, rest) = values.as_chunks::<LANES>();
        let (of_code, rest_of_code) = code[..values.len()].as_chunks::<LANES>();
        let manhattan = self.metric == Metric::Manhattan;
        let off = |value: f32, code: u8| {
            let off = value - (low + step * f32::from(code));
            if manhattan { off.abs() } else { off * off }
        };
        let mut lanes = [0f32; LANES];
        for (values, code) in of_values.iter().zip(of_code) {
            for lane in 0..LANES {
                lanes[lane] += off(values[lane], code[lane]);
            }
        }
        let mut error: f64 = rest.iter().zip(rest_of_code).map(|(value, code)| f64::from(off(*value, *code))).sum();
        error += lanes.iter().map(|lane| f64::from(*lane)).sum::<f64>();
        let error = if manhattan { error } else { error.sqrt() };
        let length = squares(values).sqrt();
        // The difference of a value and its code is itself a difference of floats.
        let largest = f64::from(low.abs()) + 255.0 * f64::from(step);
        let lost = 4.0 * largest * values.len() as f64 * f64::from(f32::EPSILON);
        let (mut sum, mut square) = (0u64, 0u64);
        for code in &code[..values.len()] {
            sum += u64::from(*code);
            square += u64::from(u32::from(*code) * u32::from(*code));
        }
        let about_mean = (square as f64 - (sum as f64).powi(2) / values.len() as f64).max(0.0).sqrt();
        Factors {
            low,
            step,
            sum: sum as f32,
            spread: (f64::from(step) * about_mean * SHORT) as f32,
            error: (error * SHORT + lost) as f32,
            length: length as f32,
        }
    }

    /// A query as the codes compare it; `None` where nothing could be promised.
    pub(in crate::vector) fn encode_query(&self, query: Query<'_>) -> Option<LvqQuery> {
        let factor = if self.metric == Metric::Cosine { query.inverse } else { 1.0 };
        let about = matches!(self.metric, Metric::Euclid | Metric::Manhattan);
        let placed = |(value, centre): (&f32, &f32)| value * factor - if about { *centre } else { 0.0 };
        let values: Vec<f32> = query.values.iter().zip(&self.centre).map(placed).collect();
        let length = squares(&values).sqrt();
        if !is_in_range(length as f32) || !is_in_range(factor) || self.centre_length > f64::from(LENGTH_MAX) {
            return None;
        }
        let mut bytes = vec![0u8; self.stride];
        let of_centre = values.iter().zip(&self.centre).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        let sum = values.iter().map(|value| f64::from(*value)).sum();
        let mut coded =
            LvqQuery { bytes: Vec::new(), step: 0.0, base: 0.0, sum, length, error: 0.0, of_centre, dots: Vec::new() };
        if self.metric == Metric::Manhattan {
            let (low, step) = self.grid;
            round(&values, low, step, &mut bytes);
            let off = |value: f32, code: u8| f64::from(value) - (f64::from(low) + f64::from(step) * f64::from(code));
            coded.error = values.iter().zip(&bytes).map(|(value, code)| off(*value, *code).abs()).sum();
        } else {
            let (low, high) = ends(&values);
            let step = f64::from((high / 254.0 - low / 254.0).max(f32::MIN_POSITIVE));
            let middle = f64::from(low / 2.0 + high / 2.0);
            let mut rest = 0f64;
            for (value, byte) in values.iter().zip(&mut bytes) {
                let code = ((f64::from(*value) - middle) / step).round().clamp(-127.0, 127.0);
                *byte = code as i8 as u8;
                rest += f64::from(*value) - step * code;
            }
            let base = rest / values.len() as f64;
            let off = |value: f32, byte: u8| f64::from(value) - base - step * f64::from(byte as i8);
            coded.error = values.iter().zip(&bytes).map(|(value, byte)| off(*value, *byte).powi(2)).sum::<f64>().sqrt();
            (coded.step, coded.base) = (step, base);
        }
        coded.bytes = bytes;
        Some(coded)
    }

    /// Intervals that hold the scores of a list of rows, each below the rows of the part.
    pub(in crate::vector) fn bounds(&self, query: &mut LvqQuery, rows: &[u32], out: &mut Vec<Bound>) {
        let mut dots = std::mem::take(&mut query.dots);
        match self.metric {
            Metric::Manhattan => self.kernel.sads(&self.codes, &query.bytes, rows, &mut dots),
            _ => self.kernel.dots(&self.codes, &query.bytes, rows, &mut dots),
        }
        // A serial sum of as many floats is off by less than this share of the sum of their absolute values.
        let rounding = (self.size + 64) as f64 * f64::from(f32::EPSILON);
        let bound = |score: f64, slack: f64| Bound { lower: (score - slack) as f32, upper: (score + slack) as f32 };
        let factors = |row: &u32| &self.factors[*row as usize];
        out.clear();
        match self.metric {
            Metric::Manhattan => out.extend(rows.iter().zip(&dots).map(|(row, sad)| {
                let distance = f64::from(self.grid.1) * f64::from(*sad);
                let slack = f64::from(factors(row).error) + query.error;
                bound(-distance, slack + rounding * (distance + slack) + UNDERFLOW)
            })),
            Metric::Euclid => out.extend(rows.iter().zip(&dots).map(|(row, dot)| {
                let (inner, slack) = query.inner(factors(row), *dot);
                let length = f64::from(factors(row).length);
                let square = query.length * query.length + length * length - 2.0 * inner;
                bound(-square, 2.0 * slack + rounding * (query.length + length).powi(2) + UNDERFLOW)
            })),
            Metric::Cosine | Metric::Dot => out.extend(rows.iter().zip(&dots).map(|(row, dot)| {
                let (inner, slack) = query.inner(factors(row), *dot);
                let length = f64::from(factors(row).length) + self.centre_length;
                bound(query.of_centre + inner, slack + rounding * query.length * length + UNDERFLOW)
            })),
        }
        query.dots = dots;
    }

    /// Bytes in memory.
    pub(in crate::vector) fn memory_bytes(&self) -> u64 {
        (self.codes.len() + self.factors.len() * size_of::<Factors>() + self.centre.len() * size_of::<f32>()) as u64
    }
}

impl LvqQuery {
    /// The inner product with a row about the centre, and how far off it may be.
    #[inline]
    fn inner(&self, row: &Factors, dot: u32) -> (f64, f64) {
        let of_code = self.step * f64::from(dot as i32) + self.base * f64::from(row.sum);
        let inner = f64::from(row.low) * self.sum + f64::from(row.step) * of_code;
        (inner, self.error * f64::from(row.spread) + self.length * f64::from(row.error))
    }
}

/// Whether sums of products with a length stay far from both ends of the range of floats.
fn is_in_range(length: f32) -> bool {
    (1.0 / LENGTH_MAX..=LENGTH_MAX).contains(&length)
}

/// Evenly spread rows that have a vector.
fn sample(full: &Full) -> impl Iterator<Item = Row> + '_ {
    let every = (full.rows() as usize).div_ceil(SAMPLE_ROWS).max(1);
    (0..full.rows()).step_by(every).map(Row).filter(|row| full.has(*row))
}

/// The mean of a sample; zeros where that is out of range.
fn centre(full: &Full, metric: Metric) -> Vec<f32> {
    let mut sums = vec![0f64; full.size()];
    let mut rows = 0usize;
    for row in sample(full) {
        let factor = if metric == Metric::Cosine { full.inverse(row) } else { 1.0 };
        let in_range = |value: &f32| (value * factor).abs() < LENGTH_MAX;
        if full.vector(row).iter().all(in_range) {
            sums.iter_mut().zip(&*full.vector(row)).for_each(|(sum, value)| *sum += f64::from(value * factor));
            rows += 1;
        }
    }
    sums.iter().map(|sum| (sum / rows.max(1) as f64) as f32).collect()
}

/// The least and the greatest number.
fn ends(values: &[f32]) -> (f32, f32) {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    for chunk in chunks {
        for lane in 0..LANES {
            low[lane] = if chunk[lane] < low[lane] { chunk[lane] } else { low[lane] };
            high[lane] = if chunk[lane] > high[lane] { chunk[lane] } else { high[lane] };
        }
    }
    let least = low.iter().chain(rest).copied().fold(f32::INFINITY, f32::min);
    let greatest = high.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
    (least, greatest)
}

fn squares(values: &[f32]) -> f64 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0f64; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] += f64::from(chunk[lane]) * f64::from(chunk[lane]);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>()
}

/// The nearest code of each number, 0 to 255.
fn round(values: &[f32], low: f32, step: f32, code: &mut [u8]) {
    /// From here on floats are whole numbers, so that adding it rounds.
    const WHOLE: f32 = 8_388_608.0;
    for (value, code) in values.iter().zip(code) {
        let place = (value - low) / step;
        let place = if place > 0.0 { place } else { 0.0 };
        let place = if place < 255.0 { place } else { 255.0 };
        *code = (place + WHOLE).to_bits() as u8;
    }
}
