//! On which cores upkeep computes: on all of them, or on a half while the process is asked.
//!
//! Giving way ([`crate::urgency`]) says who gets a core that two want, and makes none free: a request passes through some
//! five threads, and wakes each of them up on a core that a builder has just filled with its own. With builders on all
//! cores a write took twice as long as without any, however far they stepped back. So while requests come, upkeep keeps
//! to a half of the cores that the process may use, and what is asked finds the others free.
//!
//! ```text
//! used       a read or a write came within the last QUIET: threads that joined keep to the upper half
//! lagging    sealing is far behind what is written: they take all cores, and writes wait for them
//! ```
//!
//! Cores belong to the process: all its stores share one [`CORES`]. Only Linux lets a thread choose; elsewhere nothing
//! of this happens, and on a machine of one core neither.

use parking_lot::Mutex;
use std::cell::RefCell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use system::{CpuSet, Thread, half, keep_to};

/// Without a request for so long, upkeep takes all cores.
const QUIET: Duration = Duration::from_millis(200);

/// Those of this process.
pub(crate) static CORES: Cores = Cores::new();

static BORN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Who computes, and how wide.
pub(crate) struct Cores {
    /// When the last request came, and when upkeep was last seen far behind: milliseconds since [`BORN`], and one more.
    used: AtomicU64,
    lagging: AtomicU64,
    /// Whether anybody joined, so that a request need not take the lock to know.
    busy: AtomicBool,
    state: Mutex<State>,
}

struct State {
    threads: Vec<Thread>,
    /// All cores, while the threads keep to a half of them.
    all: Option<CpuSet>,
}

/// A thread that computes for upkeep, until this is dropped in it.
pub(crate) struct Here {
    of: &'static Cores,
    thread: Thread,
}

impl Drop for Here {
    fn drop(&mut self) {
        self.of.leave(self.thread);
    }
}

thread_local! {
    static FOR_GOOD: RefCell<Option<Here>> = const { RefCell::new(None) };
}

/// This thread computes for upkeep as long as it lives.
pub(crate) fn join_for_good() {
    FOR_GOOD.set(Some(CORES.join()));
}

fn now() -> u64 {
    BORN.elapsed().as_millis() as u64 + 1
}

impl Cores {
    const fn new() -> Self {
        let state = Mutex::new(State { threads: Vec::new(), all: None });
        Self { used: AtomicU64::new(0), lagging: AtomicU64::new(0), busy: AtomicBool::new(false), state }
    }

    /// A request came.
    pub(crate) fn used(&'static self) {
        self.used.store(now(), Ordering::Relaxed);
        if self.busy.load(Ordering::Relaxed) {
            self.settle();
        }
    }

    /// Sealing is far behind what is written.
    pub(crate) fn lagging(&self) {
        self.lagging.store(now(), Ordering::Relaxed);
    }

    /// This thread computes for upkeep.
    pub(crate) fn join(&'static self) -> Here {
        let thread = system::here();
        let mut state = self.state.lock();
        state.threads.push(thread);
        // It began with the cores of whoever started it, who may have had others then.
        if let Some(all) = state.all.or_else(system::all) {
            keep_to(thread, &state.all.as_ref().and_then(half).unwrap_or(all));
        }
        self.busy.store(true, Ordering::Relaxed);
        drop(state);
        self.settle();
        Here { of: self, thread }
    }

    fn leave(&self, thread: Thread) {
        let mut state = self.state.lock();
        state.threads.retain(|known| *known != thread);
        self.busy.store(!state.threads.is_empty(), Ordering::Relaxed);
        if let Some(all) = state.all {
            keep_to(thread, &all);
        }
    }

    /// Whether upkeep should keep to a half.
    fn is_wanted(&self) -> bool {
        let now = now();
        let lately = |at: &AtomicU64| match at.load(Ordering::Relaxed) {
            0 => false,
            at => now.saturating_sub(at) <= QUIET.as_millis() as u64,
        };
        lately(&self.used) && !lately(&self.lagging)
    }

    /// Makes the threads keep to a half, if they should and do not.
    fn settle(&'static self) {
        if !self.is_wanted() {
            return;
        }
        // A request waits for nobody: whoever has the lock is at it, or the next request will be.
        let Some(mut state) = self.state.try_lock() else { return };
        if state.all.is_some() || state.threads.is_empty() {
            return;
        }
        let Some((all, half)) = system::all().and_then(|all| Some((all, half(&all)?))) else { return };
        let watch = std::thread::Builder::new().name("nigh cores".into()).spawn(|| self.watch());
        if let Err(err) = watch {
            tracing::debug!(%err, "upkeep takes all cores");
            return;
        }
        state.all = Some(all);
        state.threads.iter().for_each(|thread| keep_to(*thread, &half));
    }

