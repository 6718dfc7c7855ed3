//! Scores of pairs of `f32` vectors on 512-bit registers: four sums side by side, so that no product waits for the last one,
//! and what is left of a vector by a mask. simsimd keeps one sum, and waits.

use std::arch::x86_64::*;

/// Numbers in a register.
const LANES: usize = 16;

/// Adds what two registers of numbers come to.
macro_rules! pairwise {
    ($name:ident, |$sum:ident, $a:ident, $b:ident| $step:expr) => {
        /// Over the numbers that both have.
        ///
        /// # Safety
        ///
        /// The machine has AVX-512 F.
        #[inline]
        #[target_feature(enable = "avx512f")]
        pub(super) unsafe fn $name(a: &[f32], b: &[f32]) -> f32 {
            let len = a.len().min(b.len());
            let step = |$sum: __m512, $a: __m512, $b: __m512| $step;
            let mut sums = [_mm512_setzero_ps(); 4];
            let mut at = 0;
            while at + 4 * LANES <= len {
                for (part, sum) in sums.iter_mut().enumerate() {
                    let from = at + part * LANES;
                    // SAFETY: all four registers end within both vectors.
                    let a = unsafe { _mm512_loadu_ps(a.as_ptr().add(from)) };
                    // SAFETY: as above.
                    let b = unsafe { _mm512_loadu_ps(b.as_ptr().add(from)) };
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
                let b = unsafe { _mm512_maskz_loadu_ps(mask, b.as_ptr().add(at)) };
                *sum = step(*sum, a, b);
                at += LANES;
            }
            let [a, b, c, d] = sums;
            _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)))
        }
    };
}

pairwise!(dot, |sum, a, b| _mm512_fmadd_ps(a, b, sum));
pairwise!(euclid_squared, |sum, a, b| {
    let off = _mm512_sub_ps(a, b);
    _mm512_fmadd_ps(off, off, sum)
});
