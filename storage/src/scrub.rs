//! Reading everything again while it is served: what a medium has forgotten is found before it is asked for.
//!
//! ```text
//! segments          read from the medium, past the page cache, at a pace; damage quarantines the collection
//! MANIFEST, log     held against what is in memory; damage is mended from there: written again, or sealed
//! ```
//!
//! A file that upkeep replaced meanwhile is of no account.

use crate::collection::{Collection, Inner};
use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::frame::{self, FrameInfo, HEADER_BYTES, Kind};
use crate::manifest::{self, FileEntry, Manifest};
use crate::pace::Pace;
use crate::recover::log_folder;
use crate::seal;
use crate::segment::folder;
use crate::store::{State, Store};
use crate::wal;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The first pass of a server begins at the latest after this time.
const FIRST_AFTER: Duration = Duration::from_secs(3600);

/// What was read of a collection, and what was found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Scrubbed {
    /// The collection.
    pub collection: String,
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long that took.
    pub took: Duration,
    /// What was found damaged and mended from memory.
    pub mended: Vec<String>,
    /// What was found damaged, with the file and the place; the collection is quarantined.
    pub damage: Option<String>,
}

/// What scrubbing came to since the start.
#[derive(Debug, Default)]
pub struct Scrubs {
    running: AtomicBool,
    files: AtomicU64,
    bytes: AtomicU64,
    errors: AtomicU64,
    passes: AtomicU64,
    last_pass_s: AtomicU64,
}

/// [`Scrubs`] at one moment.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct ScrubCounts {
    /// Whether one runs.
    pub running: bool,
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were found damaged, the mended ones included.
    pub errors: u64,
    /// Passes over everything that came to their end.
    pub passes: u64,
    /// When the last of them did, in Unix seconds; 0 where none has.
    pub last_pass_s: u64,
}

impl Scrubs {
    /// What was counted until now.
    pub fn counts(&self) -> ScrubCounts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ScrubCounts {
            running: self.running.load(Ordering::Relaxed),
            files: of(&self.files),
            bytes: of(&self.bytes),
            errors: of(&self.errors),
            passes: of(&self.passes),
            last_pass_s: of(&self.last_pass_s),
        }
    }
}

/// Reads a file that a manifest names, from the medium, and holds it against what was written.
pub(crate) fn named(
    disk: &dyn Disk,
    path: &Path,
    entry: &FileEntry,
    pace: &mut dyn FnMut(u64) -> io::Result<()>,
) -> Result<FrameInfo> {
    let kind = entry.name.starts_with("dead.").then_some(Kind::Dead);
    let info = frame::scan(disk, path, kind, pace)?;
    if info.bytes != entry.bytes || info.checksum != entry.checksum {
        let why = format!(
            "{} bytes with checksum {:016x}, the manifest says {} and {:016x}",
            info.bytes, info.checksum, entry.bytes, entry.checksum
        );
        return Err(Error::corrupt(path, HEADER_BYTES, why));
    }
    Ok(info)
}

