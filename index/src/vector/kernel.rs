//! Arithmetic on vectors: the one door to simsimd, and the loops that it lacks.
//!
//! Pairwise scores of `f32` vectors go through simsimd, which picks the best code for the machine
//! at run time. Vectors of unequal length score as if the longer one were cut.

use simsimd::SpatialSimilarity;

/// The inner product.
#[inline]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    f32::dot(&a[..len], &b[..len]).map_or(0.0, |value| value as f32)
}

/// The square of the Euclidean distance.
#[inline]
pub(super) fn euclid_squared(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    f32::sqeuclidean(&a[..len], &b[..len]).map_or(0.0, |value| value as f32)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seed: u32, len: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        std::iter::repeat_with(next).take(len).collect()
    }

    fn near(got: f32, want: f64) {
        assert!((f64::from(got) - want).abs() <= 1e-4 * (1.0 + want.abs()), "{got} is not {want}");
    }

    #[test]
    fn pairwise_scores_agree_with_plain_sums() {
        for len in [1, 2, 15, 16, 17, 63, 64, 100, 384, 785] {
            let (a, b) = (sample(1, len), sample(2, len));
            let pairs = || a.iter().zip(&b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
            near(dot(&a, &b), pairs().map(|(a, b)| a * b).sum());
            near(euclid_squared(&a, &b), pairs().map(|(a, b)| (a - b) * (a - b)).sum());
            near(manhattan(&a, &b), pairs().map(|(a, b)| (a - b).abs()).sum());
        }
    }

    #[test]
    fn a_zero_vector_has_no_direction() {
        assert_eq!(inverse_norm(&[0.0; 7]), 0.0);
        assert_eq!(inverse_norm(&[1e-40; 2]), 0.0);
        near(inverse_norm(&[3.0, 4.0]), 0.2);
    }
}
