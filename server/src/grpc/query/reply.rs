//! Answers with their explanations, as they go out.

use crate::engine::error::Result;
use crate::engine::query::answer::{Answer, Group, Hit, PartRun, Run, Stage};
use crate::grpc::convert;
use crate::grpc::filter::id_out;
use crate::grpc::words;
use nigh_index::filter::condition::Scalar;
use nigh_index::query::order::Real;
use nigh_proto::v1::{self, order_value, scalar};
use nigh_storage::schema::CollectionSpec;

/// The answer as it goes out.
pub(in crate::grpc) fn reply(
    answer: Answer,
    spec: &CollectionSpec,
    looked_up: Option<&CollectionSpec>,
    explain: bool,
) -> Result<v1::QueryReply> {
    let explanation = explain.then(|| explanation(&answer));
    let plans = answer.runs.iter().filter(|run| run.searches).map(plan).collect();
    // Every hit is told its place in all retrievers below the root, or in the root where it is alone.
    let alone = answer.runs.len() == 1;
    let names = answer.runs.into_iter().filter(|run| run.depth > 0 || alone).map(|run| run.retriever);
    let names: Vec<String> = names.collect();
    let hits = answer.hits.into_iter().map(|one| hit(one, spec, &names)).collect::<Result<_>>()?;
    let group = |one: Group| {
        let hits = one.hits.into_iter().map(|one| hit(one, spec, &names)).collect::<Result<_>>()?;
        let lookup = one.lookup.map(|record| convert::point_out(record, looked_up.unwrap_or(spec))).transpose()?;
        Ok(v1::Group { key: Some(scalar_out(one.key)), hits, lookup })
    };
    let groups = answer.groups.into_iter().map(group).collect::<Result<_>>()?;
    let next = answer.next.map(|place| v1::RankPlace {
        score: place.score,
        id: Some(id_out(place.id)),
        value: place.value.map(value_out),
    });
    Ok(v1::QueryReply { hits, seq: answer.seq, plans, explanation, groups, next })
}

/// A value that points are ordered by, as it goes out.
fn value_out(value: Real) -> v1::OrderValue {
    let value = match value {
        Real::Integer(integer) => order_value::Value::Integer(integer),
        Real::Natural(natural) => order_value::Value::Natural(natural),
        Real::Float(float) => order_value::Value::Float(float),
    };
    v1::OrderValue { value: Some(value) }
}

pub(in crate::grpc) fn scalar_out(scalar: Scalar) -> v1::Scalar {
    let scalar = match scalar {
        Scalar::Keyword(text) => scalar::Scalar::Keyword(text),
        Scalar::Integer(integer) => scalar::Scalar::Integer(integer),
        Scalar::Float(float) => scalar::Scalar::Float(float),
        Scalar::Bool(flag) => scalar::Scalar::Bool(flag),
    };
    v1::Scalar { scalar: Some(scalar) }
}

fn hit(hit: Hit, spec: &CollectionSpec, names: &[String]) -> Result<v1::Hit> {
    let placing = |(name, place): (&String, Option<(u32, f32)>)| {
        let (rank, score) = place.unwrap_or((0, 0.0));
        v1::Placing { retriever: name.clone(), rank, score }
    };
    let placings = names.iter().zip(hit.placings).map(placing).collect();
    let (version, expires_at_ms) = (hit.record.version, hit.record.expires_at_ms);
    let v1::Point { id, payload, vectors, sparse, multi, .. } = convert::point_out(hit.record, spec)?;
    let order_value = hit.value.map(value_out);
    Ok(v1::Hit {
        id,
        score: hit.score,
        payload,
        vectors,
        placings,
        version,
        expires_at_ms,
        order_value,
        sparse,
        multi,
        highlights: words::shown_out(hit.shown, spec),
    })
}

fn plan(run: &Run) -> v1::Plan {
    let mut routes: Vec<&str> = Vec::new();
    for part in &run.parts {
        if !routes.contains(&part.route.name()) {
            routes.push(part.route.name());
        }
    }
    if routes.is_empty() {
        routes.push(nigh_index::params::Route::Empty.name());
    }
    v1::Plan {
        retriever: run.retriever.clone(),
        routes: routes.into_iter().map(str::to_owned).collect(),
        ef: run.parts.iter().map(|part| part.ef).max().unwrap_or(0),
        matching: run.matching,
    }
}

fn explanation(answer: &Answer) -> v1::Explanation {
    let parts = |(at, run): (usize, &Run)| {
        run.parts.iter().map(|part| part_plan(&run.retriever, at as u32, part)).collect::<Vec<_>>()
    };
    let stage = |stage: &Stage| v1::Stage { name: stage.name.clone(), took_us: stage.took_us };
    let run = |run: &Run| v1::RetrieverRun {
        retriever: run.retriever.clone(),
        kind: run.kind.to_owned(),
        depth: run.depth,
        matching: run.matching,
        found: run.found,
        took_us: run.took_us,
    };
    v1::Explanation {
        parts: answer.runs.iter().enumerate().flat_map(parts).collect(),
        stages: answer.stages.iter().map(stage).collect(),
        total_us: answer.total_us,
        scanned_fields: answer.scanned.clone(),
        retrievers: answer.runs.iter().map(run).collect(),
    }
}

fn part_plan(retriever: &str, place: u32, part: &PartRun) -> v1::PartPlan {
    let cost = |(route, cost_us): &(nigh_index::params::Route, f64)| v1::PlanCost {
        route: route.name().to_owned(),
        cost_us: *cost_us,
    };
    v1::PartPlan {
        retriever: retriever.to_owned(),
        place,
        segment: part.segment,
        rows: part.rows,
        matching: part.matching,
        route: part.route.name().to_owned(),
        ef: part.ef,
        distances_full: part.work.distances_full,
        distances_coded: part.work.distances_coded,
        expanded: part.work.expanded,
        postings: part.work.postings,
        took_us: part.took_us,
        considered: part.considered.iter().map(cost).collect(),
        recall: part.recall,
        note: part.note.map_or(String::new(), |note| note.name().to_owned()),
        measured: part.measured.map(|measured| v1::MeasuredRecall {
            recall: measured.recall,
            low: measured.low,
            high: measured.high,
            queries: measured.queries,
        }),
    }
}
