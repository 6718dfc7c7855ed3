//! CSV with a line of names above it (`.csv`, and `.tsv` with tabs), plain or gzip-compressed.
//!
//! | cell                                      | becomes                          |
//! |-------------------------------------------|----------------------------------|
//! | nothing                                   | a key that is not there          |
//! | `12`, `-0.5`, `true`, `[...]`, `{...}`    | what it is in JSON               |
//! | anything else, `007` and `1,5` among it   | text                             |
//!
//! A vector is a list of numbers in JSON, in quotation marks for its commas: `"[0.5, 1]"`.

use super::jsonl::{self, Columns};
use super::{Record, wrong};
use crate::cli::failure::{Failure, Place, Result};
use crate::cli::mapping::Mapping;
use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The lines of a file as records.
pub(crate) struct Records {
    path: PathBuf,
    reader: csv::Reader<Box<dyn Read + Send>>,
    names: Vec<String>,
    mapping: Mapping,
    line: StringRecord,
    row: u64,
    failed: bool,
}

impl Records {
    /// From this row on.
    pub(crate) fn new(
        path: &Path,
        reader: Box<dyn Read + Send>,
        delimiter: u8,
        mapping: Mapping,
        skip: u64,
    ) -> Result<Self> {
        let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(reader);
        let broken = |error: csv::Error| wrong(path, Place::Line(1), plain(&error));
        let names: Vec<String> = reader.headers().map_err(broken)?.iter().map(str::to_owned).collect();
        if let Some(name) =
            names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)).map(|(_, name)| name)
        {
            return Err(wrong(path, Place::Line(1), format!("there are two columns `{name}`")));
        }
        mapping.twice(names.iter().map(|name| &name[..])).map_err(|why| wrong(path, Place::Line(1), why))?;
        let line = StringRecord::new();
        let mut records = Self { path: path.to_owned(), reader, names, mapping, line, row: 0, failed: false };
        while records.row < skip && records.read_line()? {
            records.row += 1;
        }
        Ok(records)
    }

    fn read_line(&mut self) -> Result<bool> {
        let line = self.reader.position().line();
        self.reader.read_record(&mut self.line).map_err(|error| wrong(&self.path, Place::Line(line), plain(&error)))
    }

    fn read(&mut self) -> Result<Option<Record>> {
        if !self.read_line()? {
            return Ok(None);
        }
        let place = Place::Line(self.line.position().map_or(0, csv::Position::line));
        let cells = self.names.iter().zip(&self.line);
        let object: Map<String, Value> = cells.filter_map(|(name, cell)| Some((name.clone(), value(cell)?))).collect();
        let sorted = jsonl::columns(object, &self.mapping, None);
        let Columns { vectors, others, payload } = sorted.map_err(|why| wrong(&self.path, place, why))?;
        self.row += 1;
        Ok(Some(Record { row: self.row - 1, place, vectors, others, payload }))
    }
}

impl Iterator for Records {
    type Item = Result<Record, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.read();
        self.failed = record.is_err();
        record.transpose()
    }
}

/// What a cell is.
fn value(cell: &str) -> Option<Value> {
    let trimmed = cell.trim();
    if trimmed.is_empty() {
        return None;
    }
    let json = || match trimmed.as_bytes()[0] {
        b'0'..=b'9' | b'-' | b'[' | b'{' | b't' | b'f' => serde_json::from_str(trimmed).ok(),
        _ => None,
    };
    Some(json().unwrap_or_else(|| Value::from(cell)))
}

/// A parser's complaint without its place, which is told before it.
fn plain(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} cells, and there are {expected_len} columns")
        }
        csv::ErrorKind::Utf8 { err, .. } => format!("cell {} is not UTF-8", err.field() + 1),
        csv::ErrorKind::Io(error) => format!("could not be read: {error}"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &'static [u8], skip: u64) -> Vec<Result<Record>> {
        let mapping = Mapping::new(&["old=new".to_owned(), "secret=".to_owned()], ["v"], None).unwrap();
        match Records::new(Path::new("p.csv"), Box::new(text), b',', mapping, skip) {
            Ok(records) => records.collect(),
            Err(error) => vec![Err(error)],
        }
    }

    const TWO: &[u8] = b"a,v,old,secret,b\n1,\"[1, 2.5]\",\"two\nlines\",9,007\n-2e3,,\"a, \"\"b\"\"\",,true\n";

    #[test]
    fn cells_become_values() {
        let all: Vec<_> = read(TWO, 0).into_iter().map(Result::unwrap).collect();
        assert_eq!(all[0].vectors, [("v".to_owned(), vec![1.0, 2.5])]);
        assert_eq!(Value::Object(all[0].payload.clone()), json!({"a": 1, "new": "two\nlines", "b": "007"}));
        assert_eq!((all[1].row, all[1].place, &all[1].vectors[..]), (1, Place::Line(4), &[][..]));
        assert_eq!(Value::Object(all[1].payload.clone()), json!({"a": -2000.0, "new": "a, \"b\"", "b": true}));
        assert_eq!(read(TWO, 1)[0].as_ref().unwrap().row, 1);
        assert_eq!(read(TWO, 9).len(), 0);
    }

    #[test]
    fn a_bad_line_is_named_and_ends_the_source() {
        for (text, why) in [
            (&b"a,b\n1,2\n3\n4,5\n"[..], "p.csv, line 3: it has 1 cells, and there are 2 columns"),
            (b"a,v\n1,words\n", "p.csv, line 2: `v` is no list of numbers"),
            (b"a,b\n1,\xff\n", "p.csv, line 2: cell 2 is not UTF-8"),
            (b"a,a\n1,2\n", "p.csv, line 1: there are two columns `a`"),
            (b"new,old\n1,2\n", "p.csv, line 1: `new` and `old` would both be `new`"),
        ] {
            let all = read(text, 0);
            let error = all.last().unwrap().as_ref().unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }
}
