//! Codes of product quantisation, 32 vectors at a time (André, Kermarrec & Le Scouarnec 2015: "Cache
//! locality is not enough"). The table of a query has a byte for each word of each part of a vector; the
//! sixteen bytes of a part are one register, a shuffle looks up sixteen vectors at once, and the sums
//! are of 16 bits. A table is made so that no sum of a vector is beyond them.
//!
//! ```text
//! 4 bits   for each part 16 bytes: byte v holds the words of vectors v (low half) and v + 16 (high half);
//!          the number of parts is padded to a multiple of four with parts whose table is zeros
//! 8 bits   for each part 32 bytes: byte v is the word of vector v
//! both     then 32 x f32, what is added to a vector's estimate, and 32 x f32, what its sum is multiplied by
//! ```
//!
//! An estimate is `base + bias + factor x (offset + step x sum)`: products and sums of floats in this
//! order, never fused, so that every twin gives the same bits.

use std::fmt;

/// Vectors of a block.
pub(in crate::vector) const LANES: usize = 32;

/// Bytes of what stands beside the codes of a block.
pub(in crate::vector) const BESIDE_BYTES: usize = 2 * LANES * size_of::<f32>();

/// Parts of 4-bit codes come in fours: one register of 64 bytes.
pub(in crate::vector) const PARTS: usize = 4;

/// What the sums of a list become estimates with.
#[derive(Copy, Clone, Debug, Default)]
pub(in crate::vector) struct Terms {
    /// Of the list.
    pub(in crate::vector) base: f32,
    /// Of the query's table.
    pub(in crate::vector) offset: f32,
    /// Of the query's table.
    pub(in crate::vector) step: f32,
}

/// Scans blocks of `block_bytes` each with a table: an estimate for every lane of every block.
/// `blocks` holds whole blocks, `out` is 32 numbers for each, and the table has 16 bytes for each 16 (256
/// for each 32) of a block's codes: [`Fastscan`] sees to it.
///
/// # Safety
///
/// Those conditions hold, and the machine has the instructions that the function was compiled for.
type Scan = unsafe fn(blocks: &[u8], block_bytes: usize, table: &[u8], terms: Terms, out: &mut [f32]);

/// Appends the places of the numbers that are below a limit.
///
/// # Safety
///
/// The machine has the instructions that the function was compiled for.
type Below = unsafe fn(values: &[f32], limit: f32, out: &mut Vec<u32>);

/// The scans that are best on this machine.
#[derive(Copy, Clone)]
pub(in crate::vector) struct Fastscan {
    scan4: Scan,
    scan8: Scan,
    below: Below,
}

impl fmt::Debug for Fastscan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fastscan")
    }
}

impl Fastscan {
    /// Looks at the machine.
    pub(in crate::vector) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512vbmi")
            {
                return Self { scan4: avx512::scan4, scan8: avx512::scan8, below: avx512::below };
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                return Self::AVX2;
            }
        }
        Self::PORTABLE
    }

    const PORTABLE: Self = Self { scan4: portable::scan4, scan8: portable::scan8, below: portable::below };

    #[cfg(target_arch = "x86_64")]
    const AVX2: Self = Self { scan4: avx2::scan4, scan8: avx2::scan8, below: avx2::below };

    /// The estimates of blocks of 4-bit codes; the table has 16 bytes a part.
    pub(in crate::vector) fn scan4(self, blocks: &[u8], table: &[u8], terms: Terms, out: &mut Vec<f32>) {
        let block_bytes = table.len() + BESIDE_BYTES;
        assert!(
            table.len().is_multiple_of(16 * PARTS) && blocks.len().is_multiple_of(block_bytes),
            "whole blocks of the table's parts"
        );
        out.clear();
        out.resize(blocks.len() / block_bytes * LANES, 0.0);
        // SAFETY: the assertion and the size of `out` are what `Scan` asks for, and `detect` gave this
        // kernel because the machine has what it is compiled for.
        unsafe { (self.scan4)(blocks, block_bytes, table, terms, out) };
    }

    /// The estimates of blocks of 8-bit codes; the table has 256 bytes a part.
    pub(in crate::vector) fn scan8(self, blocks: &[u8], table: &[u8], terms: Terms, out: &mut Vec<f32>) {
        let block_bytes = table.len() / 256 * LANES + BESIDE_BYTES;
        assert!(
            table.len().is_multiple_of(256) && blocks.len().is_multiple_of(block_bytes),
            "whole blocks of the table's parts"
        );
        out.clear();
        out.resize(blocks.len() / block_bytes * LANES, 0.0);
        // SAFETY: as of `scan4`.
        unsafe { (self.scan8)(blocks, block_bytes, table, terms, out) };
    }

    /// The places of the numbers below a limit, rising. NaN is below nothing.
    #[inline]
    pub(in crate::vector) fn below(self, values: &[f32], limit: f32, out: &mut Vec<u32>) {
        out.clear();
        // SAFETY: as of `scan4`; nothing else is asked for.
        unsafe { (self.below)(values, limit, out) };
    }
}

