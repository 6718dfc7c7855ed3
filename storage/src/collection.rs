//! A collection: takes writes, hands out snapshots, keeps itself in order.
//!
//! Its one thread is the writer ([`crate::committer`]); sealing and merging are done by the threads of
//! the store ([`crate::upkeep`]). Locks are taken in this order: sealing or merging, manifest, state;
//! the log and the queue are leaves. Readers take none: they load the published snapshot.

use crate::archive::Archive;
use crate::committer::{self, Pending, Queue, Writer};
use crate::cores::CORES;
use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::heal::Health;
use crate::ledger::{Ledger, Note, SourcePosition};
use crate::manifest::Manifest;
use crate::memory::{Share, What};
use crate::merge;
use crate::part::Part;
use crate::pins::Pins;
use crate::prepare::{LogForm, Schema};
use crate::schema::CollectionSpec;
use crate::seal;
use crate::snapshot::Snapshot;
use crate::space::Watch;
use crate::state::{Change, Held, State};
use crate::status::{SegmentStatus, Status};
use crate::store::Options;
use crate::times::Times;
use crate::upkeep::{Chores, Lane, Upkeep};
use crate::wal::Log;
use crate::write::{Durability, Write, WriteBatch, Written};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When live parts hold this many times the bytes at which they are sealed, writes have to wait.
const LIVE_SEALS_MAX: u64 = 8;

/// Why upkeep is done that nobody but a caller wanted.
const ASKED: &str = "it was asked for";

/// Called once with what became of a write.
pub type Done = Box<dyn FnOnce(Result<Written>) + Send>;

/// A collection that is open.
pub struct Collection {
    pub(crate) inner: Arc<Inner>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// What stands in for the writer's thread where there is none.
    turns: Mutex<Writer>,
}

/// What the threads of a collection share.
pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) space: Arc<Watch>,
    pub(crate) schema: ArcSwap<Schema>,
    pub(crate) queue: Queue,
    pub(crate) manifest: Mutex<Manifest>,
    pub(crate) state: Mutex<State>,
    /// Of the same operations as the state, and changed under its lock; a leaf.
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) stop: AtomicBool,
    pub(crate) counters: Counters,
    /// Held by whoever seals.
    pub(crate) sealing: Mutex<()>,
    /// Held by whoever merges.
    pub(crate) merging: Mutex<()>,
    /// Versions that are kept.
    pub(crate) pins: Pins,
    pub(crate) archive: Archive,
    published: ArcSwap<Snapshot>,
    pub(crate) log: Mutex<Log>,
    pub(crate) next_segment: AtomicU64,
    pub(crate) health: Health,
    pub(crate) chores: Chores,
    share: Share,
    born: Instant,
    /// Milliseconds after `born` of the last write.
    written: AtomicU64,
}

/// What has been counted since the collection was opened.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_times: Times,
    pub(crate) durable_seq: AtomicU64,
}

