//! Wire to plain and back. No other room of this crate but the calls knows a wire type.

use crate::convert_ranking as ranking;
use crate::error::{Error, Result};
use crate::filter::{Condition, Filter, How, Place, Range, Scalar, Shape, Test};
use crate::id::PointId;
use crate::point::{Durability, Op, Point, Selector, VectorsWanted, Wanted};
use crate::query::Query;
use crate::ranking::Fusion;
use crate::reply::{
    Explanation, Facets, Group, Hit, MeasuredRecall, Page, PartPlan, Placing, Plan, QueryReply, RetrieverRun, Stage,
    WriteReply,
};
use crate::{vectors, words};
use nigh_proto::v1::{self, condition, field_condition, op, point_id};
use serde_json::{Map, Value};
use std::collections::HashMap;
use uuid::Uuid;

pub(crate) fn id_out(id: PointId) -> v1::PointId {
    let id = match id {
        PointId::Num(number) => point_id::Id::Num(number),
        PointId::Uuid(uuid) => point_id::Id::Uuid(uuid.to_string()),
    };
    v1::PointId { id: Some(id) }
}

pub(crate) fn id_in(id: v1::PointId) -> Result<PointId> {
    match id.id {
        Some(point_id::Id::Num(number)) => Ok(PointId::Num(number)),
        Some(point_id::Id::Uuid(text)) => match Uuid::try_parse(&text) {
            Ok(uuid) => Ok(PointId::Uuid(uuid)),
            Err(_) => Err(Error::reply(format!("an id `{text}` that is no UUID"))),
        },
        None => Err(Error::reply("a point without an id")),
    }
}

pub(crate) fn ids_out(ids: &[PointId]) -> v1::PointIds {
    v1::PointIds { ids: ids.iter().copied().map(id_out).collect() }
}

fn payload_out(payload: &Value) -> Result<String> {
    match payload {
        Value::Object(object) if object.is_empty() => Ok(String::new()),
        Value::Object(_) => Ok(payload.to_string()),
        Value::Null => Ok(String::new()),
        _ => Err(Error::request("payload", format!("`{payload:.40}` is no JSON object"))),
    }
}

fn payload_in(payload: &str) -> Result<Value> {
    if payload.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_str(payload).map_err(|error| Error::reply(format!("a payload that is no JSON: {error}")))
}

fn vectors_in(vectors: HashMap<String, v1::Vector>) -> HashMap<String, Vec<f32>> {
    vectors.into_iter().map(|(field, vector)| (field, vector.values)).collect()
}

fn point_out(point: Point) -> Result<v1::Point> {
    let payload = payload_out(&point.payload)?;
    let vectors = point.vectors.into_iter().map(|(field, values)| (field, v1::Vector { values })).collect();
    let sparse = point.sparse.into_iter().map(|(field, vector)| (field, vectors::sparse_out(vector))).collect();
    let multi = point.multi.into_iter().map(|(field, several)| (field, vectors::multi_out(several))).collect();
    let expires_at_ms = point.expires_at_ms;
    Ok(v1::Point { id: Some(id_out(point.id)), vectors, sparse, multi, payload, version: 0, expires_at_ms })
}

pub(crate) fn point_in(point: v1::Point) -> Result<Point> {
    let id = id_in(point.id.unwrap_or_default())?;
    let (version, expires_at_ms) = (point.version, point.expires_at_ms);
    Ok(Point {
        id,
        vectors: vectors_in(point.vectors),
        sparse: vectors::all_sparse_in(point.sparse),
        multi: vectors::all_multi_in(point.multi),
        payload: payload_in(&point.payload)?,
        version,
        expires_at_ms,
    })
}

pub(crate) fn selector_out(selector: Selector) -> v1::Selector {
    let selector = match selector {
        Selector::Ids(ids) => v1::selector::Selector::Ids(ids_out(&ids)),
        Selector::Matching(filter) => v1::selector::Selector::Filter(filter_out(filter)),
    };
    v1::Selector { selector: Some(selector) }
}

