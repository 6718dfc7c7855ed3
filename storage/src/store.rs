//! The data directory: its lock, its catalog, its collections.
//!
//! ```text
//! data/LOCK                    held by the process that has the directory; says which one
//! data/NIGH                    whose directory it is, and in which format (see identity)
//! data/CATALOG                 which collection is in which folder; replaced whole
//! data/<uuid>/MANIFEST ...     a collection; its name is nowhere in a path
//! ```

pub mod names;
pub mod restore;

use crate::clock::Clock;
use crate::collection::Collection;
use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::frame::{self, Kind};
use crate::identity::Identity;
use crate::memory::Budget;
use crate::opening::{Opening, Progress};
use crate::reading::{self, Reading};
use crate::recover;
use crate::schema::{CollectionSpec, check_name};
use crate::scrub::Scrubs;
use crate::space::{self, Watch};
use crate::told::Hearer;
use crate::upkeep::Upkeep;
use names::Names;
pub(crate) use names::load_catalog;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use uuid::Uuid;

/// A store holds at most this many collections.
pub const COLLECTIONS_MAX: usize = 10_000;

/// So many collections are opened at once: one reads while another one reckons.
const OPENED_AT_ONCE: usize = 4;
/// A good time to wait for a collection that is being opened.
const OPENING_RETRY_MS: u64 = 25;

/// How a store works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Live rows of a collection are sealed into a segment when they are this many.
    pub seal_rows: u64,
    /// Or when they hold this many bytes.
    pub seal_bytes: u64,
    /// Batches that may wait for the writer of one collection.
    pub queue_batches: usize,
    /// Bytes of batches that may wait for the writer of one collection.
    pub queue_bytes: u64,
    /// Threads that build segments.
    pub build_threads: usize,
    /// Bytes a second that sealing and merging may write, all collections together; no limit where it is left out.
    pub upkeep_bytes_per_second: Option<u64>,
    /// A log file is closed when it has this many bytes.
    pub log_file_bytes: u64,
    /// With fewer bytes free on the disk nothing is built that gives no room back; where not said, a
    /// tenth of the disk and at most 5 GiB.
    pub space_soft_bytes: Option<u64>,
    /// With fewer bytes free only deletes and drops are taken; where not said, a fiftieth of the disk
    /// and at most 1 GiB.
    pub space_hard_bytes: Option<u64>,
    /// Bytes that are kept for deletes and drops on a full disk; at most a hundredth of the disk.
    pub ballast_bytes: u64,
    /// After the disk failed, a collection waits so long before it tries to go on; then twice as
    /// long, and so on.
    pub heal_after: Duration,
    /// Whether every collection has a thread that writes. Without it writes happen in
    /// [`Collection::turn`]: a simulation says when, and the same seed gives the same run.
    pub writer_thread: bool,
    /// Where the log goes to an archive: it is kept until it is there, unless it grows beyond this.
    pub archive_keep_bytes: Option<u64>,
    /// Everything is read again so often (see [`crate::scrub`]); `None`: never by itself.
    pub scrub_every: Option<Duration>,
    /// Bytes a second that this reads; `None`: as fast as it goes.
    pub scrub_bytes_per_second: Option<u64>,
    /// When vectors and payloads of segments are read, to be checked.
    pub reading: Reading,
    /// Whether collections seal and merge by themselves. Off in tests that say when.
    pub background: bool,
    /// A batch takes at most this many bytes in the log.
    pub record_bytes_max: u64,
    /// Says when a write is committed, and what is expired.
    pub clock: Clock,
    /// How much memory all collections may hold together; stores may share it. Without a limit where it is not said.
    pub memory: Arc<Budget>,
    /// Who is told of seals and merges.
    pub hearer: Hearer,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seal_rows: 20_000,
            seal_bytes: 128 << 20,
            queue_batches: 1024,
            queue_bytes: 128 << 20,
            build_threads: std::thread::available_parallelism().map_or(1, usize::from),
            upkeep_bytes_per_second: None,
            log_file_bytes: 64 << 20,
            space_soft_bytes: None,
            space_hard_bytes: None,
            ballast_bytes: 64 << 20,
            heal_after: Duration::from_millis(100),
            writer_thread: true,
            archive_keep_bytes: None,
            scrub_every: Some(Duration::from_secs(7 * 24 * 3600)),
            scrub_bytes_per_second: Some(32 << 20),
            reading: Reading::First,
            background: true,
            record_bytes_max: crate::wal::PAYLOAD_BYTES_MAX as u64,
            clock: Clock::System,
            memory: Arc::default(),
            hearer: Hearer::default(),
        }
    }
}

