//! Rotated codes with bounds (RaBitQ: Gao & Long 2024; several bits: Gao, Gou, Xu, Yang, Long & Wong 2025).
//!
//! What is encoded is a *residual* `r`, what is left of a vector after its list's centroid `c` was taken
//! away. It is turned at random (`rotation`) and rounded to `B` bits a number. With `x` the code as numbers
//! about 0, a query `q` and everything turned,
//!
//! ```text
//! |q - c - r|^2  =  |q - c|^2 + |r|^2 - 2<q - c, r>      where   <q - c, r> ~ s <q - c, x>,   s = |r|^2 / <r, x>
//! ```
//!
//! The estimate is unbiased over turns, and its error is that of a random direction: beyond
//! [`DEVIATIONS`] times `|r| |q - c| tan(r, x) / sqrt(D - 1)` for one vector in hundred or so. What the turn of a
//! list costs is in what a vector adds, `|r|^2 + 2 s <c, x>`, so a query is turned once for all lists.
//!
//! 1 and 2 bits are scanned 32 vectors at a time by looking up sums of four numbers (`kernel/fastscan`), a
//! quarter byte of a code each; a second bit is a second run of such sums with half the weight. 4 and 8 bits
//! have the signs scanned first, and where the bound on that estimate may be below the limit, the whole
//! code is compared with the query as signed bytes. (The bits as planes against a query of four planes,
//! by population counts, took three to five times as long a vector on a machine with VPOPCNTDQ.)
//!
//! ```text
//! rotated  bits u32 | size u32 | by product u32 | seed u32
//! a list   of whole blocks of 32 lanes:
//!          blocks x | signs (and second bits), parts x 16 x u8 | bias, factor, 2 x 32 x f32 |   as kernel/fastscan scans them
//!          and for 4 and 8 bits
//!          error           lanes x f32          of the estimate by signs, for a query at distance 1
//!          bias, factor    2 x lanes x f32      of the whole codes
//!          codes           lanes x stride x u8  numbers as bytes, or as kernel/nibbles pairs them
//! ```

use crate::error::{Error, Result};
use crate::layout::{Sections, SectionsWriter};
use crate::vector::kernel::LINE;
use crate::vector::kernel::codes8::Codes8;
use crate::vector::kernel::fastscan::{BESIDE_BYTES, Fastscan, LANES, Terms};
use crate::vector::kernel::nibbles::Nibbles;
use crate::vector::quant::pq::Residual;
use crate::vector::quant::rotation::Rotation;
use std::cell::RefCell;
use std::io::{self, Write};

/// The turn of all codes.
const SEED: u32 = 0x6e69_6768;

/// So many standard deviations a bound reaches.
pub(in crate::vector) const DEVIATIONS: f32 = 2.2;

/// The greatest sum of a table's bytes.
const SUM_MAX: f32 = 65_535.0;

/// Numbers looked up at once.
const PART: usize = 4;

/// Sums of floats side by side, so that the compiler may use whole registers.
const SIDE: usize = 16;

/// Codes of so many bits a number.
#[derive(Debug)]
pub(in crate::vector) struct Rotated {
    bits: u32,
    size: usize,
    by_product: bool,
    rotation: Rotation,
    scan: Fastscan,
    bytes: Codes8,
    nibbles: Nibbles,
}

/// A query as codes are compared with it.
#[derive(Debug, Default)]
pub(in crate::vector) struct Prepared {
    turned: Vec<f32>,
    table: Vec<u8>,
    offset: f32,
    step: f32,
    /// The length of the query.
    length: f32,
    /// What the bytes of the table hide of a sum, for a factor of 1.
    hidden: f32,
    /// The query as signed bytes, and what belongs to them.
    bytes: Vec<u8>,
    byte_step: f32,
    byte_shift: f32,
    scratch: RefCell<Scratch>,
}

#[derive(Debug, Default)]
struct Scratch {
    lowers: Vec<f32>,
    uppers: Vec<f32>,
    near: Vec<u32>,
    dots: Vec<u32>,
}

/// How well a code stands for a vector.
#[derive(Copy, Clone, Debug, Default)]
struct Fit {
    /// The inner product of the vector and its code.
    inner: f64,
    /// The square of the code's length.
    square: f64,
}

impl Rotated {
    /// Codes that hold so many bits a number.
    pub(in crate::vector) const BITS: [u32; 4] = [1, 2, 4, 8];

