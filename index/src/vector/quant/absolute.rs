//! Vectors as 8-bit codes for the sum of absolute differences, which no projection keeps. One step for all numbers, and a
//! centre for each dimension, which moves no distance.
//!
//! ```text
//! head     rows u32 | size u32 | stride u32
//! scale    step f32 | low f32
//! centre   size x f32
//! codes    rows x stride x u8     stride = size, up to whole cache lines
//! errors   rows x f32             how far a code is from its vector
//! ```

use crate::error::{Error, Result};
use crate::layout::{Array, Sections, SectionsWriter};
use crate::row::Row;
use crate::vector::kernel::codes8::Codes8;
use crate::vector::kernel::{self, Block, LINE};
use crate::vector::quant::draft::Drafts;
use crate::vector::quant::full::{Full, Query};
use rayon::prelude::*;
use std::io;

/// How many rows the scale is learned from.
const SAMPLE_ROWS: usize = 4096;

/// This share of the numbers may lie beyond the scale, at either end.
const CLIPPED: f64 = 0.0005;

/// Float arithmetic may be so far off, in proportion.
const ROUNDING: f32 = 1e-4;

/// How numbers become codes.
#[derive(Debug)]
struct Scale {
    size: usize,
    stride: usize,
    step: f32,
    low: f32,
    centre: Vec<f32>,
}

