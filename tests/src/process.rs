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
}

/// The memory of a process; nothing where the system does not tell (it is read from `/proc`).
pub fn resident_bytes(pid: u32) -> Resident {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    };
    Resident { all: line("VmRSS:").unwrap_or(0), anonymous: line("RssAnon:").unwrap_or(0) }
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
