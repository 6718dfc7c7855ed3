//! The audit log: who did what to which collection, and what came of it. One JSON object a line, appended to a file.
//!
//! Refusals, writes and upkeep are always in it; reads where that was asked for. No payload, no vector, no key. Whoever
//! rotates it moves the file away and sends SIGHUP.

use parking_lot::Mutex;
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The log of a server.
#[derive(Debug)]
pub(crate) struct Audit {
    path: PathBuf,
    file: Mutex<File>,
    pub(crate) reads: bool,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Entry<'e> {
    pub(crate) caller: &'e str,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) call: &'e str,
    pub(crate) collections: Vec<String>,
    /// `ok`, or the code of the refusal or the error.
    pub(crate) result: &'e str,
    pub(crate) took: Duration,
    pub(crate) request_id: &'e str,
}

impl Audit {
    /// Appends to this file; it is created where it is not there, for its owner alone.
    pub(crate) fn open(path: &Path, reads: bool) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: Mutex::new(append(path)?), reads })
    }

    /// The file that has the name now, for [`Self::go_on_in`].
    pub(crate) fn next(&self) -> io::Result<File> {
        append(&self.path)
    }

    /// Goes on in this file.
    pub(crate) fn go_on_in(&self, file: File) {
        *self.file.lock() = file;
    }

    /// Appends a line. One that cannot be written is told in the log of the server.
    pub(crate) fn tell(&self, entry: &Entry<'_>) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let line = json!({
            "time_ms": time, "caller": entry.caller, "peer": entry.peer.map(|peer| peer.to_string()),
            "call": entry.call, "collections": entry.collections, "result": entry.result,
            "took_ms": entry.took.as_millis() as u64, "request_id": entry.request_id,
        });
        // One write a line, so that lines of two threads stay whole.
        if let Err(err) = self.file.lock().write_all(format!("{line}\n").as_bytes()) {
            tracing::error!(%err, %line, "the audit log could not be written");
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
