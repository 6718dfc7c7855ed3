//! The log as it leaves for an archive: pieces without gaps, each a small log file of its own.
//!
//! ```text
//! piece = a log file (see crate::wal) with the records from one operation to another, and nothing behind them
//! ```
//!
//! Only what is known to be on disk leaves. A piece follows the one before it, so that the archive of a
//! collection is its log, once, in order. While an archive is kept, the log is not cut before what has
//! left it; only when it has grown beyond a bound is it cut all the same, and the archive has a gap.

use crate::collection::{Collection, Inner};
use crate::error::{Error, Result};
use crate::recover;
use crate::wal::{self, Record};
use bytes::Bytes;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Until when an archive is replayed behind a backup.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Until {
    /// Not at all: the state of the backup.
    Backup,
    /// Up to this operation and with it.
    Seq(u64),
    /// As long as records were committed at this time or before, in milliseconds since 1970.
    TimeMs(u64),
    /// To its end.
    Newest,
}

impl Until {
    pub(crate) fn takes(self, record: &Record) -> bool {
        match self {
            Self::Backup => false,
            Self::Seq(last) => record.end_seq() <= last.saturating_add(1),
            Self::TimeMs(last) => record.time_ms <= last,
            Self::Newest => true,
        }
    }
}

/// A piece of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Its first operation.
    pub first_seq: u64,
    /// Its last operation.
    pub last_seq: u64,
    /// Itself.
    pub bytes: Bytes,
}

/// How far the archive of a collection is.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Archived {
    /// The last operation in the archive; 0 where none is known to be.
    pub seq: u64,
    /// Operations on disk that are not in it yet.
    pub lag: u64,
    /// Whether log was given up that was not in it.
    pub gap: bool,
}

/// What a collection knows of its archive.
#[derive(Default)]
pub(crate) struct Archive {
    seq: AtomicU64,
    gap: AtomicBool,
}

/// The records of a piece, all of them whole.
pub fn records(piece: &Bytes) -> Result<Vec<Record>> {
    wal::piece_records(Path::new("archive"), piece)
}

impl Collection {
    /// The next piece of the log behind this operation, of about so many bytes; `None` where there is none
    /// on disk. It begins later than asked where the log was cut before.
    pub fn unarchived(&self, after: u64, bytes_max: usize) -> Result<Option<Piece>> {
        let durable = self.inner.counters.durable_seq.load(Ordering::Acquire);
        if durable <= after {
            return Ok(None);
        }
        let dir = recover::log_folder(&self.inner.folder);
        let records = wal::read_some(&*self.inner.disk, &dir, after + 1, durable, bytes_max)?;
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(None) };
        let (first_seq, last_seq) = (first.first_seq, last.end_seq() - 1);
        Ok(Some(Piece { first_seq, last_seq, bytes: wal::piece(&records).into() }))
    }

    /// Everything up to this operation is in the archive: the log need not keep it.
    pub fn archived(&self, seq: u64) {
        self.inner.archive.seq.fetch_max(seq, Ordering::AcqRel);
        let replay_from = self.inner.manifest.lock().replay_from;
        self.inner.cut_log(replay_from);
    }

    /// How far the archive is.
    pub fn archive(&self) -> Archived {
        let (archive, durable) = (&self.inner.archive, self.inner.counters.durable_seq.load(Ordering::Relaxed));
        let seq = archive.seq.load(Ordering::Acquire);
        Archived { seq, lag: durable.saturating_sub(seq), gap: archive.gap.load(Ordering::Relaxed) }
    }
}

impl Inner {
    /// Up to where the log may be cut, where the segments hold everything before this operation.
    pub(crate) fn may_cut(&self, seq: u64, log_bytes: u64) -> u64 {
        let Some(keep) = self.options.archive_keep_bytes else { return seq };
        let archived = self.archive.seq.load(Ordering::Acquire) + 1;
        if archived >= seq || log_bytes <= keep {
            return seq.min(archived);
        }
        self.archive.gap.store(true, Ordering::Relaxed);
        let why = Error::Full {
            what: "the log that waits for its archive (bytes)",
            got: log_bytes,
            limit: keep,
            retry_ms: 0,
        };
        tracing::error!(collection = self.name, %why, from = archived, to = seq - 1, "the archive has a gap; make a backup");
        seq
    }
}
