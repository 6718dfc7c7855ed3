//! Products of every pair of a few dozen or hundred codes: what a leaf of the build compares.
//!
//! Where the machine multiplies bytes, codes are multiplied as they are, one side unsigned: what that is too much is the sum of
//! the other. Where it does not, all codes of a leaf are made 16 bits wide once, before each of them meets hundreds of others.

use super::LINE;
use std::fmt;

/// Codes of a side of a tile. Lists of codes are padded to whole tiles.
pub(in crate::vector) const SIDE: usize = 4;

/// Four codes of 8 bits with four others: `dots[i][j]` is the product of `others[j]` with `four[i]` taken as signed (minus 128).
///
/// # Safety
///
/// Both are four codes of `stride` bytes, whole cache lines each; and the machine has the instructions that the function was
/// compiled for. [`Tiles::products`] sees to it.
type Tile = unsafe fn(four: &[u8], others: &[u8], stride: usize, dots: &mut [[i32; SIDE]; SIDE]);

/// The same of codes made wide, both sides signed.
///
/// # Safety
///
/// As of [`Tile`], with `stride` numbers a code.
#[cfg(target_arch = "x86_64")]
type WideTile = unsafe fn(four: &[i16], others: &[i16], stride: usize, dots: &mut [[i32; SIDE]; SIDE]);

/// The kernel that is best on this machine.
#[derive(Copy, Clone)]
pub(in crate::vector) struct Tiles(Kernel);

#[derive(Copy, Clone)]
enum Kernel {
    Bytes(Tile),
    #[cfg(target_arch = "x86_64")]
    Wide(WideTile),
}

/// Codes as tiles read them.
#[derive(Debug, Default)]
pub(in crate::vector) struct Laid {
    bytes: Vec<u8>,
    /// The codes minus 128; empty where bytes are multiplied.
    wide: Vec<i16>,
}

impl fmt::Debug for Tiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tiles")
    }
}

impl Laid {
    /// The codes, one after another.
    pub(in crate::vector) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes that are read of a code of so many numbers.
    #[cfg(feature = "bench")]
    pub(in crate::vector) fn bytes_a_code(&self, stride: usize) -> usize {
        if self.wide.is_empty() { stride } else { stride * size_of::<i16>() }
    }
}

impl Tiles {
    /// Looks at the machine.
    pub(in crate::vector) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if super::has_avx512() {
                return Self(Kernel::Bytes(avx512::tile));
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                return Self(Kernel::Wide(avx2::tile));
            }
        }
        Self(Kernel::Bytes(portable_tile))
    }

    /// Lays down codes that will be multiplied.
    pub(in crate::vector) fn lay<'a>(&self, codes: impl Iterator<Item = &'a [u8]>, laid: &mut Laid) {
        laid.bytes.clear();
        codes.for_each(|code| laid.bytes.extend_from_slice(code));
        laid.wide.clear();
        #[cfg(target_arch = "x86_64")]
        if let Kernel::Wide(_) = self.0 {
            laid.wide.extend(laid.bytes.iter().map(|byte| i16::from(*byte) - 128));
        }
    }

    /// The products of four codes, from the `of`-th on, with four others, from the `from`-th on, all of them signed (minus 128).
    /// `sums` are those of the numbers of the first four.
    #[inline]
    pub(in crate::vector) fn products(
        &self,
        (four, of): (&Laid, usize),
        (others, from): (&Laid, usize),
        stride: usize,
        sums: [i32; SIDE],
    ) -> [[i32; SIDE]; SIDE] {
        assert!(stride.is_multiple_of(LINE), "codes are whole lines");
        let (of, from) = (of * stride..(of + SIDE) * stride, from * stride..(from + SIDE) * stride);
        let mut products = [[0; SIDE]; SIDE];
        match self.0 {
            Kernel::Bytes(kernel) => {
                let (four, others) = (&four.bytes[of], &others.bytes[from]);
                // SAFETY: both slices are four codes of whole lines, and `detect` gave this kernel because the machine has what
                // it is compiled for.
                unsafe { kernel(four, others, stride, &mut products) };
                for (products, sum) in products.iter_mut().zip(sums) {
                    products.iter_mut().for_each(|product| *product = product.wrapping_sub(sum.wrapping_mul(128)));
                }
            }
            #[cfg(target_arch = "x86_64")]
            Kernel::Wide(kernel) => {
                let (four, others) = (&four.wide[of], &others.wide[from]);
                // SAFETY: as above, of as many numbers as there are bytes.
                unsafe { kernel(four, others, stride, &mut products) };
            }
        }
        products
    }
}

