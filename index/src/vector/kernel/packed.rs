//! Estimated distances of packed records: codes of 4 or 8 bits with two numbers of their own.
//!
//! A record is a number of whole cache lines, so that one look at memory brings all of it:
//!
//! ```text
//! record   code, 64 x lines - 8 bytes | bias f32 | factor f32
//! ```
//!
//! The code of a query has one signed byte for each number of a code, and zeros where a record has its two
//! numbers. With `dot` the integer product of the two, the distance is estimated as
//! `bias + query.norm - factor x query.scale x (dot - query.offset)`. The product is exact and the rest is
//! the same few operations everywhere, so every twin gives the same bits.
//!
//! In a code of 4 bits a byte holds one number low and the next one high, and a query has all that meet the low halves of
//! a line in one line and all that meet the high ones in the next: two masks unpack a line, with no shuffle.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use super::{LINE, prefetch, prefetch_line};
use std::fmt;

/// Bytes at the end of a record that are no code.
pub(in crate::vector) const TAIL: usize = 8;

/// How far ahead of the comparison records are asked for.
const AHEAD: usize = 8;

/// Bits of a number of a code.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(in crate::vector) enum Width {
    /// Two numbers a byte.
    Four,
    /// One number a byte.
    Eight,
}

impl Width {
    /// Numbers in a line.
    pub(in crate::vector) fn a_line(self) -> usize {
        match self {
            Self::Four => 2 * LINE,
            Self::Eight => LINE,
        }
    }

    /// Numbers in a record of so many lines.
    pub(in crate::vector) fn numbers(self, lines: usize) -> usize {
        lines * self.a_line() - TAIL * self.a_line() / LINE
    }

    /// The greatest number.
    pub(in crate::vector) fn top(self) -> u8 {
        match self {
            Self::Four => 15,
            Self::Eight => 255,
        }
    }

    /// Spreads the numbers of a query's code over its lines.
    pub(in crate::vector) fn spread(self, numbers: &[u8], query: &mut [u8]) {
        match self {
            Self::Eight => query[..numbers.len()].copy_from_slice(numbers),
            Self::Four => {
                for (numbers, lines) in numbers.chunks(2 * LINE).zip(query.chunks_exact_mut(2 * LINE)) {
                    let (low, high) = lines.split_at_mut(LINE);
                    for ((pair, low), high) in numbers.chunks(2).zip(low).zip(high) {
                        *low = pair[0];
                        *high = pair.get(1).copied().unwrap_or(0);
                    }
                }
            }
        }
    }

    /// Where number `at` of a code stands: in the query, and in the record as byte and shift.
    pub(in crate::vector) fn place(self, at: usize) -> (usize, usize, u32) {
        match self {
            Self::Eight => (at, at, 0),
            Self::Four => {
                let (line, within) = (at / (2 * LINE), at % (2 * LINE));
                let (byte, high) = (within / 2, within % 2);
                (line * 2 * LINE + high * LINE + byte, line * LINE + byte, 4 * high as u32)
            }
        }
    }
}

/// What the distances of one query have in common.
#[derive(Copy, Clone, PartialEq, Debug, Default)]
pub(in crate::vector) struct Terms {
    /// The part of the distance that is the query's own.
    pub(in crate::vector) norm: f32,
    /// What one unit of the product stands for, for a factor of 1.
    pub(in crate::vector) scale: f32,
    /// The product of the query with the middle of the codes.
    pub(in crate::vector) offset: f32,
}

/// Estimates the distances of a list of records.
///
/// # Safety
///
/// `query` is whole lines; `records` holds whole records of as many lines as the query has (half as many for 4 bits); every
/// row of the list is one of them; `out` is as long as the list; and the machine has the instructions that the
/// function was compiled for.
type List = unsafe fn(records: &[u8], query: &[u8], terms: Terms, rows: &[u32], out: &mut [f32]);

/// The kernel that is best on this machine for codes of one width.
#[derive(Copy, Clone)]
pub(in crate::vector) struct Packed {
    width: Width,
    list: List,
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed({:?})", self.width)
    }
}

impl Packed {
    /// Looks at the machine.
    pub(in crate::vector) fn detect(width: Width) -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if super::has_avx512() {
                let list = if width == Width::Four { avx512::fours } else { avx512::eights };
                return Self { width, list };
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                let list = if width == Width::Four { avx2::fours } else { avx2::eights };
                return Self { width, list };
            }
        }
        Self::portable(width)
    }

    fn portable(width: Width) -> Self {
        Self { width, list: if width == Width::Four { portable_fours } else { portable_eights } }
    }

    /// The estimated distances of a list of records.
    #[inline]
    pub(in crate::vector) fn distances(
        &self,
        records: &[u8],
        query: &[u8],
        terms: Terms,
        rows: &[u32],
        out: &mut Vec<f32>,
    ) {
        out.resize(rows.len(), 0.0);
        if rows.is_empty() {
            return;
        }
        let last = super::largest(rows);
        let stride = query.len() / self.width.a_line() * LINE;
        assert!(
            query.len().is_multiple_of(self.width.a_line()) && (last as usize + 1) * stride <= records.len(),
            "rows lie inside the records"
        );
        // SAFETY: the assertion holds what `List` asks for, `out` was made as long as the list, and `detect`
        // gave this kernel because the machine has what it is compiled for.
        unsafe { (self.list)(records, query, terms, rows, out) };
    }
}

