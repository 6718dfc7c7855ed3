//! Product quantisation (Jégou, Douze & Schmid 2011): a vector is cut into parts, and each part is
//! replaced by the nearest of a few words learned for it.
//!
//! What is encoded is a *residual*, what is left of a vector after its list's centroid was taken away. For
//! a residual `r` with the words' vector `w`, the centroid `c` and a query `q`
//!
//! ```text
//! |q - c - r|^2 = |q - c|^2 + |r|^2 + 2<c, r> - 2<q, r>      of which only <q, r> is not known: s <q, w>
//! ```
//!
//! with `s = |r|^2 / <r, w>`, which is right for a query in the residual's direction, where the nearest
//! ones are. So a list gives one number, a vector gives two (bias and factor), and the table of a query,
//! `<q, word>`, is made once for all lists.
//!
//! ```text
//! pq       bits u32 | size u32 | width u32
//! books    parts x width x words x f32     one number of all words, then the next number
//! ```

use crate::error::{Error, Result};
use crate::layout::{Sections, SectionsWriter};
use crate::vector::kernel::fastscan::{BESIDE_BYTES, Fastscan, LANES, PARTS, Terms};
use crate::vector::kernel::words::Words;
use rayon::prelude::*;
use std::io::{self, Write};

/// Rounds of k-means in each part.
const ROUNDS: usize = 8;

/// Residuals that a word is learned from, at most.
const SAMPLE_PER_WORD: usize = 64;

/// The greatest sum of a table's bytes.
const SUM_MAX: f32 = 65_535.0;

/// Words for the parts of a vector.
#[derive(Debug)]
pub(in crate::vector) struct Pq {
    bits: u32,
    size: usize,
    width: usize,
    books: Vec<f32>,
    words: Words,
    scan: Fastscan,
}

/// The table of a query: what each word of each part adds, in bytes.
#[derive(Debug, Default)]
pub(in crate::vector) struct Table {
    bytes: Vec<u8>,
    offset: f32,
    step: f32,
    exact: Vec<f32>,
    ends: Vec<(f32, f32)>,
}

/// A residual as it is encoded.
#[derive(Copy, Clone, Debug)]
pub(in crate::vector) struct Residual<'a> {
    /// The vector less its centroid.
    pub(in crate::vector) values: &'a [f32],
    /// The centroid, less what is taken from every query.
    pub(in crate::vector) centroid: &'a [f32],
    /// Whether inner products are looked for, not distances.
    pub(in crate::vector) by_product: bool,
    /// What a distance is to be more than it is.
    pub(in crate::vector) extra: f32,
}

impl Pq {
    /// Numbers of a part, so that a number takes one bit: 4 for 16 words, 8 for 256.
    fn width_of(bits: u32, size: usize) -> usize {
        (bits as usize).min(size)
    }

    /// Residuals that are enough to learn from.
    pub(in crate::vector) fn sample_rows(bits: u32) -> usize {
        SAMPLE_PER_WORD << bits
    }

    /// Learns the words from residuals of `size` numbers; the same for any number of threads.
    pub(in crate::vector) fn learn(bits: u32, size: usize, residuals: &[f32]) -> Self {
        let (width, words) = (Self::width_of(bits, size), 1usize << bits);
        let loops = Words::detect();
        let books: Vec<f32> = (0..size.div_ceil(width))
            .into_par_iter()
            .flat_map_iter(|part| {
                let from = part * width;
                let to = size.min(from + width);
                let mut sample = Vec::with_capacity(residuals.len() / size * width);
                for row in residuals.chunks_exact(size) {
                    sample.extend_from_slice(&row[from..to]);
                    sample.resize(sample.len() + width - (to - from), 0.0);
                }
                learn_part(loops, words, width, &sample)
            })
            .collect();
        Self { bits, size, width, books, words: loops, scan: Fastscan::detect() }
    }

    /// Lays the words down.
    pub(in crate::vector) fn write<W: Write>(&self, out: &mut SectionsWriter<W>) -> io::Result<()> {
        out.put("pq", &[self.bits, self.size as u32, self.width as u32])?;
        out.put("books", &self.books)
    }

