//! Queries: from the wire to what the engine walks, and the answer with its explanation back.

use super::convert;
use super::filter::{self, left_out};
use super::vectors;
use crate::engine::error::{Error, Result};
use crate::engine::query::{Answer, Hit, Kind, PartRun, PayloadSelection, Query, Retriever, Run, Target};
use nigh_index::params::SearchParams;
use nigh_index::query::fuse::{K_DEFAULT, Rrf};
use nigh_proto::v1::{self, dense, fusion, retriever};
use nigh_storage::schema::CollectionSpec;

/// Hits of a query that says no number.
const LIMIT_DEFAULT: usize = 10;
/// Hits that each of several retrievers gives into the fusion, where it says no number.
const RETRIEVER_LIMIT_DEFAULT: usize = 100;

/// A query as the engine walks it.
pub(super) fn query(request: v1::QueryRequest, spec: &CollectionSpec) -> Result<Query> {
    let limit = if request.limit == 0 { LIMIT_DEFAULT } else { request.limit as usize };
    let offset = request.offset as usize;
    let count = request.retrievers.len();
    let one = |(at, one): (usize, v1::Retriever)| {
        retriever(at, one, spec, limit + offset, count).map_err(|err| err.inside(&format!("retrievers[{at}]")))
    };
    Ok(Query {
        retrievers: request.retrievers.into_iter().enumerate().map(one).collect::<Result<_>>()?,
        filter: filter::optional(request.filter)?,
        fusion: rrf(request.fusion, count)?,
        limit,
        offset,
        payload: convert::payload(request.payload, PayloadSelection::Nothing),
        vectors: convert::vectors(request.vectors, spec)?,
        explain: request.explain,
        score_threshold: request.score_threshold,
        version: request.version,
    })
}

fn retriever(
    at: usize,
    request: v1::Retriever,
    spec: &CollectionSpec,
    least: usize,
    count: usize,
) -> Result<Retriever> {
    let asked = match request.limit {
        0 if count > 1 => RETRIEVER_LIMIT_DEFAULT,
        asked => asked as usize,
    };
    let (kind_name, kind) = match request.kind {
        Some(retriever::Kind::Dense(dense)) => ("dense", self::dense(dense, spec)?),
        Some(retriever::Kind::Text(text)) => {
            let names: Vec<&str> = spec.texts.iter().map(|field| &field.name[..]).collect();
            ("text", Kind::Text { field: place("text", &text.field, &names)?, query: text.query })
        }
        Some(retriever::Kind::Sparse(sparse)) => ("sparse", vectors::sparse(sparse, spec)?),
        Some(retriever::Kind::Multi(multi)) => ("multi", vectors::multi(multi, spec)?),
        None => return Err(left_out("kind", "a retriever is dense, sparse, multi or text")),
    };
    Ok(Retriever {
        name: if request.name.is_empty() { format!("{kind_name}[{at}]") } else { request.name },
        kind,
        limit: asked.max(least),
        filter: filter::optional(request.filter)?,
        score_threshold: request.score_threshold,
    })
}

fn dense(dense: v1::Dense, spec: &CollectionSpec) -> Result<Kind> {
    let field = vectors::place("dense", &dense.field, spec)?;
    let target = match dense.query {
        Some(dense::Query::Vector(vector)) => Target::Vector(vector.values),
        Some(dense::Query::Point(id)) => Target::Point(filter::id("dense.point", Some(id))?),
        None => return Err(left_out("dense.query", "it is a vector or a point")),
    };
    let params = dense.params.unwrap_or_default();
    let params = SearchParams {
        ef: (params.ef > 0).then_some(params.ef),
        recall: (params.recall != 0.0).then_some(params.recall),
        exact: params.exact,
    };
    Ok(Kind::Dense { field, target, params })
}

/// The place of a field; an empty name means the only one.
pub(super) fn place(kind: &str, name: &str, names: &[&str]) -> Result<usize> {
    let what = if kind == "text" { "text field".to_owned() } else { format!("{kind} vector field") };
    match names.iter().position(|have| *have == name) {
        Some(at) => Ok(at),
        None if name.is_empty() && names.len() == 1 => Ok(0),
        None => {
            let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let limit = match quoted.len() {
                0 => format!("the collection has no {what}"),
                _ => format!("it is the name of a {what}: {}", quoted.join(", ")),
            };
            Err(Error::invalid(format!("{kind}.field"), format!("`{}`", filter::short(name)), limit))
        }
    }
}

fn rrf(fusion: Option<v1::Fusion>, count: usize) -> Result<Rrf> {
    let Some(fusion::Fusion::ReciprocalRank(rank)) = fusion.and_then(|fusion| fusion.fusion) else {
        return Ok(Rrf::default());
    };
    let sensible = |number: f32| number.is_finite() && number >= 0.0;
    let place = |field: &str| format!("fusion.reciprocal_rank.{field}");
    if !rank.weights.is_empty() && rank.weights.len() != count {
        let limit = format!("there are {count} retrievers, each has one weight");
        return Err(Error::invalid(place("weights"), format!("{} numbers", rank.weights.len()), limit));
    }
    if let Some(at) = rank.weights.iter().position(|weight| !sensible(*weight)) {
        let limit = "a weight is finite and at least 0";
        return Err(Error::invalid(place(&format!("weights[{at}]")), rank.weights[at], limit));
    }
    let k = rank.k.unwrap_or(K_DEFAULT);
    if !sensible(k) {
        return Err(Error::invalid(place("k"), k, "it is finite and at least 0"));
    }
    Ok(Rrf { k, weights: rank.weights })
}

