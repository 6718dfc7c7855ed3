//! Named sections of numbers: how every immutable body of a part is laid down.
//!
//! ```text
//! | section 0, padded to 64 | section 1, padded to 64 | ... | table | table length u32 | sections u32 |
//! table entry = | name length u8 | name | offset u64 | length u64 |
//! ```
//!
//! Numbers are little-endian. A section starts at a multiple of 64 bytes from the body's start, so
//! a body that itself starts aligned (a mapped file does) is read in place.

use crate::error::{Error, Result};
use crate::sums::Sums;
use bytemuck::Pod;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::sync::Arc;

#[cfg(target_endian = "big")]
compile_error!("sections are read in place: the layout is little-endian");

/// Sections start at multiples of this many bytes.
pub const ALIGN: usize = 64;

/// A plain number (or byte) that a section may hold.
pub trait Number: Pod + Send + Sync {}

impl<T: Pod + Send + Sync> Number for T {}

const TAIL_BYTES: usize = 8;

/// Lays sections down, one after another, as they come: nothing but the table is kept in memory.
#[derive(Debug)]
pub struct SectionsWriter<W> {
    out: W,
    at: u64,
    open: Option<String>,
    start: u64,
    table: Vec<(String, u64, u64)>,
}

impl<W: Write> SectionsWriter<W> {
    /// An empty body that is written to `out`.
    pub fn new(out: W) -> Self {
        Self { out, at: 0, open: None, start: 0, table: Vec::new() }
    }

    /// Lays down a whole section of numbers (or bytes). Names are unique, at most 255 bytes.
    pub fn put<T: Number>(&mut self, name: &str, values: &[T]) -> io::Result<()> {
        self.begin(name)?;
        self.extend(values)
    }

    /// Begins a section that grows by [`Self::extend`] until the next one begins.
    pub fn begin(&mut self, name: &str) -> io::Result<()> {
        debug_assert!(
            name.len() <= 255 && self.table.iter().all(|entry| entry.0 != name),
            "names are short and unique"
        );
        self.end()?;
        self.start = self.at;
        self.open = Some(name.to_owned());
        Ok(())
    }

    /// Adds numbers to the section that was begun last.
    pub fn extend<T: Number>(&mut self, values: &[T]) -> io::Result<()> {
        debug_assert!(self.open.is_some(), "a section was begun");
        self.write(bytemuck::cast_slice(values))
    }

    /// Lays down the table and gives the sink back.
    pub fn finish(mut self) -> io::Result<W> {
        self.end()?;
        let mut table = Vec::new();
        for (name, offset, length) in &self.table {
            table.push(name.len() as u8);
            table.extend_from_slice(name.as_bytes());
            table.extend_from_slice(&offset.to_le_bytes());
            table.extend_from_slice(&length.to_le_bytes());
        }
        let table_bytes = table.len() as u32;
        table.extend_from_slice(&table_bytes.to_le_bytes());
        table.extend_from_slice(&(self.table.len() as u32).to_le_bytes());
        self.write(&table)?;
        Ok(self.out)
    }

    fn end(&mut self) -> io::Result<()> {
        if let Some(name) = self.open.take() {
            self.table.push((name, self.start, self.at - self.start));
        }
        let padding = self.at.next_multiple_of(ALIGN as u64) - self.at;
        self.write(&[0; ALIGN][..padding as usize])
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

/// The bytes of a body, and how they are checked where nobody has read all of them yet.
#[derive(Clone, Debug)]
pub struct Body {
    bytes: Bytes,
    sums: Option<Arc<Sums>>,
}

impl From<Bytes> for Body {
    /// All of it was checked, or was never written to a disk.
    fn from(bytes: Bytes) -> Self {
        Self { bytes, sums: None }
    }
}

impl Body {
    /// What is touched of it is checked by these sums, which are of the same bytes.
    pub fn guarded(bytes: Bytes, sums: Arc<Sums>) -> Self {
        Self { bytes, sums: Some(sums) }
    }

    /// The bytes, unchecked.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn touch(&self, name: &str, range: Range<usize>) -> Result<()> {
        match &self.sums {
            Some(sums) if !sums.touch(range.clone()) => {
                Err(Error::corrupt(name, range.start as u64, "the checksum of a block does not match"))
            }
            _ => Ok(()),
        }
    }
}

/// Guards a section that was handed out before it was read.
#[derive(Clone, Debug)]
pub struct Guard {
    sums: Arc<Sums>,
    start: usize,
}

impl Guard {
    /// Checks these bytes of the section, unless somebody has; false where they are damaged.
    #[inline]
    pub fn touch(&self, range: Range<usize>) -> bool {
        self.sums.touch(self.start + range.start..self.start + range.end)
    }
}

/// A body opened for reading. Every offset was checked when it was opened.
#[derive(Clone, Debug)]
pub struct Sections {
    body: Body,
    table: BTreeMap<String, (usize, usize)>,
}

impl Sections {
    /// Reads the table and checks that every section lies inside the body.
    pub fn open(body: Bytes) -> Result<Self> {
        Self::of(body.into())
    }