    /// Reads what [`Self::write`] laid down.
    pub(in crate::vector) fn open(bits: u32, size: usize, sections: &Sections) -> Result<Self> {
        let width = Self::width_of(bits, size);
        let head = sections.array_of::<u32>("pq", 3)?;
        let wanted = [bits, size as u32, width as u32];
        if *head != wanted {
            return Err(Error::corrupt("pq", 0, format!("bits, size and width are {:?}, not {wanted:?}", &*head)));
        }
        let books = sections.array_of::<f32>("books", (size.div_ceil(width) * width) << bits)?.to_vec();
        Ok(Self { bits, size, width, books, words: Words::detect(), scan: Fastscan::detect() })
    }

    fn parts(&self) -> usize {
        self.size.div_ceil(self.width)
    }

    /// Bytes of the table for one part.
    fn words_of_part(&self) -> usize {
        1 << self.bits
    }

    /// Bytes of one vector's code before it is put into a block: a byte a part, and two floats.
    pub(in crate::vector) fn row_bytes(&self) -> usize {
        self.parts() + 8
    }

    /// Bytes of a block of 32 vectors.
    pub(in crate::vector) fn block_bytes(&self) -> usize {
        let of_part = if self.bits == 4 { LANES / 2 } else { LANES };
        self.parts_in_block() * of_part + BESIDE_BYTES
    }

    fn parts_in_block(&self) -> usize {
        if self.bits == 4 { self.parts().next_multiple_of(PARTS) } else { self.parts() }
    }

    /// Bytes held in memory.
    pub(in crate::vector) fn memory_bytes(&self) -> u64 {
        size_of_val(&self.books[..]) as u64
    }

    /// Encodes one residual into `row_bytes` bytes.
    pub(in crate::vector) fn encode(&self, residual: Residual<'_>, out: &mut [u8]) {
        let (codes, beside) = out.split_at_mut(self.parts());
        let (words, rows) = (self.words_of_part(), (residual.values, self.size));
        self.words.encode(words, rows, (&self.books, self.width), codes);
        let (mut of_itself, mut of_words, mut of_centroid) = (0f64, 0f64, 0f64);
        for (at, (value, centre)) in residual.values.iter().zip(residual.centroid).enumerate() {
            let (part, number) = (at / self.width, at % self.width);
            let word = self.books[(part * self.width + number) * words + usize::from(codes[part])];
            of_itself += f64::from(*value) * f64::from(*value);
            of_words += f64::from(*value) * f64::from(word);
            of_centroid += f64::from(*centre) * f64::from(word);
        }
        // A residual across its words, or none at all, has no such scale.
        let scale = of_itself / of_words;
        let scale = if scale.is_finite() && scale > 0.0 { scale.clamp(0.5, 4.0) } else { 1.0 };
        let (bias, factor) = match residual.by_product {
            true => (0.0, -scale),
            false => (of_itself + 2.0 * scale * of_centroid, -2.0 * scale),
        };
        beside[..4].copy_from_slice(&(bias as f32 + residual.extra).to_le_bytes());
        beside[4..].copy_from_slice(&(factor as f32).to_le_bytes());
    }

    /// Puts up to 32 encoded vectors into a block. Lanes without one are farther than anything.
    pub(in crate::vector) fn pack(&self, rows: &[u8], block: &mut [u8]) {
        block.fill(0);
        let (codes, beside) = block.split_at_mut(self.block_bytes() - BESIDE_BYTES);
        let (bias, factor) = beside.split_at_mut(BESIDE_BYTES / 2);
        bias.as_chunks_mut::<4>().0.fill(f32::INFINITY.to_le_bytes());
        for (lane, row) in rows.chunks_exact(self.row_bytes()).enumerate() {
            let (words, floats) = row.split_at(self.parts());
            for (part, word) in words.iter().enumerate() {
                match self.bits {
                    4 => codes[part * 16 + lane % 16] |= word << (lane / 16 * 4),
                    _ => codes[part * LANES + lane] = *word,
                }
            }
            bias[lane * 4..][..4].copy_from_slice(&floats[..4]);
            factor[lane * 4..][..4].copy_from_slice(&floats[4..]);
        }
    }

