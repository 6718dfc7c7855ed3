//! What the collections of a process hold in memory, and how much that may be.
//!
//! ```text
//! live     rows not yet in a segment          queue    batches that wait for the writer
//! graphs   codes and links of segments        builds   what seals and merges are expected to take
//! ```
//!
//! Mapped pages of files are not held: they can be let go of at any time. What the system says the
//! process has of its own is told to the budget as well; where that is more than all of the above,
//! it counts.
//!
//! Short of memory, in this order: mapped pages and kept filters go (who runs the process sees to
//! that), merges wait, writes that add rows wait and are then refused. Deletes, reads and seals go
//! on: a seal is what gives memory back.

use crate::error::{Error, Result};
use crate::schema::CollectionSpec;
use crate::sync::{AtomicBool, AtomicU64, Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A write waits for so long before it is refused.
const PATIENCE: Duration = Duration::from_millis(500);

/// When to try again after that.
const RETRY_MS: u64 = 500;

/// A part of the limit, one in so many, is kept free of writes: seals have to have room.
const SPARED: u64 = 8;

/// Live rows of a collection are sealed when they hold one in so many parts of the limit.
const SEALS: u64 = 16;

/// Live rows of all collections hold at most one in so many parts of the limit.
const LIVE: u64 = 4;

/// The least that a limit leaves to live rows, or nothing could be written at all.
const LIVE_LEAST: u64 = 8 << 20;

/// A build may take so much for a while beside what it lays down, where there is room.
const SCRATCH: u64 = 256 << 20;

/// The least that a build is given for that.
const SCRATCH_LEAST: u64 = 16 << 20;

/// What memory is held for.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// Rows not yet in a segment.
    Live,
    /// Batches that wait for the writer.
    Queue,
    /// Codes and links of segments.
    Graphs,
    /// What seals and merges that run are expected to take.
    Builds,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Live, Self::Queue, Self::Graphs, Self::Builds];

    /// As it is told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Queue => "queue",
            Self::Graphs => "graphs",
            Self::Builds => "builds",
        }
    }

    fn full(self) -> &'static str {
        match self {
            Self::Live => "the memory limit, most of it held by rows not yet sealed (bytes)",
            Self::Queue => "the memory limit, most of it held by batches that wait (bytes)",
            Self::Graphs => "the memory limit, most of it held by codes and graphs of segments (bytes)",
            Self::Builds => "the memory limit, most of it held by seals and merges (bytes)",
        }
    }
}

/// What all collections of a process share.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    /// Two threads that tell of one share may be seen in the other order: for a moment this may be less than
    /// nothing, and is read as nothing.
    held: [AtomicU64; What::ALL.len()],
    /// What the system says the process has of its own.
    own: AtomicU64,
    refused: AtomicU64,
    one_waits: AtomicBool,
    waiting: Mutex<()>,
    freed: Condvar,
}

/// How much is held.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Bytes for each of [`What::ALL`].
    pub held: [u64; What::ALL.len()],
    /// What the system says the process has of its own; 0 where nobody told.
    pub own: u64,
    /// How much may be held; `u64::MAX` where there is no limit.
    pub limit: u64,
    /// Writes that were refused.
    pub refused: u64,
}

impl Usage {
    /// What counts against the limit.
    pub fn counted(&self) -> u64 {
        self.held.iter().sum::<u64>().max(self.own)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

impl Budget {
    /// With a limit in bytes; `u64::MAX` is none.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            held: Default::default(),
            own: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            one_waits: AtomicBool::new(false),
            waiting: Mutex::new(()),
            freed: Condvar::new(),
        }
    }