impl Store {
    /// Reads every file of every collection, or of one, from the medium, no faster than `bytes_per_second`
    /// (`None`: as fast as it goes), and waits for it. A collection in which a sealed file is damaged is
    /// quarantined; the others are read all the same. `called_off` is asked all the while: once it says so, what was
    /// read until then is returned, and no pass is counted.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] while another one runs; [`Error::Missing`] and the like where the one collection is not open; what
    /// kept a collection from being read that says nothing against its files (no room, too many open files): the others
    /// were read all the same.
    pub fn scrub(
        &self,
        only: Option<&str>,
        bytes_per_second: Option<u64>,
        called_off: &dyn Fn() -> bool,
    ) -> Result<Vec<Scrubbed>> {
        let names = match only {
            Some(name) => {
                self.collection(name)?;
                vec![name.to_owned()]
            }
            None => self.list().into_iter().filter(|(_, state)| *state == State::Open).map(|(name, _)| name).collect(),
        };
        let scrubs = self.scrubs();
        if scrubs.running.swap(true, Ordering::Relaxed) {
            return Err(Error::Full { what: "the scrub", got: 2, limit: 1, retry_ms: 5000 });
        }
        let _running = Running(&scrubs.running);
        let pace = bytes_per_second.map(Pace::new);
        let (mut all, mut kept_from) = (Vec::new(), None);
        let called_off = || self.is_closing() || called_off();
        for name in names {
            if called_off() {
                return Ok(all);
            }
            // One that was dropped meanwhile needs no look.
            let Ok(collection) = self.collection(&name) else { continue };
            match self.scrub_one(&collection, pace.as_ref(), &called_off) {
                Ok(scrubbed) => all.extend(scrubbed),
                Err(err) => {
                    tracing::warn!(collection = name, %err, "not all of it could be read; it serves on");
                    kept_from = kept_from.or(Some(err));
                }
            }
        }
        if let Some(err) = kept_from {
            return Err(err);
        }
        if only.is_none() && !called_off() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            scrubs.last_pass_s.store(now, Ordering::Relaxed);
            scrubs.passes.fetch_add(1, Ordering::Relaxed);
        }
        Ok(all)
    }

    /// `None` where the collection was closed meanwhile, or it was called off; an error that [passes](Error::passes).
    fn scrub_one(
        &self,
        collection: &Arc<Collection>,
        pace: Option<&Pace>,
        called_off: &dyn Fn() -> bool,
    ) -> Result<Option<Scrubbed>> {
        let (inner, scrubs, begin) = (&collection.inner, self.scrubs(), Instant::now());
        let mut scrubbed = Scrubbed { collection: inner.name.clone(), ..Scrubbed::default() };
        let called_off = || inner.stop.load(Ordering::Relaxed) || called_off();
        let mut paced = |bytes| {
            scrubs.bytes.fetch_add(bytes, Ordering::Relaxed);
            let goes_on = pace.map_or_else(|| !called_off(), |pace| pace.take_unless(bytes, &called_off));
            if goes_on { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
        };
        let found = segments(inner, &mut paced, &mut scrubbed).and_then(|()| {
            let sealed = scrubbed.bytes;
            let mended = mend(inner, &mut scrubbed);
            // The log is read at once: its bytes are not counted on the way.
            scrubs.bytes.fetch_add(scrubbed.bytes - sealed, Ordering::Relaxed);
            mended
        });
        scrubs.files.fetch_add(scrubbed.files, Ordering::Relaxed);
        scrubs.errors.fetch_add(scrubbed.mended.len() as u64, Ordering::Relaxed);
        if called_off() {
            return Ok(None);
        }
        scrubbed.took = begin.elapsed();
        match found {
            Err(err) if err.passes() => return Err(err),
            Err(err) => {
                scrubs.errors.fetch_add(1, Ordering::Relaxed);
                self.quarantine(collection, &err);
                scrubbed.damage = Some(err.to_string());
            }
            Ok(()) => {}
        }
        Ok(Some(scrubbed))
    }
}

/// Says that a scrub runs until it is dropped.
struct Running<'a>(&'a AtomicBool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn segments(inner: &Inner, pace: &mut dyn FnMut(u64) -> io::Result<()>, scrubbed: &mut Scrubbed) -> Result<()> {
    let manifest = inner.manifest.lock().clone();
    for entry in &manifest.segments {
        for file in entry.files.iter().chain(&entry.dead) {
            let path = folder(&inner.folder, entry.number).join(&file.name);
            match named(&*inner.disk, &path, file, pace) {
                Ok(info) => (scrubbed.files, scrubbed.bytes) = (scrubbed.files + 1, scrubbed.bytes + info.bytes),
                Err(err) if is_named(&inner.manifest.lock(), entry.number, file) => return Err(err),
                // A merge or a seal replaced it while it was read.
                Err(_) => {}
            }
        }
    }
    for page in &manifest.outcomes {
        match named(&*inner.disk, &inner.folder.join(&page.file.name), &page.file, pace) {
            Ok(info) => (scrubbed.files, scrubbed.bytes) = (scrubbed.files + 1, scrubbed.bytes + info.bytes),
            Err(err) if inner.manifest.lock().outcomes.contains(page) => return Err(err),
            Err(_) => {}
        }
    }
    Ok(())
}

fn is_named(manifest: &Manifest, number: u64, file: &FileEntry) -> bool {
    let entry = manifest.segments.iter().find(|entry| entry.number == number);
    entry.is_some_and(|entry| entry.files.iter().chain(&entry.dead).any(|named| named == file))
}

