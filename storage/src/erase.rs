//! Making sure that what was deleted is gone from the disk, and saying what went.
//!
//! ```text
//! new log file -> checkpoint (live rows and dead ones as of now) -> segments with dead rows written anew -> old files gone
//! ```
//!
//! What is deleted by then stands in no file any more: not in a segment, not in the log, not in a list of words or
//! values. Files are removed, not written over: what a device keeps in blocks that are free is its own affair. Numbers
//! that were learnt from all vectors together (means, codebooks of other segments) are no copies of any of them.

use crate::collection::{Collection, Inner};
use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::merge;
use crate::pins::Pin;
use crate::recover::log_folder;
use crate::seal;
use crate::segment::folder;
use crate::wal::Log;
use std::collections::BTreeMap;
use std::path::Path;
use xxhash_rust::xxh3::Xxh3;

const REASON: &str = "an erasure was asked for";
/// An erasure that finds rows deleted since goes round again, so often at most: it speaks of those before it.
const ROUNDS_MAX: usize = 10_000;

/// What an erasure did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Erased {
    /// What was deleted by operations up to this one is gone.
    pub seq: u64,
    /// Rows that were deleted or replaced, and stood in the segments that were written anew.
    pub rows: u64,
    /// The segments that were written anew.
    pub segments: Vec<u64>,
    /// The files that went.
    pub removed: Vec<RemovedFile>,
    /// Files that are still there and may hold what was deleted: nobody but kept versions name them.
    pub left: Vec<String>,
    /// The versions that are kept and have files of their own.
    pub held_by: Vec<String>,
}

/// A file that went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemovedFile {
    /// Its path below the collection's folder.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// XXH3-64 of its body as the manifest had it; of its whole content for a file of the log.
    pub checksum: u64,
}

impl Collection {
    /// Removes all that was deleted or replaced until now from the disk, and waits for it. Writes go on meanwhile.
    ///
    /// # Errors
    ///
    /// What the disk says; then some of it may still be there. [`Error::Poisoned`] where the collection takes no writes.
    pub fn erase(&self) -> Result<Erased> {
        let mut erased = erase(&self.inner)?;
        let holds = |pin: &Pin| pin.held_bytes > 0 || pin.broken.is_some();
        erased.held_by = self.pins().into_iter().filter(holds).map(|pin| pin.name).collect();
        Ok(erased)
    }
}

fn erase(inner: &Inner) -> Result<Erased> {
    if let Some(err) = inner.poisoned() {
        return Err(err);
    }
    // Held against the end of it: a merge that runs anyway may be faster.
    let before = files(inner)?;
    inner.with_log(Log::close_file)?;
    let seq = inner.snapshot().seq;
    seal::seal(inner, REASON)?;
    let checkpoint = inner.manifest.lock().replay_from;
    if checkpoint <= seq {
        return Err(inner.poisoned().unwrap_or(Error::Closed { name: inner.name.clone() }));
    }
    inner.cut_log(checkpoint);
    let mut erased = Erased { seq, ..Erased::default() };
    for _ in 0..ROUNDS_MAX {
        let Some((number, rows)) = merge::rewrite(inner, REASON)? else { break };
        erased.segments.push(number);
        erased.rows += rows;
    }
    let after = files(inner)?;
    let gone = before.iter().filter(|(path, _)| !after.contains_key(*path));
    erased.removed = gone.map(|(path, (bytes, checksum))| removed(path, *bytes, *checksum)).collect();
    erased.left = left(inner, &after);
    // The log is kept for an archive that has not got it yet.
    let starts =
        after.keys().filter_map(|path| Some((path, path.strip_prefix("wal/")?.strip_suffix(".log")?.parse().ok()?)));
    let starts: Vec<(&String, u64)> = starts.collect();
    let old = starts.windows(2).filter(|pair| pair[1].1 <= checkpoint).map(|pair| pair[0].0.clone());
    erased.left.extend(old);
    Ok(erased)
}

fn removed(path: &str, bytes: u64, checksum: u64) -> RemovedFile {
    RemovedFile { path: path.to_owned(), bytes, checksum }
}

/// Every file of segments and log, by its path below the collection's folder, with its length and checksum.
fn files(inner: &Inner) -> Result<BTreeMap<String, (u64, u64)>> {
    let mut found = BTreeMap::new();
    let manifest = inner.manifest.lock().clone();
    for entry in &manifest.segments {
        for file in entry.files.iter().chain(&entry.dead) {
            found.insert(format!("segments/{:010}/{}", entry.number, file.name), (file.bytes, file.checksum));
        }
    }
    let log = log_folder(&inner.folder);
    for name in inner.disk.list(&log).map_err(doing("list", &log))? {
        if let Some(file) = digest(&*inner.disk, &log.join(&name))? {
            found.insert(format!("wal/{name}"), file);
        }
    }
    Ok(found)
}

/// Length and checksum of a whole file; `None` where it went meanwhile.
fn digest(disk: &dyn Disk, path: &Path) -> Result<Option<(u64, u64)>> {
    let (mut hash, mut bytes) = (Xxh3::new(), 0);
    let read = disk.scan(path, &mut |piece| {
        hash.update(piece);
        bytes += piece.len() as u64;
        Ok(())
    });
    match read {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(doing("read", path)(err)),
        Ok(()) => Ok(Some((bytes, hash.digest()))),
    }
}

/// Files in the folders of segments that the manifest does not name.
fn left(inner: &Inner, named: &BTreeMap<String, (u64, u64)>) -> Vec<String> {
    let segments = inner.folder.join("segments");
    let mut left = Vec::new();
    for number in inner.disk.list(&segments).unwrap_or_default() {
        let Ok(at) = number.parse::<u64>() else { continue };
        for name in inner.disk.list(&folder(&inner.folder, at)).unwrap_or_default() {
            let path = format!("segments/{number}/{name}");
            if !named.contains_key(&path) {
                left.push(path);
            }
        }
    }
    left
}
