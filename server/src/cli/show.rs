//! Hits, plans and explanations, for people and for programs.

use crate::cli::output::{Output, micros, shorten, thousands};
use nigh_client::reply::{Explanation, Hit, PartPlan, Plan, QueryReply};
use serde_json::{Value, json};
use std::fmt::Write;

/// Payload is shown on one line of at most so many characters.
const PAYLOAD_CHARS: usize = 100;

/// A whole reply for people.
pub(crate) fn reply(out: Output, reply: &QueryReply) -> String {
    let mut text = String::new();
    hits(out, &mut text, &reply.hits);
    for one in &reply.plans {
        let _ = writeln!(text, "{}", out.dim(&plan(one)));
    }
    if let Some(explanation) = &reply.explanation {
        explain(out, &mut text, explanation);
    }
    text
}

fn hits(out: Output, text: &mut String, hits: &[Hit]) {
    if hits.is_empty() {
        text.push_str("no hits\n");
        return;
    }
    let ids: Vec<String> = hits.iter().map(|hit| hit.id.to_string()).collect();
    let width = ids.iter().map(String::len).max().unwrap_or(2).max(2);
    let _ = writeln!(text, "{}", out.bold(&format!("{:>3}  {:<width$}  {:>8}  payload", "#", "id", "score")));
    for (at, (hit, id)) in hits.iter().zip(&ids).enumerate() {
        let payload = shorten(&hit.payload.to_string(), PAYLOAD_CHARS);
        let _ = writeln!(text, "{:>3}  {id:<width$}  {:>8.4}  {payload}", at + 1, hit.score);
        if !hit.placings.is_empty() {
            let _ = writeln!(text, "     {}", out.dim(&placings(hit)));
        }
    }
}

/// A hit's place in every retriever.
pub(crate) fn placings(hit: &Hit) -> String {
    let places = hit.placings.iter().map(|placing| match placing.rank {
        Some(rank) => format!("{} #{rank} ({:.4})", placing.retriever, placing.score),
        None => format!("{} -", placing.retriever),
    });
    places.collect::<Vec<_>>().join("  ")
}

/// What one retriever did, on one line.
pub(crate) fn plan(plan: &Plan) -> String {
    let effort = if plan.ef > 0 { format!(", ef {}", plan.ef) } else { String::new() };
    let matching = thousands(plan.matching);
    format!("plan  {}: {}{effort}, {matching} matching", plan.retriever, plan.routes.join(" + "))
}

