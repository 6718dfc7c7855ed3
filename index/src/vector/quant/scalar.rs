//! Vectors as 8-bit codes: what the graph compares.
//!
//! Every metric becomes a distance between codes, so that one kernel serves them all. One step for all
//! numbers, and a centre for each dimension, which moves no distance:
//!
//! - Euclid: squared distances of codes.
//! - Cosine: vectors of length 1, whose squared distances order as their cosines.
//! - Dot: a few more numbers bring every vector to the length of the longest, the query has zeros
//!   there, and squared distances order as inner products (Bachrach et al. 2014).
//! - Manhattan: sums of absolute differences.
//!
//! ```text
//! head     rows u32 | size u32 | extra u32 | stride u32
//! scale    step f32 | low f32 | longest f32
//! centre   size x f32
//! codes    rows x stride x u8     stride = size + extra, up to whole cache lines
//! norms    rows x u32             sum of u^2 - 256 u, so that |u - q|^2 = norm + sum of q^2 - 2 u(q - 128)
//! errors   rows x f32             how far a code is from its vector
//! ```

use crate::error::{Error, Result};
use crate::layout::{Array, Sections, SectionsWriter};
use crate::row::Row;
use crate::vector::kernel::codes8::Codes8;
use crate::vector::kernel::{self, Block, LINE};
use crate::vector::metric::Metric;
use crate::vector::quant::full::{Full, Query};
use rayon::prelude::*;

/// How many rows the scale is learned from.
const SAMPLE_ROWS: usize = 4096;

/// This share of the numbers may lie beyond the scale, at either end.
const CLIPPED: f64 = 0.0005;

/// How numbers become codes.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::vector) struct Scale {
    metric: Metric,
    size: usize,
    /// Numbers added for the inner product.
    extra: usize,
    stride: usize,
    step: f32,
    low: f32,
    /// Length of the longest vector; only for the inner product.
    longest: f32,
    centre: Vec<f32>,
}

impl Scale {
    /// Learns the scale from evenly spread rows.
    pub(in crate::vector) fn learn(full: &Full, metric: Metric, rows: &[u32]) -> Self {
        let size = full.size();
        let every = rows.len().div_ceil(SAMPLE_ROWS).max(1);
        let sample: Vec<Row> = rows.iter().step_by(every).map(|row| Row(*row)).collect();
        let placed = |row: Row| {
            let factor = if metric == Metric::Cosine { full.inverse(row) } else { 1.0 };
            full.values(row).iter().map(move |value| value * factor)
        };
        let bytes_alone =
            sample.iter().all(|row| placed(*row).all(|value| (0.0..=255.0).contains(&value) && value.fract() == 0.0));
        let mut centre = vec![0f32; size];
        let (low, high) = if bytes_alone && metric != Metric::Dot {
            (0.0, 255.0)
        } else {
            let mut sums = vec![0f64; size];
            for row in &sample {
                sums.iter_mut().zip(placed(*row)).for_each(|(sum, value)| *sum += f64::from(value));
            }
            for (centre, sum) in centre.iter_mut().zip(sums) {
                *centre = (sum / sample.len().max(1) as f64) as f32;
            }
            let mut offsets: Vec<f32> =
                sample.iter().flat_map(|row| placed(*row).zip(&centre).map(|(value, centre)| value - centre)).collect();
            ends(&mut offsets)
        };
        let step = ((high - low) / 255.0).max(f32::MIN_POSITIVE);
        let step = if step.is_finite() { step } else { f32::MAX / 256.0 };
        let longest = match metric {
            Metric::Dot => rows.par_iter().map(|row| length(full.values(Row(*row)))).reduce(|| 0.0, f32::max),
            _ => 0.0,
        };
        // So many that none of them is beyond the scale, though at most as many as the vector has.
        let extra = match metric {
            Metric::Dot => ((longest / (255.0 * step)).powi(2).ceil() as usize).clamp(1, size),
            _ => 0,
        };
        let stride = (size + extra).next_multiple_of(LINE);
        Self { metric, size, extra, stride, step, low, longest, centre }
    }

    /// Writes the code of `values * factor` with the given extra numbers; how far it is from them.
    fn encode(&self, values: &[f32], factor: f32, extra: f32, code: &mut [u8]) -> f32 {
        let mut error = 0f64;
        let per_step = 1.0 / self.step;
        for ((value, centre), code) in values.iter().zip(&self.centre).zip(code.iter_mut()) {
            let value = value * factor - centre;
            // A cast of a float stops at the ends, and NaN becomes 0.
            *code = ((value - self.low) * per_step).round() as u8;
            let off = f64::from(value - (self.low + self.step * f32::from(*code)));
            error += if self.metric == Metric::Manhattan { off.abs() } else { off * off };
        }
        if self.extra > 0 {
            let each = extra / (self.extra as f32).sqrt();
            let byte = (each * per_step).round() as u8;
            code[self.size..self.size + self.extra].fill(byte);
            let off = f64::from(each - self.step * f32::from(byte));
            error += off * off * self.extra as f64;
        }
        let error = if self.metric == Metric::Manhattan { error } else { error.sqrt() };
        error as f32
    }

