//! Scores of pairs of vectors on 512-bit registers: four sums side by side, so that no product waits for the last one, and
//! what is left of a vector by a mask. simsimd keeps one sum, and waits.
//!
//! One of the two may be kept in half-precision floats or bytes: it is made wide on its way into a register, and the sums are
//! those of the floats that it stands for, to the bit.

use std::arch::x86_64::*;

/// Numbers in a register.
const LANES: usize = 16;

/// Adds what two registers of numbers come to; `$load` and `$some` read a register of the second vector, whole and by a mask.
macro_rules! pairwise {
    ($name:ident, $kind:ty, $load:expr, $some:expr, |$sum:ident, $a:ident, $b:ident| $step:expr) => {
        /// Over the numbers that both have.
        ///
        /// # Safety
        ///
        /// The machine has AVX-512 F, BW and VL.
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
        pub(super) unsafe fn $name(a: &[f32], b: &[$kind]) -> f32 {
            let len = a.len().min(b.len());
            let step = |$sum: __m512, $a: __m512, $b: __m512| $step;
            let mut sums = [_mm512_setzero_ps(); 4];
            let mut at = 0;
            while at + 4 * LANES <= len {
                for (part, sum) in sums.iter_mut().enumerate() {
                    let from = at + part * LANES;
                    // SAFETY: all four registers end within both vectors.
                    let (a, b) = unsafe { (_mm512_loadu_ps(a.as_ptr().add(from)), $load(b.as_ptr().add(from))) };
                    *sum = step(*sum, a, b);
                }
                at += 4 * LANES;
            }
            for sum in &mut sums {
                if at >= len {
                    break;
                }
                let mask = u16::MAX >> (LANES - LANES.min(len - at));
                // SAFETY: the mask leaves out what lies beyond the shorter vector, and that is not read.
                let a = unsafe { _mm512_maskz_loadu_ps(mask, a.as_ptr().add(at)) };
                // SAFETY: as above.
                let b = unsafe { $some(mask, b.as_ptr().add(at)) };
                *sum = step(*sum, a, b);
                at += LANES;
            }
            let [a, b, c, d] = sums;
            _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)))
        }
    };
}

/// The two scores over numbers of one kind.
macro_rules! scores {
    ($dot:ident, $euclid:ident, $kind:ty, $load:expr, $some:expr) => {
        pairwise!($dot, $kind, $load, $some, |sum, a, b| _mm512_fmadd_ps(a, b, sum));
        pairwise!($euclid, $kind, $load, $some, |sum, a, b| {
            let off = _mm512_sub_ps(a, b);
            _mm512_fmadd_ps(off, off, sum)
        });
    };
}

scores!(dot, euclid_squared, f32, |at| _mm512_loadu_ps(at), |mask, at| _mm512_maskz_loadu_ps(mask, at));
scores!(
    dot_halves,
    euclid_squared_halves,
    u16,
    |at: *const u16| _mm512_cvtph_ps(_mm256_loadu_si256(at.cast())),
    |mask, at: *const u16| _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, at.cast()))
);
scores!(
    dot_bytes,
    euclid_squared_bytes,
    u8,
    |at: *const u8| _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(at.cast()))),
    |mask, at: *const u8| _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, at.cast())))
);
