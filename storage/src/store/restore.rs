//! A collection made again of a backup, and of the log that was archived after it.
//!
//! ```text
//! files, each checked as it comes -> manifest -> records of the archive -> log -> opened, verified, closed -> catalog -> opened
//! ```
//!
//! The catalog names it when it is whole and was opened once; until then a crash leaves a folder that
//! the next start removes. Where it takes the place of another one, the catalog is what changes from the one to the
//! other: a crash finds the old one whole, or the new one.

use super::{COLLECTIONS_MAX, Opened, Options, Slot, Store};
use crate::archive::{self, Until};
use crate::backup::{self, BackedUp, Incoming, Stored};
use crate::error::{Error, Result, doing};
use crate::frame::{self, Kind};
use crate::opening::Progress;
use crate::reading::Reading;
use crate::recover;
use crate::space;
use crate::wal::Log;
use bytes::Bytes;
use std::path::Path;
use uuid::Uuid;

/// Records of the archive are written to the new log in groups of about this many bytes.
const GROUP_BYTES: usize = 8 << 20;

/// Where the pieces of a restored collection come from. Both may block.
pub struct Pieces<'a, E> {
    /// Hands a file over.
    pub fetch: &'a mut dyn FnMut(&Stored, &mut Incoming<'_>) -> std::result::Result<(), E>,
    /// The next piece of the archived log, in order; `None` after the last one.
    pub next_log: &'a mut dyn FnMut() -> std::result::Result<Option<Bytes>, E>,
}

/// What was restored.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// The last operation that is part of it.
    pub seq: u64,
    /// Its points.
    pub points: u64,
}

/// What becomes of a collection that has the name already.
enum As {
    /// It stays, and the new one is refused.
    New,
    /// The new one takes its place, with this note.
    Instead { note: String },
}

impl Store {
    /// Makes a new collection of what a backup holds, and of the archived log behind it up to a moment.
    ///
    /// # Errors
    ///
    /// [`Error::Taken`] where there is a collection of this name; [`Error::Corrupt`] with the file of the
    /// backup that is not what it should be; what the pieces' source and the disk answer. No collection is
    /// created then.
    pub fn restore<E: From<Error>>(
        &self,
        name: &str,
        from: &BackedUp,
        until: Until,
        pieces: &mut Pieces<'_, E>,
    ) -> std::result::Result<Restored, E> {
        self.restore_as(name, from, until, pieces, As::New)
    }

    /// Makes a collection of what a backup holds, in the place of the one that has this name, where there is one: whatever
    /// was read of that goes on to its end, and its aliases stand for the new one. Beside it is noted what `note` says.
    ///
    /// # Errors
    ///
    /// As [`Self::restore`]; where the catalog could not be replaced, and nobody knows which of the two it names, the old one
    /// is quarantined until the next start, or until this is done again.
    pub fn restore_over<E: From<Error>>(
        &self,
        name: &str,
        from: &BackedUp,
        note: String,
        pieces: &mut Pieces<'_, E>,
    ) -> std::result::Result<Restored, E> {
        self.restore_as(name, from, Until::Backup, pieces, As::Instead { note })
    }

    fn restore_as<E: From<Error>>(
        &self,
        name: &str,
        from: &BackedUp,
        until: Until,
        pieces: &mut Pieces<'_, E>,
        how: As,
    ) -> std::result::Result<Restored, E> {
        backup::check(name, from)?;
        self.may_restore(name, &how)?;
        // What is there comes before what could be there again.
        self.space.admit_merge(from.bytes(), 0)?;
        {
            // A directory without a catalog may hold no collection, nor what will be one.
            let _changing = self.changing.lock();
            self.save(&self.catalog())?;
        }
        let folder = Uuid::new_v4();
        let mut named = false;
        let made = self.make((name, how), folder, from, until, pieces, &mut named);
        // A catalog that failed to be saved may name it all the same: the next open decides.
        if made.is_err()
            && !named
            && let Err(err) = self.disk.remove_dir(&self.folder(folder))
        {
            tracing::warn!(%err, "what was restored in part could not be removed; the next start does");
        }
        made
    }

    fn make<E: From<Error>>(
        &self,
        (name, how): (&str, As),
        folder: Uuid,
        from: &BackedUp,
        until: Until,
        pieces: &mut Pieces<'_, E>,
        named: &mut bool,
    ) -> std::result::Result<Restored, E> {
        let root = self.folder(folder);
        backup::lay_down(&*self.disk, &root, folder, from, pieces.fetch)?;
        let seq = self.replay(&root, from, until, pieces)?;
        // Opened, read whole and closed once before anybody is told of it.
        let options = Options { reading: Reading::First, ..self.options.clone() };
        let found = recover::open(&root, name, options, self.space.clone(), &Progress::default())?.snapshot();
        let points = found.points();
        if found.seq != seq || (seq == from.version.seq() && points != from.version.points) {
            let why =
                format!("{points} points at operation {}; the backup says {} at {seq}", found.seq, from.version.points);
            return Err(Error::corrupt("(a backup)", 0, why).into());
        }
        drop(found);
        self.disk.sync_dir(&self.root).map_err(doing("sync", &self.root))?;
        self.enter(name, folder, how, named)?;
        Ok(Restored { seq, points })
    }

