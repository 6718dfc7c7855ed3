//! The disk, behind one trait: what is real in a server is cruel in a test.

#[cfg(any(test, feature = "cruel"))]
pub mod cruel;
pub mod place;
mod scan;

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
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
    /// A file's bytes from front to back; what was read does not stay in memory, where the disk can.
    fn reader(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.read(path)?)))
    }
    /// Lets go of pages of a mapped file: they leave this process, and come back when they are read.
    /// Bytes that are not mapped stay as they are.
    fn let_go(&self, _mapped: &[u8]) {}
    /// Lets go of the pages of every mapped file.
    fn let_go_of_all(&self) {}
    /// A file's bytes from front to back, in pieces: from the medium itself where the disk can, past what
    /// the system keeps of them in memory. An error of `see` ends it.
    fn scan(&self, path: &Path, see: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        see(&self.read(path)?)
    }
    /// Names of the entries of a folder, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// A file's length; an error of kind `NotFound` where there is none.
    fn length(&self, path: &Path) -> io::Result<u64>;
    /// Renames a file within its folder, replacing what has the name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and all that is in it.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the entries of a folder durable: what was created, renamed or removed in it.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// The room on the file system that holds this path.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Takes the lock file for this process until the value is dropped, and says in it who has it; an
    /// error of kind `WouldBlock` where somebody else has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
}

/// The room on a file system.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Space {
    /// Bytes that this process may still write.
    pub free: u64,
    /// Bytes that it has in all.
    pub total: u64,
}

/// A file that grows at its end.
pub trait Appender: Send {
    /// Makes sure that there is room for the file to grow to this many bytes; its length stays as
    /// it is. Where this fails nothing has changed. A file system that cannot promise it says
    /// nothing.
    fn reserve(&mut self, bytes: u64) -> io::Result<()>;
    /// Cuts the file to this length, and gives back what was reserved behind it.
    fn cut(&mut self, bytes: u64) -> io::Result<()>;
    /// Appends all of it.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Writes over bytes that were appended before.
    fn overwrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written durable. The name of a new file is durable only when its folder was
    /// synced too.
    fn sync(&mut self) -> io::Result<()>;
    /// The file does not change any more: from now on it can only be read, renamed or removed.
    fn freeze(&mut self) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Copy, Clone, Debug, Default)]
pub struct FsDisk;

/// Where the files mapped by this process stand in memory: address and length. Only within these
/// may pages be let go of.
static MAPS: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

/// A mapped file, known to [`MAPS`] for as long as it is mapped.
struct Map(memmap2::Mmap);

impl Map {
    fn new(map: memmap2::Mmap) -> Self {
        MAPS.lock().insert(map.as_ptr() as usize, map.len());
        Self(map)
    }
}

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // The map itself ends after this, so its addresses are nobody else's yet.
        MAPS.lock().remove(&(self.0.as_ptr() as usize));
    }
}

/// Lets go of the pages of a range that lies within a map, whose lock is held.
#[cfg(target_os = "linux")]
fn leave(maps: &BTreeMap<usize, usize>, start: *const u8, length: usize) {
    use rustix::mm::{Advice, madvise};
    let page = rustix::param::page_size();
    let within = |(from, all): (&usize, &usize)| start as usize + length <= from + all;
    if length == 0 || !maps.range(..=start as usize).next_back().is_some_and(within) {
        return;
    }
    let before = start as usize % page;
    let start = start.wrapping_sub(before).cast_mut().cast();
    // SAFETY: the range lies within a file that is mapped to be read and that nobody unmaps while
    // `MAPS` is locked: its pages are those of the file, and are found there again.
    let left = unsafe { madvise(start, before + length, Advice::LinuxDontNeed) };
    if let Err(err) = left {
        tracing::debug!(%err, "mapped pages could not be let go of");
    }
}

#[cfg(not(target_os = "linux"))]
fn leave(_: &BTreeMap<usize, usize>, _: *const u8, _: usize) {}

