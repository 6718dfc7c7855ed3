//! The kernel that only reads: what memory gives at best to rows of a size, asked for as the others ask.

use super::{LINE, prefetch};

/// How far ahead rows are asked for, as the kernels of codes do.
const AHEAD: usize = 8;

/// Reads every line of a list of rows of `stride` bytes; what it returns depends on all of them.
pub(in crate::vector) fn read(rows_of: &[u8], stride: usize, rows: &[u32]) -> u64 {
    debug_assert!(stride.is_multiple_of(LINE), "rows are whole lines");
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: the machine has AVX-512 F.
        return unsafe { avx512(rows_of, stride, rows) };
    }
    each(rows_of, stride, rows)
}

/// # Safety
///
/// The machine has AVX-512 F; every access is checked.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(rows_of: &[u8], stride: usize, rows: &[u32]) -> u64 {
    each(rows_of, stride, rows)
}

#[inline(always)]
fn each(rows_of: &[u8], stride: usize, rows: &[u32]) -> u64 {
    let row = |row: u32| &rows_of[row as usize * stride..][..stride];
    for at in rows.iter().take(AHEAD) {
        prefetch(row(*at));
    }
    let mut sums = [0u64; 16];
    for (at, here) in rows.iter().enumerate() {
        if let Some(ahead) = rows.get(at + AHEAD) {
            prefetch(row(*ahead));
        }
        for (at, line) in row(*here).as_chunks::<LINE>().0.iter().enumerate() {
            let words = line.as_chunks::<8>().0;
            for (lane, word) in words.iter().enumerate() {
                sums[at % 2 * 8 + lane] ^= u64::from_le_bytes(*word);
            }
        }
    }
    sums.iter().fold(0, |all, sum| all ^ sum)
}

#[cfg(test)]
mod tests {
    use super::{each, read};

    #[test]
    fn both_read_the_same() {
        let bytes: Vec<u8> = (0..192 * 9).map(|at| (at * 37 % 251) as u8).collect();
        for list in [&[][..], &[8], &[0, 3, 3, 7, 1, 8, 2, 6, 5, 4]] {
            assert_eq!(read(&bytes, 192, list), each(&bytes, 192, list));
        }
    }
}
