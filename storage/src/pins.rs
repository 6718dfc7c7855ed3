//! Named versions: manifests that are kept, and with them the files that they name.
//!
//! ```text
//! pins/<XXH3-128 of the name>     a frame (see crate::frame) around the text of {"name", "time_ms", "points", "manifest"}
//! ```
//!
//! A pin is durable before it is told of, and gone durably before what only it named is removed. Who
//! removes a file asks here first. Locks: a pin is made and dropped under the manifest's lock, so that
//! no seal and no merge changes what it is to name; the table here is a leaf.
//!
//! A backup holds a version too, without a name and without a file: a crash lets go of it.

use crate::collection::{Collection, Inner};
use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::frame::{self, HEADER_BYTES, Kind};
use crate::manifest::{Manifest, SegmentEntry};
use crate::part::Part;
use crate::schema::check_name;
use crate::seal::{self, load_dead};
use crate::segment::{Segment, folder};
use crate::snapshot::{PartView, Snapshot};
use crate::state::Held;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_128;

/// A collection has at most this many pins.
pub const PINS_MAX: usize = 64;
/// A pin that nobody read for this long is closed until somebody does.
const CLOSED_AFTER: Duration = Duration::from_secs(300);
/// The folder of the pins, in that of the collection.
const FOLDER: &str = "pins";
const UNFINISHED: &str = ".tmp";

/// A version of a collection that is kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Version {
    /// Its name; empty for one that is only held.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub time_ms: u64,
    /// Points alive in it.
    pub points: u64,
    /// Everything that it consists of; nothing of it is in the log.
    pub manifest: Manifest,
}

impl Version {
    /// The last operation that is part of it.
    pub fn seq(&self) -> u64 {
        self.manifest.replay_from.saturating_sub(1)
    }

    /// The bytes of its files.
    pub fn bytes(&self) -> u64 {
        let files = self.manifest.segments.iter().flat_map(|segment| segment.files.iter().chain(&segment.dead));
        files.map(|file| file.bytes).sum()
    }

    fn segment(&self, number: u64) -> Option<&SegmentEntry> {
        self.manifest.segments.iter().find(|segment| segment.number == number)
    }
}

/// A pin, as it is listed.
#[derive(Clone, PartialEq, Debug)]
pub struct Pin {
    /// Its name; that of its file where it cannot be read.
    pub name: String,
    /// The last operation that is part of it.
    pub seq: u64,
    /// When it was made, in milliseconds since 1970.
    pub time_ms: u64,
    /// Points alive in it.
    pub points: u64,
    /// The bytes of its files.
    pub bytes: u64,
    /// Those of them that the collection of now does not need.
    pub held_bytes: u64,
    /// Why it cannot be read, where it cannot: no file of the collection is removed until it is dropped.
    pub broken: Option<String>,
}

/// The versions of a collection that are kept.
#[derive(Default)]
pub(crate) struct Pins {
    table: Mutex<Table>,
    /// Held by whoever opens a version, or drops one: its files stay until they are mapped.
    opening: Mutex<()>,
}

#[derive(Default)]
struct Table {
    kept: Vec<Kept>,
    /// Segments that a pin has open; those of the collection of now are shared.
    open: HashMap<u64, Weak<Segment>>,
    /// Files of pins that cannot be read, and why.
    broken: Vec<(String, String)>,
    next_hold: u64,
}

