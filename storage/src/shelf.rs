//! The folder of snapshot files: which there are, how one comes to be there whole or not at all, and how one goes.
//!
//! ```text
//! <shelf>/<collection>-<XXH3 of its name>/<collection>-<time>-<number>.snapshot           a snapshot (crate::snapshot_file)
//!                                         <collection>-<time>-<number>.snapshot.sha256    its SHA-256, as sha256sum writes it
//!                                         ....snapshot.part                               one that is being written
//! <shelf>/arriving/<uuid>                                                                 one that is being uploaded
//! ```
//!
//! The number in the folder's name keeps collections apart whose names differ in capitals alone, where a file system does
//! not. A snapshot has its name when it was written whole and synced; what else there is was left by a process that
//! ended, and is removed when the shelf is opened. Names are checked letter by letter: none leads out of the folder.

use crate::disk::{Appender, Disk};
use crate::error::{Error, Result, doing};
use crate::schema::check_name;
use crate::store::sync_above;
use sha2::{Digest, Sha256};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

/// A collection has at most this many snapshots.
pub const SNAPSHOTS_MAX: usize = 1000;
/// A file is written, and read for its checksum, by so many bytes.
const PIECE: usize = 256 << 10;
const ENDING: &str = ".snapshot";
const PART: &str = ".part";
const CHECKSUM: &str = ".sha256";
const ARRIVING: &str = "arriving";

/// The folder.
#[derive(Clone)]
pub struct Shelf {
    disk: Arc<dyn Disk>,
    root: PathBuf,
}

/// A snapshot that is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shelved {
    /// The name of its file.
    pub name: String,
    /// When it was begun, in milliseconds since 1970.
    pub time_ms: u64,
    /// The bytes of its file.
    pub bytes: u64,
    /// The SHA-256 of its file, in hexadecimal digits; of a file that somebody put there it is not known.
    pub sha256: Option<String>,
}

/// The name of a new snapshot: `<collection>-<time, 13 digits>-<8 hexadecimal digits>.snapshot`.
pub fn new_name(collection: &str, time_ms: u64) -> String {
    format!("{collection}-{time_ms:013}-{:08x}{ENDING}", Uuid::new_v4().as_fields().0)
}

/// The collection and the time of a name; `None` where no snapshot has it.
pub fn read_name(name: &str) -> Option<(&str, u64)> {
    let (rest, number) = name.strip_suffix(ENDING)?.rsplit_once('-')?;
    let (collection, time) = rest.rsplit_once('-')?;
    let lower = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    let good = number.len() == 8 && number.bytes().all(lower) && time.len() == 13 && check_name(collection).is_ok();
    let time_ms = time.bytes().all(|digit| digit.is_ascii_digit()).then(|| time.parse().ok())??;
    good.then_some((collection, time_ms))
}

impl Shelf {
    /// Opens the folder, which need not be there, and removes what processes left behind that ended.
    pub fn open(disk: Arc<dyn Disk>, root: &Path) -> Result<Self> {
        let shelf = Self { disk, root: root.to_owned() };
        for folder in shelf.names(&shelf.root)? {
            let path = shelf.root.join(&folder);
            match folder == ARRIVING {
                true => shelf.disk.remove_dir(&path).map_err(doing("remove", &path))?,
                false => shelf.sweep(&path)?,
            }
        }
        Ok(shelf)
    }

