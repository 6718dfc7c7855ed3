//! Arrow IPC, the file and the stream of it (`.arrow`, `.feather`, `.arrows`): batches as [`table`] reads them.

use super::{Extent, Source, table, wrong};
use crate::cli::failure::{Place, Result, doing};
use crate::cli::mapping::Mapping;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, SchemaRef};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// A file begins so; a stream does not.
const MAGIC: &[u8; 6] = b"ARROW1";

/// Opens a file from this row on.
pub(crate) fn open(path: &Path, mapping: &Mapping, skip: u64) -> Result<Source> {
    let broken = |error: ArrowError| wrong(path, Place::Whole, error.to_string());
    let mut file = BufReader::new(File::open(path).map_err(doing("open", path))?);
    let mut magic = [0; MAGIC.len()];
    let whole = file.read_exact(&mut magic).is_ok() && magic == *MAGIC;
    file.seek(SeekFrom::Start(0)).map_err(doing("read", path))?;
    let (schema, batches): (SchemaRef, Box<dyn Iterator<Item = _> + Send>) = if whole {
        let reader = FileReader::try_new(file, None).map_err(broken)?;
        (reader.schema(), Box::new(reader))
    } else {
        let reader = StreamReader::try_new(file, None).map_err(broken)?;
        (reader.schema(), Box::new(reader))
    };
    let columns = table::columns(path, &schema, false, mapping)?;
    let mut left_out = skip;
    let behind = batches.filter_map(move |batch| match batch {
        Err(error) => Some(Err(error.to_string())),
        Ok(batch) => {
            let before = left_out.min(batch.num_rows() as u64);
            left_out -= before;
            let before = usize::try_from(before).unwrap_or(usize::MAX);
            let rest = batch.num_rows() - before;
            (rest > 0).then(|| Ok(batch.slice(before, rest)))
        }
    });
    let records = table::Records::new(path, Box::new(behind), columns, skip);
    Ok(Source { records: Box::new(records), extent: Extent::Unknown, exported: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Failure;
    use arrow_array::builder::{FixedSizeListBuilder, Float32Builder};
    use arrow_array::{ArrayRef, RecordBatch, StringArray};
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
    use std::path::PathBuf;
    use std::sync::Arc;

    fn batch(from: u16) -> RecordBatch {
        let mut vectors = FixedSizeListBuilder::new(Float32Builder::new(), 2);
        for row in from..from + 3 {
            vectors.values().append_slice(&[f32::from(row), 0.5]);
            vectors.append(true);
        }
        let names: ArrayRef = Arc::new(StringArray::from_iter_values((from..from + 3).map(|row| format!("n{row}"))));
        RecordBatch::try_from_iter([("e", Arc::new(vectors.finish()) as ArrayRef), ("name", names)]).unwrap()
    }

    fn written(folder: &tempfile::TempDir, stream: bool, compression: Option<CompressionType>) -> PathBuf {
        let path = folder.path().join("p.arrow");
        let file = File::create(&path).unwrap();
        let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
        if stream {
            let mut writer = StreamWriter::try_new_with_options(file, &batch(0).schema(), options).unwrap();
            [0, 3].into_iter().for_each(|from| writer.write(&batch(from)).unwrap());
            writer.finish().unwrap();
        } else {
            let mut writer = FileWriter::try_new_with_options(file, &batch(0).schema(), options).unwrap();
            [0, 3].into_iter().for_each(|from| writer.write(&batch(from)).unwrap());
            writer.finish().unwrap();
        }
        path
    }

    fn read(path: &Path, skip: u64) -> Result<Vec<(u64, f32, String)>, Failure> {
        let mapping = Mapping::new(&[], ["e"], None).unwrap();
        let row = |record: Result<super::super::Record>| {
            let record = record?;
            Ok((record.row, record.vectors[0].1[0], record.payload["name"].as_str().unwrap().to_owned()))
        };
        open(path, &mapping, skip)?.records.map(row).collect()
    }

    #[test]
    fn files_and_streams_are_read_from_any_row() {
        let folder = tempfile::tempdir().unwrap();
        for stream in [false, true] {
            for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
                let path = written(&folder, stream, compression);
                for skip in 0..8 {
                    let rows = (skip..6).map(|row| (row, row as f32, format!("n{row}"))).collect::<Vec<_>>();
                    assert_eq!(read(&path, skip).unwrap(), rows, "stream {stream}, {compression:?}, from {skip}");
                }
            }
        }
    }

    #[test]
    fn a_file_cut_short_is_an_error_or_ends_early() {
        let folder = tempfile::tempdir().unwrap();
        for stream in [false, true] {
            let path = written(&folder, stream, None);
            let bytes = std::fs::read(&path).unwrap();
            for length in (0..bytes.len() - 8).step_by(5) {
                std::fs::write(&path, &bytes[..length]).unwrap();
                match read(&path, 0) {
                    Err(error) => assert!(error.to_string().contains("p.arrow"), "{error}"),
                    // A stream has no length: one that was cut between two batches looks whole.
                    Ok(rows) => assert!(stream && rows.len() % 3 == 0, "{length} bytes gave {} rows", rows.len()),
                }
            }
        }
    }
}
