//! Parquet: rows streamed batch by batch, as [`table`] reads them.

use super::{Extent, Source, table, wrong};
use crate::cli::export;
use crate::cli::failure::{Place, Result, doing};
use crate::cli::mapping::Mapping;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::Path;

/// Rows that are in memory at a time.
const BATCH_ROWS: usize = 1024;

/// Opens a file from this row on.
pub(crate) fn open(path: &Path, mapping: &Mapping, skip: u64) -> Result<Source> {
    let file = File::open(path).map_err(doing("open", path))?;
    let broken = |error: parquet::errors::ParquetError| wrong(path, Place::Whole, error.to_string());
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(broken)?;
    let rows = builder.metadata().file_metadata().num_rows();
    let rows = u64::try_from(rows).map_err(|_| wrong(path, Place::Whole, format!("it promises {rows} rows")))?;
    let marks = builder.metadata().file_metadata().key_value_metadata();
    let exported = marks.is_some_and(|marks| marks.iter().any(|mark| mark.key == export::MARK));
    let columns = table::columns(path, builder.schema(), exported, mapping)?;
    let offset = usize::try_from(skip.min(rows)).unwrap_or(usize::MAX);
    let batches = builder.with_batch_size(BATCH_ROWS).with_offset(offset).build().map_err(broken)?;
    let batches = Box::new(batches.map(|batch| batch.map_err(|error| error.to_string())));
    let records = table::Records::new(path, batches, columns, skip.min(rows));
    Ok(Source { records: Box::new(records), extent: Extent::Rows(rows), exported })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::source::Record;
    use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, ListBuilder, StringBuilder};
    use arrow_array::{
        ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, RecordBatch, StringArray, StructArray,
        TimestampMillisecondArray,
    };
    use arrow_schema::{DataType, Field};
    use parquet::arrow::ArrowWriter;
    use serde_json::{Value, json};
    use std::path::PathBuf;
    use std::sync::Arc;

    /// Three rows of every kind of column.
    fn batch() -> RecordBatch {
        let mut vectors = FixedSizeListBuilder::new(Float32Builder::new(), 2);
        let mut tags = ListBuilder::new(StringBuilder::new());
        for row in 0..3_u8 {
            vectors.values().append_slice(&[f32::from(row), 0.5]);
            vectors.append(row != 1);
            tags.values().append_value(format!("t{row}"));
            tags.append(row != 2);
        }
        let inner: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
        let nested = StructArray::from(vec![(Arc::new(Field::new("x", DataType::Int32, true)), inner)]);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("emb", Arc::new(vectors.finish())),
            ("name", Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]))),
            ("score", Arc::new(Float64Array::from(vec![0.25, f64::NAN, 1.0]))),
            ("good", Arc::new(BooleanArray::from(vec![true, false, true]))),
            ("tags", Arc::new(tags.finish())),
            ("day", Arc::new(Date32Array::from(vec![0, 18_628, -1]))),
            ("at", Arc::new(TimestampMillisecondArray::from(vec![0, 1_500, 86_400_000]))),
            ("nested", Arc::new(nested)),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .unwrap()
    }

    fn file(folder: &tempfile::TempDir) -> PathBuf {
        let path = folder.path().join("p.parquet");
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch().schema(), None).unwrap();
        writer.write(&batch()).unwrap();
        writer.close().unwrap();
        path
    }

    fn mapping(maps: &[&str], vector: &str) -> Mapping {
        let maps: Vec<String> = maps.iter().map(|map| (*map).to_owned()).collect();
        Mapping::new(&maps, [vector], None).unwrap()
    }

    fn read(path: &Path, mapping: Mapping, skip: u64) -> Result<Vec<Record>> {
        open(path, &mapping, skip)?.records.collect()
    }

    #[test]
    fn columns_become_vectors_and_payload() {
        let folder = tempfile::tempdir().unwrap();
        let rows = read(&file(&folder), mapping(&["emb=embedding", "good="], "embedding"), 0).unwrap();
        assert_eq!(rows[0].vectors, [("embedding".to_owned(), vec![0.0, 0.5])]);
        assert_eq!(rows[1].vectors, [], "a null is a vector that is not there");
        let payloads: Vec<Value> = rows.iter().map(|row| Value::Object(row.payload.clone())).collect();
        assert_eq!(
            payloads,
            [
                json!({"name": "a", "score": 0.25, "tags": ["t0"], "day": "1970-01-01",
                       "at": "1970-01-01T00:00:00Z", "nested": {"x": 1}}),
                json!({"tags": ["t1"], "day": "2021-01-01", "at": "1970-01-01T00:00:01.500000Z", "nested": {}}),
                json!({"name": "c", "score": 1.0, "day": "1969-12-31", "at": "1970-01-02T00:00:00Z", "nested": {"x": 3}}),
            ]
        );
    }

    #[test]
    fn rows_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder);
        let rows = |skip| read(&path, mapping(&[], "emb"), skip).unwrap().iter().map(|row| row.row).collect::<Vec<_>>();
        assert_eq!(rows(0), [0, 1, 2]);
        assert_eq!(rows(2), [2]);
        assert_eq!(rows(99), Vec::<u64>::new());
    }

    #[test]
    fn a_column_that_cannot_be_a_vector_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(&file(&folder), mapping(&[], "name"), 0).unwrap_err().to_string();
        assert!(error.ends_with("p.parquet: column `name` is Utf8, and a vector is a list of floats"), "{error}");
    }

    #[test]
    fn a_file_cut_short_is_an_error_at_every_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder);
        let bytes = std::fs::read(&path).unwrap();
        for length in (0..bytes.len()).step_by(7) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let error = read(&path, mapping(&[], "emb"), 0).unwrap_err().to_string();
            assert!(error.contains("p.parquet"), "{error}");
        }
    }
}