/// The 32 numbers at a place of what stands beside a block's codes.
#[inline(always)]
fn beside(block: &[u8], at: usize) -> &[[u8; 4]] {
    let from = block.len() - BESIDE_BYTES + at * LANES * 4;
    block[from..from + LANES * 4].as_chunks().0
}

#[inline(always)]
fn finish(block: &[u8], sums: &[u16; LANES], terms: Terms, out: &mut [f32]) {
    let (bias, factor) = (beside(block, 0), beside(block, 1));
    for lane in 0..LANES {
        let (bias, factor) = (f32::from_le_bytes(bias[lane]), f32::from_le_bytes(factor[lane]));
        out[lane] = (terms.base + bias) + factor * (terms.offset + terms.step * f32::from(sums[lane]));
    }
}

#[inline(always)]
fn scan4_plain(blocks: &[u8], block_bytes: usize, table: &[u8], terms: Terms, out: &mut [f32]) {
    for (block, out) in blocks.chunks_exact(block_bytes).zip(out.chunks_exact_mut(LANES)) {
        let mut sums = [0u16; LANES];
        for (codes, words) in block.as_chunks::<16>().0.iter().zip(table.as_chunks::<16>().0) {
            for lane in 0..16 {
                let low = words[usize::from(codes[lane] & 15)];
                let high = words[usize::from(codes[lane] >> 4)];
                sums[lane] = sums[lane].wrapping_add(u16::from(low));
                sums[lane + 16] = sums[lane + 16].wrapping_add(u16::from(high));
            }
        }
        finish(block, &sums, terms, out);
    }
}

#[inline(always)]
fn scan8_plain(blocks: &[u8], block_bytes: usize, table: &[u8], terms: Terms, out: &mut [f32]) {
    for (block, out) in blocks.chunks_exact(block_bytes).zip(out.chunks_exact_mut(LANES)) {
        let mut sums = [0u16; LANES];
        for (codes, words) in block.as_chunks::<LANES>().0.iter().zip(table.as_chunks::<256>().0) {
            for lane in 0..LANES {
                sums[lane] = sums[lane].wrapping_add(u16::from(words[usize::from(codes[lane])]));
            }
        }
        finish(block, &sums, terms, out);
    }
}

#[inline(always)]
fn below_plain(values: &[f32], limit: f32, out: &mut Vec<u32>) {
    out.extend((0u32..).zip(values).filter(|(_, value)| **value < limit).map(|(at, _)| at));
}

mod portable {
    use super::Terms;

    /// # Safety
    ///
    /// None is needed: every access is checked. As a pointer it has the type of its twins.
    pub(super) unsafe fn scan4(blocks: &[u8], block_bytes: usize, table: &[u8], terms: Terms, out: &mut [f32]) {
        super::scan4_plain(blocks, block_bytes, table, terms, out);
    }

    /// # Safety
    ///
    /// None is needed: every access is checked. As a pointer it has the type of its twins.
    pub(super) unsafe fn scan8(blocks: &[u8], block_bytes: usize, table: &[u8], terms: Terms, out: &mut [f32]) {
        super::scan8_plain(blocks, block_bytes, table, terms, out);
    }