    /// What an error says of other numbers.
    pub(in crate::vector) const SAYS: &str = "it is pq4, pq8, bits1, bits2, bits4 or bits8";

    /// Codes of residuals of `size` numbers; `by_product` where inner products are looked for.
    pub(in crate::vector) fn new(bits: u32, size: usize, by_product: bool) -> Self {
        Self {
            bits,
            size,
            by_product,
            rotation: Rotation::new(size, u64::from(SEED)),
            scan: Fastscan::detect(),
            bytes: Codes8::detect(),
            nibbles: Nibbles::detect(),
        }
    }

    fn head(&self) -> [u32; 4] {
        [self.bits, self.size as u32, u32::from(self.by_product), SEED]
    }

    /// Lays down what the codes are.
    pub(in crate::vector) fn write<W: Write>(&self, out: &mut SectionsWriter<W>) -> io::Result<()> {
        out.put("rotated", &self.head())
    }

    /// Reads what [`Self::write`] laid down.
    pub(in crate::vector) fn open(bits: u32, size: usize, by_product: bool, sections: &Sections) -> Result<Self> {
        let head = sections.array_of::<u32>("rotated", 4)?;
        if !Self::BITS.contains(&bits) {
            return Err(Error::corrupt("rotated", 0, format!("codes of {bits} bits")));
        }
        let read = Self::new(bits, size, by_product);
        if *head != read.head() {
            let why = format!("bits, size, product and seed are {:?}, not {:?}", &*head, read.head());
            return Err(Error::corrupt("rotated", 0, why));
        }
        Ok(read)
    }

    /// Parts that are looked up.
    fn parts(&self) -> usize {
        self.rotation.turned() / PART * self.runs() as usize
    }

    /// Bits of a number that are looked up.
    fn runs(&self) -> u32 {
        if self.bits == 2 { 2 } else { 1 }
    }

    fn is_refined(&self) -> bool {
        self.bits > 2
    }

    /// Bytes of a whole code; 0 where the scan reads all of it.
    fn stride(&self) -> usize {
        match self.bits {
            8 => self.rotation.turned(),
            4 => self.rotation.turned().next_multiple_of(2 * LINE) / 2,
            _ => 0,
        }
    }

    fn floats(&self) -> usize {
        if self.is_refined() { 5 } else { 2 }
    }

    /// Bytes of one vector's code before it is put into a block.
    pub(in crate::vector) fn row_bytes(&self) -> usize {
        self.parts() + self.floats() * size_of::<f32>() + self.stride()
    }

    fn scanned_bytes(&self) -> usize {
        self.parts() * LANES / 2 + BESIDE_BYTES
    }

    /// Bytes of a block of 32 vectors.
    pub(in crate::vector) fn block_bytes(&self) -> usize {
        self.parts() * LANES / 2 + (self.floats() * size_of::<f32>() + self.stride()) * LANES
    }

    /// Bytes held in memory.
    pub(in crate::vector) fn memory_bytes(&self) -> u64 {
        self.rotation.memory_bytes()
    }

    /// Encodes one residual into `row_bytes` bytes.
    pub(in crate::vector) fn encode(&self, residual: Residual<'_>, out: &mut [u8]) {
        let (mut turned, mut centroid) = (Vec::new(), Vec::new());
        self.rotation.turn(residual.values, &mut turned);
        self.rotation.turn(residual.centroid, &mut centroid);
        let square = dot(&turned, &turned);
        let mut codes = vec![0u8; turned.len()];
        let (parts, rest) = out.split_at_mut(self.parts());
        let (floats, fine) = rest.split_at_mut(self.floats() * size_of::<f32>());
        let scanned = self.runs();
        let fit = round(&turned, scanned, square, &mut codes);
        for bit in 0..scanned {
            // The highest bit first.
            let parts = &mut parts[bit as usize * (codes.len() / PART)..][..codes.len() / PART];
            for (part, codes) in parts.iter_mut().zip(codes.chunks_exact(PART)) {
                let bit_of = |at: usize| (codes[at] >> (scanned - 1 - bit) & 1) << at;
                *part = bit_of(0) | bit_of(1) | bit_of(2) | bit_of(3);
            }
        }
        let mut put = |at: usize, value: f64| floats[4 * at..][..4].copy_from_slice(&(value as f32).to_le_bytes());
        let (bias, factor) = self.terms(residual, square, fit, &centroid, &codes, scanned);
        put(0, bias);
        put(1, factor);
        if !self.is_refined() {
            return;
        }
        put(2, self.error(square, fit));
        let fit = round(&turned, self.bits, square, &mut codes);
        let (bias, factor) = self.terms(residual, square, fit, &centroid, &codes, self.bits);
        put(3, bias);
        put(4, factor);
        if self.bits == 8 {
            fine.copy_from_slice(&codes);
            return;
        }
        fine.fill(0);
        for (at, code) in codes.iter().enumerate() {
            fine[at / (2 * LINE) * LINE + at % LINE] |= code << (at / LINE % 2 * 4);
        }
    }

