//! Fewer numbers that say nearly as much: vectors turned so that their first directions hold most of what tells them apart.
//!
//! A basis of the directions in which a sample varies most (principal components, by orthogonal iteration; Halko et al.
//! 2011, section 4) is turned once more at random within itself, so that every number of a turned vector has about the
//! same spread and a few bits describe each of them equally well. Lengths and inner products inside the basis are those
//! of the vectors; what lies outside is known by its length alone.
//!
//! ```text
//! turn.head    size u32 | dims u32
//! turn.mean    size x f32
//! turn.basis   size x dims x f32
//! ```
//!
//! Learning takes the same steps in the same order on every machine.

use crate::error::{Error, Result};
use crate::layout::{Array, Sections, SectionsWriter};
use crate::vector::kernel::matrix::{COLUMNS, multiply};
use crate::vector::kernel::signed::{Signed, TOP};
use crate::vector::kernel::{self, LINE};
use rayon::prelude::*;
use std::io::{self, Write};

/// Rounds of the iteration. The directions need not be exact: what counts is the variance they hold together.
const ROUNDS: usize = 6;

/// Rows of a product that one task computes.
const CHUNK: usize = 64;

/// Where the numbers of a turned vector come from.
#[derive(Debug)]
pub(in crate::vector) struct Projection {
    size: usize,
    dims: usize,
    mean: Array<f32>,
    /// Row `i` says what number `i` of a vector adds to each number of the turned one.
    basis: Array<f32>,
    quick: Quick,
}

/// The basis in 7 bits a number, for queries: one code a direction, with what a unit of it stands for.
#[derive(Debug)]
struct Quick {
    codes: Signed,
    stride: usize,
    units: Vec<f32>,
}

/// What lies between a vector and the turned one; kept from one to the next, so that turning allocates nothing.
#[derive(Clone, Debug, Default)]
pub(in crate::vector) struct Between {
    bytes: Vec<u8>,
    dots: Vec<u32>,
}

impl Projection {
    /// Learns from a sample of rows of `size` numbers. `dims` gives the numbers of a turned vector for a first, a second,
    /// ... try, rising; the first of them that holds the share `wanted` of the variance is taken, or the first that has
    /// room for everything.
    pub(in crate::vector) fn learn(sample: &[f32], size: usize, wanted: f64, dims: impl Fn(usize) -> usize) -> Self {
        let rows = sample.len() / size.max(1);
        let mut sums = vec![0f64; size];
        for row in sample.chunks_exact(size) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let mean: Vec<f32> = sums.iter().map(|sum| (sum / rows.max(1) as f64) as f32).collect();
        let spread = (dims(0) < size).then(|| spread(sample, size, &mean));
        let mut known: Vec<f32> = Vec::new();
        for at in 0.. {
            let dims = dims(at);
            let Some(spread) = spread.as_ref().filter(|_| dims < size) else {
                return Self::of(size, dims, mean, turned(&unit_basis(size, dims), dims));
            };
            let share = grow(spread, size, dims, &mut known);
            if share >= wanted {
                return Self::of(size, dims, mean, turned(&transposed(&known, size), dims));
            }
        }
        unreachable!("the numbers tried rise beyond the size")
    }

    fn of(size: usize, dims: usize, mean: Vec<f32>, basis: Vec<f32>) -> Self {
        let quick = Quick::of(&basis, dims);
        Self { size, dims, mean: mean.into(), basis: basis.into(), quick }
    }

    /// The same once more.
    pub(in crate::vector) fn copy(&self) -> Self {
        Self::of(self.size, self.dims, self.mean.to_vec(), self.basis.to_vec())
    }

    /// Lays down what was learned.
    pub(in crate::vector) fn write<W: Write>(&self, out: &mut SectionsWriter<W>) -> io::Result<()> {
        out.put("turn.head", &[self.size as u32, self.dims as u32])?;
        out.put("turn.mean", &self.mean)?;
        out.put("turn.basis", &self.basis)
    }