    /// As [`Self::open`], of a body that may not have been read yet.
    pub fn of(guarded: Body) -> Result<Self> {
        let body = guarded.bytes().clone();
        let corrupt = |at: usize, why: &str| Error::corrupt("table", at as u64, why);
        let tail = body.len().checked_sub(TAIL_BYTES).ok_or_else(|| corrupt(0, "shorter than its own tail"))?;
        guarded.touch("table", tail..body.len())?;
        let table_bytes = read_u32(&body, tail) as usize;
        let count = read_u32(&body, tail + 4);
        let start = tail.checked_sub(table_bytes).ok_or_else(|| corrupt(tail, "the table is longer than the body"))?;
        guarded.touch("table", start..tail)?;
        let mut table = BTreeMap::new();
        let mut at = start;
        for _ in 0..count {
            let entry = &body[at..tail];
            let name_len = *entry.first().ok_or_else(|| corrupt(at, "the table ends early"))? as usize;
            let numbers =
                entry.get(1 + name_len..1 + name_len + 16).ok_or_else(|| corrupt(at, "the table ends early"))?;
            let name = std::str::from_utf8(&entry[1..1 + name_len]).map_err(|_| corrupt(at, "a name is not UTF-8"))?;
            let offset = read_u64(numbers, 0);
            let length = read_u64(numbers, 8);
            let end = offset.checked_add(length).filter(|end| *end <= start as u64);
            if end.is_none() || !offset.is_multiple_of(ALIGN as u64) {
                return Err(corrupt(at, "a section lies outside the body or is not aligned"));
            }
            if table.insert(name.to_owned(), (offset as usize, length as usize)).is_some() {
                return Err(corrupt(at, "two sections share a name"));
            }
            at += 1 + name_len + 16;
        }
        if at != tail {
            return Err(corrupt(at, "the table is longer than its entries"));
        }
        Ok(Self { body: guarded, table })
    }

    /// Whether the section is there.
    pub fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// The names of all sections, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.table.keys().map(String::as_str)
    }

    fn range(&self, name: &str) -> Result<Range<usize>> {
        let (offset, length) =
            *self.table.get(name).ok_or_else(|| Error::corrupt(name, 0, "the section is missing"))?;
        Ok(offset..offset + length)
    }

    /// The bytes of a section, sharing the body's memory; checked, all of them.
    pub fn bytes(&self, name: &str) -> Result<Bytes> {
        let range = self.range(name)?;
        self.body.touch(name, range.clone())?;
        Ok(self.body.bytes.slice(range))
    }

    /// The bytes of a section, and what has to be told of every range of them before it is used; nothing where all
    /// of the body was checked.
    pub fn unread(&self, name: &str) -> Result<(Bytes, Option<Guard>)> {
        let range = self.range(name)?;
        let guard = self.body.sums.clone().map(|sums| Guard { sums, start: range.start });
        Ok((self.body.bytes.slice(range), guard))
    }

    /// The numbers of a section; read in place where the memory is aligned, copied where it is not.
    pub fn array<T: Number>(&self, name: &str) -> Result<Array<T>> {
        Array::new(self.bytes(name)?).map_err(|why| Error::corrupt(name, 0, why))
    }

    /// The numbers of a section that has to hold `len` of them.
    pub fn array_of<T: Number>(&self, name: &str, len: usize) -> Result<Array<T>> {
        let array = self.array(name)?;
        if array.len() != len {
            return Err(Error::corrupt(name, 0, format!("holds {} values, not {len}", array.len())));
        }
        Ok(array)
    }
}

/// Numbers inside shared bytes.
#[derive(Clone, Debug)]
pub struct Array<T> {
    bytes: Bytes,
    kind: PhantomData<T>,
}

