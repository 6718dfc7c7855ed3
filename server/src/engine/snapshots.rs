//! Snapshots of single collections, each a file on this server's own shelf: made, listed, read, removed, taken back.
//!
//! ```text
//! hold the newest state -> read every file -> one archive, whole or not there        (nigh_storage::snapshot_file, ::shelf)
//! an archive -> checked while it is laid down beside -> opened, read whole -> in the place of the collection
//! ```
//!
//! No request names a place: a snapshot is called by its name, or its bytes come with the request. One work at a time
//! reads or writes whole collections; it ends when its caller goes away, or the server stops.

use crate::engine::Engine;
use crate::engine::access::Access;
use crate::engine::error::{Error, Result};
use crate::engine::pool::{Deadline, Pool};
use bytes::Bytes;
use nigh_storage::backup::{Incoming, Stored};
use nigh_storage::collection::Collection;
use nigh_storage::disk::FsDisk;
use nigh_storage::error::Error as Storage;
use nigh_storage::shelf::{Arriving, Shelf, Shelved, new_name};
use nigh_storage::snapshot_file::{Packing, Unpacking};
use nigh_storage::store::restore::{Pieces, Restored};
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Callers that may wait for their turn.
const QUEUED: usize = 16;
/// Snapshots that arrive at once; more are refused.
const UPLOADS: usize = 2;
/// Snapshots that are read at once; more are refused.
const DOWNLOADS: usize = 16;
/// A snapshot is read and written by so many bytes.
const PIECE: usize = 1 << 20;
/// Whether there is room on the disk is asked whenever so many bytes more have arrived.
const ROOM_EVERY: u64 = 64 << 20;
/// Who is refused should try again after about this time.
const RETRY_MS: u64 = 5_000;

/// Where a server keeps its snapshots, and what it does with them at once.
pub struct Snapshots {
    shelf: Shelf,
    works: Pool,
    uploads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    upload_bytes_max: u64,
    stopping: AtomicBool,
}

/// What a collection is taken back from.
pub enum Origin {
    /// A snapshot of this server: its collection, and its name.
    Kept(String, String),
    /// One that came with the request.
    Uploaded(Uploaded),
}

impl Snapshots {
    /// Over a shelf that nobody else uses; an upload has at most so many bytes.
    pub fn new(shelf: Shelf, upload_bytes_max: u64) -> Self {
        Self {
            shelf,
            works: Pool::new("the queue of snapshots", 1, QUEUED),
            uploads: Arc::new(Semaphore::new(UPLOADS)),
            downloads: Arc::new(Semaphore::new(DOWNLOADS)),
            upload_bytes_max,
            stopping: AtomicBool::new(false),
        }
    }

    /// Ends what is being done.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// An error where nobody waits for the work any more.
    fn wanted(&self, deadline: &Deadline) -> Result<()> {
        match self.stopping.load(Ordering::Relaxed) {
            true => Err(Error::Unavailable("the server is stopping".to_owned())),
            false => deadline.check(),
        }
    }

    /// The same in the words of the storage, whose error is told no further: what it stands for is asked again.
    fn goes_on(&self, deadline: &Deadline) -> nigh_storage::error::Result<()> {
        self.wanted(deadline).map_err(|_| Storage::Closed { name: "(a snapshot)".to_owned() })
    }
}

impl Engine {
    fn snapshots(&self) -> Result<&Snapshots> {
        self.snapshots.as_ref().ok_or_else(|| Error::Unavailable("this server keeps no snapshots".to_owned()))
    }

    /// The collection whose snapshots are spoken of; it may be gone.
    fn snapshots_of(&self, name: &str) -> Result<String> {
        let found = self.resolved(name);
        self.permit(name, &found)?;
        Ok(found)
    }

    /// Makes a snapshot of the newest state of a collection.
    pub async fn create_snapshot(self: Arc<Self>, name: String, deadline: &Deadline) -> Result<Shelved> {
        let collection = self.collection(&name)?;
        let (engine, until) = (self.clone(), deadline.clone());
        self.snapshots()?.works.run(deadline, move || engine.pack(&collection, &until)).await
    }

    fn pack(&self, collection: &Collection, until: &Deadline) -> Result<Shelved> {
        let (snapshots, name) = (self.snapshots()?, collection.name());
        let time_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let (id, note) = (new_name(name, time_ms), self.store.note(name).unwrap_or_default());
        let mut wanted = || snapshots.goes_on(until);
        let pack = || {
            let hold = collection.hold()?;
            let packing = Packing::of(&hold, &FsDisk, name, (&id, time_ms), note, &mut wanted)?;
            self.store.admit_at(snapshots.shelf.root(), packing.bytes())?;
            snapshots.shelf.lay(name, &id, |path, out| packing.write(&FsDisk, path, out, &mut wanted))
        };
        let packed = pack();
        packed.or_else(|err| snapshots.wanted(until).and(Err(err.into())))
    }

