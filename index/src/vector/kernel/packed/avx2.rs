//! Four records at a time on 256-bit registers; for 4 bits 32 products an instruction, whose pairs fit 16 bits.

use super::{LINE, TAIL, Terms, prefetch_line};
use crate::vector::kernel::avx2::{WIDE, add_products, estimates, four_totals, load, signed, unsigned};
use std::arch::x86_64::*;

/// How far ahead of the comparison records are asked for: they are compared in less time here than they take to arrive.
const AHEAD: usize = 32;

/// So many sums of four products of 4 bits with 8 fit 16 bits.
const FIT: usize = 4;

/// A kernel for any number of lines and, unrolled, for the usual ones; `PARTS` are the lines of the query for each of
/// the record.
macro_rules! kernel {
    ($name:ident, $sized:ident, $parts:literal, $dots:ident) => {
        /// # Safety
        ///
        /// As of `List`; the machine has AVX2.
        #[target_feature(enable = "avx2")]
        pub(super) unsafe fn $name(records: &[u8], query: &[u8], terms: Terms, rows: &[u32], out: &mut [f32]) {
            let lines = query.len() / ($parts * LINE);
            // SAFETY: the caller's promise is passed on; the number of lines is the query's.
            unsafe {
                match lines {
                    1 => $sized::<1>(records, query, terms, rows, out, 1),
                    2 => $sized::<2>(records, query, terms, rows, out, 2),
                    3 => $sized::<3>(records, query, terms, rows, out, 3),
                    _ => $sized::<0>(records, query, terms, rows, out, lines),
                }
            }
        }

        /// # Safety
        ///
        /// As of `List`; `lines` is the records' length in lines, and so is `LINES` where it is not 0.
        #[inline]
        #[target_feature(enable = "avx2")]
        unsafe fn $sized<const LINES: usize>(
            records: &[u8],
            query: &[u8],
            terms: Terms,
            rows: &[u32],
            out: &mut [f32],
            lines: usize,
        ) {
            let lines = if LINES == 0 { lines } else { LINES };
            let start = |row: u32| records.as_ptr().wrapping_add(row as usize * lines * LINE);
            let ask = |row: u32| {
                let start = start(row);
                for line in 0..lines {
                    prefetch_line(start.wrapping_add(line * LINE));
                }
            };
            for row in rows.iter().take(AHEAD) {
                ask(*row);
            }
            let last = rows.len().wrapping_sub(1);
            for (group, out) in out.chunks_mut(4).enumerate() {
                let at = 4 * group;
                for row in rows.iter().skip(at + AHEAD).take(4) {
                    ask(*row);
                }
                // A last group of fewer than four repeats its last row.
                let row = |lane: usize| start(rows[(at + lane).min(last)]);
                let four = [row(0), row(1), row(2), row(3)];
                // SAFETY: every row of the list lies inside the records with its lines, its tail at its end, and the
                // query has `$parts` times as many.
                let distances = unsafe {
                    let dots = $dots(four, query.as_ptr(), lines * LINE);
                    estimates(terms, four.map(|record| record.add(lines * LINE - TAIL)), dots)
                };
                match out.as_chunks_mut::<4>() {
                    // SAFETY: four numbers are 128 bits.
                    ([four], _) => unsafe { _mm_storeu_ps(four.as_mut_ptr(), distances) },
                    (_, few) => {
                        let mut four = [0f32; 4];
                        // SAFETY: four numbers are 128 bits.
                        unsafe { _mm_storeu_ps(four.as_mut_ptr(), distances) };
                        few.copy_from_slice(&four[..few.len()]);
                    }
                }
            }
        }
    };
}

kernel!(fours, fours_sized, 2, dots_of_fours);
kernel!(eights, eights_sized, 1, dots_of_eights);

/// # Safety
///
/// Every row has `stride` bytes, whole lines, and the query as many.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn dots_of_eights(rows: [*const u8; 4], query: *const u8, stride: usize) -> __m128i {
    let mut sums = [_mm256_setzero_si256(); 4];
    for at in (0..stride).step_by(WIDE) {
        // SAFETY: as the caller promised.
        unsafe {
            let query = signed(load(query.add(at)));
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum = add_products(*sum, unsigned(load(row.add(at))), query);
            }
        }
    }
    four_totals(sums)
}

/// # Safety
///
/// Every row has `stride` bytes, whole lines, and the query twice as many.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn dots_of_fours(rows: [*const u8; 4], query: *const u8, stride: usize) -> __m128i {
    let (mask, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
    let mut sums = [_mm256_setzero_si256(); 4];
    for from in (0..stride).step_by(FIT * WIDE) {
        let mut narrow = [_mm256_setzero_si256(); 4];
        for at in (from..stride.min(from + FIT * WIDE)).step_by(WIDE) {
            // A line of the record meets two of the query, the first of them with its low halves.
            let of_query = at / LINE * 2 * LINE + at % LINE;
            // SAFETY: as the caller promised.
            unsafe {
                let (low, high) = (load(query.add(of_query)), load(query.add(of_query + LINE)));
                for (sum, row) in narrow.iter_mut().zip(rows) {
                    let bytes = load(row.add(at));
                    let lows = _mm256_maddubs_epi16(_mm256_and_si256(bytes, mask), low);
                    let highs = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask), high);
                    *sum = _mm256_add_epi16(*sum, _mm256_add_epi16(lows, highs));
                }
            }
        }
        for (sum, narrow) in sums.iter_mut().zip(narrow) {
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(narrow, ones));
        }
    }
    four_totals(sums)
}
