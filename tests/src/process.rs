//! What the operating system says of a process and of a folder.

use std::fs;
use std::path::Path;

/// Memory of a process, in bytes.
#[derive(Copy, Clone, Debug, Default)]
pub struct Resident {
    /// All of it that is in memory, pages of mapped files included.
    pub all: u64,
    /// What is not mapped from a file.
    pub anonymous: u64,
    /// What is mapped from files. The system takes it back where it needs it.
    pub mapped: u64,
    /// The most that `all` ever was.
    pub peak: u64,
}

/// The memory of a process; nothing where the system does not tell (it is read from `/proc`).
pub fn resident_bytes(pid: u32) -> Resident {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    };
    let [all, anonymous, mapped, peak] =
        ["VmRSS:", "RssAnon:", "RssFile:", "VmHWM:"].map(|name| line(name).unwrap_or(0));
    Resident { all, anonymous, mapped, peak }
}

/// Seconds that a process spent on processors; nothing where the system does not tell.
pub fn cpu_seconds(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // What stands before the last parenthesis is the name, which may hold anything.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    // Linux tells the time of processes in hundredths of a second on every machine of today.
    ticks / 100.0
}

/// The bytes of all files below a folder.
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}
