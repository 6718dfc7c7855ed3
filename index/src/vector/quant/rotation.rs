//! A random turn of all vectors: afterwards every number carries as much as any other, whatever the data,
//! and what a rounding hides points nowhere in particular. No distance and no inner product changes.

use crate::vector::kernel::LINE;
use crate::vector::kernel::rotate::Rotate;

/// Rounds of signs and transforms; after three of them a turn is as good as one drawn at random.
const ROUNDS: usize = 4;

/// A turn, told by its seed.
#[derive(Debug)]
pub(in crate::vector) struct Rotation {
    size: usize,
    turned: usize,
    /// For each round a sign for each number.
    signs: Vec<f32>,
    rotate: Rotate,
}

impl Rotation {
    /// The same for the same size and seed, on every machine.
    pub(in crate::vector) fn new(size: usize, seed: u64) -> Self {
        let turned = size.next_multiple_of(LINE);
        let mut state = seed;
        let mut bits = 0u64;
        let signs = (0..ROUNDS * turned)
            .map(|at| {
                if at % 64 == 0 {
                    bits = mixed(&mut state);
                }
                if bits >> (at % 64) & 1 == 1 { 1.0 } else { -1.0 }
            })
            .collect();
        Self { size, turned, signs, rotate: Rotate::detect() }
    }

    /// Numbers of a turned vector: the size, up to a multiple of 64.
    pub(in crate::vector) fn turned(&self) -> usize {
        self.turned
    }

    /// Bytes in memory.
    pub(in crate::vector) fn memory_bytes(&self) -> u64 {
        size_of_val(&self.signs[..]) as u64
    }

    /// Turns a vector of the size.
    pub(in crate::vector) fn turn(&self, values: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.extend_from_slice(&values[..self.size]);
        out.resize(self.turned, 0.0);
        // The greatest power of two that fits.
        let block = 1 << self.turned.ilog2();
        self.rotate.turn(out, &self.signs, block);
    }
}

/// The next number of a sequence (SplitMix64: Steele, Lea & Flood 2014).
fn mixed(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_moves_no_distance_and_spreads_every_number() {
        for size in [1usize, 3, 64, 65, 100, 384, 784, 1000, 1984] {
            let rotation = Rotation::new(size, 7);
            let turned = |values: &[f32]| {
                let mut out = Vec::new();
                rotation.turn(values, &mut out);
                out
            };
            let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            let a: Vec<f32> = (0..size).map(|at| (at * 7919 % 101) as f32 / 50.0 - 1.0).collect();
            let b: Vec<f32> = (0..size).map(|at| (at * 104_729 % 97) as f32 / 48.0 - 1.0).collect();
            let (got, want) = (product(&turned(&a), &turned(&b)), product(&a, &b));
            assert!((got - want).abs() < 1e-3 * (1.0 + size as f64), "{size}: {got} is not {want}");
            for at in [0, size / 2, size - 1] {
                let mut one = vec![0f32; size];
                one[at] = 1.0;
                let far = turned(&one).iter().fold(0f32, |far, value| far.max(value.abs()));
                assert!(far < 6.0 / (rotation.turned() as f32).sqrt(), "{size}: {far} of number {at}");
            }
        }
    }
}