struct Kept {
    how: How,
    version: Arc<Version>,
    snapshot: Option<(Arc<Snapshot>, Instant)>,
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum How {
    /// By its name, on disk.
    Named,
    /// Its file could not be written or removed, so a crash may find it or not: the files stay.
    Doubtful,
    /// By somebody of this process.
    Held(u64),
}

impl Pins {
    /// Reads the pins of a collection. One that cannot be read harms no other.
    pub(crate) fn load(disk: &dyn Disk, collection: &Path) -> Result<Self> {
        let dir = collection.join(FOLDER);
        let names = match disk.list(&dir) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => {
                // A pin that was seen gone, and whose segments go on its word, must not come back
                // with a power cut.
                disk.sync_dir(&dir).map_err(doing("sync", &dir))?;
                names.map_err(doing("list", &dir))?
            }
        };
        let mut table = Table::default();
        for name in names {
            let path = dir.join(&name);
            if name.ends_with(UNFINISHED) {
                disk.remove(&path).map_err(doing("remove", &path))?;
                continue;
            }
            match read(disk, &path) {
                Ok(version) => table.kept.push(Kept::new(How::Named, version)),
                Err(err @ Error::Io { .. }) => return Err(err),
                Err(err) => {
                    tracing::error!(%err, "a pin cannot be read; nothing that it may name is removed");
                    table.broken.push((name, err.to_string()));
                }
            }
        }
        Ok(Self { table: Mutex::new(table), opening: Mutex::new(()) })
    }

    /// Whether a segment belongs to a version that is kept.
    pub(crate) fn name_segment(&self, number: u64) -> bool {
        let table = self.table.lock();
        !table.broken.is_empty() || table.kept.iter().any(|kept| kept.version.segment(number).is_some())
    }

    /// Whether a file of dead rows belongs to a version that is kept.
    pub(crate) fn name_dead(&self, number: u64, file: &str) -> bool {
        let table = self.table.lock();
        let names = |version: &Version| version.segment(number).is_some_and(|segment| is_dead_file(segment, file));
        !table.broken.is_empty() || table.kept.iter().any(|kept| names(&kept.version))
    }

    /// Closes what nobody read for a while.
    pub(crate) fn close_idle(&self) {
        let idle = |kept: &mut Kept| {
            let unused = kept.snapshot.as_ref().is_some_and(|(_, used)| used.elapsed() >= CLOSED_AFTER);
            unused.then(|| kept.snapshot.take()).flatten()
        };
        // Maps are given back outside the lock.
        let closed: Vec<_> = self.table.lock().kept.iter_mut().filter_map(idle).collect();
        drop(closed);
    }

    fn named(&self, name: &str) -> Option<Arc<Version>> {
        let table = self.table.lock();
        table
            .kept
            .iter()
            .find(|kept| kept.how == How::Named && kept.version.name == name)
            .map(|kept| kept.version.clone())
    }

    fn keep(&self, how: How, version: Arc<Version>) {
        self.table.lock().kept.push(Kept { how, version, snapshot: None });
    }
}

impl Kept {
    fn new(how: How, version: Version) -> Self {
        Self { how, version: Arc::new(version), snapshot: None }
    }
}

fn is_dead_file(segment: &SegmentEntry, file: &str) -> bool {
    segment.dead.as_ref().is_some_and(|dead| dead.name == file)
}

fn read(disk: &dyn Disk, path: &Path) -> Result<Version> {
    let body = frame::read_replaced(disk, path, Kind::Pin)?;
    let corrupt = |why: String| Error::corrupt(path, HEADER_BYTES, why);
    let version: Version = serde_json::from_slice(&body).map_err(|err| corrupt(err.to_string()))?;
    version.manifest.check().map_err(corrupt)?;
    Ok(version)
}

fn file_of(collection: &Path, name: &str) -> PathBuf {
    collection.join(FOLDER).join(file_name(name))
}

/// No name of a user becomes part of a path.
fn file_name(name: &str) -> String {
    format!("{:032x}", xxh3_128(name.as_bytes()))
}

/// A version that is kept until this is dropped, or the process ends.
pub struct Hold {
    inner: Arc<Inner>,
    number: u64,
    version: Arc<Version>,
}

