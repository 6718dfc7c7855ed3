//! NumPy's array files, as vectors.
//!
//! ```text
//! | \x93NUMPY | major u8 | minor u8 | header length u16 (version 1) or u32 | header | rows ... |
//! header: {'descr': '<f2', 'fortran_order': False, 'shape': (100000, 384), }
//! ```
//!
//! One or two dimensions, C order, little endian: f2, f4, f8 or u1. The header has to agree with
//! the file's length, so that a file cut short is found before its first row is used.

use super::kinds::Others;
use super::{Record, wrong};
use crate::cli::failure::{Place, Result, doing};
use half::f16;
use serde_json::Map;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// No header is longer.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// No row is longer: a vector has at most so many numbers.
const SIZE_MAX: u64 = 1 << 20;

/// How a number is stored.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Number {
    F16,
    F32,
    F64,
    U8,
}

impl Number {
    fn parse(descr: &str) -> Option<Self> {
        match descr {
            "<f2" => Some(Self::F16),
            "<f4" => Some(Self::F32),
            "<f8" => Some(Self::F64),
            "|u1" | "<u1" | "u1" => Some(Self::U8),
            _ => None,
        }
    }

    fn bytes(self) -> u64 {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::U8 => 1,
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "vectors are f32: what a f64 has beyond that is lost")]
    fn widen(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F16 => bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Self::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Self::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
            Self::U8 => bytes.iter().map(|b| f32::from(*b)).collect(),
        }
    }
}

/// An array file that is open: rows of vectors.
#[derive(Debug)]
pub(crate) struct Npy<R> {
    path: PathBuf,
    reader: R,
    number: Number,
    rows: u64,
    size: u64,
    body: u64,
    next: u64,
    buffer: Vec<u8>,
}

impl Npy<BufReader<File>> {
    /// Opens a file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(doing("open", path))?;
        Self::new(path, BufReader::with_capacity(1 << 16, file))
    }
}

impl<R: Read + Seek> Npy<R> {
    /// Reads the header; the path is for errors.
    pub(crate) fn new(path: &Path, mut reader: R) -> Result<Self> {
        let broken = |why: &str| wrong(path, Place::Whole, why);
        let total = reader.seek(SeekFrom::End(0)).map_err(doing("read", path))?;
        reader.seek(SeekFrom::Start(0)).map_err(doing("read", path))?;
        let mut head = [0_u8; 8];
        let no_array = |_| broken("this is no .npy file");
        reader.read_exact(&mut head).map_err(no_array)?;
        if &head[..6] != b"\x93NUMPY" {
            return Err(broken("this is no .npy file"));
        }
        let (length, before) = match head[6] {
            1 => {
                let mut length = [0_u8; 2];
                reader.read_exact(&mut length).map_err(no_array)?;
                (u64::from(u16::from_le_bytes(length)), 10)
            }
            2 | 3 => {
                let mut length = [0_u8; 4];
                reader.read_exact(&mut length).map_err(no_array)?;
                (u64::from(u32::from_le_bytes(length)), 12)
            }
            version => return Err(broken(&format!("version {version} of the format is not known, only 1 to 3"))),
        };
        if length > HEADER_BYTES_MAX as u64 || before + length > total {
            return Err(broken(&format!("a header of {length} bytes does not fit")));
        }
        let mut header = String::new();
        let read = (&mut reader).take(length).read_to_string(&mut header);
        read.map_err(|_| broken("the header is no text"))?;
        let (number, rows, size) = parse_header(&header).map_err(|why| broken(&why))?;
        let body = before + length;
        let wanted = rows.checked_mul(size).and_then(|count| count.checked_mul(number.bytes()));
        if wanted != Some(total - body) {
            let shape = format!("{rows} x {size} numbers of {} bytes", number.bytes());
            return Err(broken(&format!("the header promises {shape}, and {} bytes follow", total - body)));
        }
        Ok(Self { path: path.to_owned(), reader, number, rows, size, body, next: 0, buffer: Vec::new() })
    }

    /// How many rows it has.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Goes to a row; past the last one there is nothing more to read.
    pub(crate) fn seek(&mut self, row: u64) -> Result<()> {
        self.next = row.min(self.rows);
        // Cannot overflow: the body's length was found to be this product.
        let at = self.body + self.next * self.size * self.number.bytes();
        self.reader.seek(SeekFrom::Start(at)).map_err(doing("read", &self.path))?;
        Ok(())
    }

    /// The next row, if there is one.
    pub(crate) fn read(&mut self) -> Result<Option<Vec<f32>>> {
        if self.next == self.rows {
            return Ok(None);
        }
        let bytes = self.size * self.number.bytes();
        self.buffer.clear();
        let read = (&mut self.reader).take(bytes).read_to_end(&mut self.buffer);
        let read = read.map_err(doing("read", &self.path))?;
        if read as u64 != bytes {
            return Err(wrong(&self.path, Place::Row(self.next), "the file ends here"));
        }
        self.next += 1;
        Ok(Some(self.number.widen(&self.buffer)))
    }
}