    /// Makes the table of a query, less what is taken from every query. Its steps are the same for all
    /// parts, and as fine as a byte and the sum of a vector's bytes allow.
    pub(in crate::vector) fn table(&self, query: &[f32], table: &mut Table) {
        let words = self.words_of_part();
        self.words.table(words, query, (&self.books, self.width), &mut table.exact, &mut table.ends);
        let (mut offset, mut widest, mut all) = (0f32, 0f32, 0f32);
        for (least, most) in &table.ends {
            offset += least;
            widest = widest.max(most - least);
            all += most - least;
        }
        // Every byte is rounded up by a half at most.
        let room = SUM_MAX - self.parts() as f32;
        let step = (widest / 255.0).max(all / room).max(f32::MIN_POSITIVE);
        let per_step = 1.0 / step;
        table.bytes.clear();
        table.bytes.resize(self.parts_in_block() * words, 0);
        self.words.quantise(words, &table.exact, &table.ends, per_step, &mut table.bytes);
        (table.offset, table.step) = (offset, step);
    }

    /// Estimates for all lanes of whole blocks; `base` is the distance of query and centroid, or the
    /// negated inner product.
    pub(in crate::vector) fn scan(&self, table: &Table, base: f32, blocks: &[u8], out: &mut Vec<f32>) {
        let terms = Terms { base, offset: table.offset, step: table.step };
        match self.bits {
            4 => self.scan.scan4(blocks, &table.bytes, terms, out),
            _ => self.scan.scan8(blocks, &table.bytes, terms, out),
        }
    }
}

