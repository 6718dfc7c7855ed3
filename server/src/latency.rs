//! How long something takes: a histogram that many threads count into, as Prometheus reads it.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper ends of the buckets, in microseconds.
const BUCKETS_US: [u64; 14] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000];

/// A histogram.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Latency {
    /// It took so long once.
    pub(crate) fn count(&self, took: Duration) {
        let us = took.as_micros() as u64;
        let bucket = BUCKETS_US.partition_point(|end| *end < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// How often it was counted.
    pub(crate) fn times(&self) -> u64 {
        self.buckets.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Its lines, with these labels.
    pub(crate) fn write(&self, out: &mut String, name: &str, labels: &str) -> std::fmt::Result {
        let mut sum = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            sum += count.load(Ordering::Relaxed);
            let end = BUCKETS_US.get(at).map_or("+Inf".to_owned(), |us| (*us as f64 / 1e6).to_string());
            writeln!(out, "{name}_bucket{{{labels},le=\"{end}\"}} {sum}")?;
        }
        let seconds = self.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
        writeln!(out, "{name}_sum{{{labels}}} {seconds}\n{name}_count{{{labels}}} {sum}")
    }
}
