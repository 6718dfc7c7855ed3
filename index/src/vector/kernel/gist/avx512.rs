//! Four gists at a time on 512-bit registers: a mask of 64 bits picks the numbers of the query that they stand for.

use super::{AHEAD, HEAD, LINE, Terms, bytes, prefetch_line};
use crate::vector::kernel::codes8::avx512::totals;
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
    let stride = bytes(lines);
    let start = |row: u32| gists.as_ptr().wrapping_add(row as usize * stride);
    let ((fours, rest), (outs, out_rest)) = (rows.as_chunks::<4>(), out.as_chunks_mut::<4>());
    for (at, (four, out)) in fours.iter().zip(outs).enumerate() {
        for row in fours.get(at + AHEAD / 4).into_iter().flatten() {
            for within in (0..stride).step_by(LINE) {
                prefetch_line(start(*row).wrapping_add(within));
            }
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
