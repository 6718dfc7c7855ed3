//! How often and how much at once one caller may ask: a bucket that fills by the second, and a number of places.

use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Whoever was refused a place may find one after this time.
const PLACE_RETRY: Duration = Duration::from_secs(1);

/// One caller's.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: u32,
    /// Calls that may come at once, and when they were counted.
    bucket: Mutex<(f64, Instant)>,
    places: Option<Arc<Semaphore>>,
}

/// A call that was let in; its place is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "held for its drop")] Option<OwnedSemaphorePermit>);

/// Why a call is refused, and after which time it may go through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TooMuch {
    pub(crate) why: String,
    pub(crate) retry: Duration,
}

impl Rate {
    /// So many calls a second, so many at once; 0: as many as come.
    pub(crate) fn new(per_second: u32, running: u32) -> Self {
        let places = (running > 0).then(|| Arc::new(Semaphore::new(running as usize)));
        Self { per_second, bucket: Mutex::new((f64::from(per_second), Instant::now())), places }
    }

    /// Lets a call in.
    pub(crate) fn enter(&self, now: Instant) -> Result<Place, TooMuch> {
        let place = match &self.places {
            None => None,
            Some(places) => Some(
                places
                    .clone()
                    .try_acquire_owned()
                    .map_err(|_| TooMuch { why: "too many calls run with this key".to_owned(), retry: PLACE_RETRY })?,
            ),
        };
        if self.per_second > 0 {
            let most = f64::from(self.per_second);
            let mut bucket = self.bucket.lock();
            let since = now.saturating_duration_since(bucket.1).as_secs_f64();
            *bucket = ((bucket.0 + since * most).min(most), bucket.1.max(now));
            if bucket.0 < 1.0 {
                let retry = Duration::from_secs_f64((1.0 - bucket.0) / most);
                return Err(TooMuch {
                    why: format!("more than {} calls a second with this key", self.per_second),
                    retry,
                });
            }
            bucket.0 -= 1.0;
        }
        Ok(Place(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_what_a_second_brings() {
        let rate = Rate::new(10, 0);
        let begin = rate.bucket.lock().1;
        let at = |ms| begin + Duration::from_millis(ms);
        for _ in 0..10 {
            assert!(rate.enter(at(0)).is_ok());
        }
        let refused = rate.enter(at(0)).unwrap_err();
        assert_eq!(refused.retry.as_millis(), 100);
        assert!(rate.enter(at(101)).is_ok());
        assert!(rate.enter(at(101)).is_err());
        let later = (0..100).filter(|_| rate.enter(at(60_000)).is_ok()).count();
        assert_eq!(later, 10, "what was not asked for is not saved up beyond a second");
        assert!(rate.enter(at(0)).is_err(), "a clock that was read earlier gives nothing");
    }

    #[test]
    fn places_come_back() {
        let rate = Rate::new(0, 2);
        let now = Instant::now();
        let (first, second) = (rate.enter(now), rate.enter(now));
        assert!(first.is_ok() && second.is_ok() && rate.enter(now).is_err());
        drop(first);
        assert!(rate.enter(now).is_ok());
    }
}
