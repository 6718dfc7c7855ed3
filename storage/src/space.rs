//! Room on the disk: what is still done when little is left, and what is not.
//!
//! | free | writes | deletes, drops | seals that fit | merges that fit |
//! |---|---|---|---|---|
//! | above the soft limit | yes | yes | yes | yes, if they stay above it |
//! | below it | yes | yes | yes | those that give room back |
//! | below the hard limit | refused | from what is left, then from the ballast | yes | those that give room back |
//!
//! The ballast is a file that holds room for nothing but this: `BALLAST` in the data directory. It is
//! given up when a delete or a drop finds none, and laid down again when there is plenty. How much is
//! free is asked of the disk whenever it matters, which costs a microsecond, so that nothing has to
//! be done for writes to be taken again when there is room.

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::store::Options;
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The soft limit is a tenth of the disk, but not more than this.
const SOFT_BYTES_MAX: u64 = 5 << 30;
/// The hard limit is a fiftieth of the disk, but not more than this.
const HARD_BYTES_MAX: u64 = 1 << 30;
/// The ballast is at most this share of the disk.
const BALLAST_SHARE: u64 = 100;
/// An estimate may be wrong by this share of it.
const ESTIMATE_SLACK: u64 = 8;

/// Watches the room on the disk of one data directory, for all of its collections.
pub(crate) struct Watch {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    soft_bytes: Option<u64>,
    hard_bytes: Option<u64>,
    ballast: Mutex<Ballast>,
}

struct Ballast {
    bytes: u64,
    laid: bool,
}

/// What the disk says, and the limits that it is held against.
#[derive(Copy, Clone, Debug)]
struct Measured {
    free: u64,
    soft: u64,
    hard: u64,
}

impl Watch {
    /// Looks at the directory, and lays the ballast down where there is plenty of room.
    pub(crate) fn new(disk: Arc<dyn Disk>, root: &Path, options: &Options) -> Self {
        let laid = disk.length(&ballast_path(root)).is_ok();
        let ballast = Mutex::new(Ballast { bytes: options.ballast_bytes, laid });
        let (soft_bytes, hard_bytes) = (options.space_soft_bytes, options.space_hard_bytes);
        let watch = Self { disk, root: root.to_owned(), soft_bytes, hard_bytes, ballast };
        watch.lay_ballast();
        watch
    }

    /// The disk that it watches.
    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Refuses a write below the hard limit. A delete is never refused here.
    pub(crate) fn admit_write(&self) -> Result<()> {
        let measured = self.measure();
        if measured.free >= measured.soft {
            self.lay_ballast();
        }
        self.admit(&measured, measured.hard)
    }

    /// Refuses a seal whose files would not fit. It makes room by and by, for the log goes.
    pub(crate) fn admit_seal(&self, bytes: u64) -> Result<()> {
        self.admit(&self.measure(), with_slack(bytes))
    }

    /// Refuses a merge whose files would not fit, and below the soft limit, or if it led there, one
    /// that gives no room back. `bytes` is what it will lay down, `gives_back` what goes when it
    /// stands.
    pub(crate) fn admit_merge(&self, bytes: u64, gives_back: u64) -> Result<()> {
        let measured = self.measure();
        let needed = with_slack(bytes);
        let kept = if needed < gives_back { 0 } else { measured.soft };
        self.admit(&measured, needed.saturating_add(kept))
    }

    /// Refuses what would lead below the soft limit of the disk that this path is on: another one, perhaps, than that of the
    /// data.
    pub(crate) fn admit_at(&self, path: &Path, bytes: u64) -> Result<()> {
        let there = path.ancestors().find_map(|folder| self.disk.space(folder).ok());
        let Some(space) = there else { return Ok(()) };
        let (measured, path) = (self.limits(space.free, space.total), path.to_owned());
        match bytes.saturating_add(measured.soft) {
            needed if measured.free < needed => Err(Error::NoSpace { path, free: measured.free, needed }),
            _ => Ok(()),
        }
    }

    fn admit(&self, measured: &Measured, needed: u64) -> Result<()> {
        match measured.free < needed {
            true => Err(self.refusal(measured, needed)),
            false => Ok(()),
        }
    }

    /// Gives the ballast up; false where there was none.
    pub(crate) fn spend_ballast(&self) -> bool {
        let mut ballast = self.ballast.lock();
        let spent = ballast.laid && self.disk.remove(&ballast_path(&self.root)).is_ok();
        if spent {
            tracing::warn!(bytes = ballast.bytes, "the disk is full: the ballast is spent on deletes and drops");
            ballast.laid = false;
        }
        spent
    }

