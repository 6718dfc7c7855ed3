//! What the loops for 256-bit registers share. These have no products of bytes that add up in 32 bits, as AVX-512 has: bytes are
//! made 16 bits wide, of which two neighbouring products add up exactly.

use super::packed::Terms;
use std::arch::x86_64::*;

/// Bytes of a register.
pub(super) const WIDE: usize = 32;

/// The sums of the eight numbers of each.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn four_totals([a, b, c, d]: [__m256i; 4]) -> __m128i {
    let abcd = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    _mm_add_epi32(_mm256_castsi256_si128(abcd), _mm256_extracti128_si256(abcd, 1))
}

/// As [`four_totals`], out of their register.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn totals(sums: [__m256i; 4]) -> [u32; 4] {
    let mut totals = [0; 4];
    // SAFETY: four numbers of 32 bits are 128 bits.
    unsafe { _mm_storeu_si128(totals.as_mut_ptr().cast(), four_totals(sums)) };
    totals
}

/// Four distances, by the operations of `packed::estimate`.
///
/// # Safety
///
/// Two numbers can be read at each of `pairs`.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn estimates(terms: Terms, pairs: [*const u8; 4], dots: __m128i) -> __m128 {
    // SAFETY: as the caller promised.
    let [a, b, c, d] = pairs.map(|pair| unsafe { _mm_castsi128_ps(_mm_loadl_epi64(pair.cast())) });
    let (ab, cd) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
    let (biases, factors) = (_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab));
    let centred = _mm_sub_ps(_mm_cvtepi32_ps(dots), _mm_set1_ps(terms.offset));
    let near = _mm_mul_ps(_mm_mul_ps(factors, _mm_set1_ps(terms.scale)), centred);
    _mm_sub_ps(_mm_add_ps(biases, _mm_set1_ps(terms.norm)), near)
}

/// Bytes as numbers of 16 bits; [`signed`] puts those of another register in the same order.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn unsigned(bytes: __m256i) -> [__m256i; 2] {
    let zero = _mm256_setzero_si256();
    [_mm256_unpacklo_epi8(bytes, zero), _mm256_unpackhi_epi8(bytes, zero)]
}

/// Signed bytes as numbers of 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn signed(bytes: __m256i) -> [__m256i; 2] {
    let signs = _mm256_cmpgt_epi8(_mm256_setzero_si256(), bytes);
    [_mm256_unpacklo_epi8(bytes, signs), _mm256_unpackhi_epi8(bytes, signs)]
}

/// Adds the products of two registers' numbers of 16 bits to a sum.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn add_products(sum: __m256i, [a, b]: [__m256i; 2], [c, d]: [__m256i; 2]) -> __m256i {
    _mm256_add_epi32(sum, _mm256_add_epi32(_mm256_madd_epi16(a, c), _mm256_madd_epi16(b, d)))
}

/// # Safety
///
/// [`WIDE`] bytes can be read at `at`.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn load(at: *const u8) -> __m256i {
    // SAFETY: as the caller promised.
    unsafe { _mm256_loadu_si256(at.cast()) }
}
