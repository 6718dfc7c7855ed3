//! How many reads and writes of a collection there may be a minute, whichever way they come.

use crate::bucket::Bucket;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

/// Beyond so many, those that are as good as new ones go.
const BUCKETS_MAX: usize = 1024;

/// What is counted.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Counted {
    Reads,
    Writes,
}

/// Of all collections that have such a limit.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    buckets: Mutex<HashMap<(Uuid, Counted), Bucket>>,
}

impl Rates {
    /// Counts so many operations on a collection that takes `most` a minute; the error is the time to wait. Another
    /// limit than before begins anew.
    pub(crate) fn take(
        &self,
        collection: Uuid,
        what: Counted,
        most: u32,
        cost: u32,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock();
        if buckets.len() > BUCKETS_MAX {
            buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        let bucket = buckets.entry((collection, what)).or_insert_with(|| Bucket::new(most, MINUTE));
        if bucket.most() != most {
            *bucket = Bucket::new(most, MINUTE);
        }
        bucket.take(cost, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_collection_has_its_own_and_what_is_full_goes() {
        let (rates, now) = (Rates::default(), Instant::now());
        let one = Uuid::from_u128(1);
        assert!(rates.take(one, Counted::Reads, 2, 2, now).is_ok());
        assert!(rates.take(one, Counted::Reads, 2, 1, now).unwrap_err() > Duration::from_secs(20));
        assert!(rates.take(one, Counted::Writes, 2, 1, now).is_ok());
        assert!(rates.take(Uuid::from_u128(2), Counted::Reads, 2, 1, now).is_ok());
        assert!(rates.take(one, Counted::Reads, 3, 3, now).is_ok(), "another limit begins anew");
        for other in 3..2000 {
            assert!(rates.take(Uuid::from_u128(other), Counted::Reads, 1, 0, now).is_ok());
        }
        assert!(rates.buckets.lock().len() <= BUCKETS_MAX + 1);
        assert!(rates.take(one, Counted::Reads, 3, 1, now).is_err(), "what is not full stays");
    }
}
