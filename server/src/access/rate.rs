//! How often and how much at once one caller may ask: a bucket that fills by the second, and a number of places.

use crate::bucket::Bucket;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Whoever was refused a place may find one after this time.
const PLACE_RETRY: Duration = Duration::from_secs(1);

const SECOND: Duration = Duration::from_secs(1);

/// One caller's.
#[derive(Debug)]
pub(crate) struct Rate {
    bucket: Option<Bucket>,
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
        let bucket = (per_second > 0).then(|| Bucket::new(per_second, SECOND));
        Self { bucket, places }
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
        if let Some(bucket) = &self.bucket {
            let why = || format!("more than {} calls a second with this key", bucket.most());
            bucket.take(1, now).map_err(|retry| TooMuch { why: why(), retry })?;
        }
        Ok(Place(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_beyond_the_rate_wait() {
        let (rate, now) = (Rate::new(2, 0), Instant::now());
        assert!(rate.enter(now).is_ok() && rate.enter(now).is_ok());
        let refused = rate.enter(now).unwrap_err();
        assert_eq!(refused.why, "more than 2 calls a second with this key");
        assert!(rate.enter(now + refused.retry * 2).is_ok());
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