    /// Opens what was laid down, and has the catalog name it; sets `named` from when on it may be found under that name.
    fn enter(&self, name: &str, folder: Uuid, how: As, named: &mut bool) -> Result<()> {
        let _changing = self.changing.lock();
        self.may_restore(name, &how)?;
        let mut catalog = self.catalog();
        let before = catalog.collections.insert(name.to_owned(), folder);
        if let As::Instead { note } = how {
            catalog.names.put_note(name, note);
        }
        let opened = self.open_one(name, folder, &Progress::default())?;
        let path = self.root.join("CATALOG");
        if let Err(err) = frame::write_beside(&*self.disk, &path, Kind::Catalog, &catalog.body()) {
            opened.close();
            return Err(space::explained(&*self.disk, err));
        }
        *named = true;
        if let Err(err) = frame::put_in_place(&*self.disk, &path) {
            opened.close();
            if let Some(before) = before {
                // The next open may find it or not: until then it takes no writes that could be lost so.
                let why = format!("another one was to take its place, and whether it did is not known: {err}");
                self.replace(|slot| slot.folder == before, Opened::Quarantined(why));
            }
            return Err(err);
        }
        let slot = Slot { folder, opened: Opened::Open(opened) };
        let left = self.collections.write().insert(name.to_owned(), slot);
        *self.names.write() = catalog.names;
        let Some(Slot { folder, opened }) = left else { return Ok(()) };
        if let Opened::Open(collection) = opened {
            collection.close();
        }
        if let Err(err) = self.disk.remove_dir(&self.folder(folder)) {
            // It is no longer in the catalog: the next open removes it.
            tracing::warn!(collection = name, %err, "the folder of a collection that was replaced could not be removed");
        }
        Ok(())
    }

    /// Refuses what would not fit on the disk that a path is on, besides what is kept free there.
    pub fn admit_at(&self, path: &Path, bytes: u64) -> Result<()> {
        self.space.admit_at(path, bytes)
    }

    /// Writes the archived records behind the backup to the log of the new collection; gives the last operation.
    fn replay<E: From<Error>>(
        &self,
        root: &Path,
        from: &BackedUp,
        until: Until,
        pieces: &mut Pieces<'_, E>,
    ) -> std::result::Result<u64, E> {
        let mut seq = from.version.seq();
        if until == Until::Backup {
            return Ok(seq);
        }
        let dir = recover::log_folder(root);
        let mut log = Log::start(self.disk.clone(), dir, seq + 1, self.options.log_file_bytes)?;
        let mut done = false;
        while !done && let Some(piece) = (pieces.next_log)()? {
            let (mut group, mut bytes) = (Vec::new(), 0);
            for record in archive::records(&piece)? {
                if record.end_seq() <= seq + 1 {
                    continue;
                }
                if !until.takes(&record) {
                    done = true;
                    break;
                }
                if record.first_seq != seq + 1 {
                    let why = format!("operations {} to {} are not in the archive", seq + 1, record.first_seq - 1);
                    return Err(Error::corrupt("archive", 0, why).into());
                }
                seq = record.end_seq() - 1;
                bytes += record.payload.len();
                group.push(record);
                if bytes >= GROUP_BYTES {
                    log.append(&std::mem::take(&mut group))?;
                    bytes = 0;
                }
            }
            log.append(&group)?;
        }
        log.sync()?;
        match until {
            Until::Seq(asked) if seq < asked => {
                let limit = format!("the backup and the archive reach to {seq}");
                Err(Error::invalid("until.seq", asked, limit).into())
            }
            _ => Ok(seq),
        }
    }

    fn may_restore(&self, name: &str, how: &As) -> Result<()> {
        let is_alias = self.aliases().contains_key(name);
        let collections = self.collections.read();
        let is_there = collections.contains_key(name);
        if is_there && matches!(how, As::Instead { .. }) {
            return Ok(());
        }
        if is_there || is_alias {
            return Err(Error::Taken { what: "collection", name: name.to_owned() });
        }
        if collections.len() >= COLLECTIONS_MAX {
            let (got, limit) = (COLLECTIONS_MAX as u64 + 1, COLLECTIONS_MAX as u64);
            return Err(Error::Full { what: "the catalog (collections)", got, limit, retry_ms: 1000 });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
