//! How far every lane of a stream is, and who is told.

use crate::cli::output::{Output, thousands};
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How far a lane is.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Reached {
    /// Messages of this run that are in and on disk.
    pub(super) rows: u64,
    /// Where the lane stands with them.
    pub(super) offset: u64,
    /// Messages that are still to be read.
    pub(super) behind: u64,
    /// The last operation.
    pub(super) seq: u64,
}

/// All lanes, by their names.
pub(super) struct Board {
    lanes: Mutex<BTreeMap<String, Reached>>,
    started: Instant,
    bar: ProgressBar,
    every: Duration,
}

impl Board {
    pub(super) fn new(every: Duration) -> Self {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Self { lanes: Mutex::default(), started: Instant::now(), bar, every }
    }

    /// Takes down how far a lane is.
    pub(super) fn tell(&self, lane: &str, change: impl FnOnce(&mut Reached)) {
        let mut lanes = self.lanes.lock();
        match lanes.get_mut(lane) {
            Some(reached) => change(reached),
            None => change(lanes.entry(lane.to_owned()).or_default()),
        }
    }

    /// Messages of a lane that are in.
    pub(super) fn rows(&self, lane: &str) -> u64 {
        self.lanes.lock().get(lane).map_or(0, |reached| reached.rows)
    }

    /// All lanes together.
    pub(super) fn sum(&self) -> Reached {
        self.lanes.lock().values().fold(Reached::default(), |sum, lane| Reached {
            rows: sum.rows + lane.rows,
            offset: 0,
            behind: sum.behind + lane.behind,
            seq: sum.seq.max(lane.seq),
        })
    }

    /// Seconds since the beginning.
    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// What there is to tell, for programs.
    pub(super) fn json(&self, refused: u64) -> Value {
        let sum = self.sum();
        let lane =
            |(name, at): (&String, &Reached)| json!({"partition": name, "offset": at.offset, "behind": at.behind});
        let lanes: Vec<Value> = self.lanes.lock().iter().map(lane).collect();
        json!({
            "rows": sum.rows,
            "skipped_bad": refused,
            "behind": sum.behind,
            "seq": sum.seq,
            "seconds": self.seconds(),
            "rows_per_second": sum.rows as f64 / self.seconds().max(1e-9),
            "partitions": lanes,
        })
    }

    /// Tells again and again: programs a line of JSON, people a line that changes, or lines where nobody looks.
    pub(super) async fn report(&self, out: Output, refused: impl Fn() -> u64) {
        let looked_at = io::stderr().is_terminal();
        let every = if looked_at { Duration::from_millis(250) } else { self.every };
        let mut ticks = tokio::time::interval(every);
        let mut last = Instant::now();
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let due = last.elapsed() >= self.every;
            if due {
                last = Instant::now();
                // Who does not listen is told at the end.
                let _ = out.either(|| self.json(refused()), String::new);
            }
            if looked_at {
                self.bar.set_message(self.line(refused()));
                self.bar.tick();
            } else if due && out.is_text() {
                let _ = writeln!(io::stderr(), "nigh: {}", self.line(refused()));
            }
        }
    }

    fn line(&self, refused: u64) -> String {
        let sum = self.sum();
        let rate = thousands((sum.rows as f64 / self.seconds().max(1e-9)) as u64);
        let bad = if refused > 0 { format!(", {} bad left out", thousands(refused)) } else { String::new() };
        format!("{} messages in, {} behind{bad}, {rate}/s", thousands(sum.rows), thousands(sum.behind))
    }

    /// Takes the line away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