/// What memory knows as well as the disk is held against the disk, and written again where that has forgotten it.
fn mend(inner: &Inner, scrubbed: &mut Scrubbed) -> Result<()> {
    if inner.poisoned().is_some() {
        // Nobody knows what the disk should hold.
        return Ok(());
    }
    {
        let mut manifest = inner.manifest.lock();
        scrubbed.files += 1;
        if let Err(err) = manifest_holds(inner, &manifest) {
            tracing::error!(collection = inner.name, %err, "the manifest is damaged: it is written again");
            let same = manifest.clone();
            inner.save_manifest(&mut manifest, same)?;
            scrubbed.mended.push(err.to_string());
        }
    }
    match log_holds(inner) {
        Ok((files, bytes)) => (scrubbed.files, scrubbed.bytes) = (scrubbed.files + files, scrubbed.bytes + bytes),
        Err(err) => {
            tracing::error!(collection = inner.name, %err, "the log is damaged: what it holds is sealed from memory");
            inner.with_log(wal::Log::close_file)?;
            seal::seal(inner, "the log is damaged")?;
            inner.cut_log(inner.manifest.lock().replay_from);
            log_holds(inner)?;
            scrubbed.mended.push(err.to_string());
        }
    }
    Ok(())
}

fn manifest_holds(inner: &Inner, manifest: &Manifest) -> Result<()> {
    let path = inner.folder.join(manifest::FILE_NAME);
    frame::scan(&*inner.disk, &path, Some(Kind::Manifest), &mut |_| Ok(()))?;
    match Manifest::load(&*inner.disk, &inner.folder)? == *manifest {
        true => Ok(()),
        false => Err(Error::corrupt(path, HEADER_BYTES, "it is not the one that was written last")),
    }
}

/// Files and bytes of the log, every record of which holds.
fn log_holds(inner: &Inner) -> Result<(u64, u64)> {
    let log = log_folder(&inner.folder);
    let known = || (inner.manifest.lock().replay_from, inner.counters.durable_seq.load(Ordering::Relaxed));
    let look = |(from, durable)| wal::check(&*inner.disk, &log, from, durable);
    // Whoever reads beside the writer may see half of what it writes: what does not hold is read again while it waits.
    look(known()).or_else(|_| {
        let known = known();
        inner.with_log(|_| look(known))
    })
}

/// The thread that scrubs a store now and then, until it is dropped.
pub struct Scrubber {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Scrubber {
    /// Starts it, as the store's options say; without a thread where they say never.
    ///
    /// # Errors
    ///
    /// What the operating system says of the thread.
    pub fn start(store: &Arc<Store>) -> Result<Self> {
        let stop: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let options = store.options();
        let Some(every) = options.scrub_every else { return Ok(Self { stop, thread: None }) };
        let (store, pace, until) = (Arc::downgrade(store), options.scrub_bytes_per_second, stop.clone());
        let run = move || run(&store, every, pace, &until);
        let thread = std::thread::Builder::new().name("nigh scrubber".into()).spawn(run);
        Ok(Self { stop, thread: Some(thread.map_err(doing("start a thread for", Path::new("scrubbing")))?) })
    }
}

impl Drop for Scrubber {
    fn drop(&mut self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        // The last handle of a store may go in this very thread.
        let here = std::thread::current().id();
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != here)
            && thread.join().is_err()
        {
            tracing::error!("the scrubber had panicked");
        }
    }
}

fn run(store: &Weak<Store>, every: Duration, bytes_per_second: Option<u64>, stop: &(Mutex<bool>, Condvar)) {
    let mut wait = every.min(FIRST_AFTER);
    loop {
        let mut stopped = stop.0.lock();
        let due = Instant::now() + wait;
        while !*stopped && Instant::now() < due {
            stop.1.wait_until(&mut stopped, due);
        }
        if *stopped {
            return;
        }
        drop(stopped);
        let Some(store) = store.upgrade() else { return };
        // While somebody else scrubs, nothing has to be done.
        if let Ok(all) = store.scrub(None, bytes_per_second, &|| false) {
            let (files, bytes) = all.iter().fold((0, 0), |(files, bytes), one| (files + one.files, bytes + one.bytes));
            tracing::info!(collections = all.len(), files, bytes, "scrubbed");
        }
        wait = every;
    }
}
