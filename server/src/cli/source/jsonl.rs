//! JSON Lines: an object a line, plain or gzip-compressed, with vectors inside or beside it.

use super::kinds::{self, Others};
use super::npy::Npy;
use super::{Record, wrong};
use crate::cli::failure::{Failure, Place, Result};
use crate::cli::mapping::{Mapping, VectorKind};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// No line is longer, in bytes.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// The lines of a file as records; blank lines are no rows.
pub(crate) struct Records {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    vectors: Option<(String, Npy<BufReader<File>>)>,
    mapping: Mapping,
    line: u64,
    row: u64,
    buffer: Vec<u8>,
    failed: bool,
}

impl Records {
    /// From this row on.
    pub(crate) fn new(
        path: &Path,
        reader: impl Read + Send + 'static,
        vectors: Option<(String, Npy<BufReader<File>>)>,
        mapping: Mapping,
        skip: u64,
    ) -> Result<Self> {
        let reader = super::unpacked(path, reader)?;
        let buffer = Vec::new();
        let mut records =
            Self { path: path.to_owned(), reader, vectors, mapping, line: 0, row: 0, buffer, failed: false };
        while records.row < skip && records.read_line()? {
            records.row += 1;
        }
        if let Some((_, vectors)) = &mut records.vectors {
            vectors.seek(skip)?;
        }
        Ok(records)
    }

    /// Reads the next line that is not blank; false at the end.
    fn read_line(&mut self) -> Result<bool> {
        loop {
            self.buffer.clear();
            self.line += 1;
            let line = (&mut self.reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut self.buffer);
            let bytes = line.map_err(|error| self.broken(format!("could not be read: {error}")))?;
            if bytes as u64 == LINE_BYTES_MAX {
                return Err(self.broken(format!("longer than {LINE_BYTES_MAX} bytes")));
            }
            if bytes == 0 || !self.buffer.trim_ascii().is_empty() {
                return Ok(bytes > 0);
            }
        }
    }

    fn read(&mut self) -> Result<Option<Record>> {
        if !self.read_line()? {
            let Some((_, vectors)) = &mut self.vectors else { return Ok(None) };
            let (more, rows) = (vectors.read()?.is_some(), vectors.rows());
            return match more {
                false => Ok(None),
                true => {
                    Err(self
                        .broken(format!("the lines end after {}, and there are {rows} vectors beside them", self.row)))
                }
            };
        }
        let object: Map<String, Value> =
            serde_json::from_slice(&self.buffer).map_err(|error| self.broken(plain(&error)))?;
        // A field whose vectors stand beside the lines is not looked for in them: a payload key may
        // have its name, as `text` has where both the words and the vectors are called so.
        let beside = self.vectors.as_ref().map(|(field, _)| field.as_str());
        let Columns { mut vectors, others, payload } =
            columns(object, &self.mapping, beside).map_err(|why| self.broken(why))?;
        if let Some((field, beside)) = &mut self.vectors {
            match beside.read()? {
                Some(vector) => vectors.push((field.clone(), vector)),
                None => {
                    let rows = beside.rows();
                    return Err(self.broken(format!("there are only {rows} vectors beside the lines")));
                }
            }
        }
        self.row += 1;
        Ok(Some(Record { row: self.row - 1, place: Place::Line(self.line), vectors, others, payload }))
    }

    fn broken(&self, why: impl Into<String>) -> Failure {
        wrong(&self.path, Place::Line(self.line), why)
    }
}

impl Iterator for Records {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.read();
        self.failed = record.is_err();
        record.transpose()
    }
}

/// What the keys of an object are in the collection.
pub(crate) struct Columns {
    pub(crate) vectors: Vec<(String, Vec<f32>)>,
    pub(crate) others: Others,
    pub(crate) payload: Map<String, Value>,
}

/// Sorts the keys of an object; the field `beside` is taken for payload wherever it stands. An error says which key
/// is not what its field holds.
pub(crate) fn columns(object: Map<String, Value>, mapping: &Mapping, beside: Option<&str>) -> Result<Columns, String> {
    let (mut vectors, mut others, mut payload) = (Vec::new(), Others::default(), Map::new());
    if mapping.renames() {
        mapping.twice(object.keys().map(|key| &key[..]))?;
    }
    for (key, value) in object {
        let Some(name) = mapping.name(&key) else { continue };
        let is_no = |what: &str| format!("`{key}` is no {what}");
        match mapping.vector(name).filter(|_| beside != Some(name)) {
            Some(VectorKind::Dense) => {
                let vector = numbers(&value).ok_or_else(|| is_no("list of numbers"))?;
                vectors.push((name.to_owned(), vector));
            }
            Some(VectorKind::Sparse) => {
                let what = "sparse vector, such as {\"indices\": [3, 9], \"values\": [0.5, 1.25]}";
                let vector = kinds::sparse_json(&value).ok_or_else(|| is_no(what))?;
                others.sparse.push((name.to_owned(), vector));
            }
            Some(VectorKind::Multi) => {
                let several = kinds::multi_json(&value).ok_or_else(|| is_no("list of lists of numbers"))?;
                others.multi.push((name.to_owned(), several));
            }
            None => drop(payload.insert(name.to_owned(), value)),
        }
    }
    Ok(Columns { vectors, others, payload })
}

