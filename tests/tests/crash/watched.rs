//! A cruel disk that is looked at before each of its calls that change something.

use crate::planted::{Bug, File};
use bytes::Bytes;
use nigh_storage::disk::cruel::CruelDisk;
use nigh_storage::disk::{Appender, Disk, Space};
use parking_lot::{Mutex, MutexGuard};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Look = Arc<dyn Fn(&CruelDisk) + Send + Sync>;
type Meanwhile = Arc<dyn Fn(&Path) + Send + Sync>;

/// The disk, who looks at it, and what others do while a file is written.
#[derive(Clone)]
pub struct Watched {
    disk: CruelDisk,
    look: Look,
    meanwhile: Meanwhile,
    bug: Arc<Bug>,
}

impl Watched {
    pub fn new(disk: CruelDisk, bug: Bug, look: impl Fn(&CruelDisk) + Send + Sync + 'static) -> Self {
        Self { disk, look: Arc::new(look), meanwhile: Arc::new(|_| {}), bug: Arc::new(bug) }
    }

    /// This is called with a file's path before anything is done to it.
    pub fn while_writing(self, meanwhile: impl Fn(&Path) + Send + Sync + 'static) -> Self {
        Self { meanwhile: Arc::new(meanwhile), ..self }
    }

    fn looked(&self) -> &CruelDisk {
        (self.look)(&self.disk);
        &self.disk
    }
}

impl Disk for Watched {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.looked().create_dir(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        let file = Arc::new(Mutex::new(self.looked().create(path)?));
        Ok(Box::new(WatchedFile { watched: self.clone(), path: path.to_owned(), file }))
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        self.disk.map(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk.read(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        self.disk.length(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.looked().rename(from, to)?;
        self.bug.renamed(to);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.looked().remove(path)?;
        self.bug.removed(&self.disk, path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.looked().remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match self.bug.skips_dir(path) {
            true => Ok(()),
            false => self.looked().sync_dir(path).and_then(|()| self.bug.synced_dir(&self.disk, path)),
        }
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.disk.space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.disk.lock(path)
    }
}

struct WatchedFile {
    watched: Watched,
    path: PathBuf,
    file: File,
}

impl WatchedFile {
    fn looked(&self) -> MutexGuard<'_, Box<dyn Appender>> {
        (self.watched.meanwhile)(&self.path);
        self.watched.looked();
        self.file.lock()
    }
}

impl Appender for WatchedFile {
    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        self.looked().reserve(bytes)
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.looked().cut(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.looked().append(bytes)
    }

    fn overwrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.looked().overwrite(at, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.watched.bug.skips_file(&self.path, &self.file) {
            true => Ok(()),
            false => self.looked().sync(),
        }
    }

    fn freeze(&mut self) -> io::Result<()> {
        self.looked().freeze()
    }
}
