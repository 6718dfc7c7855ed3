//! A segment: a folder of files that never change, one for each way of asking.
//!
//! ```text
//! segments/0000000007/ids  payload  fields  v0.full  v0.codes  v0.route  s0.sparse  m0.multi  t0.text ...
//! ```
//!
//! Of a vector field that was not there when the segment was made, or was dropped, there is no file: no row has a vector.
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
use crate::frame::{self, FrameInfo, HEADER_BYTES, Kind};
use crate::kinds::{self, OtherVectors};
use crate::manifest::SegmentEntry;
use crate::part::Part;
use crate::reading::Reading;
use crate::schema::{CollectionSpec, VectorPlace};
use bytes::Bytes;
use ids::Ids;
use nigh_index::filter::field::Fields;
use nigh_index::filter::sealed::SealedFields;
use nigh_index::id::PointId;
use nigh_index::layout::Body;
use nigh_index::row::Row;
use nigh_index::sums::Sums;
use nigh_index::text::bm25::{self, TextPart};
use nigh_index::text::sealed::SealedText;
use nigh_index::vector::nearest::{self, Nearest};
use nigh_index::vector::sealed::SealedVectors;
use payload::Payloads;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    /// The vector fields that it has files of.
    places: Vec<VectorPlace>,
    vectors: Vec<Option<SealedVectors>>,
    others: OtherVectors,
    /// `None` where the field was dropped, or was added after the segment was made.
    texts: Vec<Option<SealedText>>,
    /// The bodies of all files, to be let go of.
    bodies: Vec<Bytes>,
    unread: Vec<Unread>,
}

/// A file that was opened before it was read.
struct Unread {
    path: PathBuf,
    kind: Kind,
    named: FrameInfo,
    sums: Arc<Sums>,
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

/// Whether a file of this kind may be read later.
fn is_bulk(kind: Kind) -> bool {
    matches!(kind, Kind::VectorFull | Kind::Payload)
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
            "sparse" => Kind::Sparse,
            "multi" => Kind::Multi,
            _ => return None,
        },
    })
}

impl Segment {
    /// Reads every file once, to check that it is byte for byte what was written: a damaged list of
    /// postings or a damaged vector would otherwise be a wrong answer that nobody notices. Then maps
    /// the files and checks that they hold together. No page of them stays in this process.
    ///
    /// Where they are read [`Reading::Behind`], vectors and payloads wait for [`Self::read_rest`].
    pub(crate) fn open(
        disk: &dyn Disk,
        collection: &Path,
        spec: &CollectionSpec,
        entry: &SegmentEntry,
        reading: Reading,
    ) -> Result<Self> {
        let folder = folder(collection, entry.number);
        verify_all(disk, &folder, entry, reading)?;
        let (bodies, unread) = (RefCell::default(), RefCell::default());
        let opener = Opener { disk, folder: &folder, entry, reading, bodies, unread };
        let rows = entry.rows;
        let vectors = spec.vectors.iter().enumerate().map(|(at, field)| {
            if spec.is_dropped(VectorPlace::Dense(at as u16)) || !opener.names(&vector_file(at, "full")) {
                return Ok(None);
            }
            let full = opener.body(&vector_file(at, "full"), Kind::VectorFull)?;
            let codes = opener.bytes(&vector_file(at, "codes"), Kind::VectorCodes)?;
            let route = opener.bytes(&vector_file(at, "route"), Kind::VectorRoute)?;
            let opened = SealedVectors::open(&field.spec, rows, full, codes, route);
            opened
                .map(Some)
                .map_err(|err| damage(&opener.unread.borrow()).unwrap_or_else(|| Error::of_index(&folder, err)))
        });
        let vectors = vectors.collect::<Result<_>>()?;
        let others = OtherVectors::open(spec, rows, &folder, |name, kind| {
            opener.names(name).then(|| opener.bytes(name, kind)).transpose()
        })?;
        let texts = (0..spec.texts.len()).map(|at| {
            let name = text_file(at);
            let there = !spec.is_dropped_text(at) && opener.names(&name);
            there.then(|| opener.wing(&name, Kind::Text, |body| SealedText::open(body, rows))).transpose()
        });
        let opened = Self {
            number: entry.number,
            rows,
            bytes: entry.files.iter().map(|file| file.bytes).sum(),
            ids: opener.wing("ids", Kind::Ids, |body| Ids::open(body, rows))?,
            payloads: Payloads::open(opener.body("payload", Kind::Payload)?, rows)
                .map_err(|err| Error::of_index(&folder.join("payload"), err))?,
            fields: opener.wing("fields", Kind::Fields, |body| SealedFields::open(body, rows))?,
            places: entry.files.iter().filter_map(|file| kinds::place_of(&file.name)).collect(),
            vectors,
            others,
            texts: texts.collect::<Result<_>>()?,
            bodies: opener.bodies.into_inner(),
            unread: opener.unread.into_inner(),
        };
        opened.let_go(disk);
        Ok(opened)
    }

    /// Whether all of it was read once.
    #[cfg(test)]
    pub(crate) fn is_read(&self) -> bool {
        self.unread.iter().all(|file| file.sums.is_whole())
    }

