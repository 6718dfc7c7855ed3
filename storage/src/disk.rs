//! The disk, behind one trait: what is real in a server is cruel in a test.

use bytes::Bytes;
use std::io;
use std::path::Path;

/// What storage needs of a file system. Errors are the operating system's own; callers add the
/// deed and the path.
pub trait Disk: Send + Sync {
    /// Creates a folder and those above it.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Creates a file that was not there, for appending.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>>;
    /// A file's bytes, mapped where the disk can. The file must not change while they are held.
    fn map(&self, path: &Path) -> io::Result<Bytes>;
    /// A file's bytes, copied.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Names of the entries of a folder, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// A file's length; an error of kind `NotFound` where there is none.
    fn length(&self, path: &Path) -> io::Result<u64>;
    /// Renames a file, replacing what has the name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and all that is in it.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the entries of a folder durable: what was created, renamed or removed in it.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes the lock file for this process until the value is dropped.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
}

/// A file that grows at its end.
pub trait Appender: Send {
    /// Appends all of it.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was appended durable.
    fn sync(&mut self) -> io::Result<()>;
}
