//! Reading a file from the medium, past the page cache, where the operating system lets us.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes of one read.
pub(super) const PIECE_BYTES: usize = 1 << 20;
/// Reads past the cache go to memory, and come from places, that are multiples of this: the block of every
/// device that is common. On one with larger blocks the cache is used.
const BLOCK_BYTES: usize = 4096;

/// Shows the file's bytes from front to back, in pieces.
pub(super) fn scan(path: &Path, see: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let (mut file, mut direct) = open(path)?;
    let length = file.metadata()?.len();
    let mut buffer = vec![0; PIECE_BYTES + BLOCK_BYTES];
    let start = buffer.as_ptr().align_offset(BLOCK_BYTES);
    let piece = &mut buffer[start..start + PIECE_BYTES];
    let mut at = 0;
    while at < length {
        match file.read(piece) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(got) => {
                // A file that grows meanwhile is read as far as it was.
                let wanted = got.min(usize::try_from(length - at).unwrap_or(got));
                see(&piece[..wanted])?;
                at += wanted as u64;
            }
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) if direct && err.kind() == io::ErrorKind::InvalidInput => {
                (file, direct) = (File::open(path)?, false);
                file.seek(SeekFrom::Start(at))?;
            }
            Err(err) => return Err(err),
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn open(path: &Path) -> io::Result<(File, bool)> {
    let flags = rustix::fs::OFlags::DIRECT.bits().cast_signed();
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        // A file system in memory has nothing to go past.
        Err(err) if matches!(err.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok((File::open(path)?, false))
        }
        opened => Ok((opened?, true)),
    }
}

#[cfg(not(target_os = "linux"))]
fn open(path: &Path) -> io::Result<(File, bool)> {
    Ok((File::open(path)?, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_any_length_are_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 1, 4095, 4096, 4097, PIECE_BYTES, 2 * PIECE_BYTES + 77] {
            let path = folder.path().join(length.to_string());
            let bytes: Vec<u8> = (0..length).map(|at| (at * 7 / 5) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            let mut seen = Vec::new();
            scan(&path, &mut |piece| {
                seen.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
            assert!(seen == bytes, "{length} bytes");
        }
        let stop = scan(&folder.path().join("4097"), &mut |_| Err(io::ErrorKind::TimedOut.into()));
        assert_eq!(stop.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(scan(&folder.path().join("none"), &mut |_| Ok(())).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