    /// Reads what [`Self::write`] laid down.
    pub(in crate::vector) fn open(size: usize, dims: usize, sections: &Sections) -> Result<Self> {
        let head = sections.array_of::<u32>("turn.head", 2)?;
        if *head != [size as u32, dims as u32] || !dims.is_multiple_of(COLUMNS) || dims == 0 {
            return Err(Error::corrupt("turn.head", 0, format!("{:?} does not fit {size} numbers in {dims}", &*head)));
        }
        let numbers =
            size.checked_mul(dims).ok_or_else(|| Error::corrupt("turn.head", 0, "more numbers than memory"))?;
        let (mean, basis) = (sections.array_of("turn.mean", size)?, sections.array_of("turn.basis", numbers)?);
        let quick = Quick::of(&basis, dims);
        Ok(Self { size, dims, mean, basis, quick })
    }

    /// Numbers in a vector.
    pub(in crate::vector) fn size(&self) -> usize {
        self.size
    }

    /// Numbers in a turned vector.
    pub(in crate::vector) fn dims(&self) -> usize {
        self.dims
    }

    /// Bytes held in memory of our own.
    pub(in crate::vector) fn memory_bytes(&self) -> u64 {
        self.quick.codes.memory_bytes() + size_of_val(&self.quick.units[..]) as u64
    }

    /// Moves a vector so that the sample's mean is at zero; the square of its length there.
    pub(in crate::vector) fn centre(&self, vector: &mut [f32]) -> f32 {
        for (value, mean) in vector.iter_mut().zip(&*self.mean) {
            *value -= mean;
        }
        kernel::squares(vector)
    }

    /// Turns centred vectors, one after another.
    pub(in crate::vector) fn turn(&self, vectors: &[f32], turned: &mut [f32]) {
        multiply(vectors, &self.basis, self.size, self.dims, turned);
    }

    /// Turns one centred vector, nearly: the basis has 7 bits a number and the vector 8. For queries, whose other errors are
    /// greater.
    pub(in crate::vector) fn turn_quick(&self, vector: &[f32], between: &mut Between, turned: &mut Vec<f32>) {
        let (Quick { codes, stride, units }, Between { bytes, dots }) = (&self.quick, between);
        bytes.resize(*stride, 0);
        let unit = kernel::signed_bytes(vector, 127.0, bytes);
        codes.dots(bytes, dots);
        turned.clear();
        turned.extend(dots.iter().zip(units).map(|(dot, of)| *dot as i32 as f32 * (unit * of)));
    }
}

impl Quick {
    fn of(basis: &[f32], dims: usize) -> Self {
        let size = basis.len() / dims;
        let stride = size.next_multiple_of(LINE);
        let mut codes = vec![0u8; dims * stride];
        let units = codes
            .par_chunks_exact_mut(stride)
            .enumerate()
            .map(|(at, code)| {
                let direction: Vec<f32> = basis.iter().skip(at).step_by(dims).copied().collect();
                kernel::signed_bytes(&direction, TOP, code)
            })
            .collect();
        Self { codes: Signed::new(&codes, stride), stride, units }
    }
}

/// How the numbers of the sample vary together, `size` x [`padded`] of them.
fn spread(sample: &[f32], size: usize, mean: &[f32]) -> Vec<f32> {
    let (rows, columns) = (sample.len() / size, padded(size));
    let mut right = vec![0f32; rows * columns];
    for (right, row) in right.chunks_exact_mut(columns).zip(sample.chunks_exact(size)) {
        for ((right, value), mean) in right.iter_mut().zip(row).zip(mean) {
            *right = value - mean;
        }
    }
    let left = transposed(&right, columns);
    let mut out = vec![0f32; size * columns];
    out.par_chunks_mut(CHUNK * columns).zip(left.par_chunks(CHUNK * rows)).for_each(|(out, left)| {
        multiply(&left[..out.len() / columns * rows], &right, rows, columns, out);
    });
    out
}

