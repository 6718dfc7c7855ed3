//! Distances of 8-bit codes, a whole list of rows a call: on a list the next rows can be asked for while
//! the first ones are compared, and four of them share every load of the query. simsimd's 8-bit kernels
//! widen to 16 bits and take one pair a call, which costs three times as much. All of them are integer
//! sums, so every twin gives the same bits.

use super::{LINE, prefetch, prefetch_line};
use std::fmt;

/// How far ahead of the comparison rows are asked for.
const AHEAD: usize = 8;

/// Compares one code with a list of rows. `codes` holds whole rows of `query.len()` bytes, every row of
/// the list is one of them, `out` is as long as the list: [`Codes8::list`] sees to all three.
///
/// # Safety
///
/// Those three hold, and the machine has the instructions that the function was compiled for.
type List = unsafe fn(codes: &[u8], query: &[u8], rows: &[u32], out: &mut [u32]);

/// The 8-bit kernels that are best on this machine.
#[derive(Copy, Clone)]
pub(in crate::vector) struct Codes8 {
    dots: List,
    sads: List,
}

impl fmt::Debug for Codes8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codes8")
    }
}

impl Codes8 {
    /// Looks at the machine.
    pub(in crate::vector) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if super::has_avx512() {
                return Self { dots: avx512::dots, sads: avx512::sads };
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                return Self { dots: avx2::dots, sads: avx2::sads };
            }
        }
        Self::portable()
    }

    fn portable() -> Self {
        Self { dots: portable_dots, sads: portable_sads }
    }

    /// The inner products of rows with a query whose bytes are signed (a code minus 128); modulo 2^32.
    #[inline]
    pub(in crate::vector) fn dots(&self, codes: &[u8], query: &[u8], rows: &[u32], out: &mut Vec<u32>) {
        Self::list(self.dots, codes, query, rows, out);
    }

    /// The sums of absolute differences of rows and a code.
    #[inline]
    pub(in crate::vector) fn sads(&self, codes: &[u8], query: &[u8], rows: &[u32], out: &mut Vec<u32>) {
        Self::list(self.sads, codes, query, rows, out);
    }

    #[inline]
    fn list(kernel: List, codes: &[u8], query: &[u8], rows: &[u32], out: &mut Vec<u32>) {
        out.clear();
        out.resize(rows.len(), 0);
        let Some(last) = rows.iter().max() else { return };
        assert!(
            query.len().is_multiple_of(LINE) && (*last as usize + 1) * query.len() <= codes.len(),
            "rows lie inside the codes"
        );
        // SAFETY: the assertion holds what `List` asks for, `out` was made as long as the list, and
        // `detect` gave this kernel because the machine has what it is compiled for.
        unsafe { kernel(codes, query, rows, out) };
    }
}

#[inline(always)]
fn row_of(codes: &[u8], stride: usize, row: u32) -> &[u8] {
    &codes[row as usize * stride..][..stride]
}

#[inline(always)]
fn dot_plain(query: &[u8], code: &[u8]) -> u32 {
    let sum: i32 = query.iter().zip(code).map(|(q, c)| i32::from(*q as i8) * i32::from(*c)).fold(0, i32::wrapping_add);
    sum as u32
}

#[inline(always)]
fn sad_plain(query: &[u8], code: &[u8]) -> u32 {
    query.iter().zip(code).map(|(q, c)| u32::from(q.abs_diff(*c))).fold(0, u32::wrapping_add)
}

/// The plain loop over a list, for every instruction set that the compiler makes the best of by itself.
#[inline(always)]
fn each(codes: &[u8], query: &[u8], rows: &[u32], out: &mut [u32], one: impl Fn(&[u8], &[u8]) -> u32) {
    let stride = query.len();
    for row in rows.iter().take(AHEAD) {
        prefetch(row_of(codes, stride, *row));
    }
    for (at, out) in out.iter_mut().enumerate() {
        if let Some(row) = rows.get(at + AHEAD) {
            prefetch(row_of(codes, stride, *row));
        }
        *out = one(query, row_of(codes, stride, rows[at]));
    }
}

