//! Estimated distances from one bit a number: what a scan of many rows looks at before it looks at their records.
//!
//! A gist is made of a record of 4 bits a number (`packed`): which numbers lie above the middle, in the record's own order.
//! It is read eight bytes at a time and takes a third of the room:
//!
//! ```text
//! gist     bias f32 | factor f32 | for each line of the record: low halves u64 | high halves u64 | zeros up to a half line
//! ```
//!
//! With `sum` the sum of the query's numbers where a bit is set, the distance is estimated as
//! `bias + query.norm - factor x query.scale x (sum - query.offset)`, by the same operations as of a record. Numbers of a
//! query are at most [`TOP`], and the sum is exact, so every twin gives the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use super::packed::{Terms, Width};
use super::{LINE, prefetch_line, signed_bytes};
use std::fmt;

/// The greatest number of a query: what four of them come to fits a byte twice over. What is lost to so few bits is a
/// hundredth of the variance that one bit a number of the row has.
pub(in crate::vector) const TOP: f32 = 15.0;

/// Bytes of the two numbers at the beginning.
pub(in crate::vector) const HEAD: usize = 8;

/// Bytes for each line of a record.
const OF_LINE: usize = 16;

/// Moves the lowest bit of byte `i` to bit `56 + i`.
const PICK: u64 = 0x0102_0408_1020_4080;

/// How far ahead of the comparison gists are asked for.
const AHEAD: usize = 64;

/// Bytes of the gist of a record of so many lines: in whole half lines of the cache they lie in as few lines as they can.
pub(in crate::vector) const fn bytes(lines: usize) -> usize {
    (HEAD + lines * OF_LINE).next_multiple_of(LINE / 2)
}

/// Writes the bits of a record's code (its tail counts for nothing) and its two numbers.
pub(in crate::vector) fn write(record: &[u8], [bias, factor]: [f32; 2], gist: &mut [u8]) {
    gist[..4].copy_from_slice(&bias.to_le_bytes());
    gist[4..HEAD].copy_from_slice(&factor.to_le_bytes());
    for (line, gist) in record.chunks_exact(LINE).zip(gist[HEAD..].chunks_exact_mut(OF_LINE)) {
        let (low, high) = gist.split_at_mut(8);
        for ((bytes, low), high) in line.as_chunks().0.iter().zip(low).zip(high) {
            let bytes = u64::from_le_bytes(*bytes);
            // One bit of each byte, moved side by side.
            let picked = |shift: u32| (((bytes >> shift & 0x0101_0101_0101_0101).wrapping_mul(PICK)) >> 56) as u8;
            (*low, *high) = (picked(3), picked(7));
        }
    }
}

versions! {
    /// Twice the numbers of a code of 4 bits, which lie around zero: their sum, signs left out, and the sum of their squares.
    pub(in crate::vector) fn code_sums(code: &[u8]) -> (u32, u32) = plain_code_sums;
}

#[inline(always)]
fn plain_code_sums(code: &[u8]) -> (u32, u32) {
    let of_byte = |byte: u8| {
        let (low, high) = (u32::from(byte & 15) * 2, u32::from(byte >> 4) * 2);
        let (low, high) = (low.abs_diff(15), high.abs_diff(15));
        (low + high, low * low + high * high)
    };
    let (heads, tail) = code.as_chunks::<16>();
    let (mut sums, mut squares) = ([0u32; 16], [0u32; 16]);
    for head in heads {
        for lane in 0..16 {
            let (sum, square) = of_byte(head[lane]);
            sums[lane] += sum;
            squares[lane] += square;
        }
    }
    let rest = tail.iter().map(|byte| of_byte(*byte)).fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    (sums.iter().sum::<u32>() + rest.0, squares.iter().sum::<u32>() + rest.1)
}

/// A turned query as gists are compared with it, laid down in `query`, that of a record of so many lines; what a unit of
/// its numbers stands for, and their sum.
pub(in crate::vector) fn write_query(
    turned: &[f32],
    lines: usize,
    signed: &mut Vec<u8>,
    query: &mut Vec<u8>,
) -> (f32, i32) {
    signed.resize(turned.len(), 0);
    let unit = signed_bytes(turned, TOP, signed);
    query.clear();
    query.resize(lines * Width::Four.a_line(), 0);
    Width::Four.spread(signed, query);
    (unit, signed.iter().map(|byte| i32::from(*byte as i8)).sum())
}

/// Estimates the distances of a list of gists.
///
/// # Safety
///
/// `query` is whole pairs of lines; `gists` holds whole gists of as many lines; every row of the list is one of them; `out`
/// is as long as the list; and the machine has the instructions that the function was compiled for.
type List = unsafe fn(gists: &[u8], query: &[u8], terms: Terms, rows: &[u32], out: &mut [f32]);

/// The kernel for this machine.
#[derive(Copy, Clone)]
pub(in crate::vector) struct Gists {
    list: List,
    rows_min: usize,
}