    /// # Safety
    ///
    /// None is needed: every access is checked. As a pointer it has the type of its twins.
    pub(super) unsafe fn below(values: &[f32], limit: f32, out: &mut Vec<u32>) {
        super::below_plain(values, limit, out);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{BESIDE_BYTES, LANES, Terms, finish};
    use std::arch::x86_64::*;

    /// Two parts a register.
    ///
    /// # Safety
    ///
    /// As of `Scan`; the machine has AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn scan4(blocks: &[u8], block_bytes: usize, table: &[u8], terms: Terms, out: &mut [f32]) {
        let nibble = _mm256_set1_epi8(15);
        for (block, out) in blocks.chunks_exact(block_bytes).zip(out.chunks_exact_mut(LANES)) {
            // Sums of even lanes with the odd ones in their upper half, and of odd lanes; for the low halves
            // of the bytes, and for the high ones.
            let mut sums = [_mm256_setzero_si256(); 4];
            for at in (0..block_bytes - BESIDE_BYTES).step_by(32) {
                // SAFETY: the codes of a block, which end before what stands beside them, are as long as the
                // table, a multiple of 64 bytes.
                let (codes, words) = unsafe {
                    (
                        _mm256_loadu_si256(block.as_ptr().add(at).cast()),
                        _mm256_loadu_si256(table.as_ptr().add(at).cast()),
                    )
                };
                let low = _mm256_shuffle_epi8(words, _mm256_and_si256(codes, nibble));
                let high = _mm256_shuffle_epi8(words, _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble));
                sums[0] = _mm256_add_epi16(sums[0], low);
                sums[1] = _mm256_add_epi16(sums[1], _mm256_srli_epi16(low, 8));
                sums[2] = _mm256_add_epi16(sums[2], high);
                sums[3] = _mm256_add_epi16(sums[3], _mm256_srli_epi16(high, 8));
            }
            let mut each = [0u16; LANES];
            for half in 0..2 {
                let (mixed, odd) = (sums[2 * half], sums[2 * half + 1]);
                let even = _mm256_sub_epi16(mixed, _mm256_slli_epi16(odd, 8));
                let even = _mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
                let odd = _mm_add_epi16(_mm256_castsi256_si128(odd), _mm256_extracti128_si256(odd, 1));
                // SAFETY: sixteen numbers of 16 bits from `16 * half` on lie inside `each`.
                unsafe {
                    let to = each.as_mut_ptr().add(16 * half);
                    _mm_storeu_si128(to.cast(), _mm_unpacklo_epi16(even, odd));
                    _mm_storeu_si128(to.add(8).cast(), _mm_unpackhi_epi16(even, odd));
                }
            }
            finish(block, &each, terms, out);
        }
    }

    /// # Safety
    ///
    /// The machine has AVX2; every access is checked.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn scan8(blocks: &[u8], block_bytes: usize, table: &[u8], terms: Terms, out: &mut [f32]) {
        super::scan8_plain(blocks, block_bytes, table, terms, out);
    }

    /// # Safety
    ///
    /// The machine has AVX2; every access is checked.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn below(values: &[f32], limit: f32, out: &mut Vec<u32>) {
        let limits = _mm256_set1_ps(limit);
        let (heads, tail) = values.as_chunks::<8>();
        for (head, values) in (0u32..).step_by(8).zip(heads) {
            // SAFETY: eight numbers are there.
            let values = unsafe { _mm256_loadu_ps(values.as_ptr()) };
            let mut mask = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(values, limits));
            while mask != 0 {
                out.push(head + mask.trailing_zeros());
                mask &= mask - 1;
            }
        }
        let from = (heads.len() * 8) as u32;
        out.extend((from..).zip(tail).filter(|(_, value)| **value < limit).map(|(at, _)| at));
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{BESIDE_BYTES, LANES, Terms};
    use std::arch::x86_64::*;

    /// Four parts a register.
    ///
    /// # Safety
    ///
    /// As of `Scan`; the machine has AVX-512 F and BW.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn scan4(blocks: &[u8], block_bytes: usize, table: &[u8], terms: Terms, out: &mut [f32]) {
        let nibble = _mm512_set1_epi8(15);
        for (block, out) in blocks.chunks_exact(block_bytes).zip(out.chunks_exact_mut(LANES)) {
            let mut sums = [_mm512_setzero_si512(); 4];
            for at in (0..block_bytes - BESIDE_BYTES).step_by(64) {
                // SAFETY: the codes of a block, which end before what stands beside them, are as long as the
                // table, a multiple of 64 bytes.
                let (codes, words) = unsafe {
                    (
                        _mm512_loadu_si512(block.as_ptr().add(at).cast()),
                        _mm512_loadu_si512(table.as_ptr().add(at).cast()),
                    )
                };
                let low = _mm512_shuffle_epi8(words, _mm512_and_si512(codes, nibble));
                let high = _mm512_shuffle_epi8(words, _mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble));
                sums[0] = _mm512_add_epi16(sums[0], low);
                sums[1] = _mm512_add_epi16(sums[1], _mm512_srli_epi16(low, 8));
                sums[2] = _mm512_add_epi16(sums[2], high);
                sums[3] = _mm512_add_epi16(sums[3], _mm512_srli_epi16(high, 8));
            }
            let low = lanes(sums[0], sums[1]);
            let high = lanes(sums[2], sums[3]);
            // SAFETY: a block ends with what stands beside its codes, and `out` has a number for each lane.
            unsafe { finish(block, [low, high], terms, out) };
        }
    }

    /// The sums of sixteen lanes in order, from those of the even lanes, with the odd ones in their upper
    /// half, and those of the odd lanes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn lanes(mixed: __m512i, odd: __m512i) -> __m256i {
        let even = _mm512_sub_epi16(mixed, _mm512_slli_epi16(odd, 8));
        let folded = |sums: __m512i| {
            let half = _mm256_add_epi16(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
            _mm_add_epi16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1))
        };
        let (even, odd) = (folded(even), folded(odd));
        _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd))
    }

    /// # Safety
    ///
    /// `block` is at least as long as what stands beside its codes, `out` is 32 numbers; the machine has
    /// AVX-512 F.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn finish(block: &[u8], sums: [__m256i; 2], terms: Terms, out: &mut [f32]) {
        let (base, offset, step) =
            (_mm512_set1_ps(terms.base), _mm512_set1_ps(terms.offset), _mm512_set1_ps(terms.step));
        for (half, sums) in sums.into_iter().enumerate() {
            // SAFETY: the 64 numbers beside the codes end the block, and sixteen from `16 * half` on lie
            // inside either half of them and inside `out`.
            unsafe {
                let from = block.as_ptr().add(block.len() - BESIDE_BYTES).cast::<f32>().add(16 * half);
                let (bias, factor) = (_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(LANES)));
                let sums = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sums));
                let scaled = _mm512_mul_ps(factor, _mm512_add_ps(offset, _mm512_mul_ps(step, sums)));
                let estimates = _mm512_add_ps(_mm512_add_ps(base, bias), scaled);
                _mm512_storeu_ps(out.as_mut_ptr().add(16 * half), estimates);
            }
        }
    }

    /// The 256 bytes of a part's table are four registers: two look-ups in 128 of them, and a choice.
    ///
    /// # Safety
    ///
    /// As of `Scan`; the machine has AVX-512 F, BW and VBMI.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) unsafe fn scan8(blocks: &[u8], block_bytes: usize, table: &[u8], terms: Terms, out: &mut [f32]) {
        for (block, out) in blocks.chunks_exact(block_bytes).zip(out.chunks_exact_mut(LANES)) {
            let mut sums = _mm512_setzero_si512();
            for part in 0..(block_bytes - BESIDE_BYTES) / LANES {
                // SAFETY: a part has 32 bytes of codes, before what stands beside them, and 256 of the table.
                let (codes, words) = unsafe {
                    let codes = _mm256_loadu_si256(block.as_ptr().add(part * LANES).cast());
                    let words = table.as_ptr().add(part * 256);
                    (
                        _mm512_castsi256_si512(codes),
                        [0, 64, 128, 192].map(|at| _mm512_loadu_si512(words.add(at).cast())),
                    )
                };
                let lower = _mm512_permutex2var_epi8(words[0], codes, words[1]);
                let upper = _mm512_permutex2var_epi8(words[2], codes, words[3]);
                let found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), lower, upper);
                sums = _mm512_add_epi16(sums, _mm512_cvtepu8_epi16(_mm512_castsi512_si256(found)));
            }
            let halves = [_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1)];
            // SAFETY: as of `scan4`.
            unsafe { finish(block, halves, terms, out) };
        }
    }

    /// # Safety
    ///
    /// The machine has AVX-512 F.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn below(values: &[f32], limit: f32, out: &mut Vec<u32>) {
        let limits = _mm512_set1_ps(limit);
        let (heads, tail) = values.as_chunks::<16>();
        for (head, values) in (0u32..).step_by(16).zip(heads) {
            // SAFETY: sixteen numbers are there.
            let values = unsafe { _mm512_loadu_ps(values.as_ptr()) };
            let mut mask = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(values, limits);
            while mask != 0 {
                out.push(head + mask.trailing_zeros());
                mask &= mask - 1;
            }
        }
        let from = (heads.len() * 16) as u32;
        out.extend((from..).zip(tail).filter(|(_, value)| **value < limit).map(|(at, _)| at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::kernel::tests::{few, sample};

    fn kernels() -> Vec<Fastscan> {
        let mut kernels = vec![Fastscan::PORTABLE, Fastscan::detect()];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            kernels.push(Fastscan::AVX2);
        }
        kernels
    }

    /// Blocks of random codes with random floats beside them.
    fn blocks(count: usize, codes_bytes: usize) -> Vec<u8> {
        let mut blocks = Vec::new();
        for at in 0..count as u32 {
            blocks.extend(sample(at * 2 + 1, codes_bytes).iter().map(|value| (value * 1e4) as i32 as u8));
            blocks.extend(sample(at * 2 + 2, 2 * LANES).iter().flat_map(|value| value.to_le_bytes()));
        }
        blocks
    }

    #[test]
    fn every_scan_agrees_with_the_plain_one() {
        let terms = Terms { base: 0.37, offset: -1.25, step: 0.001_7 };
        for &parts in few(&[4, 8, 100, 196, 256], 1) {
            // The greatest sums there may be: 256 parts of 255.
            let table4: Vec<u8> = if parts == 256 {
                vec![255; 16 * parts]
            } else {
                (0..16 * parts).map(|at| (at * 31 % 251) as u8).collect()
            };
            let table8: Vec<u8> = (0..256 * parts).map(|at| (at * 37 % 256) as u8).collect();
            for &count in few(&[0, 1, 5], 2) {
                let (four, eight) = (blocks(count, 16 * parts), blocks(count, LANES * parts));
                let mut want = [vec![0.0; count * LANES], vec![0.0; count * LANES]];
                scan4_plain(&four, 16 * parts + BESIDE_BYTES, &table4, terms, &mut want[0]);
                scan8_plain(&eight, LANES * parts + BESIDE_BYTES, &table8, terms, &mut want[1]);
                for kernel in kernels() {
                    let mut got = [vec![1.0], Vec::new()];
                    kernel.scan4(&four, &table4, terms, &mut got[0]);
                    kernel.scan8(&eight, &table8, terms, &mut got[1]);
                    assert_eq!(got, want, "{parts} parts, {count} blocks");
                }
            }
        }
    }

    #[test]
    fn a_sum_is_that_of_its_own_lane() {
        // Lane v has word v % 16 in the first part, whose table tells the word; zeros elsewhere.
        let mut block = vec![0u8; 64];
        for (lane, byte) in block.iter_mut().enumerate().take(16) {
            *byte = (lane | (15 - lane) << 4) as u8;
        }
        block.extend([0f32; LANES].iter().chain(&[1f32; LANES]).flat_map(|value| value.to_le_bytes()));
        let mut table = vec![0u8; 64];
        table[..16].copy_from_slice(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        let want: Vec<f32> = (0..32).map(|lane| if lane < 16 { lane as f32 } else { 31.0 - lane as f32 }).collect();
        for kernel in kernels() {
            let mut got = Vec::new();
            kernel.scan4(&block, &table, Terms { base: 0.0, offset: 0.0, step: 1.0 }, &mut got);
            assert_eq!(got, want);
        }
    }

    #[test]
    fn what_is_below_is_told_in_order() {
        for &len in few(&[0, 1, 7, 8, 16, 31, 32, 100], 5) {
            let mut values = sample(9, len);
            if len > 5 {
                (values[3], values[4], values[5]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
            }
            for limit in [f32::NEG_INFINITY, -0.5, 0.0, 0.7, f32::INFINITY, f32::NAN] {
                let mut want = Vec::new();
                below_plain(&values, limit, &mut want);
                for kernel in kernels() {
                    let mut got = vec![3];
                    kernel.below(&values, limit, &mut got);
                    assert_eq!(got, want);
                }
            }
        }
    }
}
