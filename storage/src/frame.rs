//! The frame of every file: who it is, how long, and whether its bytes are still those that were written.
//!
//! ```text
//! | magic "nigh" | kind u16 | version u16 | body length u64 | checksum u64 | zero x 32 | header XXH3-64 u64 |
//! | body | sums: the XXH3-64 of every block of 64 KiB of the body, u64 each |
//! ```
//!
//! The checksum is the XXH3-64 of the sums. So a body can be held against its file's name in the manifest without
//! being read: the header against its own checksum, the sums against the header, each block against its sum when it
//! is first asked for ([`open_unread`]).
//!
//! The header is 64 bytes, so the sections of the body stay aligned. It is written last: a file
//! whose writer did not finish has a header of zeros. A log file grows and has no body length; the
//! two words hold its first operation and its salt instead (see [`crate::wal`]).

mod checking;

use crate::disk::{Appender, Disk};
use crate::error::{Error, Result, doing};
use crate::pace::Pace;
use bytes::Bytes;
pub(crate) use checking::check_bytes;
use checking::{Summing, as_named, check_sums, sums_bytes, wrong_length};
pub use checking::{scan, verify, verify_named};
use nigh_index::sums::{Sums, blocks};
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// The length of a header.
pub const HEADER_BYTES: u64 = 64;

const MAGIC: [u8; 4] = *b"nigh";
const HEADER: usize = HEADER_BYTES as usize;
const BUFFER_BYTES: usize = 256 << 10;
/// A file is synced whenever this many bytes more were written: one sync of hundreds of megabytes at
/// the end would hold up the log's.
const SYNC_BYTES: usize = 16 << 20;

/// What a file holds.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Kind {
    /// A collection's manifest.
    Manifest = 1,
    /// The ids of a segment.
    Ids = 2,
    /// The payloads of a segment.
    Payload = 3,
    /// The field indexes of a segment.
    Fields = 4,
    /// Full vectors of a field.
    VectorFull = 5,
    /// Codes of a vector field.
    VectorCodes = 6,
    /// The route of a vector field.
    VectorRoute = 7,
    /// The text index of a field.
    Text = 8,
    /// The dead rows of a segment.
    Dead = 9,
    /// The store's catalog.
    Catalog = 10,
    /// A file of the log.
    Log = 11,
    /// A version that is kept.
    Pin = 12,
    /// Outcomes of batches that had an id.
    Outcomes = 13,
    /// What a backup holds.
    Backup = 14,
    /// Sparse vectors of a field.
    Sparse = 15,
    /// Vectors of a field that has several a row.
    Multi = 16,
    /// Whose the data directory is.
    Identity = 20,
}

/// The versions of a kind that are read.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Versions {
    /// The oldest.
    pub least: u16,
    /// The newest, which is the one that is written.
    pub current: u16,
}

/// What every kind has come to. Whoever changes a layout raises `current` here, raises `least` with it or goes on
/// reading the old one, and stores a directory of the new layout (tests/tests/formats.rs).
pub const VERSIONS: &[(Kind, Versions)] = &[
    (Kind::Manifest, Versions { least: 1, current: 1 }),
    (Kind::Ids, Versions { least: 1, current: 1 }),
    (Kind::Payload, Versions { least: 1, current: 1 }),
    (Kind::Fields, Versions { least: 1, current: 1 }),
    (Kind::VectorFull, Versions { least: 1, current: 1 }),
    (Kind::VectorCodes, Versions { least: 1, current: 1 }),
    (Kind::VectorRoute, Versions { least: 1, current: 1 }),
    (Kind::Text, Versions { least: 1, current: 1 }),
    (Kind::Dead, Versions { least: 1, current: 1 }),
    (Kind::Catalog, Versions { least: 1, current: 1 }),
    (Kind::Log, Versions { least: 1, current: 1 }),
    (Kind::Pin, Versions { least: 1, current: 1 }),
    (Kind::Outcomes, Versions { least: 1, current: 1 }),
    (Kind::Backup, Versions { least: 1, current: 1 }),
    (Kind::Sparse, Versions { least: 1, current: 1 }),
    (Kind::Multi, Versions { least: 1, current: 1 }),
    (Kind::Identity, Versions { least: 1, current: 1 }),
];

/// The versions of this kind.
pub fn versions(kind: Kind) -> Versions {
    let found = VERSIONS.iter().find(|(have, _)| *have == kind);
    found.map_or(Versions { least: 1, current: 1 }, |(_, versions)| *versions)
}

