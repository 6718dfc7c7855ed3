//! The products of one vector with every row of a small matrix, all of them 8 bits a number: what turns a query.
//!
//! Every sum is exact, so every twin gives the same bits. Numbers of the matrix are at most [`TOP`] and those of the vector at
//! most 127: with 128 added to the vector's, two products fit 16 bits (2 x 63 x 255 < 2^15), and what that adds to a row's
//! sum is known beforehand. On 256-bit registers the matrix lies in the order in which it is read:
//!
//! ```text
//! block    up to BLOCK tiles for each four numbers of the vector
//! tile     four numbers each of eight rows
//! ```
//!
//! Four numbers of the vector meet a tile in one step, and the sums of eight rows stand side by side at the end: no row is
//! summed across a register.

use super::codes8::Codes8;
use super::{Block, LINE};

/// The greatest number of a row, and the least with the other sign.
pub(in crate::vector) const TOP: f32 = 63.0;

/// Rows of a tile, and numbers of each.
const ROWS: usize = 8;
const FOUR: usize = 4;

/// Tiles that share a read of the vector: as many sums as registers hold.
const BLOCK: usize = 6;

/// The matrix.
#[derive(Debug)]
pub(in crate::vector) struct Signed {
    rows: Block,
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// Row by row, unsigned.
    Rows { kernel: Codes8, all: Vec<u32> },
    /// In tiles; with the sums of the rows.
    #[cfg(target_arch = "x86_64")]
    Tiles { sums: Vec<i32> },
}

impl Signed {
    /// Holds whole rows of `stride` bytes, none of them beyond [`TOP`], for the quickest loop of this machine.
    pub(in crate::vector) fn new(rows: &[u8], stride: usize) -> Self {
        #[cfg(target_arch = "x86_64")]
        if !super::has_avx512() && std::arch::is_x86_feature_detected!("avx2") {
            return Self::in_tiles(rows, stride);
        }
        Self::by_rows(Codes8::detect(), rows, stride)
    }

    fn by_rows(kernel: Codes8, rows: &[u8], stride: usize) -> Self {
        let all = (0..(rows.len() / stride) as u32).collect();
        let mut rows = Block::copy_of(rows);
        // The loop takes one side as unsigned.
        rows.bytes_mut().iter_mut().for_each(|byte| *byte ^= 0x80);
        Self { rows, held: Held::Rows { kernel, all } }
    }

    #[cfg(target_arch = "x86_64")]
    fn in_tiles(rows: &[u8], stride: usize) -> Self {
        assert!(stride.is_multiple_of(LINE), "a row is whole lines");
        debug_assert!(rows.iter().all(|byte| f32::from((*byte as i8).unsigned_abs()) <= TOP), "products fit 16 bits");
        let sums = rows.chunks_exact(stride).map(|row| row.iter().map(|byte| i32::from(*byte as i8)).sum()).collect();
        let tiles = (rows.len() / stride).div_ceil(ROWS);
        let mut held = Block::zeroed(tiles * ROWS * stride);
        for (at, row) in rows.chunks_exact(stride).enumerate() {
            let (tile, lane) = (at / ROWS, at % ROWS);
            let first = tile / BLOCK * BLOCK;
            let in_block = BLOCK.min(tiles - first);
            let block = &mut held.bytes_mut()[first * ROWS * stride..];
            for (step, four) in row.chunks_exact(FOUR).enumerate() {
                let from = (step * in_block + tile - first) * ROWS * FOUR + lane * FOUR;
                block[from..from + FOUR].copy_from_slice(four);
            }
        }
        Self { rows: held, held: Held::Tiles { sums } }
    }

    /// The inner products of all rows with a vector of as many signed bytes, none of them -128.
    pub(in crate::vector) fn dots(&self, vector: &[u8], out: &mut Vec<u32>) {
        match &self.held {
            Held::Rows { kernel, all } => {
                kernel.dots(&self.rows, vector, all, out);
                let too_much = vector.iter().map(|byte| i32::from(*byte as i8)).sum::<i32>().wrapping_mul(128);
                out.iter_mut().for_each(|dot| *dot = dot.wrapping_sub(too_much as u32));
            }
            #[cfg(target_arch = "x86_64")]
            Held::Tiles { sums } => {
                let lanes = sums.len().next_multiple_of(ROWS);
                out.clear();
                out.resize(lanes, 0);
                assert!(
                    vector.len().is_multiple_of(LINE) && lanes * vector.len() == self.rows.len(),
                    "rows are as long"
                );
                // SAFETY: the assertion holds what `dots` asks for, and tiles are held where the machine has AVX2.
                unsafe { avx2::dots(&self.rows, vector, out) };
                out.truncate(sums.len());
                for (dot, sum) in out.iter_mut().zip(sums) {
                    *dot = dot.wrapping_sub((sum * 128) as u32);
                }
            }
        }
    }