    /// What a vector adds to an estimate, and what its product with the query is multiplied by.
    fn terms(
        &self,
        residual: Residual<'_>,
        square: f64,
        fit: Fit,
        centroid: &[f32],
        codes: &[u8],
        bits: u32,
    ) -> (f64, f64) {
        let scale = if fit.inner > 0.0 { square / fit.inner } else { 0.0 };
        let extra = f64::from(residual.extra);
        if self.by_product {
            return (extra, -scale);
        }
        let of_codes: f64 = centroid.iter().zip(codes).map(|(c, code)| f64::from(*c) * f64::from(*code)).sum();
        let of_centroid: f64 = centroid.iter().map(|c| f64::from(*c)).sum();
        let of_centroid = of_codes - middle(bits) * of_centroid;
        (square + 2.0 * scale * of_centroid + extra, -2.0 * scale)
    }

    /// How far off the estimate of a query at distance 1 may be.
    fn error(&self, square: f64, fit: Fit) -> f64 {
        let tangent =
            (square * fit.square / (fit.inner * fit.inner) - 1.0).max(0.0) / (self.rotation.turned() - 1) as f64;
        let error = f64::from(DEVIATIONS) * (square * tangent).sqrt();
        let error = if self.by_product { error } else { 2.0 * error };
        // Of a vector without a code nothing is known but its centroid, on which it lies.
        if fit.inner > 0.0 { error } else { 0.0 }
    }

    /// Puts the encoded vectors of a list into its blocks. Lanes without one are farther than anything.
    pub(in crate::vector) fn pack(&self, rows: &[u8], blocks: &mut [u8]) {
        blocks.fill(0);
        let parts_bytes = self.parts() * LANES / 2;
        let count = blocks.len() / self.block_bytes();
        let (scanned, beside) = blocks.split_at_mut(count * self.scanned_bytes());
        for block in scanned.chunks_exact_mut(self.scanned_bytes()) {
            block[parts_bytes..][..LANES * 4].as_chunks_mut::<4>().0.fill(f32::INFINITY.to_le_bytes());
        }
        let lanes = count * LANES;
        let (floats, codes) = beside.split_at_mut((self.floats() - 2) * lanes * 4);
        for (at, row) in rows.chunks_exact(self.row_bytes()).enumerate() {
            let (block, lane) = (at / LANES, at % LANES);
            let block = &mut scanned[block * self.scanned_bytes()..][..self.scanned_bytes()];
            let (words, rest) = row.split_at(self.parts());
            for (part, word) in words.iter().enumerate() {
                block[part * 16 + lane % 16] |= word << (lane / 16 * 4);
            }
            let (of_row, code) = rest.split_at(self.floats() * 4);
            for (kind, float) in of_row.chunks_exact(4).enumerate() {
                match kind {
                    0 | 1 => block[parts_bytes + (kind * LANES + lane) * 4..][..4].copy_from_slice(float),
                    _ => floats[((kind - 2) * lanes + at) * 4..][..4].copy_from_slice(float),
                }
            }
            codes[at * self.stride()..][..self.stride()].copy_from_slice(code);
        }
    }

    /// Prepares a query, as the centroids are placed.
    pub(in crate::vector) fn prepare(&self, query: &[f32], prepared: &mut Prepared) {
        self.rotation.turn(query, &mut prepared.turned);
        let turned = &prepared.turned;
        let square = dot(turned, turned);
        prepared.length = square.sqrt() as f32;
        self.prepare_table(prepared);
        if self.is_refined() {
            self.prepare_bytes(prepared);
        }
    }

