//! By what a resumed import knows that files are those that it read before.
//!
//! Their number and length, when each was changed last (of an object, the store's own tag for its state), and what stands
//! in the first and last 64 KiB of each. So a file that was written again is another one, also where it is as long as
//! before, or where its time was put back; and what stands beside the lines counts like the lines.

use crate::cli::failure::{Result, doing};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// So many bytes are read at each end of a file.
const END_BYTES: u64 = 64 << 10;
/// So many bytes of the sum are told.
const SUM_BYTES: usize = 12;

/// What was seen of files, in their order.
#[derive(Default)]
pub(super) struct Identity {
    files: u64,
    bytes: u64,
    sum: Sha256,
}

impl Identity {
    /// A file of this machine.
    pub(super) fn file(&mut self, path: &Path) -> Result<()> {
        let mut file = File::open(path).map_err(doing("open", path))?;
        let meta = file.metadata().map_err(doing("read", path))?;
        let changed = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let changed_ns = changed.map_or(0, |since| since.as_nanos());
        self.add(meta.len(), &changed_ns.to_le_bytes());
        let mut end = Vec::new();
        for from in [0, meta.len().saturating_sub(END_BYTES).max(END_BYTES.min(meta.len()))] {
            file.seek(SeekFrom::Start(from)).map_err(doing("read", path))?;
            (&mut file).take(END_BYTES).read_to_end(&mut end).map_err(doing("read", path))?;
        }
        self.sum.update(&end);
        Ok(())
    }

    /// An object, with the tag that its store gives to what it holds.
    pub(super) fn object(&mut self, bytes: u64, tag: &str) {
        self.add(bytes, tag.as_bytes());
    }

    fn add(&mut self, bytes: u64, state: &[u8]) {
        self.files += 1;
        self.bytes += bytes;
        self.sum.update(bytes.to_le_bytes());
        self.sum.update((state.len() as u64).to_le_bytes());
        self.sum.update(state);
    }

    /// In words: what people see in `nigh sources`.
    pub(super) fn told(self) -> String {
        let Self { files, bytes, sum } = self;
        let sum: String = sum.finalize()[..SUM_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        match files {
            0 => String::new(),
            1 => format!("{bytes} bytes, {sum}"),
            _ => format!("{files} files, {bytes} bytes, {sum}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    fn of(path: &Path) -> String {
        let mut identity = Identity::default();
        identity.file(path).unwrap();
        identity.told()
    }

    /// Writes a file as it was at the same moment.
    fn write(path: &Path, bytes: &[u8]) {
        std::fs::write(path, bytes).unwrap();
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }

    #[test]
    fn what_stands_at_either_end_of_a_file_makes_another_one_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        for length in [0_usize, 1, 65_536, 65_537, 100_000, 200_000] {
            let bytes = vec![b'a'; length];
            write(&path, &bytes);
            let before = of(&path);
            assert!(before.starts_with(&format!("{length} bytes, ")), "{before}");
            write(&path, &bytes);
            assert_eq!(of(&path), before);
            for at in [0, length / 4, length.saturating_sub(1)].into_iter().filter(|at| *at < length) {
                let mut bytes = bytes.clone();
                bytes[at] = b'b';
                write(&path, &bytes);
                assert_ne!(of(&path), before, "byte {at} of {length}");
            }
        }
    }

    #[test]
    fn a_change_of_its_middle_is_told_by_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        write(&path, &vec![b'a'; 200_000]);
        let before = of(&path);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_nanos(1000)).unwrap();
        assert_ne!(of(&path), before);
    }

    #[test]
    fn an_object_is_known_by_its_tag() {
        let of = |objects: &[(u64, &str)]| {
            let mut identity = Identity::default();
            objects.iter().for_each(|(bytes, tag)| identity.object(*bytes, tag));
            identity.told()
        };
        let before = of(&[(3, "a"), (4, "b")]);
        assert!(before.starts_with("2 files, 7 bytes, "), "{before}");
        for other in [&[(3, "a"), (4, "c")][..], &[(4, "b"), (3, "a")], &[(7, "ab")]] {
            assert_ne!(of(other), before);
        }
    }
}
