//! Loops over the words of product quantisation: which word is nearest, and how near each word is.
//!
//! The words of a part stand side by side, one number of all of them after another, so that a register
//! holds the same number of many words. Products and sums come in a fixed order and are never fused: the
//! same loops, compiled for several instruction sets, give the same bits.

use std::fmt;

/// Writes the nearest word of `parts` of `WORDS` words each for whole rows.
///
/// # Safety
///
/// The machine has the instructions that the function was compiled for.
type Encode = unsafe fn(rows: &[f32], size: usize, books: &[f32], width: usize, out: &mut [u8]);

/// The inner products of a query with all words; the least of each part, and the greatest.
///
/// # Safety
///
/// The machine has the instructions that the function was compiled for.
type Table = unsafe fn(query: &[f32], books: &[f32], width: usize, out: &mut [f32], ends: &mut [(f32, f32)]);

/// Turns floats into bytes: steps above the least of their part, rounded.
///
/// # Safety
///
/// The machine has the instructions that the function was compiled for.
type Quantise = unsafe fn(exact: &[f32], ends: &[(f32, f32)], per_step: f32, out: &mut [u8]);

/// The loops that are best on this machine, for 16 and for 256 words.
#[derive(Copy, Clone)]
pub(in crate::vector) struct Words {
    encode: [Encode; 2],
    table: [Table; 2],
    quantise: [Quantise; 2],
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Words")
    }
}

/// Which of the two loops is for so many words.
fn which(words: usize) -> usize {
    assert!(words == 16 || words == 256, "words are told by 4 bits or by 8");
    usize::from(words == 256)
}

impl Words {
    /// Looks at the machine.
    pub(in crate::vector) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512bw") {
                return avx512::LOOPS;
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                return avx2::LOOPS;
            }
        }
        portable::LOOPS
    }

    /// The nearest word for each part of each row, a byte a part; the first of those equally near. Rows
    /// have `size` numbers and are cut into parts of `width`, the last one padded with zeros. `books` holds
    /// for each part `width` x `words` numbers.
    pub(in crate::vector) fn encode(
        self,
        words: usize,
        (rows, size): (&[f32], usize),
        (books, width): (&[f32], usize),
        out: &mut [u8],
    ) {
        let parts = size.div_ceil(width);
        assert!(books.len() == parts * width * words && out.len() * size == rows.len() * parts, "a byte a part");
        // SAFETY: `detect` gave these loops because the machine has what they are compiled for.
        unsafe { (self.encode[which(words)])(rows, size, books, width, out) };
    }

    /// The bytes of a table: how many steps each number is above the least of its part, at most 255. `out`
    /// may be longer than the table.
    pub(in crate::vector) fn quantise(
        self,
        words: usize,
        exact: &[f32],
        ends: &[(f32, f32)],
        per_step: f32,
        out: &mut [u8],
    ) {
        // SAFETY: as of `encode`.
        unsafe { (self.quantise[which(words)])(exact, ends, per_step, out) };
    }

    /// The inner product of the query's parts with every word, and the least and greatest of each part.
    pub(in crate::vector) fn table(
        self,
        words: usize,
        query: &[f32],
        (books, width): (&[f32], usize),
        out: &mut Vec<f32>,
        ends: &mut Vec<(f32, f32)>,
    ) {
        let parts = query.len().div_ceil(width);
        assert!(books.len() == parts * width * words, "a book for each part");
        out.clear();
        out.resize(parts * words, 0.0);
        ends.clear();
        ends.resize(parts, (0.0, 0.0));
        // SAFETY: as of `encode`.
        unsafe { (self.table[which(words)])(query, books, width, out, ends) };
    }
}

