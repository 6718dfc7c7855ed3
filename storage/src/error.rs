//! What can go wrong below the doors, and whose mistake it was.

use crate::opening::Opening;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the storage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's mistake: nothing was written.
    #[error("{field} is {value}; {limit}")]
    Invalid {
        /// The field, as the caller named it.
        field: String,
        /// What was given.
        value: String,
        /// What would have been right.
        limit: String,
    },
    /// What was asked for does not fit to what is there: nothing was written.
    #[error("{field}: {found}; {wanted}")]
    Condition {
        /// The field that asks for it.
        field: String,
        /// How it is.
        found: String,
        /// How it would have to be.
        wanted: String,
    },
    /// There is nothing of this name.
    #[error("there is no {what} `{name}`")]
    Missing {
        /// The kind of thing: "collection", "vector field", "text field", "point".
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// There is something of this name already.
    #[error("collection `{name}` is there already, with another spec")]
    Exists {
        /// Its name.
        name: String,
    },
    /// A name that is taken.
    #[error("there is a {what} `{name}` already")]
    Taken {
        /// The kind of thing: "version".
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// More is waiting than there is room for; try again after a while.
    #[error("{what} is full: {got} of {limit}; try again in {retry_ms} ms")]
    Full {
        /// What is full.
        what: &'static str,
        /// How much there is.
        got: u64,
        /// How much there may be.
        limit: u64,
        /// A good time to wait.
        retry_ms: u64,
    },
    /// The disk is too full for this: nothing of it was kept, and it can be tried again when there
    /// is room.
    #[error("no room at {}: {free} bytes are free, {needed} are needed; nothing of it was kept", path.display())]
    NoSpace {
        /// Where there should be room.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that would have to be.
        needed: u64,
    },
    /// The disk failed while the write was under way: it may be kept, whole, or not at all.
    #[error("whether the write to `{name}` is kept is not known: {why}")]
    Unknown {
        /// The collection.
        name: String,
        /// What failed.
        why: String,
    },
    /// A write or sync failed before, and the collection has not healed yet: nothing was written.
    #[error("collection `{name}` takes no writes until its disk answers again: {why}")]
    Poisoned {
        /// The collection.
        name: String,
        /// What failed first.
        why: String,
    },
    /// The disk did not take what this follows upon: nothing of it was written.
    #[error("a batch before this one was not taken by `{name}`: send again from that one on")]
    Behind {
        /// The collection.
        name: String,
    },
    /// The collection cannot be served; the others are.
    #[error("collection `{name}` is quarantined: {why}")]
    Quarantined {
        /// The collection.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The collection is still being opened; try again after a while.
    #[error("collection `{name}` is still being opened: {progress}; try again in {retry_ms} ms")]
    Opening {
        /// The collection.
        name: String,
        /// How far that is.
        progress: Opening,
        /// A good time to wait.
        retry_ms: u64,
    },
    /// Another process holds the directory.
    #[error("{} is in use by {holder}: a data directory serves one process; end that one, or use another directory",
            path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as far as it says.
        holder: String,
    },
    /// The disk's mistake: this file can no longer be trusted.
    #[error("{} is corrupt at byte {at}: {why}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: u64,
        /// What does not hold.
        why: String,
    },
    /// The file was written by a newer version of nigh.
    #[error("{} has format version {got}, and this build of nigh reads up to {known}: \
             open it with the one that wrote it, or a later one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        got: u16,
        /// The newest version known.
        known: u16,
    },
    /// The file was written in a format that is not read any more.
    #[error("{} has format version {got}, and this build of nigh reads from {least} on: \
             it was made by an earlier, unreleased build", path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        got: u16,
        /// The oldest version that is read.
        least: u16,
    },
    /// The operating system's answer.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The collection was closed or dropped while this waited.
    #[error("collection `{name}` was closed")]
    Closed {
        /// The collection.
        name: String,
    },
}

/// A result of the storage.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A caller's mistake.
    pub fn invalid(field: impl Into<String>, value: impl ToString, limit: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), value: value.to_string(), limit: limit.into() }
    }

    /// Something that does not fit to what is there.
    pub fn condition(field: impl Into<String>, found: impl Into<String>, wanted: impl Into<String>) -> Self {
        Self::Condition { field: field.into(), found: found.into(), wanted: wanted.into() }
    }

    /// A file that can no longer be trusted.
    pub fn corrupt(path: impl Into<PathBuf>, at: u64, why: impl Into<String>) -> Self {
        Self::Corrupt { path: path.into(), at, why: why.into() }
    }

    /// Whether it says nothing against the files: the same deed may come out well later.
    pub(crate) fn passes(&self) -> bool {
        use io::ErrorKind as Kind;
        match self {
            Self::Full { .. } | Self::NoSpace { .. } | Self::Unknown { .. } | Self::Poisoned { .. } => true,
            Self::Closed { .. } | Self::Opening { .. } | Self::Behind { .. } => true,
            Self::Io { source, .. } => {
                let kind = matches!(
                    source.kind(),
                    Kind::StorageFull | Kind::QuotaExceeded | Kind::OutOfMemory | Kind::Interrupted | Kind::WouldBlock
                );
                // Too many open files, of the process or of the system, have no kind of their own.
                kind || source.raw_os_error().is_some_and(|code| [23, 24].contains(&code))
            }
            _ => false,
        }
    }

    /// An error of the index over the bytes of this file; a caller's mistake stays one.
    pub fn of_index(path: &Path, err: nigh_index::error::Error) -> Self {
        match err {
            nigh_index::error::Error::Corrupt { section, at, why } => {
                Self::corrupt(path, at, format!("section `{section}`: {why}"))
            }
            other => other.into(),
        }
    }
}

/// Names the deed and the file, which `io::Error` alone knows neither of.
pub fn doing<'p>(deed: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> Error + 'p {
    move |source| Error::Io { doing: deed, path: path.to_owned(), source }
}

impl From<nigh_index::error::Error> for Error {
    fn from(err: nigh_index::error::Error) -> Self {
        match err {
            nigh_index::error::Error::Invalid { what, value, limit } => Self::Invalid { field: what, value, limit },
            nigh_index::error::Error::Corrupt { section, at, why } => {
                Self::Corrupt { path: PathBuf::from("(in memory)"), at, why: format!("section `{section}`: {why}") }
            }
            other => Self::Invalid { field: "query".into(), value: "refused".into(), limit: other.to_string() },
        }
    }
}