/// # Safety
///
/// None is needed: every access is checked. As a pointer it has the type of its twins.
unsafe fn portable_dots(codes: &[u8], query: &[u8], rows: &[u32], out: &mut [u32]) {
    each(codes, query, rows, out, dot_plain);
}

/// # Safety
///
/// None is needed: every access is checked. As a pointer it has the type of its twins.
unsafe fn portable_sads(codes: &[u8], query: &[u8], rows: &[u32], out: &mut [u32]) {
    each(codes, query, rows, out, sad_plain);
}

/// Four rows at a time on 256-bit registers: the query is made wide once for all four.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::super::avx2::{WIDE, add_products, load, signed, totals, unsigned};
    use super::{AHEAD, LINE, prefetch_line};
    use std::arch::x86_64::*;

    macro_rules! kernel {
        ($name:ident, |$sums:ident, $rows:ident, $query:ident| $line:expr) => {
            /// # Safety
            ///
            /// As of `List`; the machine has AVX2.
            #[target_feature(enable = "avx2")]
            pub(super) unsafe fn $name(codes: &[u8], query: &[u8], rows: &[u32], out: &mut [u32]) {
                let start = |row: u32| codes.as_ptr().wrapping_add(row as usize * query.len());
                let ask = |row: u32| {
                    for line in (0..query.len()).step_by(LINE) {
                        prefetch_line(start(row).wrapping_add(line));
                    }
                };
                for row in rows.iter().take(AHEAD) {
                    ask(*row);
                }
                for at in (0..rows.len()).step_by(4) {
                    for row in rows.iter().skip(at + AHEAD).take(4) {
                        ask(*row);
                    }
                    // A last group of fewer than four repeats its last row.
                    let row = |lane: usize| start(rows[(at + lane).min(rows.len() - 1)]);
                    let four = [row(0), row(1), row(2), row(3)];
                    let mut $sums = [_mm256_setzero_si256(); 4];
                    for within in (0..query.len()).step_by(WIDE) {
                        // SAFETY: `within` is inside the query, and every row of the list lies inside the codes with as many
                        // bytes.
                        unsafe {
                            let $query = load(query.as_ptr().add(within));
                            let $rows = four.map(|row| load(row.add(within)));
                            $line;
                        }
                    }
                    for (out, total) in out[at..].iter_mut().zip(totals($sums)) {
                        *out = total;
                    }
                }
            }
        };
    }

    kernel!(dots, |sums, rows, query| {
        let query = signed(query);
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = add_products(*sum, unsigned(row), query);
        }
    });
    kernel!(sads, |sums, rows, query| {
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = _mm256_add_epi32(*sum, _mm256_sad_epu8(row, query));
        }
    });
}