/// Extends `known`, some directions of `size` numbers each, to `dims` of those in which the sample varies most; the
/// share of the variance that they hold.
fn grow(spread: &[f32], size: usize, dims: usize, known: &mut Vec<f32>) -> f64 {
    let mut noise = Noise::new(dims as u64);
    known.resize_with(dims * size, || noise.next());
    let columns = padded(size);
    let mut product = vec![0f32; dims * columns];
    for round in 0..ROUNDS {
        if round > 0 {
            multiply_rows(known, spread, size, columns, &mut product);
            for (known, product) in known.chunks_exact_mut(size).zip(product.chunks_exact(columns)) {
                known.copy_from_slice(&product[..size]);
            }
        }
        orthonormal(known, size);
    }
    multiply_rows(known, spread, size, columns, &mut product);
    let held: f64 = known
        .chunks_exact(size)
        .zip(product.chunks_exact(columns))
        .map(|(direction, product)| f64::from(kernel::dot_in_order(direction, &product[..size])))
        .sum();
    let all: f64 = (0..size).map(|at| f64::from(spread[at * columns + at])).sum();
    if all > 0.0 { held / all } else { 1.0 }
}

fn multiply_rows(left: &[f32], right: &[f32], inner: usize, columns: usize, out: &mut [f32]) {
    let chunks = left.par_chunks(CHUNK * inner).zip(out.par_chunks_mut(CHUNK * columns));
    chunks.for_each(|(left, out)| multiply(left, right, inner, columns, out));
}

/// Makes directions stand square on each other, each of length 1, from the first one on (Gram-Schmidt, modified).
fn orthonormal(directions: &mut [f32], size: usize) {
    let mut noise = Noise::new(7);
    for at in 0..directions.len() / size {
        let (before, rest) = directions.split_at_mut(at * size);
        let direction = &mut rest[..size];
        // What is left of a direction that depends on those before it is rounding: another one takes its place.
        for _ in 0..4 {
            let length = kernel::squares(direction).sqrt();
            scale(direction, length);
            for _ in 0..2 {
                for other in before.chunks_exact(size) {
                    let dot = kernel::dot_in_order(direction, other);
                    kernel::subtract(direction, other, dot);
                }
            }
            let left = kernel::squares(direction).sqrt();
            scale(direction, left);
            if left > 1e-4 {
                break;
            }
            direction.iter_mut().for_each(|value| *value = noise.next());
        }
    }
}

fn scale(values: &mut [f32], length: f32) {
    let by = if length > 0.0 { 1.0 / length } else { 0.0 };
    values.iter_mut().for_each(|value| *value *= by);
}

/// `size` directions of `dims` numbers that change nothing.
fn unit_basis(size: usize, dims: usize) -> Vec<f32> {
    let mut basis = vec![0f32; size * dims];
    for at in 0..size {
        basis[at * dims + at] = 1.0;
    }
    basis
}

/// Turns the rows of a basis at random, all of them alike: three rounds of random signs and of Hadamard transforms
/// over the leading and the trailing power of two.
fn turned(basis: &[f32], dims: usize) -> Vec<f32> {
    let mut noise = Noise::new(1);
    let half = 1 << dims.ilog2();
    let signs: Vec<f32> = (0..3 * dims).map(|_| if noise.next() < 0.0 { -1.0 } else { 1.0 }).collect();
    let mut out = basis.to_vec();
    out.par_chunks_exact_mut(dims).for_each(|row| {
        for signs in signs.chunks_exact(dims) {
            row.iter_mut().zip(signs).for_each(|(value, sign)| *value *= sign);
            hadamard(&mut row[..half]);
            hadamard(&mut row[dims - half..]);
        }
    });
    out
}

/// The Hadamard transform that keeps lengths, of a power of two of numbers.
fn hadamard(values: &mut [f32]) {
    let mut width = 1;
    while width < values.len() {
        for pair in values.chunks_exact_mut(2 * width) {
            let (low, high) = pair.split_at_mut(width);
            for (low, high) in low.iter_mut().zip(high) {
                (*low, *high) = (*low + *high, *low - *high);
            }
        }
        width *= 2;
    }
    let by = 1.0 / (values.len() as f32).sqrt();
    values.iter_mut().for_each(|value| *value *= by);
}

