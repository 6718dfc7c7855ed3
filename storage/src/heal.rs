//! What a collection does when its disk fails: it refuses writes, and mends itself.
//!
//! ```text
//! a group could not be logged, or a manifest not be named
//!   -> the callers are told what is known of their writes
//!   -> no write is taken, reads go on
//!   -> the writer tries, with growing pauses: the manifest anew -> the log in a new file
//! ```
//!
//! What is in memory is what was acknowledged, so the disk is made to say the same, by files that
//! were never written to before. No sync that failed is tried again: it could succeed without
//! meaning anything. What was told to be unknown is left out, and stands only if the process ends
//! before this is done.

use crate::collection::Inner;
use crate::error::{Error, Result, doing};
use crate::manifest::Manifest;
use crate::segment;
use crate::space;
use crate::wal::Record;
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Whether the disk is known to hold what memory holds.
///
/// It is made ill under the lock of what failed, the manifest or the log, and well under both.
#[derive(Default)]
pub(crate) struct Health {
    illness: Mutex<Option<Illness>>,
}

struct Illness {
    why: String,
    /// Whether nobody knows which manifest a crash would find.
    manifest: bool,
    /// Segments that only the manifest names that may or may not have been saved.
    orphans: Vec<u64>,
    pause: Duration,
    next_try: Instant,
}

impl Health {
    fn fall_ill(&self, why: &str, pause: Duration) -> MutexGuard<'_, Option<Illness>> {
        let mut illness = self.illness.lock();
        illness.get_or_insert_with(|| {
            let next_try = Instant::now() + pause;
            Illness { why: why.to_owned(), manifest: false, orphans: Vec::new(), pause, next_try }
        });
        illness
    }

    /// When healing is to be tried, if there is something to heal.
    pub(crate) fn next_try(&self) -> Option<Instant> {
        self.illness.lock().as_ref().map(|illness| illness.next_try)
    }
}

impl Inner {
    /// Appends a group, and syncs it where that was asked for. One that gives room back may use the
    /// ballast.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] where the group may be kept or not; otherwise it is not.
    pub(crate) fn log_group(&self, records: &[Record], sync: bool, gives_back: bool) -> Result<Duration> {
        let mut log = self.log.lock();
        let mut logged = log.append(records);
        if gives_back && matches!(&logged, Err(Error::Io { source, .. }) if space::is_full(source)) {
            logged = if self.space.spend_ballast() { log.append(records) } else { logged };
        }
        let appended = Instant::now();
        let logged = logged.and_then(|()| if sync { self.counters.sync_times.of(|| log.sync()) } else { Ok(()) });
        let synced = if sync { appended.elapsed() } else { Duration::ZERO };
        if let Err(err) = logged {
            if let Some(why) = log.broken().map(str::to_owned) {
                log.abandon(records.first().map_or(u64::MAX, |first| first.first_seq));
                self.note_illness(&why);
            }
            return Err(self.explained(err));
        }
        if sync {
            self.counters.syncs.fetch_add(1, Ordering::Relaxed);
            if let Some(last) = records.last() {
                self.counters.durable_seq.fetch_max(last.end_seq() - 1, Ordering::Relaxed);
            }
        }
        Ok(synced)
    }

    /// Syncs what was logged without a sync.
    pub(crate) fn sync_log(&self) -> Result<Duration> {
        let begun = Instant::now();
        let seq = self.snapshot().seq;
        let mut log = self.log.lock();
        match self.counters.sync_times.of(|| log.sync()) {
            Ok(()) => {
                self.counters.syncs.fetch_add(1, Ordering::Relaxed);
                self.counters.durable_seq.fetch_max(seq, Ordering::Relaxed);
                Ok(begun.elapsed())
            }
            Err(err) => {
                if let Some(why) = log.broken() {
                    self.note_illness(why);
                }
                Err(self.explained(err))
            }
        }
    }

    /// Marks what was synced (see [`crate::wal`]).
    pub(crate) fn mark_log(&self) {
        let mut log = self.log.lock();
        if log.broken().is_none() && log.mark().is_err() {
            // What it would have said holds; on a full disk it is left out.
            if let Some(why) = log.broken() {
                self.note_illness(why);
            }
        }
    }

    /// Saves the manifest. Where it was not written, nothing changed. Where it could not be given its
    /// name, nobody knows which one a crash would find: both the old and the new files stay, and the
    /// collection has to heal.
    pub(crate) fn save_manifest(&self, current: &mut Manifest, mut next: Manifest) -> Result<()> {
        next.next_segment = self.next_segment.load(Ordering::Relaxed);
        next.write_beside(&*self.disk, &self.folder).map_err(|err| self.explained(err))?;
        if let Err(err) = Manifest::put_in_place(&*self.disk, &self.folder) {
            let known = |number: &u64| current.segments.iter().any(|entry| entry.number == *number);
            let orphans = next.segments.iter().map(|entry| entry.number).filter(|number| !known(number));
            self.note_illness(&err.to_string());
            if let Some(illness) = &mut *self.health.fall_ill("", Duration::ZERO) {
                illness.manifest = true;
                illness.orphans.extend(orphans);
            }
            return Err(err);
        }
        *current = next;
        Ok(())
    }

