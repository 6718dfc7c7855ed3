//! What a command says when it fails: one line that names the culprit.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The server said no, or is not there.
    #[error(transparent)]
    Client(#[from] nigh_client::Error),
    /// The server did not start or did not stop well.
    #[error(transparent)]
    Server(#[from] nigh_server::serve::Error),
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] nigh_server::config::layers::Error),
    /// What the command did itself, without a server, failed.
    #[error(transparent)]
    Engine(#[from] nigh_server::engine::error::Error),
    /// A copy of another server's collection ended before its end; run again it goes on.
    #[error(transparent)]
    Copy(#[from] nigh_server::qdrant::grpc::copy::Error),
    /// The filter makes no sense.
    #[error(transparent)]
    Filter(#[from] nigh_index::error::Error),
    /// The operating system said no.
    #[error("could not {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// A file is not what it should be.
    #[error("{}{place}: {why}", path.display())]
    Source { path: PathBuf, place: Place, why: String },
    /// What was measured is worse than it may be.
    #[error("{0}")]
    Worse(String),
    /// Files are not as they were written.
    #[error("{damaged} of {files} files are damaged: restore them from a backup")]
    Damaged { damaged: u64, files: u64 },
    /// Files that are being served are not as they were written.
    #[error("{damaged} collections are damaged, and quarantined: restore them from a backup")]
    Quarantined { damaged: u64 },
    /// The server answers, and is not so far.
    #[error("the server does not serve yet: it opens its collections, or it stops")]
    NotServing,
    /// What a stream is read from is not there, or not as it was.
    #[error("{0}")]
    Stream(String),
    /// Somebody told the command to stop.
    #[error("interrupted")]
    Interrupted,
    /// A backup was made, and does not hold every collection.
    #[error("backup `{id}` is made, and {left_out} collections are not in it")]
    LeftOut { id: String, left_out: usize },
    /// An import stopped before its end.
    #[error("{why}; {rows_in} rows are in and on disk")]
    Stopped { why: String, rows_in: u64 },
}

impl Failure {
    /// The same of a file under the name that people know it by, and not the one that was opened.
    pub(crate) fn named(self, opened: &Path, known: &Path) -> Self {
        let path = known.to_owned();
        match self {
            Self::Source { path: of, place, why } if of == opened => Self::Source { path, place, why },
            Self::Io { doing, path: of, source } if of == opened => Self::Io { doing, path, source },
            other => other,
        }
    }

    /// What the process ends with: 2 where the command line is to blame, 3 where something was measured to be worse than
    /// it may be, 1 otherwise.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Filter(_) | Self::Config(_) => 2,
            Self::Worse(_) => 3,
            _ => 1,
        }
    }
}

/// Where in a file.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// The file as a whole.
    Whole,
    /// A line, from 1.
    Line(u64),
    /// A row, from 0.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Line(line) => write!(f, ", line {line}"),
            Self::Row(row) => write!(f, ", row {row}"),
        }
    }
}

/// `io::Error` alone knows neither what was tried nor on which file.
pub(crate) fn doing<'p>(doing: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> Failure + 'p {
    move |source| Failure::Io { doing, path: path.to_owned(), source }
}
