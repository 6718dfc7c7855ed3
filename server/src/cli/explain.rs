//! How a reply came about, for people and for programs.

use crate::cli::output::{Output, micros, thousands};
use nigh_client::reply::{Explanation, PartPlan, RetrieverRun};
use serde_json::{Value, json};
use std::fmt::Write;

/// The tree of an explanation: stages, then every retriever with what it did in each part, below the one it is a source of.
pub(super) fn explain(out: Output, text: &mut String, explanation: &Explanation) {
    let total = micros(explanation.total_us as f64);
    let _ = writeln!(text, "{}", out.bold(&format!("explain  {total} in all")));
    let stages = explanation.stages.iter().map(|stage| format!("{} {}", stage.name, micros(stage.took_us as f64)));
    let stages = stages.collect::<Vec<_>>().join(", ");
    if !stages.is_empty() {
        let _ = writeln!(text, "├─ time: {stages}");
    }
    if !explanation.scanned_fields.is_empty() {
        let _ = writeln!(text, "├─ without an index, scanned: {}", explanation.scanned_fields.join(", "));
    }
    if !explanation.retrievers.is_empty() {
        branch(out, text, explanation, 0, "");
    }
}

/// One retriever and what is below it.
fn branch(out: Output, text: &mut String, explanation: &Explanation, place: usize, stem: &str) {
    let runs = &explanation.retrievers;
    let own = &runs[place];
    let below: Vec<usize> = (place + 1..runs.len())
        .take_while(|at| runs[*at].depth > own.depth)
        .filter(|at| runs[*at].depth == own.depth + 1)
        .collect();
    let last = own.depth == 0
        || !runs[place + 1..].iter().take_while(|run| run.depth >= own.depth).any(|run| run.depth == own.depth);
    let (fork, under) = if last { ("└─", "   ") } else { ("├─", "│  ") };
    let _ = writeln!(text, "{stem}{fork} {}", retriever(out, own));
    let stem = format!("{stem}{under}");
    let parts: Vec<&PartPlan> = explanation.parts.iter().filter(|part| part.place as usize == place).collect();
    for (at, one) in parts.iter().enumerate() {
        let last = at + 1 == parts.len() && below.is_empty();
        let (fork, under) = if last { ("└─", "   ") } else { ("├─", "│  ") };
        let _ = writeln!(text, "{stem}{fork} {}", part(one));
        if one.considered.len() > 1 {
            let weighed = one.considered.iter().map(|(route, cost)| format!("{route} {}", micros(*cost)));
            let weighed = weighed.collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "{stem}{under}   {}", out.dim(&format!("estimated: {weighed}")));
        }
    }
    for at in below {
        branch(out, text, explanation, at, &stem);
    }
}

/// What one retriever came to, on one line.
fn retriever(out: Output, run: &RetrieverRun) -> String {
    let name = if run.retriever.is_empty() { &run.kind } else { &run.retriever };
    let kind = if name.contains(&run.kind) { String::new() } else { format!(" ({})", run.kind) };
    let (matching, found) = (thousands(run.matching), thousands(run.found));
    let took = micros(run.took_us as f64);
    format!("{}{kind}: {found} of {matching} points, {took}", out.bold(name))
}

fn part(part: &PartPlan) -> String {
    let place = match part.segment {
        0 => "live".to_owned(),
        number => format!("segment {number}"),
    };
    let mut line =
        format!("{place}: {} rows, {} matching, {}", thousands(part.rows), thousands(part.matching), part.route);
    for (count, what) in [
        (u64::from(part.ef), "ef"),
        (part.distances_full, "full distances"),
        (part.distances_coded, "coded distances"),
        (part.expanded, "nodes"),
        (part.postings, "postings"),
    ] {
        if count > 0 && what == "ef" {
            let _ = write!(line, ", ef {count}");
        } else if count > 0 {
            let _ = write!(line, ", {} {what}", thousands(count));
        }
    }
    let _ = write!(line, ", {}", micros(part.took_us as f64));
    match &part.note[..] {
        "floor" => line.push_str("; the least effort gives more recall than was asked for"),
        "beyond_effort" => line.push_str("; no effort is known to reach the recall, so all that matches was compared"),
        _ => {}
    }
    if let Some(measured) = part.measured {
        let (low, high) = measured.bounds;
        let _ = write!(
            line,
            "; {} queries like it: recall {:.3} ({low:.3} to {high:.3})",
            measured.queries, measured.recall
        );
    }
    line
}

/// The same for programs.
pub(super) fn explanation_json(explanation: &Explanation) -> Value {
    let part = |part: &PartPlan| {
        let considered = part.considered.iter();
        let considered: Vec<Value> = considered.map(|(route, us)| json!({"route": route, "cost_us": us})).collect();
        json!({
            "retriever": part.retriever, "segment": part.segment, "rows": part.rows, "matching": part.matching,
            "route": part.route, "ef": part.ef, "distances_full": part.distances_full,
            "distances_coded": part.distances_coded, "expanded": part.expanded, "postings": part.postings,
            "took_us": part.took_us, "considered": considered, "recall": part.recall, "note": part.note,
            "measured": part.measured.map(|measured| json!({
                "recall": measured.recall, "low": measured.bounds.0, "high": measured.bounds.1, "queries": measured.queries,
            })),
        })
    };
    let run = |run: &RetrieverRun| {
        json!({
            "retriever": run.retriever, "kind": run.kind, "depth": run.depth, "matching": run.matching, "found": run.found,
            "took_us": run.took_us,
        })
    };
    let stages = explanation.stages.iter();
    let stages: Vec<Value> = stages.map(|stage| json!({"name": stage.name, "took_us": stage.took_us})).collect();
    json!({
        "parts": explanation.parts.iter().map(part).collect::<Vec<_>>(),
        "stages": stages,
        "total_us": explanation.total_us,
        "scanned_fields": explanation.scanned_fields,
        "retrievers": explanation.retrievers.iter().map(run).collect::<Vec<_>>(),
    })
}
