//! Vectors as short records: a few bits a number of their projection, and what makes estimates of them unbiased.
//!
//! Every metric becomes a squared distance, so that one kernel serves them all:
//!
//! - Euclid: the vectors as they are.
//! - Cosine: vectors of length 1, whose squared distances order as their cosines.
//! - Dot: one more number brings every vector to the length of the longest, the query has zero there, and squared
//!   distances order as inner products (Bachrach et al. 2014).
//!
//! A vector is moved by the sample's mean and turned by the projection (`projection`, as LeanVec does; Tepper et al. 2023). A
//! code is the turned vector on a grid of its own step, chosen so that the angle between the two is small. With `z` the
//! turned vector and `u` its code, `f u` stands for `z`, where `f = |z|^2 / <u, z>`: then `f <u, q>` is `<z, q>` plus the
//! product of `q` with something square on `z` (RaBitQ; Gao & Long 2024, section 3.2). What the projection leaves out
//! enters an estimate with its length alone.
//!
//! ```text
//! head     rows u32 | size u32 | bits u32 | lines u32
//! longest  f32                              length of the longest vector; 0 but for the inner product
//! turn.*   the projection, of size numbers, and one more for the inner product
//! records  rows x 64 x lines bytes          see kernel/packed
//! far      rows x (off f32, rest f32)       |f u - z|, and the length of what the projection leaves out
//! ```

mod coder;

use crate::error::{Error, Result};
use crate::layout::{Array, Sections, SectionsWriter};
use crate::row::Row;
use crate::vector::kernel::packed::{Packed, TAIL, Terms, Width};
use crate::vector::kernel::{self, Block, LINE, gist};
use crate::vector::metric::Metric;
use crate::vector::projection::{Between, Projection};
use crate::vector::quant::draft::{Draft, Drafts};
use crate::vector::quant::full::{Full, Query};
use coder::{Coder, lines_for, placed};
use rayon::prelude::*;
use std::io;

/// Rows that one task encodes.
const CHUNK: usize = 64;

/// Float arithmetic may be so far off, in proportion.
const ROUNDING: f32 = 1e-4;

/// A query as records are compared with it.
#[derive(Clone, Debug, Default)]
pub(in crate::vector) struct Coded {
    bytes: Vec<u8>,
    terms: Terms,
    /// How far the code is from the turned query.
    off: f32,
    /// Length of what the projection leaves out.
    rest: f32,
    /// The square of `rest`, nearly, also where the query was not encoded exactly.
    left_out: f32,
    /// What an estimate has too much, against the codes' own distance.
    beside: f32,
    room: Room,
}

/// What a query is encoded in, kept from one to the next.
#[derive(Clone, Debug, Default)]
struct Room {
    values: Vec<f32>,
    between: Between,
    turned: Vec<f32>,
    signed: Vec<u8>,
    gist: Vec<u8>,
}

impl Coded {
    /// Whether bounds hold: not where the query is too long for floats.
    pub(in crate::vector) fn is_sound(&self) -> bool {
        (self.off + self.rest + self.beside + self.terms.norm).is_finite()
    }
}

/// The records of a part, or of a build.
#[derive(Debug)]
pub(in crate::vector) struct Projected {
    coder: Coder,
    kernel: Packed,
    records: Block,
    far: Array<[f32; 2]>,
    spread: Spread,
    gists: Option<Gists>,
}

/// One bit a number of every record, where the machine looks at those faster than at records.
#[derive(Debug)]
struct Gists {
    kernel: gist::Gists,
    gists: Block,
    /// The variance of an estimate, for a distance of 1; what the projection leaves out comes on top.
    off: f32,
}

