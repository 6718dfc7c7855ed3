//! The bar of a long import: on standard error, and only where somebody looks.

use crate::cli::source::Extent;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// A bar over rows, or over a file's bytes where nobody knows the rows.
#[derive(Clone)]
pub(crate) struct Bar {
    bar: ProgressBar,
    extent: Extent,
    before: u64,
    started: Instant,
}

impl Bar {
    /// A bar that begins after the rows that are in already.
    pub(crate) fn new(extent: &Extent, before: u64) -> Self {
        let (bar, template) = match extent {
            Extent::Rows(rows) => (ProgressBar::new(*rows), "{bar:40} {human_pos}/{human_len} rows  {msg}  {eta} left"),
            Extent::Bytes(bytes, _) => {
                (ProgressBar::new(*bytes), "{bar:40} {decimal_bytes}/{decimal_total_bytes}  {msg}  {eta} left")
            }
            Extent::Unknown => (ProgressBar::new_spinner(), "{spinner} {msg}  {elapsed}"),
        };
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        if let Extent::Rows(_) = extent {
            bar.set_position(before);
            bar.reset_eta();
        }
        Self { bar, extent: extent.clone(), before, started: Instant::now() }
    }

    /// So many rows of this run are on disk.
    pub(crate) fn reach(&self, rows: u64) {
        match &self.extent {
            Extent::Rows(_) => self.bar.set_position(self.before + rows),
            Extent::Bytes(_, read) => self.bar.set_position(read.load(Ordering::Relaxed)),
            Extent::Unknown => self.bar.tick(),
        }
        let rate = rows as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
        let known = matches!(self.extent, Extent::Rows(_));
        let total = if known { String::new() } else { format!("{} rows, ", self.before + rows) };
        self.bar.set_message(format!("{total}{rate:.0}/s"));
    }

    /// Takes it away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