impl Hold {
    /// What is held.
    pub fn version(&self) -> &Version {
        &self.version
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// A file of a segment of it, header and body, mapped.
    pub fn file(&self, segment: u64, name: &str) -> Result<bytes::Bytes> {
        let path = folder(&self.inner.folder, segment).join(name);
        self.inner.disk.map(&path).map_err(doing("open", &path))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let held = |kept: &Kept| kept.how == How::Held(self.number);
        match self.inner.stop.load(Ordering::Relaxed) {
            // The folder may be somebody else's by now; whoever opens it removes what is not named.
            true => self.inner.pins.table.lock().kept.retain(|kept| !held(kept)),
            false => self.inner.let_go(held),
        }
    }
}

impl Collection {
    /// Keeps the newest state under a name. It can be read, compared and backed up until it is dropped,
    /// whatever becomes of the collection.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a name that no collection might have, [`Error::Taken`] for one that is taken,
    /// [`Error::Full`] where there are [`PINS_MAX`]; what the disk answers.
    pub fn pin(&self, name: &str) -> Result<Pin> {
        check_name(name).map_err(|_| {
            let shown: String = name.chars().take(crate::schema::NAME_CHARS_MAX).collect();
            let limit = "a name has 1 to 128 letters, digits, `.`, `_` or `-`, and starts with a letter or a digit";
            Error::invalid("version", format!("`{shown}`"), limit)
        })?;
        self.inner.pin(name)
    }

    /// Drops a pin; what nothing else names is removed. False where there was none.
    pub fn unpin(&self, name: &str) -> Result<bool> {
        self.inner.unpin(name)
    }

    /// Every pin, the oldest first.
    pub fn pins(&self) -> Vec<Pin> {
        let now = self.inner.manifest.lock().clone();
        let table = self.inner.pins.table.lock();
        let listed = |kept: &Kept| Pin::of(&kept.version, &now);
        let mut pins: Vec<Pin> = table.kept.iter().filter(|kept| kept.how == How::Named).map(listed).collect();
        let broken = |(name, why): &(String, String)| Pin { broken: Some(why.clone()), ..Pin::empty(name) };
        pins.extend(table.broken.iter().map(broken));
        pins.sort_by(|a, b| (a.seq, a.time_ms, &a.name).cmp(&(b.seq, b.time_ms, &b.name)));
        pins
    }

    /// The state that a pin keeps, without what is expired since. It is opened at its first use, and closed when nobody uses it for a while.
    pub fn at(&self, name: &str) -> Result<Arc<Snapshot>> {
        let snapshot = self.inner.at(name)?;
        Ok(snapshot.at(self.inner.now_ms(&snapshot)))
    }

    /// Holds the newest state, for whoever copies its files.
    pub fn hold(&self) -> Result<Hold> {
        let _manifest;
        let version = {
            let (version, lock) = self.inner.checkpoint(String::new())?;
            _manifest = lock;
            Arc::new(version)
        };
        let mut table = self.inner.pins.table.lock();
        table.next_hold += 1;
        let number = table.next_hold;
        table.kept.push(Kept { how: How::Held(number), version: version.clone(), snapshot: None });
        Ok(Hold { inner: self.inner.clone(), number, version })
    }
}

impl Pin {
    fn empty(name: &str) -> Self {
        Self { name: name.to_owned(), seq: 0, time_ms: 0, points: 0, bytes: 0, held_bytes: 0, broken: None }
    }

    fn of(version: &Version, now: &Manifest) -> Self {
        let needed = |segment: &&SegmentEntry| !now.segments.iter().any(|entry| entry.number == segment.number);
        let held = version.manifest.segments.iter().filter(needed).flat_map(|segment| &segment.files);
        Self {
            seq: version.seq(),
            time_ms: version.time_ms,
            points: version.points,
            bytes: version.bytes(),
            held_bytes: held.map(|file| file.bytes).sum(),
            ..Self::empty(&version.name)
        }
    }
}

impl Inner {
    /// Seals, and gives what the manifest then says; it does not change while the lock is held.
    fn checkpoint(&self, name: String) -> Result<(Version, parking_lot::MutexGuard<'_, Manifest>)> {
        let least = self.snapshot().seq;
        seal::seal(self, "a version is kept")?;
        if let Some(err) = self.poisoned() {
            return Err(err);
        }
        let manifest = self.manifest.lock();
        // A seal gives up when the collection is closed.
        if manifest.replay_from <= least {
            return Err(Error::Closed { name: self.name.clone() });
        }
        let sealed = |entry: &crate::state::Entry| match &entry.held {
            Held::Live(_) => 0,
            Held::Sealed(segment) => u64::from(segment.rows()) - entry.dead_saved.len(),
        };
        let points = self.state.lock().entries.iter().map(sealed).sum();
        // The moment is told after the state was fixed: all of it is older.
        // What batches came to is of no use to a version: nobody writes to it again.
        let manifest_kept = Manifest { outcomes: Vec::new(), ..manifest.clone() };
        let version = Version { name, time_ms: self.options.clock.now_ms(), points, manifest: manifest_kept };
        Ok((version, manifest))
    }

