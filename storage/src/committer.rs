//! The one writer of a collection: many callers' batches become one group, one write, one sync.
//!
//! ```text
//! queue -> fold (filters resolved, rows made) -> log append -> log sync -> apply -> publish -> acknowledge -> melt
//!                                             -> a part of the rows ----->
//! ```
//!
//! Visible after durable, acknowledged after visible: who was acknowledged reads its own write. What
//! becomes of a group that could not be logged is told in [`crate::heal`].

#[cfg(test)]
mod tests;

use crate::collection::{Done, Inner};
use crate::error::{Error, Result};
use crate::expiry::SWEEP_POINTS_MAX;
use crate::fold::{Fold, Folded};
use crate::heal::told_too;
use crate::ledger::{Draft, Note, Outcome};
use crate::melt::Melter;
use crate::op;
use crate::prepare::{Batch, LogForm, Schema, Step};
use crate::recover::dropped_sources;
use crate::state::Change;
use crate::sync::{Condvar, Mutex};
use crate::times::{Histogram, Times};
use crate::wal::Record;
use crate::write::{Chain, Course, Durability, Written};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A group takes batches up to this many bytes.
const GROUP_BYTES_MAX: u64 = 4 << 20;
/// A group takes at most this many batches.
const GROUP_BATCHES_MAX: usize = 256;
/// What was logged without a sync is synced after this time of rest.
const SYNC_AFTER: Duration = Duration::from_millis(200);
/// What is expired is swept up so often ...
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// ... or, while there is more of it than one batch deletes, so often.
const SWEEP_AGAIN: Duration = Duration::from_millis(50);
/// A good time to wait when the queue is full.
const RETRY_MS: u64 = 50;

/// A batch on its way.
pub(crate) struct Pending {
    pub(crate) batch: Batch,
    pub(crate) durability: Durability,
    /// Whether it only deletes: it is taken on a full disk.
    pub(crate) gives_back: bool,
    pub(crate) done: Done,
    /// When it came.
    pub(crate) since: Instant,
}

/// Batches that wait for the writer.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    waits: Times,
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

    /// Batches that wait, and their bytes.
    pub(crate) fn depth(&self) -> (u64, u64) {
        let waiting = self.waiting.lock();
        (waiting.batches.len() as u64, waiting.bytes)
    }

    /// How long batches waited.
    pub(crate) fn waits(&self) -> Histogram {
        self.waits.read()
    }

    fn is_empty(&self) -> bool {
        self.waiting.lock().batches.is_empty()
    }

    /// Tells somebody the bytes of the batches that wait: in turn, so that the last one told is true.
    pub(crate) fn tell_bytes(&self, hears: impl FnOnce(u64)) {
        hears(self.waiting.lock().bytes);
    }

    /// The next group; empty after a time of rest; `None` when closed and empty.
    pub(crate) fn next_group(&self, rest: Option<Duration>) -> Option<Vec<Pending>> {
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
        drop(waiting);
        group.iter().for_each(|pending| self.waits.count(pending.since.elapsed()));
        Some(group)
    }
}

/// The writer's thread: until the queue is closed and empty.
pub(crate) fn run(inner: &Inner) {
    std::thread::scope(|scope| {
        let mut writer = Writer::default();
        let mut melter = Melter::new(inner, scope);
        while let Some(group) = inner.queue.next_group(writer.sweep.rest(inner, writer.unsynced)) {
            writer.turn(inner, group);
            melter.go_on();
        }
        writer.end(inner);
    });
}

/// What the writer knows from one group to the next.
#[derive(Default)]
pub(crate) struct Writer {
    /// Whether something of the log is still unsynced.
    unsynced: bool,
    sweep: Sweep,
}

impl Writer {
    /// Commits what waits, in the thread of the caller; then, if it has rested, what a rest brings.
    pub(crate) fn turns(&mut self, inner: &Inner, rested: bool) {
        while let Some(group) = inner.queue.next_group(Some(Duration::ZERO)).filter(|group| !group.is_empty()) {
            self.turn(inner, group);
            inner.melt();
        }
        if rested {
            self.turn(inner, Vec::new());
        }
    }