/// A parser's complaint without its line, which is always 1 here.
pub(crate) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let why = text.rsplit_once(" at line").map_or(&text[..], |(why, _)| why);
    format!("{why} (column {})", error.column())
}

/// The numbers of a list.
#[expect(clippy::cast_possible_truncation, reason = "vectors are f32: what a f64 has beyond that is lost")]
pub(super) fn numbers(value: &Value) -> Option<Vec<f32>> {
    value.as_array()?.iter().map(|number| Some(number.as_f64()? as f32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::source::npy;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;
    use std::io::{Cursor, Write};

    fn records(bytes: &[u8], skip: u64) -> Vec<Result<Record>> {
        let mapping = Mapping::new(&["old=new".to_owned(), "secret=".to_owned()], ["v"], None).unwrap();
        match Records::new(Path::new("p.jsonl"), Cursor::new(bytes.to_vec()), None, mapping, skip) {
            Ok(records) => records.collect(),
            Err(error) => vec![Err(error)],
        }
    }

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    const THREE: &str = "{\"a\": 1, \"v\": [1, 2.5]}\n\n  {\"old\": {\"x\": [true]}, \"secret\": 9}\n{}";

    #[test]
    fn lines_become_records() {
        for bytes in [THREE.as_bytes().to_vec(), packed(THREE)] {
            let all: Vec<_> = records(&bytes, 0).into_iter().map(|record| record.unwrap()).collect();
            assert_eq!(all.len(), 3);
            assert_eq!(all[0].vectors, [("v".to_owned(), vec![1.0, 2.5])]);
            assert_eq!(Value::Object(all[0].payload.clone()), json!({"a": 1}));
            assert_eq!(Value::Object(all[1].payload.clone()), json!({"new": {"x": [true]}}));
            assert_eq!((all[1].row, all[1].place), (1, Place::Line(3)));
        }
    }

    #[test]
    fn skipped_rows_keep_their_numbers() {
        let rest: Vec<_> = records(THREE.as_bytes(), 2).into_iter().map(|record| record.unwrap().row).collect();
        assert_eq!(rest, [2]);
        assert_eq!(records(THREE.as_bytes(), 9).len(), 0);
    }

    #[test]
    fn a_bad_line_is_named_and_ends_the_source() {
        for (text, why) in [
            ("{}\n{\"a\": }\n{}", "p.jsonl, line 2: expected value (column 7)"),
            ("{}\n[1]\n", "p.jsonl, line 2: invalid type: sequence, expected a map"),
            ("{}\n{\"v\": [1, \"x\"]}\n", "p.jsonl, line 2: `v` is no list of numbers"),
            ("{}\n{\"a\": \"\u{1}", "p.jsonl, line 2: "),
            ("{}\n{\"new\": 1, \"old\": 2}\n", "p.jsonl, line 2: `new` and `old` would both be `new`"),
        ] {
            let all = records(text.as_bytes(), 0);
            assert_eq!(all.len(), 2, "the good one, and the error: {all:?}");
            let error = all[1].as_ref().unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }

    #[test]
    fn a_cut_gzip_file_is_an_error() {
        let lines: String = (0..5000).map(|n| format!("{{\"n\": {n}}}\n")).collect();
        let bytes = packed(&lines);
        let all = records(&bytes[..bytes.len() / 2], 0);
        let error = all.last().unwrap().as_ref().unwrap_err().to_string();
        assert!(error.contains("could not be read") || error.contains("EOF"), "{error}");
    }

    #[test]
    fn vectors_beside_the_lines_have_to_be_as_many() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.npy");
        std::fs::write(&path, npy::tests::f32s(&[[1.0, 2.0], [3.0, 4.0]])).unwrap();
        let beside = |text: &'static str, skip| {
            let vectors = Some(("e".to_owned(), Npy::open(&path).unwrap()));
            let mapping = Mapping::new(&[], ["e"], None).unwrap();
            Records::new(Path::new("p.jsonl"), text.as_bytes(), vectors, mapping, skip).unwrap().collect::<Vec<_>>()
        };
        let good = beside("{}\n{}\n", 1);
        assert_eq!(good[0].as_ref().unwrap().vectors, [("e".to_owned(), vec![3.0, 4.0])]);
        let named = beside("{\"e\": \"words\"}\n{}\n", 0);
        let first = named[0].as_ref().unwrap();
        assert_eq!(first.vectors, [("e".to_owned(), vec![1.0, 2.0])]);
        assert_eq!(first.payload["e"], "words");
        let short = beside("{}\n", 0);
        assert!(short[1].as_ref().unwrap_err().to_string().contains("the lines end after 1"));
        let long = beside("{}\n{}\n{}\n", 0);
        assert!(long[2].as_ref().unwrap_err().to_string().contains("only 2 vectors"));
    }
}