impl Disk for FsDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        // Data is for the user it belongs to.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Box::new(FsAppender { file }))
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        let file = File::open(path)?;
        // A map of no bytes is refused by the operating system.
        if file.metadata()?.len() == 0 {
            return Ok(Bytes::new());
        }
        // SAFETY: the bytes must not change while the map lives. Only this process has the data
        // directory (its lock, mode 0700), and storage never writes to or shortens a file once it
        // was mapped: sealed files are frozen, a log file is never appended to after a replay.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(Bytes::from_owner(Map::new(map)))
    }

    fn reader(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let file = File::open(path)?;
        #[cfg(target_os = "linux")]
        {
            // Where the advice is not taken, the file is only read more slowly.
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
        }
        Ok(Box::new(file))
    }

    fn let_go(&self, mapped: &[u8]) {
        leave(&MAPS.lock(), mapped.as_ptr(), mapped.len());
    }

    fn let_go_of_all(&self) {
        let maps = MAPS.lock();
        for (start, length) in maps.iter() {
            leave(&maps, std::ptr::with_exposed_provenance(*start), *length);
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn scan(&self, path: &Path, see: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        scan::scan(path, see)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            // A name that is not UTF-8 is not ours.
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // The parent of a name alone is the current folder.
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        File::open(path)?.sync_all()
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let found = rustix::fs::statvfs(path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Space { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.try_lock()?;
        // For whoever finds it locked; the lock holds without it, also on a disk that is full.
        let _ = file.set_len(0).and_then(|()| file.write_all_at(holder().as_bytes(), 0));
        Ok(Box::new(file))
    }
}

/// This process, as it is told to another one.
fn holder() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let at = if host.trim().is_empty() { String::new() } else { format!(" on {}", host.trim()) };
    format!("process {}{at}", std::process::id())
}

struct FsAppender {
    file: File,
}

impl Appender for FsAppender {
    #[cfg(target_os = "linux")]
    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        use rustix::fs::FallocateFlags;
        use rustix::io::Errno;
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, bytes) {
            // Some file systems reserve nothing.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
            done => Ok(done?),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn reserve(&mut self, _bytes: u64) -> io::Result<()> {
        Ok(())
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)?;
        self.file.seek(SeekFrom::Start(bytes)).map(|_| ())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn overwrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        // The length is part of what this syncs: without it the data could not be read back.
        self.file.sync_data()
    }

    fn freeze(&mut self) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(0o400))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_mapped_listed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, root) = (FsDisk, folder.path().join("a/b"));
        disk.create_dir(&root).unwrap();
        let mut file = disk.create(&root.join("x")).unwrap();
        file.append(b"....").unwrap();
        file.append(b"body").unwrap();
        file.overwrite(0, b"head").unwrap();
        file.sync().unwrap();
        file.freeze().unwrap();
        disk.create(&root.join("empty")).unwrap();
        assert!(disk.create(&root.join("x")).is_err(), "a file is created once");
        assert_eq!(&disk.map(&root.join("x")).unwrap()[..], b"headbody");
        assert_eq!(disk.map(&root.join("empty")).unwrap().len(), 0);
        disk.rename(&root.join("x"), &root.join("y")).unwrap();
        disk.sync_dir(&root).unwrap();
        assert_eq!(disk.list(&root).unwrap(), ["empty", "y"]);
        assert_eq!(disk.length(&root.join("y")).unwrap(), 8);
        assert_eq!(disk.length(&root.join("x")).unwrap_err().kind(), io::ErrorKind::NotFound);
        disk.remove(&root.join("y")).unwrap();
        disk.remove_dir(&root).unwrap();
        assert!(disk.list(&root).is_err());
    }

    #[test]
    fn what_is_reserved_is_no_length_and_what_is_cut_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut file = FsDisk.create(&path).unwrap();
        file.reserve(1 << 20).unwrap();
        assert_eq!(FsDisk.length(&path).unwrap(), 0);
        file.append(b"kept, cut").unwrap();
        file.cut(4).unwrap();
        file.append(b"!").unwrap();
        assert_eq!(FsDisk.read(&path).unwrap(), b"kept!");
        let space = FsDisk.space(folder.path()).unwrap();
        assert!(space.free <= space.total && space.total > 0, "{space:?}");
    }

    #[test]
    fn pages_that_were_let_go_come_back_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let bytes: Vec<u8> = (0..100_000u32).map(|at| (at % 251) as u8).collect();
        FsDisk.create(&path).unwrap().append(&bytes).unwrap();
        let mut read = Vec::new();
        FsDisk.reader(&path).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
        let mapped = FsDisk.map(&path).unwrap();
        FsDisk.let_go(&mapped);
        FsDisk.let_go(&mapped[5_000..70_001]);
        FsDisk.let_go(&mapped[..0]);
        FsDisk.let_go_of_all();
        assert_eq!(mapped, bytes);
        // Memory that is no map would be lost if it were let go of.
        FsDisk.let_go(&bytes);
        assert_eq!(bytes, read);
        let start = mapped.as_ptr() as usize;
        assert!(MAPS.lock().contains_key(&start));
        drop(mapped);
        assert!(MAPS.lock().get(&start).is_none_or(|length| *length != bytes.len()));
    }

    #[test]
    fn a_lock_is_held_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("LOCK");
        let held = FsDisk.lock(&path).unwrap();
        assert_eq!(FsDisk.lock(&path).err().unwrap().kind(), io::ErrorKind::WouldBlock);
        assert!(fs::read_to_string(&path).unwrap().contains(&std::process::id().to_string()), "it says who has it");
        drop(held);
        FsDisk.lock(&path).unwrap();
    }
}
