//! Holding files against their headers and their names in the manifest, piece by piece: nothing of them stays in
//! memory.

use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::frame::{BUFFER_BYTES, FrameInfo, HEADER, HEADER_BYTES, Kind, VERSIONS, fill, read_header};
use nigh_index::sums::{BLOCK_BYTES, blocks};
use std::io;
use std::path::Path;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Sums of the blocks of a body that comes in pieces of any length.
#[derive(Default)]
pub(super) struct Summing {
    hash: Xxh3,
    /// Bytes of the block that is not full yet.
    filled: usize,
    sums: Vec<u64>,
}

impl Summing {
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.filled));
            self.hash.update(now);
            self.filled += now.len();
            if self.filled == BLOCK_BYTES {
                self.end_block();
            }
            bytes = later;
        }
    }

    fn end_block(&mut self) {
        self.sums.push(self.hash.digest());
        self.hash.reset();
        self.filled = 0;
    }

    pub(super) fn finish(mut self) -> Vec<u64> {
        if self.filled > 0 {
            self.end_block();
        }
        self.sums
    }
}

/// The sums of a body at hand.
#[cfg(test)]
pub(super) fn sums_of(body: &[u8]) -> Vec<u64> {
    body.chunks(BLOCK_BYTES).map(xxh3_64).collect()
}

pub(super) fn sums_bytes(sums: &[u64]) -> Vec<u8> {
    sums.iter().flat_map(|sum| sum.to_le_bytes()).collect()
}

/// Holds a file that comes in pieces against its own header.
struct Checking {
    /// Bytes of the body still to come.
    left: u64,
    length: u64,
    checksum: u64,
    summing: Summing,
    /// What comes after the body.
    tail: Vec<u8>,
}

impl Checking {
    fn new(path: &Path, header: &[u8], kind: Kind) -> Result<Self> {
        let [length, checksum] = read_header(path, header, kind)?;
        Ok(Self { left: length, length, checksum, summing: Summing::default(), tail: Vec::new() })
    }

    /// False where more came than the header says.
    fn update(&mut self, piece: &[u8]) -> bool {
        let (body, tail) = piece.split_at(piece.len().min(usize::try_from(self.left).unwrap_or(usize::MAX)));
        self.left -= body.len() as u64;
        self.summing.update(body);
        let room = (blocks(self.length) as usize * 8 + 1).saturating_sub(self.tail.len());
        self.tail.extend_from_slice(&tail[..tail.len().min(room)]);
        tail.len() <= room
    }

    fn finish(self, path: &Path) -> Result<FrameInfo> {
        let tail_bytes = blocks(self.length) * 8;
        if self.left > 0 || self.tail.len() as u64 != tail_bytes {
            let got = self.length - self.left + self.tail.len() as u64;
            return Err(wrong_length(path, got, self.length));
        }
        check_sums(path, self.length, &self.tail, self.checksum)?;
        let found = sums_bytes(&self.summing.finish());
        if let Some(block) = found.chunks(8).zip(self.tail.chunks(8)).position(|(found, kept)| found != kept) {
            let why = "the checksum of the block of 64 KiB that begins here does not match";
            return Err(Error::corrupt(path, HEADER_BYTES + block as u64 * BLOCK_BYTES as u64, why));
        }
        Ok(FrameInfo { bytes: HEADER_BYTES + self.length + tail_bytes, checksum: self.checksum })
    }
}

/// The sums of a body of this length, held against the header's checksum.
pub(super) fn check_sums(path: &Path, length: u64, sums: &[u8], expected: u64) -> Result<()> {
    let checksum = xxh3_64(sums);
    match checksum == expected {
        true => Ok(()),
        false => {
            let why = format!("the checksum of the blocks' sums is {checksum:016x}, the header says {expected:016x}");
            Err(Error::corrupt(path, HEADER_BYTES + length, why))
        }
    }
}

