//! How far the opening of a collection is: counted by whoever opens it, read by whoever waits for it.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// What is being done for a collection that is not open yet.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Stage {
    /// Others are opened first.
    #[default]
    Waiting,
    /// Its segments are opened; counted in bytes of their files.
    Segments,
    /// Its log is replayed; counted in bytes.
    Log,
}

impl Stage {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Segments => "segments",
            Self::Log => "log",
        }
    }
}

/// How far an opening is. Reading it is exact enough for people and for polite clients: the numbers are
/// not of one moment.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Opening {
    /// What is being done.
    pub stage: Stage,
    /// Bytes of this stage that are done.
    pub done: u64,
    /// Bytes of this stage.
    pub total: u64,
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: f64 = 1_048_576.0;
        let (done, total) = (self.done.min(self.total) as f64 / MIB, self.total as f64 / MIB);
        match self.stage {
            Stage::Waiting => write!(f, "it waits for its turn"),
            Stage::Segments => write!(f, "{done:.1} of {total:.1} MiB of its segments are open"),
            Stage::Log => write!(f, "{done:.1} of {total:.1} MiB of its log are replayed"),
        }
    }
}

/// The counter behind [`Opening`].
#[derive(Debug, Default)]
pub(crate) struct Progress {
    stage: AtomicU8,
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    pub(crate) fn begin(&self, stage: Stage, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Opening {
        let stage = match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Waiting,
            1 => Stage::Segments,
            _ => Stage::Log,
        };
        Opening { stage, done: self.done.load(Ordering::Relaxed), total: self.total.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_says_how_far_it_is() {
        let progress = Progress::default();
        assert_eq!(progress.now().to_string(), "it waits for its turn");
        progress.begin(Stage::Segments, 5 << 20);
        progress.add(1 << 20);
        assert_eq!(progress.now().to_string(), "1.0 of 5.0 MiB of its segments are open");
        progress.begin(Stage::Log, 3 << 19);
        progress.add(1 << 30);
        assert_eq!(progress.now().to_string(), "1.5 of 1.5 MiB of its log are replayed");
    }
}
