//! A number for every row, in few bytes where those of neighbouring rows are close.
//!
//! ```text
//! <name>.bases    u64 x blocks         the least number of each block of 256 rows
//! <name>.starts   u64 x (blocks + 1)   where the block's offsets begin; the last is where they end
//! <name>.offsets  bytes                what each row adds to the base, in as few bytes (0 to 8) as its block needs
//! ```
//!
//! Rows that were written one after another take little more than a byte each.

use nigh_index::error::{Error, Result};
use nigh_index::layout::{Array, Sections, SectionsWriter};
use nigh_index::row::Row;
use std::io;

const BLOCK_ROWS: usize = 256;
const WIDTH_MAX: usize = 8;

/// A number for every row, read in place.
pub(crate) struct Packed {
    rows: usize,
    bases: Array<u64>,
    starts: Array<u64>,
    offsets: bytes::Bytes,
}

/// Lays the numbers down, in the order of their rows.
pub(crate) fn write<W: io::Write>(name: &str, numbers: &[u64], out: &mut SectionsWriter<W>) -> io::Result<()> {
    let blocks = || numbers.chunks(BLOCK_ROWS);
    let base = |block: &[u64]| block.iter().copied().min().unwrap_or(0);
    let width = |block: &[u64]| {
        let spread = block.iter().copied().max().unwrap_or(0) - base(block);
        WIDTH_MAX - spread.leading_zeros() as usize / 8
    };
    let mut starts = vec![0u64];
    for block in blocks() {
        starts.push(starts[starts.len() - 1] + (width(block) * block.len()) as u64);
    }
    out.put(&format!("{name}.bases"), &blocks().map(base).collect::<Vec<_>>())?;
    out.put(&format!("{name}.starts"), &starts)?;
    out.begin(&format!("{name}.offsets"))?;
    for block in blocks() {
        let (base, width) = (base(block), width(block));
        for number in block {
            out.extend(&(number - base).to_le_bytes()[..width])?;
        }
    }
    Ok(())
}

impl Packed {
    /// Checks that there is a number for every row.
    pub(crate) fn open(sections: &Sections, name: &str, rows: usize) -> Result<Self> {
        let blocks = rows.div_ceil(BLOCK_ROWS);
        let packed = Self {
            rows,
            bases: sections.array_of(&format!("{name}.bases"), blocks)?,
            starts: sections.array_of(&format!("{name}.starts"), blocks + 1)?,
            offsets: sections.bytes(&format!("{name}.offsets"))?,
        };
        let starts = &packed.starts;
        let whole = starts.first() == Some(&0) && starts.last() == Some(&(packed.offsets.len() as u64));
        let fits = |(block, ends): (usize, &[u64])| {
            let bytes = ends[1].checked_sub(ends[0]);
            let rows = packed.rows_of(block) as u64;
            bytes.is_some_and(|bytes| bytes % rows == 0 && bytes / rows <= WIDTH_MAX as u64)
        };
        if !whole || !starts.windows(2).enumerate().all(fits) {
            return Err(Error::corrupt(format!("{name}.starts"), 0, "do not give every row of a block as many bytes"));
        }
        Ok(packed)
    }

    fn rows_of(&self, block: usize) -> usize {
        (self.rows - block * BLOCK_ROWS).min(BLOCK_ROWS)
    }

    /// The number of a row.
    pub(crate) fn of(&self, row: Row) -> u64 {
        let block = row.at() / BLOCK_ROWS;
        let (start, end) = (self.starts[block] as usize, self.starts[block + 1] as usize);
        let width = (end - start) / self.rows_of(block);
        let at = start + row.at() % BLOCK_ROWS * width;
        let mut offset = [0; WIDTH_MAX];
        offset[..width].copy_from_slice(&self.offsets[at..at + width]);
        self.bases[block].wrapping_add(u64::from_le_bytes(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn laid_down(numbers: &[u64]) -> Vec<u8> {
        let mut out = SectionsWriter::new(Vec::new());
        write("n", numbers, &mut out).unwrap();
        out.finish().unwrap()
    }

    fn check(numbers: &[u64]) {
        let sections = Sections::open(laid_down(numbers).into()).unwrap();
        let packed = Packed::open(&sections, "n", numbers.len()).unwrap();
        let read: Vec<u64> = (0..numbers.len() as u32).map(|row| packed.of(Row(row))).collect();
        assert_eq!(read, numbers);
        assert!(Packed::open(&sections, "n", numbers.len() + BLOCK_ROWS).is_err());
    }

    #[test]
    fn any_numbers_come_back() {
        check(&[]);
        check(&[u64::MAX]);
        check(&[0, u64::MAX]);
        check(&[7; 600]);
        for step in [1, 255, 256, 1 << 20, 1 << 54] {
            check(&(0..700).map(|row| row * step).collect::<Vec<_>>());
        }
    }

    #[test]
    fn neighbours_take_little_more_than_a_byte() {
        let numbers: Vec<u64> = (1 << 40..(1 << 40) + 100_000).collect();
        let bytes = laid_down(&numbers).len();
        assert!(bytes < 107_000, "{bytes} bytes");
    }

    proptest! {
        #[test]
        fn random_numbers_come_back(numbers in vec(any::<u64>(), 0..600), shift in 0..64u32) {
            check(&numbers.iter().map(|number| number >> shift).collect::<Vec<_>>());
        }

        #[test]
        fn no_damage_panics(len in 0..600u64, bit in any::<prop::sample::Index>()) {
            let mut body = laid_down(&(0..len).map(|row| row * 77).collect::<Vec<_>>());
            let bit = bit.index(body.len() * 8);
            body[bit / 8] ^= 1 << (bit % 8);
            if let Ok(sections) = Sections::open(body.into())
                && let Ok(packed) = Packed::open(&sections, "n", len as usize)
            {
                let _ = (0..len as u32).map(|row| packed.of(Row(row))).collect::<Vec<_>>();
            }
        }
    }
}