    /// Lays the ballast down again where there is plenty of room.
    pub(crate) fn lay_ballast(&self) {
        let mut ballast = self.ballast.lock();
        if ballast.laid || ballast.bytes == 0 {
            return;
        }
        let Ok(space) = self.disk.space(&self.root) else { return };
        let bytes = ballast.bytes.min(space.total / BALLAST_SHARE);
        if space.free < self.limits(space.free, space.total).soft.saturating_add(bytes) {
            return;
        }
        let path = ballast_path(&self.root);
        match self.disk.create(&path).and_then(|mut file| file.reserve(bytes)) {
            Ok(()) => ballast.laid = true,
            Err(err) => {
                tracing::warn!(%err, "the ballast could not be laid down");
                let _ = self.disk.remove(&path);
            }
        }
    }

    fn measure(&self) -> Measured {
        match self.disk.space(&self.root) {
            Ok(space) => self.limits(space.free, space.total),
            // Who cannot be asked is not full: the write itself will tell.
            Err(_) => Measured { free: u64::MAX, soft: 0, hard: 0 },
        }
    }

    fn limits(&self, free: u64, total: u64) -> Measured {
        let soft = self.soft_bytes.unwrap_or_else(|| (total / 10).min(SOFT_BYTES_MAX));
        let hard = self.hard_bytes.unwrap_or_else(|| (total / 50).min(HARD_BYTES_MAX));
        Measured { free, soft: soft.max(hard), hard }
    }

    fn refusal(&self, measured: &Measured, needed: u64) -> Error {
        Error::NoSpace { path: self.root.clone(), free: measured.free, needed }
    }
}

/// What is built may turn out larger than it was estimated.
fn with_slack(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / ESTIMATE_SLACK)
}

fn ballast_path(root: &Path) -> PathBuf {
    root.join("BALLAST")
}

/// Whether the operating system says that there is no room.
pub(crate) fn is_full(err: &io::Error) -> bool {
    matches!(err.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Gives an error of the operating system that there is no room its numbers.
pub(crate) fn explained(disk: &dyn Disk, err: Error) -> Error {
    match err {
        Error::Io { source, path, .. } if is_full(&source) => {
            let free = path.parent().and_then(|folder| disk.space(folder).ok()).map_or(0, |space| space.free);
            Error::NoSpace { path, free, needed: free.saturating_add(1) }
        }
        other => other,
    }
}

/// Tries a deed that gives room back; where there is none for it, once more without the ballast.
pub(crate) fn with_ballast<T>(watch: &Watch, deed: impl Fn() -> Result<T>) -> Result<T> {
    let full = |err: &Error| match err {
        Error::NoSpace { .. } => true,
        Error::Io { source, .. } => is_full(source),
        _ => false,
    };
    match deed() {
        Err(err) if full(&err) && watch.spend_ballast() => deed(),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::cruel::CruelDisk;

    fn watch(disk: &CruelDisk) -> Watch {
        let options = Options {
            space_soft_bytes: Some(300),
            space_hard_bytes: Some(100),
            ballast_bytes: 10,
            ..Options::default()
        };
        Watch::new(Arc::new(disk.clone()), Path::new(""), &options)
    }

    fn fill(disk: &CruelDisk, free: u64) {
        let _ = disk.remove(Path::new("filler"));
        let mut file = disk.create(Path::new("filler")).unwrap();
        file.reserve(disk.space(Path::new("")).unwrap().free - free).unwrap();
    }

    #[test]
    fn limits_are_left_again_when_there_is_room() {
        let disk = CruelDisk::new();
        disk.bound(Some(1000));
        let watch = watch(&disk);
        assert_eq!(disk.used(), 10, "the ballast");
        for (free, taken) in [(500, true), (299, true), (99, false), (100, true)] {
            fill(&disk, free);
            assert_eq!(watch.admit_write().is_ok(), taken, "{free} free");
        }
    }

    #[test]
    fn what_is_built_has_to_fit_and_a_merge_to_leave_room_or_give_it_back() {
        let disk = CruelDisk::new();
        disk.bound(Some(1000));
        let watch = watch(&disk);
        for (free, bytes, gives_back, seal, merge) in [
            (500, 160, 0, true, true),
            (500, 200, 0, true, false),
            (500, 400, 460, true, true),
            (500, 450, 900, false, false),
            (299, 8, 8, true, false),
            (80, 60, 70, true, true),
            (80, 79, 100, false, false),
        ] {
            fill(&disk, free);
            let got = (watch.admit_seal(bytes), watch.admit_merge(bytes, gives_back));
            assert_eq!((got.0.is_ok(), got.1.is_ok()), (seal, merge), "{bytes} for {gives_back}, {free} free: {got:?}");
        }
    }

    #[test]
    fn the_ballast_is_spent_once_and_laid_again() {
        let disk = CruelDisk::new();
        disk.bound(Some(1000));
        let watch = watch(&disk);
        fill(&disk, 0);
        assert!(watch.spend_ballast() && !watch.spend_ballast());
        assert_eq!(disk.space(Path::new("")).unwrap().free, 10);
        assert!(watch.admit_write().is_err());
        assert_eq!(disk.space(Path::new("")).unwrap().free, 10, "there is not plenty");
        fill(&disk, 500);
        watch.admit_write().unwrap();
        assert_eq!(disk.space(Path::new("")).unwrap().free, 490);
    }
}