fn explain(out: Output, text: &mut String, explanation: &Explanation) {
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
    let mut retrievers: Vec<&str> = Vec::new();
    for part in &explanation.parts {
        if !retrievers.contains(&&part.retriever[..]) {
            retrievers.push(&part.retriever);
        }
    }
    for (at, name) in retrievers.iter().enumerate() {
        let last = at + 1 == retrievers.len();
        let (branch, stem) = if last { ("└─", "   ") } else { ("├─", "│  ") };
        let _ = writeln!(text, "{branch} {}", out.bold(name));
        let parts: Vec<_> = explanation.parts.iter().filter(|part| part.retriever == **name).collect();
        for (at, one) in parts.iter().enumerate() {
            let (branch, under) = if at + 1 == parts.len() { ("└─", "   ") } else { ("├─", "│  ") };
            let _ = writeln!(text, "{stem}{branch} {}", part(one));
            if one.considered.len() > 1 {
                let weighed = one.considered.iter().map(|(route, cost)| format!("{route} {}", micros(*cost)));
                let weighed = weighed.collect::<Vec<_>>().join(", ");
                let _ = writeln!(text, "{stem}{under}   {}", out.dim(&format!("estimated: {weighed}")));
            }
        }
    }
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

/// A whole reply for programs.
pub(crate) fn json(reply: &QueryReply) -> Value {
    let hit = |hit: &Hit| {
        let placings = hit.placings.iter();
        let placings: Vec<Value> =
            placings.map(|one| json!({"retriever": one.retriever, "rank": one.rank, "score": one.score})).collect();
        let (version, expires_at_ms) = (hit.version, hit.expires_at_ms);
        json!({"id": id(hit), "score": hit.score, "payload": hit.payload, "placings": placings, "version": version, "expires_at_ms": expires_at_ms})
    };
    let plan = |plan: &Plan| json!({"retriever": plan.retriever, "routes": plan.routes, "ef": plan.ef, "matching": plan.matching});
    json!({
        "hits": reply.hits.iter().map(hit).collect::<Vec<_>>(),
        "seq": reply.seq,
        "plans": reply.plans.iter().map(plan).collect::<Vec<_>>(),
        "explanation": reply.explanation.as_ref().map(explanation_json),
    })
}

fn id(hit: &Hit) -> Value {
    match hit.id {
        nigh_client::PointId::Num(number) => number.into(),
        nigh_client::PointId::Uuid(uuid) => uuid.to_string().into(),
    }
}

fn explanation_json(explanation: &Explanation) -> Value {
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
    let stages = explanation.stages.iter();
    let stages: Vec<Value> = stages.map(|stage| json!({"name": stage.name, "took_us": stage.took_us})).collect();
    json!({
        "parts": explanation.parts.iter().map(part).collect::<Vec<_>>(),
        "stages": stages,
        "total_us": explanation.total_us,
        "scanned_fields": explanation.scanned_fields,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Form;
    use nigh_client::PointId;
    use nigh_client::reply::{Placing, Stage};
    use std::collections::HashMap;

    fn sample() -> QueryReply {
        let placing = |retriever: &str, rank| Placing { retriever: retriever.to_owned(), rank, score: 0.5 };
        let hit = Hit {
            id: PointId::Num(7),
            score: 0.25,
            payload: json!({"text": "x"}),
            sparse: HashMap::new(),
            multi: HashMap::new(),
            vectors: HashMap::new(),
            version: 3,
            expires_at_ms: None,
            placings: vec![placing("dense", Some(1)), placing("text", None)],
        };
        let part = |retriever: &str, segment| PartPlan {
            retriever: retriever.to_owned(),
            segment,
            rows: 1000,
            matching: 10,
            route: "exact".to_owned(),
            ef: 0,
            distances_full: 10,
            distances_coded: 0,
            expanded: 0,
            postings: 0,
            took_us: 12,
            considered: vec![("exact".to_owned(), 10.0), ("graph".to_owned(), 90.0)],
            recall: Some(1.0),
            note: String::new(),
            measured: None,
        };
        let plan = |ef| Plan { retriever: "dense".to_owned(), routes: vec!["graph".to_owned()], ef, matching: 1000 };
        QueryReply {
            hits: vec![hit],
            seq: 3,
            plans: vec![plan(64)],
            explanation: Some(Explanation {
                parts: vec![part("dense", 1), part("dense", 0), part("text", 1)],
                stages: vec![Stage { name: "filter".to_owned(), took_us: 3 }],
                total_us: 1500,
                scanned_fields: vec!["odd".to_owned()],
            }),
        }
    }

    #[test]
    fn a_reply_reads_from_top_to_bottom() {
        let expected = "  #  id     score  payload
  1  7     0.2500  {\"text\":\"x\"}
     dense #1 (0.5000)  text -
plan  dense: graph, ef 64, 1,000 matching
explain  1.50 ms in all
├─ time: filter 3 us
├─ without an index, scanned: odd
├─ dense
│  ├─ segment 1: 1,000 rows, 10 matching, exact, 10 full distances, 12 us
│  │     estimated: exact 10 us, graph 90 us
│  └─ live: 1,000 rows, 10 matching, exact, 10 full distances, 12 us
│        estimated: exact 10 us, graph 90 us
└─ text
   └─ segment 1: 1,000 rows, 10 matching, exact, 10 full distances, 12 us
         estimated: exact 10 us, graph 90 us
";
        assert_eq!(reply(Output::new(Form::Text), &sample()), expected);
    }

    #[test]
    fn programs_get_everything() {
        let value = json(&sample());
        assert_eq!(value["hits"][0]["placings"][1]["rank"], Value::Null);
        assert_eq!(value["explanation"]["parts"][0]["considered"][1]["cost_us"], 90.0);
    }
}
