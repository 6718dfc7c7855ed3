//! Checksums of a body, block by block: a body may be opened before all of it was read, and no byte of it is used
//! unseen.
//!
//! A block is checked when it is first touched. What was found stays found: that a block holds, and the first one
//! that does not. Whoever reads damaged bytes gets them all the same, as no search can stop half-way; so whoever
//! asks a part looks at [`Sums::damage`] before the answer leaves.

use crate::error::{Error, Result};
use bytes::Bytes;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use xxhash_rust::xxh3::xxh3_64;

/// The length of a block; the last one of a body may be shorter.
pub const BLOCK_BYTES: usize = 64 << 10;

/// How many blocks a body of this length has.
pub fn blocks(body_bytes: u64) -> u64 {
    body_bytes.div_ceil(BLOCK_BYTES as u64)
}

/// A body, and what its blocks should be.
#[derive(Debug)]
pub struct Sums {
    body: Bytes,
    /// The XXH3-64 of every block.
    sums: Vec<u64>,
    /// A bit for every block that was seen to hold. Bits are only ever set, over bytes that never change: nobody
    /// has to see them in any order.
    seen: Box<[AtomicU64]>,
    /// Every block holds.
    whole: AtomicBool,
    /// The first block that was found damaged, plus one.
    bad: AtomicU64,
}

impl Sums {
    /// Nothing of the body is read.
    ///
    /// # Errors
    ///
    /// Where there is not one sum for each block.
    pub fn new(body: Bytes, sums: Vec<u64>) -> Result<Self> {
        let blocks = blocks(body.len() as u64);
        if sums.len() as u64 != blocks {
            return Err(Error::corrupt("sums", 0, format!("{} of them for {blocks} blocks", sums.len())));
        }
        let seen = (0..sums.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { body, sums, seen, whole: AtomicBool::new(false), bad: AtomicU64::new(0) })
    }

    /// Checks the blocks of this range of the body that nobody has checked yet. False where one is damaged.
    #[inline]
    pub fn touch(&self, range: Range<usize>) -> bool {
        self.whole.load(Ordering::Relaxed) || self.touch_slowly(range)
    }

    #[cold]
    fn touch_slowly(&self, range: Range<usize>) -> bool {
        let blocks = range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES).min(self.sums.len());
        let mut holds = true;
        for block in blocks.filter(|_| !range.is_empty()) {
            holds &= self.holds(block);
        }
        holds
    }

    fn holds(&self, block: usize) -> bool {
        let (word, bit) = (&self.seen[block / 64], 1 << (block % 64));
        if word.load(Ordering::Relaxed) & bit != 0 {
            return true;
        }
        let start = block * BLOCK_BYTES;
        let holds = xxh3_64(&self.body[start..self.body.len().min(start + BLOCK_BYTES)]) == self.sums[block];
        match holds {
            true => drop(word.fetch_or(bit, Ordering::Relaxed)),
            // The first one found stands; which of two threads was first does not matter.
            false => drop(self.bad.compare_exchange(0, block as u64 + 1, Ordering::Relaxed, Ordering::Relaxed)),
        }
        holds
    }

    /// Somebody read all of the body elsewhere, and it holds.
    pub fn prove(&self) {
        self.whole.store(true, Ordering::Relaxed);
    }

    /// Whether every block is known to hold.
    pub fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Relaxed)
    }

    /// Where the body is damaged: the first byte of a block that was touched and does not hold.
    pub fn damage(&self) -> Option<u64> {
        self.bad.load(Ordering::Relaxed).checked_sub(1).map(|block| block * BLOCK_BYTES as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums_of(body: &[u8]) -> Vec<u64> {
        body.chunks(BLOCK_BYTES).map(xxh3_64).collect()
    }

    #[test]
    fn only_what_is_touched_is_checked() {
        let length = 3 * BLOCK_BYTES + 5;
        let mut body: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
        let right = sums_of(&body);
        body[2 * BLOCK_BYTES] ^= 4;
        let sums = Sums::new(body.into(), right).unwrap();
        assert!(sums.touch(0..2 * BLOCK_BYTES) && sums.touch(3 * BLOCK_BYTES..length) && sums.touch(9..9));
        assert_eq!(sums.damage(), None);
        assert!(!sums.touch(2 * BLOCK_BYTES - 1..2 * BLOCK_BYTES + 1));
        assert!(!sums.touch(0..length), "again");
        assert_eq!(sums.damage(), Some(2 * BLOCK_BYTES as u64));
        assert!(!sums.is_whole());
    }

    #[test]
    fn a_sum_for_every_block() {
        for length in [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1] {
            let body = vec![7; length];
            let sums = sums_of(&body);
            assert_eq!(sums.len() as u64, blocks(length as u64));
            let mut more = sums.clone();
            more.push(0);
            assert!(Sums::new(body.clone().into(), more).is_err());
            let sums = Sums::new(body.into(), sums).unwrap();
            assert!(sums.touch(0..length));
        }
    }

    #[test]
    fn what_was_proven_is_not_read_again() {
        let sums = Sums::new(vec![1; 10].into(), vec![0]).unwrap();
        sums.prove();
        assert!(sums.is_whole() && sums.touch(0..10));
        assert_eq!(sums.damage(), None);
    }
}