    /// Writes a row's code; how far it is from the row.
    pub(in crate::vector) fn encode_row(&self, full: &Full, row: Row, code: &mut [u8]) -> f32 {
        let values = full.values(row);
        match self.metric {
            Metric::Cosine => self.encode(values, full.inverse(row), 0.0, code),
            Metric::Dot => {
                let (length, longest) = (f64::from(length(values)), f64::from(self.longest));
                let extra = (longest * longest - length * length).max(0.0).sqrt();
                self.encode(values, 1.0, extra as f32, code)
            }
            Metric::Euclid | Metric::Manhattan => self.encode(values, 1.0, 0.0, code),
        }
    }

    /// A query's code.
    pub(in crate::vector) fn encode_query(&self, query: Query<'_>) -> Coded {
        let factor = match self.metric {
            Metric::Cosine => query.inverse,
            // The order of inner products does not depend on the query's length.
            Metric::Dot => self.longest * query.inverse,
            Metric::Euclid | Metric::Manhattan => 1.0,
        };
        let mut code = vec![0; self.stride];
        let error = self.encode(query.values, factor, 0.0, &mut code);
        let mut coded = Coded { bytes: Vec::new(), squares: squares(&code), error };
        coded.set(self.metric, &code);
        coded
    }
}

/// A code that others are compared with.
#[derive(Clone, Debug, Default)]
pub(in crate::vector) struct Coded {
    /// The code; for squared distances minus 128, as the kernel wants it.
    bytes: Vec<u8>,
    squares: u32,
    /// How far the code is from what it stands for.
    pub(in crate::vector) error: f32,
}

impl Coded {
    fn set(&mut self, metric: Metric, code: &[u8]) {
        let flip = if metric == Metric::Manhattan { 0 } else { 0x80 };
        self.bytes.resize(code.len(), 0);
        for (byte, code) in self.bytes.iter_mut().zip(code) {
            *byte = code ^ flip;
        }
    }
}

/// All codes of a part, or of a build.
#[derive(Debug)]
pub(in crate::vector) struct Codes {
    scale: Scale,
    kernel: Codes8,
    codes: Block,
    norms: Array<u32>,
    errors: Array<f32>,
    /// Sums of squares, for codes that are compared with codes; only while a graph is built.
    squares: Vec<u32>,
}

impl Codes {
    /// Encodes rows in the given order: the code at place `i` is that of row `order[i]`.
    pub(in crate::vector) fn encode(full: &Full, scale: Scale, order: &[u32]) -> Self {
        let mut codes = Block::zeroed(order.len() * scale.stride);
        let beside: Vec<(u32, f32)> = codes
            .bytes_mut()
            .par_chunks_exact_mut(scale.stride)
            .zip(order)
            .map(|(code, row)| {
                let error = scale.encode_row(full, Row(*row), code);
                (norm(code), error)
            })
            .collect();
        let (norms, errors): (Vec<u32>, Vec<f32>) = beside.into_iter().unzip();
        let squares = codes.par_chunks_exact(scale.stride).map(squares).collect();
        Self { scale, kernel: Codes8::detect(), codes, norms: norms.into(), errors: errors.into(), squares }
    }

    /// The body in row order: row `order[i]` gets the code at place `i`, the others get zeros.
    pub(in crate::vector) fn to_body(&self, order: &[u32], rows: u32) -> Vec<u8> {
        let scale = &self.scale;
        let mut places = vec![None; rows as usize];
        for (place, row) in order.iter().enumerate() {
            places[*row as usize] = Some(place);
        }
        let mut out = SectionsWriter::new(Vec::with_capacity(rows as usize * (scale.stride + 8) + 4096));
        let head = [rows, scale.size as u32, scale.extra as u32, scale.stride as u32];
        let zeros = vec![0u8; scale.stride];
        let mut write = || {
            out.put("head", &head)?;
            out.put("scale", &[scale.step, scale.low, scale.longest])?;
            out.put("centre", &scale.centre)?;
            out.begin("codes")?;
            for place in &places {
                out.extend(place.map_or(&zeros[..], |place| self.code(place as u32)))?;
            }
            out.begin("norms")?;
            for place in &places {
                out.extend(&[place.map_or(0, |place| self.norms[place])])?;
            }
            out.begin("errors")?;
            for place in &places {
                out.extend(&[place.map_or(0.0, |place| self.errors[place])])?;
            }
            std::io::Result::Ok(())
        };
        write().and_then(|()| out.finish()).expect("a Vec takes every byte")
    }