impl<T: Number> Array<T> {
    /// From bytes that hold whole numbers.
    pub fn new(bytes: Bytes) -> std::result::Result<Self, &'static str> {
        if !bytes.len().is_multiple_of(size_of::<T>()) {
            return Err("does not hold whole numbers");
        }
        let aligned = (bytes.as_ptr() as usize).is_multiple_of(align_of::<T>());
        let bytes = if aligned { bytes } else { Bytes::from_owner(Owned(realigned::<T>(&bytes))) };
        Ok(Self { bytes, kind: PhantomData })
    }
}

impl<T: Number> From<Vec<T>> for Array<T> {
    fn from(values: Vec<T>) -> Self {
        Self { bytes: Bytes::from_owner(Owned(values)), kind: PhantomData }
    }
}

impl<T: Number> Deref for Array<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(&self.bytes)
    }
}

/// A vector of numbers that lends its bytes, keeping the numbers' alignment.
struct Owned<T>(Vec<T>);

impl<T: Number> AsRef<[u8]> for Owned<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

fn realigned<T: Number>(bytes: &[u8]) -> Vec<T> {
    let mut values = vec![T::zeroed(); bytes.len() / size_of::<T>()];
    bytemuck::cast_slice_mut(&mut values).copy_from_slice(bytes);
    values
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn read_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut writer = SectionsWriter::new(Vec::new());
        writer.put("rows", &[3u32]).unwrap();
        writer.begin("values").unwrap();
        writer.extend(&[1.5f32]).unwrap();
        writer.extend(&[-2.0f32, 0.0]).unwrap();
        writer.put("empty", &[] as &[u64]).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn what_was_put_is_read() {
        let sections = Sections::open(sample().into()).unwrap();
        assert_eq!(&*sections.array::<f32>("values").unwrap(), &[1.5, -2.0, 0.0]);
        assert_eq!(&*sections.array_of::<u32>("rows", 1).unwrap(), &[3]);
        assert!(sections.array::<u64>("empty").unwrap().is_empty());
        assert!(sections.array::<u64>("values").is_err());
        assert!(sections.bytes("missing").is_err());
    }

    #[test]
    fn what_was_not_read_is_checked_when_it_is_touched() {
        use crate::sums::{BLOCK_BYTES, Sums};
        let mut writer = SectionsWriter::new(Vec::new());
        writer.put("bulk", &vec![7u8; 3 * BLOCK_BYTES]).unwrap();
        writer.put("small", &[3u32]).unwrap();
        let mut body = writer.finish().unwrap();
        let sums: Vec<u64> = body.chunks(BLOCK_BYTES).map(xxhash_rust::xxh3::xxh3_64).collect();
        let guarded = |body: &[u8]| {
            let body = Bytes::copy_from_slice(body);
            Body::guarded(body.clone(), Arc::new(Sums::new(body, sums.clone()).unwrap()))
        };
        body[BLOCK_BYTES + 9] ^= 1;
        let sections = Sections::of(guarded(&body)).unwrap();
        assert_eq!(&*sections.array::<u32>("small").unwrap(), &[3]);
        let (bulk, guard) = sections.unread("bulk").unwrap();
        let guard = guard.unwrap();
        assert_eq!(bulk.len(), 3 * BLOCK_BYTES);
        assert!(guard.touch(0..BLOCK_BYTES) && guard.touch(2 * BLOCK_BYTES..3 * BLOCK_BYTES));
        assert!(!guard.touch(BLOCK_BYTES..BLOCK_BYTES + 1));
        assert!(sections.bytes("bulk").is_err());
        for at in [3 * BLOCK_BYTES, body.len() - 1] {
            let mut damaged = body.clone();
            damaged[at] ^= 1;
            assert!(Sections::of(guarded(&damaged)).and_then(|sections| sections.bytes("small")).is_err(), "{at}");
        }
    }

    #[test]
    fn misaligned_memory_is_copied() {
        let mut shifted = vec![0u8];
        shifted.extend(sample());
        let sections = Sections::open(Bytes::from(shifted).slice(1..)).unwrap();
        assert_eq!(&*sections.array::<f32>("values").unwrap(), &[1.5, -2.0, 0.0]);
    }

    #[test]
    fn no_damage_panics() {
        let whole = sample();
        for cut in 0..whole.len() {
            let _ = Sections::open(Bytes::copy_from_slice(&whole[..cut]));
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                if let Ok(sections) = Sections::open(damaged.into()) {
                    for name in ["rows", "values", "empty"] {
                        let _ = sections.array::<u32>(name);
                    }
                }
            }
        }
    }
}