pub(crate) fn op_out(op: Op) -> Result<v1::Op> {
    let set = |selector, payload: Value| {
        let (points, payload) = (Some(selector_out(selector)), payload_out(&payload)?);
        Ok::<_, Error>(v1::PayloadOp { points, payload })
    };
    let op = match op {
        Op::IfVersion(op, version) => return Ok(v1::Op { if_version: Some(version), ..op_out(*op)? }),
        Op::SetExpiry(selector, expires_at_ms) => {
            op::Op::SetExpiry(v1::SetExpiryOp { points: Some(selector_out(selector)), expires_at_ms })
        }
        Op::Upsert(point) => op::Op::Upsert(point_out(point)?),
        Op::Delete(selector) => op::Op::Delete(selector_out(selector)),
        Op::SetPayload(selector, payload) => op::Op::SetPayload(set(selector, payload)?),
        Op::OverwritePayload(selector, payload) => op::Op::OverwritePayload(set(selector, payload)?),
        Op::DeletePayloadKeys(selector, keys) => {
            op::Op::DeletePayloadKeys(v1::PayloadKeysOp { points: Some(selector_out(selector)), keys })
        }
        Op::ClearPayload(selector) => op::Op::ClearPayload(selector_out(selector)),
        Op::UpdateVectors(point) => {
            op::Op::UpdateVectors(v1::Point { payload: String::new(), expires_at_ms: None, ..point_out(point)? })
        }
        Op::DeleteVectors(selector, names) => {
            op::Op::DeleteVectors(v1::DeleteVectorsOp { points: Some(selector_out(selector)), names })
        }
    };
    Ok(v1::Op { op: Some(op), if_version: None })
}

pub(crate) fn durability_out(durability: Durability) -> i32 {
    let durability = match durability {
        Durability::Applied => v1::Durability::Applied,
        Durability::Logged => v1::Durability::Logged,
        Durability::Durable => v1::Durability::Durable,
    };
    durability.into()
}

pub(crate) fn durability_in(durability: i32) -> Result<Durability> {
    match v1::Durability::try_from(durability) {
        Ok(v1::Durability::Applied) => Ok(Durability::Applied),
        Ok(v1::Durability::Logged) => Ok(Durability::Logged),
        Ok(v1::Durability::Durable) => Ok(Durability::Durable),
        _ => Err(Error::reply(format!("an unknown durability {durability}"))),
    }
}

pub(crate) fn write_in(reply: v1::WriteReply) -> Result<WriteReply> {
    let v1::WriteReply { seq, affected, duplicate, .. } = reply;
    Ok(WriteReply { seq, reached: durability_in(reply.reached)?, affected, duplicate })
}

pub(crate) fn filter_out(filter: Filter) -> v1::Filter {
    let all = |conditions: Vec<Condition>| conditions.into_iter().map(condition_out).collect();
    v1::Filter { must: all(filter.must), should: all(filter.should), must_not: all(filter.must_not) }
}

pub(crate) fn condition_out(condition: Condition) -> v1::Condition {
    let condition = match condition {
        Condition::Tree(filter) => condition::Condition::Filter(filter_out(filter)),
        Condition::HasId(ids) => condition::Condition::HasId(ids_out(&ids)),
        Condition::HasVector(name) => condition::Condition::HasVector(name),
        Condition::Slice { index, total } => condition::Condition::Slice(v1::Slice { index, total }),
        Condition::AtLeast(count, of) => {
            let of = of.into_iter().map(condition_out).collect();
            condition::Condition::AtLeast(v1::AtLeast { count, of })
        }
        Condition::Nested(path, filter) => {
            condition::Condition::Nested(v1::Nested { path, filter: Some(filter_out(filter)) })
        }
        Condition::Field(path, test) => {
            condition::Condition::Field(v1::FieldCondition { path, test: Some(test_out(test)) })
        }
    };
    v1::Condition { condition: Some(condition) }
}

