//! Wall time and processor time side by side: on a machine that others use, the second is the steadier.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Instant;

/// Whose processor time is counted.
#[derive(Copy, Clone, Debug)]
pub enum Whose {
    /// This thread's.
    Thread,
    /// Every thread's of this process.
    Process,
}

/// What something took.
#[derive(Copy, Clone, Debug, Default)]
pub struct Took {
    /// On the wall's clock.
    pub seconds: f64,
    /// On the processors.
    pub cpu_seconds: f64,
}

/// Runs something and says what it took.
pub fn timed<T>(whose: Whose, work: impl FnOnce() -> T) -> (T, Took) {
    let clock = match whose {
        Whose::Thread => ClockId::ThreadCPUTime,
        Whose::Process => ClockId::ProcessCPUTime,
    };
    let (cpu, start) = (clock_gettime(clock), Instant::now());
    let done = work();
    let seconds = start.elapsed().as_secs_f64();
    (done, Took { seconds, cpu_seconds: seconds_of(clock_gettime(clock)) - seconds_of(cpu) })
}

fn seconds_of(time: Timespec) -> f64 {
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
