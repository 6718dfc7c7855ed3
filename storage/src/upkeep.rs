//! Who seals and merges, and when.
//!
//! ```text
//! sealer   one thread of a store: whichever collection needs it most     a seal never waits for a merge
//! merger   another one, in the same way                                  at most one of each runs in a store
//! ```
//!
//! So the memory, the threads and the I/O of upkeep are bounded whatever the number of collections.
//! Both threads, and the pools that their builds start, run at a low priority ([`crate::urgency`]): a search that comes
//! takes the core at once. While requests come they keep to a half of the cores ([`crate::cores`]), and a machine that has
//! nothing else to do is used whole.

use crate::collection::Inner;
use crate::cores::CORES;
use crate::merge;
use crate::pace::Pace;
use crate::seal;
use crate::status::TaskStatus;
use crate::store::Options;
use crate::sync::{Condvar, Mutex};
use crate::times::{Histogram, Times};
use crate::urgency;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// After this time without a write, upkeep does what it put off.
const IDLE_AFTER: Duration = Duration::from_secs(2);
/// When idle, fewer live or newly dead rows than this are left to the log: they cost nothing.
const IDLE_SEAL_ROWS: u64 = 2_000;
/// After a failed seal or merge, the next try waits this long.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// After a merge was called off, the next one waits this long.
const CANCELLED_FOR: Duration = Duration::from_secs(60);
/// A log of this many files is sealed whatever it says: a start would read all of it.
const LOG_FILES_MAX: u64 = 4;

/// The two kinds of upkeep.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    Sealing,
    Merging,
}

/// Work that waits.
pub(crate) struct Due {
    /// More is sooner. From 1 on it is needed for what is being written now.
    pub(crate) urgency: f64,
    pub(crate) reason: String,
}

/// The threads of upkeep of a store.
pub(crate) struct Upkeep {
    shared: Arc<Shared>,
    pace: Option<Arc<Pace>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the threads of upkeep and those who make work share.
#[derive(Default)]
pub(crate) struct Shared {
    members: Mutex<Members>,
    changed: Condvar,
}

#[derive(Default)]
struct Members {
    open: Vec<Weak<Inner>>,
    /// Counts what may have made work.
    turn: u64,
    stop: bool,
}

/// What a collection knows of its own upkeep.
#[derive(Default)]
pub(crate) struct Chores {
    running: Mutex<Vec<Arc<Task>>>,
    rest: Mutex<Rest>,
    waker: Mutex<Option<Arc<Waker>>>,
    pace: Mutex<Option<Arc<Pace>>>,
    /// By lane.
    took: [Times; 2],
}

#[derive(Default)]
struct Rest {
    until: [Option<Instant>; 2],
    failed: [Option<String>; 2],
    /// What the merge waits for that should be done now.
    waits: Option<String>,
    /// What of that was said last.
    said: Option<String>,
}

/// Tells the threads of upkeep that there may be work.
pub(crate) struct Waker(Arc<Shared>);

impl Upkeep {
    /// Starts the threads; without any where nothing is to happen by itself.
    pub(crate) fn start(options: &Options) -> std::io::Result<Self> {
        let shared: Arc<Shared> = Arc::default();
        let mut threads = Vec::new();
        let lanes = [("nigh sealer", Lane::Sealing), ("nigh merger", Lane::Merging)];
        for (name, lane) in lanes.into_iter().filter(|_| options.background) {
            let shared = shared.clone();
            threads.push(std::thread::Builder::new().name(name.into()).spawn(move || run(&shared, lane))?);
        }
        let pace = options.upkeep_bytes_per_second.map(|bytes| Arc::new(Pace::new(bytes)));
        Ok(Self { shared, pace, threads: Mutex::new(threads) })
    }

    /// Takes care of a collection from now on, as long as it is there.
    pub(crate) fn add(&self, inner: &Arc<Inner>) {
        *inner.chores.waker.lock() = Some(Arc::new(Waker(self.shared.clone())));
        *inner.chores.pace.lock() = self.pace.clone();
        let mut members = self.shared.members.lock();
        members.open.retain(|member| member.strong_count() > 0);
        members.open.push(Arc::downgrade(inner));
        drop(members);
        self.shared.wake();
    }