fn test_out(test: Test) -> field_condition::Test {
    let scalars = |scalars: Vec<Scalar>| v1::Scalars { scalars: scalars.into_iter().map(scalar_out).collect() };
    match test {
        Test::AnyOf(mut values) if values.len() == 1 => field_condition::Test::Match(scalar_out(values.swap_remove(0))),
        Test::AnyOf(values) => field_condition::Test::AnyOf(scalars(values)),
        Test::NoneOf(values) => field_condition::Test::NoneOf(scalars(values)),
        Test::Numbers(Range { gt, gte, lt, lte }) => field_condition::Test::Range(v1::NumberRange { gt, gte, lt, lte }),
        Test::Instants(Range { gt, gte, lt, lte }) => {
            field_condition::Test::DatetimeRange(v1::DatetimeRange { gt, gte, lt, lte })
        }
        Test::Empty => field_condition::Test::IsEmpty(v1::Unit {}),
        Test::Null => field_condition::Test::IsNull(v1::Unit {}),
        Test::Prefix(text) => field_condition::Test::Prefix(text),
        Test::Substring(text) => field_condition::Test::Substring(text),
        Test::Words(text, how) => {
            let how = match how {
                How::All => v1::words_test::How::All,
                How::Any => v1::words_test::How::Any,
                How::Phrase => v1::words_test::How::Phrase,
                How::Prefix => v1::words_test::How::Prefix,
            };
            field_condition::Test::Words(v1::WordsTest { text, how: how.into() })
        }
        Test::Geo(shape) => field_condition::Test::Geo(shape_out(shape)),
        Test::Count(Range { gt, gte, lt, lte }) => {
            field_condition::Test::ValuesCount(v1::CountRange { gt, gte, lt, lte })
        }
    }
}

fn shape_out(shape: Shape) -> v1::GeoShape {
    use v1::geo_shape::Shape as Wire;
    let place = |place: Place| v1::GeoPlace { lat: place.lat, lon: place.lon };
    let ring = |places: Vec<Place>| v1::GeoRing { places: places.into_iter().map(place).collect() };
    let shape = match shape {
        Shape::Circle { center, meters } => Wire::Circle(v1::GeoCircle { center: Some(place(center)), meters }),
        Shape::Box { south_west, north_east } => {
            Wire::Box(v1::GeoBox { south_west: Some(place(south_west)), north_east: Some(place(north_east)) })
        }
        Shape::Polygon { outer, holes } => {
            let holes = holes.into_iter().map(ring).collect();
            Wire::Polygon(v1::GeoPolygon { outer: Some(ring(outer)), holes })
        }
    };
    v1::GeoShape { shape: Some(shape) }
}

fn scalar_out(scalar: Scalar) -> v1::Scalar {
    let scalar = match scalar {
        Scalar::Keyword(text) => v1::scalar::Scalar::Keyword(text),
        Scalar::Integer(number) => v1::scalar::Scalar::Integer(number),
        Scalar::Float(number) => v1::scalar::Scalar::Float(number),
        Scalar::Bool(value) => v1::scalar::Scalar::Bool(value),
    };
    v1::Scalar { scalar: Some(scalar) }
}

pub(crate) fn wanted_out(wanted: Wanted) -> v1::PayloadSelection {
    use v1::payload_selection::Selection;
    let names = |names| v1::Names { names };
    let selection = match wanted {
        Wanted::All => Selection::All(true),
        Wanted::Nothing => Selection::All(false),
        Wanted::Only(keys) => Selection::Include(names(keys)),
        Wanted::Without(keys) => Selection::Exclude(names(keys)),
    };
    v1::PayloadSelection { selection: Some(selection) }
}

pub(crate) fn vectors_out(wanted: VectorsWanted) -> Option<v1::VectorSelection> {
    use v1::vector_selection::Selection;
    let selection = match wanted {
        VectorsWanted::Nothing => return None,
        VectorsWanted::All => Selection::All(true),
        VectorsWanted::Only(names) => Selection::Include(v1::Names { names }),
    };
    Some(v1::VectorSelection { selection: Some(selection) })
}

pub(crate) fn query_out(collection: &str, query: Query) -> v1::QueryRequest {
    let weights: Vec<f32> = query.retrievers.iter().map(|retriever| retriever.weight).collect();
    let plain = query.fusion == Fusion::default() && weights.iter().all(|weight| *weight == 1.0);
    let params = query.params;
    v1::QueryRequest {
        collection: collection.to_owned(),
        retrievers: query.retrievers.into_iter().map(|retriever| ranking::retriever_out(retriever, params)).collect(),
        filter: query.filter.map(filter_out),
        fusion: (!plain).then(|| ranking::fusion_out(query.fusion, weights)),
        limit: query.limit,
        offset: query.offset,
        payload: Some(wanted_out(query.payload)),
        vectors: vectors_out(query.vectors),
        explain: query.explain,
        score_threshold: query.score_threshold,
        version: query.version,
        group_by: query.grouping.map(ranking::grouping_out),
        paging: query.paging.map(ranking::paging_out),
    }
}

