//! The vectors of a part that are not dense: sparse ones, and several a row.
//!
//! A part has them of the fields that there were when it was made, as far as any of its rows has one; of every other field
//! it simply has none.

use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::frame::Kind;
use crate::point::Point;
use crate::prepare::{NewRow, Schema};
use crate::schema::{CollectionSpec, VectorPlace};
use crate::segment::build::{Builder, Rows};
use crate::{manifest::FileEntry, part::Part};
use bytes::Bytes;
use nigh_index::bitmap::Bitmap;
use nigh_index::row::{Kept, Row};
use nigh_index::sparse::stored::{self, SparseVectors};
use nigh_index::vector::multi::MultiVectors;
use std::path::Path;

/// The vectors of one part that are not dense, by the places of their fields.
#[derive(Debug, Default)]
pub struct OtherVectors {
    sparse: Vec<Option<SparseVectors>>,
    multi: Vec<Option<MultiVectors>>,
}

impl OtherVectors {
    /// The sparse vectors of a field; `None` where no row has one.
    pub fn sparse(&self, field: usize) -> Option<&SparseVectors> {
        self.sparse.get(field)?.as_ref()
    }

    /// The vectors of a field that has several a row; `None` where no row has any.
    pub fn multi(&self, field: usize) -> Option<&MultiVectors> {
        self.multi.get(field)?.as_ref()
    }

    /// Gives a point the vectors of a row, as they were written.
    pub(crate) fn give(&self, row: Row, point: &mut Point) {
        let sparse = self.sparse.iter().zip(0..).filter_map(|(field, at)| Some((at, field.as_ref()?.vector(row)?)));
        let multi = self.multi.iter().zip(0..).filter_map(|(field, at)| Some((at, field.as_ref()?.vectors(row)?)));
        (point.sparse, point.multi) = (sparse.collect(), multi.collect());
    }

    /// Of new rows.
    pub(crate) fn build(schema: &Schema, rows: &[NewRow]) -> Self {
        let spec = &schema.spec;
        let count = rows.len() as u32;
        let sparse = (0..spec.sparse.len() as u16).map(|at| {
            let of = |row: Row| found(&rows[row.at()].point.sparse, at);
            let wanted = !spec.is_dropped(VectorPlace::Sparse(at)) && (0..count).any(|row| of(Row(row)).is_some());
            wanted.then(|| SparseVectors::build(count, &mut |row| of(row).cloned()))
        });
        let multi = (0..spec.multi.len() as u16).map(|at| {
            let of = |row: Row| found(&rows[row.at()].point.multi, at);
            let wanted = !spec.is_dropped(VectorPlace::Multi(at)) && (0..count).any(|row| of(Row(row)).is_some());
            let field = &spec.multi[usize::from(at)].spec;
            wanted.then(|| MultiVectors::build(field, count, &mut |row| of(row).cloned()))
        });
        Self { sparse: sparse.collect(), multi: multi.collect() }
    }

