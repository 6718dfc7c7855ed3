//! Which rows have which value: one list of rows a value, the lists back to back in value order.
//!
//! ```text
//! starts: (values + 1) x u64      the list of value v is rows[starts[v]..starts[v + 1]]
//! rows:   u32 ...                 rising within a list
//! dense:  u32 ...                 (sealed) values whose list is a bitmap instead, rising
//! ends:   (dense + 1) x u64       (sealed) where each bitmap begins and the last one ends
//! sets:   bytes                   (sealed) the bitmaps, in the portable roaring form
//! ```
//!
//! Values that are neighbours have lists that are neighbours, so a range of values is one slice of
//! `rows`, and a few bitmaps. Offsets are checked at open, rows when a list is read.

use crate::bitmap::{Bitmap, Bits};
use crate::error::{Error, Result};
use crate::layout::{Array, Sections, SectionsWriter};
use crate::row::Row;
use bytes::Bytes;
use std::io;
use std::ops::Range;

/// Lists of this many rows may be sealed as bitmaps.
const DENSE_ROWS_MIN: usize = 64;

/// They are, where they hold one row in this many of the part's: a bitmap then takes half of the
/// list or less, and a range of single values meets at most this many bitmaps.
const DENSE_SHARE: usize = 128;

/// Fewer rows than one in this many are sorted; more are marked in plain bits.
const SPARSE_SHARE: usize = 64;

/// The lists of one run of values.
#[derive(Clone, Debug)]
pub(crate) struct Postings {
    starts: Array<u64>,
    rows: Array<u32>,
    dense: Array<u32>,
    ends: Array<u64>,
    sets: Bytes,
}

/// Lists that are being written, one value after another.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    starts: Vec<u64>,
    rows: Vec<u32>,
}

impl Lists {
    /// Adds a row to the value's list that is open; rows come rising.
    pub(crate) fn push(&mut self, row: u32) {
        self.rows.push(row);
    }

    /// Ends the open list, where it has a row; whether it had.
    pub(crate) fn close(&mut self) -> bool {
        let grew = self.starts.last().map_or(0, |start| *start as usize) < self.rows.len();
        if grew {
            self.starts.push(self.rows.len() as u64);
        }
        grew
    }

    /// The finished lists.
    pub(crate) fn finish(mut self) -> Postings {
        self.starts.insert(0, 0);
        Postings {
            starts: self.starts.into(),
            rows: self.rows.into(),
            dense: Vec::new().into(),
            ends: Vec::new().into(),
            sets: Bytes::new(),
        }
    }
}

impl Postings {
    /// How many values have a list.
    pub(crate) fn values(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many rows all plain lists hold together; all there are, in a live part.
    pub(crate) fn entries(&self) -> usize {
        self.rows.len()
    }

    /// The plain list of a value.
    pub(crate) fn list(&self, value: usize) -> &[u32] {
        &self.rows[self.starts[value] as usize..self.starts[value + 1] as usize]
    }

    /// Puts the lists of these values into the union.
    pub(crate) fn gather<'a>(&'a self, values: Range<usize>, union: &mut Union<'a>) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        union.add(&self.rows[self.starts[values.start] as usize..self.starts[values.end] as usize]);
        let from = self.dense.partition_point(|value| (*value as usize) < values.start);
        let to = self.dense.partition_point(|value| (*value as usize) < values.end);
        for at in from..to.max(from) {
            union.set(&self.sets[self.ends[at] as usize..self.ends[at + 1] as usize])?;
        }
        Ok(())
    }

    /// Every row of these values, value by value. A row that the part does not have is corruption.
    pub(crate) fn each(&self, values: Range<usize>, part_rows: u32, mut see: impl FnMut(usize, u32)) -> Result<()> {
        let mut dense = self.dense.partition_point(|value| (*value as usize) < values.start);
        for value in values {
            for row in self.list(value) {
                if *row >= part_rows {
                    return Err(Error::corrupt("rows", 0, format!("row {row} is not below {part_rows}")));
                }
                see(value, *row);
            }
            if self.dense.get(dense).is_some_and(|at| *at as usize == value) {
                let set = &self.sets[self.ends[dense] as usize..self.ends[dense + 1] as usize];
                Bitmap::from_bytes(set, part_rows)?.iter().for_each(|row| see(value, row.0));
                dense += 1;
            }
        }
        Ok(())
    }

