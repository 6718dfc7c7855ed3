//! What a server's process holds while it works, stage by stage.
//!
//! A thread looks at the process every few milliseconds. A stage that comes several times is one line: its seconds are
//! added up, its memory is the most that was seen in it.

use nigh_tests::process::{Resident, cpu_seconds, resident_bytes};
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the process is looked at.
const EVERY: Duration = Duration::from_millis(10);

/// What was seen of a stage.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// How long it took, all times together.
    pub seconds: f64,
    /// Processor time of the server in it.
    pub cpu_seconds: f64,
    /// The most of every kind, not all seen at one moment.
    pub most: Resident,
    /// What was seen last.
    pub last: Resident,
}

struct Seen {
    stages: Vec<Stage>,
    now: usize,
    since: Instant,
    cpu_since: f64,
    ended: bool,
}

/// Looks at a process until it is dropped.
pub struct Sampler {
    pid: u32,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

impl Seen {
    fn look(&mut self, pid: u32) {
        let (got, stage) = (resident_bytes(pid), &mut self.stages[self.now]);
        // A process that has ended holds nothing: that is not its last state.
        if got.all == 0 {
            return;
        }
        stage.last = got;
        let most = &mut stage.most;
        most.all = most.all.max(got.all);
        most.anonymous = most.anonymous.max(got.anonymous);
        most.mapped = most.mapped.max(got.mapped);
        most.peak = most.peak.max(got.peak);
    }

    fn account(&mut self, pid: u32) {
        let cpu = cpu_seconds(pid);
        let stage = &mut self.stages[self.now];
        stage.seconds += self.since.elapsed().as_secs_f64();
        stage.cpu_seconds += (cpu - self.cpu_since).max(0.0);
        (self.since, self.cpu_since) = (Instant::now(), cpu);
    }

    fn enter(&mut self, name: &str) {
        self.now = self.stages.iter().position(|stage| stage.name == name).unwrap_or(self.stages.len());
        if self.now == self.stages.len() {
            let (most, last) = (Resident::default(), Resident::default());
            self.stages.push(Stage { name: name.to_owned(), seconds: 0.0, cpu_seconds: 0.0, most, last });
        }
    }
}

impl Sampler {
    /// Begins with a stage.
    pub fn start(pid: u32, stage: &str) -> Self {
        let mut seen =
            Seen { stages: Vec::new(), now: 0, since: Instant::now(), cpu_since: cpu_seconds(pid), ended: false };
        seen.enter(stage);
        let seen = Arc::new(Mutex::new(seen));
        let looked_at = seen.clone();
        let look = move || {
            loop {
                let mut seen = lock(&looked_at);
                if seen.ended {
                    return;
                }
                seen.look(pid);
                drop(seen);
                std::thread::sleep(EVERY);
            }
        };
        Self { pid, seen, thread: Some(std::thread::spawn(look)) }
    }

    /// Another stage begins, or one goes on.
    pub fn stage(&self, name: &str) {
        let mut seen = lock(&self.seen);
        if seen.stages[seen.now].name != name {
            seen.look(self.pid);
            seen.account(self.pid);
            seen.enter(name);
        }
    }

    /// All stages so far, in the order in which they came first.
    pub fn stages(&self) -> Vec<Stage> {
        let mut seen = lock(&self.seen);
        seen.look(self.pid);
        seen.account(self.pid);
        seen.stages.clone()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        lock(&self.seen).ended = true;
        // What a panic of that thread would say was said by it.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stages as Markdown.
pub fn markdown(stages: &[Stage]) -> String {
    let mut out = String::from(
        "| stage | seconds | server's CPU seconds | most resident MB | anonymous | mapped | at its end: resident MB | anonymous | mapped |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    let mb = |bytes: u64| bytes / 1_000_000;
    for Stage { name, seconds, cpu_seconds, most, last } in stages {
        // Nothing is told apart by writing to a String.
        let _ = writeln!(
            out,
            "| {name} | {seconds:.1} | {cpu_seconds:.1} | {} | {} | {} | {} | {} | {} |",
            mb(most.all),
            mb(most.anonymous),
            mb(most.mapped),
            mb(last.all),
            mb(last.anonymous),
            mb(last.mapped)
        );
    }
    out
}