#[inline(always)]
fn quantise_plain<const WORDS: usize>(exact: &[f32], ends: &[(f32, f32)], per_step: f32, out: &mut [u8]) {
    let tables = exact.as_chunks::<WORDS>().0.iter().zip(out.as_chunks_mut::<WORDS>().0);
    for ((exact, out), (least, _)) in tables.zip(ends) {
        for (exact, byte) in exact.iter().zip(out) {
            // The comparison first, so that NaN becomes 0 and nothing is beyond a byte.
            let steps = (exact - least) * per_step + 0.5;
            let steps = if steps > 0.0 { steps } else { 0.0 };
            *byte = if steps < 255.0 { steps as i32 as u8 } else { 255 };
        }
    }
}

#[inline(always)]
fn encode_plain<const WORDS: usize>(rows: &[f32], size: usize, books: &[f32], width: usize, out: &mut [u8]) {
    let parts = size.div_ceil(width);
    for (part, book) in books.chunks_exact(width * WORDS).enumerate() {
        let book = book.as_chunks::<WORDS>().0;
        for (row, out) in rows.chunks_exact(size).zip(out.chunks_exact_mut(parts)) {
            let values = &row[part * width..size.min((part + 1) * width)];
            let mut distances = [0f32; WORDS];
            for (value, words) in values.iter().zip(book) {
                for (distance, word) in distances.iter_mut().zip(words) {
                    *distance += (value - word) * (value - word);
                }
            }
            out[part] = nearest(&distances);
        }
    }
}

/// The place of the least; 0 where there is none.
#[inline(always)]
fn nearest<const WORDS: usize>(distances: &[f32; WORDS]) -> u8 {
    let mut lanes = [f32::INFINITY; 16];
    for sixteen in distances.as_chunks::<16>().0 {
        for (lane, distance) in lanes.iter_mut().zip(sixteen) {
            *lane = if *distance < *lane { *distance } else { *lane };
        }
    }
    let least = lanes.iter().fold(f32::INFINITY, |least, lane| if *lane < least { *lane } else { least });
    distances.iter().position(|distance| *distance == least).unwrap_or(0) as u8
}

#[inline(always)]
fn table_plain<const WORDS: usize>(
    query: &[f32],
    books: &[f32],
    width: usize,
    out: &mut [f32],
    ends: &mut [(f32, f32)],
) {
    let tables = out.as_chunks_mut::<WORDS>().0.iter_mut().zip(ends);
    for ((values, book), (table, ends)) in query.chunks(width).zip(books.chunks_exact(width * WORDS)).zip(tables) {
        let mut sums = [0f32; WORDS];
        for (value, words) in values.iter().zip(book.as_chunks::<WORDS>().0) {
            for (sum, word) in sums.iter_mut().zip(words) {
                *sum += value * word;
            }
        }
        let (mut least, mut most) = ([f32::INFINITY; 16], [f32::NEG_INFINITY; 16]);
        for sixteen in sums.as_chunks::<16>().0 {
            for lane in 0..16 {
                least[lane] = if sixteen[lane] < least[lane] { sixteen[lane] } else { least[lane] };
                most[lane] = if sixteen[lane] > most[lane] { sixteen[lane] } else { most[lane] };
            }
        }
        let least = least.iter().fold(f32::INFINITY, |end, lane| if *lane < end { *lane } else { end });
        let most = most.iter().fold(f32::NEG_INFINITY, |end, lane| if *lane > end { *lane } else { end });
        *ends = (least, most);
        *table = sums;
    }
}

