//! A collection in one file, to be carried elsewhere: a tar archive (POSIX ustar) of what a backup of it holds.
//!
//! ```text
//! snapshot                          a frame around the text of a backup of this one collection
//! note                              what was noted beside it; may be empty
//! segments/0000000007/ids ...       its files, segment by segment, in the order in which a restore asks for them
//! (1024 zero bytes)
//! ```
//!
//! Whoever uploads one is not trusted: everything follows from the first entry, namely which entries come after it, their
//! headers to the byte, and how long it all is. So nothing else can stand in it (a link, another path, an extension, more
//! behind the end), and it is read once, from front to back, a piece at a time.

use crate::backup::{BackedUp, Backup, Incoming, Stored};
use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::pins::Hold;
use crate::store::names::NOTE_BYTES_MAX;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// Headers stand in blocks of so many bytes, and so do files, filled with zeros.
const BLOCK: usize = 512;
/// Two blocks of zeros end an archive.
const END: usize = 2 * BLOCK;
/// A name in a header has at most this many bytes.
const NAME_BYTES_MAX: usize = 100;
/// The first entry has at most this many bytes: about two hundred each for some hundred thousand files.
const BACKUP_BYTES_MAX: u64 = 64 << 20;
/// Files are read and written by so many bytes.
const PIECE: usize = 1 << 20;
/// A size of more than eleven octal digits is written as a number of bytes, marked in its first bit.
const OCTAL_SIZE_MAX: u64 = 0o77_777_777_777;

/// A state of a collection that is to be packed: every file of it was read, and is what it should be.
pub struct Packing<'h> {
    hold: &'h Hold,
    backup: Vec<u8>,
    note: String,
    files: Vec<Stored>,
}

impl<'h> Packing<'h> {
    /// Looks at all files of what is held. `wanted` is asked before each; an error of it ends the work.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] for a file that is not what was written; what the disk and `wanted` answer.
    pub fn of(
        hold: &'h Hold,
        disk: &dyn Disk,
        collection: &str,
        (id, time_ms): (&str, u64),
        note: String,
        wanted: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Self> {
        let mut files = Vec::new();
        for (segment, file) in hold.version().files() {
            wanted()?;
            let (bytes, stored) = hold.read(segment.number, file)?;
            disk.let_go(&bytes);
            files.push(stored);
        }
        let (collection, version) = (collection.to_owned(), hold.version().clone());
        let one = BackedUp { collection, version, files: files.clone() };
        let backup = Backup { id: id.to_owned(), time_ms, collections: vec![one] }.encode()?;
        if backup.len() as u64 > BACKUP_BYTES_MAX {
            let (what, got) = ("a snapshot (bytes that describe it)", backup.len() as u64);
            return Err(Error::Full { what, got, limit: BACKUP_BYTES_MAX, retry_ms: 60_000 });
        }
        Ok(Self { hold, backup, note, files })
    }

    /// The bytes of the archive.
    pub fn bytes(&self) -> u64 {
        whole(self.backup.len(), self.note.len(), self.files.iter().map(|stored| stored.bytes))
    }

    /// Writes it. `wanted` as in [`Self::of`].
    ///
    /// # Errors
    ///
    /// As [`Self::of`]; what `out` answers, as an error of the file at `path`.
    pub fn write(
        &self,
        disk: &dyn Disk,
        path: &Path,
        out: &mut dyn Write,
        wanted: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let failed = || doing("write", path);
        entry(out, "snapshot", &self.backup).map_err(failed())?;
        entry(out, "note", self.note.as_bytes()).map_err(failed())?;
        for stored in &self.files {
            let bytes = self.hold.file(stored.segment, &stored.name)?;
            let mut hash = Xxh3::new();
            out.write_all(&header(&name_of(stored), stored.bytes)).map_err(failed())?;
            for piece in bytes.chunks(PIECE) {
                wanted()?;
                hash.update(piece);
                out.write_all(piece).map_err(failed())?;
                disk.let_go(piece);
            }
            if bytes.len() as u64 != stored.bytes || format!("{:032x}", hash.digest128()) != stored.hash {
                return Err(Error::corrupt(name_of(stored), 0, "it has changed since it was looked at"));
            }
            out.write_all(&[0; BLOCK][..padding(stored.bytes)]).map_err(failed())?;
        }
        out.write_all(&[0; END]).map_err(failed())
    }
}

/// A snapshot file that is being read: its files come one after another.
pub struct Unpacking<R> {
    source: Source<R>,
    from: BackedUp,
    note: String,
}

impl<R: Read> Unpacking<R> {
    /// Reads what an archive of so many bytes holds. The path is for errors alone.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where it is none, or not whole.
    pub fn begin(path: &Path, source: R, length: u64) -> Result<Self> {
        let mut source = Source { path: path.to_owned(), source, at: 0 };
        let encoded = source.entry("snapshot", BACKUP_BYTES_MAX)?;
        let backup = Backup::decode(path, &encoded)?;
        let note = source.entry("note", NOTE_BYTES_MAX as u64)?;
        let note = String::from_utf8(note).map_err(|_| source.corrupt("its note is no text"))?;
        let held = backup.collections.len();
        let mut collections = backup.collections.into_iter();
        let (Some(from), None) = (collections.next(), collections.next()) else {
            return Err(source.corrupt(format!("it holds {held} collections instead of one")));
        };
        if let Some(long) = from.files.iter().find(|stored| name_of(stored).len() > NAME_BYTES_MAX) {
            return Err(source.corrupt(format!("the name of file {:?} is too long", long.name)));
        }
        match whole(encoded.len(), note.len(), from.files.iter().map(|stored| stored.bytes)) {
            whole if whole == length => Ok(Self { source, from, note }),
            whole => Err(source.corrupt(format!("it has {length} bytes, and names files for {whole}"))),
        }
    }