/// The distance that a product stands for.
#[inline(always)]
pub(super) fn estimate(terms: Terms, tail: [f32; 2], dot: i32) -> f32 {
    tail[0] + terms.norm - tail[1] * terms.scale * (dot as f32 - terms.offset)
}

/// The two numbers at the end of a record.
#[inline(always)]
fn tail_of(record: &[u8]) -> [f32; 2] {
    let tail: &[u8; TAIL] = record.last_chunk().expect("a record has a tail");
    let number = |at: usize| f32::from_le_bytes([tail[at], tail[at + 1], tail[at + 2], tail[at + 3]]);
    [number(0), number(4)]
}

#[inline(always)]
fn each(
    stride: usize,
    records: &[u8],
    query: &[u8],
    terms: Terms,
    rows: &[u32],
    out: &mut [f32],
    dot: impl Fn(&[u8], &[u8]) -> i32,
) {
    let record = |row: u32| &records[row as usize * stride..][..stride];
    for row in rows.iter().take(AHEAD) {
        prefetch(record(*row));
    }
    for (at, out) in out.iter_mut().enumerate() {
        if let Some(row) = rows.get(at + AHEAD) {
            prefetch(record(*row));
        }
        let record = record(rows[at]);
        *out = estimate(terms, tail_of(record), dot(record, query));
    }
}

#[inline(always)]
fn dot_fours(record: &[u8], query: &[u8]) -> i32 {
    let lines = record.chunks_exact(LINE).zip(query.chunks_exact(2 * LINE));
    lines.fold(0i32, |sum, (line, query)| {
        let pairs = line.iter().zip(&query[..LINE]).zip(&query[LINE..]);
        pairs.fold(sum, |sum, ((byte, low), high)| {
            let low = i32::from(byte & 15) * i32::from(*low as i8);
            sum.wrapping_add(low).wrapping_add(i32::from(byte >> 4) * i32::from(*high as i8))
        })
    })
}

#[inline(always)]
fn dot_eights(record: &[u8], query: &[u8]) -> i32 {
    record.iter().zip(query).map(|(code, q)| i32::from(*code) * i32::from(*q as i8)).fold(0, i32::wrapping_add)
}

/// # Safety
///
/// None is needed: every access is checked. As a pointer it has the type of its twins.
unsafe fn portable_fours(records: &[u8], query: &[u8], terms: Terms, rows: &[u32], out: &mut [f32]) {
    each(query.len() / 2, records, query, terms, rows, out, dot_fours);
}

/// # Safety
///
/// None is needed: every access is checked. As a pointer it has the type of its twins.
unsafe fn portable_eights(records: &[u8], query: &[u8], terms: Terms, rows: &[u32], out: &mut [f32]) {
    each(query.len(), records, query, terms, rows, out, dot_eights);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::kernel::Block;
    use crate::vector::kernel::tests::{few, sample};

    fn bytes(seed: u32, len: usize) -> Vec<u8> {
        sample(seed, len).iter().map(|value| (value * 1e4) as i32 as u8).collect()
    }

    #[test]
    fn every_kernel_agrees_with_the_plain_one() {
        let terms = Terms { norm: 3.5, scale: 0.25, offset: 17.0 };
        for width in [Width::Four, Width::Eight] {
            for &lines in few(&[1, 2, 3, 4, 5, 7], 2) {
                let stride = lines * LINE;
                let mut records = Block::copy_of(&bytes(lines as u32, stride * 19));
                for (row, record) in records.bytes_mut().chunks_exact_mut(stride).enumerate() {
                    record[stride - TAIL..stride - 4].copy_from_slice(&(row as f32).to_le_bytes());
                    record[stride - 4..].copy_from_slice(&0.5f32.to_le_bytes());
                }
                let mut query = bytes(99, lines * width.a_line());
                for part in 1..=width.a_line() / LINE {
                    let end = query.len() - (part - 1) * LINE;
                    query[end - TAIL..end].fill(0);
                }
                for &list in few(&[0, 1, 5, 3, 4, 19], 3) {
                    let rows: Vec<u32> = (0..list).map(|at| at * 7 % 19).collect();
                    let (mut want, mut got) = (vec![1.0], vec![2.0]);
                    Packed::portable(width).distances(&records, &query, terms, &rows, &mut want);
                    Packed::detect(width).distances(&records, &query, terms, &rows, &mut got);
                    assert_eq!(got, want);
                    #[cfg(target_arch = "x86_64")]
                    if std::arch::is_x86_feature_detected!("avx2") {
                        let list = if width == Width::Four { avx2::fours } else { avx2::eights };
                        Packed { width, list }.distances(&records, &query, terms, &rows, &mut got);
                        assert_eq!(got, want);
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_have_places_of_their_own() {
        for width in [Width::Four, Width::Eight] {
            for lines in 1..5 {
                let mut seen = std::collections::BTreeSet::new();
                for at in 0..width.numbers(lines) {
                    let (query, byte, shift) = width.place(at);
                    assert!(byte < lines * LINE - TAIL && query < lines * width.a_line());
                    assert!(seen.insert((byte, shift)) && seen.insert((usize::MAX, query as u32)));
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "rows lie inside the records")]
    fn a_row_beyond_the_records_is_not_read() {
        Packed::detect(Width::Four).distances(&[0; 128], &[0; 128], Terms::default(), &[2], &mut Vec::new());
    }
}