/// A data directory that is open and locked.
pub struct Store {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    options: Options,
    space: Arc<Watch>,
    collections: RwLock<BTreeMap<String, Slot>>,
    /// Changed under `changing`.
    names: RwLock<Names>,
    scrubs: Scrubs,
    closing: AtomicBool,
    /// Reads behind the opening.
    reader: Mutex<Option<JoinHandle<()>>>,
    /// Held by whoever changes the catalog.
    changing: Mutex<()>,
    upkeep: Upkeep,
    _lock: Box<dyn Send + Sync>,
}

struct Slot {
    folder: Uuid,
    opened: Opened,
}

/// A collection that is to be opened: the bytes of its log, its name and folder, and how far that is.
type Waiting = (u64, String, Uuid, Arc<Progress>);

enum Opened {
    Open(Arc<Collection>),
    Opening(Arc<Progress>),
    Quarantined(String),
}

/// How a collection of the catalog is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// It serves.
    Open,
    /// It is being opened, and how far that is.
    Opening(Opening),
    /// It cannot be served, and why.
    Quarantined(String),
}

impl Store {
    /// Opens the directory, creating it where it is not there, and every collection in it. A
    /// collection that cannot be opened is quarantined; the others serve.
    pub fn open(disk: Arc<dyn Disk>, root: &Path, options: Options) -> Result<Arc<Self>> {
        let store = Self::attach(disk, root, options)?;
        store.open_all();
        Ok(store)
    }

    /// Locks the directory and reads its catalog; no collection is opened yet.
    pub fn attach(disk: Arc<dyn Disk>, root: &Path, mut options: Options) -> Result<Arc<Self>> {
        options.seal_bytes = options.memory.seal_bytes(options.seal_bytes);
        options.queue_bytes = options.memory.seal_bytes(options.queue_bytes);
        disk.create_dir(root).map_err(doing("create", root))?;
        let lock = lock(&*disk, root)?;
        sync_above(&*disk, root)?;
        Identity::of(&*disk, root)?;
        let catalog = load_catalog(&*disk, root)?;
        let slot = |folder| Slot { folder, opened: Opened::Opening(Arc::default()) };
        let names = RwLock::new(catalog.names);
        let collections = catalog.collections.into_iter().map(|(name, folder)| (name, slot(folder))).collect();
        let upkeep = Upkeep::start(&options).map_err(doing("start a thread for", root))?;
        let space = Arc::new(Watch::new(disk.clone(), root, &options));
        let store = Self {
            disk,
            root: root.to_owned(),
            options,
            space,
            collections: RwLock::new(collections),
            names,
            scrubs: Scrubs::default(),
            closing: AtomicBool::new(false),
            reader: Mutex::default(),
            changing: Mutex::new(()),
            upkeep,
            _lock: lock,
        };
        store.remove_rubbish()?;
        Ok(Arc::new(store))
    }

    /// Opens every collection that is not open yet, several at once, those with the least log first; each
    /// serves as soon as it is.
    pub fn open_all(&self) {
        self.open_those(&self.waiting());
    }