impl Inner {
    pub(crate) fn new(
        name: String,
        folder: PathBuf,
        options: Options,
        space: Arc<Watch>,
        manifest: Manifest,
        state: State,
        log: Log,
    ) -> Self {
        let share = Share::new(options.memory.clone());
        hold(&share, &state);
        Self {
            name,
            folder,
            disk: space.disk().clone(),
            options,
            share,
            space,
            schema: ArcSwap::new(state.schema.clone()),
            queue: Queue::default(),
            next_segment: AtomicU64::new(manifest.next_segment),
            manifest: Mutex::new(manifest),
            published: ArcSwap::from_pointee(state.snapshot()),
            stop: AtomicBool::new(false),
            counters: Counters { durable_seq: AtomicU64::new(state.seq), ..Counters::default() },
            state: Mutex::new(state),
            ledger: Mutex::default(),
            sealing: Mutex::new(()),
            merging: Mutex::new(()),
            pins: Pins::default(),
            archive: Archive::default(),
            log: Mutex::new(log),
            health: Health::default(),
            chores: Chores::default(),
            born: Instant::now(),
            written: AtomicU64::new(0),
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.published.load_full()
    }

    /// Makes the state what readers see.
    pub(crate) fn publish(&self, state: &State) {
        hold(&self.share, state);
        self.published.store(Arc::new(state.snapshot()));
    }

    /// Tells how much waits for the writer. What waits is parsed already, and takes about three times its bytes in
    /// the log.
    pub(crate) fn tell_queue(&self) {
        self.queue.tell_bytes(|bytes| self.share.set(What::Queue, bytes.saturating_mul(3)));
    }

    /// The time, which does not go back behind what was committed.
    pub(crate) fn now_ms(&self, snapshot: &Snapshot) -> u64 {
        self.options.clock.now_ms().max(snapshot.time_ms)
    }

    pub(crate) fn apply(&self, change: Change, notes: Vec<Note>, seq: u64, time_ms: u64) {
        let mut state = self.state.lock();
        state.apply(change, seq, time_ms);
        let mut ledger = self.ledger.lock();
        notes.into_iter().for_each(|note| ledger.note(note));
        drop(ledger);
        self.publish(&state);
        let (rows, bytes) = state.unsealed();
        drop(state);
        self.written.store(self.born.elapsed().as_millis() as u64, Ordering::Relaxed);
        // Long before writes have to wait, and when queries have long lists of live rows to look at.
        let is_far = |got: u64, sealed_at: u64, times: u64| got >= sealed_at.saturating_mul(times);
        if is_far(rows, self.options.seal_rows, LIVE_SEALS_MAX)
            || is_far(bytes, self.options.seal_bytes, LIVE_SEALS_MAX / 2)
        {
            CORES.lagging();
        }
        CORES.used();
        if rows >= self.options.seal_rows || bytes >= self.options.seal_bytes {
            self.chores.wake();
        }
    }

    /// Something to be done with the log; its writer waits.
    pub(crate) fn with_log<T>(&self, deed: impl FnOnce(&mut Log) -> T) -> T {
        deed(&mut self.log.lock())
    }

    pub(crate) fn cut_log(&self, seq: u64) {
        let mut log = self.log.lock();
        let seq = self.may_cut(seq, log.bytes());
        if let Err(err) = log.cut_before(seq) {
            tracing::warn!(collection = self.name, %err, "the log could not be cut");
        }
    }

    pub(crate) fn new_segment_number(&self) -> u64 {
        self.next_segment.fetch_add(1, Ordering::Relaxed)
    }

    /// Why writes are refused, where they are.
    fn refuses(&self) -> Option<Error> {
        self.poisoned().or_else(|| self.space.admit_write().err())
    }

    /// For how long nobody has written.
    pub(crate) fn idle(&self) -> Duration {
        self.born.elapsed().saturating_sub(Duration::from_millis(self.written.load(Ordering::Relaxed)))
    }

    /// Bytes of log that a start would read; an archive may keep others waiting.
    pub(crate) fn log_bytes_to_replay(&self) -> u64 {
        let replay_from = self.manifest.lock().replay_from;
        self.log.lock().bytes_from(replay_from)
    }

    pub(crate) fn log_bytes(&self) -> u64 {
        self.log.lock().bytes()
    }
}

/// Tells what the parts of a collection hold.
fn hold(share: &Share, state: &State) {
    let (mut live, mut graphs) = (0, 0);
    for entry in &state.entries {
        *if entry.is_live() { &mut live } else { &mut graphs } += entry.held.part().held_bytes();
    }
    share.set(What::Live, live);
    share.set(What::Graphs, graphs);
}

impl Collection {
    /// Starts the writer of a collection that was recovered.
    pub(crate) fn start(inner: Inner, upkeep: &Upkeep) -> Result<Arc<Self>> {
        let inner = Arc::new(inner);
        let shared = inner.clone();
        let thread = std::thread::Builder::new().name("nigh writer".into());
        let start =
            || thread.spawn(move || committer::run(&shared)).map_err(doing("start a thread for", &inner.folder));
        let writer = inner.options.writer_thread.then(start).transpose()?;
        upkeep.add(&inner);
        Ok(Arc::new(Self { inner, writer: Mutex::new(writer), turns: Mutex::default() }))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What tells it from every other one, of this name or another.
    pub fn id(&self) -> uuid::Uuid {
        self.inner.manifest.lock().collection
    }

    /// What it holds.
    pub fn spec(&self) -> Arc<CollectionSpec> {
        self.inner.schema.load().spec.clone()
    }

    /// Applies a batch, all of it or nothing, and waits until it is as far as was asked.
    pub fn write(&self, ops: Vec<Write>, durability: Durability) -> Result<Written> {
        self.write_batch(ops.into(), durability)
    }

    /// As [`Self::write`], with what goes beside the operations.
    pub fn write_batch(&self, batch: WriteBatch, durability: Durability) -> Result<Written> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit_batch(batch, durability, Box::new(move |written| drop(sender.send(written))))?;
        self.turn(false);
        receiver.recv().unwrap_or_else(|_| Err(Error::Closed { name: self.inner.name.clone() }))
    }

