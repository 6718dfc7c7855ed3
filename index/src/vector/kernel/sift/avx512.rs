//! Sixteen at a time, what is left moved together by one instruction.

use std::arch::x86_64::*;

/// Rows of a register.
const LANES: usize = 16;

/// How many positions were written.
///
/// # Safety
///
/// The machine has AVX-512 F; `out` has room for all positions and for [`LANES`] more.
#[target_feature(enable = "avx512f,popcnt")]
pub(super) unsafe fn positions(words: &[u64], out: *mut u32) -> usize {
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let mut written = 0;
    for (at, word) in words.iter().enumerate() {
        if *word == 0 {
            continue;
        }
        for part in 0..64 / LANES {
            let mask = (word >> (part * LANES)) as u16;
            let here = _mm512_add_epi32(lanes, _mm512_set1_epi32((at * 64 + part * LANES) as i32));
            // SAFETY: fewer than all were written, and there is room for a register more than those.
            unsafe { _mm512_storeu_si512(out.add(written).cast(), _mm512_maskz_compress_epi32(mask, here)) };
            written += mask.count_ones() as usize;
        }
    }
    written
}

/// How many rows are left.
///
/// # Safety
///
/// The machine has AVX-512 F; there are as many distances as rows.
#[target_feature(enable = "avx512f,popcnt")]
pub(super) unsafe fn within(distances: &[f32], limit: f32, rows: &mut [u32]) -> usize {
    let limits = _mm512_set1_ps(limit);
    let (mut kept, whole) = (0, rows.len() / LANES * LANES);
    for at in (0..whole).step_by(LANES) {
        // SAFETY: a whole register of either ends at `whole`, and what is kept ends before what was read.
        unsafe {
            let near = _mm512_cmp_ps_mask::<_CMP_NGT_UQ>(_mm512_loadu_ps(distances.as_ptr().add(at)), limits);
            if near != 0 {
                let here = _mm512_loadu_si512(rows.as_ptr().add(at).cast());
                let left = _mm512_maskz_compress_epi32(near, here);
                _mm512_storeu_si512(rows.as_mut_ptr().add(kept).cast(), left);
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