    /// The collections that are not open yet, those with the least log first.
    fn waiting(&self) -> Vec<Waiting> {
        let mut waiting = Vec::new();
        for (name, slot) in &*self.collections.read() {
            if let Opened::Opening(progress) = &slot.opened {
                let log_bytes = recover::log_bytes(&*self.disk, &self.folder(slot.folder));
                waiting.push((log_bytes, name.clone(), slot.folder, progress.clone()));
            }
        }
        waiting.sort_unstable_by(|a: &Waiting, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        waiting
    }

    fn open_those(&self, waiting: &[Waiting]) {
        // A test that says when things happen is told the same every time.
        let threads = if self.options.background { OPENED_AT_ONCE.min(waiting.len()) } else { 1 };
        let next = AtomicUsize::new(0);
        let open = || {
            while let Some((_, name, folder, progress)) = waiting.get(next.fetch_add(1, Ordering::Relaxed)) {
                let opened = match self.open_one(name, *folder, progress) {
                    Ok(collection) => Opened::Open(collection),
                    Err(err) => {
                        tracing::error!(collection = name, %err, "quarantined");
                        Opened::Quarantined(err.to_string())
                    }
                };
                let here = |slot: &Slot| slot.folder == *folder && matches!(slot.opened, Opened::Opening(_));
                if !self.replace(here, opened) {
                    // It was dropped meanwhile: what opening it laid down goes, too.
                    let _ = self.disk.remove_dir(&self.folder(*folder));
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(open);
            }
            open();
        });
    }

    /// Creates a collection; false where one of this name and an equal spec is there already.
    pub fn create(&self, name: &str, spec: CollectionSpec) -> Result<bool> {
        check_name(name)?;
        spec.validate()?;
        let _changing = self.changing.lock();
        match self.collections.read().get(name).map(|slot| &slot.opened) {
            None => {}
            Some(Opened::Open(collection)) if *collection.spec() == spec => return Ok(false),
            Some(Opened::Quarantined(why)) => {
                return Err(Error::Quarantined { name: name.to_owned(), why: why.clone() });
            }
            Some(_) => return Err(Error::Exists { name: name.to_owned() }),
        }
        if self.names.read().resolve(name) != name {
            return Err(Error::Taken { what: "alias", name: name.to_owned() });
        }
        if self.collections.read().len() >= COLLECTIONS_MAX {
            let (got, limit) = (COLLECTIONS_MAX as u64 + 1, COLLECTIONS_MAX as u64);
            return Err(Error::Full { what: "the catalog (collections)", got, limit, retry_ms: 1000 });
        }
        self.space.admit_write()?;
        let folder = Uuid::new_v4();
        let path = self.folder(folder);
        if let Err(err) = recover::create(&*self.disk, &path, folder, spec) {
            // The catalog does not name it. What cannot be removed now is removed at the next open.
            let _ = self.disk.remove_dir(&path);
            return Err(space::explained(&*self.disk, err));
        }
        self.disk.sync_dir(&self.root).map_err(doing("sync", &self.root))?;
        let mut catalog = self.catalog();
        catalog.collections.insert(name.to_owned(), folder);
        self.save(&catalog)?;
        let opened = Opened::Open(self.open_one(name, folder, &Progress::default())?);
        self.collections.write().insert(name.to_owned(), Slot { folder, opened });
        Ok(true)
    }

    /// Drops a collection and gives its space back; false where there was none.
    pub fn drop_collection(&self, name: &str) -> Result<bool> {
        let _changing = self.changing.lock();
        let mut catalog = self.catalog();
        let Some(folder) = catalog.collections.remove(name) else { return Ok(false) };
        catalog.names.forget(name);
        let path = self.root.join("CATALOG");
        let body = catalog.body();
        let write = || frame::write_beside(&*self.disk, &path, Kind::Catalog, &body);
        space::with_ballast(&self.space, write).map_err(|err| space::explained(&*self.disk, err))?;
        if let Err(err) = frame::put_in_place(&*self.disk, &path) {
            // The next open may find it or not: until then it takes no writes that could be lost so.
            let why = format!("it was to be dropped, and whether it was is not known: {err}");
            self.replace(|slot| slot.folder == folder, Opened::Quarantined(why));
            return Err(err);
        }
        let removed = self.collections.write().remove(name);
        *self.names.write() = catalog.names;
        if let Some(Slot { opened: Opened::Open(collection), .. }) = removed {
            collection.close();
        }
        let path = self.folder(folder);
        if let Err(err) = self.disk.remove_dir(&path) {
            // It is no longer in the catalog: the next open removes it.
            tracing::warn!(collection = name, %err, "the folder of a dropped collection could not be removed");
        }
        Ok(true)
    }

    /// An open collection, by its name or by an alias.
    pub fn collection(&self, name: &str) -> Result<Arc<Collection>> {
        // Names first, then collections: the order of all who hold both.
        let names = self.names.read();
        let name = names.resolve(name);
        match self.collections.read().get(name).map(|slot| &slot.opened) {
            Some(Opened::Open(collection)) => Ok(collection.clone()),
            Some(Opened::Opening(progress)) => {
                Err(Error::Opening { name: name.to_owned(), progress: progress.now(), retry_ms: OPENING_RETRY_MS })
            }
            Some(Opened::Quarantined(why)) => Err(Error::Quarantined { name: name.to_owned(), why: why.clone() }),
            None => Err(Error::Missing { what: "collection", name: shortened(name) }),
        }
    }

    /// Every collection, by name.
    pub fn list(&self) -> Vec<(String, State)> {
        let state = |slot: &Slot| match &slot.opened {
            Opened::Open(_) => State::Open,
            Opened::Opening(progress) => State::Opening(progress.now()),
            Opened::Quarantined(why) => State::Quarantined(why.clone()),
        };
        self.collections.read().iter().map(|(name, slot)| (name.clone(), state(slot))).collect()
    }

    /// What all collections hold in memory, and how much they may.
    pub fn memory(&self) -> &Arc<Budget> {
        &self.options.memory
    }

    /// Lets go of the pages of mapped files, and of what is kept of filters: all of it comes back when it is asked for.
    pub fn ease_memory(&self) {
        self.disk.let_go_of_all();
        let open: Vec<Arc<Collection>> =
            self.list().iter().filter_map(|(name, _)| self.collection(name).ok()).collect();
        for view in open.iter().flat_map(|collection| collection.snapshot().parts.clone()) {
            view.selections.forget();
        }
    }

    /// What scrubbing came to since the start.
    pub fn scrubs(&self) -> &Scrubs {
        &self.scrubs
    }

    /// How it works.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether it is being closed.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Serves a collection no more: one of its files is damaged. What is open of it is closed.
    pub(crate) fn quarantine(&self, collection: &Arc<Collection>, err: &Error) {
        // One of the same name may stand there by now.
        let here = |slot: &Slot| matches!(&slot.opened, Opened::Open(open) if Arc::ptr_eq(open, collection));
        if self.replace(here, Opened::Quarantined(err.to_string())) {
            tracing::error!(collection = collection.name(), %err, "quarantined");
        }
    }

    pub(crate) fn keep_reader(&self, thread: JoinHandle<()>) {
        *self.reader.lock() = Some(thread);
    }

    /// Syncs and closes every collection. Nothing is lost without it.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        reading::join(self.reader.lock().take());
        let open: Vec<Arc<Collection>> = self
            .collections
            .read()
            .values()
            .filter_map(|slot| match &slot.opened {
                Opened::Open(collection) => Some(collection.clone()),
                _ => None,
            })
            .collect();
        for collection in open {
            collection.close();
        }
    }