    /// As [`Self::write`], without waiting: `done` is called from the writer's thread, so it must
    /// not block. A full queue and a malformed batch are told at once.
    pub fn submit(&self, ops: Vec<Write>, durability: Durability, done: Done) -> Result<()> {
        self.submit_batch(ops.into(), durability, done)
    }

    /// As [`Self::submit`], with what goes beside the operations.
    pub fn submit_batch(&self, batch: WriteBatch, durability: Durability, done: Done) -> Result<()> {
        self.submit_while(batch, durability, done, &|| true)
    }

    /// As [`Self::submit_batch`]. What filters match is found in this thread, and `go_on` asked meanwhile: where it says
    /// no, that is an error, and nothing is written.
    pub fn submit_while(
        &self,
        batch: WriteBatch,
        durability: Durability,
        done: Done,
        go_on: &dyn Fn() -> bool,
    ) -> Result<()> {
        let gives_back = batch.ops.iter().all(|op| matches!(op, Write::Delete(_)));
        if !gives_back {
            self.leave_room()?;
        }
        let mut batch = self.inner.schema.load_full().batch(batch)?;
        batch.foresee(&self.inner.snapshot(), go_on)?;
        if let LogForm::Encoded(payload) = &batch.log {
            committer::check_record(payload.len(), self.inner.options.record_bytes_max)?;
        }
        self.push(Pending { batch, durability, gives_back, done, since: Instant::now() })
    }

    fn push(&self, pending: Pending) -> Result<()> {
        let options = &self.inner.options;
        let pushed = self.inner.queue.push(pending, options.queue_batches, options.queue_bytes);
        self.inner.tell_queue();
        pushed.map_err(|err| match err {
            Error::Closed { .. } => Error::Closed { name: self.inner.name.clone() },
            other => other,
        })
    }

    /// Refuses a write while sealing lags far behind, so that memory stays bounded.
    fn leave_room(&self) -> Result<()> {
        let limit = self.inner.options.seal_bytes.saturating_mul(LIVE_SEALS_MAX);
        let live = |view: &&crate::snapshot::PartView| view.part.segment() == 0;
        let got = self.inner.snapshot().parts.iter().filter(live).map(|view| view.part.bytes()).sum();
        if !self.inner.options.background {
            return Ok(());
        }
        if got <= limit {
            return self.inner.options.memory.admit();
        }
        Err(Error::Full { what: "the memory for rows not yet sealed (bytes)", got, limit, retry_ms: 500 })
    }

    /// Writes what waits, in the caller's thread, and if nobody wrote for a while what comes then:
    /// where there is no thread that does it ([`Options::writer_thread`]).
    pub fn turn(&self, rested: bool) {
        if !self.inner.options.writer_thread {
            self.turns.lock().turns(&self.inner, rested);
        }
    }

    /// The newest state, as it is now: points that are expired are not in it.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        CORES.used();
        let snapshot = self.inner.snapshot();
        match snapshot.may_expire() {
            true => snapshot.at(self.inner.now_ms(&snapshot)),
            false => snapshot,
        }
    }

    /// How far a source has come, by partition; all sources where none is named.
    pub fn positions(&self, source: Option<&str>) -> Vec<SourcePosition> {
        self.inner.ledger.lock().positions(source)
    }

