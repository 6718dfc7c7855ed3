//! The one writer of a collection: many callers' batches become one group, one write, one sync.
//!
//! ```text
//! queue -> fold (filters resolved, rows made) -> log append -> log sync -> apply -> publish -> acknowledge
//! ```
//!
//! Visible after durable, acknowledged after visible: who was acknowledged reads its own write. A
//! failed append or sync poisons the collection, for nobody knows what of it reached the disk.

use crate::collection::{Done, Inner};
use crate::error::{Error, Result};
use crate::fold::Fold;
use crate::op;
use crate::prepare::{Batch, LogForm};
use crate::wal::Record;
use crate::write::{Durability, Written};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A group takes batches up to this many bytes.
const GROUP_BYTES_MAX: u64 = 4 << 20;
/// A group takes at most this many batches.
const GROUP_BATCHES_MAX: usize = 256;
/// What was logged without a sync is synced after this time of rest.
const SYNC_AFTER: Duration = Duration::from_millis(200);
/// A good time to wait when the queue is full.
const RETRY_MS: u64 = 50;

/// A batch on its way.
pub(crate) struct Pending {
    pub(crate) batch: Batch,
    pub(crate) durability: Durability,
    pub(crate) done: Done,
}

/// Batches that wait for the writer.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    batches: VecDeque<Pending>,
    bytes: u64,
    closed: bool,
}

impl Queue {
    /// Takes a batch in, or says that there is no room.
    pub(crate) fn push(&self, pending: Pending, batches_max: usize, bytes_max: u64) -> Result<()> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(Error::Closed { name: String::new() });
        }
        let (batches, bytes) = (waiting.batches.len() as u64 + 1, waiting.bytes + pending.batch.bytes);
        if batches > batches_max as u64 {
            let limit = batches_max as u64;
            return Err(Error::Full { what: "the write queue (batches)", got: batches, limit, retry_ms: RETRY_MS });
        }
        // One batch is let in whatever its size, or it could never be written.
        if bytes > bytes_max && batches > 1 {
            return Err(Error::Full {
                what: "the write queue (bytes)",
                got: bytes,
                limit: bytes_max,
                retry_ms: RETRY_MS,
            });
        }
        waiting.bytes = bytes;
        waiting.batches.push_back(pending);
        self.changed.notify_one();
        Ok(())
    }

    /// No batch gets in any more; those that wait are still written.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.changed.notify_all();
    }

    fn is_empty(&self) -> bool {
        self.waiting.lock().batches.is_empty()
    }

    /// The next group; empty after a time of rest; `None` when closed and empty.
    fn next_group(&self, rest: Option<Duration>) -> Option<Vec<Pending>> {
        let mut waiting = self.waiting.lock();
        while waiting.batches.is_empty() {
            if waiting.closed {
                return None;
            }
            match rest {
                None => self.changed.wait(&mut waiting),
                Some(rest) => {
                    if self.changed.wait_for(&mut waiting, rest).timed_out() && waiting.batches.is_empty() {
                        return Some(Vec::new());
                    }
                }
            }
        }
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(next) = waiting.batches.front()
            && group.len() < GROUP_BATCHES_MAX
            && (group.is_empty() || bytes + next.batch.bytes <= GROUP_BYTES_MAX)
        {
            bytes += next.batch.bytes;
            group.extend(waiting.batches.pop_front());
        }
        waiting.bytes -= bytes;
        Some(group)
    }
}

/// The writer's thread: until the queue is closed and empty.
pub(crate) fn run(inner: &Inner) {
    let mut unsynced = false;
    while let Some(group) = inner.queue.next_group(unsynced.then_some(SYNC_AFTER)) {
        unsynced = match group.is_empty() {
            true => inner.sync_log().is_err() && inner.poisoned().is_none(),
            false => commit(inner, group, unsynced),
        };
        if !unsynced && inner.queue.is_empty() {
            inner.mark_log();
        }
    }
    // The mark behind the last records is made durable too.
    if inner.poisoned().is_none()
        && let Err(err) = inner.sync_log()
    {
        tracing::error!(collection = inner.name, %err, "the log could not be synced at the end");
    }
}

/// A batch that was folded, with what its caller will hear.
struct Taken {
    done: Done,
    written: Written,
}

/// Commits a group; whether something of the log is still unsynced.
fn commit(inner: &Inner, group: Vec<Pending>, unsynced: bool) -> bool {
    if let Some(err) = inner.poisoned() {
        let why = err.to_string();
        for pending in group {
            (pending.done)(Err(Error::Poisoned { name: inner.name.clone(), why: why.clone() }));
        }
        return unsynced;
    }
    let base = inner.snapshot();
    let mut fold = Fold::new(&inner.schema, &base);
    let mut seq = base.seq;
    // One time for the whole group, held where the clock was set back.
    let time_ms = inner.options.clock.now_ms().max(base.time_ms);
    let mut records = Vec::with_capacity(group.len());
    let mut taken = Vec::with_capacity(group.len());
    let mut durable = false;
    for pending in group {
        match take(&mut fold, seq + 1, pending.batch) {
            Err(err) => (pending.done)(Err(err)),
            Ok((affected, ops, payload)) => {
                durable |= pending.durability == Durability::Durable;
                records.push(Record { first_seq: seq + 1, ops, time_ms, payload });
                seq += u64::from(ops);
                taken.push(Taken {
                    done: pending.done,
                    written: Written { seq, reached: Durability::Logged, affected },
                });
            }
        }
    }
    if records.is_empty() {
        return unsynced;
    }
    let changes = fold.into_changes();
    if let Err(err) = inner.log_group(&records, durable) {
        let why = inner.poison(&err);
        for one in taken {
            (one.done)(Err(Error::Poisoned { name: inner.name.clone(), why: why.clone() }));
        }
        return unsynced;
    }
    let reached = if durable { Durability::Durable } else { Durability::Logged };
    inner.apply(changes, seq, time_ms);
    inner.counters.batches.fetch_add(taken.len() as u64, Ordering::Relaxed);
    for one in taken {
        (one.done)(Ok(Written { reached, ..one.written }));
    }
    !durable
}

/// Folds one batch and gives its logged form.
fn take(fold: &mut Fold<'_>, first_seq: u64, batch: Batch) -> Result<(u64, u32, bytes::Bytes)> {
    let ops = batch.steps.len() as u32;
    match batch.log {
        LogForm::Encoded(payload) => Ok((fold.batch(first_seq, batch.steps, None)?, ops, payload)),
        LogForm::Unresolved(mut unresolved) => {
            let affected = fold.batch(first_seq, batch.steps, Some(&mut unresolved))?;
            let resolved: Vec<_> = unresolved.into_iter().flatten().collect();
            debug_assert_eq!(resolved.len(), ops as usize, "every filter was resolved");
            let mut payload = Vec::new();
            op::encode(&resolved, &mut payload);
            Ok((affected, ops, payload.into()))
        }
    }
}