    fn sweep(&self, folder: &Path) -> Result<()> {
        // A file beside the folders is somebody else's.
        let Ok(names) = self.disk.list(folder) else { return Ok(()) };
        let of =
            |name: &str, ending| name.strip_suffix(ending).filter(|name| read_name(name).is_some()).map(str::to_owned);
        for name in &names {
            let whole = |snapshot: &String| names.contains(snapshot);
            if of(name, PART).is_some() || of(name, CHECKSUM).is_some_and(|snapshot| !whole(&snapshot)) {
                let path = folder.join(name);
                self.disk.remove(&path).map_err(doing("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The snapshots of a collection, the oldest first.
    pub fn list(&self, collection: &str) -> Result<Vec<Shelved>> {
        let folder = self.folder(collection)?;
        let mut all = Vec::new();
        for name in self.names(&folder)? {
            match read_name(&name) {
                Some((of, time_ms)) if of == collection => match self.look(&folder, name, time_ms) {
                    // It was removed meanwhile.
                    Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                    shelved => all.push(shelved?),
                },
                _ => {}
            }
        }
        Ok(all)
    }

    fn look(&self, folder: &Path, name: String, time_ms: u64) -> Result<Shelved> {
        let path = folder.join(&name);
        let bytes = self.disk.length(&path).map_err(doing("look at", &path))?;
        let mut text = Vec::new();
        let beside = self.disk.reader(&folder.join(format!("{name}{CHECKSUM}")));
        let read = beside.and_then(|beside| beside.take(64).read_to_end(&mut text));
        let sha256 = String::from_utf8(text).ok().filter(|text| read.is_ok() && is_sha256(text));
        Ok(Shelved { name, time_ms, bytes, sha256 })
    }

    /// The file of a snapshot, and its length.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where there is none of this name, or no snapshot may have it.
    pub fn find(&self, collection: &str, name: &str) -> Result<(PathBuf, u64)> {
        let missing = || Error::Missing { what: "snapshot", name: name.chars().take(255).collect() };
        if read_name(name).is_none_or(|(of, _)| of != collection) {
            return Err(missing());
        }
        let path = self.folder(collection)?.join(name);
        match self.disk.length(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Err(missing()),
            length => Ok((path.clone(), length.map_err(doing("look at", &path))?)),
        }
    }

    /// A file of the shelf, from front to back.
    pub fn read(&self, path: &Path) -> Result<Box<dyn Read + Send>> {
        self.disk.reader(path).map_err(doing("read", path))
    }

    /// Lays a new snapshot of this name down, whose bytes `write` gives, told the path for its errors: whole, or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] where a collection has too many; what the disk and `write` answer.
    pub fn lay(
        &self,
        collection: &str,
        name: &str,
        write: impl FnOnce(&Path, &mut dyn Write) -> Result<()>,
    ) -> Result<Shelved> {
        let folder = self.folder(collection)?;
        let there = self.names(&folder)?.iter().filter(|name| read_name(name).is_some()).count();
        if there >= SNAPSHOTS_MAX {
            let (what, got, limit) = ("the folder of this collection's snapshots", there as u64, SNAPSHOTS_MAX as u64);
            return Err(Error::Full { what, got, limit, retry_ms: 60_000 });
        }
        self.create_dir(&folder)?;
        let (path, part) = (folder.join(name), folder.join(format!("{name}{PART}")));
        let beside = folder.join(format!("{name}{CHECKSUM}"));
        let made = self.write(&part, write).and_then(|(bytes, sha256)| {
            let text = format!("{sha256}  {name}\n");
            self.write(&beside, |path, out| out.write_all(text.as_bytes()).map_err(doing("write", path)))?;
            self.disk.rename(&part, &path).map_err(doing("rename", &part))?;
            self.disk.sync_dir(&folder).map_err(doing("sync", &folder))?;
            let (_, time_ms) = read_name(name).unwrap_or((collection, 0));
            Ok(Shelved { name: name.to_owned(), time_ms, bytes, sha256: Some(sha256) })
        });
        if made.is_err() {
            // What cannot be removed now is removed when the shelf is opened again.
            for left in [&path, &part, &beside] {
                let _ = self.disk.remove(left);
            }
        }
        made
    }

    /// Writes a file and syncs it: its length and its SHA-256.
    fn write(&self, path: &Path, write: impl FnOnce(&Path, &mut dyn Write) -> Result<()>) -> Result<(u64, String)> {
        let file = self.disk.create(path).map_err(doing("create", path))?;
        let mut out = BufWriter::with_capacity(PIECE, Summed { file, hash: Sha256::new(), bytes: 0 });
        write(path, &mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error).map_err(doing("write", path))?.finish(path)
    }

    /// Removes a snapshot for good; false where there was none.
    pub fn remove(&self, collection: &str, name: &str) -> Result<bool> {
        let path = match self.find(collection, name) {
            Err(Error::Missing { what: "snapshot", .. }) => return Ok(false),
            found => found?.0,
        };
        let folder = self.folder(collection)?;
        self.disk.remove(&path).map_err(doing("remove", &path))?;
        // Without its snapshot it says nothing.
        let _ = self.disk.remove(&folder.join(format!("{name}{CHECKSUM}")));
        self.disk.sync_dir(&folder).map_err(doing("sync", &folder))?;
        Ok(true)
    }

    /// A file for a snapshot that arrives; it goes when it is dropped.
    pub fn arriving(&self) -> Result<Arriving> {
        let folder = self.root.join(ARRIVING);
        self.create_dir(&folder)?;
        let path = folder.join(Uuid::new_v4().to_string());
        let file = self.disk.create(&path).map_err(doing("create", &path))?;
        let out = Summed { file, hash: Sha256::new(), bytes: 0 };
        Ok(Arriving { disk: self.disk.clone(), path, out: Some(out), sum: None })
    }

    /// The SHA-256 of a file, read whole. `wanted` is asked before each piece.
    pub fn sha256(&self, path: &Path, wanted: &mut dyn FnMut() -> Result<()>) -> Result<String> {
        let (mut file, mut hash, mut piece) = (self.read(path)?, Sha256::new(), vec![0; PIECE]);
        loop {
            wanted()?;
            match file.read(&mut piece).map_err(doing("read", path))? {
                0 => return Ok(digits(hash)),
                read => hash.update(&piece[..read]),
            }
        }
    }

    /// A folder of the shelf, whose name is durable.
    fn create_dir(&self, folder: &Path) -> Result<()> {
        self.disk.create_dir(folder).map_err(doing("create", folder))?;
        sync_above(&*self.disk, folder)
    }

    fn folder(&self, collection: &str) -> Result<PathBuf> {
        check_name(collection)?;
        Ok(self.root.join(format!("{collection}-{:016x}", xxh3_64(collection.as_bytes()))))
    }

    /// What is in a folder; nothing where it is not there.
    fn names(&self, folder: &Path) -> Result<Vec<String>> {
        match self.disk.list(folder) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            names => names.map_err(doing("list", folder)),
        }
    }
}

/// A file that is being uploaded.
pub struct Arriving {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Until all of it is there.
    out: Option<Summed>,
    /// Then: its length and its SHA-256.
    sum: Option<(u64, String)>,
}

impl Arriving {
    /// The next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.out {
            Some(out) => out.write_all(bytes).map_err(doing("write", &self.path)),
            None => Ok(()),
        }
    }

    /// Bytes that are there.
    pub fn bytes(&self) -> u64 {
        self.out.as_ref().map_or(0, |out| out.bytes)
    }

    /// That was all: it is synced, and changes no more.
    pub fn finish(&mut self) -> Result<()> {
        if let Some(out) = self.out.take() {
            self.sum = Some(out.finish(&self.path)?);
        }
        Ok(())
    }

    /// Its length and its SHA-256, once all of it is there.
    pub fn sum(&self) -> Result<(u64, String)> {
        let missing = || Error::Missing { what: "snapshot", name: "(an upload that did not end)".to_owned() };
        self.sum.clone().ok_or_else(missing)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.out = None;
        // What cannot be removed now is removed when the shelf is opened again.
        let _ = self.disk.remove(&self.path);
    }
}

/// A file whose bytes are summed up while they are written.
struct Summed {
    file: Box<dyn Appender>,
    hash: Sha256,
    bytes: u64,
}

impl Summed {
    fn finish(mut self, path: &Path) -> Result<(u64, String)> {
        self.file.sync().map_err(doing("sync", path))?;
        self.file.freeze().map_err(doing("freeze", path))?;
        Ok((self.bytes, digits(self.hash)))
    }
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.append(bytes)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn digits(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a text is a SHA-256 as [`Shelved::sha256`] has it.
fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
