//! Products of every pair of a few dozen or hundred codes: what a leaf of the build compares.

use super::LINE;
use std::fmt;

/// Codes of a side of a tile. Lists of codes are padded to whole tiles.
pub(in crate::vector) const SIDE: usize = 4;

/// Four codes of 8 bits with the codes from `from` on: `dots[i][j]` is the product of code `from + j` with code `of + i` taken
/// as signed (minus 128).
///
/// # Safety
///
/// `codes` holds whole codes of `stride` bytes, whole cache lines each; both groups of four lie inside; and the machine has the
/// instructions that the function was compiled for. [`Tiles::dots`] sees to all of them.
type Tile = unsafe fn(codes: &[u8], stride: usize, of: usize, from: usize, dots: &mut [[i32; SIDE]; SIDE]);

/// The kernel that is best on this machine.
#[derive(Copy, Clone)]
pub(in crate::vector) struct Tiles(Tile);

impl fmt::Debug for Tiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tiles")
    }
}

impl Tiles {
    /// Looks at the machine.
    pub(in crate::vector) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if super::has_avx512() {
                return Self(avx512::tile);
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                return Self(avx2_tile);
            }
        }
        Self(portable_tile)
    }

    /// The products of four codes with four; see [`Tile`].
    #[inline]
    pub(in crate::vector) fn dots(&self, codes: &[u8], stride: usize, of: usize, from: usize) -> [[i32; SIDE]; SIDE] {
        assert!(
            stride.is_multiple_of(LINE) && (of.max(from) + SIDE) * stride <= codes.len(),
            "both groups of four lie inside"
        );
        let mut dots = [[0; SIDE]; SIDE];
        // SAFETY: the assertion holds what is asked for, and `detect` gave this kernel because the machine has what it
        // is compiled for.
        unsafe { (self.0)(codes, stride, of, from, &mut dots) };
        dots
    }
}

#[inline(always)]
fn plain(codes: &[u8], stride: usize, of: usize, from: usize, dots: &mut [[i32; SIDE]; SIDE]) {
    for (i, dots) in dots.iter_mut().enumerate() {
        let left = &codes[(of + i) * stride..][..stride];
        for (j, dot) in dots.iter_mut().enumerate() {
            let right = &codes[(from + j) * stride..][..stride];
            let pairs = left.iter().zip(right);
            *dot = pairs.map(|(l, r)| i32::from((l ^ 0x80) as i8) * i32::from(*r)).fold(0, i32::wrapping_add);
        }
    }
}

/// # Safety
///
/// None is needed: every access is checked. As a pointer it has the type of its twins.
unsafe fn portable_tile(codes: &[u8], stride: usize, of: usize, from: usize, dots: &mut [[i32; SIDE]; SIDE]) {
    plain(codes, stride, of, from, dots);
}

/// # Safety
///
/// The machine has AVX2; every access is checked.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2_tile(codes: &[u8], stride: usize, of: usize, from: usize, dots: &mut [[i32; SIDE]; SIDE]) {
    plain(codes, stride, of, from, dots);
}

/// Sixteen sums in registers: two products for every load.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::super::codes8::avx512::totals;
    use super::{LINE, SIDE};
    use std::arch::x86_64::*;

    /// # Safety
    ///
    /// As of `Tile`; the machine has AVX-512 F, BW, DQ, VL and VNNI.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(super) unsafe fn tile(codes: &[u8], stride: usize, of: usize, from: usize, dots: &mut [[i32; SIDE]; SIDE]) {
        let flip = _mm512_set1_epi8(i8::MIN);
        let mut sums = [[_mm512_setzero_si512(); SIDE]; SIDE];
        // SAFETY: both groups of four codes of `stride` bytes lie inside, and `line` is inside a code.
        unsafe {
            let (left, right) = (codes.as_ptr().add(of * stride), codes.as_ptr().add(from * stride));
            for line in (0..stride).step_by(LINE) {
                let at = |side: *const u8, one: usize| _mm512_loadu_si512(side.add(one * stride + line).cast());
                let rights = [at(right, 0), at(right, 1), at(right, 2), at(right, 3)];
                for (i, sums) in sums.iter_mut().enumerate() {
                    let left = _mm512_xor_si512(at(left, i), flip);
                    for (sum, right) in sums.iter_mut().zip(rights) {
                        *sum = _mm512_dpbusd_epi32(*sum, right, left);
                    }
                }
            }
        }
        for (dots, sums) in dots.iter_mut().zip(sums) {
            *dots = totals(sums).map(|total| total as i32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::kernel::tests::{few, sample};

    #[test]
    fn every_kernel_agrees_with_the_plain_one() {
        for &lines in few(&[1, 2, 4, 6], 1) {
            let stride = lines * LINE;
            let codes: Vec<u8> =
                sample(lines as u32, stride * 12).iter().map(|value| (value * 1e4) as i32 as u8).collect();
            for (of, from) in [(0, 0), (0, 8), (8, 4), (3, 5)] {
                let mut want = [[0; SIDE]; SIDE];
                plain(&codes, stride, of, from, &mut want);
                assert_eq!(Tiles::detect().dots(&codes, stride, of, from), want);
                assert_eq!(Tiles(portable_tile).dots(&codes, stride, of, from), want);
            }
        }
    }
}
