//! Lays a segment down: rows of other parts, one part after another, every file synced.

use crate::cores::{self, CORES};
use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::frame::{FrameWriter, Kind};
use crate::kinds;
use crate::manifest::{FileEntry, SegmentEntry};
use crate::part::Part;
use crate::prepare::{Schema, parse_payload};
use crate::schema::VectorPlace;
use crate::segment::ids::Known;
use crate::segment::payload::WriteError;
use crate::segment::{folder, ids, payload, text_file, vector_file};
use crate::upkeep::Task;
use bytes::Bytes;
use nigh_index::filter::live::Extracted;
use nigh_index::filter::sealed::SealedFields;
use nigh_index::layout::SectionsWriter;
use nigh_index::row::{Kept, Row};
use nigh_index::text::sealed::SealedText;
use nigh_index::vector::sealed::{BuildParams, Extended, SealedVectors};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where and how a segment is built.
pub(crate) struct Builder<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) collection: &'a Path,
    pub(crate) schema: Arc<Schema>,
    pub(crate) threads: usize,
    /// Is told how far the build is, and says when it is to be given up.
    pub(crate) task: &'a Task,
    /// What it may take for a while beside what it lays down.
    pub(crate) scratch_bytes: u64,
}

/// The rows that a segment will hold: those kept of each part, in this order.
pub(crate) struct Rows<'a> {
    parts: &'a [Kept<'a, dyn Part + 'a>],
    /// Where the rows of each part begin; one more at the end.
    starts: Vec<u32>,
    /// Bytes that were read of them.
    read: AtomicU64,
}

/// After this many bytes were read of parts, their files are let go of: a build reads all of them
/// once or twice, and what it keeps mapped is no use to anybody.
const LET_GO_BYTES: u64 = 16 << 20;

impl<'a> Rows<'a> {
    pub(crate) fn new(parts: &'a [Kept<'a, dyn Part + 'a>]) -> Self {
        let mut starts = vec![0];
        for kept in parts {
            starts.push(starts[starts.len() - 1] + kept.rows.len() as u32);
        }
        Self { parts, starts, read: AtomicU64::new(0) }
    }

    pub(crate) fn len(&self) -> u32 {
        self.starts[self.starts.len() - 1]
    }

    pub(crate) fn source(&self, row: Row) -> (&'a dyn Part, Row) {
        let at = self.starts.partition_point(|start| *start <= row.0) - 1;
        let kept = &self.parts[at];
        (kept.part, kept.rows[(row.0 - self.starts[at]) as usize])
    }

    /// Whether this holds of any of the parts.
    pub(crate) fn any(&self, holds: impl Fn(&dyn Part) -> bool) -> bool {
        self.parts.iter().any(|kept| holds(kept.part))
    }

    fn all(&self) -> impl Iterator<Item = (&'a dyn Part, Row)> + use<'a, '_> {
        self.parts.iter().flat_map(|kept| kept.rows.iter().map(|row| (kept.part, *row)))
    }

    fn payload(&self, disk: &dyn Disk, row: Row) -> Result<Value> {
        let (part, row) = self.source(row);
        let payload = part.payload(row)?;
        let parsed = parse_payload("payload", &payload);
        self.seen(disk, payload.len());
        parsed
    }

    /// Counts what was read.
    pub(crate) fn seen(&self, disk: &dyn Disk, bytes: usize) {
        let before = self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        if before / LET_GO_BYTES != (before + bytes as u64) / LET_GO_BYTES {
            self.let_go(disk);
        }
    }

    fn let_go(&self, disk: &dyn Disk) {
        self.parts.iter().for_each(|kept| kept.part.let_go(disk));
    }
}

/// The files of the vectors; `None` where the build was stopped.
type Vectors = Result<Option<Vec<FileEntry>>>;