    /// The snapshots of a collection, the oldest first, also of one that is gone.
    pub async fn list_snapshots(self: Arc<Self>, name: String, deadline: &Deadline) -> Result<Vec<Shelved>> {
        let (engine, of) = (self.clone(), self.snapshots_of(&name)?);
        let work = move || {
            let all = engine.snapshots()?.shelf.list(&of)?;
            match engine.store.collection(&of) {
                Err(err @ Storage::Missing { .. }) if all.is_empty() => Err(err.into()),
                _ => Ok(all),
            }
        };
        self.reads.run(deadline, work).await
    }

    /// Removes a snapshot; [`Error::Missing`] where there is none of this name.
    pub async fn delete_snapshot(self: Arc<Self>, name: String, snapshot: String, deadline: &Deadline) -> Result<()> {
        let (engine, of) = (self.clone(), self.snapshots_of(&name)?);
        let work = move || match engine.snapshots()?.shelf.remove(&of, &snapshot)? {
            true => Ok(()),
            false => Err(Error::Missing { what: "snapshot", name: snapshot.chars().take(255).collect() }),
        };
        self.writes.run(deadline, work).await
    }

    /// The bytes of a snapshot, to be sent away.
    pub async fn read_snapshot(
        self: Arc<Self>,
        name: String,
        snapshot: String,
        deadline: &Deadline,
    ) -> Result<Download> {
        let (engine, of) = (self.clone(), self.snapshots_of(&name)?);
        let place = self
            .snapshots()?
            .downloads
            .clone()
            .try_acquire_owned()
            .map_err(|_| taken("reading snapshots", DOWNLOADS))?;
        let work = move || {
            let shelf = &engine.snapshots()?.shelf;
            let (path, bytes) = shelf.find(&of, &snapshot)?;
            Ok((bytes, shelf.read(&path)?))
        };
        let (bytes, file) = self.reads.run(deadline, work).await?;
        Ok(Download { bytes, file: Some(file), access: Access::current(), _place: place })
    }

    /// Begins to take a snapshot that comes with a request, for a collection of this name.
    pub async fn receive_snapshot(self: Arc<Self>, name: &str, deadline: &Deadline) -> Result<Upload> {
        self.snapshots_of(name)?;
        let engine = self.clone();
        let place = self
            .snapshots()?
            .uploads
            .clone()
            .try_acquire_owned()
            .map_err(|_| taken("uploads of snapshots", UPLOADS))?;
        let arriving = self.writes.run(deadline, move || Ok(engine.snapshots()?.shelf.arriving()?)).await?;
        Ok(Upload { engine: self, waiting: Vec::new(), bytes: 0, file: Some(Uploaded { arriving, _place: place }) })
    }

    /// Makes a collection of what a snapshot holds, in the place of the one of this name, where there is one. With a
    /// checksum (SHA-256, in hexadecimal digits) the snapshot's file has to have that.
    pub async fn recover_snapshot(
        self: Arc<Self>,
        into: String,
        origin: Origin,
        checksum: Option<String>,
        deadline: &Deadline,
    ) -> Result<Restored> {
        let found = self.snapshots_of(&into)?;
        if let Origin::Kept(collection, _) = &origin {
            self.permit(collection, collection)?;
        }
        let (engine, until) = (self.clone(), deadline.clone());
        let work = move || {
            let before = engine.store.collection(&found).ok().map(|collection| collection.id());
            let restored = engine.unpack(&found, origin, checksum.as_deref(), &until)?;
            before.into_iter().for_each(|id| engine.recalls.forget(id, None));
            Ok(restored)
        };
        self.snapshots()?.works.run(deadline, work).await
    }

    fn unpack(&self, into: &str, origin: Origin, checksum: Option<&str>, until: &Deadline) -> Result<Restored> {
        let snapshots = self.snapshots()?;
        let mut wanted = || snapshots.goes_on(until);
        let mut unpack = || {
            let (path, bytes, sha256) = match &origin {
                Origin::Kept(collection, name) => {
                    let (path, bytes) = snapshots.shelf.find(collection, name)?;
                    let sha256 = checksum.map(|_| snapshots.shelf.sha256(&path, &mut wanted)).transpose()?;
                    (path, bytes, sha256)
                }
                Origin::Uploaded(upload) => {
                    let (bytes, sha256) = upload.arriving.sum()?;
                    (upload.arriving.path().to_owned(), bytes, Some(sha256))
                }
            };
            if let (Some(asked), Some(found)) = (checksum, &sha256)
                && !asked.eq_ignore_ascii_case(found)
            {
                let limit = format!("the SHA-256 of the snapshot is {found}");
                return Err(Storage::invalid(
                    "checksum",
                    format!("`{}`", asked.chars().take(64).collect::<String>()),
                    limit,
                ));
            }
            let file = BufReader::with_capacity(PIECE, snapshots.shelf.read(&path)?);
            let (from, note, mut files) = Unpacking::begin(Path::new("snapshot"), file, bytes)?.parts();
            let mut fetch = |stored: &Stored, incoming: &mut Incoming<'_>| {
                files.fetch(stored, incoming, &mut || snapshots.goes_on(until))
            };
            let mut pieces = Pieces { fetch: &mut fetch, next_log: &mut || Ok(None) };
            self.store.restore_over(into, &from, note, &mut pieces)
        };
        let unpacked = unpack();
        unpacked.or_else(|err| snapshots.wanted(until).and(Err(told(err))))
    }
}

