//! Sets of rows: compressed where they are kept and combined, plain bits where they are tested.
//!
//! A test of a compressed set costs several times that of a plain bit, so a search expands its
//! filter once ([`Bitmap::bits`]) and then asks [`Bits::has`].

use crate::error::{Error, Result};
use crate::row::Row;
use roaring::RoaringBitmap;

/// A compressed set of rows.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Bitmap(RoaringBitmap);

impl Bitmap {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The rows `0..rows`.
    pub fn full(rows: u32) -> Self {
        let mut all = RoaringBitmap::new();
        all.insert_range(0..rows);
        Self(all)
    }

    /// From rows in rising order. Rows out of order are still taken, more slowly.
    pub fn from_rows(rows: impl IntoIterator<Item = u32>) -> Self {
        let mut set = RoaringBitmap::new();
        for row in rows {
            if set.try_push(row).is_err() {
                set.insert(row);
            }
        }
        Self(set)
    }

    /// From plain bits, by the word.
    pub fn from_bits(bits: &Bits) -> Self {
        Self(RoaringBitmap::from_lsb0_bytes(0, bytemuck::cast_slice(&bits.words)))
    }

    /// Whether the row is in the set.
    pub fn has(&self, row: Row) -> bool {
        self.0.contains(row.0)
    }

    /// Adds a row; whether it was new.
    pub fn insert(&mut self, row: Row) -> bool {
        self.0.insert(row.0)
    }

    /// Takes a row out; whether it was there.
    pub fn remove(&mut self, row: Row) -> bool {
        self.0.remove(row.0)
    }

    /// How many rows.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The greatest row.
    pub fn max(&self) -> Option<Row> {
        self.0.max().map(Row)
    }

    /// Keeps what is in both.
    pub fn and(&mut self, other: &Self) {
        self.0 &= &other.0;
    }

    /// Keeps what is in either.
    pub fn or(&mut self, other: &Self) {
        self.0 |= &other.0;
    }

    /// Takes out what is in the other.
    pub fn minus(&mut self, other: &Self) {
        self.0 -= &other.0;
    }

    /// How many rows are in both, without building the set.
    pub fn and_len(&self, other: &Self) -> u64 {
        self.0.intersection_len(&other.0)
    }

    /// The rows in rising order.
    pub fn iter(&self) -> impl Iterator<Item = Row> + '_ {
        self.0.iter().map(Row)
    }

    /// Expanded to one bit a row, for rows below `rows`.
    pub fn bits(&self, rows: u32) -> Bits {
        let mut bits = Bits::none(rows);
        // A nearly full set (all rows but a few dead ones) is a few long runs.
        if self.len() / 7 * 8 >= u64::from(rows) {
            let mut runs = self.0.iter();
            while let Some(run) = runs.next_range().filter(|run| *run.start() < rows) {
                bits.set_run(*run.start(), (*run.end()).min(rows - 1));
            }
            return bits;
        }
        for row in self.0.iter().take_while(|row| *row < rows) {
            bits.set(Row(row));
        }
        bits
    }

    /// The portable serial form of roaring bitmaps.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.serialized_size());
        self.0.serialize_into(&mut bytes).expect("a Vec takes every byte");
        bytes
    }

    /// Reads the serial form; every row has to be below `rows`.
    pub fn from_bytes(bytes: &[u8], rows: u32) -> Result<Self> {
        let set = RoaringBitmap::deserialize_from(bytes).map_err(|err| Error::corrupt("bitmap", 0, err.to_string()))?;
        if set.max().is_some_and(|max| max >= rows) {
            return Err(Error::corrupt("bitmap", 0, format!("a row is not below {rows}")));
        }
        Ok(Self(set))
    }

    /// Bytes in memory, roughly.
    pub fn memory_bytes(&self) -> usize {
        self.0.serialized_size()
    }
}

/// One bit a row.
#[derive(Clone, PartialEq, Debug)]
pub struct Bits {
    words: Vec<u64>,
    rows: u32,
}

impl Bits {
    /// No row of `rows`.
    pub fn none(rows: u32) -> Self {
        Self { words: vec![0; (rows as usize).div_ceil(64)], rows }
    }

    /// How many rows it speaks of.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Whether the row is in; false for a row beyond the end.
    #[inline]
    pub fn has(&self, row: Row) -> bool {
        self.words.get(row.at() / 64).is_some_and(|word| word >> (row.0 % 64) & 1 == 1)
    }

    /// Puts a row in.
    #[inline]
    pub fn set(&mut self, row: Row) {
        self.words[row.at() / 64] |= 1 << (row.0 % 64);
    }

    /// Puts the rows from `first` to `last` in, both of them below `rows`.
    fn set_run(&mut self, first: u32, last: u32) {
        let (from, to) = (first as usize / 64, last as usize / 64);
        let (head, tail) = (u64::MAX << (first % 64), u64::MAX >> (63 - last % 64));
        if from == to {
            self.words[from] |= head & tail;
            return;
        }
        self.words[from] |= head;
        self.words[from + 1..to].fill(u64::MAX);
        self.words[to] |= tail;
    }

    /// How many rows are in.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// The rows that are in, rising.
    pub fn iter(&self) -> impl Iterator<Item = Row> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let base = at as u32 * 64;
            std::iter::successors((*word != 0).then_some(*word), |left| {
                let rest = left & (left - 1);
                (rest != 0).then_some(rest)
            })
            .map(move |left| Row(base + left.trailing_zeros()))
        })
    }

    /// The words themselves, 64 rows each, the lowest bit first.
    pub fn words(&self) -> &[u64] {
        &self.words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_agree_with_the_bitmap() {
        for rows in [1, 63, 64, 65, 128, 1000, 65_535, 65_536, 70_001, 140_000] {
            for dead in [&[][..], &[0], &[1, 62, 63, 64], &[rows - 1], &[rows / 2, rows / 2 + 1, rows / 3]] {
                let mut bitmap = Bitmap::full(rows);
                bitmap.minus(&Bitmap::from_rows(dead.iter().copied()));
                let bits = bitmap.bits(rows);
                assert_eq!(bits.count(), bitmap.len(), "{rows} without {dead:?}");
                assert!(bits.iter().eq(bitmap.iter()), "{rows} without {dead:?}");
            }
        }
        assert_eq!(Bitmap::full(200).bits(130).count(), 130, "rows beyond the end are left out");
        assert_eq!(Bitmap::new().bits(0).count(), 0);
    }

    #[test]
    fn bits_agree_with_the_bitmap() {
        let rows = [0, 1, 63, 64, 65, 127, 128, 1000, 65_536, 65_599];
        let bitmap = Bitmap::from_rows(rows);
        let bits = bitmap.bits(65_600);
        assert_eq!(bits.iter().map(|row| row.0).collect::<Vec<_>>(), rows);
        assert_eq!(bits.count(), bitmap.len());
        assert_eq!(Bitmap::from_bits(&bits), bitmap);
        assert!((0..65_600).all(|row| bits.has(Row(row)) == bitmap.has(Row(row))));
        assert!(!bits.has(Row(70_000)));
    }

    #[test]
    fn a_row_beyond_the_part_is_corruption() {
        let bytes = Bitmap::from_rows([1, 9]).to_bytes();
        assert!(Bitmap::from_bytes(&bytes, 10).is_ok());
        assert!(Bitmap::from_bytes(&bytes, 9).is_err());
        assert!(Bitmap::from_bytes(&bytes[..3], 10).is_err());
    }
}
