//! Vectors as benchmarks of nearest neighbours are handed out: `.fvecs`, `.ivecs` and `.bvecs`.
//!
//! ```text
//! row: | numbers i32 | number ... |        f32 (fvecs), i32 (ivecs), u8 (bvecs); little endian
//! ```
//!
//! All rows have as many numbers as the first one, so the length of a file says how many there are.

use super::kinds::Others;
use super::{Record, wrong};
use crate::cli::failure::{Failure, Place, Result, doing};
use serde_json::Map;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// No row is longer.
const SIZE_MAX: u64 = 1 << 20;

/// What the numbers are.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Number {
    F32,
    I32,
    U8,
}

/// The rows of a file.
pub(crate) struct Records {
    path: PathBuf,
    reader: BufReader<File>,
    number: Number,
    field: String,
    rows: u64,
    next: u64,
    row: Vec<u8>,
    failed: bool,
}

impl Records {
    /// From this row on.
    pub(crate) fn open(path: &Path, number: Number, field: String, skip: u64) -> Result<Self> {
        let broken = |why: String| wrong(path, Place::Whole, why);
        let mut file = File::open(path).map_err(doing("open", path))?;
        let total = file.metadata().map_err(doing("read", path))?.len();
        let mut head = [0; 4];
        let (rows, bytes) = if total == 0 {
            (0, 0)
        } else {
            file.read_exact(&mut head).map_err(|_| broken(format!("it ends after {total} bytes")))?;
            let size = u64::from(u32::from_le_bytes(head));
            if size == 0 || size > SIZE_MAX {
                return Err(broken(format!("its first row promises {size} numbers; 1 to {SIZE_MAX} are read")));
            }
            let bytes = 4 + size * if number == Number::U8 { 1 } else { 4 };
            if !total.is_multiple_of(bytes) {
                return Err(broken(format!("{total} bytes are no whole number of rows of {size} numbers")));
            }
            (total / bytes, bytes)
        };
        let next = skip.min(rows);
        file.seek(SeekFrom::Start(next * bytes)).map_err(doing("read", path))?;
        let reader = BufReader::with_capacity(1 << 16, file);
        let row = vec![0; usize::try_from(bytes).unwrap_or(0)];
        Ok(Self { path: path.to_owned(), reader, number, field, rows, next, row, failed: false })
    }

    /// How many rows the file has.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    #[expect(clippy::cast_precision_loss, reason = "vectors are f32: what an i32 has beyond that is lost")]
    fn read(&mut self) -> Result<Record> {
        let place = Place::Row(self.next);
        self.reader.read_exact(&mut self.row).map_err(|_| wrong(&self.path, place, "the file ends here"))?;
        let (head, numbers) = self.row.split_at(4);
        let size = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let vector: Vec<f32> = match self.number {
            Number::F32 => numbers.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Number::I32 => numbers.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b) as f32).collect(),
            Number::U8 => numbers.iter().map(|b| f32::from(*b)).collect(),
        };
        if size != vector.len() {
            let why = format!("it promises {size} numbers, and the first row has {}", vector.len());
            return Err(wrong(&self.path, place, why));
        }
        self.next += 1;
        let vectors = vec![(self.field.clone(), vector)];
        Ok(Record { row: self.next - 1, place, vectors, others: Others::default(), payload: Map::new() })
    }
}

impl Iterator for Records {
    type Item = Result<Record, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.next == self.rows {
            return None;
        }
        let record = self.read();
        self.failed = record.is_err();
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], number: Number, skip: u64) -> Result<Vec<(u64, Vec<f32>)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.vecs");
        std::fs::write(&path, bytes).unwrap();
        let row = |record: Result<Record>| record.map(|mut record| (record.row, record.vectors.remove(0).1));
        let records = Records::open(&path, number, "v".to_owned(), skip);
        let rows = records.and_then(|records| records.map(row).collect::<Result<Vec<_>>>());
        rows.map_err(|error| error.to_string().rsplit('/').next().unwrap().to_owned())
    }

    fn rows(rows: &[&[u8]]) -> Vec<u8> {
        rows.concat()
    }

    #[test]
    fn rows_are_vectors() {
        let two = 2_u32.to_le_bytes();
        let floats = rows(&[&two, &1.5_f32.to_le_bytes(), &(-2_f32).to_le_bytes(), &two, &[0; 8]]);
        assert_eq!(read(&floats, Number::F32, 0).unwrap(), [(0, vec![1.5, -2.0]), (1, vec![0.0, 0.0])]);
        assert_eq!(read(&floats, Number::F32, 1).unwrap(), [(1, vec![0.0, 0.0])]);
        assert_eq!(read(&floats, Number::F32, 9).unwrap(), []);
        let whole = rows(&[&two, &7_i32.to_le_bytes(), &(-1_i32).to_le_bytes()]);
        assert_eq!(read(&whole, Number::I32, 0).unwrap(), [(0, vec![7.0, -1.0])]);
        let bytes = rows(&[&two, &[0, 255], &two, &[3, 4]]);
        assert_eq!(read(&bytes, Number::U8, 0).unwrap(), [(0, vec![0.0, 255.0]), (1, vec![3.0, 4.0])]);
        assert_eq!(read(&[], Number::U8, 0).unwrap(), []);
    }

    #[test]
    fn what_is_not_whole_is_named() {
        let (two, one) = (2_u32.to_le_bytes(), 1_u32.to_le_bytes());
        for (bytes, why) in [
            (vec![1, 0], "p.vecs: it ends after 2 bytes"),
            (vec![0; 8], "p.vecs: its first row promises 0 numbers; 1 to 1048576 are read"),
            (vec![255; 8], "p.vecs: its first row promises 4294967295 numbers; 1 to 1048576 are read"),
            (rows(&[&two, &[1, 2], &two, &[3]]), "p.vecs: 11 bytes are no whole number of rows of 2 numbers"),
            (rows(&[&two, &[1, 2], &one, &[3, 4]]), "p.vecs, row 1: it promises 1 numbers, and the first row has 2"),
        ] {
            assert_eq!(read(&bytes, Number::U8, 0).unwrap_err(), why);
        }
    }
}
