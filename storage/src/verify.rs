//! Looking at every byte of a data directory that nobody serves: frames and checksums of all files, what they
//! hold, the chain of the log, and whether all of it speaks of the same points.
//!
//! Nothing is changed. What is found is told file by file, as it is found; a damaged file does not end the look.

use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::frame::{self, Kind};
use crate::identity::{self, Identity};
use crate::manifest::{self, FileEntry, Manifest, SegmentEntry};
use crate::opening::Progress;
use crate::part::Part;
use crate::pins::Version;
use crate::reading::Reading;
use crate::recover;
use crate::scrub;
use crate::seal::load_dead;
use crate::segment::{Segment, folder};
use crate::store::{load_catalog, lock};
use crate::wal;
use nigh_index::id::PointId;
use nigh_index::row::Row;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// What was found in a data directory.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    /// The collections that were looked at, by name.
    pub collections: Vec<CollectionReport>,
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many things are damaged: files, or collections whose whole files contradict each other.
    pub damaged: u64,
}

/// What was found of a collection.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CollectionReport {
    /// Its name; that of its folder where the catalog does not tell.
    pub name: String,
    /// Its folder.
    pub folder: String,
    /// Its segments.
    pub segments: u64,
    /// Its points and its last operation, where all of its files are whole.
    pub holds: Option<(u64, u64)>,
    /// How many of its files are damaged.
    pub damaged: u64,
}

/// What was found of one file.
#[derive(Clone, PartialEq, Debug)]
pub struct FileReport {
    /// Of which collection; empty for the directory's own files.
    pub collection: String,
    /// The file, below the data directory.
    pub path: PathBuf,
    /// How it is.
    pub found: Found,
}

/// How a file is.
#[derive(Clone, PartialEq, Debug)]
pub enum Found {
    /// As it was written.
    Whole {
        /// Its length.
        bytes: u64,
    },
    /// Nothing to worry about, but worth a word.
    Note(String),
    /// Not as it was written.
    Damaged {
        /// Where, in bytes from its start; `None` where it cannot be read at all.
        at: Option<u64>,
        /// What does not hold.
        why: String,
    },
}

/// Looks at a data directory, or at one collection of it.
///
/// # Errors
///
/// [`Error::Missing`] where there is no data directory or no collection of that name, [`Error::Locked`] where it is
/// being served. Damage is no error: it is in the report.
pub fn verify(disk: &dyn Disk, root: &Path, only: Option<&str>, see: &mut dyn FnMut(&FileReport)) -> Result<Report> {
    let names = disk.list(root).map_err(doing("list", root))?;
    if !names.iter().any(|name| name == identity::FILE_NAME || name == "CATALOG") {
        return Err(Error::Missing { what: "data directory", name: root.display().to_string() });
    }
    let _lock = lock(disk, root)?;
    let mut look = Look { disk, root, see, collection: String::new(), report: Report::default() };
    look.directory(&names, only)?;
    Ok(look.report)
}

const LEFT_OVER: &str = "nothing names it: left over, and removed at the next start";

struct Look<'a> {
    disk: &'a dyn Disk,
    root: &'a Path,
    see: &'a mut dyn FnMut(&FileReport),
    /// The one that is looked at; empty at first.
    collection: String,
    report: Report,
}

