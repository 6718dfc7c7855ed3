//! A segment: a folder of files that never change, one for each way of asking.
//!
//! ```text
//! segments/0000000007/ids  payload  fields  v0.full  v0.codes  v0.route  t0.text ...
//! ```
//!
//! Every file speaks of the same rows. The manifest names the files with length and checksum; a
//! folder that it does not name is rubbish.

pub(crate) mod build;
mod ids;
mod packed;
mod payload;

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::expiry::Expiries;
use crate::frame::{self, Kind};
use crate::manifest::SegmentEntry;
use crate::part::Part;
use crate::schema::CollectionSpec;
use bytes::Bytes;
use ids::Ids;
use nigh_index::filter::field::Fields;
use nigh_index::filter::sealed::SealedFields;
use nigh_index::id::PointId;
use nigh_index::row::Row;
use nigh_index::text::bm25::TextPart;
use nigh_index::text::sealed::SealedText;
use nigh_index::vector::nearest::Nearest;
use nigh_index::vector::sealed::SealedVectors;
use payload::Payloads;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Files that are checked at a time while a segment is opened: more of them only fight for the disk.
const VERIFY_THREADS_MAX: usize = 4;

/// Fewer bytes than this are checked before a thread would have begun.
const VERIFY_ALONE_BYTES: u64 = 4 << 20;

/// A segment that is open.
pub(crate) struct Segment {
    number: u64,
    rows: u32,
    bytes: u64,
    ids: Ids,
    payloads: Payloads,
    fields: SealedFields,
    vectors: Vec<SealedVectors>,
    texts: Vec<SealedText>,
    /// The bodies of all files, to be let go of.
    bodies: Vec<Bytes>,
}

/// The folder of a segment.
pub(crate) fn folder(collection: &Path, number: u64) -> PathBuf {
    collection.join("segments").join(format!("{number:010}"))
}

/// The file of a vector field's `part`: "full", "codes" or "route".
pub(crate) fn vector_file(field: usize, part: &str) -> String {
    format!("v{field}.{part}")
}

/// The file of a text field.
pub(crate) fn text_file(field: usize) -> String {
    format!("t{field}.text")
}

/// The kind of a segment's file, by its name.
pub(crate) fn kind_of(name: &str) -> Option<Kind> {
    Some(match name {
        "ids" => Kind::Ids,
        "payload" => Kind::Payload,
        "fields" => Kind::Fields,
        _ => match name.rsplit_once('.')?.1 {
            "full" => Kind::VectorFull,
            "codes" => Kind::VectorCodes,
            "route" => Kind::VectorRoute,
            "text" => Kind::Text,
            _ => return None,
        },
    })
}

impl Segment {
    /// Reads every file once, to check that it is byte for byte what was written: a damaged list of
    /// postings or a damaged vector would otherwise be a wrong answer that nobody notices. Then maps
    /// the files and checks that they hold together. No page of them stays in this process.
    pub(crate) fn open(
        disk: &dyn Disk,
        collection: &Path,
        spec: &CollectionSpec,
        entry: &SegmentEntry,
    ) -> Result<Self> {
        let folder = folder(collection, entry.number);
        verify_all(disk, &folder, entry)?;
        let opener = Opener { disk, folder: &folder, entry, bodies: RefCell::default() };
        let rows = entry.rows;
        let vectors = spec.vectors.iter().enumerate().map(|(at, field)| {
            let full = opener.body(&vector_file(at, "full"), Kind::VectorFull)?;
            let codes = opener.body(&vector_file(at, "codes"), Kind::VectorCodes)?;
            let route = opener.body(&vector_file(at, "route"), Kind::VectorRoute)?;
            SealedVectors::open(&field.spec, rows, full, codes, route).map_err(|err| Error::of_index(&folder, err))
        });
        let vectors = vectors.collect::<Result<_>>()?;
        let texts = (0..spec.texts.len())
            .map(|at| opener.wing(&text_file(at), Kind::Text, |body| SealedText::open(body, rows)));
        let opened = Self {
            number: entry.number,
            rows,
            bytes: entry.files.iter().map(|file| file.bytes).sum(),
            ids: opener.wing("ids", Kind::Ids, |body| Ids::open(body, rows))?,
            payloads: opener.wing("payload", Kind::Payload, |body| Payloads::open(body, rows))?,
            fields: opener.wing("fields", Kind::Fields, |body| SealedFields::open(body, rows))?,
            vectors,
            texts: texts.collect::<Result<_>>()?,
            bodies: opener.bodies.into_inner(),
        };
        opened.let_go(disk);
        Ok(opened)
    }
}

