//! Turns a vector by signs and fast Hadamard transforms (Ailon & Chazelle 2006). The plain loops, compiled
//! for several instruction sets: additions in the same order, so every twin gives the same bits.

use std::fmt;

/// Turns `values` in rounds. `signs` holds, for each round, a factor for each number; `block` is a power of
/// two from 16 on, at most the length of `values`.
///
/// # Safety
///
/// The machine has the instructions that the function was compiled for.
type Turn = unsafe fn(values: &mut [f32], signs: &[f32], block: usize);

/// The loop that is best on this machine.
#[derive(Copy, Clone)]
pub(in crate::vector) struct Rotate(Turn);

impl fmt::Debug for Rotate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rotate")
    }
}

impl Rotate {
    /// Looks at the machine.
    pub(in crate::vector) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f") {
                return Self(avx512);
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                return Self(avx2);
            }
        }
        Self(portable)
    }

    /// Turns `values`: rounds of signs and of a transform of `block` numbers, at the start and at the end by
    /// turns, and where that is not the whole a turn of both halves against each other. `signs` is whole
    /// rounds.
    pub(in crate::vector) fn turn(self, values: &mut [f32], signs: &[f32], block: usize) {
        assert!(block.is_power_of_two() && (16..=values.len()).contains(&block));
        assert!(signs.len().is_multiple_of(values.len()), "whole rounds");
        // SAFETY: `detect` gave this loop because the machine has what it is compiled for.
        unsafe { (self.0)(values, signs, block) };
    }
}

#[inline(always)]
fn turn_plain(values: &mut [f32], signs: &[f32], block: usize) {
    let len = values.len();
    let scale = 1.0 / (block as f32).sqrt();
    for (round, signs) in signs.chunks_exact(len).enumerate() {
        for (value, sign) in values.iter_mut().zip(signs) {
            *value *= sign;
        }
        let from = if round % 2 == 0 { 0 } else { len - block };
        hadamard(&mut values[from..from + block]);
        values[from..from + block].iter_mut().for_each(|value| *value *= scale);
        if block < len {
            let (heads, tails) = values.split_at_mut(len / 2);
            for (head, tail) in heads.iter_mut().zip(tails) {
                let (sum, rest) = (*head + *tail, *head - *tail);
                *head = sum * std::f32::consts::FRAC_1_SQRT_2;
                *tail = rest * std::f32::consts::FRAC_1_SQRT_2;
            }
        }
    }
}

#[inline(always)]
fn hadamard(values: &mut [f32]) {
    let mut half = values.len() / 2;
    while half >= 16 {
        for pair in values.chunks_exact_mut(2 * half) {
            let (heads, tails) = pair.split_at_mut(half);
            for (head, tail) in heads.iter_mut().zip(tails) {
                (*head, *tail) = (*head + *tail, *head - *tail);
            }
        }
        half /= 2;
    }
    for sixteen in values.as_chunks_mut::<16>().0 {
        *sixteen = stage::<1>(stage::<2>(stage::<4>(stage::<8>(*sixteen))));
    }
}

/// One stage inside a register: every number meets the one `HALF` places away.
#[inline(always)]
fn stage<const HALF: usize>(values: [f32; 16]) -> [f32; 16] {
    let mut out = [0f32; 16];
    for at in 0..16 {
        let own = if at & HALF == 0 { values[at] } else { -values[at] };
        out[at] = values[at ^ HALF] + own;
    }
    out
}

/// # Safety
///
/// None is needed. As a pointer it has the type of its twins.
unsafe fn portable(values: &mut [f32], signs: &[f32], block: usize) {
    turn_plain(values, signs, block);
}

/// # Safety
///
/// The machine has AVX2; every access is checked.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(values: &mut [f32], signs: &[f32], block: usize) {
    turn_plain(values, signs, block);
}

/// # Safety
///
/// The machine has AVX-512 F; every access is checked.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2")]
unsafe fn avx512(values: &mut [f32], signs: &[f32], block: usize) {
    turn_plain(values, signs, block);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::kernel::tests::{few, sample};

    #[test]
    fn every_loop_gives_the_same_bits() {
        for &(len, block) in few(&[(64, 64), (128, 64), (192, 128), (384, 256), (832, 512), (1024, 1024)], 3) {
            let values = sample(len as u32, len);
            let signs: Vec<f32> = sample(9, 4 * len).iter().map(|value| value.signum()).collect();
            let turned = |rotate: Rotate| {
                let mut values = values.clone();
                rotate.turn(&mut values, &signs, block);
                values
            };
            let plain = turned(Rotate(portable));
            assert_eq!(turned(Rotate::detect()), plain);
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                assert_eq!(turned(Rotate(avx2)), plain);
            }
            let squares = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>();
            assert!((squares(&plain) / squares(&values) - 1.0).abs() < 1e-4);
        }
    }
}