impl Look<'_> {
    fn directory(&mut self, names: &[String], only: Option<&str>) -> Result<()> {
        let (disk, root) = (self.disk, self.root);
        let path = root.join(identity::FILE_NAME);
        let identity = Identity::load(disk, root).and_then(|found| match found {
            Some(_) => self.length(&path),
            None => Err(Error::corrupt(&path, 0, "it is missing")),
        });
        self.tell(&path, identity);
        let path = root.join("CATALOG");
        let mut collections: BTreeMap<String, String> = BTreeMap::new();
        match load_catalog(disk, root) {
            Ok(catalog) => {
                if names.iter().any(|name| name == "CATALOG") {
                    let length = self.length(&path);
                    self.tell(&path, length);
                }
                collections.extend(catalog.collections.iter().map(|(name, folder)| (name.clone(), folder.to_string())));
            }
            Err(err) => {
                self.tell(&path, Err(err));
                // Without it nobody knows their names, but they are still there.
                let folders = names.iter().filter(|name| Uuid::try_parse(name).is_ok());
                collections.extend(folders.map(|name| (name.clone(), name.clone())));
            }
        }
        if let Some(only) = only {
            collections.retain(|name, _| name == only);
            if collections.is_empty() {
                return Err(Error::Missing { what: "collection", name: only.to_owned() });
            }
        }
        for (name, folder) in collections {
            self.collection.clone_from(&name);
            let before = self.report.damaged;
            let mut report = CollectionReport { name, folder, ..CollectionReport::default() };
            self.look_at(&mut report);
            report.damaged = self.report.damaged - before;
            self.report.collections.push(report);
        }
        Ok(())
    }

    fn look_at(&mut self, report: &mut CollectionReport) {
        let (disk, before) = (self.disk, self.report.damaged);
        let folder = self.root.join(&report.folder);
        let path = folder.join(manifest::FILE_NAME);
        let loaded = Manifest::load(disk, &folder).and_then(|manifest| match manifest.collection.to_string() {
            of if of == report.folder => Ok(manifest),
            of => Err(Error::corrupt(&path, frame::HEADER_BYTES, format!("it is the manifest of {of}"))),
        });
        let manifest = match loaded {
            Ok(manifest) => manifest,
            Err(err) => return self.tell(&path, Err(err)),
        };
        let length = self.length(&path);
        self.tell(&path, length);
        report.segments = manifest.segments.len() as u64;
        for entry in &manifest.segments {
            self.segment(&folder, &manifest, entry);
        }
        for page in &manifest.outcomes {
            let path = folder.join(&page.file.name);
            let found = self.named(&path, &page.file);
            self.tell(&path, found);
        }
        self.log(&folder, &manifest);
        let kept = self.kept(&folder, &manifest);
        self.others(&folder, &manifest, &kept);
        if self.report.damaged > before {
            return;
        }
        match self.whole(&folder, &manifest) {
            Ok(holds) => report.holds = Some(holds),
            Err(err) => self.tell(&folder, Err(err)),
        }
    }

    /// Every file, then what they hold together.
    fn segment(&mut self, collection: &Path, manifest: &Manifest, entry: &SegmentEntry) {
        let before = self.report.damaged;
        let at = folder(collection, entry.number);
        for file in entry.files.iter().chain(&entry.dead) {
            let path = at.join(&file.name);
            let found = self.named(&path, file);
            self.tell(&path, found);
        }
        if self.report.damaged == before {
            let held = Segment::open(self.disk, collection, &manifest.spec, entry, Reading::First)
                .and_then(|segment| rows_hold(&segment, &at, manifest.spec.vectors.len()))
                .and_then(|()| load_dead(self.disk, collection, entry));
            if let Err(err) = held {
                self.tell(&at, Err(err));
            }
        }
    }

    /// A file that the manifest names.
    fn named(&self, path: &Path, entry: &FileEntry) -> Result<u64> {
        Ok(scrub::named(self.disk, path, entry, &mut |_| Ok(()))?.bytes)
    }

    fn log(&mut self, folder: &Path, manifest: &Manifest) {
        let log = recover::log_folder(folder);
        let replayed = wal::replay(self.disk, &log, manifest.replay_from, &mut |_| Ok(()));
        let broken = match &replayed {
            Ok(_) => None,
            Err(Error::Corrupt { path, .. } | Error::Io { path, .. }) => Some(path.clone()),
            Err(_) => Some(log.clone()),
        };
        let files = self.disk.list(&log).unwrap_or_default();
        for name in &files {
            let path = log.join(name);
            if broken.as_ref() != Some(&path) {
                let length = self.length(&path);
                self.tell(&path, length);
            }
        }
        match replayed {
            Err(err) => self.tell(&broken.unwrap_or(log), Err(err)),
            Ok(replayed) if replayed.torn_bytes > 0 => {
                let last = log.join(files.last().map_or("", String::as_str));
                let note =
                    format!("{} bytes at its end were never finished, and belong to nothing", replayed.torn_bytes);
                self.say(&last, Found::Note(note));
            }
            Ok(_) => {}
        }
    }

    /// What only kept versions name, which are told of with the rest of their folder.
    fn kept(&mut self, folder: &Path, manifest: &Manifest) -> Vec<SegmentEntry> {
        let mut kept = Vec::new();
        for name in self.disk.list(&folder.join("pins")).unwrap_or_default() {
            let path = folder.join("pins").join(name);
            // One that is damaged itself is told of with the others, and not believed.
            let whole = frame::verify(self.disk, &path, Kind::Pin);
            let body = whole.and_then(|_| frame::open(self.disk, &path, Kind::Pin));
            let Some(version) = body.ok().and_then(|body| serde_json::from_slice::<Version>(&body).ok()) else {
                continue;
            };
            for entry in &version.manifest.segments {
                if !manifest.segments.contains(entry) && !kept.contains(entry) {
                    self.segment(folder, &version.manifest, entry);
                    kept.push(entry.clone());
                }
            }
        }
        kept
    }

    /// What neither the manifest nor a kept version names.
    fn others(&mut self, folder: &Path, manifest: &Manifest, kept: &[SegmentEntry]) {
        let segments = folder.join("segments");
        for name in self.disk.list(&segments).unwrap_or_default() {
            let path = segments.join(&name);
            let of = |entry: &&SegmentEntry| format!("{:010}", entry.number) == name;
            let entries: Vec<&SegmentEntry> = manifest.segments.iter().chain(kept).filter(of).collect();
            if entries.is_empty() {
                self.say(&path, Found::Note(LEFT_OVER.to_owned()));
                continue;
            }
            for file in self.disk.list(&path).unwrap_or_default() {
                let names =
                    |entry: &&SegmentEntry| entry.files.iter().chain(&entry.dead).any(|named| named.name == file);
                if !entries.iter().any(names) {
                    self.say(&path.join(file), Found::Note(LEFT_OVER.to_owned()));
                }
            }
        }
        let known = [manifest::FILE_NAME, "wal", "segments"];
        for name in self.disk.list(folder).unwrap_or_default() {
            if !known.contains(&&name[..]) && !manifest.outcomes.iter().any(|page| page.file.name == name) {
                self.other(&folder.join(name));
            }
        }
    }

    /// A file or a folder of another room: whatever it holds, its frame has to hold.
    fn other(&mut self, path: &Path) {
        if let Ok(names) = self.disk.list(path) {
            return names.iter().for_each(|name| self.other(&path.join(name)));
        }
        if path.extension().is_some_and(|end| end == "tmp") {
            return self.say(path, Found::Note("left over from a file that was never finished".to_owned()));
        }
        let found = frame::scan(self.disk, path, None, &mut |_| Ok(())).map(|info| info.bytes);
        self.tell(path, found);
    }

    /// Points and last operation, once every file is whole.
    fn whole(&self, folder: &Path, manifest: &Manifest) -> Result<(u64, u64)> {
        let (state, _) = recover::load(self.disk, folder, manifest, Reading::First, &Progress::default())?;
        let snapshot = state.snapshot();
        let mut seen: HashSet<PointId> = HashSet::new();
        for view in &snapshot.parts {
            for row in (0..view.part.rows()).map(Row).filter(|row| !view.dead.has(*row)) {
                let id = view.part.id(row);
                if !seen.insert(id) {
                    return Err(Error::corrupt(folder, 0, format!("point {id} is alive twice")));
                }
            }
        }
        Ok((snapshot.points(), snapshot.seq))
    }

    fn length(&self, path: &Path) -> Result<u64> {
        self.disk.length(path).map_err(doing("read", path))
    }

    /// Says how a file is. An error that names another file is told of that one.
    fn tell(&mut self, path: &Path, found: Result<u64>) {
        match found {
            Ok(bytes) => self.say(path, Found::Whole { bytes }),
            Err(Error::Corrupt { path, at, why }) => self.say(&path, Found::Damaged { at: Some(at), why }),
            Err(err @ (Error::Newer { .. } | Error::Older { .. })) => {
                self.say(path, Found::Damaged { at: Some(6), why: err.to_string() });
            }
            Err(err) => self.say(path, Found::Damaged { at: None, why: err.to_string() }),
        }
    }

    fn say(&mut self, path: &Path, found: Found) {
        match found {
            Found::Whole { bytes } => {
                (self.report.files, self.report.bytes) = (self.report.files + 1, self.report.bytes + bytes)
            }
            Found::Damaged { .. } => {
                (self.report.files, self.report.damaged) = (self.report.files + 1, self.report.damaged + 1)
            }
            Found::Note(_) => {}
        }
        let path = path.strip_prefix(self.root).unwrap_or(path).to_owned();
        (self.see)(&FileReport { collection: self.collection.clone(), path, found });
    }
}

/// Every row has an id that leads back to it, a payload that can be read, and finite vectors.
fn rows_hold(segment: &Segment, folder: &Path, fields: usize) -> Result<()> {
    for row in (0..segment.rows()).map(Row) {
        let id = segment.id(row);
        if segment.find(&id) != Some(row) {
            return Err(Error::corrupt(folder.join("ids"), 0, format!("point {id} of row {} is not found", row.0)));
        }
        let text = segment.payload(row)?;
        let object = text.is_empty() || text.first() == Some(&b'{');
        if !object || !text.is_empty() && serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_err() {
            return Err(Error::corrupt(
                folder.join("payload"),
                0,
                format!("the payload of row {} is no JSON object", row.0),
            ));
        }
        for field in 0..fields {
            let vector = segment.nearest(field).vector(row);
            if vector.is_some_and(|vector| vector.iter().any(|number| !number.is_finite())) {
                let file = folder.join(crate::segment::vector_file(field, "full"));
                return Err(Error::corrupt(file, 0, format!("the vector of row {} is not finite", row.0)));
            }
        }
    }
    Ok(())
}
