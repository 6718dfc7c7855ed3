//! What queries took, by stage, and those that took long, told in the log with the plan that ran.

use crate::engine::query::answer::Answer;
use crate::latency::Latency;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The stages that are counted, by the first word of their names; what is none of them is `other`.
const STAGES: [&str; 9] = ["queue", "filter", "retrieve", "rescore", "fuse", "compute", "group", "read", "other"];
/// The kinds of retrievers.
const KINDS: [&str; 13] = [
    "dense",
    "sparse",
    "multi",
    "text",
    "fusion",
    "formula",
    "mmr",
    "recommend",
    "discover",
    "context",
    "relevance_feedback",
    "order_by",
    "sample",
];
/// The plan of a slow query is told for so many parts of a retriever.
const PARTS_TOLD: usize = 4;

/// What was seen since the start.
#[derive(Debug, Default)]
pub struct Observed {
    stages: [Latency; STAGES.len()],
    kinds: [Latency; KINDS.len()],
    /// A query that took longer is told in the log.
    slow: Option<Duration>,
    slow_queries: AtomicU64,
}

impl Observed {
    /// With a time from which on a query is slow.
    pub fn new(slow: Option<Duration>) -> Self {
        Self { slow, ..Self::default() }
    }

    /// A query was answered.
    pub(crate) fn answered(&self, collection: &str, answer: &Answer) {
        for stage in &answer.stages {
            self.stages[place(&stage.name)].count(Duration::from_micros(stage.took_us));
        }
        for run in &answer.runs {
            if let Some(at) = KINDS.iter().position(|kind| *kind == run.kind) {
                self.kinds[at].count(Duration::from_micros(run.took_us));
            }
        }
        if self.slow.is_some_and(|slow| Duration::from_micros(answer.total_us) >= slow) {
            self.slow_queries.fetch_add(1, Ordering::Relaxed);
            let (took_ms, seq, hits) = (answer.total_us / 1000, answer.seq, answer.hits.len().max(answer.groups.len()));
            let (stages, plan) = (stages(answer), plan(answer));
            tracing::warn!(collection, took_ms, seq, hits, stages, plan, "a slow query");
        }
    }

    /// As Prometheus reads it.
    pub(crate) fn write(&self, out: &mut String) -> std::fmt::Result {
        let name = "nigh_query_stage_duration_seconds";
        writeln!(out, "# HELP {name} Time of queries by stage.\n# TYPE {name} histogram")?;
        for (stage, latency) in STAGES.iter().zip(&self.stages) {
            latency.write(out, name, &format!("stage=\"{stage}\""))?;
        }
        let name = "nigh_retriever_duration_seconds";
        writeln!(out, "# HELP {name} Time of retrievers by kind, without their sources.\n# TYPE {name} histogram")?;
        for (kind, latency) in KINDS.iter().zip(&self.kinds) {
            if latency.times() > 0 {
                latency.write(out, name, &format!("kind=\"{kind}\""))?;
            }
        }
        let (name, count) = ("nigh_slow_queries_total", self.slow_queries.load(Ordering::Relaxed));
        writeln!(
            out,
            "# HELP {name} Queries that took longer than log.slow_query_ms.\n# TYPE {name} counter\n{name} {count}"
        )
    }
}

/// The place of a stage among those that are counted.
fn place(name: &str) -> usize {
    let word = name.split(' ').next().unwrap_or_default();
    STAGES.iter().position(|stage| *stage == word).unwrap_or(STAGES.len() - 1)
}

/// The name under which a stage is counted.
pub(crate) fn counted(name: &str) -> &'static str {
    STAGES[place(name)]
}

fn stages(answer: &Answer) -> String {
    let one = |stage: &crate::engine::query::answer::Stage| format!("{} {} us", stage.name, stage.took_us);
    answer.stages.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What every retriever did: no word of what was asked, which may be nobody's business.
fn plan(answer: &Answer) -> String {
    let mut text = String::new();
    for run in &answer.runs {
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "{}{}: {} of {} in {} us",
            if text.is_empty() { "" } else { "; " },
            run.kind,
            run.found,
            run.matching,
            run.took_us
        );
        for part in run.parts.iter().take(PARTS_TOLD) {
            let (route, ef) = (part.route.name(), part.ef);
            let _ = write!(
                text,
                " [segment {}: {route} ef {ef}, {} of {} rows, {} us]",
                part.segment, part.matching, part.rows, part.took_us
            );
        }
        if run.parts.len() > PARTS_TOLD {
            let _ = write!(text, " [and {} more parts]", run.parts.len() - PARTS_TOLD);
        }
    }
    if !answer.scanned.is_empty() {
        let _ = write!(text, "; scanned without an index: {}", answer.scanned.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::query::answer::Stage;

    #[test]
    fn stages_are_counted_by_their_first_word() {
        let observed = Observed::new(Some(Duration::from_micros(10)));
        let stage = |name: &str, took_us| Stage { name: name.to_owned(), begun_us: 0, took_us };
        let stages = vec![stage("queue", 5), stage("retrieve a retriever that somebody named", 50), stage("what", 1)];
        let (hits, groups, runs, scanned) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let answer = Answer { hits, groups, next: None, seq: 7, runs, scanned, stages, total_us: 56 };
        observed.answered("c", &answer);
        let mut text = String::new();
        observed.write(&mut text).unwrap();
        for line in [
            "nigh_query_stage_duration_seconds_count{stage=\"queue\"} 1",
            "nigh_query_stage_duration_seconds_count{stage=\"retrieve\"} 1",
            "nigh_query_stage_duration_seconds_count{stage=\"other\"} 1",
            "nigh_slow_queries_total 1",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
        assert!(!text.contains("somebody"), "labels are bounded");
    }
}