    fn note_illness(&self, why: &str) {
        tracing::error!(collection = self.name, why, "the disk failed: no writes until it answers again");
        drop(self.health.fall_ill(why, self.options.heal_after));
    }

    /// Why no write is taken, where none is.
    pub(crate) fn poisoned(&self) -> Option<Error> {
        let why = self.health.illness.lock().as_ref()?.why.clone();
        Some(Error::Poisoned { name: self.name.clone(), why })
    }

    /// Heals where that is due; an error where there is still something to heal. Called by the
    /// writer alone, so that nothing is appended meanwhile.
    pub(crate) fn heal(&self) -> Result<()> {
        match self.health.next_try() {
            None => Ok(()),
            Some(at) if at > Instant::now() => self.poisoned().map_or(Ok(()), Err),
            Some(_) => self.heal_now(),
        }
    }

    /// As [`Self::heal`], whether it is due or not.
    pub(crate) fn heal_now(&self) -> Result<()> {
        let mut manifest = self.manifest.lock();
        let mut log = self.log.lock();
        let Some((unsure, orphans)) =
            self.health.illness.lock().as_ref().map(|illness| (illness.manifest, illness.orphans.clone()))
        else {
            return Ok(());
        };
        let saved = if unsure { self.save_again(&mut manifest) } else { Ok(()) };
        match saved.and_then(|()| log.renew()) {
            Ok(renewed) => {
                if renewed {
                    self.counters.durable_seq.fetch_max(self.snapshot().seq, Ordering::Relaxed);
                }
                *self.health.illness.lock() = None;
                drop((manifest, log));
                self.remove_orphans(&orphans);
                tracing::info!(collection = self.name, "the disk answers again: writes are taken");
                Ok(())
            }
            Err(err) => {
                let err = self.explained(err);
                if let Some(illness) = &mut *self.health.illness.lock() {
                    illness.why = err.to_string();
                    illness.pause = (illness.pause * 2).min(PAUSE_MAX);
                    illness.next_try = Instant::now() + illness.pause;
                }
                tracing::warn!(collection = self.name, %err, "the disk does not answer yet");
                Err(self.poisoned().unwrap_or(err))
            }
        }
    }

    /// Puts the manifest that memory holds in the place of whichever is there, and reads it back.
    fn save_again(&self, current: &mut Manifest) -> Result<()> {
        current.next_segment = self.next_segment.load(Ordering::Relaxed);
        current.save(&*self.disk, &self.folder)?;
        if Manifest::load(&*self.disk, &self.folder)? != *current {
            let path = self.folder.join(crate::manifest::FILE_NAME);
            return Err(Error::corrupt(path, 0, "the manifest read back is not the one that was written"));
        }
        Ok(())
    }

    /// Gives back a segment that was built and not installed, unless a manifest may name it whose place on the disk is not
    /// known: then healing decides.
    pub(crate) fn discard(&self, number: u64) {
        let manifest = self.manifest.lock();
        let unsure = self.health.illness.lock().as_ref().is_some_and(|illness| illness.orphans.contains(&number));
        let folder = segment::folder(&self.folder, number);
        if unsure || manifest.segments.iter().any(|entry| entry.number == number) {
            return;
        }
        match self.disk.remove_dir(&folder) {
            Err(err) if err.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(collection = self.name, %err, "what was built in vain could not be removed");
            }
            _ => {}
        }
    }

    /// Gives back what was built for a manifest that does not stand.
    fn remove_orphans(&self, orphans: &[u64]) {
        for number in orphans {
            let folder = segment::folder(&self.folder, *number);
            if let Err(err) = self.disk.remove_dir(&folder).map_err(doing("remove", &folder)) {
                tracing::warn!(collection = self.name, %err, "what was built in vain could not be removed");
            }
        }
    }

    /// Gives an error of the log or the manifest its collection's name, and a full disk its numbers.
    pub(crate) fn explained(&self, err: Error) -> Error {
        let name = self.name.clone();
        match err {
            Error::Unknown { why, .. } => Error::Unknown { name, why },
            Error::Poisoned { why, .. } => Error::Poisoned { name, why },
            other => space::explained(&*self.disk, other),
        }
    }
}

/// What another caller of the same group hears.
pub(crate) fn told_too(err: &Error, name: &str) -> Error {
    let name = name.to_owned();
    match err {
        Error::Unknown { why, .. } => Error::Unknown { name, why: why.clone() },
        Error::NoSpace { path, free, needed } => Error::NoSpace { path: path.clone(), free: *free, needed: *needed },
        Error::Poisoned { why, .. } => Error::Poisoned { name, why: why.clone() },
        other => Error::Poisoned { name, why: other.to_string() },
    }
}