/// What reads a snapshot fails at is the mistake of who brought it. No path of this machine is told.
fn told(err: Storage) -> Error {
    match err {
        Storage::Corrupt { path, at, why } => {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            Error::invalid("snapshot", "not what it should be", format!("{file} at byte {at}: {why}"))
        }
        Storage::Newer { .. } | Storage::Older { .. } => {
            Error::invalid("snapshot", "of another version of nigh", "this one does not read its files")
        }
        other => other.into(),
    }
}

fn taken(what: &'static str, most: usize) -> Error {
    Error::Full { what, got: most as u64, limit: most as u64, retry_ms: RETRY_MS }
}

/// A snapshot that is being read.
pub struct Download {
    bytes: u64,
    /// Not there while a piece is read.
    file: Option<Box<dyn Read + Send>>,
    access: Option<Arc<Access>>,
    _place: OwnedSemaphorePermit,
}

impl Download {
    /// All of its bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next of them; none at its end. Ends with an error where the caller may no more.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        if let Some(Err(why)) = self.access.as_ref().map(|access| access.still()) {
            return Err(Error::Forbidden(why));
        }
        let Some(mut file) = self.file.take() else { return Ok(None) };
        let read = move || {
            let mut piece = Vec::with_capacity(PIECE);
            (&mut file).take(PIECE as u64).read_to_end(&mut piece).map(|_| (file, piece))
        };
        let failed = |_| Error::Internal("reading a snapshot failed");
        let (file, piece) = tokio::task::spawn_blocking(read).await.map_err(failed)?.map_err(|err| {
            tracing::error!(%err, "a snapshot could not be read");
            Error::Internal("the disk or the operating system failed")
        })?;
        self.file = Some(file);
        Ok((!piece.is_empty()).then(|| piece.into()))
    }
}

/// A snapshot that is being uploaded; what came of it goes when it is dropped.
pub struct Upload {
    engine: Arc<Engine>,
    /// Bytes that came and are not in the file yet.
    waiting: Vec<u8>,
    bytes: u64,
    /// Not there while it is written to.
    file: Option<Uploaded>,
}

/// A snapshot that was uploaded.
pub struct Uploaded {
    arriving: Arriving,
    _place: OwnedSemaphorePermit,
}

impl Upload {
    /// The next bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let most = self.engine.snapshots()?.upload_bytes_max;
        self.bytes += bytes.len() as u64;
        if self.bytes > most {
            let limit = format!("an upload has at most {} MiB (snapshots.upload_max_mib)", most >> 20);
            return Err(Error::invalid("snapshot", "longer than that", limit));
        }
        self.waiting.extend_from_slice(bytes);
        match self.waiting.len() >= PIECE {
            true => self.put().await,
            false => Ok(()),
        }
    }

    async fn put(&mut self) -> Result<()> {
        let lost = || Error::Internal("writing a snapshot failed");
        let (engine, bytes, mut file) =
            (self.engine.clone(), std::mem::take(&mut self.waiting), self.file.take().ok_or_else(lost)?);
        let write = move || -> Result<_> {
            let (before, after) = (file.arriving.bytes(), file.arriving.bytes() + bytes.len() as u64);
            if before == 0 || before / ROOM_EVERY != after / ROOM_EVERY {
                let snapshots = engine.snapshots()?;
                snapshots.wanted(&Deadline::default())?;
                engine.store.admit_at(snapshots.shelf.root(), ROOM_EVERY)?;
            }
            file.arriving.write(&bytes)?;
            Ok(file)
        };
        self.file = Some(tokio::task::spawn_blocking(write).await.map_err(|_| lost())??);
        Ok(())
    }

    /// That was all.
    pub async fn finish(mut self) -> Result<Uploaded> {
        self.put().await?;
        let lost = || Error::Internal("writing a snapshot failed");
        let mut file = self.file.take().ok_or_else(lost)?;
        let finish = move || file.arriving.finish().map(|()| file);
        Ok(tokio::task::spawn_blocking(finish).await.map_err(|_| lost())??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_brings_a_damaged_snapshot_hears_what_is_wrong_and_not_where_data_lies() {
        for (err, says) in [
            (Storage::corrupt("snapshot", 512, "it is cut off"), "snapshot at byte 512: it is cut off"),
            (
                Storage::corrupt("/secret/segments/0000000001/ids", 7, "its sums differ"),
                "ids at byte 7: its sums differ",
            ),
            (Storage::Newer { path: "/secret/ids".into(), got: 9, known: 1 }, "another version"),
        ] {
            let told = told(err);
            assert!(matches!(told, Error::Invalid { .. }), "{told}");
            let text = told.to_string();
            assert!(text.contains(says) && !text.contains("secret"), "{text}");
        }
    }
}
