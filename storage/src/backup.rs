//! What a backup says of a collection; its files, as they leave; and a collection made of them again.
//!
//! ```text
//! files/<XXH3-128 of the file>-<bytes>     a file of a segment; several backups name the same one
//! backups/<id>                             a frame around the text of [`Backup`]: written last, never again
//! ```
//!
//! Where these stand, and how they get there, is not known here: whoever copies them holds a version
//! ([`crate::pins::Hold`]) and reads its files, checked; whoever restores gives the files back one by one.

use crate::disk::{Appender, Disk};
use crate::error::{Error, Result, doing};
use crate::frame::{self, HEADER_BYTES, Kind};
use crate::manifest::{FileEntry, SegmentEntry};
use crate::pins::{Hold, Version};
use crate::recover;
use crate::schema::check_name;
use crate::segment::folder;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use uuid::Uuid;
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128};

/// What a backup holds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Backup {
    /// Its name: the time at which it began, and something to tell it from others of that time.
    pub id: String,
    /// When it began, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its collections.
    pub collections: Vec<BackedUp>,
}

/// A collection as a backup holds it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BackedUp {
    /// Its name.
    pub collection: String,
    /// What it was.
    pub version: Version,
    /// Where the files of that version are.
    pub files: Vec<Stored>,
}

/// A file of a segment, as a backup holds it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stored {
    /// The segment's number.
    pub segment: u64,
    /// The file's name in the segment's folder.
    pub name: String,
    /// Its length, header included.
    pub bytes: u64,
    /// The XXH3-128 of all of it, header included: 32 hexadecimal digits.
    pub hash: String,
}

impl Backup {
    /// As it is stored.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let body = serde_json::to_vec(self).map_err(|err| Error::corrupt(&self.id, HEADER_BYTES, err.to_string()))?;
        let mut bytes = frame::header(Kind::Backup, body.len() as u64, xxh3_64(&body)).to_vec();
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// What was stored under this path, checked.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Self> {
        let [length, checksum] = frame::read_header(path, bytes, Kind::Backup)?;
        let body = bytes.get(HEADER_BYTES as usize..).unwrap_or_default();
        if body.len() as u64 != length || xxh3_64(body) != checksum {
            return Err(Error::corrupt(path, HEADER_BYTES, "the body does not match the header"));
        }
        let corrupt = |why: String| Error::corrupt(path, HEADER_BYTES, why);
        let backup: Self = serde_json::from_slice(body).map_err(|err| corrupt(err.to_string()))?;
        backup.collections.iter().try_for_each(|one| one.check().map_err(corrupt))?;
        Ok(backup)
    }
}

impl BackedUp {
    /// Every file that the manifest names is there once, and no other.
    fn check(&self) -> std::result::Result<(), String> {
        let name = &self.collection;
        self.version.manifest.check()?;
        let mut there: BTreeMap<(u64, &str), &Stored> = BTreeMap::new();
        for stored in &self.files {
            let digits = stored.hash.len() == 32 && stored.hash.bytes().all(|digit| digit.is_ascii_hexdigit());
            if !digits || there.insert((stored.segment, &stored.name), stored).is_some() {
                return Err(format!("collection `{name}` names file {:?} twice or not at all", stored.name));
            }
        }
        for (segment, file) in self.version.files() {
            match there.remove(&(segment.number, &file.name[..])) {
                Some(stored) if stored.bytes == file.bytes => {}
                _ => {
                    return Err(format!(
                        "collection `{name}`: file {:?} of segment {} is missing",
                        file.name, segment.number
                    ));
                }
            }
        }
        match there.first_key_value() {
            None => Ok(()),
            Some(((segment, file), _)) => {
                Err(format!("collection `{name}`: nobody asks for {file:?} of segment {segment}"))
            }
        }
    }