    /// Deletes points that are expired, now, a thousand at most: how many. It is done without being
    /// asked for, a second later.
    pub fn sweep(&self) -> Result<u64> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.push(Pending::sweep(Box::new(move |written| drop(sender.send(written)))))?;
        self.turn(false);
        let swept = receiver.recv().unwrap_or_else(|_| Err(Error::Closed { name: self.inner.name.clone() }));
        swept.map(|written| written.affected)
    }

    /// How it is.
    pub fn status(&self) -> Status {
        let state = self.inner.state.lock();
        let (live_rows, live_bytes) = state.live();
        let segments: Vec<SegmentStatus> = state
            .entries
            .iter()
            .filter_map(|entry| match &entry.held {
                Held::Live(_) => None,
                Held::Sealed(segment) => Some(SegmentStatus {
                    number: segment.segment(),
                    rows: u64::from(segment.rows()),
                    dead_rows: entry.dead.len(),
                    bytes: segment.bytes(),
                }),
            })
            .collect();
        let (snapshot, seq) = (Arc::new(state.snapshot()), state.seq);
        let points = snapshot.at(self.inner.now_ms(&snapshot)).points();
        drop(state);
        let counters = &self.inner.counters;
        let (queue_batches, queue_bytes) = self.inner.queue.depth();
        Status {
            points,
            seq,
            durable_seq: counters.durable_seq.load(Ordering::Relaxed).min(seq),
            disk_bytes: segments.iter().map(|segment| segment.bytes).sum::<u64>() + self.inner.log_bytes(),
            segments,
            live_rows,
            live_bytes,
            upkeep: self.inner.chores.name(),
            tasks: self.inner.chores.tasks(),
            upkeep_failed: self.inner.chores.failed(),
            upkeep_waits: self.inner.chores.waits(),
            refuses_writes: self.inner.refuses().map(|err| err.to_string()),
            archive: self.inner.options.archive_keep_bytes.is_some().then(|| self.archive()),
            batches: counters.batches.load(Ordering::Relaxed),
            syncs: counters.syncs.load(Ordering::Relaxed),
            queue_batches,
            queue_bytes,
            graph_bytes: self.inner.share.held(What::Graphs),
            queue_waits: self.inner.queue.waits(),
            sync_times: counters.sync_times.read(),
            seal_times: self.inner.chores.took(Lane::Sealing),
            merge_times: self.inner.chores.took(Lane::Merging),
        }
    }

    /// Seals what is live into a segment, now. False where there was nothing to seal.
    pub fn seal(&self) -> Result<bool> {
        seal::seal(&self.inner, ASKED)
    }

    /// Merges once, if a merge is due when nobody has written for a while. False where none is.
    pub fn merge(&self) -> Result<bool> {
        merge::merge(&self.inner, merge::A_WHILE, ASKED)
    }

    /// Seals what is live and merges all segments into one; now, and waits for it.
    pub fn settle(&self) -> Result<()> {
        self.seal()?;
        while merge::merge(&self.inner, Duration::MAX, ASKED)? {}
        Ok(())
    }

    /// Calls off a merge that runs, and lets none begin by itself for a minute. Whether one ran.
    pub fn cancel_merge(&self) -> bool {
        self.inner.chores.cancel_merge()
    }

    /// Writes what waits, syncs the log and ends the threads. Later writes are refused; snapshots
    /// that are held go on to be read.
    pub fn close(&self) {
        self.inner.queue.close();
        self.inner.stop.store(true, Ordering::Relaxed);
        self.inner.chores.stop_all();
        let writer = self.writer.lock().take();
        if !self.inner.options.writer_thread {
            self.turn(false);
            self.turns.lock().end(&self.inner);
        }
        // Whoever holds the last handle inside a callback of the writer cannot wait for the writer.
        if let Some(writer) = writer.filter(|writer| writer.thread().id() != std::thread::current().id())
            && writer.join().is_err()
        {
            tracing::error!(collection = self.inner.name, "the writer had panicked");
        }
        // A build that was called off is on its way out; one that begins now sees that it is closed.
        drop(self.inner.sealing.lock());
        drop(self.inner.merging.lock());
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        self.close();
    }
}