pub(super) fn wrong_length(path: &Path, got: u64, length: u64) -> Error {
    let (sums, got) = (blocks(length) * 8, got);
    let why = format!("after the header come {got} bytes, not a body of {length} and sums of {sums}");
    Error::corrupt(path, 8, why)
}

/// Reads the whole file and checks that its body is what was written. It is read piece by piece:
/// nothing of it stays in memory, and it may be checked while others use it.
pub fn verify(disk: &dyn Disk, path: &Path, kind: Kind) -> Result<FrameInfo> {
    let mut file = disk.reader(path).map_err(doing("open", path))?;
    let mut piece = vec![0; BUFFER_BYTES];
    let first = fill(&mut *file, &mut piece[..HEADER]).map_err(doing("read", path))?;
    let mut checking = Checking::new(path, &piece[..first], kind)?;
    loop {
        let count = fill(&mut *file, &mut piece).map_err(doing("read", path))?;
        // A file that grows under us would never end.
        if !checking.update(&piece[..count]) || count < piece.len() {
            return checking.finish(path);
        }
    }
}

/// Reads the whole file from the medium, past the page cache where the disk can, and checks it as [`verify`] does;
/// without a kind, by the one that its header tells. `pace` is told of every piece's bytes, and ends the reading by
/// an error.
pub fn scan(
    disk: &dyn Disk,
    path: &Path,
    kind: Option<Kind>,
    pace: &mut dyn FnMut(u64) -> io::Result<()>,
) -> Result<FrameInfo> {
    let (mut head, mut checking) = (Vec::with_capacity(HEADER), None);
    let scanned = disk.scan(path, &mut |piece| {
        let (first, rest) = piece.split_at(piece.len().min(HEADER - head.len()));
        head.extend_from_slice(first);
        if checking.is_none() && head.len() == HEADER {
            checking = Some(told_kind(path, &head, kind).and_then(|kind| Checking::new(path, &head, kind)));
        }
        if let Some(Ok(checking)) = &mut checking {
            checking.update(rest);
        }
        pace(piece.len() as u64)
    });
    scanned.map_err(doing("read", path))?;
    match checking {
        Some(checking) => checking?.finish(path),
        None => Err(Error::corrupt(path, head.len() as u64, "the file ends within its header")),
    }
}

/// The kind that is asked for, or the one that a header tells.
fn told_kind(path: &Path, head: &[u8], kind: Option<Kind>) -> Result<Kind> {
    let number = head.get(4..6).map_or(0, |number| u16::from_le_bytes([number[0], number[1]]));
    let told = || VERSIONS.iter().map(|(kind, _)| *kind).find(|kind| *kind as u16 == number);
    kind.or_else(told).ok_or_else(|| Error::corrupt(path, 4, format!("kind {number} is not known")))
}

/// Checks the bytes of a whole file that the manifest names.
pub(crate) fn check_bytes(path: &Path, file: &[u8], kind: Option<Kind>, named: FrameInfo) -> Result<()> {
    let (head, rest) = file.split_at(file.len().min(HEADER));
    let mut checking = Checking::new(path, head, told_kind(path, head, kind)?)?;
    checking.update(rest);
    as_named(path, checking.finish(path)?, named)
}

/// As [`verify`], of a file that the manifest names: it is the file of this length and checksum, not
/// another one of the same kind that came to its name.
pub fn verify_named(disk: &dyn Disk, path: &Path, kind: Kind, named: FrameInfo) -> Result<()> {
    as_named(path, verify(disk, path, kind)?, named)
}

/// Whether a file that holds is the one that the manifest names.
pub(super) fn as_named(path: &Path, found: FrameInfo, named: FrameInfo) -> Result<()> {
    if found.checksum != named.checksum {
        let why = format!("the checksum is {:016x}, the manifest says {:016x}", found.checksum, named.checksum);
        return Err(Error::corrupt(path, HEADER_BYTES, why));
    }
    if found.bytes != named.bytes {
        let why = format!("has {} bytes, the manifest says {}", found.bytes, named.bytes);
        return Err(Error::corrupt(path, found.bytes, why));
    }
    Ok(())
}
