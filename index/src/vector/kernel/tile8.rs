//! All rows of one matrix of bytes against all rows of another: what k-means and the choice of lists
//! are made of. A tile of four rows by four keeps sixteen sums in registers, so that every line loaded
//! is multiplied four times. Integer sums: every twin gives the same bits.

use super::LINE;
use std::fmt;

/// Rows of `a` that are compared with all of `b` before the next ones are: they stay in the nearest cache.
const STRIP: usize = 32;

/// Inner products of unsigned rows of `a` with signed rows of `b`, all of `stride` bytes: the one of rows
/// `i` and `j` comes to `out[i * rows_of_b + j]`. `stride` is a multiple of [`LINE`], both matrices hold
/// whole rows and `out` a number for each pair: [`Tile8`] sees to it.
///
/// # Safety
///
/// Those conditions hold, and the machine has the instructions that the function was compiled for.
type Dots = unsafe fn(a: &[u8], b: &[u8], stride: usize, out: &mut [u32]);

/// Turns the inner products of a row with others into distances, and finds the least.
///
/// # Safety
///
/// The machine has the instructions that the function was compiled for.
type Least = unsafe fn(dots: &mut [u32], norm: u32, norms: &[u32]) -> (u32, u32);

/// The tiles that are best on this machine.
#[derive(Copy, Clone)]
pub(in crate::vector) struct Tile8 {
    dots: Dots,
    least: Least,
}

impl fmt::Debug for Tile8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tile8")
    }
}

impl Tile8 {
    /// Looks at the machine.
    pub(in crate::vector) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512dq")
                && std::arch::is_x86_feature_detected!("avx512vnni")
            {
                return Self { dots: avx512::dots, least: avx512::least };
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                return Self { dots: avx2::dots, least: avx2::least };
            }
        }
        Self::PORTABLE
    }

    const PORTABLE: Self = Self { dots: portable_dots, least: portable_least };

    /// Inner products of the rows of `a`, bytes, with those of `b`, signed bytes; modulo 2^32. The one of
    /// rows `i` and `j` comes to `out[i * rows_of_b + j]`.
    pub(in crate::vector) fn dots(self, a: &[u8], b: &[u8], stride: usize, out: &mut Vec<u32>) {
        assert!(
            stride > 0
                && stride.is_multiple_of(LINE)
                && a.len().is_multiple_of(stride)
                && b.len().is_multiple_of(stride),
            "both are rows of whole lines"
        );
        out.clear();
        out.resize(a.len() / stride * (b.len() / stride), 0);
        // SAFETY: the assertion and the size of `out` are what `Dots` asks for, and `detect` gave this
        // kernel because the machine has what it is compiled for.
        unsafe { (self.dots)(a, b, stride, out) };
    }

    /// For each row of `a` the nearest of `b` by squared distance, with that distance; the first of those
    /// equally near. `b` holds codes minus 128; the norms are such that
    /// `norm_of_a + norm_of_b - 2 dot` is the distance modulo 2^32, and distances are below that.
    pub(in crate::vector) fn nearest(
        self,
        (a, norms_of_a): (&[u8], &[u32]),
        (b, norms_of_b): (&[u8], &[u32]),
        stride: usize,
        mut found: impl FnMut(usize, u32, u32),
    ) {
        assert!(!norms_of_b.is_empty(), "something is nearest");
        let mut dots = Vec::new();
        for (strip, rows) in a.chunks(STRIP * stride).enumerate() {
            self.dots(rows, b, stride, &mut dots);
            for (at, dots) in dots.chunks_exact_mut(norms_of_b.len()).enumerate() {
                let at = strip * STRIP + at;
                // SAFETY: as of `dots`.
                let (distance, nearest) = unsafe { (self.least)(dots, norms_of_a[at], norms_of_b) };
                found(at, nearest, distance);
            }
        }
    }
}

#[inline(always)]
fn dots_plain(a: &[u8], b: &[u8], stride: usize, out: &mut [u32]) {
    let across = b.len() / stride;
    for (a, out) in a.chunks_exact(stride).zip(out.chunks_exact_mut(across.max(1))) {
        for (b, out) in b.chunks_exact(stride).zip(out) {
            let sum = a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b as i8)).fold(0, i32::wrapping_add);
            *out = sum as u32;
        }
    }
}

