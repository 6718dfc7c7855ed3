//! Pieces of the log: some of its records, as a log file of their own that grows no more.

use super::reader::{LogFile, file_path, file_starts};
use super::record::{self, Record};
use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::frame::{self, Kind};
use bytes::Bytes;
use std::io;
use std::path::Path;
use uuid::Uuid;

/// A log file with these records, which follow each other.
pub fn piece(records: &[Record]) -> Vec<u8> {
    let first_seq = records.first().map_or(1, |record| record.first_seq);
    let (salt, _) = Uuid::new_v4().as_u64_pair();
    let mut bytes = frame::header(Kind::Log, first_seq, salt).to_vec();
    let mut link = 0;
    for record in records {
        link = record::encode(record, salt, link, first_seq.saturating_sub(1), &mut bytes);
    }
    bytes
}

/// The records of a piece: all of it is records, whole and in order.
pub fn piece_records(path: &Path, piece: &Bytes) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let end = LogFile::of(path.to_owned(), piece.clone(), None)?.records(&mut |framed| {
        records.push(framed.record);
        Ok(())
    })?;
    match end.at() == piece.len() {
        true => Ok(records),
        false => Err(Error::corrupt(path, end.at() as u64, "a record of the piece is broken")),
    }
}

/// Records from this operation to that one, as many as hold about so many bytes. What the log no longer
/// has of them is left out at the beginning. Its files are copied, not mapped: one of them grows.
pub(crate) fn read_some(disk: &dyn Disk, dir: &Path, from: u64, last: u64, bytes_max: usize) -> Result<Vec<Record>> {
    let starts = file_starts(disk, dir)?;
    let first = starts.iter().rposition(|start| *start <= from).unwrap_or(0);
    let (mut records, mut bytes, mut next): (Vec<Record>, usize, u64) = (Vec::new(), 0, from);
    for (at, start) in starts.iter().enumerate().skip(first) {
        // A file that was broken off may hold operations that were abandoned: from where the next file begins, that one
        // alone counts.
        let next_start = starts.get(at + 1).copied().unwrap_or(u64::MAX);
        if *start > last || bytes >= bytes_max {
            break;
        }
        let path = file_path(dir, *start);
        let file = match disk.read(&path) {
            // It was cut meanwhile.
            Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
            file => Bytes::from(file.map_err(doing("read", &path))?),
        };
        LogFile::of(path, file, Some(*start))?.records(&mut |framed| {
            let record = framed.record;
            let there = next <= record.first_seq && record.first_seq < next_start;
            let wanted = record.ops > 0 && there && record.end_seq() <= last.saturating_add(1);
            if wanted && bytes < bytes_max {
                bytes += record.payload.len();
                next = record.end_seq();
                records.push(record);
            }
            Ok(())
        })?;
    }
    // A gap between two files would be one inside a piece.
    let whole = records.windows(2).take_while(|two| two[0].end_seq() == two[1].first_seq).count();
    records.truncate(whole + 1);
    Ok(records)
}