impl Gists {
    /// Of records of 4 bits: `x`, the signs of `z`, stand for it as a code does (see above), and `f u` stands in for `z`, which
    /// is not at hand.
    fn of(records: &Block, far: &[[f32; 2]], coder: &Coder) -> Option<Self> {
        let kernel = gist::Gists::detect().filter(|_| coder.width == Width::Four)?;
        let (stride, dims) = (gist::bytes(coder.lines), coder.projection.dims());
        let mut gists = Block::zeroed(far.len() * stride);
        let (mut offs, mut known) = (0f64, 0u32);
        let rows = records.chunks_exact(coder.stride()).zip(far).zip(gists.bytes_mut().chunks_exact_mut(stride));
        for ((record, [off, _]), gist) in rows {
            let (bias, factor) = numbers_of(record);
            let (sum, squares) = gist::code_sums(&record[..record.len() - TAIL]);
            let (sum, squares) = (sum as f32 / 2.0, squares as f32 / 4.0);
            let squares = factor * factor * squares - off * off;
            let of_signs = squares / (factor * sum);
            let sound = of_signs.is_finite() && squares > 0.0;
            if sound {
                offs += f64::from((of_signs * of_signs * dims as f32 - squares).max(0.0));
                known += 1;
            }
            gist::write(record, [bias, if sound { 2.0 * of_signs } else { 0.0 }], gist);
        }
        let off = (4.0 * offs / f64::from(known.max(1)) / dims as f64) as f32;
        Some(Self { kernel, gists, off })
    }
}

/// The two numbers at the end of a record.
fn numbers_of(record: &[u8]) -> (f32, f32) {
    let number = |at: usize| {
        let from = record.len() - TAIL + at;
        f32::from_le_bytes([record[from], record[from + 1], record[from + 2], record[from + 3]])
    };
    (number(0), number(4))
}

/// How far estimates are from the truth, for rows as they are on the average.
#[derive(Copy, Clone, Debug, Default)]
struct Spread {
    /// The variance for a distance of 1.
    off: f32,
    /// The variance for a query of which the projection leaves out a length of 1.
    rest: f32,
    /// The most that any code is off, and that any projection leaves out.
    most: [f32; 2],
}

impl Spread {
    /// The error of a code and the numbers that are left out point anywhere (Gao & Long 2024, theorem 3.2): their products
    /// with a query spread as those of random directions do.
    fn of(far: &[[f32; 2]], coder: &Coder) -> Self {
        let mean = |at: usize| {
            let known = || far.iter().map(|far| f64::from(far[at])).filter(|far| far.is_finite());
            (known().map(|far| far * far).sum::<f64>() / known().count().max(1) as f64) as f32
        };
        let dims = coder.projection.dims();
        let left_out = coder.projection.size().saturating_sub(dims).max(1);
        let most = [0, 1].map(|at| far.iter().map(|far: &[f32; 2]| far[at]).fold(0f32, f32::max));
        Self { off: 4.0 * mean(0) / dims as f32, rest: 4.0 * mean(1) / left_out as f32, most }
    }
}

impl Projected {
    /// Encodes rows in the given order, the record at place `i` that of row `order[i]`; with what the build of a graph
    /// compares. Where codes of rows like these turn vectors as well as can be learned, these are turned in the same way.
    pub(in crate::vector) fn encode(full: &Full, metric: Metric, order: &[u32], like: Option<&Self>) -> (Self, Drafts) {
        let like = like.map(|like| (&like.coder, like.records.len() / like.coder.stride()));
        let coder = Coder::of(full, metric, order, like);
        let (size, dims, stride) = (coder.projection.size(), coder.projection.dims(), coder.stride());
        let mut records = Block::zeroed(order.len() * stride);
        let mut drafts = Drafts::of_products(order.len(), dims);
        let mut far = vec![[0f32; 2]; order.len()];
        let chunks = records
            .bytes_mut()
            .par_chunks_mut(CHUNK * stride)
            .zip(far.par_chunks_mut(CHUNK))
            .zip(order.par_chunks(CHUNK))
            .zip(drafts.chunks_mut(CHUNK));
        chunks.for_each_init(
            || (vec![0f32; CHUNK * size], vec![0f32; CHUNK * dims], vec![0f32; dims]),
            |(values, turned, levels), (((records, far), rows), mut drafts)| {
                let (values, turned) = (&mut values[..rows.len() * size], &mut turned[..rows.len() * dims]);
                let mut norms = [0f32; CHUNK];
                for ((values, row), norm) in values.chunks_exact_mut(size).zip(rows).zip(&mut norms) {
                    placed(full, metric, coder.longest, Row(*row), values);
                    *norm = coder.projection.centre(values);
                }
                coder.projection.turn(values, turned);
                let records = records.chunks_exact_mut(stride).zip(turned.chunks_exact(dims)).zip(norms);
                for (at, ((record, turned), norm)) in records.enumerate() {
                    far[at] = coder.encode(turned, norm, record, levels);
                    drafts.set(at, Draft { turned, norm });
                    if metric == Metric::Cosine && full.inverse(Row(rows[at])) == 0.0 {
                        // A vector of length 0 has no direction, so its record says nothing of its cosine.
                        far[at] = [f32::INFINITY, 0.0];
                    }
                }
            },
        );
        let kernel = Packed::detect(coder.width);
        (Self { coder, kernel, records, far: far.into(), spread: Spread::default(), gists: None }, drafts)
    }