/// What the manifest keeps of a file.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct FrameInfo {
    /// The length of the file, header included.
    pub bytes: u64,
    /// The checksum of the sums of its blocks.
    pub checksum: u64,
}

/// Writes one file from front to back; what was written is hashed on the way.
pub struct FrameWriter {
    path: PathBuf,
    kind: Kind,
    file: Box<dyn Appender>,
    buffer: Vec<u8>,
    summing: Summing,
    body_bytes: u64,
    unsynced: usize,
    pace: Option<Arc<Pace>>,
}

impl FrameWriter {
    /// Creates the file.
    pub fn create(disk: &dyn Disk, path: &Path, kind: Kind) -> Result<Self> {
        let mut file = disk.create(path).map_err(doing("create", path))?;
        file.append(&[0; HEADER]).map_err(doing("write", path))?;
        let (path, buffer) = (path.to_owned(), Vec::new());
        Ok(Self { path, kind, file, buffer, summing: Summing::default(), body_bytes: 0, unsynced: 0, pace: None })
    }

    /// Writes no faster than this.
    #[must_use]
    pub(crate) fn at(mut self, pace: Option<Arc<Pace>>) -> Self {
        self.pace = pace;
        self
    }

    /// Writes the header and syncs the file. The file's name is durable when its folder is synced.
    pub fn finish(mut self) -> Result<FrameInfo> {
        let sums = sums_bytes(&std::mem::take(&mut self.summing).finish());
        let checksum = xxh3_64(&sums);
        let header = header(self.kind, self.body_bytes, checksum);
        self.flush_buffer().and_then(|()| self.append(&sums)).map_err(doing("write", &self.path))?;
        self.file.overwrite(0, &header).map_err(doing("write", &self.path))?;
        self.file.sync().map_err(doing("sync", &self.path))?;
        self.file.freeze().map_err(doing("freeze", &self.path))?;
        Ok(FrameInfo { bytes: HEADER_BYTES + self.body_bytes + sums.len() as u64, checksum })
    }

    fn flush_buffer(&mut self) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        self.append(&buffer)?;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(SYNC_BYTES) {
            if let Some(pace) = &self.pace {
                pace.take(piece.len() as u64);
            }
            self.file.append(piece)?;
            self.unsynced += piece.len();
            if self.unsynced >= SYNC_BYTES {
                self.file.sync()?;
                self.unsynced = 0;
            }
        }
        Ok(())
    }
}

impl Write for FrameWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.summing.update(bytes);
        self.body_bytes += bytes.len() as u64;
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush_buffer()?;
        }
        match bytes.len() >= BUFFER_BYTES {
            true => self.append(bytes)?,
            false => self.buffer.extend_from_slice(bytes),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flush_buffer()
    }
}

impl fmt::Debug for FrameWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameWriter").field("path", &self.path).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The body of a file, mapped. Header and length are checked, the body is not: that would read all of it (see
/// [`verify`]).
pub fn open(disk: &dyn Disk, path: &Path, kind: Kind) -> Result<Bytes> {
    let file = disk.map(path).map_err(doing("open", path))?;
    let [length, _] = read_header(path, &file, kind)?;
    body_of(path, &file, length)
}

/// Cuts the body out of a file whose header says this length.
fn body_of(path: &Path, file: &Bytes, length: u64) -> Result<Bytes> {
    let after = file.len() as u64 - HEADER_BYTES;
    match length.checked_add(blocks(length) * 8) {
        Some(whole) if whole == after => Ok(file.slice(HEADER..HEADER + length as usize)),
        _ => Err(wrong_length(path, after, length)),
    }
}

/// The body of a file that the manifest names, mapped and not read: every block is checked when it is first touched.
/// The header and the sums are checked now.
pub(crate) fn open_unread(disk: &dyn Disk, path: &Path, kind: Kind, named: FrameInfo) -> Result<(Bytes, Arc<Sums>)> {
    let file = disk.map(path).map_err(doing("open", path))?;
    let [length, checksum] = read_header(path, &file, kind)?;
    let body = body_of(path, &file, length)?;
    let tail = &file[HEADER + body.len()..];
    check_sums(path, length, tail, checksum)?;
    as_named(path, FrameInfo { bytes: file.len() as u64, checksum }, named)?;
    let words = tail.chunks_exact(8).map(|sum| u64::from_le_bytes(std::array::from_fn(|byte| sum[byte])));
    let sums = Sums::new(body.clone(), words.collect()).map_err(|err| Error::of_index(path, err))?;
    Ok((body, Arc::new(sums)))
}

