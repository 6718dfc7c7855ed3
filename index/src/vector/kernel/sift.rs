//! What is left of many rows: those whose bits are set, those whose distances are small enough.
//!
//! A scan under a filter does both for every query, over every row that matches. One row at a time that takes longer than the
//! distances of those rows; eight or sixteen at a time it takes next to nothing.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

/// Every so manieth value is of one lane.
pub(in crate::vector) const LANES: usize = 64;

versions! {
    /// Where the smallest value of each lane stands, the first of equal ones; [`u32::MAX`] where all of them are infinite or no
    /// numbers.
    pub(in crate::vector) fn least_of_lanes(values: &[f32]) -> [u32; LANES] = plain_least_of_lanes;
}

#[inline(always)]
fn plain_least_of_lanes(values: &[f32]) -> [u32; LANES] {
    let (heads, tail) = values.as_chunks::<LANES>();
    let (mut least, mut rounds) = ([f32::INFINITY; LANES], [u32::MAX; LANES]);
    for (round, head) in heads.iter().enumerate() {
        for lane in 0..LANES {
            let nearer = head[lane] < least[lane];
            least[lane] = if nearer { head[lane] } else { least[lane] };
            rounds[lane] = if nearer { round as u32 } else { rounds[lane] };
        }
    }
    for (lane, value) in tail.iter().enumerate() {
        if *value < least[lane] {
            rounds[lane] = heads.len() as u32;
        }
    }
    let mut lane = 0;
    rounds.map(|round| {
        lane += 1;
        if round == u32::MAX { round } else { round * LANES as u32 + lane - 1 }
    })
}

/// A whole register is written at a time, whatever of it counts: that many more have room.
#[cfg(target_arch = "x86_64")]
const SLACK: usize = 16;

// # Safety of both kinds: the machine has the instructions that the function was compiled for; Positions has room for what is
// written and for SLACK more, Within a distance for each row.
#[cfg(target_arch = "x86_64")]
type Positions = unsafe fn(&[u64], *mut u32) -> usize;
#[cfg(target_arch = "x86_64")]
type Within = unsafe fn(&[f32], f32, &mut [u32]) -> usize;

/// What the machine has the instructions for, if anything.
#[cfg(target_arch = "x86_64")]
fn best<F>(wide: F, narrow: F) -> Option<F> {
    if super::has_avx512() {
        return Some(wide);
    }
    use std::arch::is_x86_feature_detected as has;
    (has!("avx2") && has!("bmi1") && has!("popcnt")).then_some(narrow)
}

/// Adds where bits are set in words of 64, rising, the lowest bit first. There are fewer than 2^32 bits.
pub(in crate::vector) fn positions(words: &[u64], out: &mut Vec<u32>) {
    let count = words.iter().map(|word| word.count_ones() as usize).sum::<usize>();
    #[cfg(target_arch = "x86_64")]
    if let Some(kernel) = best(avx512::positions as Positions, avx2::positions) {
        out.reserve(count + SLACK);
        // SAFETY: the machine has the instructions; there is room for all of them and for a register more, and as many as
        // are counted are written.
        unsafe {
            let written = kernel(words, out.as_mut_ptr().add(out.len()));
            debug_assert_eq!(written, count, "as many as bits are set");
            out.set_len(out.len() + count);
        }
        return;
    }
    out.reserve(count);
    portable_positions(words, out);
}

fn portable_positions(words: &[u64], out: &mut Vec<u32>) {
    for (at, word) in words.iter().enumerate() {
        let mut left = *word;
        while left != 0 {
            out.push(at as u32 * 64 + left.trailing_zeros());
            left &= left - 1;
        }
    }
}

/// Leaves of some rows those whose distance is not above the limit (or is no number, which tells nothing), in their order.
pub(in crate::vector) fn within(distances: &[f32], limit: f32, rows: &mut Vec<u32>) {
    assert_eq!(distances.len(), rows.len(), "a distance for each row");
    #[cfg(target_arch = "x86_64")]
    if let Some(kernel) = best(avx512::within as Within, avx2::within) {
        // SAFETY: the machine has the instructions, and there are as many distances as rows.
        let kept = unsafe { kernel(distances, limit, rows) };
        rows.truncate(kept);
        return;
    }
    portable_within(distances, limit, rows);
}

fn portable_within(distances: &[f32], limit: f32, rows: &mut Vec<u32>) {
    let mut kept = 0;
    for at in 0..rows.len() {
        rows[kept] = rows[at];
        kept += usize::from(distances[at] <= limit || distances[at].is_nan());
    }
    rows.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::kernel::tests::few;

    #[test]
    fn the_least_of_each_lane_is_found() {
        for &len in few(&[0, 1, 63, 64, 65, 128, 1000], 5) {
            let mut values: Vec<f32> = (0..len).map(|at| (at * 37 % 1009) as f32).collect();
            for (at, odd) in [(1, f32::NAN), (65, f32::INFINITY), (66, -1.0)] {
                if let Some(value) = values.get_mut(at) {
                    *value = odd;
                }
            }
            let found = least_of_lanes(&values);
            for (lane, found) in found.iter().enumerate() {
                let of_lane = values.iter().enumerate().skip(lane).step_by(LANES).filter(|one| *one.1 < f32::INFINITY);
                let want = of_lane.min_by(|a, b| a.1.total_cmp(b.1)).map_or(u32::MAX, |one| one.0 as u32);
                assert_eq!(*found, want, "lane {lane} of {len}");
            }
        }
    }

    #[test]
    fn positions_are_those_of_set_bits() {
        let noise = |at: u64| (at + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for words in [
            vec![],
            vec![0],
            vec![u64::MAX; 3],
            vec![1, 0, 1 << 63],
            (0..50).map(|at| noise(at) & noise(at + 99) & noise(at + 7)).collect(),
            (0..50).map(noise).collect(),
        ] {
            let (mut got, mut want) = (vec![5], vec![5]);
            positions(&words, &mut got);
            portable_positions(&words, &mut want);
            assert_eq!(got, want);
        }
    }

    #[test]
    fn what_is_near_enough_is_left_in_its_order() {
        for len in [0, 1, 15, 16, 17, 64, 333] {
            let mut distances: Vec<f32> = (0..len).map(|at| (at * 37 % 101) as f32).collect();
            if let Some(one) = distances.get_mut(len / 2) {
                *one = f32::NAN;
            }
            for limit in [-1.0, 0.0, 50.0, 1000.0, f32::INFINITY] {
                let (mut got, mut want) = ((0..len as u32).collect(), (0..len as u32).collect());
                within(&distances, limit, &mut got);
                portable_within(&distances, limit, &mut want);
                assert_eq!(got, want);
                assert!(len == 0 || got.contains(&(len as u32 / 2)), "what is not told counts as near");
            }
        }
    }
}