    fn pin(&self, name: &str) -> Result<Pin> {
        if let Some(err) = self.poisoned() {
            return Err(err);
        }
        self.may_pin(name)?;
        let (version, manifest) = self.checkpoint(name.to_owned())?;
        self.may_pin(name)?;
        let version = Arc::new(version);
        let path = file_of(&self.folder, name);
        let saved = self.save_pin(&path, &version);
        let how = if saved.is_ok() { How::Named } else { How::Doubtful };
        self.pins.keep(how, version.clone());
        saved?;
        Ok(Pin::of(&version, &manifest))
    }

    fn may_pin(&self, name: &str) -> Result<()> {
        if self.pins.named(name).is_some() {
            return Err(Error::Taken { what: "version", name: name.to_owned() });
        }
        let table = self.pins.table.lock();
        let named = table.kept.iter().filter(|kept| kept.how == How::Named).count() + table.broken.len();
        if table.broken.iter().any(|(file, _)| *file == file_name(name)) {
            return Err(Error::Taken { what: "version", name: name.to_owned() });
        }
        if named >= PINS_MAX {
            let (got, limit) = (named as u64 + 1, PINS_MAX as u64);
            return Err(Error::Full { what: "the list of versions (pins)", got, limit, retry_ms: 1000 });
        }
        Ok(())
    }

    fn save_pin(&self, path: &Path, version: &Version) -> Result<()> {
        let dir = self.folder.join(FOLDER);
        self.disk.create_dir(&dir).map_err(doing("create", &dir))?;
        self.disk.sync_dir(&self.folder).map_err(doing("sync", &self.folder))?;
        let body = serde_json::to_vec(version).map_err(|err| Error::corrupt(path, HEADER_BYTES, err.to_string()))?;
        frame::replace(&*self.disk, path, Kind::Pin, &body)
    }

    fn unpin(&self, name: &str) -> Result<bool> {
        let _opening = self.pins.opening.lock();
        let manifest = self.manifest.lock();
        let file = file_name(name);
        // One that cannot be read is also known by its file, which is how it is listed.
        let broken = |table: &Table| {
            table.broken.iter().find(|(one, _)| *one == file || one == name).map(|(one, _)| one.clone())
        };
        let (named, broken) = (self.pins.named(name).is_some(), broken(&self.pins.table.lock()));
        if !named && broken.is_none() {
            return Ok(false);
        }
        let path = self.folder.join(FOLDER).join(broken.as_ref().unwrap_or(&file));
        let removed = match self.disk.remove(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(doing("remove", &path)),
        };
        let dir = self.folder.join(FOLDER);
        let removed = removed.and_then(|()| self.disk.sync_dir(&dir).map_err(doing("sync", &dir)));
        if let Err(err) = removed {
            let mut table = self.pins.table.lock();
            let one = |kept: &&mut Kept| kept.how == How::Named && kept.version.name == name;
            table.kept.iter_mut().filter(one).for_each(|kept| kept.how = How::Doubtful);
            return Err(err);
        }
        drop(manifest);
        if let Some(broken) = broken {
            // What it named is not known: the next open removes it.
            self.pins.table.lock().broken.retain(|(one, _)| *one != broken);
        }
        self.let_go(|kept| kept.how == How::Named && kept.version.name == name);
        Ok(true)
    }

