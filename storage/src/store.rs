//! The data directory: its lock, its catalog, its collections.

use crate::collection::Collection;
use crate::disk::Disk;
use crate::error::Result;
use crate::schema::CollectionSpec;
use std::path::Path;
use std::sync::Arc;

/// How a store works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Live rows of a collection are sealed into a segment when they are this many.
    pub seal_rows: u64,
    /// Or when they hold this many bytes.
    pub seal_bytes: u64,
    /// Batches that may wait for the writer of one collection.
    pub queue_batches: usize,
    /// Bytes of batches that may wait for the writer of one collection.
    pub queue_bytes: u64,
    /// Threads that build segments.
    pub build_threads: usize,
    /// A log file is closed when it has this many bytes.
    pub log_file_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seal_rows: 20_000,
            seal_bytes: 128 << 20,
            queue_batches: 1024,
            queue_bytes: 128 << 20,
            build_threads: std::thread::available_parallelism().map_or(1, usize::from),
            log_file_bytes: 64 << 20,
        }
    }
}

/// A data directory that is open and locked.
pub struct Store {}

/// How a collection of the catalog is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// It serves.
    Open,
    /// It is being opened.
    Opening,
    /// It cannot be served, and why.
    Quarantined(String),
}

impl Store {
    /// Opens the directory, creating it where it is not there, and every collection in it. A
    /// collection that cannot be opened is quarantined; the others serve.
    pub fn open(_disk: Arc<dyn Disk>, _root: &Path, _options: Options) -> Result<Arc<Self>> {
        todo!()
    }

    /// Creates a collection; false where one of this name and an equal spec is there already.
    pub fn create(&self, _name: &str, _spec: CollectionSpec) -> Result<bool> {
        todo!()
    }

    /// Drops a collection and gives its space back; false where there was none.
    pub fn drop_collection(&self, _name: &str) -> Result<bool> {
        todo!()
    }

    /// An open collection.
    pub fn collection(&self, _name: &str) -> Result<Arc<Collection>> {
        todo!()
    }

    /// Every collection, by name.
    pub fn list(&self) -> Vec<(String, State)> {
        todo!()
    }

    /// Syncs and closes every collection. Nothing is lost without it.
    pub fn close(&self) {
        todo!()
    }
}
