//! A contestant that obeys a driver: one JSON object a line comes in, one goes out.
//!
//! ```text
//! <- {"built": {...}}                                              once, when the index stands
//! -> {"setting": {"ef": 64}, "queries": 2000, "ids": true}         of lists: {"nprobe": 8, "rerank": 4}
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
use nigh_index::vector::sealed::SealedVectors;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
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
    /// The effort in the graph.
    #[serde(default)]
    ef: u32,
    /// Lists scanned. With no effort at all the search is exact.
    #[serde(default)]
    nprobe: u32,
    /// Vectors of the lists that are compared in full for each hit asked for; 0: as the index was built for.
    #[serde(default)]
    rerank: u32,
}

impl Setting {
    fn plan(&self) -> Plan {
        match (self.ef, self.nprobe) {
            (0, 0) => by(Route::Exact, 0),
            (0, lists) => by(Route::Ivf, lists),
            (ef, _) => by(Route::Graph, ef),
        }
    }
}

/// Obeys until the input ends.
pub fn obey(set: &Set, index: &Index, input: impl BufRead, mut output: impl Write) -> Result<()> {
    writeln!(output, "{}", json!({ "built": index.cost }))?;
    output.flush()?;
    let mut reranking: HashMap<u32, SealedVectors> = HashMap::new();
    for line in input.lines() {
        let order: Order = serde_json::from_str(&line?)?;
        let sealed = match order.setting.rerank {
            0 => &index.sealed,
            rerank => match reranking.entry(rerank) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(room) => room.insert(index.reranking(rerank)?),
            },
        };
        let quiz = Quiz { queries: &set.queries, floors: &set.floors, asked: order.queries, allowed: None };
        let run = Run::of(sealed, &quiz, &order.setting.plan());
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
