//! The field indexes of a sealed part: the columns of [`live`](crate::filter::live), laid down once
//! and read in place.
//!
//! ```text
//! head:           version u32 | rows u32 | columns u32 | 1: complete, 2: deep u32
//! paths.offsets:  (columns + 1) x u64
//! paths.bytes:    the spelled paths, rising
//! <n>.filled:     rows of column n that have anything but nulls (roaring)
//! <n>.keywords.{offsets, bytes} and lists       each kind only where a row has such a value;
//! <n>.{integers, naturals, floats, marks}.values and lists         lists: see `postings`
//! ```

use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::filter::column::Column;
use crate::filter::condition::Test;
use crate::filter::extract::Extracted;
use crate::filter::field::{Fields, Seen};
use crate::filter::live::LiveFields;
use crate::filter::postings::check_offsets;
use crate::filter::rules::{FieldRules, PATHS_MAX};
use crate::layout::{Array, Sections, SectionsWriter};
use crate::row::{Kept, Row};
use crate::value::Path;
use bytes::Bytes;
use std::io;
use std::sync::Arc;

const VERSION: u32 = 1;
const COMPLETE: u32 = 1;
const DEEP: u32 = 2;

/// Rows that are extracted and sorted at once while a part is sealed.
const CHUNK_ROWS: u32 = 4096;

/// Sorted chunks of one size that are merged at once.
const CHUNKS_MERGED: usize = 8;

/// The columns of a sealed part.
#[derive(Clone, Debug)]
pub struct SealedFields {
    fields: LiveFields,
}

impl SealedFields {
    /// Lays down the indexes of `rows` rows; `extracted` is asked for each row once, rising.
    pub fn build(
        rows: u32,
        rules: &FieldRules,
        extracted: &mut dyn FnMut(Row) -> Result<Extracted>,
    ) -> Result<Vec<u8>> {
        seal(&gathered(rows, CHUNK_ROWS, rules, extracted)?)
    }

    /// Opens a body of a part of `rows` rows.
    pub fn open(body: Bytes, rows: u32) -> Result<Self> {
        let sections = Sections::open(body)?;
        let head: Array<u32> = sections.array_of("head", 4)?;
        let [version, own_rows, columns, flags] = [head[0], head[1], head[2], head[3]];
        if version != VERSION {
            return Err(Error::corrupt("head", 0, format!("version {version}, this build reads {VERSION}")));
        }
        if own_rows != rows {
            return Err(Error::corrupt("head", 4, format!("speaks of {own_rows} rows, not {rows}")));
        }
        if columns as usize > PATHS_MAX {
            return Err(Error::corrupt("head", 8, format!("{columns} columns, more than {PATHS_MAX}")));
        }
        let offsets: Array<u64> = sections.array_of("paths.offsets", columns as usize + 1)?;
        let bytes = sections.bytes("paths.bytes")?;
        check_offsets("paths.offsets", &offsets, bytes.len())?;
        let mut opened = Vec::with_capacity(columns as usize);
        for (at, ends) in offsets.windows(2).enumerate() {
            let path = std::str::from_utf8(&bytes[ends[0] as usize..ends[1] as usize])
                .map_err(|_| Error::corrupt("paths.bytes", ends[0], "a path is not UTF-8"))?;
            opened.push((Arc::from(path), Column::open(&at.to_string(), &sections)?));
        }
        if opened.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err(Error::corrupt("paths.bytes", 0, "paths do not rise"));
        }
        let (complete, deep) = (flags & COMPLETE != 0, flags & DEEP != 0);
        Ok(Self { fields: LiveFields { rows, columns: opened, complete, deep } })
    }
}

impl Fields for SealedFields {
    fn lookup(&self, path: &Path, test: &Test) -> Result<Option<Bitmap>> {
        self.fields.lookup(path, test)
    }

    fn candidates(&self, path: &Path, test: &Test) -> Result<Option<Bitmap>> {
        self.fields.candidates(path, test)
    }

    fn each_scalar(&self, path: &Path, see: &mut dyn FnMut(Seen<'_>, Row)) -> Result<bool> {
        self.fields.each_scalar(path, see)
    }
}

/// The columns of all rows, sorted chunk by chunk and merged.
pub(crate) fn gathered(
    rows: u32,
    chunk_rows: u32,
    rules: &FieldRules,
    extracted: &mut dyn FnMut(Row) -> Result<Extracted>,
) -> Result<LiveFields> {
    // Chunks with the number of merges behind them: only chunks of one age are merged, so that
    // every row is merged a few times whatever their number.
    let mut chunks: Vec<(u32, LiveFields)> = Vec::new();
    for from in (0..rows).step_by(chunk_rows as usize) {
        let to = from.saturating_add(chunk_rows).min(rows);
        let chunk = (from..to).map(|row| extracted(Row(row))).collect::<Result<Vec<_>>>()?;
        chunks.push((0, LiveFields::build(chunk, rules)));
        while let Some(same) = chunks.len().checked_sub(CHUNKS_MERGED)
            && chunks[same].0 == chunks[chunks.len() - 1].0
        {
            let age = chunks[same].0 + 1;
            let merged = concat_all(&chunks[same..], rules);
            chunks.truncate(same);
            chunks.push((age, merged));
        }
    }
    Ok(concat_all(&chunks, rules))
}

fn concat_all(chunks: &[(u32, LiveFields)], rules: &FieldRules) -> LiveFields {
    if let [(_, only)] = chunks {
        return only.clone();
    }
    let rows: Vec<Vec<Row>> = chunks.iter().map(|(_, chunk)| (0..chunk.rows).map(Row).collect()).collect();
    let kept: Vec<_> = chunks.iter().zip(&rows).map(|((_, part), rows)| Kept { part, rows }).collect();
    LiveFields::concat(&kept, rules)
}

pub(crate) fn seal(fields: &LiveFields) -> Result<Vec<u8>> {
    let mut out = SectionsWriter::new(Vec::new());
    let flags = if fields.complete { COMPLETE } else { 0 } | if fields.deep { DEEP } else { 0 };
    written(out.put("head", &[VERSION, fields.rows, fields.columns.len() as u32, flags]));
    let mut offsets = vec![0u64];
    let mut paths = Vec::new();
    for (path, _) in &fields.columns {
        paths.extend_from_slice(path.as_bytes());
        offsets.push(paths.len() as u64);
    }
    written(out.put("paths.offsets", &offsets));
    written(out.put("paths.bytes", &paths));
    for (at, (_, column)) in fields.columns.iter().enumerate() {
        written(column.seal(&at.to_string(), fields.rows, &mut out)?);
    }
    Ok(written(out.finish()))
}

fn written<T>(result: io::Result<T>) -> T {
    result.expect("a Vec takes every byte")
}