    /// Sums of four numbers each, as bytes of one step.
    fn prepare_table(&self, prepared: &mut Prepared) {
        let Prepared { turned, table, .. } = prepared;
        let runs = self.runs();
        let (mut widest, mut all, mut sum) = (0f32, 0f32, 0f32);
        for four in turned.as_chunks::<PART>().0 {
            let width: f32 = four.iter().map(|value| value.abs()).sum();
            widest = widest.max(width);
            all += width;
            sum += four.iter().sum::<f32>();
        }
        // The first of two runs weighs twice as much as the second.
        let weight = if runs == 2 { 2.0 } else { 1.0 };
        let all = if runs == 2 { 3.0 * all } else { all };
        let room = SUM_MAX - self.parts() as f32;
        let step = (weight * widest / 255.0).max(all / room).max(f32::MIN_POSITIVE);
        table.resize(self.parts() * 16, 0);
        let mut offset = 0f32;
        for (run, table) in table.chunks_exact_mut(turned.len() / PART * 16).enumerate() {
            let weight = if run == 0 { weight } else { 1.0 };
            let per_step = weight / step;
            for (four, entries) in turned.as_chunks::<PART>().0.iter().zip(table.as_chunks_mut::<16>().0) {
                let least: f32 = four.iter().map(|value| value.min(0.0)).sum();
                offset += weight * least;
                let mut sums = [-least * per_step; 16];
                for (bit, value) in four.iter().enumerate() {
                    let value = value * per_step;
                    for (at, sum) in sums.iter_mut().enumerate() {
                        *sum += if at >> bit & 1 == 1 { value } else { 0.0 };
                    }
                }
                for (entry, sum) in entries.iter_mut().zip(sums) {
                    *entry = rounded(sum);
                }
            }
        }
        prepared.offset = offset - middle(runs) as f32 * sum;
        prepared.step = step;
        // A byte is off by at most half a step, evenly, so by a root of a twelfth on average.
        prepared.hidden = DEVIATIONS * step * (self.parts() as f32 / 12.0).sqrt();
    }

    fn prepare_bytes(&self, prepared: &mut Prepared) {
        let Prepared { turned, bytes, .. } = prepared;
        let greatest = greatest(turned);
        let step = (greatest / 127.0).max(f32::MIN_POSITIVE);
        let per_step = 1.0 / step;
        bytes.clear();
        bytes.resize(if self.bits == 4 { self.stride() * 2 } else { self.stride() }, 0);
        let mut sum = 0i32;
        for (byte, value) in bytes.iter_mut().zip(turned.iter()) {
            // Shifted so that it is positive, and back.
            let code = rounded(value * per_step + 128.0).wrapping_sub(128);
            sum += i32::from(code as i8);
            *byte = code;
        }
        prepared.byte_step = step;
        prepared.byte_shift = (middle(self.bits) * f64::from(sum)) as f32;
    }

    /// An estimate for each lane of a list; `base` is the squared distance of query and centroid, or their
    /// negated product. What is surely not below `limit`, nor among the `keep` nearest of the list, is
    /// infinitely far (but for one vector in a hundred or so, see [`DEVIATIONS`]).
    pub(in crate::vector) fn scan(
        &self,
        query: &Prepared,
        base: f32,
        blocks: &[u8],
        (limit, keep): (f32, usize),
        out: &mut Vec<f32>,
    ) {
        let terms = Terms { base, offset: query.offset, step: query.step };
        let count = blocks.len() / self.block_bytes();
        let (scanned, rest) = blocks.split_at(count * self.scanned_bytes());
        self.scan.scan4(scanned, &query.table, terms, out);
        if !self.is_refined() {
            return;
        }
        let lanes = count * LANES;
        let (errors, rest) = rest.split_at(lanes * 4);
        let (biases, rest) = rest.split_at(lanes * 4);
        let (factors, codes) = rest.split_at(lanes * 4);
        let distance = if self.by_product { query.length } else { base.max(0.0).sqrt() };
        let Scratch { lowers, uppers, near, dots } = &mut *query.scratch.borrow_mut();
        lowers.clear();
        uppers.clear();
        for (block, (out, errors)) in
            scanned.chunks_exact(self.scanned_bytes()).zip(out.chunks_exact(LANES).zip(errors.chunks_exact(LANES * 4)))
        {
            let factors = floats(&block[block.len() - LANES * 4..]);
            // A factor is at most 0.
            let slack = floats(errors).zip(factors).map(|(error, factor)| error * distance - factor * query.hidden);
            lowers.extend(out.iter().zip(slack).map(|(estimate, slack)| estimate - slack));
        }
        let mut limit = limit;
        if limit == f32::INFINITY && lanes > keep {
            // The upper bounds of the list are as far above the estimates as the lower ones are below. A lane
            // without a vector has none: its estimate is infinite, and so are both bounds.
            uppers.extend(out.iter().zip(lowers.iter()).map(|(estimate, lower)| {
                let upper = estimate + (estimate - lower);
                if upper.is_nan() { f32::INFINITY } else { upper }
            }));
            limit = *uppers.select_nth_unstable_by(keep, f32::total_cmp).1;
        }
        self.scan.below(lowers, limit, near);
        out.fill(f32::INFINITY);
        match self.bits {
            8 => self.bytes.dots(codes, &query.bytes, near, dots),
            _ => self.nibbles.dots(codes, &query.bytes, near, dots),
        }
        for (lane, dot) in near.iter().zip(dots.iter()) {
            let lane = *lane as usize;
            let product = query.byte_step * (*dot as i32 as f32 - query.byte_shift);
            out[lane] = (base + float(biases, lane)) + float(factors, lane) * product;
        }
    }
}