    /// Puts what a collection has become in its slot, and closes what it was; false where no slot is the one that is meant,
    /// because it was dropped meanwhile: then what it has become is closed.
    fn replace(&self, here: impl Fn(&Slot) -> bool, opened: Opened) -> bool {
        let (left, found) = match self.collections.write().values_mut().find(|slot| here(slot)) {
            Some(slot) => (std::mem::replace(&mut slot.opened, opened), true),
            None => (opened, false),
        };
        if let Opened::Open(collection) = left {
            collection.close();
        }
        found
    }

    fn open_one(&self, name: &str, folder: Uuid, progress: &Progress) -> Result<Arc<Collection>> {
        let inner = recover::open(&self.folder(folder), name, self.options.clone(), self.space.clone(), progress)?;
        Collection::start(inner, &self.upkeep)
    }

    fn folder(&self, folder: Uuid) -> PathBuf {
        self.root.join(folder.to_string())
    }

    /// Removes folders of collections that were dropped, or never came into the catalog.
    fn remove_rubbish(&self) -> Result<()> {
        let known: Vec<Uuid> = self.collections.read().values().map(|slot| slot.folder).collect();
        for name in self.disk.list(&self.root).map_err(doing("list", &self.root))? {
            if Uuid::try_parse(&name).is_ok_and(|folder| !known.contains(&folder)) {
                let path = self.root.join(&name);
                self.disk.remove_dir(&path).map_err(doing("remove", &path))?;
            }
        }
        Ok(())
    }
}