    /// The collection.
    pub fn from(&self) -> &BackedUp {
        &self.from
    }

    /// What was noted beside it.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The collection and its note, and the rest, where the files are.
    pub fn parts(self) -> (BackedUp, String, Files<R>) {
        (self.from, self.note, Files { source: self.source })
    }
}

/// The files of an archive, in order.
pub struct Files<R> {
    source: Source<R>,
}

impl<R: Read> Files<R> {
    /// Hands the next file over, which has to be this one. `wanted` is asked before each piece.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where it is not; what the disk and `wanted` answer.
    pub fn fetch(
        &mut self,
        stored: &Stored,
        incoming: &mut Incoming<'_>,
        wanted: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let mut found = [0; BLOCK];
        self.source.read(&mut found)?;
        if found != header(&name_of(stored), stored.bytes) {
            return Err(self.source.corrupt(format!("{} does not stand here", name_of(stored))));
        }
        let (mut left, mut piece) = (stored.bytes, vec![0; stored.bytes.min(PIECE as u64) as usize]);
        while left > 0 {
            wanted()?;
            let next = &mut piece[..left.min(PIECE as u64) as usize];
            self.source.read(next)?;
            incoming.write(next)?;
            left -= next.len() as u64;
        }
        self.source.zeros(padding(stored.bytes))
    }
}

/// An archive as bytes, and how far it was read.
struct Source<R> {
    path: PathBuf,
    source: R,
    at: u64,
}

impl<R: Read> Source<R> {
    /// An entry that is read whole: its header says how long it is, and nothing else that is not known.
    fn entry(&mut self, name: &str, bytes_max: u64) -> Result<Vec<u8>> {
        let mut found = [0; BLOCK];
        self.read(&mut found)?;
        let bytes = octal(&found[124..135]).filter(|bytes| found == header(name, *bytes));
        let bytes =
            bytes.ok_or_else(|| self.corrupt(format!("no entry `{name}` of a snapshot of nigh stands here")))?;
        if bytes > bytes_max {
            return Err(self.corrupt(format!("entry `{name}` has {bytes} bytes, at most {bytes_max}")));
        }
        let mut body = Vec::new();
        (&mut self.source).take(bytes).read_to_end(&mut body).map_err(doing("read", &self.path))?;
        self.at += body.len() as u64;
        if body.len() as u64 != bytes {
            return Err(self.corrupt("it is cut off"));
        }
        self.zeros(padding(bytes))?;
        Ok(body)
    }

    fn zeros(&mut self, count: usize) -> Result<()> {
        let mut found = [0; BLOCK];
        self.read(&mut found[..count])?;
        match found.iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err(self.corrupt("there is something where nothing should be")),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> Result<()> {
        match self.source.read_exact(into) {
            Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => return Err(self.corrupt("it is cut off")),
            read => read.map_err(doing("read", &self.path))?,
        }
        self.at += into.len() as u64;
        Ok(())
    }

    fn corrupt(&self, why: impl Into<String>) -> Error {
        Error::corrupt(&self.path, self.at, why)
    }
}

fn name_of(stored: &Stored) -> String {
    format!("segments/{:010}/{}", stored.segment, stored.name)
}

/// The zeros that fill the last block of a file.
fn padding(bytes: u64) -> usize {
    (bytes.next_multiple_of(BLOCK as u64) - bytes) as usize
}

/// The bytes of an archive.
fn whole(backup: usize, note: usize, files: impl Iterator<Item = u64>) -> u64 {
    let all = [backup as u64, note as u64].into_iter().chain(files);
    let with_header = |bytes: u64| bytes.checked_next_multiple_of(BLOCK as u64)?.checked_add(BLOCK as u64);
    let sum = |sum: u64, bytes| sum.checked_add(with_header(bytes)?);
    all.into_iter().try_fold(END as u64, sum).unwrap_or(u64::MAX)
}

fn entry(out: &mut dyn Write, name: &str, body: &[u8]) -> io::Result<()> {
    out.write_all(&header(name, body.len() as u64))?;
    out.write_all(body)?;
    out.write_all(&[0; BLOCK][..padding(body.len() as u64)])
}

/// The header of a file, readable by its owner alone and from 1970, as ustar has it:
///
/// | name 100 | mode 8 | owner 8 | group 8 | size 12 | time 12 | checksum 8 | type 1 | link 100 | magic 6 | version 2 | 247 zeros |
pub fn header(name: &str, bytes: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, &name.as_bytes()[..name.len().min(NAME_BYTES_MAX)]);
    put(100, b"0000600\x000000000\x000000000\0");
    match bytes {
        0..=OCTAL_SIZE_MAX => put(124, format!("{bytes:011o}\0").as_bytes()),
        _ => {
            put(124, &[0x80]);
            put(128, &bytes.to_be_bytes());
        }
    }
    put(136, b"00000000000\0        0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// A number of octal digits.
fn octal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, digit| (b'0'..=b'7').contains(digit).then(|| sum * 8 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests;