/// The answer as it goes out.
pub(super) fn reply(answer: Answer, spec: &CollectionSpec, explain: bool) -> Result<v1::QueryReply> {
    let explanation = explain.then(|| explanation(&answer));
    let plans = answer.runs.iter().map(plan).collect();
    let names: Vec<String> = answer.runs.into_iter().map(|run| run.retriever).collect();
    let hits = answer.hits.into_iter().map(|one| hit(one, spec, &names)).collect::<Result<_>>()?;
    Ok(v1::QueryReply { hits, seq: answer.seq, plans, explanation })
}

fn hit(hit: Hit, spec: &CollectionSpec, names: &[String]) -> Result<v1::Hit> {
    let placing = |(name, place): (&String, Option<(u32, f32)>)| {
        let (rank, score) = place.unwrap_or((0, 0.0));
        v1::Placing { retriever: name.clone(), rank, score }
    };
    let placings = names.iter().zip(hit.placings).map(placing).collect();
    let (version, expires_at_ms) = (hit.record.version, hit.record.expires_at_ms);
    let v1::Point { id, payload, vectors, sparse, multi, .. } = convert::point_out(hit.record, spec)?;
    Ok(v1::Hit { id, score: hit.score, payload, vectors, placings, version, expires_at_ms, sparse, multi })
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
    let parts = |run: &Run| run.parts.iter().map(|part| part_plan(&run.retriever, part)).collect::<Vec<_>>();
    let stage = |stage: &crate::engine::query::Stage| v1::Stage { name: stage.name.clone(), took_us: stage.took_us };
    v1::Explanation {
        parts: answer.runs.iter().flat_map(parts).collect(),
        stages: answer.stages.iter().map(stage).collect(),
        total_us: answer.stages.iter().map(|stage| stage.took_us).sum(),
        scanned_fields: answer.scanned.clone(),
    }
}

fn part_plan(retriever: &str, part: &PartRun) -> v1::PartPlan {
    let cost = |(route, cost_us): &(nigh_index::params::Route, f64)| v1::PlanCost {
        route: route.name().to_owned(),
        cost_us: *cost_us,
    };
    v1::PartPlan {
        retriever: retriever.to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use nigh_index::text::spec::TextSpec;
    use nigh_index::vector::metric::Metric;
    use nigh_index::vector::spec::VectorSpec;
    use nigh_storage::schema::{TextField, VectorField};

    fn spec() -> CollectionSpec {
        CollectionSpec {
            vectors: vec![VectorField { name: "v".into(), spec: VectorSpec::new(2, Metric::Dot) }],
            texts: vec![TextField { name: "t".into(), paths: vec![], spec: TextSpec::default() }],
            ..Default::default()
        }
    }

    fn dense_of(field: &str) -> v1::Retriever {
        let query = Some(dense::Query::Vector(v1::Vector { values: vec![1.0, 2.0] }));
        let dense = v1::Dense { field: field.into(), query, params: None };
        v1::Retriever { kind: Some(retriever::Kind::Dense(dense)), ..Default::default() }
    }

    fn text_of(limit: u32) -> v1::Retriever {
        let text = v1::Text { field: "t".into(), query: "words".into() };
        v1::Retriever { kind: Some(retriever::Kind::Text(text)), limit, ..Default::default() }
    }

    fn of(retrievers: Vec<v1::Retriever>, limit: u32, offset: u32) -> v1::QueryRequest {
        v1::QueryRequest { retrievers, limit, offset, ..Default::default() }
    }

    #[test]
    fn defaults_are_those_of_the_description() {
        let one = query(of(vec![dense_of("")], 0, 5), &spec()).unwrap();
        assert_eq!((one.limit, one.retrievers[0].limit, &one.retrievers[0].name[..]), (10, 15, "dense[0]"));
        let two = query(of(vec![dense_of("v"), text_of(3)], 20, 90), &spec()).unwrap();
        assert_eq!((two.retrievers[0].limit, two.retrievers[1].limit), (110, 110));
        let two = query(of(vec![dense_of("v"), text_of(300)], 0, 0), &spec()).unwrap();
        assert_eq!((two.retrievers[0].limit, two.retrievers[1].limit), (100, 300));
        assert_eq!((two.fusion.k, &two.retrievers[1].name[..]), (60.0, "text[1]"));
    }

    #[test]
    fn a_mistake_names_its_retriever() {
        let err = query(of(vec![text_of(0), dense_of("colour")], 1, 0), &spec()).unwrap_err().to_string();
        assert_eq!(err, "retrievers[1].dense.field is `colour`; it is the name of a dense vector field: `v`");
        let err = query(of(vec![v1::Retriever::default()], 1, 0), &spec()).unwrap_err().to_string();
        assert_eq!(err, "retrievers[0].kind is left out; a retriever is dense, sparse, multi or text");
    }

    #[test]
    fn weights_are_one_for_each_retriever() {
        let fused = |k, weights: &[f32]| {
            let rank = v1::ReciprocalRank { k, weights: weights.to_vec() };
            rrf(Some(v1::Fusion { fusion: Some(fusion::Fusion::ReciprocalRank(rank)) }), 2)
        };
        assert!(fused(None, &[]).is_ok() && fused(Some(0.0), &[1.0, 0.0]).is_ok());
        for (k, weights) in [(None, &[1.0][..]), (None, &[1.0, -1.0]), (Some(f32::NAN), &[])] {
            assert!(fused(k, weights).is_err(), "{k:?} {weights:?}");
        }
    }
}
