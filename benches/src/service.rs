//! A contestant that obeys a driver: one JSON object a line comes in, one goes out.
//!
//! ```text
//! <- {"built": {...}}                                              once, when the index stands
//! -> {"setting": {"ef": 64}, "queries": 2000, "ids": true}
//! <- {"seconds": .., "cpu_seconds": .., "p50_us": .., "p99_us": .., "coded": .., "full": .., "ids": [[..]]}
//! -> end of the input                                              the service ends
//! ```
//!
//! The driver judges by the ids, every contestant by the same rule; it asks for them once a setting, because they take
//! longer to write than to find.

use crate::build::Index;
use crate::data::Set;
use crate::error::Result;
use crate::measure::{Quiz, Run, by};
use nigh_index::params::{Plan, Route};
use serde::Deserialize;
use serde_json::json;
use std::io::{BufRead, Write};

#[derive(Deserialize)]
struct Order {
    setting: Setting,
    queries: usize,
    #[serde(default)]
    ids: bool,
}

#[derive(Deserialize)]
struct Setting {
    /// The effort; 0 asks for an exact search.
    ef: u32,
}

impl Setting {
    fn plan(&self) -> Plan {
        by(if self.ef == 0 { Route::Exact } else { Route::Graph }, self.ef)
    }
}

/// Obeys until the input ends.
pub fn obey(set: &Set, index: &Index, input: impl BufRead, mut output: impl Write) -> Result<()> {
    writeln!(output, "{}", json!({ "built": index.cost }))?;
    output.flush()?;
    for line in input.lines() {
        let order: Order = serde_json::from_str(&line?)?;
        let quiz = Quiz { queries: &set.queries, floors: &set.floors, asked: order.queries, allowed: None };
        let run = Run::of(&index.sealed, &quiz, &order.setting.plan());
        let mut answer = json!({
            "seconds": run.took.seconds, "cpu_seconds": run.took.cpu_seconds,
            "p50_us": run.micros_at(0.5), "p99_us": run.micros_at(0.99),
            "coded": run.each(run.work.distances_coded), "full": run.each(run.work.distances_full),
        });
        if order.ids {
            answer["ids"] = json!(run.rows);
        }
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}
