//! Mistakes that a storage could make, planted between it and its disk: the harness has to find each.

use super::ROOT;
use crate::looks::{Kind, crash_everywhere};
use nigh_storage::disk::cruel::CruelDisk;
use nigh_storage::disk::{Appender, Disk};
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that is held open.
pub type File = Arc<Mutex<Box<dyn Appender>>>;

/// A mistake.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Mistake {
    /// The log's folder is not synced: a new file of it may vanish.
    LogFolderUnsynced,
    /// The collection's folder is not synced: a new manifest may vanish.
    ManifestFolderUnsynced,
    /// The folders of segments are not synced: their files may vanish.
    SegmentFoldersUnsynced,
    /// The root is not synced: the catalog, or a collection that it names, may vanish.
    RootUnsynced,
    /// A write is acknowledged before the log is synced.
    AckBeforeSync,
    /// The manifest is written before the files of the segments that it names are on disk.
    ManifestBeforeSegment,
    /// The log is cut before the manifest that stands for it is on disk.
    CutBeforeManifest,
}

const ALL: [Mistake; 7] = [
    Mistake::LogFolderUnsynced,
    Mistake::ManifestFolderUnsynced,
    Mistake::SegmentFoldersUnsynced,
    Mistake::RootUnsynced,
    Mistake::AckBeforeSync,
    Mistake::ManifestBeforeSegment,
    Mistake::CutBeforeManifest,
];

/// A mistake that is made, and what it has put off.
#[derive(Default)]
pub struct Bug {
    mistake: Option<Mistake>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    files: Vec<File>,
    folders: Vec<PathBuf>,
    /// Whether a manifest got its name and its folder was not synced since.
    renamed: bool,
}

impl Bug {
    pub fn new(mistake: Option<Mistake>) -> Self {
        Self { mistake, held: Mutex::default() }
    }

    fn is(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// A file has got this name.
    pub fn renamed(&self, to: &Path) {
        self.held.lock().renamed |= to.ends_with("MANIFEST");
    }

    /// A file is gone: what waited for that is done now.
    pub fn removed(&self, disk: &CruelDisk, path: &Path) -> io::Result<()> {
        if self.is(Mistake::CutBeforeManifest) && of_log(path) {
            let folders = std::mem::take(&mut self.held.lock().folders);
            folders.iter().try_for_each(|folder| disk.sync_dir(folder))?;
        }
        Ok(())
    }

    /// Whether this sync of a folder is left out, or put off.
    pub fn skips_dir(&self, path: &Path) -> bool {
        let Some(mistake) = self.mistake else { return false };
        let mut held = self.held.lock();
        let of_manifest = std::mem::take(&mut held.renamed);
        match mistake {
            Mistake::LogFolderUnsynced => path.ends_with("wal"),
            Mistake::ManifestFolderUnsynced => of_manifest,
            Mistake::SegmentFoldersUnsynced => of_segment(path) || path.ends_with("segments"),
            Mistake::RootUnsynced => path == Path::new(ROOT),
            Mistake::ManifestBeforeSegment => {
                held.renamed = of_manifest;
                let waits = of_segment(path) || path.ends_with("segments");
                if waits {
                    held.folders.push(path.to_owned());
                }
                waits
            }
            Mistake::CutBeforeManifest => {
                if of_manifest {
                    held.folders.push(path.to_owned());
                }
                of_manifest
            }
            Mistake::AckBeforeSync => false,
        }
    }

    /// A folder was synced: what waited for that is done now.
    pub fn synced_dir(&self, disk: &CruelDisk, _path: &Path) -> io::Result<()> {
        let mut held = self.held.lock();
        if self.is(Mistake::ManifestBeforeSegment) && std::mem::take(&mut held.renamed) {
            for file in held.files.drain(..) {
                file.lock().sync()?;
            }
            held.folders.drain(..).try_for_each(|folder| match disk.sync_dir(&folder) {
                Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
                synced => synced,
            })?;
        }
        Ok(())
    }

    /// Whether this sync of a file is left out, or put off.
    pub fn skips_file(&self, path: &Path, file: &File) -> bool {
        let waits = self.is(Mistake::ManifestBeforeSegment) && of_segment(path);
        if waits {
            self.held.lock().files.push(file.clone());
        }
        waits || self.is(Mistake::AckBeforeSync) && of_log(path)
    }
}

fn of_log(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("wal"))
}

/// A segment's folder, or a file in it.
fn of_segment(path: &Path) -> bool {
    path.parent().is_some_and(|folder| {
        folder.ends_with("segments") || folder.parent().is_some_and(|above| above.ends_with("segments"))
    })
}

/// So many seeds are enough for each of them.
const SEEDS: u64 = 12;

#[test]
fn every_planted_mistake_is_found() {
    for mistake in ALL {
        let kind = Kind { mistake: Some(mistake), ..Kind::default() };
        let found = (0..SEEDS).find_map(|seed| Some((seed, crash_everywhere(seed, &kind).err()?)));
        match found {
            Some((seed, why)) => eprintln!("{mistake:?}: found by seed {seed}: {why}"),
            None => panic!("{mistake:?} was not found by {SEEDS} seeds"),
        }
    }
}