    fn turn(&mut self, inner: &Inner, group: Vec<Pending>) {
        inner.tell_queue();
        // Whoever was acknowledged without a sync waits for it, and so does what has to heal.
        let healed = inner.heal();
        self.unsynced = match group.is_empty() {
            true => self.unsynced && (healed.is_err() || inner.sync_log().is_err()),
            false => commit(inner, group, self.unsynced),
        };
        if let Some(pending) = self.sweep.next(inner) {
            self.unsynced = commit(inner, vec![pending], self.unsynced);
        }
        if !self.unsynced && inner.queue.is_empty() {
            inner.mark_log();
        }
    }

    /// The mark behind the last records is made durable too.
    pub(crate) fn end(&mut self, inner: &Inner) {
        if inner.heal_now().and_then(|()| inner.sync_log()).is_err() {
            tracing::error!(collection = inner.name, "the log could not be synced at the end");
        }
    }
}

/// Deletes what is expired, now and then, as a batch among the others: its rows are found when its
/// turn comes, so a point that was renewed before stays.
struct Sweep {
    due: Instant,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { due: Instant::now() }
    }
}

impl Sweep {
    /// How long the writer may rest; `None`: until somebody comes.
    fn rest(&self, inner: &Inner, unsynced: bool) -> Option<Duration> {
        let now = Instant::now();
        let heals = inner.health.next_try();
        let sweeps = inner.options.background && heals.is_none() && inner.snapshot().may_expire();
        let due = heals.or(sweeps.then_some(self.due)).map(|at| at.saturating_duration_since(now));
        [due, unsynced.then_some(SYNC_AFTER)].into_iter().flatten().min()
    }

    fn next(&mut self, inner: &Inner) -> Option<Pending> {
        let now = Instant::now();
        if !inner.options.background || self.due > now || inner.poisoned().is_some() {
            return None;
        }
        let snapshot = inner.snapshot();
        let expired = snapshot.expired(inner.now_ms(&snapshot));
        self.due = now + if expired >= SWEEP_POINTS_MAX { SWEEP_AGAIN } else { SWEEP_EVERY };
        (expired > 0).then(|| Pending::sweep(Box::new(drop)))
    }
}

impl Pending {
    /// A batch that deletes what is expired.
    pub(crate) fn sweep(done: Done) -> Self {
        Self {
            batch: Schema::sweep(SWEEP_POINTS_MAX),
            durability: Durability::Logged,
            gives_back: true,
            done,
            since: Instant::now(),
        }
    }
}

/// A batch that was folded, with what its caller will hear.
struct Taken {
    done: Done,
    chain: Option<Chain>,
    written: Written,
}

/// Tells the caller of a batch that the disk did not take it, so that nothing that follows upon it is taken either.
fn not_taken(done: Done, chain: Option<&Chain>, err: Error) {
    if let Some(chain) = chain {
        chain.break_off();
    }
    done(Err(err));
}

