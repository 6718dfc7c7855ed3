//! A bucket that fills steadily and is emptied by what is asked for.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Holds as much as one period brings; what is not asked for is not saved up beyond that.
#[derive(Debug)]
pub(crate) struct Bucket {
    most: u32,
    period: Duration,
    /// What is in it, and when that was counted.
    state: Mutex<(f64, Instant)>,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(most: u32, period: Duration) -> Self {
        Self { most, period, state: Mutex::new((f64::from(most), Instant::now())) }
    }

    /// As much as it holds.
    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// Takes so much out, all of it or nothing; the error is the time after which there is as much. More than it holds
    /// there never is.
    pub(crate) fn take(&self, cost: u32, now: Instant) -> Result<(), Duration> {
        let (most, cost) = (f64::from(self.most), f64::from(cost));
        let mut state = self.state.lock();
        let periods = now.saturating_duration_since(state.1).as_secs_f64() / self.period.as_secs_f64();
        *state = ((state.0 + periods * most).min(most), state.1.max(now));
        if state.0 < cost {
            let wait = (cost - state.0) / most * self.period.as_secs_f64();
            return Err(Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX));
        }
        state.0 -= cost;
        Ok(())
    }

    /// Whether nothing was asked for lately: it is as good as a new one.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.take(0, now).is_ok() && self.state.lock().0 >= f64::from(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_what_a_period_brings() {
        let bucket = Bucket::new(10, Duration::from_secs(1));
        let begin = bucket.state.lock().1;
        let at = |ms| begin + Duration::from_millis(ms);
        assert!(bucket.is_full(at(0)));
        for _ in 0..10 {
            assert_eq!(bucket.take(1, at(0)), Ok(()));
        }
        assert!(!bucket.is_full(at(0)));
        assert_eq!(bucket.take(1, at(0)).unwrap_err().as_millis(), 100);
        assert!(bucket.take(1, at(101)).is_ok() && bucket.take(1, at(101)).is_err());
        let later = (0..100).filter(|_| bucket.take(1, at(60_000)).is_ok()).count();
        assert_eq!(later, 10, "what was not asked for is not saved up beyond a period");
        assert!(bucket.take(1, at(0)).is_err(), "a clock that was read earlier gives nothing");
    }

    #[test]
    fn it_is_all_or_nothing() {
        let bucket = Bucket::new(6, Duration::from_secs(60));
        let begin = bucket.state.lock().1;
        assert!(bucket.take(4, begin).is_ok());
        assert_eq!(bucket.take(3, begin).unwrap_err().as_secs(), 10);
        assert!(bucket.take(2, begin).is_ok());
        assert_eq!(Bucket::new(0, Duration::from_secs(1)).take(1, begin), Err(Duration::MAX));
    }
}