    /// Of the kept rows of several parts.
    pub(crate) fn concat(schema: &Schema, kept: &[Kept<'_, Self>]) -> Self {
        let spec = &schema.spec;
        let sparse = (0..spec.sparse.len() as u16).map(|at| {
            let of = |part: &Self| usize::from(at) < part.sparse.len() && part.sparse[usize::from(at)].is_some();
            let wanted = !spec.is_dropped(VectorPlace::Sparse(at)) && kept.iter().any(|from| of(from.part));
            wanted.then(|| SparseVectors::concat(&each(kept, |part| part.sparse.get(usize::from(at)).unwrap_or(&None))))
        });
        let multi = (0..spec.multi.len() as u16).map(|at| {
            let wanted = kept.iter().any(|from| from.part.multi(usize::from(at)).is_some());
            let field = &spec.multi[usize::from(at)].spec;
            let parts = || each(kept, |part| part.multi.get(usize::from(at)).unwrap_or(&None));
            (wanted && !spec.is_dropped(VectorPlace::Multi(at))).then(|| MultiVectors::concat(field, &parts()))
        });
        Self { sparse: sparse.collect(), multi: multi.collect() }
    }

    /// Of a segment; `body` opens a file by its name, where the segment has it.
    pub(crate) fn open(
        schema: &CollectionSpec,
        rows: u32,
        folder: &Path,
        body: impl Fn(&str, Kind) -> Result<Option<Bytes>>,
    ) -> Result<Self> {
        let mut opened = Self::default();
        for at in 0..schema.sparse.len() {
            let name = sparse_file(at);
            let dropped = schema.is_dropped(VectorPlace::Sparse(at as u16));
            let body = if dropped { None } else { body(&name, Kind::Sparse)? };
            let open = |body| SparseVectors::open(body, rows).map_err(|err| Error::of_index(&folder.join(&name), err));
            opened.sparse.push(body.map(open).transpose()?);
        }
        for (at, field) in schema.multi.iter().enumerate() {
            let name = multi_file(at);
            let dropped = schema.is_dropped(VectorPlace::Multi(at as u16));
            let body = if dropped { None } else { body(&name, Kind::Multi)? };
            let open = |body| {
                MultiVectors::open(&field.spec, rows, body).map_err(|err| Error::of_index(&folder.join(&name), err))
            };
            opened.multi.push(body.map(open).transpose()?);
        }
        Ok(opened)
    }

    /// Bytes in memory, where they stand there.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.sparse.iter().flatten().map(SparseVectors::memory_bytes).sum::<u64>()
            + self.multi.iter().flatten().map(MultiVectors::memory_bytes).sum::<u64>()
    }
}

/// The rows of a part that have a vector of a field; `None`: all of them.
pub fn with_vector(part: &dyn Part, place: VectorPlace) -> Option<Bitmap> {
    let others = part.others();
    match place {
        VectorPlace::Dense(field) => part.nearest(usize::from(field)).present().cloned(),
        VectorPlace::Sparse(field) => {
            others.sparse(usize::from(field)).map_or(Some(Bitmap::new()), |own| own.present().cloned())
        }
        VectorPlace::Multi(field) => {
            others.multi(usize::from(field)).map_or(Some(Bitmap::new()), |own| own.present().cloned())
        }
    }
}

/// Bytes of the numbers of a part's vectors as they were written, those of dead rows among them: 4 for each of a dense
/// vector, 8 with its index for each of a sparse one.
pub(crate) fn vector_bytes(part: &dyn Part, spec: &CollectionSpec) -> u64 {
    let others = part.others();
    let bytes = |place: VectorPlace| match place {
        VectorPlace::Dense(at) => {
            let rows = part.nearest(at.into()).present().map_or(u64::from(part.rows()), Bitmap::len);
            rows * u64::from(spec.vectors[usize::from(at)].spec.size) * 4
        }
        VectorPlace::Sparse(at) => others.sparse(at.into()).map_or(0, |own| own.numbers() * 8),
        VectorPlace::Multi(at) => {
            let size = u64::from(spec.multi[usize::from(at)].spec.size);
            others.multi(at.into()).map_or(0, |own| own.count() * size * 4)
        }
    };
    spec.fields().map(|(place, _)| bytes(place)).sum()
}

/// The file of a sparse field.
pub(crate) fn sparse_file(field: usize) -> String {
    format!("s{field}.sparse")
}

/// The file of a field with several vectors a row.
pub(crate) fn multi_file(field: usize) -> String {
    format!("m{field}.multi")
}

/// The vector field that a file is of.
pub(crate) fn place_of(file: &str) -> Option<VectorPlace> {
    let (field, kind) = file.split_once('.')?;
    let at = field.get(1..)?.parse().ok()?;
    match (field.get(..1)?, kind) {
        ("v", _) => Some(VectorPlace::Dense(at)),
        ("s", "sparse") => Some(VectorPlace::Sparse(at)),
        ("m", "multi") => Some(VectorPlace::Multi(at)),
        _ => None,
    }
}