    /// Lays down the body in row order: row `order[i]` gets the record at place `i`, the others get zeros.
    pub(in crate::vector) fn write<W: io::Write>(
        &self,
        order: &[u32],
        rows: u32,
        out: &mut SectionsWriter<W>,
    ) -> io::Result<()> {
        let coder = &self.coder;
        let mut places = vec![None; rows as usize];
        for (place, row) in order.iter().enumerate() {
            places[*row as usize] = Some(place);
        }
        let bits = if coder.width == Width::Four { 4 } else { 8 };
        let size = coder.projection.size() - usize::from(coder.metric == Metric::Dot);
        out.put("head", &[rows, size as u32, bits, coder.lines as u32])?;
        out.put("longest", &[coder.longest])?;
        coder.projection.write(out)?;
        let (stride, zeros) = (coder.stride(), vec![0u8; coder.stride()]);
        out.begin("records")?;
        for place in &places {
            out.extend(place.map_or(&zeros[..], |place| &self.records[place * stride..][..stride]))?;
        }
        out.begin("far")?;
        for place in &places {
            out.extend(&[place.map_or([0.0; 2], |place| self.far[place])])?;
        }
        Ok(())
    }

    /// Reads a body. The records are copied into memory of our own, where reads at random are cheaper.
    pub(in crate::vector) fn open(metric: Metric, size: u32, rows: u32, sections: &Sections) -> Result<Self> {
        let head = sections.array_of::<u32>("head", 4)?;
        let [of_rows, of_size, bits, lines] = [head[0], head[1], head[2], head[3]];
        let corrupt = || Error::corrupt("head", 0, format!("{:?} does not fit {rows} rows of {size}", &*head));
        let width = match bits {
            4 => Width::Four,
            8 => Width::Eight,
            _ => return Err(corrupt()),
        };
        let size = size as usize + usize::from(metric == Metric::Dot);
        if of_rows != rows || of_size as usize != size - usize::from(metric == Metric::Dot) {
            return Err(corrupt());
        }
        if !(1..=lines_for(width, size)).contains(&(lines as usize)) {
            return Err(corrupt());
        }
        let lines = lines as usize;
        let projection = Projection::open(size, width.numbers(lines), sections)?;
        let longest = sections.array_of::<f32>("longest", 1)?[0];
        let records = sections.array_of::<u8>("records", rows as usize * lines * LINE)?;
        let coder = Coder { metric, projection, width, lines, longest };
        let far: Array<[f32; 2]> = sections.array_of("far", rows as usize)?;
        let spread = Spread::of(&far, &coder);
        let records = Block::copy_of(&records);
        let gists = Gists::of(&records, &far, &coder);
        Ok(Self { coder, kernel: Packed::detect(width), records, far, spread, gists })
    }

    /// Bits of a number of a record.
    pub(in crate::vector) fn width(&self) -> Width {
        self.coder.width
    }

    /// Bytes of a record.
    pub(in crate::vector) fn stride(&self) -> usize {
        self.coder.stride()
    }