    /// Ends the threads. Collections have to be closed before, or a build is waited for.
    pub(crate) fn stop(&self) {
        self.shared.end();
        let here = std::thread::current().id();
        for thread in self.threads.lock().drain(..) {
            // The last handle of a store may go in one of these threads.
            if thread.thread().id() != here && thread.join().is_err() {
                tracing::error!("a thread of upkeep had panicked");
            }
        }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    pub(crate) fn wake(&self) {
        self.members.lock().turn += 1;
        self.changed.notify_all();
    }

    pub(crate) fn end(&self) {
        self.members.lock().stop = true;
        self.wake();
    }

    /// The collections, and the count of what may have made work; `None` at the end.
    pub(crate) fn look(&self) -> Option<(Vec<Arc<Inner>>, u64)> {
        let members = self.members.lock();
        let open = || members.open.iter().filter_map(Weak::upgrade).collect();
        (!members.stop).then(|| (open(), members.turn))
    }

    /// Rests a while, unless something may have made work since the look that gave this count.
    pub(crate) fn rest(&self, turn: u64) {
        let mut members = self.members.lock();
        if members.turn == turn && !members.stop {
            self.changed.wait_for(&mut members, IDLE_AFTER);
        }
    }
}

fn run(shared: &Shared, lane: Lane) {
    urgency::step_back(urgency::UPKEEP);
    while let Some((open, turn)) = shared.look() {
        let due = |inner: &Arc<Inner>| Some((lane.due(inner)?, inner.clone()));
        let most = open.iter().filter_map(due).max_by(|(one, _), (other, _)| one.urgency.total_cmp(&other.urgency));
        drop(open);
        match most {
            Some((due, inner)) => {
                let here = CORES.join();
                lane.work(&inner, &due.reason);
                drop((here, inner));
                shared.wake();
            }
            None => shared.rest(turn),
        }
    }
}

impl Lane {
    fn due(self, inner: &Inner) -> Option<Due> {
        if inner.stop.load(Ordering::Relaxed) || inner.poisoned().is_some() {
            return None;
        }
        let rest = inner.chores.rest.lock().until[self as usize];
        if rest.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let idle = inner.idle();
        match self {
            Self::Sealing => seal_due(inner, idle),
            Self::Merging => merge::due(inner, idle),
        }
    }

    fn work(self, inner: &Inner, reason: &str) {
        let done = match self {
            Self::Sealing => seal::seal(inner, reason),
            Self::Merging => merge::merge(inner, inner.idle(), reason),
        };
        let mut rest = inner.chores.rest.lock();
        match done {
            Ok(true) => rest.failed[self as usize] = None,
            // It was called off, or somebody else was faster.
            Ok(false) => rest.wait(self, Instant::now() + IDLE_AFTER),
            Err(err) => {
                tracing::error!(collection = inner.name, %err, "upkeep failed; it is tried again");
                rest.failed[self as usize] = Some(err.to_string());
                rest.wait(self, Instant::now() + RETRY_AFTER);
            }
        }
    }
}

impl Rest {
    fn wait(&mut self, lane: Lane, until: Instant) {
        let now = &mut self.until[lane as usize];
        *now = (*now).max(Some(until));
    }
}

fn seal_due(inner: &Inner, idle: Duration) -> Option<Due> {
    let state = inner.state.lock();
    let (rows, bytes) = state.unsealed();
    let dead = state.unsaved_dead();
    let mut live = state.entries.iter().filter(|entry| entry.is_live());
    let unread = live.any(|entry| merge::lacks_text(entry.held.part(), &state.schema.spec));
    drop(state);
    let options = &inner.options;
    let log_max = options.log_file_bytes.saturating_mul(LOG_FILES_MAX);
    let share = |got: u64, of: u64| got as f64 / of.max(1) as f64;
    let reasons = [
        (share(rows, options.seal_rows), format!("{rows} rows are live")),
        (share(bytes, options.seal_bytes), format!("live rows hold {bytes} bytes")),
        (share(inner.log_bytes_to_replay(), log_max), "the log is long".to_owned()),
    ];
    let (urgency, reason) = reasons.into_iter().max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    if urgency >= 1.0 {
        return Some(Due { urgency, reason });
    }
    if unread && idle >= IDLE_AFTER {
        // Whoever added the field reads them at once; this is for where that was broken off.
        return Some(Due { urgency: 0.5, reason: "a text field was added".to_owned() });
    }
    let left = rows.max(dead);
    let due = || Due { urgency: urgency.min(0.5), reason: format!("nobody writes, {left} rows wait") };
    (idle >= IDLE_AFTER && left >= IDLE_SEAL_ROWS).then(due)
}

impl Chores {
    /// Tells the threads of upkeep that there may be work.
    pub(crate) fn wake(&self) {
        // The lock is not held while others are woken.
        let waker = self.waker.lock().clone();
        if let Some(waker) = waker {
            waker.0.wake();
        }
    }

