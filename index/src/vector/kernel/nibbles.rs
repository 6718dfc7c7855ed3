//! Inner products of 4-bit codes with a query of signed bytes, a list of rows a call. Integer sums, so
//! every twin gives the same bits.
//!
//! ```text
//! a code    of every 128 numbers 64 bytes: byte i holds number i (low half) and number 64 + i (high half)
//! a query   a signed byte a number
//! ```

use super::LINE;
use std::fmt;

/// The products of rows of `codes`, `query.len() / 2` bytes each.
///
/// # Safety
///
/// `query` is whole pairs of lines, every row of the list lies inside `codes`, `out` is as long as the list
/// ([`Nibbles::dots`] sees to all three), and the machine has what the function was compiled for.
type List = unsafe fn(codes: &[u8], query: &[u8], rows: &[u32], out: &mut [u32]);

/// The loop that is best on this machine.
#[derive(Copy, Clone)]
pub(in crate::vector) struct Nibbles(List);

impl fmt::Debug for Nibbles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nibbles")
    }
}

impl Nibbles {
    /// Looks at the machine.
    pub(in crate::vector) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512vnni")
            {
                return Self(avx512);
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                return Self(avx2);
            }
        }
        Self(portable)
    }

    /// The products of a list of rows.
    pub(in crate::vector) fn dots(self, codes: &[u8], query: &[u8], rows: &[u32], out: &mut Vec<u32>) {
        out.clear();
        out.resize(rows.len(), 0);
        let Some(last) = rows.iter().max() else { return };
        assert!(
            query.len().is_multiple_of(2 * LINE) && (*last as usize + 1) * (query.len() / 2) <= codes.len(),
            "rows lie inside the codes"
        );
        // SAFETY: the assertion holds what `List` asks for, `out` was made as long as the list, and
        // `detect` gave this loop because the machine has what it is compiled for.
        unsafe { (self.0)(codes, query, rows, out) };
    }
}

#[inline(always)]
fn plain(codes: &[u8], query: &[u8], rows: &[u32], out: &mut [u32]) {
    let stride = query.len() / 2;
    for (row, out) in rows.iter().zip(out) {
        let code = &codes[*row as usize * stride..][..stride];
        let mut sum = 0i32;
        for (code, query) in code.chunks_exact(LINE).zip(query.chunks_exact(2 * LINE)) {
            let (low, high) = query.split_at(LINE);
            for at in 0..LINE {
                let products = i32::from(code[at] & 15) * i32::from(low[at] as i8)
                    + i32::from(code[at] >> 4) * i32::from(high[at] as i8);
                sum = sum.wrapping_add(products);
            }
        }
        *out = sum as u32;
    }
}

/// # Safety
///
/// None is needed: every access is checked. As a pointer it has the type of its twins.
unsafe fn portable(codes: &[u8], query: &[u8], rows: &[u32], out: &mut [u32]) {
    plain(codes, query, rows, out);
}

/// # Safety
///
/// As of `List`; the machine has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(codes: &[u8], query: &[u8], rows: &[u32], out: &mut [u32]) {
    use super::avx2::{WIDE, load, totals};
    use std::arch::x86_64::*;
    let (nibble, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
    let stride = query.len() / 2;
    for (rows, out) in rows.chunks(4).zip(out.chunks_mut(4)) {
        // A last group of fewer than four repeats its last row.
        let start = |lane: usize| codes.as_ptr().wrapping_add(rows[lane.min(rows.len() - 1)] as usize * stride);
        let four = [start(0), start(1), start(2), start(3)];
        let mut sums = [_mm256_setzero_si256(); 4];
        for at in (0..stride).step_by(WIDE) {
            let of_query = at / LINE * 2 * LINE + at % LINE;
            // SAFETY: the rows lie inside the codes with `stride` bytes, and the query has twice as many.
            unsafe {
                let (low, high) = (load(query.as_ptr().add(of_query)), load(query.as_ptr().add(of_query + LINE)));
                for (sum, row) in sums.iter_mut().zip(four) {
                    let code = load(row.add(at));
                    let lows = _mm256_maddubs_epi16(_mm256_and_si256(code, nibble), low);
                    let highs = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(code, 4), nibble), high);
                    // Four products of 4 bits with 8 fit 16 bits.
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(_mm256_add_epi16(lows, highs), ones));
                }
            }
        }
        for (out, total) in out.iter_mut().zip(totals(sums)) {
            *out = total;
        }
    }
}

/// # Safety
///
/// As of `List`; the machine has AVX-512 F, BW and VNNI.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn avx512(codes: &[u8], query: &[u8], rows: &[u32], out: &mut [u32]) {
    use std::arch::x86_64::*;
    let nibble = _mm512_set1_epi8(15);
    let stride = query.len() / 2;
    for (row, out) in rows.iter().zip(out) {
        let start = codes.as_ptr().wrapping_add(*row as usize * stride);
        let mut sums = [_mm512_setzero_si512(); 2];
        for at in (0..stride).step_by(LINE) {
            // SAFETY: the row lies inside the codes with `stride` bytes, and the query has twice as many.
            unsafe {
                let code = _mm512_loadu_si512(start.add(at).cast());
                let low = _mm512_loadu_si512(query.as_ptr().add(2 * at).cast());
                let high = _mm512_loadu_si512(query.as_ptr().add(2 * at + LINE).cast());
                sums[0] = _mm512_dpbusd_epi32(sums[0], _mm512_and_si512(code, nibble), low);
                sums[1] = _mm512_dpbusd_epi32(sums[1], _mm512_and_si512(_mm512_srli_epi16(code, 4), nibble), high);
            }
        }
        *out = _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1])) as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::kernel::tests::{few, sample};

    #[test]
    fn every_loop_gives_the_same_sums() {
        for &lines in few(&[1, 2, 3, 7], 2) {
            let bytes =
                |seed, len| sample(seed, len).iter().map(|value| (value * 1e4) as i32 as u8).collect::<Vec<u8>>();
            let (codes, query) = (bytes(1, 9 * lines * LINE), bytes(2, 2 * lines * LINE));
            let rows = [3u32, 0, 8, 8, 5];
            let sums = |kernel: Nibbles| {
                let mut out = vec![1; 2];
                kernel.dots(&codes, &query, &rows, &mut out);
                out
            };
            let want = sums(Nibbles(portable));
            assert_eq!(sums(Nibbles::detect()), want);
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                assert_eq!(sums(Nibbles(avx2)), want);
            }
            let code = &codes[3 * lines * LINE..];
            let mut naive = 0i32;
            for at in 0..2 * lines * LINE {
                let byte = code[at / 128 * 64 + at % 64];
                let half = if at % 128 < 64 { byte & 15 } else { byte >> 4 };
                naive += i32::from(half) * i32::from(query[at] as i8);
            }
            assert_eq!(want[0], naive as u32);
        }
    }

    #[test]
    #[should_panic(expected = "rows lie inside the codes")]
    fn a_row_beyond_the_codes_is_not_read() {
        Nibbles::detect().dots(&[0; 128], &[0; 128], &[1, 2], &mut Vec::new());
    }
}
