//! What time it is: by the operating system, or by whoever sets it in a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock in Unix milliseconds.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The operating system's. It may be set back; who keeps times in order holds them.
    #[default]
    System,
    /// One that stands until somebody moves it.
    Set(Arc<AtomicU64>),
}

impl Clock {
    /// The time, in Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        match self {
            Self::System => {
                // Before 1970 nothing was written.
                let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
            }
            Self::Set(time_ms) => time_ms.load(Ordering::SeqCst),
        }
    }
}