    /// Reads a body. The codes are copied into memory of our own, where reads at random are cheaper.
    pub(in crate::vector) fn open(metric: Metric, size: u32, rows: u32, sections: &Sections) -> Result<Self> {
        let head = sections.array_of::<u32>("head", 4)?;
        let [of_rows, of_size, extra, stride] = [head[0], head[1], head[2], head[3]];
        let fits = extra <= size
            && (extra > 0) == (metric == Metric::Dot)
            && (size as usize + extra as usize).next_multiple_of(LINE) == stride as usize;
        if (of_rows, of_size) != (rows, size) || !fits {
            return Err(Error::corrupt("head", 0, format!("{:?} does not fit {rows} rows of {size}", &*head)));
        }
        let numbers = sections.array_of::<f32>("scale", 3)?;
        let bytes = (rows as usize)
            .checked_mul(stride as usize)
            .ok_or_else(|| Error::corrupt("head", 0, "more codes than memory"))?;
        let scale = Scale {
            metric,
            size: size as usize,
            extra: extra as usize,
            stride: stride as usize,
            step: numbers[0],
            low: numbers[1],
            longest: numbers[2],
            centre: sections.array_of::<f32>("centre", size as usize)?.to_vec(),
        };
        let codes = sections.array_of::<u8>("codes", bytes)?;
        Ok(Self {
            scale,
            kernel: Codes8::detect(),
            codes: Block::copy_of(&codes),
            norms: sections.array_of("norms", rows as usize)?,
            errors: sections.array_of("errors", rows as usize)?,
            squares: Vec::new(),
        })
    }

    /// How numbers become codes.
    pub(in crate::vector) fn scale(&self) -> &Scale {
        &self.scale
    }

    /// How many codes.
    pub(in crate::vector) fn len(&self) -> u32 {
        self.norms.len() as u32
    }

    /// How far the code at a place is from its vector.
    pub(in crate::vector) fn error(&self, place: u32) -> f32 {
        self.errors[place as usize]
    }

    /// Bytes held in memory of our own.
    pub(in crate::vector) fn memory_bytes(&self) -> u64 {
        self.codes.len() as u64
    }

    /// Asks for the code at a place.
    pub(in crate::vector) fn prefetch(&self, place: u32) {
        kernel::prefetch(self.code(place));
    }

    fn code(&self, place: u32) -> &[u8] {
        &self.codes[place as usize * self.scale.stride..][..self.scale.stride]
    }

    /// Makes the code at a place the one that others are compared with. Only of codes just encoded.
    pub(in crate::vector) fn coded(&self, place: u32, coded: &mut Coded) {
        coded.set(self.scale.metric, self.code(place));
        coded.squares = self.squares[place as usize];
    }

    /// The distances of a list of places, each below [`Self::len`]; smaller is nearer.
    #[inline]
    pub(in crate::vector) fn distances(&self, query: &Coded, places: &[u32], out: &mut Vec<u32>) {
        if self.scale.metric == Metric::Manhattan {
            return self.kernel.sads(&self.codes, &query.bytes, places, out);
        }
        self.kernel.dots(&self.codes, &query.bytes, places, out);
        for (out, place) in out.iter_mut().zip(places) {
            let norm = self.norms[*place as usize];
            *out = norm.wrapping_add(query.squares).wrapping_sub(out.wrapping_mul(2));
        }
    }

    /// A distance between codes as a distance between what they stand for.
    pub(in crate::vector) fn length(&self, distance: u32) -> f32 {
        match self.scale.metric {
            Metric::Manhattan => distance as f32 * self.scale.step,
            _ => (distance as f32).sqrt() * self.scale.step,
        }
    }

    /// The greatest distance between codes that is within a length, or a little more.
    pub(in crate::vector) fn reach(&self, length: f32) -> u32 {
        let steps = length / self.scale.step;
        let distance = if self.scale.metric == Metric::Manhattan { steps } else { steps * steps };
        // A cast of a float stops at the ends.
        (distance * 1.0001 + 2.0) as u32
    }

    /// The score of a row as a distance between what the codes stand for.
    pub(in crate::vector) fn length_of_score(&self, query: Query<'_>, score: f32) -> f32 {
        let longest = self.scale.longest;
        match self.scale.metric {
            Metric::Cosine => (2.0 - 2.0 * score).max(0.0).sqrt(),
            Metric::Dot => (2.0 * longest * (longest - score * query.inverse)).max(0.0).sqrt(),
            Metric::Euclid => (-score).max(0.0).sqrt(),
            Metric::Manhattan => -score,
        }
    }
}

fn squares(code: &[u8]) -> u32 {
    code.iter().map(|byte| u32::from(*byte) * u32::from(*byte)).fold(0, u32::wrapping_add)
}

fn norm(code: &[u8]) -> u32 {
    let sum: u32 = code.iter().map(|byte| u32::from(*byte)).sum();
    squares(code).wrapping_sub(sum.wrapping_mul(256))
}

fn length(values: &[f32]) -> f32 {
    values.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>().sqrt() as f32
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