impl Builder<'_> {
    /// Builds the segment; `None` when it was stopped. What was laid down of a build that did not
    /// come to its end is removed, for it may stand on a disk that is full.
    pub(crate) fn build(&self, number: u64, rows: &Rows<'_>) -> Result<Option<SegmentEntry>> {
        let folder = folder(self.collection, number);
        let built = self.build_in(&folder, number, rows);
        if !matches!(built, Ok(Some(_)))
            && let Err(err) = self.disk.remove_dir(&folder)
        {
            tracing::warn!(folder = %folder.display(), %err, "an unfinished segment could not be removed");
        }
        built
    }

    fn build_in(&self, folder: &Path, number: u64, rows: &Rows<'_>) -> Result<Option<SegmentEntry>> {
        // A folder that is there already is rubbish of an earlier try.
        if self.disk.list(folder).is_ok() {
            self.disk.remove_dir(folder).map_err(doing("remove", folder))?;
        }
        self.disk.create_dir(folder).map_err(doing("create", folder))?;
        let spec = &self.schema.spec;
        self.task.expect(3 + 3 * spec.vectors.len() + spec.texts.len());
        let (vectors, others) = match self.threads {
            1 => (self.vector_files(folder, rows), self.other_files(folder, rows)),
            _ => self.side_by_side(folder, rows)?,
        };
        let (Some(vectors), mut files) = (vectors?, others?) else { return Ok(None) };
        files.extend(vectors);
        self.disk.sync_dir(folder).map_err(doing("sync", folder))?;
        let parent = self.collection.join("segments");
        self.disk.sync_dir(&parent).map_err(doing("sync", &parent))?;
        Ok(Some(SegmentEntry { number, rows: rows.len(), files, dead: None }))
    }

    /// Vectors take a core for their graph; the other files meanwhile share the other one.
    fn side_by_side(&self, folder: &Path, rows: &Rows<'_>) -> Result<(Vectors, Result<Vec<FileEntry>>)> {
        let (vectors, others) = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("nigh build".into());
            let others = thread.spawn_scoped(scope, || {
                let _here = CORES.join();
                self.other_files(folder, rows)
            });
            let vectors = self.vector_files(folder, rows);
            (vectors, others.map(|others| others.join()))
        });
        let others = others.map_err(doing("start a thread for", folder))?;
        let failed = |_| Error::invalid("segment", folder.display(), "building its files failed");
        Ok((vectors, others.map_err(failed)?))
    }

    fn other_files(&self, folder: &Path, rows: &Rows<'_>) -> Result<Vec<FileEntry>> {
        let mut files = Vec::new();
        let known = Known {
            ids: rows.all().map(|(part, row)| part.id(row)).collect(),
            versions: rows.all().map(|(part, row)| part.version(row)).collect(),
            expiring: rows
                .all()
                .zip(0..)
                .filter_map(|((part, row), at)| Some((at, part.expires_at_ms(row)?)))
                .collect(),
        };
        files.push(
            self.sections(folder, "ids", Kind::Ids, |out, path| ids::write(&known, out).map_err(doing("write", path)))?,
        );
        drop(known);
        files.push(self.sections(folder, "payload", Kind::Payload, |out, path| {
            let payloads = rows.all().map(|(part, row)| {
                let payload = part.payload(row)?;
                rows.seen(self.disk, payload.len());
                Ok(payload)
            });
            payload::write(payloads, out).map_err(|err| match err {
                WriteError::Read(err) => err,
                WriteError::Write(err) => doing("write", path)(err),
            })
        })?);
        self.task.making("fields");
        let mut extracted = |row: Row| {
            let payload = rows.payload(self.disk, row).map_err(index_error)?;
            Ok(Extracted::of(&payload, &self.schema.rules))
        };
        let body = SealedFields::build(rows.len(), &self.schema.rules, &mut extracted)?;
        files.push(self.file(folder, "fields", Kind::Fields, &body)?);
        for (at, reader) in self.schema.texts.iter().enumerate() {
            let Some(reader) = reader else { continue };
            self.task.making(&text_file(at));
            let mut texts = |row: Row, see: &mut dyn FnMut(&str)| {
                let payload = rows.payload(self.disk, row).map_err(index_error)?;
                reader.each(&payload, &mut |text| see(text));
                Ok(())
            };
            let body = SealedText::build(&reader.analyzer, rows.len(), &mut texts)?;
            files.push(self.file(folder, &text_file(at), Kind::Text, &body)?);
        }
        Ok(files)
    }

    fn vector_files(&self, folder: &Path, rows: &Rows<'_>) -> Result<Option<Vec<FileEntry>>> {
        let mut files = Vec::new();
        for (at, field) in self.schema.spec.vectors.iter().enumerate() {
            if self.schema.spec.is_dropped(VectorPlace::Dense(at as u16)) {
                continue;
            }
            let name = vector_file(at, "full");
            files.push(self.sections(folder, &name, Kind::VectorFull, |out, path| {
                let mut vector = |row: Row| {
                    let (part, row) = rows.source(row);
                    rows.seen(self.disk, size_of::<f32>() * field.spec.size as usize);
                    part.nearest(at).vector(row)
                };
                SealedVectors::write_full(&field.spec, rows.len(), &mut vector, out).map_err(doing("write", path))
            })?);
            let full: Bytes = crate::frame::open(self.disk, &folder.join(&name), Kind::VectorFull)?;
            self.task.making(&vector_file(at, "route"));
            let budget_bytes = self.scratch_bytes;
            let how = BuildParams {
                budget_bytes,
                begin: cores::join_for_good,
                ..BuildParams::new(self.threads, &self.task.stop)
            };
            let from = rows.parts.iter().map(|kept| Extended { part: kept.part.sealed(at), rows: kept.rows });
            let from: Vec<Extended<'_>> = from.collect();
            let built = SealedVectors::extend(&field.spec, rows.len(), &full, &from, &how)?;
            self.disk.let_go(&full);
            rows.let_go(self.disk);
            let Some(built) = built else { return Ok(None) };
            files.push(self.file(folder, &vector_file(at, "codes"), Kind::VectorCodes, &built.codes)?);
            files.push(self.file(folder, &vector_file(at, "route"), Kind::VectorRoute, &built.route)?);
        }
        files.extend(kinds::write_files(self, folder, rows)?);
        Ok((!self.task.stop.load(Ordering::Relaxed)).then_some(files))
    }

    pub(crate) fn sections(
        &self,
        folder: &Path,
        name: &str,
        kind: Kind,
        fill: impl FnOnce(&mut SectionsWriter<FrameWriter>, &Path) -> Result<()>,
    ) -> Result<FileEntry> {
        let path = folder.join(name);
        self.task.making(name);
        let mut out = SectionsWriter::new(FrameWriter::create(self.disk, &path, kind)?.at(self.task.pace.clone()));
        fill(&mut out, &path)?;
        self.finished(name, out.finish().map_err(doing("write", &path))?)
    }

    fn file(&self, folder: &Path, name: &str, kind: Kind, body: &[u8]) -> Result<FileEntry> {
        let path = folder.join(name);
        let mut out = FrameWriter::create(self.disk, &path, kind)?.at(self.task.pace.clone());
        out.write_all(body).map_err(doing("write", &path))?;
        self.finished(name, out)
    }

    fn finished(&self, name: &str, out: FrameWriter) -> Result<FileEntry> {
        let info = out.finish()?;
        self.task.made(name);
        Ok(FileEntry { name: name.to_owned(), bytes: info.bytes, checksum: info.checksum })
    }
}

fn index_error(err: Error) -> nigh_index::error::Error {
    nigh_index::error::Error::corrupt("payload", 0, err.to_string())
}