    /// How much is held now.
    pub fn usage(&self) -> Usage {
        let held = |at: usize| self.held[at].load(Ordering::Relaxed);
        Usage {
            held: std::array::from_fn(|at| held(at).cast_signed().max(0).cast_unsigned()),
            own: self.own.load(Ordering::Relaxed),
            limit: self.limit,
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// How much may be held.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Tells what the system says the process has of its own, files left out.
    pub fn tell_own(&self, bytes: u64) {
        if self.own.swap(bytes, Ordering::Relaxed) > bytes {
            self.call();
        }
    }

    /// Whether it is time to keep less than would be useful.
    pub fn is_short(&self) -> bool {
        self.usage().counted() > self.limit - self.limit / SPARED
    }

    /// About what the build of a segment of so many rows takes beside what it reads, at the most: codes of 8 bits,
    /// lists of who is near whom, chosen links and those offered, the indexes of words and fields.
    pub(crate) fn build_bytes(spec: &CollectionSpec, rows: u64) -> u64 {
        let vectors = spec.vectors.iter().map(|field| match &field.spec.ivf {
            Some(_) => 64,
            None => {
                let (m, ef) = (u64::from(field.spec.hnsw.m), u64::from(field.spec.hnsw.ef_construct));
                u64::from(field.spec.size) + 6 * ef + 16 * m + 400
            }
        });
        let others = 200 + 300 * spec.texts.len() as u64;
        rows.saturating_mul(vectors.max().unwrap_or(0) + others)
    }

    /// Rows for whose build there would be room if nothing but codes and graphs were held.
    pub(crate) fn build_rows_max(&self, spec: &CollectionSpec) -> u64 {
        let left = self.limit.saturating_sub(self.usage().held[What::Graphs as usize]);
        left / Self::build_bytes(spec, 1).max(1)
    }

    /// Live rows of one collection are sealed when they hold so many bytes, or `most`.
    pub(crate) fn seal_bytes(&self, most: u64) -> u64 {
        most.min((self.limit / SEALS).max(LIVE_LEAST / 2))
    }

    /// Waits a moment for room to add rows. Only hints: several may be let in at once. One caller waits, the others
    /// are refused at once: threads that write are few, and deletes need one of them.
    pub(crate) fn admit(&self) -> Result<()> {
        let Some(mut full) = self.full() else { return Ok(()) };
        if !self.one_waits.swap(true, Ordering::Relaxed) {
            let end = Instant::now() + PATIENCE;
            // Looked at under the lock that who gives back takes before it calls: no call is missed.
            let mut waiting = self.waiting.lock();
            let mut still = self.full();
            let mut timed_out = false;
            while still.is_some() && !timed_out {
                timed_out = self.freed.wait_until(&mut waiting, end).timed_out();
                still = self.full();
            }
            drop(waiting);
            self.one_waits.store(false, Ordering::Relaxed);
            match still {
                Some(still) => full = still,
                None => return Ok(()),
            }
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(full)
    }

    /// Why no row may be added now.
    fn full(&self) -> Option<Error> {
        if self.limit == u64::MAX {
            return None;
        }
        let usage = self.usage();
        let live = usage.held[What::Live as usize] + usage.held[What::Queue as usize];
        let live_max = (self.limit / LIVE).max(LIVE_LEAST);
        if live > live_max {
            let what = "the share of the memory limit for rows not yet sealed (bytes)";
            return Some(Error::Full { what, got: live, limit: live_max, retry_ms: RETRY_MS });
        }
        let (got, limit) = (usage.counted(), self.limit - self.limit / SPARED);
        // However little there is, something can be written, if slowly.
        if got <= limit || live < LIVE_LEAST / 2 {
            return None;
        }
        let most = What::ALL.into_iter().max_by_key(|what| usage.held[*what as usize]).unwrap_or(What::Live);
        Some(Error::Full { what: most.full(), got, limit, retry_ms: RETRY_MS })
    }

    /// Room for a merge; `None` while there is not enough.
    pub(crate) fn try_build(self: &Arc<Self>, bytes: u64) -> Option<Building> {
        let counted = self.usage().counted();
        (counted.saturating_add(bytes) <= self.limit).then(|| self.build(bytes))
    }

    /// Room for a build that has to happen.
    pub(crate) fn build(self: &Arc<Self>, bytes: u64) -> Building {
        let left = self.limit.saturating_sub(self.usage().counted());
        self.held[What::Builds as usize].fetch_add(bytes, Ordering::Relaxed);
        Building { budget: self.clone(), bytes, scratch: (left / 2).clamp(SCRATCH_LEAST, SCRATCH) }
    }

    fn give_back(&self, what: What, bytes: u64) {
        if bytes > 0 {
            self.held[what as usize].fetch_sub(bytes, Ordering::Relaxed);
            self.call();
        }
    }

    /// Calls who waits for room: he looks again, or is about to look.
    fn call(&self) {
        drop(self.waiting.lock());
        self.freed.notify_all();
    }
}

/// What a build is expected to take, until it is dropped.
pub(crate) struct Building {
    budget: Arc<Budget>,
    bytes: u64,
    /// What it may take for a while beside what it lays down.
    pub(crate) scratch: u64,
}

impl Drop for Building {
    fn drop(&mut self) {
        self.budget.give_back(What::Builds, self.bytes);
    }
}

/// What one collection holds of the budget; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    held: [AtomicU64; What::ALL.len()],
}

impl Share {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, held: Default::default() }
    }

