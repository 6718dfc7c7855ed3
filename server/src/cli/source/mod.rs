//! Where an import reads from: every format gives the same rows.
//!
//! | format  | vectors                                   | payload              |
//! |---------|-------------------------------------------|----------------------|
//! | Parquet | columns named like a vector field         | all other columns    |
//! | JSON Lines | keys named like a vector field; a `.npy` beside it | all other keys |
//! | Arrow IPC | columns named like a vector field       | all other columns    |
//! | CSV     | columns named like a vector field, as JSON | all other columns   |
//! | `.npy`, `.fvecs` ... | its rows                     | none                 |
//!
//! What stands there for a field that is not dense, [`kinds`] says.

mod csv;
pub(crate) mod files;
mod identity;
mod ipc;
pub(crate) mod jsonl;
pub(crate) mod kinds;
pub(crate) mod npy;
pub(crate) mod parquet;
mod table;
mod vecs;

use crate::cli::failure::{Failure, Place, Result, doing};
use crate::cli::mapping::Mapping;
use flate2::read::MultiGzDecoder;
use kinds::Others;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One row of a source, its columns already under the names they have in the collection.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Record {
    /// Its place in the source, from 0.
    pub(crate) row: u64,
    /// Where it stands, for errors.
    pub(crate) place: Place,
    /// Vectors by the name of the vector field.
    pub(crate) vectors: Vec<(String, Vec<f32>)>,
    /// What else it has beside its payload.
    pub(crate) others: Others,
    /// Everything else.
    pub(crate) payload: Map<String, Value>,
}

/// The formats, by the names that `--format` takes.
#[derive(Copy, Clone, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Format {
    /// Parquet, by its extension `.parquet`.
    Parquet,
    /// JSON Lines, by `.jsonl`, `.ndjson`, or these with `.gz`.
    Jsonl,
    /// A NumPy array of vectors, by `.npy`.
    Npy,
    /// Arrow IPC, by `.arrow`, `.arrows`, `.ipc` or `.feather`.
    Arrow,
    /// Cells between commas, by `.csv`, or with `.gz`.
    Csv,
    /// Cells between tabs, by `.tsv`, or with `.gz`.
    Tsv,
    /// Vectors of floats, by `.fvecs`.
    Fvecs,
    /// Vectors of 32-bit whole numbers, by `.ivecs`.
    Ivecs,
    /// Vectors of bytes, by `.bvecs`.
    Bvecs,
}

impl Format {
    /// The format that a name's ending tells.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "parquet" | "pq" => Some(Self::Parquet),
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "npy" => Some(Self::Npy),
            "arrow" | "arrows" | "ipc" | "feather" => Some(Self::Arrow),
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "fvecs" => Some(Self::Fvecs),
            "ivecs" => Some(Self::Ivecs),
            "bvecs" => Some(Self::Bvecs),
            _ => None,
        }
    }

    /// Whether there is nothing but vectors in it.
    pub(crate) fn is_vectors(self) -> bool {
        matches!(self, Self::Npy | Self::Fvecs | Self::Ivecs | Self::Bvecs)
    }
}

/// A source that is open, past the rows that were to be skipped.
pub(crate) struct Source {
    pub(crate) records: Box<dyn Iterator<Item = Result<Record>> + Send>,
    pub(crate) extent: Extent,
    /// Whether it is an export of nigh, which says itself what the id is.
    pub(crate) exported: bool,
}

/// How much there is, for the progress bar.
#[derive(Clone, Debug)]
pub(crate) enum Extent {
    /// So many rows, the skipped ones among them.
    Rows(u64),
    /// So many bytes, of which so many were read.
    Bytes(u64, Arc<AtomicU64>),
    /// Nobody knows: a pipe.
    Unknown,
}

/// What to open.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    /// The file; `-` is standard input.
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    /// A `.npy` file whose rows stand beside the lines.
    pub(crate) vectors: Option<PathBuf>,
    /// The vector field of that file, or of the source itself where it is a `.npy` file.
    pub(crate) vector_field: String,
    /// Rows to leave out at the start.
    pub(crate) skip: u64,
}

