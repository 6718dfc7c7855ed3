//! What a door has to tell its caller: whose mistake it was, and what to do.
//!
//! No text here names a file: what the disk did wrong goes into the log in full, and to the caller
//! as a sentence. The caller cannot mend it, and where data lies is not everybody's business.

use std::io;

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's mistake: nothing was done.
    #[error("{field} is {value}; {limit}")]
    Invalid {
        /// The field, as the caller named it.
        field: String,
        /// What was given.
        value: String,
        /// What would have been right.
        limit: String,
    },
    /// What was asked for does not fit to what is there: nothing was done.
    #[error("{field}: {found}; {wanted}")]
    Condition {
        /// The field that asks for it, as the caller named it.
        field: String,
        /// How it is.
        found: String,
        /// How it would have to be.
        wanted: String,
    },
    /// There is nothing of this name.
    #[error("there is no {what} `{name}`")]
    Missing {
        /// The kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The caller's key does not allow it: nothing was done.
    #[error("{0}")]
    Forbidden(String),
    /// There is something of this name already.
    #[error("{0}")]
    Exists(String),
    /// More is waiting than there is room for.
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
    /// The disk has too little room; nothing was kept, and deletes and drops are still taken.
    #[error("the disk is full: {free} bytes are free, {needed} are needed; nothing of it was kept")]
    DiskFull {
        /// Bytes that are free where the data lies.
        free: u64,
        /// Bytes that would have to be.
        needed: u64,
    },
    /// The disk failed while the write was under way.
    #[error(
        "whether the write to collection `{0}` is kept is not known: the disk failed meanwhile; \
         the server's log says how"
    )]
    Unknown(String),
    /// The disk failed before, and does not answer yet.
    #[error("collection `{0}` takes no writes until its disk answers again; the server's log says what failed")]
    Poisoned(String),
    /// The collection's files cannot be trusted.
    #[error("collection `{name}` is quarantined: {why}")]
    Quarantined {
        /// The collection.
        name: String,
        /// The file below the data directory and the place, or where to look for them.
        why: String,
    },
    /// A file turned out to be corrupt while it was read.
    #[error("data on disk is corrupt; the server's log names the file and the place")]
    Corrupt,
    /// A backup, or the archive, is not what was written.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// A backup's target failed.
    #[error("could not {doing} `{key}` at the backup target `{target}`; the server's log says why")]
    Target {
        /// What was tried.
        doing: &'static str,
        /// The target.
        target: String,
        /// The object.
        key: String,
    },
    /// Not yet served.
    #[error("{what}")]
    Opening {
        /// Which collection, and how far its opening is.
        what: String,
        /// A good time to wait.
        retry_ms: u64,
    },
    /// No longer served.
    #[error("{0}")]
    Unavailable(String),
    /// The caller's time ran out before the work was done.
    #[error("the deadline passed {0}")]
    Late(&'static str),
    /// Nobody waits for the answer any more.
    #[error("the caller went away")]
    Gone,
    /// A mistake of the server.
    #[error("{0}; the server's log says more")]
    Internal(&'static str),
}

/// A result of the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A caller's mistake.
    pub fn invalid(field: impl Into<String>, value: impl ToString, limit: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), value: value.to_string(), limit: limit.into() }
    }

    /// The same mistake, where the field stands inside another one.
    pub fn inside(self, place: &str) -> Self {
        match self {
            Self::Invalid { field, value, limit } => Self::Invalid { field: format!("{place}.{field}"), value, limit },
            other => other,
        }
    }
}

impl From<nigh_storage::error::Error> for Error {
    fn from(err: nigh_storage::error::Error) -> Self {
        use nigh_storage::error::Error as Storage;
        match err {
            Storage::Invalid { field, value, limit } => Self::Invalid { field, value, limit },
            Storage::Condition { field, found, wanted } => Self::Condition { field, found, wanted },
            Storage::Missing { what, name } => Self::Missing { what, name },
            Storage::Exists { .. } | Storage::Taken { .. } => Self::Exists(err.to_string()),
            Storage::Full { what, got, limit, retry_ms } => Self::Full { what, got, limit, retry_ms },
            Storage::Poisoned { name, .. } => Self::Poisoned(name),
            Storage::Unknown { name, .. } => Self::Unknown(name),
            Storage::NoSpace { free, needed, .. } => Self::DiskFull { free, needed },
            Storage::Quarantined { name, .. } => {
                Self::Quarantined { name, why: "the server's log says why".to_owned() }
            }
            Storage::Opening { retry_ms, .. } => Self::Opening { what: err.to_string(), retry_ms },
            Storage::Closed { .. } | Storage::Behind { .. } => Self::Unavailable(err.to_string()),
            Storage::Corrupt { .. } | Storage::Newer { .. } | Storage::Older { .. } => {
                tracing::error!(%err, "a request met corrupt data");
                Self::Corrupt
            }
            Storage::Io { ref source, .. } => {
                tracing::error!(%err, "a request met an error of the disk");
                match source.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { free: 0, needed: 1 },
                    _ => Self::Internal("the disk or the operating system failed"),
                }
            }
            other => {
                tracing::error!(err = %other, "a request failed");
                Self::Internal("the storage failed")
            }
        }
    }
}

impl From<nigh_index::error::Error> for Error {
    fn from(err: nigh_index::error::Error) -> Self {
        nigh_storage::error::Error::from(err).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nigh_storage::error::Error as Storage;

    #[test]
    fn no_text_names_a_file() {
        let io = |kind| Storage::Io { doing: "sync", path: "/secret/wal".into(), source: io::Error::from(kind) };
        for err in [
            Storage::corrupt("/secret/ids", 7, "why"),
            Storage::Newer { path: "/secret".into(), got: 9, known: 1 },
            Storage::Poisoned { name: "c".into(), why: "could not sync /secret".into() },
            Storage::Unknown { name: "c".into(), why: "could not sync /secret".into() },
            Storage::NoSpace { path: "/secret".into(), free: 1, needed: 2 },
            Storage::Quarantined { name: "c".into(), why: "/secret is corrupt".into() },
            Storage::Locked { path: "/secret".into(), holder: "secret".into() },
            io(io::ErrorKind::StorageFull),
            io(io::ErrorKind::Other),
        ] {
            let text = Error::from(err).to_string();
            assert!(!text.contains("secret"), "{text}");
        }
        assert!(matches!(Error::from(io(io::ErrorKind::StorageFull)), Error::DiskFull { .. }));
    }
}
