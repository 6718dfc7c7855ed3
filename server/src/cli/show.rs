//! Hits, plans and explanations, for people and for programs.

use crate::cli::explain::{explain, explanation_json};
use crate::cli::output::{Output, shorten, thousands};
use nigh_client::filter::Scalar;
use nigh_client::query::OrderValue;
use nigh_client::reply::{Group, Hit, Plan, QueryReply};
use serde_json::{Value, json};
use std::fmt::Write;

/// Payload is shown on one line of at most so many characters.
const PAYLOAD_CHARS: usize = 100;

/// A whole reply for people.
pub(crate) fn reply(out: Output, reply: &QueryReply) -> String {
    let mut text = String::new();
    for group in &reply.groups {
        let _ = writeln!(text, "{}", out.bold(&scalar(&group.key)));
        if let Some(point) = &group.lookup {
            let _ = writeln!(text, "     {}", out.dim(&shorten(&point.payload.to_string(), PAYLOAD_CHARS)));
        }
        hits(out, &mut text, &group.hits);
    }
    if reply.groups.is_empty() {
        hits(out, &mut text, &reply.hits);
    }
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
        let score = match &hit.order_value {
            None => format!("{:.4}", hit.score),
            Some(value) => order_value(value).to_string(),
        };
        let _ = writeln!(text, "{:>3}  {id:<width$}  {score:>8}  {payload}", at + 1);
        if !hit.placings.is_empty() {
            let _ = writeln!(text, "     {}", out.dim(&placings(hit)));
        }
    }
}

/// A value as people and programs see it.
pub(crate) fn scalar(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Keyword(text) => text.clone(),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Float(number) => number.to_string(),
        Scalar::Bool(flag) => flag.to_string(),
    }
}

/// The same for programs.
pub(crate) fn scalar_json(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Keyword(text) => json!(text),
        Scalar::Integer(number) => json!(number),
        Scalar::Float(number) => json!(number),
        Scalar::Bool(flag) => json!(flag),
    }
}

fn order_value(value: &OrderValue) -> Value {
    match value {
        OrderValue::Integer(number) => json!(number),
        OrderValue::Natural(number) => json!(number),
        OrderValue::Float(number) => json!(number),
        OrderValue::Datetime(text) => json!(text),
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

/// A whole reply for programs.
pub(crate) fn json(reply: &QueryReply) -> Value {
    let hit = |hit: &Hit| {
        let placings = hit.placings.iter();
        let placings: Vec<Value> =
            placings.map(|one| json!({"retriever": one.retriever, "rank": one.rank, "score": one.score})).collect();
        let (version, expires_at_ms) = (hit.version, hit.expires_at_ms);
        json!({
            "id": id(hit), "score": hit.score, "payload": hit.payload, "placings": placings, "version": version,
            "expires_at_ms": expires_at_ms, "order_value": hit.order_value.as_ref().map(order_value),
        })
    };
    let group = |group: &Group| {
        let lookup = group.lookup.as_ref().map(|point| json!({"id": point.id.to_string(), "payload": point.payload}));
        json!({"key": scalar_json(&group.key), "hits": group.hits.iter().map(hit).collect::<Vec<_>>(), "lookup": lookup})
    };
    let plan = |plan: &Plan| json!({"retriever": plan.retriever, "routes": plan.routes, "ef": plan.ef, "matching": plan.matching});
    json!({
        "hits": reply.hits.iter().map(hit).collect::<Vec<_>>(),
        "groups": reply.groups.iter().map(group).collect::<Vec<_>>(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Form;
    use nigh_client::PointId;
    use nigh_client::reply::{Explanation, PartPlan, Placing, RetrieverRun, Stage};
    use std::collections::HashMap;

    fn sample() -> QueryReply {
        let placing = |retriever: &str, rank| Placing { retriever: retriever.to_owned(), rank, score: 0.5 };
        let hit = Hit {
            id: PointId::Num(7),
            score: 0.25,
            payload: json!({"text": "x"}),
            highlights: Vec::new(),
            sparse: HashMap::new(),
            multi: HashMap::new(),
            vectors: HashMap::new(),
            version: 3,
            expires_at_ms: None,
            placings: vec![placing("dense", Some(1)), placing("text", None)],
            order_value: None,
        };
        let part = |place: u32, segment| PartPlan {
            retriever: ["", "dense", "text"][place as usize].to_owned(),
            place,
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
        let run = |retriever: &str, kind: &str, depth| RetrieverRun {
            retriever: retriever.to_owned(),
            kind: kind.to_owned(),
            depth,
            matching: 1000,
            found: 100,
            took_us: 12,
        };
        let plan = |ef| Plan { retriever: "dense".to_owned(), routes: vec!["graph".to_owned()], ef, matching: 1000 };
        QueryReply {
            hits: vec![hit],
            seq: 3,
            plans: vec![plan(64)],
            explanation: Some(Explanation {
                parts: vec![part(1, 1), part(1, 0), part(2, 1)],
                stages: vec![Stage { name: "filter".to_owned(), took_us: 3 }],
                total_us: 1500,
                scanned_fields: vec!["odd".to_owned()],
                retrievers: vec![run("", "fusion", 0), run("dense", "dense", 1), run("words", "text", 1)],
            }),
            groups: vec![],
            next: None,
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
└─ fusion: 100 of 1,000 points, 12 us
   ├─ dense: 100 of 1,000 points, 12 us
   │  ├─ segment 1: 1,000 rows, 10 matching, exact, 10 full distances, 12 us
   │  │     estimated: exact 10 us, graph 90 us
   │  └─ live: 1,000 rows, 10 matching, exact, 10 full distances, 12 us
   │        estimated: exact 10 us, graph 90 us
   └─ words (text): 100 of 1,000 points, 12 us
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