    /// Says that a task runs until what is returned is dropped.
    pub(crate) fn begin(&self, lane: Lane, reason: &str, rows: u64) -> Running<'_> {
        let task = Arc::new(Task {
            lane,
            pace: self.pace.lock().clone(),
            reason: reason.to_owned(),
            rows,
            begun: Instant::now(),
            stop: AtomicBool::new(false),
            stage: Mutex::default(),
            files: AtomicU64::new(0),
            files_done: AtomicU64::new(0),
        });
        self.running.lock().push(task.clone());
        Running { chores: self, task }
    }

    /// How long its tasks took, those that were called off or failed too.
    pub(crate) fn took(&self, lane: Lane) -> Histogram {
        self.took[lane as usize].read()
    }

    /// Calls off every task; when the collection is closed.
    pub(crate) fn stop_all(&self) {
        self.running.lock().iter().for_each(|task| task.stop.store(true, Ordering::Relaxed));
    }

    /// Calls off a merge that runs, and lets none begin for a minute. Whether one ran.
    pub(crate) fn cancel_merge(&self) -> bool {
        self.rest.lock().wait(Lane::Merging, Instant::now() + CANCELLED_FOR);
        let running = self.running.lock();
        let merges = running.iter().filter(|task| task.lane == Lane::Merging);
        merges.map(|task| task.stop.store(true, Ordering::Relaxed)).count() > 0
    }

    pub(crate) fn tasks(&self) -> Vec<TaskStatus> {
        self.running.lock().iter().map(|task| task.status()).collect()
    }

    /// Says what the next merge waits for, once; `None`: for nothing.
    pub(crate) fn merge_waits(&self, collection: &str, why: Option<String>) {
        let mut rest = self.rest.lock();
        if why.is_some() && rest.said != why {
            tracing::warn!(collection, why, "segments are searched side by side until then");
            rest.said.clone_from(&why);
        }
        rest.waits = why;
    }

    /// What the next merge waits for.
    pub(crate) fn waits(&self) -> Option<String> {
        self.rest.lock().waits.clone()
    }

    /// What was tried last and failed.
    pub(crate) fn failed(&self) -> Option<String> {
        self.rest.lock().failed.iter().flatten().next().cloned()
    }

    pub(crate) fn name(&self) -> &'static str {
        let running = self.running.lock();
        let runs = |lane| running.iter().any(|task| task.lane == lane);
        match (runs(Lane::Sealing), runs(Lane::Merging)) {
            (false, false) => "idle",
            (true, false) => Lane::Sealing.name(),
            (false, true) => Lane::Merging.name(),
            (true, true) => "sealing and merging",
        }
    }
}

impl Lane {
    fn name(self) -> &'static str {
        match self {
            Self::Sealing => "sealing",
            Self::Merging => "merging",
        }
    }
}

/// A seal or a merge that runs.
pub(crate) struct Task {
    lane: Lane,
    /// How fast it may write.
    pub(crate) pace: Option<Arc<Pace>>,
    reason: String,
    rows: u64,
    pub(crate) begun: Instant,
    /// Set when it was called off.
    pub(crate) stop: AtomicBool,
    stage: Mutex<Vec<String>>,
    files: AtomicU64,
    files_done: AtomicU64,
}

