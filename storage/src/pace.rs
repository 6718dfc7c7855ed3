//! A budget of bytes a second, shared by all who write files in the background.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// What was saved up while nobody wrote is worth at most this much time.
const BURST: Duration = Duration::from_millis(100);
/// Whoever waits for long asks so often whether it is still to be done.
const ASKED_EVERY: Duration = Duration::from_millis(100);

/// So many bytes a second.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    /// When all that was taken is paid for.
    paid: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), paid: Mutex::new(Instant::now()) }
    }

    /// Waits until these bytes may be read, or until it is called off, which is asked now and then: whether they may.
    pub(crate) fn take_unless(&self, bytes: u64, called_off: &dyn Fn() -> bool) -> bool {
        let until = Instant::now() + self.due(bytes, Instant::now());
        loop {
            if called_off() {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(ASKED_EVERY));
        }
    }

    /// Waits until these bytes may be written.
    pub(crate) fn take(&self, bytes: u64) {
        let wait = self.due(bytes, Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
    }

    /// Takes the bytes; how long to wait before they are written.
    fn due(&self, bytes: u64, now: Instant) -> Duration {
        let mut paid = self.paid.lock();
        let begin = (*paid).max(now.checked_sub(BURST).unwrap_or(now));
        *paid = begin + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        paid.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_wait_of_years_is_called_off() {
        let (pace, asked) = (Pace::new(1), Cell::new(0));
        let called_off = || asked.replace(asked.get() + 1) == 2;
        assert!(!pace.take_unless(1 << 30, &called_off));
        assert!(Pace::new(1 << 30).take_unless(1, &|| false));
    }

    #[test]
    fn bytes_are_paid_for_in_time() {
        let pace = Pace::new(1000);
        let start = Instant::now() + Duration::from_secs(10);
        assert_eq!(pace.due(50, start), Duration::ZERO, "a little was saved up");
        assert_eq!(pace.due(550, start), Duration::from_millis(500));
        assert_eq!(pace.due(500, start), Duration::from_secs(1));
        assert_eq!(pace.due(500, start + Duration::from_secs(1)), Duration::from_millis(500));
        assert_eq!(pace.due(0, start + Duration::from_secs(100)), Duration::ZERO);
    }
}