/// Rows as columns; `width` numbers a row.
fn transposed(values: &[f32], width: usize) -> Vec<f32> {
    let rows = values.len() / width;
    let mut out = vec![0f32; values.len()];
    out.par_chunks_mut(rows).enumerate().for_each(|(column, out)| {
        for (out, row) in out.iter_mut().zip(values.chunks_exact(width)) {
            *out = row[column];
        }
    });
    out
}

fn padded(size: usize) -> usize {
    size.next_multiple_of(COLUMNS)
}

/// Numbers between -1 and 1 that look random and are always the same.
struct Noise(u64);

impl Noise {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows whose first numbers vary more than the others.
    fn sample(rows: usize, size: usize, fall: f32) -> Vec<f32> {
        let mut noise = Noise::new(3);
        (0..rows * size).map(|at| 5.0 + noise.next() / (1.0 + (at % size) as f32 * fall)).collect()
    }

    fn all_turned(projection: &Projection, rows: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let mut centred = rows.to_vec();
        centred.chunks_exact_mut(projection.size()).for_each(|row| {
            projection.centre(row);
        });
        let mut turned = vec![0f32; rows.len() / projection.size() * projection.dims()];
        projection.turn(&centred, &mut turned);
        (centred, turned)
    }

    #[test]
    fn a_basis_with_room_for_everything_keeps_every_length() {
        for (size, dims) in [(5, 16), (48, 48), (100, 112)] {
            let rows = sample(40, size, 0.0);
            let projection = Projection::learn(&rows, size, 0.9, |_| dims);
            let (centred, turned) = all_turned(&projection, &rows);
            for (before, after) in centred.chunks(size).zip(turned.chunks(dims)) {
                let (before, after) = (kernel::squares(before), kernel::squares(after));
                assert!((before - after).abs() < 1e-4 * before, "{before} became {after}");
            }
        }
    }

    #[test]
    fn few_directions_hold_what_varies_most() {
        let (rows, size) = (sample(500, 64, 0.5), 64);
        let projection = Projection::learn(&rows, size, 0.9, |at| 16 * (at + 1));
        assert_eq!(projection.dims(), 16);
        let (centred, turned) = all_turned(&projection, &rows);
        let (all, held) = (kernel::squares(&centred), kernel::squares(&turned));
        assert!((0.9..1.0).contains(&(held / all)), "{held} of {all}");
        let flat = Projection::learn(&sample(500, 64, 0.0), size, 0.9, |at| 16 * (at + 1));
        assert_eq!(flat.dims(), 64, "what varies alike in every direction keeps all of them");
        let equal = Projection::learn(&vec![2.0; 64 * 9], size, 0.9, |at| 16 * (at + 1));
        assert_eq!(equal.dims(), 16, "what does not vary at all needs none");
    }

    #[test]
    fn the_quick_way_is_nearly_the_exact_one() {
        let (rows, size) = (sample(300, 96, 0.2), 96);
        let projection = Projection::learn(&rows, size, 0.8, |at| 16 * (at + 1));
        let (centred, turned) = all_turned(&projection, &rows);
        let (mut quick, mut between, mut off) = (Vec::new(), Between::default(), 0.0);
        for (row, want) in centred.chunks(size).zip(turned.chunks(projection.dims())) {
            projection.turn_quick(row, &mut between, &mut quick);
            off += want.iter().zip(&quick).map(|(want, quick)| (want - quick).powi(2)).sum::<f32>();
        }
        assert!(off < 1e-3 * kernel::squares(&turned), "off by {off}");
    }

    #[test]
    fn what_was_written_is_read_and_damage_is_refused() {
        let (rows, size) = (sample(50, 20, 0.3), 20);
        let projection = Projection::learn(&rows, size, 0.5, |at| 16 * (at + 1));
        let mut out = SectionsWriter::new(Vec::new());
        projection.write(&mut out).unwrap();
        let sections = Sections::open(out.finish().unwrap().into()).unwrap();
        let read = Projection::open(size, projection.dims(), &sections).unwrap();
        assert_eq!(all_turned(&read, &rows), all_turned(&projection, &rows));
        assert!(Projection::open(size + 1, projection.dims(), &sections).is_err());
        assert!(Projection::open(size, projection.dims() + 16, &sections).is_err());
    }
}