    /// The record of a mean of turned vectors, of which the first numbers count, that tells the mean of their distances: `norm` is
    /// the mean of the squares of their whole lengths.
    pub(in crate::vector) fn record_of_mean(&self, mean: &[f32], norm: f32) -> Vec<u8> {
        let mut record = vec![0u8; self.stride()];
        let turned = &mean[..self.coder.projection.dims().min(mean.len())];
        self.coder.encode(turned, norm, &mut record, &mut vec![0f32; turned.len()]);
        if numbers_of(&record).1 == 0.0 && norm.is_finite() {
            // At the centre itself a mean has no direction, but it is as near as it is.
            let tail = record.len() - TAIL;
            record[tail..tail + 4].copy_from_slice(&norm.to_le_bytes());
        }
        record
    }

    /// Bytes held in memory of our own.
    pub(in crate::vector) fn memory_bytes(&self) -> u64 {
        let gists = self.gists.as_ref().map_or(0, |gists| gists.gists.len());
        (self.records.len() + gists) as u64 + self.coder.projection.memory_bytes()
    }

    /// A query as records are compared with it; `exactly` where bounds are asked for.
    pub(in crate::vector) fn encode_query(&self, query: Query<'_>, exactly: bool, coded: &mut Coded) {
        let (coder, projection) = (&self.coder, &self.coder.projection);
        let factor = match coder.metric {
            Metric::Cosine => query.inverse,
            // The order of inner products does not depend on the query's length.
            Metric::Dot => coder.longest * query.inverse,
            Metric::Euclid | Metric::Manhattan => 1.0,
        };
        let Room { values, between, turned, signed, .. } = &mut coded.room;
        values.clear();
        values.extend(query.values.iter().map(|value| value * factor));
        values.resize(projection.size(), 0.0);
        let norm = projection.centre(values);
        if exactly {
            turned.resize(projection.dims(), 0.0);
            projection.turn(values, turned);
        } else {
            projection.turn_quick(values, between, turned);
        }
        signed.resize(turned.len(), 0);
        let unit = kernel::signed_bytes(turned, 127.0, signed);
        let sum: i32 = signed.iter().map(|byte| i32::from(*byte as i8)).sum();
        coded.bytes.clear();
        coded.bytes.resize(coder.lines * coder.width.a_line(), 0);
        coder.width.spread(signed, &mut coded.bytes);
        let middle = f32::from(coder.width.top()) / 2.0;
        coded.left_out = (norm - kernel::squares(turned)).max(0.0);
        coded.terms = Terms { norm, scale: 2.0 * unit, offset: middle * sum as f32 };
        if !norm.is_finite() {
            coded.terms = Terms::default();
        }
        if exactly {
            let squares = kernel::squares(turned);
            let whole = |byte: &u8| f32::from(*byte as i8) * unit;
            coded.off =
                turned.iter().zip(&*signed).map(|(value, byte)| (value - whole(byte)).powi(2)).sum::<f32>().sqrt();
            coded.rest = (norm - squares).max(0.0).sqrt();
            let of_code: f32 = signed.iter().map(|byte| whole(byte).powi(2)).sum();
            coded.beside = squares + coded.rest * coded.rest - of_code;
        }
        if !norm.is_finite() {
            coded.off = f32::INFINITY;
        }
    }

    /// The estimated distances of a list of records.
    #[inline]
    pub(in crate::vector) fn distances(&self, query: &Coded, places: &[u32], out: &mut Vec<f32>) {
        self.distances_in(&self.records, query, places, out);
    }

    /// The same of other records of this kind.
    #[inline]
    pub(in crate::vector) fn distances_in(&self, records: &Block, query: &Coded, places: &[u32], out: &mut Vec<f32>) {
        self.kernel.distances(records, &query.bytes, query.terms, places, out);
    }