    /// Puts every list but those of these values, which rise, into the union.
    pub(crate) fn gather_but<'a>(&'a self, values: &[usize], union: &mut Union<'a>) -> Result<()> {
        let mut from = 0;
        for value in values {
            self.gather(from..*value, union)?;
            from = value + 1;
        }
        self.gather(from..self.values(), union)
    }

    /// Lays the lists of a part of `rows` rows down, long ones as bitmaps.
    pub(crate) fn seal(&self, name: &str, rows: u32, out: &mut SectionsWriter<Vec<u8>>) -> io::Result<()> {
        let dense_min = DENSE_ROWS_MIN.max(rows as usize / DENSE_SHARE);
        let mut plain = Lists { starts: vec![0], rows: Vec::new() };
        let (mut dense, mut ends, mut sets) = (Vec::<u32>::new(), vec![0u64], Vec::new());
        for value in 0..self.values() {
            let list = self.list(value);
            if list.len() >= dense_min {
                dense.push(value as u32);
                sets.extend(Bitmap::from_rows(list.iter().copied()).to_bytes());
                ends.push(sets.len() as u64);
            } else {
                plain.rows.extend_from_slice(list);
            }
            plain.starts.push(plain.rows.len() as u64);
        }
        out.put(&format!("{name}.starts"), &plain.starts)?;
        out.put(&format!("{name}.rows"), &plain.rows)?;
        out.put(&format!("{name}.dense"), &dense)?;
        out.put(&format!("{name}.ends"), &ends)?;
        out.put(&format!("{name}.sets"), &sets)
    }

    /// Reads the lists of `values` values and checks that every offset stays inside.
    pub(crate) fn open(name: &str, values: usize, sections: &Sections) -> Result<Self> {
        let (starts_name, dense_name, ends_name) =
            (format!("{name}.starts"), format!("{name}.dense"), format!("{name}.ends"));
        let rows: Array<u32> = sections.array(&format!("{name}.rows"))?;
        let starts: Array<u64> = sections.array_of(&starts_name, values + 1)?;
        check_offsets(&starts_name, &starts, rows.len())?;
        let sets = sections.bytes(&format!("{name}.sets"))?;
        let dense: Array<u32> = sections.array(&dense_name)?;
        let ends: Array<u64> = sections.array_of(&ends_name, dense.len() + 1)?;
        check_offsets(&ends_name, &ends, sets.len())?;
        let rising = dense.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || dense.last().is_some_and(|last| *last as usize >= values) {
            return Err(Error::corrupt(dense_name, 0, format!("not rising values below {values}")));
        }
        Ok(Self { starts, rows, dense, ends, sets })
    }

    /// Bytes in memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        (size_of_val(&*self.starts)
            + size_of_val(&*self.rows)
            + size_of_val(&*self.dense)
            + size_of_val(&*self.ends)
            + self.sets.len()) as u64
    }
}

/// Offsets begin at 0, never fall, and end at the end of what they point into.
pub(crate) fn check_offsets(name: &str, offsets: &[u64], end: usize) -> Result<()> {
    let falls = offsets.windows(2).position(|pair| pair[0] > pair[1]);
    if let Some(at) = falls {
        return Err(Error::corrupt(name, at as u64 * 8, "an offset falls"));
    }
    if offsets.first() != Some(&0) || offsets.last() != Some(&(end as u64)) {
        return Err(Error::corrupt(name, 0, format!("offsets do not lead from 0 to {end}")));
    }
    Ok(())
}

/// Lists of rows on their way into one set.
#[derive(Debug)]
pub(crate) struct Union<'a> {
    rows: u32,
    lists: Vec<&'a [u32]>,
    set: Bitmap,
}

impl<'a> Union<'a> {
    /// Nothing yet, in a part of `rows` rows.
    pub(crate) fn new(rows: u32) -> Self {
        Self { rows, lists: Vec::new(), set: Bitmap::new() }
    }

    /// Adds rows, in any order.
    pub(crate) fn add(&mut self, list: &'a [u32]) {
        if !list.is_empty() {
            self.lists.push(list);
        }
    }