pub(crate) fn reply_in(reply: v1::QueryReply) -> Result<QueryReply> {
    let plans = reply.plans.into_iter().map(|plan| Plan {
        retriever: plan.retriever,
        routes: plan.routes,
        ef: plan.ef,
        matching: plan.matching,
    });
    Ok(QueryReply {
        hits: reply.hits.into_iter().map(hit_in).collect::<Result<_>>()?,
        seq: reply.seq,
        plans: plans.collect(),
        explanation: reply.explanation.map(explanation_in),
        groups: reply.groups.into_iter().map(group_in).collect::<Result<_>>()?,
        next: reply.next.map(ranking::place_in).transpose()?,
    })
}

fn group_in(group: v1::Group) -> Result<Group> {
    Ok(Group {
        key: scalar_in(group.key.unwrap_or_default())?,
        hits: group.hits.into_iter().map(hit_in).collect::<Result<_>>()?,
        lookup: group.lookup.map(point_in).transpose()?,
    })
}

fn scalar_in(scalar: v1::Scalar) -> Result<Scalar> {
    match scalar.scalar {
        Some(v1::scalar::Scalar::Keyword(text)) => Ok(Scalar::Keyword(text)),
        Some(v1::scalar::Scalar::Integer(number)) => Ok(Scalar::Integer(number)),
        Some(v1::scalar::Scalar::Float(number)) => Ok(Scalar::Float(number)),
        Some(v1::scalar::Scalar::Bool(value)) => Ok(Scalar::Bool(value)),
        None => Err(Error::reply("a scalar that is nothing")),
    }
}

pub(crate) fn facets_in(reply: v1::FacetReply) -> Result<Facets> {
    let value = |one: v1::FacetValue| Ok((scalar_in(one.value.unwrap_or_default())?, one.count));
    Ok(Facets {
        values: reply.values.into_iter().map(value).collect::<Result<_>>()?,
        distinct: reply.distinct,
        scanned_fields: reply.scanned_fields,
        seq: reply.seq,
    })
}

fn hit_in(hit: v1::Hit) -> Result<Hit> {
    let placings = hit.placings.into_iter().map(|placing| Placing {
        retriever: placing.retriever,
        rank: (placing.rank > 0).then_some(placing.rank),
        score: placing.score,
    });
    Ok(Hit {
        id: id_in(hit.id.unwrap_or_default())?,
        score: hit.score,
        payload: payload_in(&hit.payload)?,
        vectors: vectors_in(hit.vectors),
        sparse: vectors::all_sparse_in(hit.sparse),
        multi: vectors::all_multi_in(hit.multi),
        version: hit.version,
        expires_at_ms: hit.expires_at_ms,
        placings: placings.collect(),
        order_value: hit.order_value.map(ranking::order_value_in).transpose()?,
        highlights: hit.highlights.into_iter().map(words::highlight_in).collect(),
    })
}

fn explanation_in(explanation: v1::Explanation) -> Explanation {
    let stage = |stage: v1::Stage| Stage { name: stage.name, took_us: stage.took_us };
    Explanation {
        parts: explanation.parts.into_iter().map(part_in).collect(),
        stages: explanation.stages.into_iter().map(stage).collect(),
        total_us: explanation.total_us,
        scanned_fields: explanation.scanned_fields,
        retrievers: explanation.retrievers.into_iter().map(run_in).collect(),
    }
}

fn run_in(run: v1::RetrieverRun) -> RetrieverRun {
    let v1::RetrieverRun { retriever, kind, depth, matching, found, took_us } = run;
    RetrieverRun { retriever, kind, depth, matching, found, took_us }
}