/// What a header says: the number's kind, rows and numbers a row. A lone vector is one row.
fn parse_header(header: &str) -> Result<(Number, u64, u64), String> {
    let after = |key: &str| {
        let at = header.find(&format!("'{key}'")).ok_or_else(|| format!("the header has no `{key}`"))?;
        let rest = header[at + key.len() + 2..].trim_start();
        Ok::<_, String>(rest.strip_prefix(':').ok_or_else(|| format!("the header's `{key}` is cut off"))?.trim_start())
    };
    let descr = after("descr")?;
    let descr = descr.strip_prefix('\'').and_then(|rest| Some(rest.split_once('\'')?.0));
    let descr = descr.ok_or("the header's `descr` is no plain number type")?;
    let number = Number::parse(descr)
        .ok_or_else(|| format!("numbers of type `{descr}` are not read, only little-endian f2, f4, f8 and u1"))?;
    if !after("fortran_order")?.starts_with("False") {
        return Err("the array is in Fortran order; save it in C order".to_owned());
    }
    let shape = after("shape")?.strip_prefix('(').and_then(|rest| Some(rest.split_once(')')?.0));
    let shape = shape.ok_or("the header's `shape` is cut off")?;
    let sides = shape.split(',').map(str::trim).filter(|side| !side.is_empty()).map(str::parse::<u64>);
    let sides = sides.collect::<Result<Vec<_>, _>>().map_err(|_| format!("the shape ({shape}) makes no sense"))?;
    let (rows, size) = match sides[..] {
        [size] => (1, size),
        [rows, size] => (rows, size),
        _ => return Err(format!("the shape ({shape}) has {} dimensions, not one or two", sides.len())),
    };
    if size == 0 || size > SIZE_MAX {
        return Err(format!("vectors have 1 to {SIZE_MAX} numbers, not {size}"));
    }
    Ok((number, rows, size))
}

/// The rows of an array file as records without a payload.
pub(crate) struct Records<R> {
    rows: Npy<R>,
    field: String,
}

impl<R: Read + Seek> Records<R> {
    /// From this row on.
    pub(crate) fn new(mut rows: Npy<R>, field: String, skip: u64) -> Result<Self> {
        rows.seek(skip)?;
        Ok(Self { rows, field })
    }
}

impl<R: Read + Seek> Iterator for Records<R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next;
        let record = |vector| Record {
            row,
            place: Place::Row(row),
            vectors: vec![(self.field.clone(), vector)],
            others: Others::default(),
            payload: Map::new(),
        };
        self.rows.read().transpose().map(|vector| vector.map(record))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Cursor;

    /// An array file, as NumPy writes it.
    pub(crate) fn file(descr: &str, shape: &str, body: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(body);
        bytes
    }

    pub(crate) fn f32s(rows: &[[f32; 2]]) -> Vec<u8> {
        let body: Vec<u8> = rows.iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
        file("<f4", &format!("({}, 2)", rows.len()), &body)
    }

    fn rows(bytes: Vec<u8>) -> Result<Vec<Vec<f32>>> {
        let mut npy = Npy::new(Path::new("v.npy"), Cursor::new(bytes))?;
        let mut rows = Vec::new();
        while let Some(row) = npy.read()? {
            rows.push(row);
        }
        Ok(rows)
    }

    #[test]
    fn every_number_type_is_widened() {
        let half: Vec<u8> = [0.5, -2.0].iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
        let double: Vec<u8> = [0.5_f64, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let expected = vec![vec![0.5], vec![-2.0]];
        assert_eq!(rows(file("<f2", "(2, 1)", &half)).unwrap(), expected);
        assert_eq!(rows(file("<f8", "(2, 1)", &double)).unwrap(), expected);
        assert_eq!(rows(f32s(&[[1.0, 2.0], [3.0, 4.0]])).unwrap(), [[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(rows(file("|u1", "(1, 2)", &[7, 255])).unwrap(), [[7.0, 255.0]]);
        assert_eq!(rows(file("|u1", "(3,)", &[1, 2, 3])).unwrap(), [[1.0, 2.0, 3.0]], "a lone vector");
        assert_eq!(rows(file("|u1", "(0, 3)", &[])).unwrap(), Vec::<Vec<f32>>::new());
    }

    #[test]
    fn seeking_skips_rows() {
        let mut npy = Npy::new(Path::new("v.npy"), Cursor::new(f32s(&[[1.0, 2.0], [3.0, 4.0]]))).unwrap();
        npy.seek(1).unwrap();
        assert_eq!(npy.read().unwrap().unwrap(), [3.0, 4.0]);
        assert_eq!(npy.read().unwrap(), None);
        npy.seek(99).unwrap();
        assert_eq!(npy.read().unwrap(), None);
    }

    #[test]
    fn damaged_files_are_refused_by_name() {
        let good = f32s(&[[1.0, 2.0], [3.0, 4.0]]);
        for length in 0..good.len() {
            let error = rows(good[..length].to_vec()).unwrap_err().to_string();
            assert!(error.starts_with("v.npy: "), "{length}: {error}");
        }
        let mut longer = good.clone();
        longer.push(0);
        for (bytes, why) in [
            (longer, "17 bytes follow"),
            (b"PK\x03\x04 not at all".to_vec(), "no .npy file"),
            (file(">f4", "(1, 1)", &[0; 4]), "`>f4` are not read"),
            (file("<i8", "(1, 1)", &[0; 8]), "`<i8` are not read"),
            (file("|u1", "(1, 1, 1)", &[0]), "3 dimensions"),
            (file("|u1", "(1, 0)", &[]), "1 to 1048576 numbers"),
            (file("|u1", "(1, x)", &[]), "makes no sense"),
            (file("<f8", "(18446744073709551615, 1048576)", &[]), "0 bytes follow"),
            (file("|u1", "(1, 1", &[0]), "`shape` is cut off"),
        ] {
            let error = rows(bytes).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let fortran = String::from_utf8_lossy(&file("|u1", "(1, 1)", &[0])[10..]).replace("False", "True");
        assert!(parse_header(&fortran).unwrap_err().contains("Fortran"));
    }
}
