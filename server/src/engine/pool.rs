//! Where async ends: a bounded number of threads does the work, a bounded number of callers waits.
//!
//! ```text
//! caller -> a place (none left: Full) -> a permit (in turn, until the deadline) -> a blocking thread
//! ```
//!
//! The permit is taken before work is queued, so the queue is one of callers, who may leave it, and
//! not of work, which may not. Work that was begun is given up between its stages when the deadline
//! passes or its caller goes away.

use crate::engine::access::Access;
use crate::engine::error::{Error, Result};
use nigh_storage::urgency::{Back, step_back};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Waiting callers should be through after about this time.
const RETRY_MS: u64 = 100;

/// Until when an answer is of use.
#[derive(Clone, Debug, Default)]
pub struct Deadline {
    at: Option<Instant>,
    gone: Arc<AtomicBool>,
}

impl Deadline {
    /// This long from now; `None`: no end.
    pub fn after(time: Option<Duration>) -> Self {
        Self { at: time.and_then(|time| Instant::now().checked_add(time)), gone: Arc::default() }
    }

    /// An error once it has passed, or the caller has gone. Asked between the stages of a work.
    pub fn check(&self) -> Result<()> {
        if self.gone.load(Ordering::Relaxed) {
            return Err(Error::Gone);
        }
        match self.at {
            Some(at) if Instant::now() >= at => Err(Error::Late("while the request was worked on")),
            _ => Ok(()),
        }
    }

    /// Set once the caller has gone: for work that looks at nothing else.
    pub fn gone(&self) -> &AtomicBool {
        &self.gone
    }

    /// The future's outcome, if it comes in time.
    pub async fn within<T>(&self, when: &'static str, future: impl Future<Output = T>) -> Result<T> {
        match self.at {
            None => Ok(future.await),
            Some(at) => tokio::time::timeout_at(at.into(), future).await.map_err(|_| Error::Late(when)),
        }
    }
}

/// Says that nobody waits any more when it is dropped before the work has come to its end.
struct Waiting {
    gone: Arc<AtomicBool>,
    ended: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.ended {
            self.gone.store(true, Ordering::Relaxed);
        }
    }
}

/// A permit that was to spare; given back when it is dropped.
pub struct Spare(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// Threads for one kind of work. Clones share them.
#[derive(Clone)]
pub struct Pool {
    name: &'static str,
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
    places_max: usize,
    /// Threads of its own, less urgent than others; else those that block for the runtime.
    threads: Option<Arc<ThreadPool>>,
}

impl Pool {
    /// At most `running` works at once, and at most `queued` callers that wait.
    pub fn new(name: &'static str, running: usize, queued: usize) -> Self {
        let running = running.clamp(1, Semaphore::MAX_PERMITS / 2);
        let places_max = running + queued.min(Semaphore::MAX_PERMITS / 2);
        Self {
            name,
            running: Arc::new(Semaphore::new(running)),
            places: Arc::new(Semaphore::new(places_max)),
            places_max,
            threads: None,
        }
    }

    /// As [`Self::new`], on threads that wait for the core behind those of other pools: so much less urgent.
    pub fn behind(name: &'static str, back: Back, running: usize, queued: usize) -> Self {
        let pool = Self::new(name, running, queued);
        let threads = ThreadPoolBuilder::new().num_threads(running).thread_name(|_| "nigh behind".into());
        let threads = threads.start_handler(move |_| step_back(back)).build();
        // Without threads of its own the work is done as urgently as any other.
        let threads = threads.inspect_err(|err| tracing::warn!(%err, "{name} has no threads of its own")).ok();
        Self { threads: threads.map(Arc::new), ..pool }
    }

    /// Callers that run or wait.
    pub fn taken(&self) -> usize {
        self.places_max - self.places.available_permits()
    }

    /// A permit that nobody waits for, where there is one: for work that can be shared, or left out.
    pub fn spare(&self) -> Option<Spare> {
        self.running.clone().try_acquire_owned().ok().map(Spare)
    }

    /// Runs the work on a blocking thread, in turn.
    pub async fn run<T: Send + 'static>(
        &self,
        deadline: &Deadline,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let trace = Access::trace().map(|trace| (trace, Instant::now()));
        let place = self.places.clone().try_acquire_owned().map_err(|_| Error::Full {
            what: self.name,
            got: self.places_max as u64,
            limit: self.places_max as u64,
            retry_ms: RETRY_MS,
        })?;
        let permit = deadline.within("before the request was begun", self.running.clone().acquire_owned()).await?;
        let mut waiting = Waiting { gone: deadline.gone.clone(), ended: false };
        let begin = deadline.clone();
        let job = move || {
            // Both are given back when the work has ended, also where its caller left before.
            let _held = (place, permit);
            if let Some((trace, asked)) = trace {
                trace.stage("queue", asked, asked.elapsed(), Vec::new());
            }
            begin.check()?;
            work()
        };
        let outcome = match &self.threads {
            None => tokio::task::spawn_blocking(job).await.map_err(|err| err.to_string()),
            Some(threads) => {
                let (sender, receiver) = oneshot::channel();
                threads.spawn(move || {
                    // A panic is told to the caller; the thread goes on.
                    let done = std::panic::catch_unwind(AssertUnwindSafe(job));
                    drop(sender.send(done));
                });
                match receiver.await {
                    Ok(Ok(done)) => Ok(done),
                    Ok(Err(_)) => Err("it panicked".to_owned()),
                    Err(err) => Err(err.to_string()),
                }
            }
        };
        waiting.ended = true;
        outcome.unwrap_or_else(|err| {
            tracing::error!(%err, "a request did not come to its end");
            Err(Error::Internal("the request failed within the server"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_deadline_ends_the_wait() {
        let pool = Arc::new(Pool::new("the queue", 1, 1));
        let (go, wait) = mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move {
                let work = move || {
                    let _ = begun.send(());
                    let _ = wait.recv();
                    Ok(1)
                };
                pool.run(&Deadline::default(), work).await
            }
        });
        begins.await.unwrap();
        let soon = Deadline::after(Some(Duration::from_millis(1)));
        assert!(matches!(pool.run(&soon, || Ok(2)).await, Err(Error::Late(_))));
        let second = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(&Deadline::default(), || Ok(2)).await }
        });
        while pool.taken() < 2 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(pool.run(&Deadline::default(), || Ok(3)).await, Err(Error::Full { .. })));
        go.send(()).unwrap();
        assert_eq!((first.await.unwrap().unwrap(), second.await.unwrap().unwrap()), (1, 2));
        assert_eq!(pool.taken(), 0);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_gives_its_permit_back() {
        let pool = Pool::new("the queue", 1, 0);
        let work = || -> Result<()> { panic!("on purpose") };
        assert!(matches!(pool.run(&Deadline::default(), work).await, Err(Error::Internal(_))));
        assert_eq!(pool.run(&Deadline::default(), || Ok(7)).await.unwrap(), 7);
    }

    #[test]
    fn who_goes_away_is_noticed() {
        let deadline = Deadline::default();
        assert!(deadline.check().is_ok());
        drop(Waiting { gone: deadline.gone.clone(), ended: true });
        assert!(deadline.check().is_ok());
        drop(Waiting { gone: deadline.gone.clone(), ended: false });
        assert!(matches!(deadline.check(), Err(Error::Gone)));
    }

    #[tokio::test]
    async fn one_deadline_serves_several_works() {
        let (pool, deadline) = (Pool::new("the queue", 1, 0), Deadline::default());
        for n in 0..3 {
            assert_eq!(pool.run(&deadline, move || Ok(n)).await.unwrap(), n);
        }
    }
}