/// The plain loops under names of their own, compiled for more than the baseline.
macro_rules! compiled {
    ($room:ident, $loops:ident $(, $features:literal)?) => {
        mod $room {
            use super::*;

            pub(super) const LOOPS: Words = Words {
                encode: [encode::<16>, encode::<256>],
                table: [table::<16>, table::<256>],
                quantise: [quantise::<16>, quantise::<256>],
            };

            /// # Safety
            ///
            /// The machine has what this is compiled for; every access is checked.
            $(#[target_feature(enable = $features)])?
            unsafe fn quantise<const WORDS: usize>(
                exact: &[f32],
                ends: &[(f32, f32)],
                per_step: f32,
                out: &mut [u8],
            ) {
                quantise_plain::<WORDS>(exact, ends, per_step, out);
            }

            /// # Safety
            ///
            /// The machine has what this is compiled for; every access is checked.
            $(#[target_feature(enable = $features)])?
            unsafe fn encode<const WORDS: usize>(
                rows: &[f32],
                size: usize,
                books: &[f32],
                width: usize,
                out: &mut [u8],
            ) {
                encode_plain::<WORDS>(rows, size, books, width, out);
            }

            /// # Safety
            ///
            /// The machine has what this is compiled for; every access is checked.
            $(#[target_feature(enable = $features)])?
            unsafe fn table<const WORDS: usize>(
                query: &[f32],
                books: &[f32],
                width: usize,
                out: &mut [f32],
                ends: &mut [(f32, f32)],
            ) {
                table_plain::<WORDS>(query, books, width, out, ends);
            }
        }
    };
}

compiled!(portable, LOOPS);
#[cfg(target_arch = "x86_64")]
compiled!(avx2, LOOPS, "avx2");
#[cfg(target_arch = "x86_64")]
compiled!(avx512, LOOPS, "avx512f,avx512bw");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::kernel::tests::{few, sample};

    fn loops() -> Vec<Words> {
        let mut loops = vec![portable::LOOPS, Words::detect()];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            loops.push(avx2::LOOPS);
        }
        loops
    }

    #[test]
    fn every_loop_agrees_with_a_search_word_by_word() {
        let shapes = [(16, 4, 24), (16, 4, 23), (16, 3, 7), (256, 8, 24), (256, 8, 17), (256, 1, 1)];
        for &(words, width, size) in few(&shapes, 3) {
            let parts = usize::div_ceil(size, width);
            let (rows, books) = (sample(1, 5 * size), sample(2, parts * width * words));
            let word = |part: usize, word: usize, at: usize| books[(part * width + at) * words + word];
            let mut codes = Vec::new();
            for row in rows.chunks(size) {
                for (part, values) in row.chunks(width).enumerate() {
                    let far = |w: &usize| {
                        let offs = values.iter().enumerate().map(|(at, value)| value - word(part, *w, at));
                        offs.fold(0f32, |sum, off| sum + off * off)
                    };
                    codes.push((0..words).min_by(|a, b| far(a).total_cmp(&far(b))).unwrap() as u8);
                }
            }
            let mut tables = Vec::new();
            for (part, values) in rows[..size].chunks(width).enumerate() {
                for w in 0..words {
                    let products = values.iter().enumerate().map(|(at, value)| value * word(part, w, at));
                    tables.push(products.fold(0f32, |sum, product| sum + product));
                }
            }
            for loops in loops() {
                let mut got = vec![0; codes.len()];
                loops.encode(words, (&rows, size), (&books, width), &mut got);
                assert_eq!(got, codes);
                let (mut table, mut ends) = (vec![1.0], Vec::new());
                loops.table(words, &rows[..size], (&books, width), &mut table, &mut ends);
                assert_eq!(table, tables);
                let (mut bytes, per_step) = (vec![9; table.len() + 3], 40.0);
                loops.quantise(words, &table, &ends, per_step, &mut bytes);
                assert_eq!(bytes[table.len()..], [9; 3]);
                for (at, byte) in bytes[..table.len()].iter().enumerate() {
                    let want = ((table[at] - ends[at / words].0) * per_step + 0.5) as u8;
                    assert_eq!(*byte, want);
                }
                for (ends, table) in ends.iter().zip(table.chunks(words)) {
                    assert_eq!(ends.0, table.iter().copied().fold(f32::INFINITY, f32::min));
                    assert_eq!(ends.1, table.iter().copied().fold(f32::NEG_INFINITY, f32::max));
                }
            }
        }
    }
}
