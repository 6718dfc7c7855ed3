//! How urgent threads are to the system: those that somebody waits for come before those that nobody does.
//!
//! Two things are told of a thread that steps back. Its "nice" value says which share of a core it gets that others want
//! too. Its slice says for how long it keeps a core at a stretch, and with that who may take the core from it: on Linux
//! from 6.12 on, a thread that wakes up takes it at once from one of a longer slice (EEVDF, `PREEMPT_SHORT`). Without
//! that a query waits for the rest of a slice of milliseconds wherever it passes from one thread to the next.

use std::time::Duration;

/// How far a thread steps back.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Back {
    /// The "nice" value that is added.
    pub nice: i32,
    /// How long it keeps a core. The system takes a tenth of a millisecond to a tenth of a second; usual are some three
    /// milliseconds.
    pub slice: Duration,
}

/// Writes, and what is asked for as they are: they give way to reads.
pub const WRITES: Back = Back { nice: 5, slice: Duration::from_millis(20) };
/// Upkeep: it gives way to reads and to writes.
pub const UPKEEP: Back = Back { nice: 10, slice: Duration::from_millis(100) };
/// Work that nobody waits for: it gives way to all.
pub const UNASKED: Back = Back { nice: 19, slice: Duration::from_millis(100) };

/// Makes this thread, and those that it starts from now on, less urgent. Where the system will not, it goes on as it is.
pub fn step_back(back: Back) {
    // On Linux the value belongs to the thread; elsewhere it would be the whole process.
    #[cfg(target_os = "linux")]
    match rustix::process::nice(back.nice) {
        Ok(nice) => keep_cores_for(back.slice, nice),
        Err(err) => tracing::debug!(%err, "a thread runs at full priority"),
    }
    #[cfg(not(target_os = "linux"))]
    let _ = back;
}

/// The nice value is told again, for the call sets both.
#[cfg(target_os = "linux")]
fn keep_cores_for(slice: Duration, nice: i32) {
    let told = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: 0,
        sched_flags: libc::SCHED_FLAG_KEEP_POLICY as u64,
        sched_nice: nice,
        sched_priority: 0,
        sched_runtime: slice.as_nanos() as u64,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the call reads `told`, whose length it is told, and keeps nothing of it; 0 is this thread.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const told, 0) };
    if done != 0 {
        let err = std::io::Error::last_os_error();
        tracing::debug!(%err, "a thread keeps cores for the usual time");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_steps_back_with_those_that_it_starts_and_no_other_does() {
        let nice = || rustix::process::nice(0).unwrap();
        let before = nice();
        let after = std::thread::spawn(move || {
            step_back(Back { nice: 3, ..UPKEEP });
            (nice(), std::thread::spawn(nice).join().unwrap())
        });
        let least = (before + 3).min(19);
        assert_eq!(after.join().unwrap(), (least, least));
        assert_eq!(nice(), before);
    }
}