impl Opening {
    /// Opens the source and reads its head.
    pub(crate) fn open(&self, mapping: &Mapping) -> Result<Source> {
        let beside = self.vectors.as_ref().map(|path| npy::Npy::open(path)).transpose()?;
        match self.format {
            Format::Npy => {
                let rows = npy::Npy::open(&self.path)?;
                let extent = Extent::Rows(rows.rows());
                let records = npy::Records::new(rows, self.vector_field.clone(), self.skip)?;
                Ok(Source { records: Box::new(records), extent, exported: false })
            }
            Format::Parquet => parquet::open(&self.path, mapping, self.skip),
            Format::Arrow => ipc::open(&self.path, mapping, self.skip),
            Format::Fvecs => self.vecs(vecs::Number::F32),
            Format::Ivecs => self.vecs(vecs::Number::I32),
            Format::Bvecs => self.vecs(vecs::Number::U8),
            Format::Csv | Format::Tsv => {
                let (reader, extent) = self.bytes()?;
                let reader = Box::new(unpacked(&self.path, reader)?);
                let delimiter = if self.format == Format::Tsv { b'\t' } else { b',' };
                let records = csv::Records::new(&self.path, reader, delimiter, mapping.clone(), self.skip)?;
                Ok(Source { records: Box::new(records), extent, exported: false })
            }
            Format::Jsonl => {
                let (reader, bytes) = self.bytes()?;
                let extent = beside.as_ref().map_or(bytes, |vectors| Extent::Rows(vectors.rows()));
                let beside = beside.map(|vectors| (self.vector_field.clone(), vectors));
                let records = jsonl::Records::new(&self.path, reader, beside, mapping.clone(), self.skip)?;
                Ok(Source { records: Box::new(records), extent, exported: false })
            }
        }
    }

    fn vecs(&self, number: vecs::Number) -> Result<Source> {
        let records = vecs::Records::open(&self.path, number, self.vector_field.clone(), self.skip)?;
        let extent = Extent::Rows(records.rows());
        Ok(Source { records: Box::new(records), extent, exported: false })
    }

    fn bytes(&self) -> Result<(Box<dyn Read + Send>, Extent)> {
        if self.path.as_os_str() == "-" {
            return Ok((Box::new(io::stdin()), Extent::Unknown));
        }
        let file = File::open(&self.path).map_err(doing("open", &self.path))?;
        let total = file.metadata().map_err(doing("read", &self.path))?.len();
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted { inner: file, read: Arc::clone(&read) };
        Ok((Box::new(BufReader::with_capacity(1 << 16, counted)), Extent::Bytes(total, read)))
    }
}

/// What a file holds, where it is compressed by gzip: that is seen by its first two bytes.
fn unpacked(path: &Path, reader: impl Read + Send + 'static) -> Result<Box<dyn BufRead + Send>> {
    let mut raw = BufReader::with_capacity(1 << 16, reader);
    let packed = raw.fill_buf().map_err(doing("read", path))?.starts_with(&[0x1f, 0x8b]);
    Ok(match packed {
        true => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(raw))),
        false => Box::new(raw),
    })
}

/// Counts what is read of a file.
struct Counted {
    inner: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// An error in a file.
pub(crate) fn wrong(path: &Path, place: Place, why: impl Into<String>) -> Failure {
    Failure::Source { path: path.to_owned(), place, why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_format() {
        for (name, format) in [
            ("a.parquet", Some(Format::Parquet)),
            ("a.b.jsonl.gz", Some(Format::Jsonl)),
            ("A.NDJSON", Some(Format::Jsonl)),
            ("v.f16.npy", Some(Format::Npy)),
            ("a.csv.gz", Some(Format::Csv)),
            ("a.tsv", Some(Format::Tsv)),
            ("a.feather", Some(Format::Arrow)),
            ("sift.bvecs", Some(Format::Bvecs)),
            ("a.txt", None),
            ("a", None),
            ("-", None),
        ] {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
    }
}