    /// Reads what was not read when it was opened, unless that was done before. `go_on` is asked before every file;
    /// false where it said no.
    pub(crate) fn read_rest(&self, disk: &dyn Disk, go_on: &dyn Fn() -> bool) -> Result<bool> {
        for file in self.unread.iter().filter(|file| !file.sums.is_whole()) {
            if !go_on() {
                return Ok(false);
            }
            frame::verify_named(disk, &file.path, file.kind, file.named)?;
            file.sums.prove();
        }
        Ok(true)
    }

    /// The vector fields that it has files of, dropped ones too; some several times.
    pub(crate) fn places(&self) -> &[VectorPlace] {
        &self.places
    }
}

/// Reads all files of a segment, the largest first, several at a time. The error is that of the first
/// bad file in the order of the manifest.
fn verify_all(disk: &dyn Disk, folder: &Path, entry: &SegmentEntry, reading: Reading) -> Result<()> {
    let now = |at: &usize| {
        let kind = kind_of(&entry.files[*at].name);
        // What the spec does not ask for is not opened either.
        kind.is_some_and(|kind| reading == Reading::First || !is_bulk(kind))
    };
    let mut order: Vec<usize> = (0..entry.files.len()).filter(now).collect();
    order.sort_by_key(|at| Reverse(entry.files[*at].bytes));
    let next = AtomicUsize::new(0);
    let check = || {
        let mut found = Vec::new();
        while let Some(at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let file = &entry.files[*at];
            let Some(kind) = kind_of(&file.name) else { continue };
            let checked = frame::verify_named(disk, &folder.join(&file.name), kind, file.info());
            found.extend(checked.err().map(|err| (*at, err)));
        }
        found
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(VERIFY_THREADS_MAX);
    let small = order.iter().map(|at| entry.files[*at].bytes).sum::<u64>() < VERIFY_ALONE_BYTES;
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

/// The first file of which a damaged block was touched.
fn damage(unread: &[Unread]) -> Option<Error> {
    let why = "the checksum of the block of 64 KiB that begins here does not match";
    let bad = |file: &Unread| Some(Error::corrupt(&file.path, HEADER_BYTES + file.sums.damage()?, why));
    unread.iter().find_map(bad)
}

struct Opener<'a> {
    disk: &'a dyn Disk,
    folder: &'a Path,
    entry: &'a SegmentEntry,
    reading: Reading,
    bodies: RefCell<Vec<Bytes>>,
    unread: RefCell<Vec<Unread>>,
}

impl Opener<'_> {
    /// Whether the segment has such a file.
    fn names(&self, name: &str) -> bool {
        self.entry.files.iter().any(|file| file.name == name)
    }

    /// The body of a file that the manifest names: it was checked before, or is checked as it is touched.
    fn body(&self, name: &str, kind: Kind) -> Result<Body> {
        let path = self.folder.join(name);
        let Some(file) = self.entry.files.iter().find(|file| file.name == name) else {
            return Err(Error::corrupt(path, 0, "the manifest does not name this file"));
        };
        if self.reading == Reading::First || !is_bulk(kind) {
            let body = frame::open(self.disk, &path, kind)?;
            self.bodies.borrow_mut().push(body.clone());
            return Ok(body.into());
        }
        let (body, sums) = frame::open_unread(self.disk, &path, kind, file.info())?;
        self.bodies.borrow_mut().push(body.clone());
        self.unread.borrow_mut().push(Unread { path, kind, named: file.info(), sums: sums.clone() });
        Ok(Body::guarded(body, sums))
    }

    fn bytes(&self, name: &str, kind: Kind) -> Result<Bytes> {
        Ok(self.body(name, kind)?.bytes().clone())
    }

    fn wing<T>(&self, name: &str, kind: Kind, open: impl FnOnce(Bytes) -> nigh_index::error::Result<T>) -> Result<T> {
        open(self.bytes(name, kind)?).map_err(|err| Error::of_index(&self.folder.join(name), err))
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

    fn payload_bytes(&self) -> u64 {
        self.payloads.bytes()
    }

    fn payload(&self, row: Row) -> Result<Bytes> {
        self.payloads
            .payload(row)
            .map_err(|err| self.sound().err().unwrap_or_else(|| Error::of_index(Path::new("payload"), err)))
    }

    fn sound(&self) -> Result<()> {
        damage(&self.unread).map_or(Ok(()), Err)
    }

    fn fields(&self) -> &dyn Fields {
        &self.fields
    }

    fn nearest(&self, field: usize) -> &dyn Nearest {
        match self.vectors.get(field) {
            Some(Some(vectors)) => vectors,
            _ => nearest::absent(),
        }
    }

    fn others(&self) -> &OtherVectors {
        &self.others
    }

    fn sealed(&self, field: usize) -> Option<&SealedVectors> {
        self.vectors.get(field)?.as_ref()
    }

    fn text(&self, field: usize) -> &dyn TextPart {
        match self.texts.get(field) {
            Some(Some(text)) => text,
            _ => bm25::absent(),
        }
    }

    fn has_text(&self, field: usize) -> bool {
        self.texts.get(field).is_some_and(Option::is_some)
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn held_bytes(&self) -> u64 {
        self.vectors.iter().flatten().map(SealedVectors::resident_bytes).sum()
    }

    fn let_go(&self, disk: &dyn Disk) {
        for body in &self.bodies {
            disk.let_go(body);
        }
    }
}
