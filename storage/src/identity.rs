//! Whose a data directory is, and in which format it was begun.
//!
//! `NIGH` is a frame around the text of a JSON object. It is the first file that a new directory gets, so a
//! directory with collections and without it was not made by this program, or lost a file.

use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::frame::{self, HEADER_BYTES, Kind};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use uuid::Uuid;

/// Its file, in the data directory.
pub const FILE_NAME: &str = "NIGH";

/// The format of the whole directory: which files there are, and where. Those of the files are their own
/// (see [`frame::versions`]).
pub const FORMAT: u32 = 1;

/// Who a data directory is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Its number, the same for as long as it lives.
    pub directory: String,
    /// The format in which it was begun.
    pub format: u32,
    /// The version of nigh that began it.
    pub begun_by: String,
}

impl Identity {
    fn new() -> Self {
        let directory = Uuid::new_v4().to_string();
        Self { directory, format: FORMAT, begun_by: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Reads it; `None` where there is none.
    pub fn load(disk: &dyn Disk, root: &Path) -> Result<Option<Self>> {
        let path = root.join(FILE_NAME);
        match disk.length(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(doing("read", &path)(err)),
            Ok(_) => {}
        }
        let body = frame::read_replaced(disk, &path, Kind::Identity)?;
        let identity: Self =
            serde_json::from_slice(&body).map_err(|err| Error::corrupt(&path, HEADER_BYTES, err.to_string()))?;
        if identity.format > FORMAT {
            let got = u16::try_from(identity.format).unwrap_or(u16::MAX);
            return Err(Error::Newer { path, got, known: FORMAT as u16 });
        }
        Ok(Some(identity))
    }

    /// Reads it, and makes it in a directory that is new.
    pub(crate) fn of(disk: &dyn Disk, root: &Path) -> Result<Self> {
        if let Some(identity) = Self::load(disk, root)? {
            return Ok(identity);
        }
        let path = root.join(FILE_NAME);
        let names = disk.list(root).map_err(doing("list", root))?;
        if let Some(name) = names.iter().find(|name| *name == "CATALOG" || Uuid::try_parse(name).is_ok()) {
            let why = format!(
                "it is missing, but there is {name}: the directory was made by an earlier, unreleased build of \
                 nigh, or lost this file"
            );
            return Err(Error::corrupt(path, 0, why));
        }
        let identity = Self::new();
        let body = serde_json::to_vec(&identity).expect("texts and numbers are JSON");
        frame::replace(disk, &path, Kind::Identity, &body)?;
        Ok(identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::cruel::CruelDisk;

    #[test]
    fn a_directory_is_told_apart_for_as_long_as_it_lives() {
        let disk = CruelDisk::new();
        let root = Path::new("data");
        disk.create_dir(root).unwrap();
        assert_eq!(Identity::load(&disk, root).unwrap(), None);
        let first = Identity::of(&disk, root).unwrap();
        assert_eq!(Identity::of(&disk, root).unwrap(), first);
        assert_ne!(first.directory, Identity::new().directory);
    }

    #[test]
    fn a_directory_with_collections_and_no_identity_is_not_taken_for_a_new_one() {
        let disk = CruelDisk::new();
        disk.create_dir(Path::new("data/6c1b2a0e-3f5d-4c43-9a8e-0d2f4b1c7a90")).unwrap();
        let err = Identity::of(&disk, Path::new("data")).unwrap_err().to_string();
        assert!(err.contains("NIGH") && err.contains("unreleased build"), "{err}");
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let disk = CruelDisk::new();
        let newer = serde_json::to_vec(&Identity { format: FORMAT + 1, ..Identity::new() }).unwrap();
        frame::replace(&disk, Path::new(FILE_NAME), Kind::Identity, &newer).unwrap();
        assert!(matches!(Identity::of(&disk, Path::new("")), Err(Error::Newer { got: 2, known: 1, .. })));
    }
}