#[inline(always)]
fn least_plain(dots: &mut [u32], norm: u32, norms: &[u32]) -> (u32, u32) {
    let mut least = u32::MAX;
    for (dot, of_other) in dots.iter_mut().zip(norms) {
        *dot = norm.wrapping_add(*of_other).wrapping_sub(dot.wrapping_mul(2));
        least = least.min(*dot);
    }
    (least, dots.iter().position(|distance| *distance == least).unwrap_or(0) as u32)
}

/// # Safety
///
/// None is needed: every access is checked. As a pointer it has the type of its twins.
unsafe fn portable_dots(a: &[u8], b: &[u8], stride: usize, out: &mut [u32]) {
    dots_plain(a, b, stride, out);
}

/// # Safety
///
/// None is needed: every access is checked. As a pointer it has the type of its twins.
unsafe fn portable_least(dots: &mut [u32], norm: u32, norms: &[u32]) -> (u32, u32) {
    least_plain(dots, norm, norms)
}

/// Tiles of four rows by two: sums and what is multiplied fit the sixteen registers.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::super::avx2::{WIDE, add_products, load, signed, totals, unsigned};
    use std::arch::x86_64::*;

    /// # Safety
    ///
    /// As of `Dots`; the machine has AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn dots(a: &[u8], b: &[u8], stride: usize, out: &mut [u32]) {
        let (down, across) = (a.len() / stride, b.len() / stride);
        for j in (0..across).step_by(2) {
            for i in (0..down).step_by(4) {
                // The last row of either side is repeated where there are fewer.
                let row_of_a = |lane: usize| a.as_ptr().wrapping_add((i + lane).min(down - 1) * stride);
                let row_of_b = |lane: usize| b.as_ptr().wrapping_add((j + lane).min(across - 1) * stride);
                let (four, two) = ([row_of_a(0), row_of_a(1), row_of_a(2), row_of_a(3)], [row_of_b(0), row_of_b(1)]);
                let mut sums = [[_mm256_setzero_si256(); 4]; 2];
                for at in (0..stride).step_by(WIDE) {
                    // SAFETY: the rows lie inside their matrices, and `at` is inside a row, which is whole lines.
                    unsafe {
                        let of_b = two.map(|row| signed(load(row.add(at))));
                        for (lane, row) in four.into_iter().enumerate() {
                            let of_a = unsigned(load(row.add(at)));
                            for (sums, of_b) in sums.iter_mut().zip(of_b) {
                                sums[lane] = add_products(sums[lane], of_a, of_b);
                            }
                        }
                    }
                }
                for (column, sums) in sums.into_iter().enumerate().take(across - j) {
                    for (lane, total) in totals(sums).into_iter().enumerate().take(down - i) {
                        out[(i + lane) * across + j + column] = total;
                    }
                }
            }
        }
    }

    /// # Safety
    ///
    /// The machine has AVX2; every access is checked.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn least(dots: &mut [u32], norm: u32, norms: &[u32]) -> (u32, u32) {
        super::least_plain(dots, norm, norms)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::LINE;
    use std::arch::x86_64::*;

    /// # Safety
    ///
    /// As of `Dots`; the machine has AVX-512 F, BW, DQ and VNNI.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
    pub(super) unsafe fn dots(a: &[u8], b: &[u8], stride: usize, out: &mut [u32]) {
        let (down, across) = (a.len() / stride, b.len() / stride);
        let mut j = 0;
        while j < across {
            let wide = across - j >= 4;
            for i in (0..down).step_by(4) {
                // SAFETY: `i` and `j` are rows of `a` and `b`, with three more of `b` where it is wide; rows
                // of `a` beyond the last are clamped to it inside.
                unsafe {
                    match wide {
                        true => tile::<4>(a, b, stride, (i, j), out),
                        false => tile::<1>(a, b, stride, (i, j), out),
                    }
                }
            }
            j += if wide { 4 } else { 1 };
        }
    }

    /// Four rows of `a` from the `i`-th on, the last one repeated where there are fewer, by `WIDE` of `b`.
    ///
    /// # Safety
    ///
    /// As of `Dots`; row `i` of `a` is there, and so are rows `j..j + WIDE` of `b`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
    unsafe fn tile<const WIDE: usize>(a: &[u8], b: &[u8], stride: usize, (i, j): (usize, usize), out: &mut [u32]) {
        let (down, across) = (a.len() / stride, b.len() / stride);
        let row_of_a = |lane: usize| a.as_ptr().wrapping_add((i + lane).min(down - 1) * stride);
        let rows_of_a = [row_of_a(0), row_of_a(1), row_of_a(2), row_of_a(3)];
        let start_of_b = b.as_ptr().wrapping_add(j * stride);
        let mut sums = [[_mm512_setzero_si512(); 4]; 4];
        for at in (0..stride).step_by(LINE) {
            // SAFETY: `at` is a line of a row, and all the rows lie inside their matrices.
            unsafe {
                let mut lines_of_b = [_mm512_setzero_si512(); WIDE];
                for (lane, line) in lines_of_b.iter_mut().enumerate() {
                    *line = _mm512_loadu_si512(start_of_b.add(lane * stride + at).cast());
                }
                for (sums, row) in sums.iter_mut().zip(rows_of_a) {
                    let line_of_a = _mm512_loadu_si512(row.add(at).cast());
                    for lane in 0..WIDE {
                        sums[lane] = _mm512_dpbusd_epi32(sums[lane], line_of_a, lines_of_b[lane]);
                    }
                }
            }
        }
        if WIDE == 4 {
            for (lane, sums) in sums.into_iter().enumerate().take(down - i) {
                out[(i + lane) * across + j..][..4].copy_from_slice(&totals(sums));
            }
        } else {
            let column = totals([sums[0][0], sums[1][0], sums[2][0], sums[3][0]]);
            for (lane, total) in column.into_iter().enumerate().take(down - i) {
                out[(i + lane) * across + j] = total;
            }
        }
    }

    /// The sums of the sixteen numbers of each, by one transposing tree.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
    fn totals([a, b, c, d]: [__m512i; 4]) -> [u32; 4] {
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

    /// # Safety
    ///
    /// The machine has AVX-512 F and BW; every access is checked.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn least(dots: &mut [u32], norm: u32, norms: &[u32]) -> (u32, u32) {
        super::least_plain(dots, norm, norms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::kernel::tests::{few, sample};

    fn kernels() -> Vec<Tile8> {
        let mut kernels = vec![Tile8::PORTABLE, Tile8::detect()];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            kernels.push(Tile8 { dots: avx2::dots, least: avx2::least });
        }
        kernels
    }

    fn bytes(seed: u32, len: usize) -> Vec<u8> {
        sample(seed, len).iter().map(|value| (value * 1e4) as i32 as u8).collect()
    }

    #[test]
    fn every_tile_agrees_with_the_plain_one() {
        for &lines in few(&[1, 2, 7, 13], 1) {
            let stride = lines * LINE;
            for &(down, across) in few(&[(0, 3), (1, 1), (1, 9), (3, 4), (4, 5), (9, 1), (37, 18)], 5) {
                let (a, b) = (bytes(1, down * stride), bytes(2, across * stride));
                let mut want = vec![0; down * across];
                dots_plain(&a, &b, stride, &mut want);
                for kernel in kernels() {
                    let mut got = vec![7; 3];
                    kernel.dots(&a, &b, stride, &mut got);
                    assert_eq!(got, want, "{lines} lines, {down} by {across}");
                }
            }
        }
    }

    #[test]
    fn the_nearest_is_what_a_scan_finds() {
        let (stride, down, across) = (LINE, if cfg!(miri) { 10 } else { 70 }, 21);
        let (a, mut b) = (bytes(3, down * stride), bytes(4, across * stride));
        // Two rows are equal: the first of them is found.
        b.copy_within(..stride, 5 * stride);
        let squares = |row: &[u8]| row.iter().map(|byte| u32::from(*byte) * u32::from(*byte)).sum::<u32>();
        let sum = |row: &[u8]| row.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        let of_a: Vec<u32> = a.chunks(stride).map(|row| squares(row).wrapping_sub(256 * sum(row))).collect();
        let of_b: Vec<u32> = b.chunks(stride).map(squares).collect();
        let flipped: Vec<u8> = b.iter().map(|byte| byte ^ 0x80).collect();
        for kernel in kernels() {
            let mut seen = 0;
            kernel.nearest((&a, &of_a), (&flipped, &of_b), stride, |at, nearest, distance| {
                let row = &a[at * stride..][..stride];
                let far = |b: &[u8]| row.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum::<u32>();
                let want = b.chunks(stride).map(far).enumerate().min_by_key(|found| found.1).unwrap();
                assert_eq!((nearest as usize, distance), want);
                seen += 1;
            });
            assert_eq!(seen, down);
        }
    }
}
