//! How long something takes, as Prometheus reads it.

use nigh_storage::times::{BOUNDS_US, Histogram, Times};
use std::fmt::Write;
use std::time::Duration;

/// A histogram that many threads count into.
#[derive(Debug, Default)]
pub(crate) struct Latency(Times);

impl Latency {
    /// It took so long once.
    pub(crate) fn count(&self, took: Duration) {
        self.0.count(took);
    }

    /// How often it was counted.
    pub(crate) fn times(&self) -> u64 {
        self.0.read().times()
    }

    /// Its lines, with these labels.
    pub(crate) fn write(&self, out: &mut String, name: &str, labels: &str) -> std::fmt::Result {
        write(out, name, labels, &self.0.read())
    }
}

/// The lines of a histogram, with these labels.
pub(crate) fn write(out: &mut String, name: &str, labels: &str, counted: &Histogram) -> std::fmt::Result {
    let mut sum = 0;
    for (at, count) in counted.buckets.iter().enumerate() {
        sum += count;
        let end = BOUNDS_US.get(at).map_or("+Inf".to_owned(), |us| (*us as f64 / 1e6).to_string());
        writeln!(out, "{name}_bucket{{{labels},le=\"{end}\"}} {sum}")?;
    }
    let seconds = counted.sum_us as f64 / 1e6;
    writeln!(out, "{name}_sum{{{labels}}} {seconds}\n{name}_count{{{labels}}} {sum}")
}