/// Reads all files of a segment, the largest first, several at a time. The error is that of the first
/// bad file in the order of the manifest.
fn verify_all(disk: &dyn Disk, folder: &Path, entry: &SegmentEntry) -> Result<()> {
    let mut order: Vec<usize> = (0..entry.files.len()).collect();
    order.sort_by_key(|at| Reverse(entry.files[*at].bytes));
    let next = AtomicUsize::new(0);
    let check = || {
        let mut found = Vec::new();
        while let Some(at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let file = &entry.files[*at];
            // What the spec does not ask for is not opened either.
            let Some(kind) = kind_of(&file.name) else { continue };
            let checked = frame::verify_named(disk, &folder.join(&file.name), kind, file.info());
            found.extend(checked.err().map(|err| (*at, err)));
        }
        found
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(VERIFY_THREADS_MAX);
    let small = entry.files.iter().map(|file| file.bytes).sum::<u64>() < VERIFY_ALONE_BYTES;
    let mut found = std::thread::scope(|scope| {
        let beside: Vec<_> = (1..if small { 1 } else { threads }).map(|_| scope.spawn(check)).collect();
        let mut found = check();
        for thread in beside {
            match thread.join() {
                Ok(more) => found.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        found
    });
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().next().map_or(Ok(()), |(_, err)| Err(err))
}

struct Opener<'a> {
    disk: &'a dyn Disk,
    folder: &'a Path,
    entry: &'a SegmentEntry,
    bodies: RefCell<Vec<Bytes>>,
}

impl Opener<'_> {
    /// The body of a file that the manifest names; it was checked before.
    fn body(&self, name: &str, kind: Kind) -> Result<Bytes> {
        let path = self.folder.join(name);
        if !self.entry.files.iter().any(|file| file.name == name) {
            return Err(Error::corrupt(path, 0, "the manifest does not name this file"));
        }
        let body = frame::open(self.disk, &path, kind)?;
        self.bodies.borrow_mut().push(body.clone());
        Ok(body)
    }

    fn wing<T>(&self, name: &str, kind: Kind, open: impl FnOnce(Bytes) -> nigh_index::error::Result<T>) -> Result<T> {
        open(self.body(name, kind)?).map_err(|err| Error::of_index(&self.folder.join(name), err))
    }
}

impl Part for Segment {
    fn segment(&self) -> u64 {
        self.number
    }

    fn rows(&self) -> u32 {
        self.rows
    }

    fn id(&self, row: Row) -> PointId {
        self.ids.id(row)
    }

    fn version(&self, row: Row) -> u64 {
        self.ids.version(row)
    }

    fn expiries(&self) -> Option<&Expiries> {
        self.ids.expiries()
    }

    fn find(&self, id: &PointId) -> Option<Row> {
        self.ids.find(id)
    }

    fn ids_from(&self, from: &PointId) -> Box<dyn Iterator<Item = (PointId, Row)> + '_> {
        Box::new(self.ids.from(from))
    }

    fn payload(&self, row: Row) -> Result<Bytes> {
        Ok(self.payloads.payload(row))
    }

    fn fields(&self) -> &dyn Fields {
        &self.fields
    }

    fn nearest(&self, field: usize) -> &dyn Nearest {
        &self.vectors[field]
    }

    fn sealed(&self, field: usize) -> Option<&SealedVectors> {
        Some(&self.vectors[field])
    }

    fn text(&self, field: usize) -> &dyn TextPart {
        &self.texts[field]
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn held_bytes(&self) -> u64 {
        self.vectors.iter().map(SealedVectors::resident_bytes).sum()
    }

    fn let_go(&self, disk: &dyn Disk) {
        for body in &self.bodies {
            disk.let_go(body);
        }
    }
}
