//! Four records at a time on 512-bit registers: 64 products an instruction, one load of the query for all four,
//! one reduction for all four.

use super::{AHEAD, LINE, TAIL, Terms, estimate, prefetch_line};
use crate::vector::kernel::codes8::avx512::totals;
use std::arch::x86_64::*;

/// A kernel for any number of lines and, unrolled, for the usual ones; `PARTS` are the lines of the query for each of
/// the record.
macro_rules! kernel {
    ($name:ident, $sized:ident, $parts:literal, $line:ident) => {
        /// # Safety
        ///
        /// As of `List`; the machine has AVX-512 F, BW, DQ, VL and VNNI.
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
        pub(super) unsafe fn $name(records: &[u8], query: &[u8], terms: Terms, rows: &[u32], out: &mut [f32]) {
            let lines = query.len() / ($parts * LINE);
            // SAFETY: the caller's promise is passed on; the number of lines is the query's.
            unsafe {
                match lines {
                    1 => $sized::<1>(records, query, terms, rows, out, 1),
                    2 => $sized::<2>(records, query, terms, rows, out, 2),
                    3 => $sized::<3>(records, query, terms, rows, out, 3),
                    4 => $sized::<4>(records, query, terms, rows, out, 4),
                    _ => $sized::<0>(records, query, terms, rows, out, lines),
                }
            }
        }

        /// # Safety
        ///
        /// As of `List`; `lines` is the records' length in lines, and so is `LINES` where it is not 0.
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
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
            let mut at = 0;
            while at < rows.len() {
                for row in rows.iter().skip(at + AHEAD).take(4) {
                    ask(*row);
                }
                // A last group of fewer than four repeats its last row.
                let row = |lane: usize| start(rows[(at + lane).min(rows.len() - 1)]);
                let four = [row(0), row(1), row(2), row(3)];
                let mut sums = [_mm512_setzero_si512(); 4];
                for line in 0..lines {
                    // SAFETY: `line` is below the records' lines, every row of the list lies inside the records, and
                    // the query has `$parts` lines for each of them.
                    unsafe { $line(&mut sums, four, query.as_ptr(), line) };
                }
                let dots = totals(sums);
                for (lane, out) in out[at..].iter_mut().take(4).enumerate() {
                    // SAFETY: every record of the list lies inside the records, with its tail at its end.
                    let tail = unsafe {
                        let tail = four[lane].add(lines * LINE - TAIL).cast::<f32>();
                        [tail.read_unaligned(), tail.add(1).read_unaligned()]
                    };
                    *out = estimate(terms, tail, dots[lane] as i32);
                }
                at += 4;
            }
        }
    };
}

kernel!(fours, fours_sized, 2, line_of_fours);
kernel!(eights, eights_sized, 1, line_of_eights);

/// # Safety
///
/// Every row can be read at `line`, the query at twice that and the next; the machine as of `List`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn line_of_fours(sums: &mut [__m512i; 4], rows: [*const u8; 4], query: *const u8, line: usize) {
    let mask = _mm512_set1_epi8(15);
    // SAFETY: as the caller promised.
    unsafe {
        let low = _mm512_loadu_si512(query.add(2 * line * LINE).cast());
        let high = _mm512_loadu_si512(query.add((2 * line + 1) * LINE).cast());
        for (sum, row) in sums.iter_mut().zip(rows) {
            let bytes = _mm512_loadu_si512(row.add(line * LINE).cast());
            *sum = _mm512_dpbusd_epi32(*sum, _mm512_and_si512(bytes, mask), low);
            *sum = _mm512_dpbusd_epi32(*sum, _mm512_and_si512(_mm512_srli_epi16(bytes, 4), mask), high);
        }
    }
}

/// # Safety
///
/// Every row and the query can be read at `line`; the machine as of `List`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn line_of_eights(sums: &mut [__m512i; 4], rows: [*const u8; 4], query: *const u8, line: usize) {
    // SAFETY: as the caller promised.
    unsafe {
        let of_query = _mm512_loadu_si512(query.add(line * LINE).cast());
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = _mm512_dpbusd_epi32(*sum, _mm512_loadu_si512(row.add(line * LINE).cast()), of_query);
        }
    }
}