/// The body of a file that the manifest names, mapped after it was read and checked.
pub fn open_checked(disk: &dyn Disk, path: &Path, kind: Kind, named: FrameInfo) -> Result<Bytes> {
    verify_named(disk, path, kind, named)?;
    open(disk, path, kind)
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file.read(&mut buffer[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    Ok(count)
}

/// Writes a file whose body is at hand.
pub fn write_small(disk: &dyn Disk, path: &Path, kind: Kind, body: &[u8]) -> Result<FrameInfo> {
    let mut writer = FrameWriter::create(disk, path, kind)?;
    writer.write_all(body).map_err(doing("write", path))?;
    writer.finish()
}

/// Replaces a file whole: a crash finds the old one or the new one.
pub fn replace(disk: &dyn Disk, path: &Path, kind: Kind, body: &[u8]) -> Result<()> {
    write_beside(disk, path, kind, body)?;
    put_in_place(disk, path)
}

/// The first half of [`replace`]: where it fails, nothing has changed.
pub(crate) fn write_beside(disk: &dyn Disk, path: &Path, kind: Kind, body: &[u8]) -> Result<()> {
    let written = beside(path);
    // One that a crash left behind.
    match disk.remove(&written) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(doing("remove", &written)(err)),
        _ => {}
    }
    let info = write_small(disk, &written, kind, body);
    if info.is_err() {
        // It may take the last room of a full disk. What cannot be removed is removed the next time.
        let _ = disk.remove(&written);
    }
    info.map(|_| ())
}

/// The second half of [`replace`]: where it fails, nobody knows which one a crash would find.
pub(crate) fn put_in_place(disk: &dyn Disk, path: &Path) -> Result<()> {
    let written = beside(path);
    disk.rename(&written, path).map_err(doing("rename", &written))?;
    // Until the folder is synced a crash may bring the old file back.
    let folder = path.parent().unwrap_or(Path::new(""));
    disk.sync_dir(folder).map_err(doing("sync", folder))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

/// The body of a file that is replaced whole, checked; what was read stays read. Its folder is
/// synced: a process that ended between the rename and the sync leaves a file that is seen, but
/// that a power cut would undo, after others were removed on its word.
pub fn read_replaced(disk: &dyn Disk, path: &Path, kind: Kind) -> Result<Bytes> {
    let folder = path.parent().unwrap_or(Path::new(""));
    disk.sync_dir(folder).map_err(doing("sync", folder))?;
    verify(disk, path, kind)?;
    open(disk, path, kind)
}

/// A header whose two words mean what the kind says.
pub(crate) fn header(kind: Kind, word0: u64, word1: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&(kind as u16).to_le_bytes());
    header[6..8].copy_from_slice(&versions(kind).current.to_le_bytes());
    header[8..16].copy_from_slice(&word0.to_le_bytes());
    header[16..24].copy_from_slice(&word1.to_le_bytes());
    let checksum = xxh3_64(&header[..HEADER - 8]);
    header[HEADER - 8..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// The two words of a header that holds.
pub(crate) fn read_header(path: &Path, file: &[u8], kind: Kind) -> Result<[u64; 2]> {
    let corrupt = |at: u64, why: &str| Err(Error::corrupt(path, at, why));
    let Some(header) = file.first_chunk::<HEADER>() else {
        return corrupt(file.len() as u64, "the file ends within its header");
    };
    let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
    if header[..4] != MAGIC {
        return corrupt(0, "not a file of nigh, or one that was never finished");
    }
    // The header's own layout is the same in every version.
    if word(HEADER - 8) != xxh3_64(&header[..HEADER - 8]) {
        return corrupt(0, "the header does not match its checksum");
    }
    if half(4) != kind as u16 {
        return Err(Error::corrupt(path, 4, format!("kind {}, not {} ({kind:?})", half(4), kind as u16)));
    }
    let (path, got, Versions { least, current }) = (path.to_owned(), half(6), versions(kind));
    if got > current {
        return Err(Error::Newer { path, got, known: current });
    }
    if got < least {
        return Err(Error::Older { path, got, least });
    }
    Ok([word(8), word(16)])
}

#[cfg(test)]
mod tests {
    use super::checking::sums_of;
    use super::*;
    use crate::disk::cruel::CruelDisk;

    fn written(disk: &CruelDisk, body: &[u8]) -> PathBuf {
        let path = PathBuf::from("data/file");
        disk.create_dir(Path::new("data")).unwrap();
        write_small(disk, &path, Kind::Ids, body).unwrap();
        path
    }

    #[test]
    fn a_body_of_any_length_comes_back() {
        for length in [0, 1, 63, BUFFER_BYTES - 1, BUFFER_BYTES, 3 * BUFFER_BYTES + 7] {
            let disk = CruelDisk::new();
            let body: Vec<u8> = (0..length).map(|at| at as u8).collect();
            disk.create_dir(Path::new("data")).unwrap();
            let path = Path::new("data/file");
            let mut writer = FrameWriter::create(&disk, path, Kind::Ids).unwrap();
            for piece in body.chunks(100_001) {
                writer.write_all(piece).unwrap();
            }
            let info = writer.finish().unwrap();
            let sums = sums_bytes(&sums_of(&body));
            let bytes = HEADER_BYTES + (length + sums.len()) as u64;
            assert_eq!(info, FrameInfo { bytes, checksum: xxh3_64(&sums) });
            assert_eq!(open(&disk, path, Kind::Ids).unwrap(), body);
            assert_eq!(verify(&disk, path, Kind::Ids).unwrap(), info);
            assert_eq!(open_checked(&disk, path, Kind::Ids, info).unwrap(), body);
            let (unread, sums) = open_unread(&disk, path, Kind::Ids, info).unwrap();
            assert!(unread == body && sums.touch(0..length));
            check_bytes(path, &disk.read(path).unwrap(), None, info).unwrap();
            let other = FrameInfo { checksum: info.checksum ^ 1, ..info };
            assert!(verify_named(&disk, path, Kind::Ids, other).is_err(), "another file of this name");
            let mut seen = 0;
            let scanned = scan(&disk, path, Some(Kind::Ids), &mut |bytes| {
                seen += bytes;
                Ok(())
            });
            assert_eq!((scanned.unwrap(), seen), (info, info.bytes));
            assert!(open(&disk, path, Kind::Payload).is_err(), "another kind");
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let disk = CruelDisk::new();
        let path = written(&disk, b"twenty bytes of body");
        let info = verify(&disk, &path, Kind::Ids).unwrap();
        for bit in 0..disk.length(&path).unwrap() * 8 {
            disk.flip_bit(&path, bit);
            assert!(verify(&disk, &path, Kind::Ids).is_err(), "bit {bit}");
            assert!(scan(&disk, &path, None, &mut |_| Ok(())).is_err(), "bit {bit}");
            let unread = open_unread(&disk, &path, Kind::Ids, info);
            assert!(unread.is_err() || !unread.unwrap().1.touch(0..20), "bit {bit}");
            disk.flip_bit(&path, bit);
        }
        verify(&disk, &path, Kind::Ids).unwrap();
    }

    #[test]
    fn a_cut_file_is_found() {
        let disk = CruelDisk::new();
        let path = written(&disk, b"twenty bytes of body");
        for length in (0..92).rev() {
            disk.truncate(&path, length);
            assert!(open(&disk, &path, Kind::Ids).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn newer_and_older_versions_are_named() {
        let disk = CruelDisk::new();
        let Versions { least, current } = versions(Kind::Ids);
        for version in [current + 1, least - 1] {
            let mut header = header(Kind::Ids, 0, xxh3_64(b""));
            header[6..8].copy_from_slice(&version.to_le_bytes());
            let checksum = xxh3_64(&header[..HEADER - 8]);
            header[HEADER - 8..].copy_from_slice(&checksum.to_le_bytes());
            let path = PathBuf::from(version.to_string());
            disk.create(&path).unwrap().append(&header).unwrap();
            let err = open(&disk, &path, Kind::Ids).unwrap_err();
            match version > current {
                true => assert!(matches!(err, Error::Newer { got, known, .. } if got == version && known == current)),
                false => {
                    assert!(matches!(err, Error::Older { got, least: from, .. } if got == version && from == least))
                }
            }
            // What a reader of the newest can do, and that of an older one.
            let text = err.to_string();
            assert!(text.contains("format version") && text.contains("build"), "{text}");
        }
    }

    #[test]
    fn every_kind_has_its_versions_once() {
        for (kind, Versions { least, current }) in VERSIONS {
            assert!(*least >= 1 && least <= current, "{kind:?}");
            assert_eq!(VERSIONS.iter().filter(|(other, _)| other == kind).count(), 1, "{kind:?}");
        }
    }
}
