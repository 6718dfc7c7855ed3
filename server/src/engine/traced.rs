//! The stages of a query and of a write, as a trace tells them: from the times that an explanation and a receipt have too.

use crate::engine::observed::counted;
use crate::engine::query::answer::{Answer, Run};
use crate::traces::{Noted, Trace};
use nigh_storage::write::Course;
use std::time::{Duration, Instant};

/// Stages that are told elsewhere: the queue where it ends, by its pool; the others by the retriever whose they are.
const ELSEWHERE: [&str; 5] = ["queue", "retrieve", "rescore", "fuse", "compute"];

/// The stages of a query that was answered: those that it has once, and every retriever's own work.
pub(super) fn query(trace: &Trace, begun: Instant, answer: &Answer) {
    let tell = |name, begun_us, took_us, noted| {
        trace.stage(name, begun + Duration::from_micros(begun_us), Duration::from_micros(took_us), noted);
    };
    for stage in &answer.stages {
        let name = counted(&stage.name);
        if !ELSEWHERE.contains(&name) {
            tell(name, stage.begun_us, stage.took_us, Vec::new());
        }
    }
    answer.runs.iter().for_each(|run| tell(run.kind, run.begun_us, run.took_us, noted(run)));
}

/// What a retriever did. No word of what was asked, and none of the caller's own names.
fn noted(run: &Run) -> Vec<Noted> {
    let number = |name, number| Noted::new(name, i64::try_from(number).unwrap_or(i64::MAX));
    let mut noted = vec![
        number("nigh.depth", run.depth.into()),
        number("nigh.matching", run.matching),
        number("nigh.found", run.found),
    ];
    if run.searches {
        let mut routes: Vec<_> = run.parts.iter().map(|part| part.route.name()).collect();
        routes.sort_unstable();
        routes.dedup();
        let sum = |of: fn(&crate::engine::query::answer::PartRun) -> u64| run.parts.iter().map(of).sum();
        noted.push(Noted::new("nigh.routes", routes.join(",")));
        noted.push(number("nigh.parts", run.parts.len() as u64));
        noted.push(number("nigh.ef", run.parts.iter().map(|part| part.ef).max().unwrap_or(0).into()));
        noted.push(number("nigh.distances_full", sum(|part| part.work.distances_full)));
        noted.push(number("nigh.distances_coded", sum(|part| part.work.distances_coded)));
        noted.push(number("nigh.postings", sum(|part| part.work.postings)));
    }
    noted
}

/// The stages of a write, from its preparation on.
pub(super) fn write(trace: &Trace, begun: Instant, course: &Course) {
    let Course { queued, waited, folded, logged, synced, applied } = *course;
    let Some(mut at) = queued else { return };
    trace.stage("prepare", begun, at.saturating_duration_since(begun), Vec::new());
    let stages =
        [("writer queue", waited), ("fold", folded), ("log append", logged), ("log sync", synced), ("apply", applied)];
    for (name, took) in stages {
        if name != "log sync" || took > Duration::ZERO {
            trace.stage(name, at, took, Vec::new());
        }
        at += took;
    }
}