fn part_in(part: v1::PartPlan) -> PartPlan {
    PartPlan {
        retriever: part.retriever,
        place: part.place,
        segment: part.segment,
        rows: part.rows,
        matching: part.matching,
        route: part.route,
        ef: part.ef,
        distances_full: part.distances_full,
        distances_coded: part.distances_coded,
        expanded: part.expanded,
        postings: part.postings,
        took_us: part.took_us,
        considered: part.considered.into_iter().map(|plan| (plan.route, plan.cost_us)).collect(),
        recall: part.recall,
        note: part.note,
        measured: part.measured.map(|measured| MeasuredRecall {
            recall: measured.recall,
            bounds: (measured.low, measured.high),
            queries: measured.queries,
        }),
    }
}

pub(crate) fn page_in(reply: v1::ScrollReply) -> Result<Page> {
    Ok(Page {
        points: reply.points.into_iter().map(point_in).collect::<Result<_>>()?,
        next: reply.next.map(id_in).transpose()?,
        seq: reply.seq,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{field, has_id};
    use crate::query::{Retriever, SearchParams};
    use serde_json::json;

    #[test]
    fn a_point_comes_back_as_it_went() {
        for id in [PointId::Num(7), PointId::Uuid(Uuid::from_u128(7))] {
            let point = Point::new(7).vector("v", [0.5, -1.0]).payload(json!({"a": [1, {"b": null}]}));
            let point = Point { id, ..point };
            assert_eq!(point_in(point_out(point.clone()).unwrap()).unwrap(), point);
        }
    }

    #[test]
    fn a_payload_is_an_object() {
        let error = op_out(Op::from(Point::new(1).payload(json!([1])))).unwrap_err();
        assert_eq!(error.field(), Some("payload"));
    }

    #[test]
    fn a_bad_reply_is_an_error() {
        assert!(id_in(v1::PointId::default()).is_err());
        let uuid = point_id::Id::Uuid("no".to_owned());
        assert!(id_in(v1::PointId { id: Some(uuid) }).is_err());
        assert!(payload_in("{").is_err());
        assert!(durability_in(9).is_err());
    }

    #[test]
    fn a_querys_parameters_reach_every_dense_retriever_without_its_own() {
        let own = SearchParams { ef: 9, ..SearchParams::default() };
        let query = Query::dense("v", [1.0]).with(Retriever::dense("w", [2.0]).params(own)).recall(0.9).text("t", "x");
        let wire = query_out("c", query);
        let params: Vec<_> = wire
            .retrievers
            .iter()
            .filter_map(|retriever| match retriever.kind.as_ref()? {
                v1::retriever::Kind::Dense(dense) => dense.params,
                _ => None,
            })
            .collect();
        assert_eq!(params.iter().map(|params| (params.ef, params.recall)).collect::<Vec<_>>(), [(0, 0.9), (9, 0.0)]);
        assert_eq!(wire.fusion, None, "the server's defaults");
    }

    #[test]
    fn weights_keep_the_order_of_the_retrievers() {
        let query = Query::dense("v", [1.0]).with(Retriever::text("t", "x").weight(0.5));
        let fusion = query_out("c", query).fusion.unwrap().fusion.unwrap();
        let v1::fusion::Fusion::ReciprocalRank(rank) = fusion else { panic!("{fusion:?}") };
        assert_eq!((rank.weights, rank.k), (vec![1.0, 0.5], None));
    }

    #[test]
    fn filters_keep_their_shape() {
        let filter = Filter::must([field("a").eq("x"), field("n").at_least(3).clone(), has_id([1])])
            .or([Filter::must_not([field("d").since("2020-01-01")]).into()])
            .without([field("e").any_of([1, 2]), field("f").is_null()]);
        let wire = filter_out(filter);
        assert_eq!((wire.must.len(), wire.should.len(), wire.must_not.len()), (3, 1, 2));
        let Some(condition::Condition::Field(first)) = &wire.must[0].condition else { panic!("{wire:?}") };
        assert_eq!(first.path, "a");
        assert!(matches!(first.test, Some(field_condition::Test::Match(_))));
        let Some(condition::Condition::Field(not)) = &wire.must_not[0].condition else { panic!("{wire:?}") };
        assert!(matches!(not.test, Some(field_condition::Test::AnyOf(_))));
    }
}