    /// Bytes held in memory of our own.
    pub(in crate::vector) fn memory_bytes(&self) -> u64 {
        let beside = match &self.held {
            Held::Rows { all, .. } => size_of_val(&all[..]),
            #[cfg(target_arch = "x86_64")]
            Held::Tiles { sums } => size_of_val(&sums[..]),
        };
        (self.rows.len() + beside) as u64
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::super::avx2::{WIDE, load};
    use super::{BLOCK, FOUR, ROWS};
    use std::arch::x86_64::*;

    /// # Safety
    ///
    /// `out` is whole tiles long, `vector` whole lines, and `tiles` as long as both multiplied; the machine has AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn dots(tiles: &[u8], vector: &[u8], out: &mut [u32]) {
        let blocks = tiles.chunks(BLOCK * ROWS * vector.len()).zip(out.chunks_mut(BLOCK * ROWS));
        for (tiles, out) in blocks {
            // SAFETY: a block has as many tiles as its part of `out` has, and of each as many as the vector has fours.
            unsafe {
                match out.len() / ROWS {
                    1 => block::<1>(tiles, vector, out),
                    2 => block::<2>(tiles, vector, out),
                    3 => block::<3>(tiles, vector, out),
                    4 => block::<4>(tiles, vector, out),
                    5 => block::<5>(tiles, vector, out),
                    _ => block::<BLOCK>(tiles, vector, out),
                }
            }
        }
    }

    /// # Safety
    ///
    /// As of [`dots`], for `TILES` tiles.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn block<const TILES: usize>(tiles: &[u8], vector: &[u8], out: &mut [u32]) {
        let (ones, middle) = (_mm256_set1_epi16(1), _mm256_set1_epi8(-128));
        let mut sums = [_mm256_setzero_si256(); TILES];
        for (step, four) in vector.as_chunks::<FOUR>().0.iter().enumerate() {
            let four = _mm256_xor_si256(_mm256_set1_epi32(i32::from_le_bytes(*four)), middle);
            for (tile, sum) in sums.iter_mut().enumerate() {
                // SAFETY: there are `TILES` tiles for each step.
                let rows = unsafe { load(tiles.as_ptr().add((step * TILES + tile) * WIDE)) };
                let pairs = _mm256_maddubs_epi16(four, rows);
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
        for (out, sum) in out.chunks_exact_mut(ROWS).zip(sums) {
            // SAFETY: eight numbers of 32 bits are 256 bits.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), sum) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::kernel::tests::{few, sample};

    /// The greatest products too: two of them are added up in 16 bits.
    #[test]
    fn every_way_gives_the_plain_sums() {
        for &(lines, rows) in few(&[(1, 9), (2, 1), (1, 48), (6, 112), (13, 43), (1, 107)], 2) {
            let stride = lines * LINE;
            let any = |seed, len, most: f32| {
                sample(seed, len).into_iter().map(|value| (value * most).round() as i8).collect::<Vec<_>>()
            };
            let mut matrix = any(lines as u32, stride * rows, TOP);
            for (row, edge) in matrix.chunks_exact_mut(stride).zip([TOP as i8, -TOP as i8]) {
                row.fill(edge);
            }
            for vector in [any(7, stride, 127.0), vec![127; stride], vec![-127; stride], vec![0; stride]] {
                let dot = |row: &[i8]| row.iter().zip(&vector).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>();
                let want: Vec<i32> = matrix.chunks_exact(stride).map(dot).collect();
                let bytes = bytemuck::cast_slice(&matrix);
                let mut held = vec![Signed::new(bytes, stride), Signed::by_rows(Codes8::detect(), bytes, stride)];
                #[cfg(target_arch = "x86_64")]
                if std::arch::is_x86_feature_detected!("avx2") {
                    held.push(Signed::in_tiles(bytes, stride));
                }
                for held in held {
                    let mut dots = vec![5; 3];
                    held.dots(bytemuck::cast_slice(&vector), &mut dots);
                    assert_eq!(dots.into_iter().map(|dot| dot as i32).collect::<Vec<_>>(), want);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "rows")]
    fn a_vector_of_another_length_is_not_multiplied() {
        Signed::new(&[0; 8 * 128], 128).dots(&[0; 192], &mut Vec::new());
    }
}