    /// Waits until they need not any more.
    fn watch(&self) {
        loop {
            std::thread::sleep(QUIET);
            let mut state = self.state.lock();
            if state.threads.is_empty() || !self.is_wanted() {
                if let Some(all) = state.all.take() {
                    state.threads.iter().for_each(|thread| keep_to(*thread, &all));
                }
                return;
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    pub(super) use rustix::thread::{CpuSet, Pid as Thread, gettid as here};
    use rustix::thread::{sched_getaffinity, sched_setaffinity};

    /// The cores that the process may use: those of its first thread, which no store ever makes narrower.
    pub(super) fn all() -> Option<CpuSet> {
        sched_getaffinity(Some(rustix::process::getpid())).ok()
    }

    /// The upper half of these cores; none of a single one.
    pub(super) fn half(all: &CpuSet) -> Option<CpuSet> {
        let there: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).collect();
        let mut half = CpuSet::new();
        there[there.len().div_ceil(2)..].iter().for_each(|cpu| half.set(*cpu));
        (half.count() > 0).then_some(half)
    }

    pub(super) fn keep_to(thread: Thread, cores: &CpuSet) {
        if let Err(err) = sched_setaffinity(Some(thread), cores) {
            tracing::debug!(%err, "a thread computes where it did");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    #[derive(Copy, Clone)]
    pub(super) struct CpuSet;

    #[derive(Copy, Clone, PartialEq)]
    pub(super) struct Thread;

    pub(super) fn here() -> Thread {
        Thread
    }

    pub(super) fn all() -> Option<CpuSet> {
        None
    }

    pub(super) fn half(_all: &CpuSet) -> Option<CpuSet> {
        None
    }

    pub(super) fn keep_to(_thread: Thread, _cores: &CpuSet) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::thread::sched_getaffinity;

    fn cores() -> &'static Cores {
        Box::leak(Box::new(Cores::new()))
    }

    fn wide() -> u32 {
        sched_getaffinity(None).unwrap().count()
    }

    /// Until it holds, however long a busy machine takes.
    fn until(holds: impl Fn() -> bool) {
        while !holds() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_upper_half_of_the_cores_is_kept_to() {
        let set = |cpus: &[usize]| {
            let mut set = CpuSet::new();
            cpus.iter().for_each(|cpu| set.set(*cpu));
            set
        };
        assert_eq!(half(&set(&[2, 3, 8, 9])), Some(set(&[8, 9])));
        assert_eq!(half(&set(&[0, 1, 2])), Some(set(&[2])));
        assert_eq!(half(&set(&[5])), None);
        assert_eq!(half(&set(&[])), None);
    }

    #[test]
    fn threads_keep_to_a_half_while_requests_come_and_take_all_when_none_does() {
        let (cores, all) = (cores(), wide());
        if all < 2 {
            return;
        }
        let asks: &AtomicBool = Box::leak(Box::new(AtomicBool::new(true)));
        let first = std::thread::spawn(move || {
            let here = cores.join();
            assert_eq!(wide(), all, "nobody asked");
            let asker = std::thread::spawn(move || {
                while asks.load(Ordering::Relaxed) {
                    cores.used();
                    std::thread::yield_now();
                }
            });
            until(|| wide() == all / 2);
            (here, asker)
        });
        let narrow = first.join().unwrap();
        std::thread::scope(|scope| {
            // One that joins meanwhile, started by somebody who has all cores, keeps to a half at once.
            scope.spawn(|| {
                until(|| {
                    let here = cores.join();
                    let kept_to_half = wide() == all / 2;
                    drop(here);
                    assert_eq!(wide(), all, "it computes for upkeep no more");
                    kept_to_half
                });
                // And takes all of them when nobody asks any more.
                let _here = cores.join();
                asks.store(false, Ordering::Relaxed);
                until(|| wide() == all);
            });
        });
        drop(narrow);
    }

    #[test]
    fn nobody_makes_upkeep_narrower_that_lags_far_behind() {
        let cores = cores();
        cores.used.store(now(), Ordering::Relaxed);
        assert!(cores.is_wanted());
        cores.lagging();
        assert!(!cores.is_wanted());
    }
}