/// k-means over the parts of a sample, one part.
fn learn_part(loops: Words, words: usize, width: usize, sample: &[f32]) -> Vec<f32> {
    let rows = sample.len() / width;
    let mut book = vec![0f32; width * words];
    if rows == 0 {
        return book;
    }
    // Spread over the sample; a sample smaller than the words repeats itself, which does no harm.
    for word in 0..words {
        let row = (word * rows / words).min(rows - 1);
        for number in 0..width {
            book[number * words + word] = sample[row * width + number];
        }
    }
    let mut codes = vec![0u8; rows];
    let (mut sums, mut counts) = (vec![0f64; width * words], vec![0u32; words]);
    for round in 0..ROUNDS {
        loops.encode(words, (sample, width), (&book, width), &mut codes);
        sums.fill(0.0);
        counts.fill(0);
        for (code, values) in codes.iter().zip(sample.chunks_exact(width)) {
            counts[usize::from(*code)] += 1;
            for (number, value) in values.iter().enumerate() {
                sums[number * words + usize::from(*code)] += f64::from(*value);
            }
        }
        let full = (0..words).rev().max_by_key(|word| counts[*word]).unwrap_or(0);
        for word in 0..words {
            for number in 0..width {
                let at = number * words + word;
                if counts[word] > 0 {
                    book[at] = (sums[at] / f64::from(counts[word])) as f32;
                } else if round + 1 < ROUNDS {
                    // A word that nobody took moves to where there are most, a little aside of the word there.
                    let row = codes.iter().skip(word).position(|code| usize::from(*code) == full).unwrap_or(0);
                    book[at] = sample[(row + word).min(rows - 1) * width + number];
                }
            }
        }
    }
    book
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::SectionsWriter;

    fn numbers(seed: u64, len: usize) -> Vec<f32> {
        let mut state = seed;
        let mut roll = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        };
        (0..len).map(|_| roll() + roll() + roll()).collect()
    }

    fn distance(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
    }

    fn block(pq: &Pq, rows: &[f32], centroid: &[f32], by_product: bool) -> Vec<u8> {
        let mut encoded = vec![0; rows.len() / centroid.len() * pq.row_bytes()];
        for (values, out) in rows.chunks(centroid.len()).zip(encoded.chunks_mut(pq.row_bytes())) {
            pq.encode(Residual { values, centroid, by_product, extra: 0.0 }, out);
        }
        let mut block = vec![0; pq.block_bytes()];
        pq.pack(&encoded, &mut block);
        block
    }

    #[test]
    fn estimates_are_near_and_lanes_without_a_vector_are_nowhere() {
        for (bits, size) in [(4, 64), (4, 62), (4, 3), (8, 64), (8, 50), (8, 1)] {
            let rows = numbers(1, 600 * size);
            let pq = Pq::learn(bits, size, &rows);
            let (query, centroid) = (numbers(2, size), numbers(3, size));
            let lanes = 29;
            for by_product in [false, true] {
                let block = block(&pq, &rows[..lanes * size], &centroid, by_product);
                let (mut table, mut out) = (Table::default(), Vec::new());
                pq.table(&query, &mut table);
                let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
                let base = if by_product { -product(&query, &centroid) } else { distance(&query, &centroid) };
                pq.scan(&table, base, &block, &mut out);
                assert!(out[lanes..].iter().all(|estimate| *estimate == f32::INFINITY));
                let mut off = 0.0;
                for (estimate, residual) in out.iter().zip(rows.chunks(size)).take(lanes) {
                    let vector: Vec<f32> = residual.iter().zip(&centroid).map(|(r, c)| r + c).collect();
                    let want = if by_product { -product(&query, &vector) } else { distance(&query, &vector) };
                    off += (estimate - want).powi(2) / lanes as f32;
                }
                // So far apart are distances here; an estimate is off by a part of that.
                let spread = if by_product { size as f32 } else { 8.0 * size as f32 };
                assert!(off <= 0.9 * spread, "{bits} bits of {size}, product {by_product}: {off}");
            }
        }
    }

    #[test]
    fn bytes_order_as_floats_do() {
        let size = 128;
        let rows = numbers(4, 800 * size);
        for bits in [4, 8] {
            let pq = Pq::learn(bits, size, &rows);
            let mut table = Table::default();
            pq.table(&numbers(5, size), &mut table);
            let words = 1 << bits;
            for round in 0..100 {
                let codes: Vec<usize> = (0..pq.parts()).map(|part| (part * 7 + round * 13) % words).collect();
                let exact: f32 = codes.iter().enumerate().map(|(part, code)| table.exact[part * words + code]).sum();
                let sum: u32 =
                    codes.iter().enumerate().map(|(part, code)| u32::from(table.bytes[part * words + code])).sum();
                assert!(sum <= 65_535);
                let off = (table.offset + table.step * sum as f32 - exact).abs();
                // Each byte is off by half a step at most, one with another much less than all together.
                assert!(off <= table.step * (pq.parts() as f32).sqrt() * 1.5 + 1e-3, "{off}, step {}", table.step);
            }
        }
    }

    #[test]
    fn a_table_of_extremes_does_not_overflow() {
        let size = 4096;
        let rows = numbers(6, 64 * size);
        let pq = Pq::learn(4, size, &rows);
        for scale in [0.0, 1e-38, 1.0, 1e18, f32::MAX, f32::INFINITY] {
            let query: Vec<f32> = numbers(7, size).iter().map(|value| value * scale).collect();
            let mut table = Table::default();
            pq.table(&query, &mut table);
            let most: u32 = table.bytes.chunks(16).map(|part| u32::from(part.iter().copied().max().unwrap_or(0))).sum();
            assert!(most <= 65_535, "{scale}: {most}");
        }
    }

    #[test]
    fn words_are_the_same_for_any_number_of_threads_and_are_read_back() {
        let rows = numbers(8, 500 * 30);
        for bits in [4, 8] {
            let by = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| Pq::learn(bits, 30, &rows))
            };
            let pq = by(1);
            assert_eq!(pq.books, by(3).books);
            let mut out = SectionsWriter::new(Vec::new());
            pq.write(&mut out).unwrap();
            let sections = Sections::open(out.finish().unwrap().into()).unwrap();
            assert_eq!(Pq::open(bits, 30, &sections).unwrap().books, pq.books);
            assert!(Pq::open(bits, 31, &sections).is_err() && Pq::open(12 - bits, 30, &sections).is_err());
        }
    }
}
