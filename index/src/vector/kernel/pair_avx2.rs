//! The scores of `pair` on 256-bit registers, for machines without larger ones.

use half::f16;
use std::arch::x86_64::*;

/// Numbers in a register.
const LANES: usize = 8;

/// Adds what two registers of numbers come to; `$load` reads a register of the second vector, `$one` a single number.
macro_rules! pairwise {
    ($name:ident, $kind:ty, $load:expr, $one:expr, |$sum:ident, $a:ident, $b:ident| $step:expr) => {
        /// Over the numbers that both have.
        ///
        /// # Safety
        ///
        /// The machine has AVX2, FMA and F16C.
        #[inline]
        #[target_feature(enable = "avx2,fma,f16c")]
        pub(super) unsafe fn $name(a: &[f32], b: &[$kind]) -> f32 {
            let len = a.len().min(b.len());
            let step = |$sum: __m256, $a: __m256, $b: __m256| $step;
            // SAFETY: whoever calls it says that the register ends within both vectors.
            let pair = |at: usize| unsafe { (_mm256_loadu_ps(a.as_ptr().add(at)), $load(b.as_ptr().add(at))) };
            let mut sums = [_mm256_setzero_ps(); 4];
            let (whole, rounds) = (len / LANES * LANES, len / (4 * LANES) * (4 * LANES));
            // Which sum a register is added to is known when this is compiled, so that the sums stay in registers.
            for from in (0..rounds).step_by(4 * LANES) {
                for (lane, sum) in sums.iter_mut().enumerate() {
                    let (a, b) = pair(from + lane * LANES);
                    *sum = step(*sum, a, b);
                }
            }
            for (lane, sum) in sums.iter_mut().enumerate() {
                let at = rounds + lane * LANES;
                if at < whole {
                    let (a, b) = pair(at);
                    *sum = step(*sum, a, b);
                }
            }
            if whole < len {
                let (mut last_a, mut last_b) = ([0f32; LANES], [0f32; LANES]);
                last_a[..len - whole].copy_from_slice(&a[whole..len]);
                for (last, b) in last_b.iter_mut().zip(&b[whole..len]) {
                    *last = $one(*b);
                }
                // SAFETY: both arrays fill a register.
                let (a, b) = unsafe { (_mm256_loadu_ps(last_a.as_ptr()), _mm256_loadu_ps(last_b.as_ptr())) };
                sums[0] = step(sums[0], a, b);
            }
            let [a, b, c, d] = sums;
            let sum = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
            let sum = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
            let sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
            _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)))
        }
    };
}

/// The two scores over numbers of one kind.
macro_rules! scores {
    ($dot:ident, $euclid:ident, $kind:ty, $load:expr, $one:expr) => {
        pairwise!($dot, $kind, $load, $one, |sum, a, b| _mm256_fmadd_ps(a, b, sum));
        pairwise!($euclid, $kind, $load, $one, |sum, a, b| {
            let off = _mm256_sub_ps(a, b);
            _mm256_fmadd_ps(off, off, sum)
        });
    };
}

scores!(dot, euclid_squared, f32, |at| _mm256_loadu_ps(at), |number: f32| number);
scores!(
    dot_halves,
    euclid_squared_halves,
    u16,
    |at: *const u16| _mm256_cvtph_ps(_mm_loadu_si128(at.cast())),
    |number: u16| f16::from_bits(number).to_f32()
);
scores!(
    dot_bytes,
    euclid_squared_bytes,
    u8,
    |at: *const u8| _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(at.cast()))),
    |number: u8| f32::from(number)
);