/// A point's vector of a field.
fn found<T>(vectors: &[(u16, T)], field: u16) -> Option<&T> {
    vectors.binary_search_by_key(&field, |(have, _)| *have).ok().map(|at| &vectors[at].1)
}

fn each<'k, T>(
    kept: &[Kept<'k, OtherVectors>],
    field: impl Fn(&'k OtherVectors) -> &'k Option<T>,
) -> Vec<Kept<'k, Option<T>>> {
    kept.iter().map(|from| Kept { part: field(from.part), rows: from.rows }).collect()
}

/// Whether a point has a vector of this field.
pub(crate) fn has(point: &Point, place: VectorPlace) -> bool {
    match place {
        VectorPlace::Dense(field) => found(&point.vectors, field).is_some(),
        VectorPlace::Sparse(field) => found(&point.sparse, field).is_some(),
        VectorPlace::Multi(field) => found(&point.multi, field).is_some(),
    }
}

/// Sets the vectors of `new` in `point` and keeps its others.
pub(crate) fn update(point: &mut Point, new: &Point) {
    fn set<T: Clone>(into: &mut Vec<(u16, T)>, new: &[(u16, T)]) {
        for (field, vector) in new {
            match into.binary_search_by_key(field, |(have, _)| *have) {
                Ok(at) => into[at].1.clone_from(vector),
                Err(at) => into.insert(at, (*field, vector.clone())),
            }
        }
    }
    set(&mut point.vectors, &new.vectors);
    set(&mut point.sparse, &new.sparse);
    set(&mut point.multi, &new.multi);
}

/// Takes the vectors of these fields out.
pub(crate) fn delete(point: &mut Point, fields: &[VectorPlace]) {
    point.vectors.retain(|(field, _)| !fields.contains(&VectorPlace::Dense(*field)));
    point.sparse.retain(|(field, _)| !fields.contains(&VectorPlace::Sparse(*field)));
    point.multi.retain(|(field, _)| !fields.contains(&VectorPlace::Multi(*field)));
}

/// Lays the files of a segment down, of fields that any row has a vector of.
pub(crate) fn write_files(builder: &Builder<'_>, folder: &Path, rows: &Rows<'_>) -> Result<Vec<FileEntry>> {
    let spec = &builder.schema.spec;
    let disk: &dyn Disk = builder.disk;
    let mut files = Vec::new();
    for at in 0..spec.sparse.len() {
        let wanted = rows.any(|part| part.others().sparse(at).is_some());
        if !wanted || spec.is_dropped(VectorPlace::Sparse(at as u16)) {
            continue;
        }
        files.push(builder.sections(folder, &sparse_file(at), Kind::Sparse, |out, path| {
            let mut vector = |row: Row| {
                let (part, row) = rows.source(row);
                let vector = part.others().sparse(at)?.vector(row)?;
                rows.seen(disk, vector.indices().len() * 2 * size_of::<u32>());
                Some(vector)
            };
            stored::write(rows.len(), &mut vector, builder.scratch_bytes, out).map_err(doing("write", path))
        })?);
    }
    for (at, field) in spec.multi.iter().enumerate() {
        let wanted = rows.any(|part| part.others().multi(at).is_some());
        if !wanted || spec.is_dropped(VectorPlace::Multi(at as u16)) {
            continue;
        }
        files.push(builder.sections(folder, &multi_file(at), Kind::Multi, |out, path| {
            let mut vectors = |row: Row| {
                let (part, row) = rows.source(row);
                let vectors = part.others().multi(at)?.vectors(row)?;
                rows.seen(disk, size_of_val(&vectors.values[..]));
                Some(vectors)
            };
            MultiVectors::write(&field.spec, rows.len(), &mut vectors, out).map_err(doing("write", path))
        })?);
    }
    Ok(files)
}
