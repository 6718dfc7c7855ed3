//! The work behind the doors, on plain types: no word of any wire is known here.
//!
//! ```text
//! catalog   which collections there are, how they are        search   walks a query's tree of retrievers
//! pool      async ends here: permits, queue, deadline        fetch    one retriever over all parts; facet counts
//! write     batches                                          read     payloads and vectors of winners, pages, counts
//! reply     how much one reply may hold
//! recall    how good live queries were                     versions kept under a name, read, compared
//! vectors   sparse ones, and several a point                  words    in one or several text fields
//! sources   how far they were read
//! retention pieces of an archive that nobody can need        snapshots of single collections, a file each
//! integrity reading everything again; erasing, with a receipt
//! access    what the caller of a call may                 observed  what queries took, and slow ones
//! traced    the stages of a query and of a write, as a trace tells them
//! ```

pub mod access;
pub mod archive;
pub mod backup;
pub mod catalog;
pub mod error;
pub mod facet;
pub mod fetch;
pub mod integrity;
pub mod memory;
pub mod observed;
pub mod pool;
pub mod query;
pub mod ranking;
pub(crate) mod rates;
pub mod read;
pub mod recall;
pub(crate) mod reply;
pub mod restore;
pub mod retention;
pub mod search;
pub mod snapshots;
pub mod sources;
pub mod target;
mod traced;
pub(crate) mod vectors;
pub mod versions;
pub mod words;
pub mod write;

use crate::config::Limits;
use nigh_storage::urgency;
use pool::Pool;
use recall::Recalls;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use target::Target;

/// Callers that may wait for upkeep.
const CHORES_QUEUED: usize = 64;

/// Callers that may wait for an estimate.
const ESTIMATES_QUEUED: usize = 8;

/// What all doors share.
pub struct Engine {
    store: Arc<nigh_storage::store::Store>,
    root: PathBuf,
    limits: Limits,
    reads: Pool,
    writes: Pool,
    chores: Pool,
    /// Anybody may ask for one: upkeep does not wait behind it.
    estimates: Pool,
    /// Answers a few queries exactly as well.
    shadows: Pool,
    recalls: Arc<Recalls>,
    /// Where backups may go.
    targets: Vec<Arc<Target>>,
    pub(crate) archiver: archive::Archiver,
    /// Where snapshots are; an embedded one may keep none.
    snapshots: Option<snapshots::Snapshots>,
    /// Held by the backup that is being made.
    backing: tokio::sync::Mutex<()>,
    /// Whether every collection of the catalog was opened, or quarantined.
    opened: AtomicBool,
    /// What queries took.
    observed: observed::Observed,
    /// What collections with a limit were asked lately.
    rates: rates::Rates,
    /// Whether there are keys: a call that comes without its caller's rights is refused.
    guarded: AtomicBool,
}

impl Engine {
    /// Over a store that is attached; its collections may still be opening.
    pub fn new(store: Arc<nigh_storage::store::Store>, root: PathBuf, limits: Limits) -> Self {
        Self {
            reads: Pool::new("the queue of reads", limits.reads_running, limits.reads_queued),
            writes: Pool::behind("the queue of writes", urgency::WRITES, limits.writes_running, limits.writes_queued),
            chores: Pool::new("the queue of upkeep that was asked for", 1, CHORES_QUEUED),
            estimates: Pool::behind("the queue of estimates", urgency::WRITES, 1, ESTIMATES_QUEUED),
            shadows: Pool::behind("the queue of queries answered exactly beside", urgency::UNASKED, 1, 0),
            recalls: Arc::default(),
            targets: Vec::new(),
            snapshots: None,
            archiver: archive::Archiver::default(),
            backing: tokio::sync::Mutex::new(()),
            opened: AtomicBool::new(false),
            guarded: AtomicBool::new(false),
            observed: observed::Observed::default(),
            rates: rates::Rates::default(),
            store,
            root,
            limits,
        }
    }

    /// The same, with places for backups.
    pub fn with_targets(self, targets: Vec<Arc<Target>>) -> Self {
        Self { targets, ..self }
    }

    /// The same, with a place for snapshots.
    pub fn with_snapshots(self, snapshots: snapshots::Snapshots) -> Self {
        Self { snapshots: Some(snapshots), ..self }
    }

    /// The same, with a time from which on a query is told in the log.
    pub fn with_slow(self, slow: Option<std::time::Duration>) -> Self {
        Self { observed: observed::Observed::new(slow), ..self }
    }

    /// What queries took.
    pub(crate) fn observed(&self) -> &observed::Observed {
        &self.observed
    }

    /// What collections with a limit were asked lately.
    pub(crate) fn rates(&self) -> &rates::Rates {
        &self.rates
    }

    /// What live queries came to.
    pub fn recalls(&self) -> &Recalls {
        &self.recalls
    }

    /// What may be asked for.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}
