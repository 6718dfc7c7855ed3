//! Arithmetic on vectors: the one door to simsimd, and the loops that it lacks.
//!
//! Pairwise scores of `f32` vectors go through simsimd, which picks the best code for the machine
//! at run time, where there is nothing of our own (`pair`, `pair_avx2`). Vectors of unequal length score as if the longer one were cut. Loops over codes are
//! our own, one file for each kind of code.

/// Compiles a plain loop for the registers of the machine it runs on as well. The loop multiplies and adds
/// without fusing, so that every version gives the same bits.
macro_rules! versions {
    ($($(#[$about:meta])* $seen:vis fn $name:ident($($arg:ident: $kind:ty),*) $(-> $out:ty)? = $loop:path;)*) => {$(
        $(#[$about])*
        #[inline]
        $seen fn $name($($arg: $kind),*) $(-> $out)? {
            #[cfg(target_arch = "x86_64")]
            {
                /// # Safety
                ///
                /// The machine has AVX-512 F, BW and DQ.
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
                unsafe fn avx512($($arg: $kind),*) $(-> $out)? {
                    $loop($($arg),*)
                }
                /// # Safety
                ///
                /// The machine has AVX2.
                #[target_feature(enable = "avx2")]
                unsafe fn avx2($($arg: $kind),*) $(-> $out)? {
                    $loop($($arg),*)
                }
                if $crate::vector::kernel::has_avx512() {
                    // SAFETY: the machine has what this version is compiled for; the loop checks every access.
                    return unsafe { avx512($($arg),*) };
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: as above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            $loop($($arg),*)
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
mod avx2;
mod block;
pub(super) mod codes8;
pub(super) mod fastscan;
pub(super) mod gist;
pub(super) mod matrix;
pub(super) mod nibbles;
pub(super) mod packed;
#[cfg(target_arch = "x86_64")]
mod pair;
#[cfg(target_arch = "x86_64")]
mod pair_avx2;
#[cfg(feature = "bench")]
pub(super) mod read;
pub(super) mod rotate;
pub(super) mod sift;
pub(super) mod signed;
pub(super) mod tile;
pub(super) mod tile8;
pub(super) mod words;

/// Whether the 512-bit registers can be used, with the instructions that our loops have for them.
#[cfg(target_arch = "x86_64")]
#[inline]
fn has_avx512() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") && has!("avx512vnni")
}

/// Whether 256-bit registers can be used, with products that are added as they are made and floats of 16 bits.
#[cfg(target_arch = "x86_64")]
#[inline]
fn has_avx2() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx2") && has!("fma") && has!("f16c")
}

pub(super) use block::Block;
use simsimd::SpatialSimilarity;

/// Bytes of a cache line. Codes are padded to whole lines.
pub(super) const LINE: usize = 64;

/// The inner product.
#[inline]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if has_avx512() {
        // SAFETY: the machine has AVX-512 F.
        return unsafe { pair::dot(a, b) };
    }
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the machine has AVX2, FMA and F16C.
        return unsafe { pair_avx2::dot(a, b) };
    }
    let len = a.len().min(b.len());
    if cfg!(miri) {
        // Miri runs no C; what it looks for is on our side of it.
        return a.iter().zip(b).map(|(a, b)| a * b).sum();
    }
    f32::dot(&a[..len], &b[..len]).map_or(0.0, |value| value as f32)
}

/// The square of the Euclidean distance.
#[inline]
pub(super) fn euclid_squared(a: &[f32], b: &[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if has_avx512() {
        // SAFETY: the machine has AVX-512 F.
        return unsafe { pair::euclid_squared(a, b) };
    }
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        // SAFETY: the machine has AVX2, FMA and F16C.
        return unsafe { pair_avx2::euclid_squared(a, b) };
    }
    let len = a.len().min(b.len());
    if cfg!(miri) {
        return a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    }
    f32::sqeuclidean(&a[..len], &b[..len]).map_or(0.0, |value| value as f32)
}

/// Scores of a query with a vector that is kept narrow, the same as of the floats that it stands for; `None` where the machine
/// has nothing that spares making it wide first.
macro_rules! narrow {
    ($(#[$about:meta] $name:ident($kind:ty);)*) => {$(
        #[$about]
        #[inline]
        pub(super) fn $name(_query: &[f32], _narrow: &[$kind]) -> Option<f32> {
            #[cfg(target_arch = "x86_64")]
            if has_avx512() {
                // SAFETY: the machine has AVX-512 F, BW and VL.
                return Some(unsafe { pair::$name(_query, _narrow) });
            }
            #[cfg(target_arch = "x86_64")]
            if has_avx2() {
                // SAFETY: the machine has AVX2, FMA and F16C.
                return Some(unsafe { pair_avx2::$name(_query, _narrow) });
            }
            None
        }
    )*};
}

narrow! {
    /// As [`dot`], with half-precision floats.
    dot_halves(u16);
    /// As [`euclid_squared`], with half-precision floats.
    euclid_squared_halves(u16);
    /// As [`dot`], with bytes.
    dot_bytes(u8);
    /// As [`euclid_squared`], with bytes.
    euclid_squared_bytes(u8);
}

/// The sum of absolute differences, which simsimd does not have. Sixteen sums side by side, so that
/// the compiler may use the registers' whole width.
#[inline]
pub(super) fn manhattan(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    let (heads_a, tail_a) = a[..len].as_chunks::<16>();
    let (heads_b, tail_b) = b[..len].as_chunks::<16>();
    let mut sums = [0f32; 16];
    for (a, b) in heads_a.iter().zip(heads_b) {
        for lane in 0..16 {
            sums[lane] += (a[lane] - b[lane]).abs();
        }
    }
    let tail: f32 = tail_a.iter().zip(tail_b).map(|(a, b)| (a - b).abs()).sum();
    sums.iter().sum::<f32>() + tail
}

/// One over the length of a vector; 0 for a vector of length 0, so that it scores 0 with everything.
pub(super) fn inverse_norm(vector: &[f32]) -> f32 {
    let squares: f64 = vector.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
    let inverse = squares.sqrt().recip() as f32;
    if inverse.is_finite() { inverse } else { 0.0 }
}

versions! {
    /// The sum of squares: the same bits on every machine, unlike [`dot`].
    pub(super) fn squares(values: &[f32]) -> f32 = plain_squares;

    /// The inner product, the same bits on every machine.
    pub(super) fn dot_in_order(a: &[f32], b: &[f32]) -> f32 = plain_dot;

    /// `values -= other x by`.
    pub(super) fn subtract(values: &mut [f32], other: &[f32], by: f32) = plain_subtract;

    /// Vectors in 8 signed bits a number, the largest of them `top`; what a unit stands for. Bytes beyond the vector
    /// become 0.
    pub(super) fn signed_bytes(values: &[f32], top: f32, bytes: &mut [u8]) -> f32 = plain_signed_bytes;

    /// The smallest of every thirty-second value, from each of the first thirty-two on; [`f32::MAX`] where there is none.
    pub(super) fn smallest_of_lanes(values: &[f32]) -> [f32; 32] = plain_smallest_of_lanes;

    /// The largest of some numbers; 0 where there is none.
    pub(super) fn largest(numbers: &[u32]) -> u32 = plain_largest;

    /// Bytes as floats.
    pub(super) fn widen(bytes: &[u8], out: &mut [f32]) = plain_widen;

    /// Every value times `by` as the nearest half, at most `most` from zero; the product of values and halves, and of the
    /// halves with themselves.
    pub(super) fn on_grid(values: &[f32], by: f32, most: f32, levels: &mut [f32]) -> (f32, f32) = plain_on_grid;
}

#[inline(always)]
fn plain_squares(values: &[f32]) -> f32 {
    plain_dot(values, values)
}

#[inline(always)]
fn plain_dot(a: &[f32], b: &[f32]) -> f32 {
    let ((heads_a, tail_a), (heads_b, tail_b)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0f32; 16];
    for (a, b) in heads_a.iter().zip(heads_b) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    for (at, (a, b)) in tail_a.iter().zip(tail_b).enumerate() {
        sums[at] += a * b;
    }
    sums.iter().sum()
}

#[inline(always)]
fn plain_subtract(values: &mut [f32], other: &[f32], by: f32) {
    for (value, other) in values.iter_mut().zip(other) {
        *value -= other * by;
    }
}

#[inline(always)]
fn plain_signed_bytes(values: &[f32], top: f32, bytes: &mut [u8]) -> f32 {
    let mut largest = [0f32; 16];
    let (heads, tail) = values.as_chunks::<16>();
    for head in heads {
        for lane in 0..16 {
            largest[lane] = largest[lane].max(head[lane].abs());
        }
    }
    let largest = tail.iter().chain(&largest).fold(0f32, |most, value| most.max(value.abs()));
    let unit = largest / top;
    let by = if unit.is_finite() && unit.recip().is_finite() { unit.recip() } else { 0.0 };
    // Adding and taking away 1.5 x 2^23 rounds a number of a few digits to the nearest whole one.
    const WHOLE: f32 = 12_582_912.0;
    for (byte, value) in bytes.iter_mut().zip(values) {
        // What is no number stays within the bytes' bounds as well: loops rely on those.
        let within = (value * by).max(-top).min(top);
        *byte = ((within + WHOLE).to_bits() as i32).wrapping_sub(WHOLE.to_bits() as i32) as u8;
    }
    if let Some(rest) = bytes.get_mut(values.len()..) {
        rest.fill(0);
    }
    unit
}

#[inline(always)]
fn plain_smallest_of_lanes(values: &[f32]) -> [f32; 32] {
    let mut least = [f32::MAX; 32];
    let (heads, tail) = values.as_chunks::<32>();
    for head in heads {
        for (least, value) in least.iter_mut().zip(head) {
            *least = if *value < *least { *value } else { *least };
        }
    }
    for (least, value) in least.iter_mut().zip(tail) {
        *least = least.min(*value);
    }
    least
}

#[inline(always)]
fn plain_largest(numbers: &[u32]) -> u32 {
    numbers.iter().fold(0, |most, number| most.max(*number))
}

#[inline(always)]
fn plain_widen(bytes: &[u8], out: &mut [f32]) {
    for (out, byte) in out.iter_mut().zip(bytes) {
        *out = f32::from(*byte);
    }
}

#[inline(always)]
fn plain_on_grid(values: &[f32], by: f32, most: f32, levels: &mut [f32]) -> (f32, f32) {
    for (level, value) in levels.iter_mut().zip(values) {
        *level = ((value * by).floor() + 0.5).clamp(-most, most);
    }
    (plain_dot(values, levels), plain_dot(levels, levels))
}

/// Asks for the line at `at`, which may be beyond the end.
#[inline(always)]
fn prefetch_line(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and faults nowhere, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch(at.cast(), _MM_HINT_T0);
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch reads nothing and faults nowhere, whatever the address.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) at, options(nostack, readonly, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = at;
}

/// Asks for all lines of some rows of `stride` bytes each.
#[inline]
pub(super) fn prefetch_rows(all: &[u8], stride: usize, rows: &[u32]) {
    for row in rows {
        let start = all.as_ptr().wrapping_add(*row as usize * stride);
        for at in (0..stride).step_by(LINE) {
            prefetch_line(start.wrapping_add(at));
        }
    }
}

/// Asks for all lines of `values`.
#[inline]
pub(super) fn prefetch<T>(values: &[T]) {
    let start = values.as_ptr().cast::<u8>();
    for at in (0..size_of_val(values)).step_by(LINE) {
        prefetch_line(start.wrapping_add(at));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::vector::kernel) fn sample(seed: u32, len: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        std::iter::repeat_with(next).take(len).collect()
    }

    /// The first few under Miri, which takes thousands of times as long; else all of them.
    pub(in crate::vector::kernel) fn few<T>(all: &[T], under_miri: usize) -> &[T] {
        if cfg!(miri) { &all[..under_miri] } else { all }
    }

    fn near(got: f32, want: f64) {
        assert!((f64::from(got) - want).abs() <= 1e-4 * (1.0 + want.abs()), "{got} is not {want}");
    }

    #[test]
    fn pairwise_scores_agree_with_plain_sums() {
        for &len in few(&[1, 2, 15, 16, 17, 63, 64, 100, 384, 785], 7) {
            let (a, b) = (sample(1, len), sample(2, len));
            let pairs = || a.iter().zip(&b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
            near(dot(&a, &b), pairs().map(|(a, b)| a * b).sum());
            near(euclid_squared(&a, &b), pairs().map(|(a, b)| (a - b) * (a - b)).sum());
            #[cfg(target_arch = "x86_64")]
            if has_avx2() {
                // SAFETY: the machine has AVX2, FMA and F16C.
                let (dot, euclid) = unsafe { (pair_avx2::dot(&a, &b), pair_avx2::euclid_squared(&a, &b)) };
                near(dot, pairs().map(|(a, b)| a * b).sum());
                near(euclid, pairs().map(|(a, b)| (a - b) * (a - b)).sum());
            }
            // simsimd, whatever the machine has; Miri does not run C.
            if !cfg!(miri) {
                near(f32::dot(&a, &b).unwrap() as f32, pairs().map(|(a, b)| a * b).sum());
            }
            near(dot(&a[..len / 2], &b), pairs().take(len / 2).map(|(a, b)| a * b).sum());
            near(manhattan(&a, &b), pairs().map(|(a, b)| (a - b).abs()).sum());
        }
    }

    #[test]
    fn narrow_vectors_score_as_the_floats_that_they_stand_for() {
        for &len in few(&[1, 2, 15, 16, 17, 63, 64, 100, 384, 785], 7) {
            let query = sample(3, len);
            let halves: Vec<half::f16> = sample(4, len).into_iter().map(half::f16::from_f32).collect();
            let bits: Vec<u16> = halves.iter().map(|half| half.to_bits()).collect();
            let of_halves: Vec<f32> = halves.iter().map(|half| half.to_f32()).collect();
            let bytes: Vec<u8> = (0..len).map(|at| (at * 37 % 256) as u8).collect();
            let of_bytes: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte)).collect();
            for (narrow, wide) in [
                (dot_halves(&query, &bits), dot(&query, &of_halves)),
                (euclid_squared_halves(&query, &bits), euclid_squared(&query, &of_halves)),
                (dot_bytes(&query, &bytes), dot(&query, &of_bytes)),
                (euclid_squared_bytes(&query, &bytes), euclid_squared(&query, &of_bytes)),
            ] {
                assert!(narrow.is_none_or(|narrow| narrow.to_bits() == wide.to_bits()), "{narrow:?} is not {wide}");
            }
            #[cfg(target_arch = "x86_64")]
            if has_avx2() {
                // SAFETY: the machine has AVX2, FMA and F16C.
                let (narrow, wide) = unsafe {
                    let halves =
                        [pair_avx2::dot_halves(&query, &bits), pair_avx2::euclid_squared_halves(&query, &bits)];
                    let of_halves = [pair_avx2::dot(&query, &of_halves), pair_avx2::euclid_squared(&query, &of_halves)];
                    let own = [pair_avx2::dot_bytes(&query, &bytes), pair_avx2::euclid_squared_bytes(&query, &bytes)];
                    let of_bytes = [pair_avx2::dot(&query, &of_bytes), pair_avx2::euclid_squared(&query, &of_bytes)];
                    ([halves, own], [of_halves, of_bytes])
                };
                assert_eq!(narrow, wide);
            }
        }
    }

    #[test]
    fn signed_bytes_stay_within_their_bounds() {
        let odd = [f32::NAN, f32::INFINITY, -f32::INFINITY, f32::MAX, f32::MIN_POSITIVE, 1e-45, -1e-45, -3.0, 0.0];
        for top in [63.0, 127.0] {
            for from in 0..odd.len() {
                for len in 1..=odd.len() - from {
                    let mut bytes = [0x80; 20];
                    signed_bytes(&odd[from..from + len], top, &mut bytes);
                    assert!(bytes.iter().all(|byte| f32::from(*byte as i8).abs() <= top), "{bytes:?}");
                    assert!(bytes[len..].iter().all(|byte| *byte == 0));
                }
            }
            let mut bytes = [0; 3];
            assert_eq!(signed_bytes(&[1.0, -4.0, 3.0], top, &mut bytes), 4.0 / top);
            assert_eq!(bytes.map(|byte| f32::from(byte as i8)), [(top / 4.0).round(), -top, (top * 0.75).round()]);
        }
    }

    #[test]
    fn a_zero_vector_has_no_direction() {
        assert_eq!(inverse_norm(&[0.0; 7]), 0.0);
        assert_eq!(inverse_norm(&[1e-40; 2]), 0.0);
        near(inverse_norm(&[3.0, 4.0]), 0.2);
    }
}