    /// Adds a serialised set.
    pub(crate) fn set(&mut self, bytes: &[u8]) -> Result<()> {
        let set = Bitmap::from_bytes(bytes, self.rows)?;
        if self.set.is_empty() {
            self.set = set;
        } else {
            self.set.or(&set);
        }
        Ok(())
    }

    /// All of it as one set; a row that the part does not have is corruption.
    pub(crate) fn finish(self) -> Result<Bitmap> {
        let greatest = self.lists.iter().filter_map(|list| list.iter().max()).max();
        if let Some(row) = greatest.filter(|row| **row >= self.rows) {
            return Err(Error::corrupt("rows", 0, format!("row {row} is not below {}", self.rows)));
        }
        let mut set = self.set;
        let entries: usize = self.lists.iter().map(|list| list.len()).sum();
        if entries == 0 {
            return Ok(set);
        }
        let listed = if entries < self.rows as usize / SPARSE_SHARE {
            let mut rows = self.lists.concat();
            rows.sort_unstable();
            rows.dedup();
            Bitmap::from_rows(rows)
        } else {
            let mut bits = Bits::none(self.rows);
            for row in self.lists.iter().copied().flatten() {
                bits.set(Row(*row));
            }
            Bitmap::from_bits(&bits)
        };
        if set.is_empty() {
            return Ok(listed);
        }
        set.or(&listed);
        Ok(set)
    }
}

/// Where the rows of a part go in a part that follows from it.
#[derive(Debug)]
pub(crate) enum Moves {
    /// Every row goes on, by this much further.
    All(u32),
    /// The new row of each old one, `u32::MAX` where it ends.
    Some(Vec<u32>),
}

impl Moves {
    /// Of the `kept` of `rows` rows, the first of which becomes row `base`.
    pub(crate) fn new(kept: &[Row], rows: u32, base: u32) -> Self {
        if kept.len() == rows as usize {
            return Self::All(base);
        }
        let mut moves = vec![u32::MAX; rows as usize];
        for (at, row) in kept.iter().enumerate() {
            if let Some(place) = moves.get_mut(row.at()) {
                *place = base + at as u32;
            }
        }
        Self::Some(moves)
    }

    /// Copies a list, moved.
    fn carry(&self, list: &[u32], lists: &mut Lists) {
        match self {
            Self::All(base) => lists.rows.extend(list.iter().map(|row| row + base)),
            Self::Some(moves) => lists
                .rows
                .extend(list.iter().filter_map(|row| moves.get(*row as usize)).filter(|row| **row != u32::MAX)),
        }
    }
}

/// A value of one of several runs that become one.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Head<V> {
    /// The value.
    pub(crate) value: V,
    /// Which run it is of.
    pub(crate) run: usize,
    /// Its place there.
    pub(crate) at: usize,
}

/// Merges runs: `heads` are the values of each run, rising, one run after another. Every value
/// that keeps a row is given to `push`, rising.
pub(crate) fn merge<V: Ord + Copy>(
    runs: &[(&Postings, &Moves)],
    mut heads: Vec<Head<V>>,
    mut push: impl FnMut(V),
) -> Postings {
    // The stable sort finds the sorted runs and merges them; equal values stay in the order of
    // their parts, which is the order of their new rows.
    heads.sort_by_key(|head| head.value);
    let mut lists = Lists::default();
    lists.rows.reserve(runs.iter().map(|(postings, _)| postings.entries()).sum());
    for same in heads.chunk_by(|left, right| left.value == right.value) {
        for head in same {
            let (postings, moves) = runs[head.run];
            moves.carry(postings.list(head.at), &mut lists);
        }
        if lists.close() {
            push(same[0].value);
        }
    }
    lists.finish()
}

/// Sorts pairs of value and row into lists; every distinct value is given to `push`, rising.
pub(crate) fn group<V: Ord + Copy>(mut pairs: Vec<(V, u32)>, mut push: impl FnMut(V)) -> Postings {
    pairs.sort_unstable();
    pairs.dedup();
    let mut lists = Lists::default();
    for same in pairs.chunk_by(|left, right| left.0 == right.0) {
        push(same[0].0);
        same.iter().for_each(|(_, row)| lists.push(*row));
        lists.close();
    }
    lists.finish()
}