    /// The bytes of all its files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

impl Stored {
    /// The name under which a backup's target has the file: what it holds, and nothing else.
    pub fn key(&self) -> String {
        format!("{}-{}", self.hash, self.bytes)
    }
}

impl Version {
    /// Every file, with its segment.
    pub fn files(&self) -> impl Iterator<Item = (&SegmentEntry, &FileEntry)> {
        let segments = self.manifest.segments.iter();
        segments.flat_map(|segment| segment.files.iter().chain(&segment.dead).map(move |file| (segment, file)))
    }
}

impl Hold {
    /// A file of what is held, mapped, and what a backup says of it. It was read once: a file that was
    /// damaged since it was written is an error, not a backup.
    pub fn read(&self, segment: u64, file: &FileEntry) -> Result<(Bytes, Stored)> {
        let path = folder(self.folder(), segment).join(&file.name);
        let bytes = self.file(segment, &file.name)?;
        frame::check_bytes(&path, &bytes, None, file.info())?;
        let hash = format!("{:032x}", xxh3_128(&bytes));
        Ok((bytes, Stored { segment, name: file.name.clone(), bytes: file.bytes, hash }))
    }
}

/// A file that is written as it comes, and then held against what it should be.
pub struct Incoming<'a> {
    path: PathBuf,
    file: Box<dyn Appender>,
    stored: &'a Stored,
    hash: Xxh3,
    bytes: u64,
}

impl<'a> Incoming<'a> {
    fn create(disk: &dyn Disk, path: PathBuf, stored: &'a Stored) -> Result<Self> {
        let file = disk.create(&path).map_err(doing("create", &path))?;
        Ok(Self { path, file, stored, hash: Xxh3::new(), bytes: 0 })
    }

    /// The next bytes of the file.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.stored.bytes {
            return Err(self.damaged(format!("it has more than {} bytes", self.stored.bytes)));
        }
        self.hash.update(bytes);
        self.file.append(bytes).map_err(doing("write", &self.path))
    }

    fn finish(mut self) -> Result<()> {
        let hash = format!("{:032x}", self.hash.digest128());
        if self.bytes != self.stored.bytes || hash != self.stored.hash {
            return Err(self.damaged(format!("its {} bytes have the hash {hash}", self.bytes)));
        }
        self.file.sync().map_err(doing("sync", &self.path))?;
        self.file.freeze().map_err(doing("freeze", &self.path))
    }

    fn damaged(&self, why: String) -> Error {
        Error::corrupt(PathBuf::from("files").join(self.stored.key()), 0, why)
    }
}

/// Lays a collection down in a folder that is not there yet, from the files that `fetch` gives; its
/// manifest comes last, so that a folder without one is rubbish.
pub(crate) fn lay_down<E: From<Error>>(
    disk: &dyn Disk,
    root: &Path,
    collection: Uuid,
    from: &BackedUp,
    fetch: &mut dyn FnMut(&Stored, &mut Incoming<'_>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let segments = root.join("segments");
    for path in [root.to_owned(), recover::log_folder(root), segments.clone()] {
        disk.create_dir(&path).map_err(doing("create", &path))?;
    }
    for segment in &from.version.manifest.segments {
        let dir = folder(root, segment.number);
        disk.create_dir(&dir).map_err(doing("create", &dir))?;
        for stored in from.files.iter().filter(|stored| stored.segment == segment.number) {
            let mut incoming = Incoming::create(disk, dir.join(&stored.name), stored)?;
            fetch(stored, &mut incoming)?;
            incoming.finish()?;
        }
        disk.sync_dir(&dir).map_err(doing("sync", &dir))?;
    }
    disk.sync_dir(&segments).map_err(doing("sync", &segments))?;
    let mut manifest = from.version.manifest.clone();
    manifest.collection = collection;
    manifest.save(disk, root)?;
    Ok(disk.sync_dir(root).map_err(doing("sync", root))?)
}

/// Whether a collection may be restored under this name at all.
pub(crate) fn check(name: &str, from: &BackedUp) -> Result<()> {
    check_name(name)?;
    from.check().map_err(|why| Error::corrupt("(a backup)", 0, why))?;
    from.version.manifest.spec.validate()
}
