//! Eight at a time, what is left moved together by a table of orders.

use std::arch::x86_64::*;

/// Rows of a register.
const LANES: usize = 8;

/// For every byte the places of its set bits, one place a byte, the lowest first; then zeros.
const PLACES: [u64; 256] = {
    let mut all = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut count) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                all[byte] |= bit << (8 * count);
                count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    all
};

/// The places of a byte's set bits.
#[inline]
#[target_feature(enable = "avx2")]
fn places(byte: u8) -> __m256i {
    _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(PLACES[usize::from(byte)] as i64))
}

/// So few bits of a word are looked at one after the other, in fewer steps than all of its bytes.
const FEW: u32 = 20;

/// So many of them at a time, whether or not there are as many: where they end cannot be foreseen.
const AT_ONCE: usize = 4;

/// Writes the places of set bits, rising, from `first` on; behind them anything, up to [`AT_ONCE`] times. How many bits were set.
///
/// # Safety
///
/// The machine has the instructions; `out` has room for so many and for [`AT_ONCE`] more.
#[inline]
#[target_feature(enable = "avx2,bmi1,popcnt")]
unsafe fn write_few(mut word: u64, first: u32, out: *mut u32) -> usize {
    let count = word.count_ones() as usize;
    for from in (0..count).step_by(AT_ONCE) {
        for at in from..from + AT_ONCE {
            // SAFETY: as the caller promised.
            unsafe { *out.add(at) = first + word.trailing_zeros() };
            word &= word.wrapping_sub(1);
        }
    }
    count
}

/// How many positions were written.
///
/// # Safety
///
/// The machine has AVX2; `out` has room for all positions and for [`LANES`] more.
#[target_feature(enable = "avx2,bmi1,popcnt")]
pub(super) unsafe fn positions(words: &[u64], out: *mut u32) -> usize {
    let mut written = 0;
    for (at, word) in words.iter().enumerate() {
        if word.count_ones() <= FEW {
            // SAFETY: there is room for what is written, and for a register more.
            written += unsafe { write_few(*word, (at * 64) as u32, out.add(written)) };
            continue;
        }
        for (part, byte) in word.to_le_bytes().into_iter().enumerate() {
            let here = _mm256_set1_epi32((at * 64 + part * LANES) as i32);
            // SAFETY: fewer than all were written, and there is room for a register more than those.
            unsafe { _mm256_storeu_si256(out.add(written).cast(), _mm256_add_epi32(here, places(byte))) };
            written += byte.count_ones() as usize;
        }
    }
    written
}

/// How many rows are left.
///
/// # Safety
///
/// The machine has AVX2; there are as many distances as rows.
#[target_feature(enable = "avx2,popcnt")]
pub(super) unsafe fn within(distances: &[f32], limit: f32, rows: &mut [u32]) -> usize {
    let limits = _mm256_set1_ps(limit);
    let (mut kept, whole) = (0, rows.len() / LANES * LANES);
    for at in (0..whole).step_by(LANES) {
        // SAFETY: a whole register of either ends at `whole`, and what is kept ends before what was read.
        unsafe {
            let near = _mm256_cmp_ps::<_CMP_NGT_UQ>(_mm256_loadu_ps(distances.as_ptr().add(at)), limits);
            let near = _mm256_movemask_ps(near) as u8;
            if near != 0 {
                let here = _mm256_loadu_si256(rows.as_ptr().add(at).cast());
                let left = _mm256_permutevar8x32_epi32(here, places(near));
                _mm256_storeu_si256(rows.as_mut_ptr().add(kept).cast(), left);
                kept += near.count_ones() as usize;
            }
        }
    }
    for at in whole..rows.len() {
        rows[kept] = rows[at];
        kept += usize::from(distances[at] <= limit || distances[at].is_nan());
    }
    kept
}