    /// The roughly estimated distances of a list of rows, which take a fraction of the time; whether there are such, and enough
    /// rows.
    #[inline]
    pub(in crate::vector) fn rough_distances(&self, query: &mut Coded, rows: &[u32], out: &mut Vec<f32>) -> bool {
        let enough = |gists: &&Gists| rows.len() >= gists.kernel.rows_min();
        let Some(Gists { kernel, gists, .. }) = self.gists.as_ref().filter(enough) else { return false };
        let Room { turned, signed, gist, .. } = &mut query.room;
        let (unit, sum) = gist::write_query(turned, self.coder.lines, signed, gist);
        // The middle of a bit is a half.
        let terms = Terms { norm: query.terms.norm, scale: 2.0 * unit, offset: sum as f32 / 2.0 };
        // A query that is too long for floats is as near to every row.
        let terms = if query.terms == Terms::default() { query.terms } else { terms };
        kernel.distances(gists, gist, terms, rows, out);
        true
    }

    /// Bytes of a gist; 0 where there are none.
    pub(in crate::vector) fn gist_bytes(&self) -> u32 {
        self.gists.as_ref().map_or(0, |_| gist::bytes(self.coder.lines) as u32)
    }

    /// The standard deviation of rough estimates of a distance.
    pub(in crate::vector) fn rough_deviation(&self, query: &Coded, distance: f32) -> f32 {
        let off = self.gists.as_ref().map_or(0.0, |gists| gists.off);
        (off * distance.max(0.0) + self.spread.rest * query.left_out).sqrt()
    }

    /// A record.
    pub(in crate::vector) fn record(&self, place: u32) -> &[u8] {
        let stride = self.coder.stride();
        &self.records[place as usize * stride..][..stride]
    }

    /// Asks for the records of some places.
    #[inline]
    pub(in crate::vector) fn prefetch(&self, places: &[u32]) {
        kernel::prefetch_rows(&self.records, self.coder.stride(), places);
    }

    /// Between what the true distance lies, given the estimate. The query was encoded exactly.
    #[inline]
    pub(in crate::vector) fn bounds(&self, query: &Coded, place: u32, estimate: f32) -> (f32, f32) {
        let [off, rest] = self.far[place as usize];
        let seen = (estimate - rest * rest - query.beside + off * off).max(0.0).sqrt();
        let slack = ROUNDING * (estimate.max(0.0) + query.terms.norm);
        let (near, far) = ((seen - off - query.off).max(0.0), seen + off + query.off);
        let (least, most) = (rest - query.rest, rest + query.rest);
        let low = near * near + least * least - slack;
        // Where nothing is known, nothing is left out.
        (if low.is_finite() { low } else { f32::NEG_INFINITY }, far * far + most * most + slack)
    }

    /// The greatest estimate whose lower bound may be within a limit, or a little more; infinite where a record says
    /// nothing of its vector. See [`Self::bounds`].
    pub(in crate::vector) fn cutoff(&self, query: &Coded, limit: f32) -> f32 {
        let most = self.spread.most;
        let enough = 8.0 * (limit.abs() + query.terms.norm) + 8.0 * most[1] * most[1];
        let near = (limit + ROUNDING * (enough + query.terms.norm)).max(0.0).sqrt();
        let cutoff = (near + most[0] + query.off).powi(2) + most[1] * most[1] + query.beside.max(0.0);
        // The slack of a bound grows with the estimate: beyond this it was not foreseen.
        if cutoff < enough { cutoff * (1.0 + ROUNDING) } else { f32::INFINITY }
    }

    /// The standard deviation of estimates of a distance.
    pub(in crate::vector) fn deviation(&self, query: &Coded, distance: f32) -> f32 {
        (self.spread.off * distance.max(0.0) + self.spread.rest * query.left_out).sqrt()
    }

    /// The distance that goes with a score.
    pub(in crate::vector) fn distance_of_score(&self, query: Query<'_>, score: f32) -> f32 {
        let longest = self.coder.longest;
        match self.coder.metric {
            Metric::Cosine => 2.0 - 2.0 * score,
            Metric::Dot => 2.0 * longest * (longest - score * query.inverse),
            Metric::Euclid | Metric::Manhattan => -score,
        }
    }
}