impl Task {
    /// So many files will be made.
    pub(crate) fn expect(&self, files: usize) {
        self.files.store(files as u64, Ordering::Relaxed);
    }

    /// A file is being made.
    pub(crate) fn making(&self, file: &str) {
        self.stage.lock().push(file.to_owned());
    }

    /// A file is made.
    pub(crate) fn made(&self, file: &str) {
        self.stage.lock().retain(|stage| stage != file);
        self.files_done.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn status(&self) -> TaskStatus {
        TaskStatus {
            what: self.lane.name(),
            reason: self.reason.clone(),
            rows: self.rows,
            stage: self.stage.lock().join(", "),
            files_done: self.files_done.load(Ordering::Relaxed),
            files: self.files.load(Ordering::Relaxed),
            running: self.begun.elapsed(),
        }
    }
}

/// A task that runs; it is over when this is dropped.
pub(crate) struct Running<'a> {
    chores: &'a Chores,
    pub(crate) task: Arc<Task>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.chores.running.lock().retain(|task| !Arc::ptr_eq(task, &self.task));
        self.chores.took[self.task.lane as usize].count(self.task.begun.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::cruel::CruelDisk;
    use crate::point::Point;
    use crate::schema::{CollectionSpec, TextField};
    use crate::store::Store;
    use crate::write::{Durability, Write};
    use nigh_index::text::spec::TextSpec;
    use std::path::Path;

    #[test]
    fn a_merge_is_called_off_and_a_seal_is_not() {
        let chores = Chores::default();
        assert!(!chores.cancel_merge(), "none runs");
        let sealing = chores.begin(Lane::Sealing, "rows are live", 7);
        let merging = chores.begin(Lane::Merging, "dead rows", 9);
        assert_eq!(chores.name(), "sealing and merging");
        merging.task.expect(2);
        merging.task.making("ids");
        merging.task.made("ids");
        merging.task.making("payload");
        assert!(chores.cancel_merge());
        let stopped = |running: &Running<'_>| running.task.stop.load(Ordering::Relaxed);
        assert!(stopped(&merging) && !stopped(&sealing));
        assert!(chores.rest.lock().until[Lane::Merging as usize].is_some(), "the next one waits");
        let status = merging.task.status();
        assert_eq!((status.what, status.rows, status.stage.as_str()), ("merging", 9, "payload"));
        assert_eq!((status.files_done, status.files), (1, 2));
        drop(merging);
        assert_eq!(chores.name(), "sealing");
        drop(sealing);
        assert_eq!((chores.name(), chores.tasks().len()), ("idle", 0));
    }

    #[test]
    fn live_rows_that_were_not_read_for_a_text_field_are_sealed_when_nobody_writes() {
        let options = Options { background: false, ..Options::default() };
        let store = Store::open(Arc::new(CruelDisk::new()), Path::new("/data"), options).unwrap();
        store.create("c", CollectionSpec::default()).unwrap();
        let collection = store.collection("c").unwrap();
        collection.write(vec![Write::Upsert(Point::new(1))], Durability::Durable).unwrap();
        let due = |idle| seal_due(&collection.inner, idle).map(|due| due.reason);
        assert_eq!(due(IDLE_AFTER), None, "few rows are left to the log");
        collection.add_text(TextField { name: "t".into(), paths: Vec::new(), spec: TextSpec::default() }).unwrap();
        assert_eq!(due(Duration::ZERO), None);
        assert_eq!(due(IDLE_AFTER).unwrap(), "a text field was added");
        collection.read_texts().unwrap();
        assert_eq!(due(IDLE_AFTER), None);
    }

    #[test]
    fn a_later_rest_is_not_cut_short() {
        let mut rest = Rest::default();
        let now = Instant::now();
        rest.wait(Lane::Merging, now + CANCELLED_FOR);
        rest.wait(Lane::Merging, now + RETRY_AFTER);
        assert_eq!(rest.until, [None, Some(now + CANCELLED_FOR)]);
    }
}
