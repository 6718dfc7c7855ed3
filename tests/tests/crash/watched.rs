//! A cruel disk that is looked at before each of its calls that change something.

use bytes::Bytes;
use nigh_storage::disk::cruel::CruelDisk;
use nigh_storage::disk::{Appender, Disk, Space};
use std::io;
use std::path::Path;
use std::sync::Arc;

type Look = Arc<dyn Fn(&CruelDisk) + Send + Sync>;

/// The disk, and who looks at it.
#[derive(Clone)]
pub struct Watched {
    disk: CruelDisk,
    look: Look,
}

impl Watched {
    pub fn new(disk: CruelDisk, look: impl Fn(&CruelDisk) + Send + Sync + 'static) -> Self {
        Self { disk, look: Arc::new(look) }
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
        let file = self.looked().create(path)?;
        Ok(Box::new(WatchedFile { watched: self.clone(), file }))
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
        self.looked().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.looked().remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.looked().remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.looked().sync_dir(path)
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
    file: Box<dyn Appender>,
}

impl Appender for WatchedFile {
    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        self.watched.looked();
        self.file.reserve(bytes)
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.watched.looked();
        self.file.cut(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.watched.looked();
        self.file.append(bytes)
    }

    fn overwrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.watched.looked();
        self.file.overwrite(at, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.watched.looked();
        self.file.sync()
    }

    fn freeze(&mut self) -> io::Result<()> {
        self.watched.looked();
        self.file.freeze()
    }
}
