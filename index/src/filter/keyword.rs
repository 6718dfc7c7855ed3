//! The two kinds of run: sorted distinct strings, and sorted distinct integers, with their rows.

use crate::error::{Error, Result};
use crate::filter::postings::{self, Head, Moves, Postings, Union, check_offsets};
use crate::layout::{Array, Number, Sections, SectionsWriter};
use bytes::Bytes;
use std::io;

/// Sorted distinct integers and the rows that have each.
#[derive(Clone, Debug)]
pub(crate) struct Integers<T> {
    values: Array<T>,
    pub(crate) postings: Postings,
}

impl<T: Number + Ord> Integers<T> {
    pub(crate) fn build(pairs: Vec<(T, u32)>) -> Self {
        let mut values = Vec::new();
        let postings = postings::group(pairs, |value| values.push(value));
        Self { values: values.into(), postings }
    }

    pub(crate) fn merge(runs: &[(&Self, &Moves)]) -> Self {
        let heads = runs.iter().enumerate().flat_map(|(run, (integers, _))| {
            integers.values.iter().enumerate().map(move |(at, value)| Head { value: *value, run, at })
        });
        let mut values = Vec::new();
        let lists: Vec<_> = runs.iter().map(|(integers, moves)| (&integers.postings, *moves)).collect();
        let postings = postings::merge(&lists, heads.collect(), |value| values.push(value));
        Self { values: values.into(), postings }
    }

    /// The place of a value.
    pub(crate) fn find(&self, value: T) -> Option<usize> {
        self.values.binary_search(&value).ok()
    }

    /// Whether a row has the value.
    pub(crate) fn has(&self, value: T) -> bool {
        self.find(value).is_some()
    }

    /// Puts the rows of a value into the union.
    pub(crate) fn gather<'a>(&'a self, value: T, union: &mut Union<'a>) -> Result<()> {
        self.find(value).map_or(Ok(()), |at| self.postings.gather(at..at + 1, union))
    }

    /// Puts the rows of a range into the union: the values that are not below it and not above it.
    pub(crate) fn gather_range<'a>(
        &'a self,
        below: impl Fn(T) -> bool,
        above: impl Fn(T) -> bool,
        union: &mut Union<'a>,
    ) -> Result<()> {
        let from = self.values.partition_point(|value| below(*value));
        let to = self.values.partition_point(|value| !above(*value));
        self.postings.gather(from..to, union)
    }

    /// Every value of a range with every row that has it.
    pub(crate) fn each_range(
        &self,
        below: impl Fn(T) -> bool,
        above: impl Fn(T) -> bool,
        rows: u32,
        mut see: impl FnMut(T, u32),
    ) -> Result<()> {
        let from = self.values.partition_point(|value| below(*value));
        let to = self.values.partition_point(|value| !above(*value));
        self.postings.each(from..to, rows, |at, row| see(self.values[at], row))
    }

    pub(crate) fn seal(&self, name: &str, rows: u32, out: &mut SectionsWriter<Vec<u8>>) -> io::Result<()> {
        if self.values.is_empty() {
            return Ok(());
        }
        out.put(&format!("{name}.values"), &self.values)?;
        self.postings.seal(name, rows, out)
    }

    pub(crate) fn open(name: &str, sections: &Sections) -> Result<Self> {
        let values_name = format!("{name}.values");
        if !sections.has(&values_name) {
            return Ok(Self::build(Vec::new()));
        }
        let values: Array<T> = sections.array(&values_name)?;
        if let Some(at) = values.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(Error::corrupt(values_name, (at * size_of::<T>()) as u64, "values do not rise"));
        }
        let postings = Postings::open(name, values.len(), sections)?;
        Ok(Self { values, postings })
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        size_of_val(&*self.values) as u64 + self.postings.memory_bytes()
    }
}

/// Sorted distinct strings and the rows that have each: `bytes[offsets[v]..offsets[v + 1]]`.
#[derive(Clone, Debug)]
pub(crate) struct Keywords {
    bytes: Bytes,
    offsets: Array<u64>,
    pub(crate) postings: Postings,
}

/// Strings that are being laid back to back.
struct Dictionary {
    bytes: Vec<u8>,
    offsets: Vec<u64>,
}

impl Dictionary {
    fn new() -> Self {
        Self { bytes: Vec::new(), offsets: vec![0] }
    }

    fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.offsets.push(self.bytes.len() as u64);
    }

    fn with(self, postings: Postings) -> Keywords {
        Keywords { bytes: self.bytes.into(), offsets: self.offsets.into(), postings }
    }
}

impl Keywords {
    pub(crate) fn build(pairs: Vec<(&[u8], u32)>) -> Self {
        let mut dictionary = Dictionary::new();
        let postings = postings::group(pairs, |text| dictionary.push(text));
        dictionary.with(postings)
    }

    pub(crate) fn merge(runs: &[(&Self, &Moves)]) -> Self {
        let heads = runs.iter().enumerate().flat_map(|(run, (keywords, _))| {
            keywords.iter().enumerate().map(move |(at, value)| Head { value, run, at })
        });
        let mut dictionary = Dictionary::new();
        dictionary.bytes.reserve(runs.iter().map(|(keywords, _)| keywords.bytes.len()).sum());
        let lists: Vec<_> = runs.iter().map(|(keywords, moves)| (&keywords.postings, *moves)).collect();
        let postings = postings::merge(&lists, heads.collect(), |text| dictionary.push(text));
        dictionary.with(postings)
    }

    /// How many distinct strings.
    pub(crate) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// A string by its place.
    pub(crate) fn at(&self, place: usize) -> &[u8] {
        &self.bytes[self.offsets[place] as usize..self.offsets[place + 1] as usize]
    }

    /// The strings, rising.
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let offsets: &[u64] = &self.offsets;
        offsets.windows(2).map(|pair| &self.bytes[pair[0] as usize..pair[1] as usize])
    }

    /// The place of the first string that is not below.
    pub(crate) fn place(&self, text: &[u8]) -> usize {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from.midpoint(to);
            if self.at(middle) < text {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }

    /// The place of a string.
    pub(crate) fn find(&self, text: &[u8]) -> Option<usize> {
        let place = self.place(text);
        (place < self.len() && self.at(place) == text).then_some(place)
    }

    pub(crate) fn seal(&self, name: &str, rows: u32, out: &mut SectionsWriter<Vec<u8>>) -> io::Result<()> {
        if self.len() == 0 {
            return Ok(());
        }
        out.put(&format!("{name}.offsets"), &self.offsets)?;
        out.put(&format!("{name}.bytes"), &self.bytes)?;
        self.postings.seal(name, rows, out)
    }

    pub(crate) fn open(name: &str, sections: &Sections) -> Result<Self> {
        let offsets_name = format!("{name}.offsets");
        if !sections.has(&offsets_name) {
            return Ok(Self::build(Vec::new()));
        }
        let bytes = sections.bytes(&format!("{name}.bytes"))?;
        let offsets: Array<u64> = sections.array(&offsets_name)?;
        check_offsets(&offsets_name, &offsets, bytes.len())?;
        let postings = Postings::open(name, offsets.len() - 1, sections)?;
        Ok(Self { bytes, offsets, postings })
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        (self.bytes.len() + size_of_val(&*self.offsets)) as u64 + self.postings.memory_bytes()
    }
}
