//! Estimated distances from one bit a number: what a scan of many rows looks at before it looks at their records.
//!
//! A gist is made of a record of 4 bits a number (`packed`): which numbers lie above the middle, in the record's own order.
//! It is read eight bytes at a time and takes a third of the room:
//!
//! ```text
//! gist     bias f32 | factor f32 | for each line of the record: low halves u64 | high halves u64
//! ```
//!
//! With `sum` the sum of the query's numbers where a bit is set, the distance is estimated as
//! `bias + query.norm - factor x query.scale x (sum - query.offset)`, by the same operations as of a record.

use super::packed::Terms;
use super::{LINE, prefetch_line};
use std::fmt;

/// Bytes of the two numbers at the beginning.
pub(in crate::vector) const HEAD: usize = 8;

/// Bytes for each line of a record.
const OF_LINE: usize = 16;

/// Moves the lowest bit of byte `i` to bit `56 + i`.
const PICK: u64 = 0x0102_0408_1020_4080;

/// How far ahead of the comparison gists are asked for.
const AHEAD: usize = 64;

/// Bytes of the gist of a record of so many lines.
pub(in crate::vector) fn bytes(lines: usize) -> usize {
    HEAD + lines * OF_LINE
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

/// Estimates the distances of a list of gists.
///
/// # Safety
///
/// `query` is whole pairs of lines; `gists` holds whole gists of as many lines; every row of the list is one of them; `out`
/// is as long as the list; and the machine has the instructions that the function was compiled for.
type List = unsafe fn(gists: &[u8], query: &[u8], terms: Terms, rows: &[u32], out: &mut [f32]);

/// The kernel for this machine.
#[derive(Copy, Clone)]
pub(in crate::vector) struct Gists(List);

impl fmt::Debug for Gists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gists")
    }
}

impl Gists {
    /// `None` where the machine has nothing that is faster than a look at the records.
    pub(in crate::vector) fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if super::has_avx512() {
            return Some(Self(avx512::list));
        }
        None
    }

    /// The estimated distances of a list. The query is that of records of 4 bits (`packed::Width::spread`).
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
        // SAFETY: the assertion holds what `List` asks for, `out` was made as long as the list, and `detect` gave this
        // kernel because the machine has what it is compiled for.
        unsafe { (self.0)(gists, query, terms, rows, out) };
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::super::codes8::avx512::totals;
    use super::{AHEAD, HEAD, LINE, OF_LINE, Terms, prefetch_line};
    use std::arch::x86_64::*;

    /// # Safety
    ///
    /// As of `List`; the machine has AVX-512 F, BW, DQ, VL and VNNI.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(super) unsafe fn list(gists: &[u8], query: &[u8], terms: Terms, rows: &[u32], out: &mut [f32]) {
        let lines = query.len() / (2 * LINE);
        // SAFETY: the caller's promise is passed on; the number of lines is the query's.
        unsafe {
            match lines {
                1 => sized::<1>(gists, query, terms, rows, out, 1),
                2 => sized::<2>(gists, query, terms, rows, out, 2),
                3 => sized::<3>(gists, query, terms, rows, out, 3),
                _ => sized::<0>(gists, query, terms, rows, out, lines),
            }
        }
    }

    /// # Safety
    ///
    /// As of `List`; `lines` is half the query's lines, and so is `LINES` where it is not 0.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn sized<const LINES: usize>(
        gists: &[u8],
        query: &[u8],
        terms: Terms,
        rows: &[u32],
        out: &mut [f32],
        lines: usize,
    ) {
        let lines = if LINES == 0 { lines } else { LINES };
        let stride = HEAD + lines * OF_LINE;
        let start = |row: u32| gists.as_ptr().wrapping_add(row as usize * stride);
        let ((fours, rest), (outs, out_rest)) = (rows.as_chunks::<4>(), out.as_chunks_mut::<4>());
        for (at, (four, out)) in fours.iter().zip(outs).enumerate() {
            for row in fours.get(at + AHEAD / 4).into_iter().flatten() {
                for within in (0..stride).step_by(LINE) {
                    prefetch_line(start(*row).wrapping_add(within));
                }
                prefetch_line(start(*row).wrapping_add(stride - 1));
            }
            // SAFETY: the caller's promise is passed on; four numbers fill the chunk.
            unsafe { _mm_storeu_ps(out.as_mut_ptr(), four_of(four.map(start), query, terms, lines)) };
        }
        if let Some(last) = rest.last() {
            // A last group of fewer than four repeats its last row.
            let four = [0, 1, 2, 3].map(|at| start(*rest.get(at).unwrap_or(last)));
            let mut distances = [0f32; 4];
            // SAFETY: as above.
            unsafe { _mm_storeu_ps(distances.as_mut_ptr(), four_of(four, query, terms, lines)) };
            out_rest.copy_from_slice(&distances[..rest.len()]);
        }
    }

    /// The distances of four gists: a mask picks the numbers of the query that a word of bits stands for.
    ///
    /// # Safety
    ///
    /// Whole gists of so many lines are at the four places, and the query has twice as many lines.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn four_of(four: [*const u8; 4], query: &[u8], terms: Terms, lines: usize) -> __m128 {
        let ones = _mm512_set1_epi8(1);
        let mut sums = [_mm512_setzero_si512(); 4];
        for half in 0..2 * lines {
            // SAFETY: a gist has two words a line and the query as many lines.
            unsafe {
                let numbers = _mm512_loadu_si512(query.as_ptr().add(half * LINE).cast());
                for (sum, gist) in sums.iter_mut().zip(four) {
                    let bits = gist.add(HEAD + half * 8).cast::<u64>().read_unaligned();
                    *sum = _mm512_dpbusd_epi32(*sum, ones, _mm512_maskz_mov_epi8(bits, numbers));
                }
            }
        }
        let totals = totals(sums);
        // SAFETY: every gist begins with its two numbers; `totals` is four numbers.
        let (heads, totals) = unsafe {
            (four.map(|gist| _mm_castsi128_ps(_mm_loadl_epi64(gist.cast()))), _mm_loadu_si128(totals.as_ptr().cast()))
        };
        estimates(terms, heads, totals)
    }

    /// Four distances, by the operations of `packed::estimate`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    fn estimates(terms: Terms, [a, b, c, d]: [__m128; 4], totals: __m128i) -> __m128 {
        let (ab, cd) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
        let (biases, factors) = (_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab));
        let centred = _mm_sub_ps(_mm_cvtepi32_ps(totals), _mm_set1_ps(terms.offset));
        let near = _mm_mul_ps(_mm_mul_ps(factors, _mm_set1_ps(terms.scale)), centred);
        _mm_sub_ps(_mm_add_ps(biases, _mm_set1_ps(terms.norm)), near)
    }
}

#[cfg(test)]
mod tests {
    use super::super::packed::estimate;
    use super::*;
    use crate::vector::kernel::tests::{few, sample};

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
            let (stride, query) = (bytes(lines), noise(99, lines * 2 * LINE));
            let mut gists = vec![0; 19 * stride];
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
            for &list in few(&[0, 1, 5, 3, 4, 19], 3) {
                let rows: Vec<u32> = (0..list).map(|at| at * 7 % 19).collect();
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