impl Scale {
    /// Learns the scale from evenly spread rows.
    fn learn(full: &Full, rows: &[u32]) -> Self {
        let size = full.size();
        let every = rows.len().div_ceil(SAMPLE_ROWS).max(1);
        let sample: Vec<_> = rows.iter().step_by(every).map(|row| full.vector(Row(*row))).collect();
        let mut sums = vec![0f64; size];
        for row in &sample {
            sums.iter_mut().zip(&**row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let centre: Vec<f32> = sums.iter().map(|sum| (sum / sample.len().max(1) as f64) as f32).collect();
        let mut offsets: Vec<f32> =
            sample.iter().flat_map(|row| row.iter().zip(&centre).map(|(value, centre)| value - centre)).collect();
        let (low, high) = ends(&mut offsets);
        let step = ((high - low) / 255.0).max(f32::MIN_POSITIVE);
        let step = if step.is_finite() { step } else { f32::MAX / 256.0 };
        Self { size, stride: size.next_multiple_of(LINE), step, low, centre }
    }

    /// Writes a code; how far it is from its vector.
    fn encode(&self, values: &[f32], code: &mut [u8]) -> f32 {
        let mut error = 0f64;
        let per_step = 1.0 / self.step;
        for ((value, centre), code) in values.iter().zip(&self.centre).zip(code.iter_mut()) {
            let value = value - centre;
            // A cast of a float stops at the ends, and NaN becomes 0.
            *code = ((value - self.low) * per_step).round() as u8;
            error += f64::from((value - (self.low + self.step * f32::from(*code))).abs());
        }
        error as f32
    }
}

/// A query as codes are compared with it.
#[derive(Clone, Debug, Default)]
pub(in crate::vector) struct Coded {
    bytes: Vec<u8>,
    off: f32,
    sums: Vec<u32>,
}

impl Coded {
    /// Whether bounds hold: not where the query is too long for floats.
    pub(in crate::vector) fn is_sound(&self) -> bool {
        self.off.is_finite()
    }
}

/// The codes of a part, or of a build.
#[derive(Debug)]
pub(in crate::vector) struct Absolute {
    scale: Scale,
    kernel: Codes8,
    codes: Block,
    errors: Array<f32>,
    /// The error of a code on the average, and at most.
    usual: f32,
    most: f32,
}

impl Absolute {
    /// Encodes rows in the given order, the code at place `i` that of row `order[i]`; with what the build of a graph compares.
    pub(in crate::vector) fn encode(full: &Full, order: &[u32]) -> (Self, Drafts) {
        let scale = Scale::learn(full, order);
        let mut codes = Block::zeroed(order.len() * scale.stride);
        let errors: Vec<f32> = codes
            .bytes_mut()
            .par_chunks_exact_mut(scale.stride)
            .zip(order)
            .map(|(code, row)| scale.encode(&full.vector(Row(*row)), code))
            .collect();
        let drafts = Drafts::of_differences(Block::copy_of(&codes), scale.stride);
        (Self { scale, kernel: Codes8::detect(), codes, errors: errors.into(), usual: 0.0, most: 0.0 }, drafts)
    }

    /// Lays down the body in row order: row `order[i]` gets the code at place `i`, the others get zeros.
    pub(in crate::vector) fn write<W: io::Write>(
        &self,
        order: &[u32],
        rows: u32,
        out: &mut SectionsWriter<W>,
    ) -> io::Result<()> {
        let scale = &self.scale;
        let mut places = vec![None; rows as usize];
        for (place, row) in order.iter().enumerate() {
            places[*row as usize] = Some(place);
        }
        out.put("head", &[rows, scale.size as u32, scale.stride as u32])?;
        out.put("scale", &[scale.step, scale.low])?;
        out.put("centre", &scale.centre)?;
        let zeros = vec![0u8; scale.stride];
        out.begin("codes")?;
        for place in &places {
            out.extend(place.map_or(&zeros[..], |place| &self.codes[place * scale.stride..][..scale.stride]))?;
        }
        out.begin("errors")?;
        for place in &places {
            out.extend(&[place.map_or(0.0, |place| self.errors[place])])?;
        }
        Ok(())
    }

    /// Reads a body. The codes are copied into memory of our own, where reads at random are cheaper.
    pub(in crate::vector) fn open(size: u32, rows: u32, sections: &Sections) -> Result<Self> {
        let head = sections.array_of::<u32>("head", 3)?;
        let stride = (size as usize).next_multiple_of(LINE);
        if *head != [rows, size, stride as u32] {
            return Err(Error::corrupt("head", 0, format!("{:?} does not fit {rows} rows of {size}", &*head)));
        }
        let numbers = sections.array_of::<f32>("scale", 2)?;
        let scale = Scale {
            size: size as usize,
            stride,
            step: numbers[0],
            low: numbers[1],
            centre: sections.array_of::<f32>("centre", size as usize)?.to_vec(),
        };
        let codes = sections.array_of::<u8>("codes", rows as usize * stride)?;
        let errors: Array<f32> = sections.array_of("errors", rows as usize)?;
        let known = || errors.iter().map(|error| f64::from(*error)).filter(|error| error.is_finite());
        let usual = (known().sum::<f64>() / known().count().max(1) as f64) as f32;
        let most = errors.iter().copied().fold(0f32, f32::max);
        Ok(Self { scale, kernel: Codes8::detect(), codes: Block::copy_of(&codes), errors, usual, most })
    }

    /// Bytes held in memory of our own.
    pub(in crate::vector) fn memory_bytes(&self) -> u64 {
        self.codes.len() as u64
    }

    /// A query as codes are compared with it.
    pub(in crate::vector) fn encode_query(&self, query: Query<'_>, coded: &mut Coded) {
        coded.bytes.clear();
        coded.bytes.resize(self.scale.stride, 0);
        coded.off = self.scale.encode(query.values, &mut coded.bytes);
    }

    /// The distances of a list of codes.
    #[inline]
    pub(in crate::vector) fn distances(&self, query: &mut Coded, places: &[u32], out: &mut Vec<f32>) {
        self.distances_in(&self.codes, query, places, out);
    }

    /// The same of other codes of this kind.
    #[inline]
    pub(in crate::vector) fn distances_in(&self, codes: &Block, query: &mut Coded, places: &[u32], out: &mut Vec<f32>) {
        self.kernel.sads(codes, &query.bytes, places, &mut query.sums);
        out.clear();
        out.extend(query.sums.iter().map(|sum| *sum as f32 * self.scale.step));
    }

    /// A code.
    pub(in crate::vector) fn code(&self, place: u32) -> &[u8] {
        &self.codes[place as usize * self.scale.stride..][..self.scale.stride]
    }

    /// Asks for the codes of some rows.
    #[inline]
    pub(in crate::vector) fn prefetch(&self, rows: &[u32]) {
        kernel::prefetch_rows(&self.codes, self.scale.stride, rows);
    }

    /// The greatest estimate whose lower bound may be within a limit.
    pub(in crate::vector) fn cutoff(&self, query: &Coded, limit: f32) -> f32 {
        (limit + self.most + query.off) * (1.0 + 4.0 * ROUNDING)
    }

    /// About the standard deviation of distances of codes: errors of single numbers mostly cancel out.
    pub(in crate::vector) fn deviation(&self, query: &Coded) -> f32 {
        (self.usual + query.off) / (self.scale.size as f32).sqrt()
    }

    /// Between what the true distance lies, given that of the codes.
    #[inline]
    pub(in crate::vector) fn bounds(&self, query: &Coded, place: u32, estimate: f32) -> (f32, f32) {
        let off = self.errors[place as usize] + query.off + ROUNDING * estimate;
        (if off.is_finite() { estimate - off } else { f32::NEG_INFINITY }, estimate + off)
    }
}

/// The numbers between which all but a few lie.
fn ends(values: &mut [f32]) -> (f32, f32) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let clipped = (values.len() as f64 * CLIPPED) as usize;
    let last = values.len() - 1;
    let low = *values.select_nth_unstable_by(clipped, f32::total_cmp).1;
    let high = *values.select_nth_unstable_by(last - clipped, f32::total_cmp).1;
    (low, high)
}