/// Takes the lock of a data directory.
pub(crate) fn lock(disk: &dyn Disk, root: &Path) -> Result<Box<dyn Send + Sync>> {
    let path = root.join("LOCK");
    disk.lock(&path).map_err(|err| match err.kind() {
        io::ErrorKind::WouldBlock => {
            let says = disk.read(&path).unwrap_or_default();
            let says = String::from_utf8_lossy(&says[..says.len().min(100)]).trim().to_owned();
            let holder = if says.is_empty() { "another process".to_owned() } else { says };
            Error::Locked { path: path.clone(), holder }
        }
        _ => doing("lock", &path)(err),
    })
}

/// Makes the directory's own name durable, and those above it: it may just have been created.
pub(crate) fn sync_above(disk: &dyn Disk, root: &Path) -> Result<()> {
    for folder in root.ancestors().skip(1) {
        match disk.sync_dir(folder) {
            // A folder that is not ours to sync was not created by us.
            Err(err) if matches!(err.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                return Ok(());
            }
            // Some file systems sync no folders.
            Err(err) if matches!(err.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {}
            synced => synced.map_err(doing("sync", folder))?,
        }
    }
    Ok(())
}

fn shortened(name: &str) -> String {
    name.chars().take(crate::schema::NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::cruel::{CruelDisk, Fault};
    use crate::point::Point;
    use crate::write::{Durability, Write};

    /// What opens a collection that was dropped meanwhile has no say over the one that has its name now.
    #[test]
    fn a_collection_dropped_while_it_opens_does_not_take_the_place_of_the_next() {
        for damaged in [false, true] {
            let disk = Arc::new(CruelDisk::new());
            let options = || Options { background: false, ..Options::default() };
            let store = Store::open(disk.clone(), Path::new("/data"), options()).unwrap();
            store.create("c", CollectionSpec::default()).unwrap();
            let first = store.folder(store.collections.read()["c"].folder);
            store.close();
            drop(store);
            let store = Store::attach(disk.clone(), Path::new("/data"), options()).unwrap();
            let waiting = store.waiting();
            assert!(store.drop_collection("c").unwrap());
            store.create("c", CollectionSpec::default()).unwrap();
            if !damaged {
                // Opening the one that was dropped comes out well: its files stand as they did.
                recover::create(&*disk, &first, waiting[0].2, CollectionSpec::default()).unwrap();
            }
            let collection = store.collection("c").unwrap();
            collection.write(vec![Write::Upsert(Point::new(1))], Durability::Durable).unwrap();
            store.open_those(&waiting);
            assert!(Arc::ptr_eq(&store.collection("c").unwrap(), &collection));
            collection.write(vec![Write::Upsert(Point::new(2))], Durability::Durable).unwrap();
            assert!(disk.list(&first).is_err(), "nothing is left of the first");
        }
    }

    /// A drop that failed changed nothing; or it may stand or not after a power cut, and then no write
    /// is taken that could go with it.
    #[test]
    fn a_collection_whose_drop_failed_takes_no_writes_or_stays() {
        let mut kinds = [0, 0];
        for call in 0..10 {
            let disk = Arc::new(CruelDisk::new());
            let options = Options { background: false, ..Options::default() };
            let store = Store::open(disk.clone(), Path::new("/data"), options).unwrap();
            store.create("c", CollectionSpec::default()).unwrap();
            let collection = store.collection("c").unwrap();
            disk.fail_at(call, Fault::Io);
            let dropped = store.drop_collection("c");
            disk.heal();
            let written = collection.write(vec![Write::Upsert(Point::new(1))], Durability::Durable);
            match (dropped, store.collection("c")) {
                (Err(_), Ok(_)) => {
                    written.unwrap();
                    kinds[0] += 1;
                }
                (Err(_), Err(Error::Quarantined { .. })) => {
                    assert!(matches!(written, Err(Error::Closed { .. })), "{written:?}");
                    assert!(store.drop_collection("c").unwrap(), "it can be tried again");
                    kinds[1] += 1;
                }
                (dropped, found) => panic!("call {call}: {dropped:?}, found: {}", found.is_ok()),
            }
        }
        assert!(kinds[0] > 4 && kinds[1] == 2, "{kinds:?}");
    }
}