/// Four rows at a time on 512-bit registers: 64 products an instruction, one load of the query for all
/// four, one reduction for all four.
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512 {
    use super::{AHEAD, LINE, prefetch_line};
    use std::arch::x86_64::*;

    /// One line of a row against one line of the query, added to a sum.
    macro_rules! dot_line {
        ($sum:expr, $row:expr, $query:expr) => {
            _mm512_dpbusd_epi32($sum, $row, $query)
        };
    }
    macro_rules! sad_line {
        ($sum:expr, $row:expr, $query:expr) => {
            _mm512_add_epi32($sum, _mm512_sad_epu8($row, $query))
        };
    }

    /// A kernel for any number of lines and, unrolled, for the usual ones.
    macro_rules! kernel {
        ($name:ident, $sized:ident, $line:ident) => {
            /// # Safety
            ///
            /// As of `List`; the machine has AVX-512 F, BW, DQ, VL and VNNI.
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
            pub(super) unsafe fn $name(codes: &[u8], query: &[u8], rows: &[u32], out: &mut [u32]) {
                let lines = query.len() / LINE;
                // SAFETY: the caller's promise is passed on; the number of lines is the query's.
                unsafe {
                    match lines {
                        2 => $sized::<2>(codes, query, rows, out, 2),
                        6 => $sized::<6>(codes, query, rows, out, 6),
                        12 => $sized::<12>(codes, query, rows, out, 12),
                        13 => $sized::<13>(codes, query, rows, out, 13),
                        16 => $sized::<16>(codes, query, rows, out, 16),
                        24 => $sized::<24>(codes, query, rows, out, 24),
                        _ => $sized::<0>(codes, query, rows, out, lines),
                    }
                }
            }

            /// # Safety
            ///
            /// As of `List`; `lines` is the query's length in lines, and so is `LINES` where it is not 0.
            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
            unsafe fn $sized<const LINES: usize>(
                codes: &[u8],
                query: &[u8],
                rows: &[u32],
                out: &mut [u32],
                lines: usize,
            ) {
                let lines = if LINES == 0 { lines } else { LINES };
                let start = |row: u32| codes.as_ptr().wrapping_add(row as usize * lines * LINE);
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
                        // SAFETY: `line` is below the query's lines, and every row of the list lies inside
                        // the codes with as many lines.
                        unsafe {
                            let of_query = _mm512_loadu_si512(query.as_ptr().add(line * LINE).cast());
                            for lane in 0..4 {
                                let of_row = _mm512_loadu_si512(four[lane].add(line * LINE).cast());
                                sums[lane] = $line!(sums[lane], of_row, of_query);
                            }
                        }
                    }
                    let totals = totals(sums);
                    for (out, total) in out[at..].iter_mut().zip(totals) {
                        *out = total;
                    }
                    at += 4;
                }
            }
        };
    }

    kernel!(dots, dots_sized, dot_line);
    kernel!(sads, sads_sized, sad_line);

    /// The sums of the sixteen numbers of each, by one transposing tree.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(in crate::vector::kernel) fn totals([a, b, c, d]: [__m512i; 4]) -> [u32; 4] {
        let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        let abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
        let half = _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
        let quarter = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
        let mut totals = [0; 4];
        // SAFETY: four numbers of 32 bits are 128 bits.
        unsafe { _mm_storeu_si128(totals.as_mut_ptr().cast(), quarter) };
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::kernel::Block;
    use crate::vector::kernel::tests::{few, sample};

    fn kernels() -> Vec<Codes8> {
        let mut kernels = vec![Codes8::portable(), Codes8::detect()];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            kernels.push(Codes8 { dots: avx2::dots, sads: avx2::sads });
        }
        kernels
    }

    #[test]
    fn every_kernel_of_codes_agrees_with_the_plain_one() {
        let kernels = kernels();
        for &lines in few(&[1, 2, 3, 6, 12, 13, 16, 24], 2) {
            let stride = lines * LINE;
            let bytes: Vec<u8> =
                sample(lines as u32, stride * 20).iter().map(|value| (value * 1e4) as i32 as u8).collect();
            let codes = Block::copy_of(&bytes[stride..]);
            for &list in few(&[0, 1, 5, 2, 3, 4, 13, 19], 3) {
                let rows: Vec<u32> = (0..list).map(|at| at * 7 % 19).collect();
                let want = |one: fn(&[u8], &[u8]) -> u32| {
                    rows.iter().map(|row| one(&bytes[..stride], row_of(&codes, stride, *row))).collect::<Vec<_>>()
                };
                for kernel in &kernels {
                    let mut got = vec![9; 3];
                    kernel.dots(&codes, &bytes[..stride], &rows, &mut got);
                    assert_eq!(got, want(dot_plain));
                    kernel.sads(&codes, &bytes[..stride], &rows, &mut got);
                    assert_eq!(got, want(sad_plain));
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "rows lie inside the codes")]
    fn a_row_beyond_the_codes_is_not_read() {
        Codes8::detect().dots(&[0; 128], &[0; 64], &[1, 2], &mut Vec::new());
    }
}
