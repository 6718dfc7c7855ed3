//! How far an import is: a small file that is replaced whole, so that a later run goes on there.

use crate::cli::failure::{Failure, Result, doing};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What the file says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Progress {
    version: u32,
    pub(crate) import: Import,
    /// Rows of the source, from the first on and without a gap, that are on the server's disk.
    pub(crate) rows: u64,
}

/// Which import it speaks of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Import {
    pub(crate) collection: String,
    pub(crate) source: PathBuf,
    /// Of the file; 0 for a pipe.
    pub(crate) bytes: u64,
}

const VERSION: u32 = 1;

/// A state file, if the import has one.
#[derive(Clone, Debug)]
pub(crate) struct State {
    path: Option<PathBuf>,
    progress: Progress,
}

impl State {
    /// What the file says of this import; a file that speaks of another one is an error, since
    /// rows would be skipped that were never written.
    pub(crate) fn open(path: Option<PathBuf>, import: Import) -> Result<Self> {
        let fresh = Progress { version: VERSION, import, rows: 0 };
        let Some(path) = path else { return Ok(Self { path, progress: fresh }) };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { path: Some(path), progress: fresh });
            }
            Err(error) => return Err(doing("read", &path)(error)),
        };
        let wrong = |why: String| Failure::Usage(format!("--resume {}: {why}", path.display()));
        let progress: Progress =
            serde_json::from_str(&text).map_err(|error| wrong(format!("this is no state of an import: {error}")))?;
        if progress.version != VERSION {
            return Err(wrong(format!("its version is {}, not {VERSION}", progress.version)));
        }
        if progress.import != fresh.import {
            let Import { collection, source, bytes } = &progress.import;
            let other = format!("`{}` ({bytes} bytes) into `{collection}`", source.display());
            return Err(wrong(format!("it speaks of another import, {other}")));
        }
        Ok(Self { path: Some(path), progress })
    }

    /// Rows that need not be sent again.
    pub(crate) fn rows(&self) -> u64 {
        self.progress.rows
    }

    /// Notes that so many rows are on disk.
    pub(crate) fn save(&mut self, rows: u64) -> Result<()> {
        let Some(path) = self.path.as_ref().filter(|_| rows > self.progress.rows) else { return Ok(()) };
        self.progress.rows = rows;
        let text = serde_json::to_string(&self.progress).map_err(io::Error::from).map_err(doing("write", path))?;
        replace(path, &text).map_err(doing("write", path))
    }
}

/// A reader finds the old text or the new one, also after a power cut.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(bytes: u64) -> Import {
        Import { collection: "c".to_owned(), source: PathBuf::from("p.jsonl"), bytes }
    }

    #[test]
    fn a_later_run_goes_on_where_this_one_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().join("state"));
        let mut state = State::open(path.clone(), import(9)).unwrap();
        assert_eq!(state.rows(), 0);
        state.save(7).unwrap();
        state.save(3).unwrap();
        assert_eq!(State::open(path, import(9)).unwrap().rows(), 7, "never backwards");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_state_of_another_import_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        State::open(Some(path.clone()), import(9)).unwrap().save(7).unwrap();
        let error = State::open(Some(path.clone()), import(10)).unwrap_err();
        assert!(error.to_string().contains("another import, `p.jsonl` (9 bytes) into `c`"), "{error}");
        for text in ["", "{}", "[]", "{\"version\": 1}"] {
            fs::write(&path, text).unwrap();
            assert!(State::open(Some(path.clone()), import(9)).is_err());
        }
    }

    #[test]
    fn without_a_file_nothing_is_kept() {
        let mut state = State::open(None, import(9)).unwrap();
        state.save(7).unwrap();
        assert_eq!(state.rows(), 0);
    }
}
