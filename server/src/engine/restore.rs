//! Restores: a new collection of a backup, and of the archived log behind it up to a moment.
//!
//! ```text
//! the newest backup that holds the collection at or before the moment -> its files -> the archive's pieces behind it
//! ```

use crate::engine::Engine;
use crate::engine::backup::{Progress, Seen};
use crate::engine::error::{Error, Result};
use crate::engine::target::Target;
use bytes::Bytes;
use nigh_storage::archive::Until;
use nigh_storage::backup::{BackedUp, Incoming, Stored};
use nigh_storage::store::restore::{Pieces, Restored};
use std::cell::RefCell;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What to restore.
#[derive(Clone, Debug)]
pub struct Restore {
    /// The backup; empty: the newest one that fits.
    pub backup: String,
    /// The collection, as the backup calls it.
    pub collection: String,
    /// The name of the new collection; empty: the same.
    pub into: String,
    /// The moment.
    pub until: Until,
}

/// What a restore came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Done {
    /// The backup that was taken.
    pub backup: String,
    /// The new collection.
    pub collection: String,
    /// What it is.
    pub restored: Restored,
}

/// Errors of the pieces, beside those of the storage: a damaged backup is told by the name of its file.
enum Failed {
    Engine(Error),
    Storage(nigh_storage::error::Error),
}

impl From<nigh_storage::error::Error> for Failed {
    fn from(err: nigh_storage::error::Error) -> Self {
        Self::Storage(err)
    }
}

impl From<Error> for Failed {
    fn from(err: Error) -> Self {
        Self::Engine(err)
    }
}

impl Failed {
    fn told(self) -> Error {
        match self {
            Self::Engine(err) => err,
            // A path that is not absolute is one of the target, not of this machine.
            Self::Storage(nigh_storage::error::Error::Corrupt { path, why, .. }) if path.is_relative() => {
                Error::Damaged(format!("{}: {why}", path.display()))
            }
            Self::Storage(err) => err.into(),
        }
    }
}

impl Engine {
    /// Restores a collection; nothing that is there is touched.
    pub async fn restore(self: Arc<Self>, target: Arc<Target>, asked: Restore, seen: Seen) -> Result<Done> {
        let (backup, from) = target.find(&asked).await?;
        let archive = match asked.until {
            Until::Backup => Vec::new(),
            _ => target.archive_of(&from).await?,
        };
        let collection = if asked.into.is_empty() { asked.collection.clone() } else { asked.into.clone() };
        let progress = Progress {
            collection: collection.clone(),
            files: (0, from.files.len() as u64),
            bytes: (0, from.bytes()),
            bytes_reused: 0,
        };
        let (name, engine, handle) = (collection.clone(), self, Handle::current());
        let work = move || {
            let bringing = Bringing { target: &target, handle: &handle, progress, seen };
            bringing.restore(&engine, &name, &from, asked.until, archive)
        };
        let restored = tokio::task::spawn_blocking(work).await.map_err(|_| Error::Internal("the restore failed"))??;
        Ok(Done { backup, collection, restored })
    }
}

struct Bringing<'t> {
    target: &'t Target,
    handle: &'t Handle,
    progress: Progress,
    seen: Seen,
}

impl Bringing<'_> {
    fn restore(
        mut self,
        engine: &Engine,
        name: &str,
        from: &BackedUp,
        until: Until,
        archive: Vec<String>,
    ) -> Result<Restored> {
        let (target, handle) = (self.target, self.handle);
        let bringing = RefCell::new(&mut self);
        let mut fetch = |stored: &Stored, incoming: &mut Incoming<'_>| bringing.borrow_mut().fetch(stored, incoming);
        let mut keys = archive.into_iter();
        let mut next_log = || match keys.next() {
            None => Ok(None),
            Some(key) => {
                bringing.borrow_mut().wanted()?;
                Ok(Some(handle.block_on(target.read(&key))?))
            }
        };
        let mut pieces = Pieces { fetch: &mut fetch, next_log: &mut next_log };
        engine.store.restore(name, from, until, &mut pieces).map_err(Failed::told)
    }

    /// An error where nobody waits for it any more.
    fn wanted(&mut self) -> Result<()> {
        if (self.seen)(&self.progress) { Ok(()) } else { Err(Error::Gone) }
    }

    fn fetch(&mut self, stored: &Stored, incoming: &mut Incoming<'_>) -> std::result::Result<(), Failed> {
        self.wanted()?;
        let key = format!("files/{}", stored.key());
        let (progress, seen) = (&mut self.progress, &mut self.seen);
        let mut failed = None;
        let mut see = |piece: Bytes| {
            progress.bytes.0 += piece.len() as u64;
            if let Err(err) = incoming.write(&piece) {
                failed = Some(err);
                return Err(Error::Gone);
            }
            if seen(progress) { Ok(()) } else { Err(Error::Gone) }
        };
        let read = self.handle.block_on(self.target.stream(&key, &mut see));
        if let Some(err) = failed {
            return Err(err.into());
        }
        match read {
            Err(Error::Missing { .. }) => return Err(Error::Damaged(format!("{key} is missing")).into()),
            read => read?,
        }
        self.progress.files.0 += 1;
        Ok(self.wanted()?)
    }
}

impl Target {
    /// The backup that was asked for, or the newest that holds the collection at or before the moment.
    async fn find(&self, asked: &Restore) -> Result<(String, BackedUp)> {
        let ids: Vec<String> = match asked.backup.is_empty() {
            false => vec![asked.backup.clone()],
            true => self.list("backups").await?.into_iter().rev().map(|one| one.name).collect(),
        };
        let mut why = None;
        for id in ids {
            let backup = match self.backup(&id).await {
                Ok(backup) => backup,
                // Another one may do, where none was asked for by name.
                Err(err @ Error::Damaged(_)) if asked.backup.is_empty() => {
                    tracing::error!(backup = id, %err, "a backup cannot be read; an older one is tried");
                    continue;
                }
                Err(Error::Missing { .. }) => return Err(Error::Missing { what: "backup", name: id }),
                Err(err) => return Err(err),
            };
            let held = backup.collections.into_iter().find(|one| one.collection == asked.collection);
            match held {
                Some(one) if reaches(&one, asked.until) => return Ok((id, one)),
                Some(_) => why = Some("no backup is at or before that moment"),
                None => {}
            }
        }
        match why {
            Some(limit) => Err(Error::invalid("until", format!("{:?}", asked.until), limit)),
            None => {
                Err(Error::Missing { what: "backup of collection", name: asked.collection.chars().take(128).collect() })
            }
        }
    }

    /// The pieces of the archive that hold operations behind this backup, in order.
    async fn archive_of(&self, from: &BackedUp) -> Result<Vec<String>> {
        let folder = format!("archive/{}", from.version.manifest.collection);
        let behind = |name: &str| piece_end(name).is_some_and(|last| last > from.version.seq());
        let pieces = self.list(&folder).await?.into_iter().filter(|one| behind(&one.name));
        Ok(pieces.map(|one| format!("{folder}/{}", one.name)).collect())
    }
}

/// Whether the moment is not before this backup.
fn reaches(one: &BackedUp, until: Until) -> bool {
    match until {
        Until::Backup | Until::Newest => true,
        Until::Seq(seq) => one.version.seq() <= seq,
        Until::TimeMs(time_ms) => one.version.manifest.time_ms <= time_ms,
    }
}

/// The last operation of a piece, by its name.
pub(crate) fn piece_end(name: &str) -> Option<u64> {
    name.strip_suffix(".log")?.split_once('-')?.1.parse().ok()
}