/// The middle of all codes of so many bits.
fn middle(bits: u32) -> f64 {
    f64::from((1u32 << bits) - 1) / 2.0
}

fn float(bytes: &[u8], at: usize) -> f32 {
    f32::from_le_bytes(bytes.as_chunks::<4>().0[at])
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
}

/// From 0 to 255, to the nearest whole number; a cast that stops at the ends takes several times as long.
#[inline(always)]
fn rounded(value: f32) -> u8 {
    /// From here on floats are whole numbers, so that adding it rounds.
    const WHOLE: f32 = 8_388_608.0;
    (value + WHOLE).to_bits() as u8
}

/// Rounds to codes of so many bits, at the step that keeps the code's direction nearest to the vector's.
fn round(turned: &[f32], bits: u32, square: f64, codes: &mut [u8]) -> Fit {
    let deviation = (square / turned.len() as f64).sqrt() as f32;
    if deviation.is_nan() || deviation <= 0.0 || deviation.is_infinite() {
        codes.fill(0);
        return Fit::default();
    }
    // Steps near the best one for a normal distribution; at 8 bits what is cut off weighs more than the step.
    let steps: &[f32] = match bits {
        1 => &[1.6],
        2 => &[0.93, 1.0, 1.07],
        4 => &[0.29, 0.335, 0.38],
        _ => &[greatest(turned) / deviation / 127.4],
    };
    let mut best = (0.0, 0.0, Fit::default());
    for step in steps {
        let fit = round_by(turned, step * deviation, bits, codes);
        let cosine = fit.inner / fit.square.sqrt();
        if cosine > best.0 {
            best = (cosine, step * deviation, fit);
        }
    }
    if steps.len() > 1 {
        round_by(turned, best.1, bits, codes);
    }
    best.2
}

fn round_by(turned: &[f32], step: f32, bits: u32, codes: &mut [u8]) -> Fit {
    let (per_step, last) = (1.0 / step, ((1u32 << bits) - 1) as f32);
    let middle = last / 2.0;
    let (mut inner, mut square) = ([0f32; SIDE], [0f32; SIDE]);
    // A turned vector is whole lines.
    for (turned, codes) in turned.as_chunks::<SIDE>().0.iter().zip(codes.as_chunks_mut::<SIDE>().0) {
        for lane in 0..SIDE {
            let place = turned[lane] * per_step + middle;
            let place = if place > 0.0 { place } else { 0.0 };
            let place = if place < last { place } else { last };
            codes[lane] = rounded(place);
            let code = f32::from(codes[lane]) - middle;
            inner[lane] += turned[lane] * code;
            square[lane] += code * code;
        }
    }
    let sum = |lanes: [f32; SIDE]| lanes.iter().map(|lane| f64::from(*lane)).sum::<f64>();
    Fit { inner: sum(inner), square: sum(square) }
}

fn greatest(values: &[f32]) -> f32 {
    let mut most = [0f32; SIDE];
    for values in values.as_chunks::<SIDE>().0 {
        for lane in 0..SIDE {
            let value = values[lane].abs();
            most[lane] = if value > most[lane] { value } else { most[lane] };
        }
    }
    most.into_iter().fold(0.0, f32::max)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0f32; SIDE];
    for (a, b) in a.as_chunks::<SIDE>().0.iter().zip(b.as_chunks::<SIDE>().0) {
        for lane in 0..SIDE {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().map(|lane| f64::from(*lane)).sum()
}

#[cfg(test)]
mod tests;