    /// How much it holds for this.
    pub(crate) fn held(&self, what: What) -> u64 {
        self.held[what as usize].load(Ordering::Relaxed)
    }

    /// From now on it holds so much for this.
    pub(crate) fn set(&self, what: What, bytes: u64) {
        let before = self.held[what as usize].swap(bytes, Ordering::Relaxed);
        if bytes > before {
            self.budget.held[what as usize].fetch_add(bytes - before, Ordering::Relaxed);
        } else {
            self.budget.give_back(what, before - bytes);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        What::ALL.into_iter().for_each(|what| self.set(what, 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn shares_add_up_and_are_given_back() {
        let budget = Arc::new(Budget::new(u64::MAX));
        let (one, other) = (Share::new(budget.clone()), Share::new(budget.clone()));
        one.set(What::Live, 7);
        other.set(What::Live, 5);
        one.set(What::Live, 3);
        one.set(What::Graphs, 100);
        let building = budget.build(50);
        assert_eq!(budget.usage().held, [8, 0, 100, 50]);
        assert_eq!(budget.usage().counted(), 158);
        budget.tell_own(1000);
        assert_eq!(budget.usage().counted(), 1000);
        drop((one, building));
        assert_eq!(budget.usage().held, [5, 0, 0, 0]);
        drop(other);
        assert_eq!(budget.usage().held, [0; 4]);
        assert!(budget.admit().is_ok() && !budget.is_short());
    }

    #[test]
    fn a_refusal_names_what_holds_the_memory() {
        let budget = Arc::new(Budget::new(800 * MIB));
        let share = Share::new(budget.clone());
        share.set(What::Live, 190 * MIB);
        assert!(budget.admit().is_ok());
        share.set(What::Queue, 20 * MIB);
        let why = budget.admit().unwrap_err().to_string();
        assert!(why.contains("rows not yet sealed"), "{why}");
        share.set(What::Queue, 0);
        share.set(What::Graphs, 710 * MIB);
        let why = budget.admit().unwrap_err();
        assert!(matches!(why, Error::Full { retry_ms: RETRY_MS, .. }), "{why}");
        assert!(why.to_string().contains("graphs"), "{why}");
        assert_eq!(budget.usage().refused, 2);
        // What is left of live rows is so little that one may always write on.
        share.set(What::Live, MIB);
        assert!(budget.admit().is_ok() && budget.is_short());
    }

    #[test]
    fn who_waits_is_let_in_when_memory_is_given_back() {
        let budget = Arc::new(Budget::new(400 * MIB));
        let share = Share::new(budget.clone());
        share.set(What::Live, 200 * MIB);
        std::thread::scope(|scope| {
            let admitted = scope.spawn(|| {
                loop {
                    if budget.admit().is_ok() {
                        return true;
                    }
                }
            });
            share.set(What::Live, 0);
            assert!(admitted.join().unwrap());
        });
    }

    #[test]
    fn a_merge_waits_for_room_and_a_seal_does_not() {
        let budget = Arc::new(Budget::new(400 * MIB));
        let share = Share::new(budget.clone());
        share.set(What::Graphs, 250 * MIB);
        assert!(budget.try_build(200 * MIB).is_none());
        let merging = budget.try_build(100 * MIB).unwrap();
        assert_eq!(merging.scratch, 75 * MIB);
        assert_eq!(budget.build(200 * MIB).scratch, 25 * MIB);
        share.set(What::Graphs, 400 * MIB);
        assert_eq!(budget.build(MIB).scratch, SCRATCH_LEAST);
        assert_eq!(budget.seal_bytes(128 * MIB), 25 * MIB);
        assert_eq!(Budget::default().seal_bytes(128 * MIB), 128 * MIB);
        assert_eq!(Arc::new(Budget::default()).build(0).scratch, SCRATCH);
    }
}