#[inline(always)]
fn plain(four: &[u8], others: &[u8], stride: usize, dots: &mut [[i32; SIDE]; SIDE]) {
    for (left, dots) in four.chunks_exact(stride).zip(dots) {
        for (right, dot) in others.chunks_exact(stride).zip(dots) {
            let pairs = left.iter().zip(right);
            *dot = pairs.map(|(l, r)| i32::from((l ^ 0x80) as i8) * i32::from(*r)).fold(0, i32::wrapping_add);
        }
    }
}

/// # Safety
///
/// None is needed: every access is checked. As a pointer it has the type of its twins.
unsafe fn portable_tile(four: &[u8], others: &[u8], stride: usize, dots: &mut [[i32; SIDE]; SIDE]) {
    plain(four, others, stride, dots);
}

/// Four codes by two at a time: sums and what is multiplied fit the sixteen registers.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::super::avx2::totals;
    use super::SIDE;
    use std::arch::x86_64::*;

    /// Numbers of a register.
    const NUMBERS: usize = 16;

    /// # Safety
    ///
    /// As of `WideTile`; the machine has AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn tile(four: &[i16], others: &[i16], stride: usize, dots: &mut [[i32; SIDE]; SIDE]) {
        let left = four.as_ptr();
        for two in [0, 2] {
            let right = others.as_ptr().wrapping_add(two * stride);
            let mut sums = [[_mm256_setzero_si256(); SIDE]; 2];
            for number in (0..stride).step_by(NUMBERS) {
                // SAFETY: both are four codes of `stride` numbers, and a stride is whole registers.
                unsafe {
                    let at = |side: *const i16, one: usize| _mm256_loadu_si256(side.add(one * stride + number).cast());
                    let rights = [at(right, 0), at(right, 1)];
                    for i in 0..SIDE {
                        let left = at(left, i);
                        for (sums, right) in sums.iter_mut().zip(rights) {
                            sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(left, right));
                        }
                    }
                }
            }
            for (j, sums) in sums.into_iter().enumerate() {
                for (dots, total) in dots.iter_mut().zip(totals(sums)) {
                    dots[two + j] = total as i32;
                }
            }
        }
    }
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
    pub(super) unsafe fn tile(four: &[u8], others: &[u8], stride: usize, dots: &mut [[i32; SIDE]; SIDE]) {
        let flip = _mm512_set1_epi8(i8::MIN);
        let mut sums = [[_mm512_setzero_si512(); SIDE]; SIDE];
        // SAFETY: both are four codes of `stride` bytes, and `line` is inside a code.
        unsafe {
            let (left, right) = (four.as_ptr(), others.as_ptr());
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
    fn every_kernel_agrees_with_products_of_signed_numbers() {
        let mut kernels = vec![Tiles::detect(), Tiles(Kernel::Bytes(portable_tile))];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            kernels.push(Tiles(Kernel::Wide(avx2::tile)));
        }
        for &lines in few(&[1, 2, 4, 6], 1) {
            let stride = lines * LINE;
            let codes: Vec<u8> =
                sample(lines as u32, stride * 12).iter().map(|value| (value * 1e4) as i32 as u8).collect();
            let code = |at: usize| codes[at * stride..][..stride].iter().map(|byte| i32::from(*byte) - 128);
            for (of, from) in [(0, 0), (0, 8), (8, 4), (3, 5)] {
                let product = |i: usize, j: usize| code(of + i).zip(code(from + j)).map(|(l, r)| l * r).sum::<i32>();
                let want: [[i32; SIDE]; SIDE] = std::array::from_fn(|i| std::array::from_fn(|j| product(i, j)));
                for tiles in &kernels {
                    let mut laid = Laid::default();
                    tiles.lay(codes.chunks(stride), &mut laid);
                    let sums = std::array::from_fn(|i| code(of + i).sum());
                    assert_eq!(tiles.products((&laid, of), (&laid, from), stride, sums), want);
                }
            }
        }
    }
}