/// Commits a group; whether something of the log is still unsynced.
fn commit(inner: &Inner, group: Vec<Pending>, unsynced: bool) -> bool {
    if let Some(err) = inner.poisoned() {
        for Pending { batch, done, .. } in group {
            not_taken(done, batch.chain.as_ref(), told_too(&err, &inner.name));
        }
        return unsynced;
    }
    let full = inner.space.admit_write().err();
    let mut gives_back = true;
    let base = inner.snapshot();
    let schema = inner.schema.load_full();
    let mut fold = Fold::new(&schema, &base);
    let mut draft = Draft::new(&inner.ledger);
    let mut seq = base.seq;
    // One time for the whole group, held where the clock was set back.
    let time_ms = inner.now_ms(&base);
    let mut records = Vec::with_capacity(group.len());
    let mut taken = Vec::with_capacity(group.len());
    let mut durable = false;
    let begun = Instant::now();
    for Pending { batch, durability, gives_back: deletes, done, since } in group {
        if let Some(err) = full.as_ref().filter(|_| !deletes) {
            not_taken(done, batch.chain.as_ref(), told_too(err, &inner.name));
            continue;
        }
        if batch.chain.as_ref().is_some_and(Chain::is_broken) {
            done(Err(Error::Behind { name: inner.name.clone() }));
            continue;
        }
        gives_back &= deletes;
        let place = Record { first_seq: seq + 1, ops: batch.steps.len() as u32, time_ms, payload: Bytes::new() };
        let chain = batch.chain.clone();
        let (outcome, duplicate) = match take(&mut fold, &mut draft, batch, place, inner.options.record_bytes_max) {
            Err(err) => {
                done(Err(err));
                continue;
            }
            Ok(Took::Before(outcome)) => (outcome, true),
            Ok(Took::New(outcome, record)) => {
                seq = outcome.seq;
                records.push(record);
                (outcome, false)
            }
        };
        durable |= durability == Durability::Durable;
        let Outcome { seq, affected } = outcome;
        let waited = begun.saturating_duration_since(since);
        let course = Course { queued: Some(since), waited, ..Course::default() };
        let written = Written { seq, reached: Durability::Logged, affected, duplicate, course };
        taken.push(Taken { done, chain, written });
    }
    if taken.is_empty() {
        return unsynced;
    }
    let changes = fold.into_changes();
    let folded = begun.elapsed();
    let log = || {
        let logged = match records.is_empty() {
            false => inner.log_group(&records, durable, gives_back),
            // What was applied before may still wait for its sync.
            true if durable && unsynced => inner.sync_log(),
            true => Ok(Duration::ZERO),
        };
        (logged, begun.elapsed())
    };
    let ((logged, on_disk), change) = Change::beside(&schema, changes, log);
    let synced = match logged {
        Ok(synced) => synced,
        Err(err) => {
            for one in taken {
                not_taken(one.done, one.chain.as_ref(), told_too(&err, &inner.name));
            }
            return unsynced;
        }
    };
    let unsynced = !durable && (unsynced || !records.is_empty());
    let reached = if unsynced { Durability::Logged } else { Durability::Durable };
    if !records.is_empty() {
        inner.apply(change, draft.into_notes(), seq, time_ms);
        inner.counters.batches.fetch_add(records.len() as u64, Ordering::Relaxed);
    }
    let (logged, applied) = (on_disk.saturating_sub(folded + synced), begun.elapsed().saturating_sub(on_disk));
    for Taken { done, written, .. } in taken {
        let course = Course { folded, logged, synced, applied, ..written.course };
        done(Ok(Written { reached, course, ..written }));
    }
    unsynced
}

/// What became of a batch whose turn it is.
enum Took {
    /// It was applied before.
    Before(Outcome),
    /// It was folded, and is to be logged.
    New(Outcome, Record),
}

/// Folds one batch and gives its record. What is too large for a record is refused here, before
/// anything of its group is logged.
fn take(fold: &mut Fold<'_>, draft: &mut Draft<'_>, batch: Batch, place: Record, bytes_max: u64) -> Result<Took> {
    let Batch { steps, conditions, heading, log, .. } = batch;
    if let Some(outcome) = draft.before(&heading)? {
        return Ok(Took::Before(outcome));
    }
    let dropped = steps.iter().filter_map(|step| if let Step::Op(op) = step { Some(op) } else { None });
    let dropped = dropped_sources(dropped);
    let folded = Folded { first_seq: place.first_seq, time_ms: place.time_ms, steps, conditions: &conditions };
    let (affected, payload) = match log {
        LogForm::Encoded(payload) => (fold.batch(folded, None)?, payload),
        LogForm::Unresolved(mut unresolved) => {
            let affected = fold.batch(folded, Some(&mut unresolved))?;
            let resolved: Vec<_> = unresolved.into_iter().flatten().collect();
            debug_assert_eq!(resolved.len(), place.ops as usize, "every filter was resolved");
            let mut payload = Vec::new();
            op::encode(&heading, &resolved, &mut payload);
            (affected, payload.into())
        }
    };
    if let Err(err) = check_record(payload.len(), bytes_max) {
        fold.take_back();
        return Err(err);
    }
    let outcome = Outcome { seq: place.end_seq() - 1, affected };
    draft.note(Note { heading, dropped, outcome });
    Ok(Took::New(outcome, Record { payload, ..place }))
}

/// Whether a batch fits into a record of the log.
pub(crate) fn check_record(bytes: usize, bytes_max: u64) -> Result<()> {
    if bytes as u64 <= bytes_max {
        return Ok(());
    }
    let limit = format!("a batch takes at most {bytes_max} in the log; write it in several");
    Err(Error::invalid("batch", format!("{bytes} bytes with its filters resolved to ids"), limit))
}
