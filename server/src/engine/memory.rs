//! The memory of the process: how much it may take, how much it takes, and what goes first when that is much.

use crate::engine::Engine;
use nigh_storage::memory::Usage;
use std::fs;

/// Fewer mapped bytes than these are not worth letting go of.
const MAPPED_LEAST: u64 = 64 << 20;

impl Engine {
    /// Looks at the process once: tells the collections what it holds, and lets go of what can be read again when it
    /// comes near its limit. Asked several times a second.
    pub fn keep_memory(&self) {
        let (budget, (own, mapped)) = (self.store.memory(), of_process());
        budget.tell_own(own);
        let near = own.saturating_add(mapped) > budget.limit() - budget.limit() / 8;
        if near && (mapped > MAPPED_LEAST || budget.is_short()) {
            self.store.ease_memory();
        }
    }

    /// What is held, and how much may be.
    pub fn memory(&self) -> Usage {
        self.store.memory().usage()
    }
}

/// What the process has of its own, and what is mapped from files, in bytes; 0 where the system does not tell.
fn of_process() -> (u64, u64) {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    (kib(&text, "RssAnon:"), kib(&text, "RssFile:"))
}

/// The limit unless told otherwise: nine tenths of what the process's control group may take, or else three quarters
/// of the machine's memory; none where the system does not tell.
pub fn default_limit() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let machine = match kib(&text, "MemTotal:") {
        0 => u64::MAX,
        all => all / 4 * 3,
    };
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let group = |path: &str| {
        let text = fs::read_to_string(format!("/sys/fs/cgroup{}/memory.max", path.trim_end_matches('/'))).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let groups = own.match_indices('/').map(|(at, _)| &own[..at]).chain([own]);
    groups.filter_map(group).map(|most| most / 10 * 9).fold(machine, u64::min)
}

/// A line of `/proc`, which counts in KiB.
fn kib(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    number.unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_what_is_missing_is_nothing() {
        assert_eq!(kib("VmRSS:\t  12 kB\nRssAnon:\t 3 kB\n", "RssAnon:"), 3072);
        assert_eq!(kib("RssAnon:\t many kB\n", "RssAnon:"), 0);
        assert_eq!(kib("", "RssAnon:"), 0);
        assert!(default_limit() > 0);
    }
}