impl fmt::Debug for Gists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gists")
    }
}

impl Gists {
    /// `None` where the machine has nothing that is faster than a look at the records.
    pub(in crate::vector) fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            if super::has_avx512() {
                return Some(Self { list: avx512::list, rows_min: 512 });
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                return Some(Self { list: avx2::list, rows_min: 2048 });
            }
        }
        None
    }

    /// Of fewer rows than this the codes are compared in as little time: to look at gists first takes some before the first row.
    pub(in crate::vector) fn rows_min(self) -> usize {
        self.rows_min
    }

    /// The estimated distances of a list. The query comes from [`write_query`].
    #[inline]
    pub(in crate::vector) fn distances(
        self,
        gists: &[u8],
        query: &[u8],
        terms: Terms,
        rows: &[u32],
        out: &mut Vec<f32>,
    ) {
        out.clear();
        out.resize(rows.len(), 0.0);
        let Some(last) = rows.iter().max() else { return };
        let stride = bytes(query.len() / (2 * LINE));
        assert!(
            query.len().is_multiple_of(2 * LINE) && (*last as usize + 1) * stride <= gists.len(),
            "rows lie inside the gists"
        );
        debug_assert!(query.iter().all(|byte| f32::from((*byte as i8).unsigned_abs()) <= TOP), "sums fit a byte");
        // SAFETY: the assertion holds what `List` asks for, `out` was made as long as the list, and `detect` gave this
        // kernel because the machine has what it is compiled for.
        unsafe { (self.list)(gists, query, terms, rows, out) };
    }
}

#[cfg(test)]
mod tests {
    use super::super::packed::estimate;
    use super::*;
    use crate::vector::kernel::tests::{few, sample};

    const ROWS: usize = 71;

    fn noise(seed: u32, len: usize) -> Vec<u8> {
        sample(seed, len).iter().map(|value| (value * 1e4) as i32 as u8).collect()
    }

    /// The twin: bit by bit.
    fn plain(gist: &[u8], query: &[u8], terms: Terms) -> f32 {
        let number = |at: usize| f32::from_le_bytes(gist[at..at + 4].try_into().unwrap());
        let set = |at: usize| gist[HEAD + at / 8] >> (at % 8) & 1 == 1;
        let sum = (0..query.len()).filter(|at| set(*at)).map(|at| i32::from(query[at] as i8)).sum();
        estimate(terms, [number(0), number(4)], sum)
    }

    #[test]
    fn every_kernel_agrees_with_a_look_at_every_bit() {
        let terms = Terms { norm: 3.5, scale: 0.25, offset: 17.0 };
        for &lines in few(&[1, 2, 3, 4, 7], 1) {
            let stride = bytes(lines);
            let mut query: Vec<u8> =
                noise(99, lines * 2 * LINE).iter().map(|byte| (byte % 31).wrapping_sub(15)).collect();
            (query[0], query[9], query[10]) = (15, -15i8 as u8, -15i8 as u8);
            let mut gists = vec![0; ROWS * stride];
            for (row, gist) in gists.chunks_exact_mut(stride).enumerate() {
                let record = noise(row as u32, lines * LINE);
                write(&record, [row as f32, 0.5], gist);
                for (at, byte) in record.iter().enumerate() {
                    let (line, within) = (at / LINE, at % LINE);
                    for (half, bit) in [(0, 3), (1, 7)] {
                        let bits = gist[HEAD + line * OF_LINE + half * 8 + within / 8];
                        assert_eq!(bits >> (within % 8) & 1, byte >> bit & 1);
                    }
                }
            }
            let Some(kernel) = Gists::detect() else { return };
            for &list in few(&[0, 1, 5, 3, 4, 19, 32, 33, 67, 200], 3) {
                let rows: Vec<u32> = (0..list).map(|at| at * 7 % ROWS as u32).collect();
                let want = rows.iter().map(|row| plain(&gists[*row as usize * stride..][..stride], &query, terms));
                let mut got = vec![2.0];
                kernel.distances(&gists, &query, terms, &rows, &mut got);
                assert_eq!(got, want.collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn sums_of_a_code_are_those_of_its_numbers() {
        for len in [0, 1, 16, 57, 120] {
            let code = noise(len as u32, len);
            let numbers = || code.iter().flat_map(|byte| [byte & 15, byte >> 4]).map(|four| 2 * i32::from(four) - 15);
            let want = (numbers().map(i32::unsigned_abs).sum(), numbers().map(|number| (number * number) as u32).sum());
            assert_eq!(code_sums(&code), want);
        }
    }

    #[test]
    #[should_panic(expected = "rows lie inside the gists")]
    fn a_row_beyond_the_gists_is_not_read() {
        Gists::detect().expect("rows lie inside the gists").distances(
            &[0; 80],
            &[0; 256],
            Terms::default(),
            &[2],
            &mut Vec::new(),
        );
    }
}
