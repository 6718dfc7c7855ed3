//! Queries that are answered once more, exactly, where nobody else wants the time.

use crate::engine::Engine;
use crate::engine::error::Result;
use crate::engine::fetch::{self, Dense, Filtered};
use crate::engine::pool::Deadline;
use crate::engine::recall::{self, Sample};
use nigh_index::params::SearchParams;
use nigh_storage::snapshot::Snapshot;
use std::sync::Arc;
use std::time::Duration;

/// A query that is answered exactly beside is given up after this.
const SHADOW_MAX: Duration = Duration::from_secs(1);
/// A query for more hits is not answered exactly beside.
pub(super) const SHADOW_HITS_MAX: usize = 1_000;

/// A query that was answered, and what it takes to answer it exactly.
pub(super) struct Shadow {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) allowed: Arc<Filtered>,
    pub(super) kind: recall::Kind,
    pub(super) field: usize,
    pub(super) vector: Vec<f32>,
    pub(super) k: usize,
    pub(super) asked: Option<f32>,
    pub(super) scores: Vec<f32>,
}

impl Engine {
    /// Answers a query once more, exactly; nobody waits for it.
    pub(super) fn answer_exactly(&self, shadow: Shadow) {
        // Two to spare: one for this, one for whoever comes while it runs.
        let (Some(spare), Some(_)) = (self.reads.spare(), self.reads.spare()) else { return };
        let (recalls, store) = (self.recalls.clone(), self.store.clone());
        let answer = move || {
            let _spare = spare;
            let Some(_turn) = recalls.begin() else { return Ok(()) };
            match shadow.sample() {
                Ok(sample) => {
                    if let Err(err) = shadow.learn() {
                        tracing::debug!(%err, "how the rows of a filter stand could not be measured");
                    }
                    let (name, id) = (shadow.kind.collection.clone(), shadow.kind.id());
                    recalls.add(shadow.kind, &sample);
                    // It may have been dropped meanwhile, and forgotten before this was added.
                    if store.collection(&name).is_ok_and(|other| other.id() == id) {
                        return Ok(());
                    }
                    recalls.forget(id, None);
                }
                Err(err) => tracing::debug!(%err, "a query could not be answered exactly as well"),
            }
            Ok(())
        };
        let shadows = self.shadows.clone();
        // Where one is answered already this one is left out.
        drop(tokio::spawn(async move { shadows.run(&Deadline::default(), answer).await }));
    }
}

impl Shadow {
    fn sample(&self) -> Result<Sample> {
        let params = SearchParams { exact: true, ..SearchParams::default() };
        let dense = Dense { field: self.field, vector: &self.vector, k: self.k, params, correction: 1.0 };
        let deadline = Deadline::after(Some(SHADOW_MAX));
        let truth = fetch::dense(&self.snapshot, &self.allowed, &dense, &|| None, &deadline)?.placed;
        let last = truth.last().map_or(f32::INFINITY, |last| last.score);
        let found = self.scores.iter().filter(|score| **score >= last).count().min(truth.len());
        Ok(Sample { found: found as u32, wanted: truth.len() as u32, asked: self.asked })
    }

    /// Queries that ask for a recall depend on how a filter's rows stand.
    fn learn(&self) -> Result<()> {
        match self.asked {
            Some(_) => fetch::learn(&self.snapshot, &self.allowed, self.field, &Deadline::after(Some(SHADOW_MAX))),
            None => Ok(()),
        }
    }
}