    /// Keeps these versions no longer: removes what neither the manifest nor another one names.
    fn let_go(&self, which: impl Fn(&Kept) -> bool) {
        let manifest = self.manifest.lock();
        let gone: Vec<Kept> = self.pins.table.lock().kept.extract_if(.., |kept| which(kept)).collect();
        for segment in gone.iter().flat_map(|kept| &kept.version.manifest.segments) {
            let now = manifest.segments.iter().find(|entry| entry.number == segment.number);
            let dir = folder(&self.folder, segment.number);
            let removed = match (now, &segment.dead) {
                (None, _) if !self.pins.name_segment(segment.number) => self.disk.remove_dir(&dir),
                (now, Some(dead)) => {
                    let named = now.is_some_and(|entry| is_dead_file(entry, &dead.name));
                    match named || self.pins.name_dead(segment.number, &dead.name) {
                        true => continue,
                        false => self.disk.remove(&dir.join(&dead.name)),
                    }
                }
                _ => continue,
            };
            match removed {
                Err(err) if err.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(collection = self.name, %err, "a file of a dropped version could not be removed");
                }
                _ => {}
            }
        }
    }

    fn at(&self, name: &str) -> Result<Arc<Snapshot>> {
        self.pins.close_idle();
        if let Some(snapshot) = self.opened(name) {
            return Ok(snapshot);
        }
        let _opening = self.pins.opening.lock();
        // Somebody may have opened it meanwhile.
        if let Some(snapshot) = self.opened(name) {
            return Ok(snapshot);
        }
        let missing = || Error::Missing { what: "version", name: name.chars().take(128).collect() };
        let version = self.pins.named(name).ok_or_else(missing)?;
        let snapshot = Arc::new(self.open_version(&version)?);
        let mut table = self.pins.table.lock();
        let kept = table.kept.iter_mut().find(|kept| Arc::ptr_eq(&kept.version, &version));
        kept.ok_or_else(missing)?.snapshot = Some((snapshot.clone(), Instant::now()));
        Ok(snapshot)
    }

    fn opened(&self, name: &str) -> Option<Arc<Snapshot>> {
        let mut table = self.pins.table.lock();
        let kept = table.kept.iter_mut().find(|kept| kept.how == How::Named && kept.version.name == name)?;
        let (snapshot, used) = kept.snapshot.as_mut()?;
        // One of before a change of fields does not know them all.
        if !Arc::ptr_eq(&snapshot.spec, &self.schema.load().spec) {
            return None;
        }
        *used = Instant::now();
        Some(snapshot.clone())
    }

    fn open_version(&self, version: &Version) -> Result<Snapshot> {
        let spec = self.schema.load().spec.clone();
        let mut parts = Vec::with_capacity(version.manifest.segments.len());
        for entry in &version.manifest.segments {
            let part = self.segment_of(entry)?;
            let dead = Arc::new(load_dead(&*self.disk, &self.folder, entry)?);
            parts.push(PartView { part, dead, selections: Arc::default(), spec: spec.clone() });
        }
        Ok(Snapshot { seq: version.seq(), time_ms: version.manifest.time_ms, spec, parts })
    }

    /// The segment as it is open already, for the collection of now or for another pin, or opened.
    fn segment_of(&self, entry: &SegmentEntry) -> Result<Arc<Segment>> {
        let now = |held: &Held| match held {
            Held::Sealed(segment) if segment.segment() == entry.number => Some(segment.clone()),
            _ => None,
        };
        if let Some(segment) = self.state.lock().entries.iter().find_map(|one| now(&one.held)) {
            return Ok(segment);
        }
        if let Some(segment) = self.pins.table.lock().open.get(&entry.number).and_then(Weak::upgrade) {
            return Ok(segment);
        }
        let segment = Segment::open(&*self.disk, &self.folder, &self.schema.load().spec, entry, self.options.reading)?;
        let segment = Arc::new(segment);
        let mut table = self.pins.table.lock();
        table.open.retain(|_, segment| segment.strong_count() > 0);
        table.open.insert(entry.number, Arc::downgrade(&segment));
        Ok(segment)
    }
}

#[cfg(test)]
mod tests;
