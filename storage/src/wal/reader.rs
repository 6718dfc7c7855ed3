//! Reading the log back: in order, without gaps, up to where it was torn.

use super::record::{self, ALIGN, Framed, Record};
use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::frame::{self, HEADER_BYTES, Kind};
use bytes::Bytes;
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// How a replay ended.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Replayed {
    /// The operation to go on with.
    pub next_seq: u64,
    /// Bytes behind the last record that holds; a write that nobody was told of.
    pub torn_bytes: u64,
}

/// Shows every record from this operation on, in order.
///
/// # Errors
///
/// [`Error::Corrupt`] where a record is missing or broken that may have been acknowledged, with the
/// file and the place; what `see` answers.
pub fn replay(
    disk: &dyn Disk,
    dir: &Path,
    from_seq: u64,
    see: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<Replayed> {
    let open = |start| LogFile::open(disk, dir, start);
    walk(disk, dir, from_seq, &open, see)
}

/// Reads a log that somebody may be writing: files and bytes that were read, from the one with this operation on.
///
/// # Errors
///
/// As [`replay`]; and [`Error::Corrupt`] where it does not reach the last operation that is known to be on disk. Half of
/// what the writer is writing looks like damage too: ask again while it waits.
pub fn check(disk: &dyn Disk, dir: &Path, from_seq: u64, durable: u64) -> Result<(u64, u64)> {
    let (files, bytes) = (Cell::new(0), Cell::new(0));
    let last = Cell::new(from_seq);
    let open = |start| {
        // Copied: what is mapped must not change.
        let path = file_path(dir, start);
        let copy = Bytes::from(disk.read(&path).map_err(doing("read", &path))?);
        last.set(start);
        files.set(files.get() + 1);
        bytes.set(bytes.get() + copy.len() as u64);
        LogFile::of(path, copy, Some(start))
    };
    let replayed = walk(disk, dir, from_seq, &open, &mut |_| Ok(()))?;
    if replayed.next_seq <= durable {
        let path = file_path(dir, last.get());
        return Err(missing(&path, HEADER_BYTES, replayed.next_seq, durable + 1));
    }
    Ok((files.get(), bytes.get()))
}

fn walk(
    disk: &dyn Disk,
    dir: &Path,
    from_seq: u64,
    open: &dyn Fn(u64) -> Result<LogFile>,
    see: &mut dyn FnMut(Record) -> Result<()>,
) -> Result<Replayed> {
    let starts = file_starts(disk, dir)?;
    // A file whose successor begins no later than `from_seq` holds nothing that is asked for.
    let Some(first) = starts.iter().rposition(|start| *start <= from_seq) else {
        return match starts.first() {
            None => Ok(Replayed { next_seq: from_seq, torn_bytes: 0 }),
            Some(start) => Err(missing(&file_path(dir, *start), HEADER_BYTES, from_seq, *start)),
        };
    };
    let mut next_seq = starts[first];
    let mut torn_bytes = 0;
    let mut behind = (file_path(dir, next_seq), HEADER_BYTES);
    for (at, start) in starts.iter().enumerate().skip(first) {
        // A file that was broken off may hold operations that were refused, or never told of: from
        // where the next file begins, that one alone counts.
        let next_start = starts.get(at + 1).copied().unwrap_or(u64::MAX);
        if *start > next_seq {
            return Err(missing(&behind.0, behind.1, next_seq, *start));
        }
        let file = open(*start)?;
        let end = file.records(&mut |framed| {
            let (begin, end) = (framed.record.first_seq, framed.record.end_seq());
            if begin >= next_start {
                return Ok(());
            }
            // Copies of what the file before holds, or operations that the segments hold.
            let wanted_from = next_seq.max(from_seq);
            if end <= wanted_from {
                next_seq = next_seq.max(end);
                return Ok(());
            }
            if begin < wanted_from {
                let why = format!("a record holds operations {begin} to {}, across {wanted_from}", end - 1);
                return Err(Error::corrupt(&file.path, framed.end as u64, why));
            }
            next_seq = end;
            see(framed.record)
        })?;
        torn_bytes = (file.bytes.len() - end.at) as u64;
        if Some(start) == starts.last() {
            file.check_cut(&end)?;
        }
        behind = (file.path, end.at as u64);
    }
    Ok(Replayed { next_seq: next_seq.max(from_seq), torn_bytes })
}

/// A file of the log.
pub(crate) struct LogFile {
    path: PathBuf,
    bytes: Bytes,
    first_seq: u64,
    salt: u64,
}

/// Where the records that hold end.
pub(crate) struct End {
    /// The operation that would be next.
    pub(crate) next_seq: u64,
    at: usize,
}

impl End {
    /// The first byte behind them.
    pub(crate) fn at(&self) -> usize {
        self.at
    }
}

impl LogFile {
    /// Maps it and checks its header, which was synced before the file got its name.
    pub(crate) fn open(disk: &dyn Disk, dir: &Path, start: u64) -> Result<Self> {
        let path = file_path(dir, start);
        let bytes = disk.map(&path).map_err(doing("open", &path))?;
        Self::of(path, bytes, Some(start))
    }

    /// These bytes, which should begin with this operation, where somebody knows.
    pub(crate) fn of(path: PathBuf, bytes: Bytes, start: Option<u64>) -> Result<Self> {
        let [first_seq, salt] = frame::read_header(&path, &bytes, Kind::Log)?;
        if let Some(start) = start
            && first_seq != start
        {
            let why = format!("begins with operation {first_seq}, named for {start}");
            return Err(Error::corrupt(path, 8, why));
        }
        Ok(Self { path, bytes, first_seq, salt })
    }

    /// Shows the records up to the first that does not hold.
    pub(crate) fn records(&self, see: &mut dyn FnMut(Framed) -> Result<()>) -> Result<End> {
        let (mut at, mut link, mut next_seq) = (HEADER_BYTES as usize, 0, self.first_seq);
        while let Some(framed) = record::read(&self.bytes, at, self.salt) {
            if framed.link != link || framed.record.first_seq != next_seq {
                // Whole, and of this file, but not the one that belongs here: no torn write does that.
                return Err(Error::corrupt(&self.path, at as u64, "the record does not follow the one before"));
            }
            (at, link, next_seq) = (framed.end, framed.crc, framed.record.end_seq());
            see(framed)?;
        }
        Ok(End { next_seq, at })
    }

    /// Whether the log may end here: a later record that was written when the broken one was known
    /// to be on disk says that it was not torn, but damaged since.
    fn check_cut(&self, end: &End) -> Result<()> {
        let behind = (end.at + ALIGN..self.bytes.len()).step_by(ALIGN);
        let says_synced = |at: usize| {
            let looks = record::peek(&self.bytes, at)?;
            let later = looks.record.first_seq > end.next_seq && looks.synced_upto >= end.next_seq;
            later.then(|| record::read(&self.bytes, at, self.salt)).flatten()
        };
        match behind.into_iter().find_map(says_synced) {
            None => Ok(()),
            Some(later) => {
                let (broken, later) = (end.next_seq, later.record.first_seq);
                let why =
                    format!("the record of operation {broken} is broken, and was synced before {later} was written");
                Err(Error::corrupt(&self.path, end.at as u64, why))
            }
        }
    }
}

/// The first operations of the log's files, rising. Names that are not ours are passed over.
pub(crate) fn file_starts(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>> {
    let names = disk.list(dir).map_err(doing("list", dir))?;
    let start = |name: &String| name.strip_suffix(".log")?.parse().ok().filter(|start| file_name(*start) == *name);
    Ok(names.iter().filter_map(start).collect())
}

/// The file that begins with this operation.
pub(crate) fn file_path(dir: &Path, start: u64) -> PathBuf {
    dir.join(file_name(start))
}

fn file_name(start: u64) -> String {
    format!("{start:020}.log")
}

fn missing(path: &Path, at: u64, from: u64, to: u64) -> Error {
    Error::corrupt(path, at, format!("operations {from} to {} are missing", to.saturating_sub(1)))
}
