//! How long things take: a histogram that many threads count into.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The upper ends of the buckets, in microseconds: from a read of what is in memory to a merge of all there is.
pub const BOUNDS_US: [u64; 18] = [
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    5_000_000,
    30_000_000,
    120_000_000,
    600_000_000,
    3_600_000_000,
];

/// Times that are being counted.
#[derive(Debug, Default)]
pub struct Times {
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// Times as they were at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Histogram {
    /// How many took at most as long as the bound of the same place, and longer than the one before; the last: longer than all.
    pub buckets: [u64; BOUNDS_US.len() + 1],
    /// Their sum, in microseconds.
    pub sum_us: u64,
}

impl Times {
    /// It took so long once.
    pub fn count(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|end| *end < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Does it, and counts how long that took.
    pub(crate) fn of<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        self.count(begun.elapsed());
        done
    }

    /// What was counted until now.
    pub fn read(&self) -> Histogram {
        let buckets = std::array::from_fn(|at| self.buckets[at].load(Ordering::Relaxed));
        Histogram { buckets, sum_us: self.sum_us.load(Ordering::Relaxed) }
    }
}

impl Histogram {
    /// How often it was counted.
    pub fn times(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_where_it_belongs() {
        let times = Times::default();
        for us in [0, 100, 101, 5_000_000, 3_600_000_001] {
            times.count(Duration::from_micros(us));
        }
        let read = times.read();
        assert_eq!((read.times(), read.sum_us), (5, 3_605_000_202));
        let places = [0, 1, 13, 18];
        assert_eq!(places.map(|at| read.buckets[at]), [2, 1, 1, 1]);
        assert!(BOUNDS_US.is_sorted());
    }
}
