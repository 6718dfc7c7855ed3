//! Messages of gRPC to what the engine takes, and back.

use crate::collection::wrong;
use crate::grpc::api::{self, condition::ConditionOneOf, point_id::PointIdOptions, value::Kind};
use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::external::serde_json::{self, Value};
use qdrant_edge::{
    AnyVariants, Condition, FieldCondition, Filter, Fusion, IsEmptyCondition, JsonPath, Match, MatchAny, MatchValue,
    MinShould, NamedQuery, OperationResult, Payload, PointId, PointStructPersisted, Prefetch, QueryEnum, QueryRequest,
    Range, RangeInterface, ScoredPoint, ScoringQuery, SearchParams, SparseVector, ValueVariants, VectorInternal,
    VectorPersisted, VectorStructPersisted, WithPayloadInterface,
};
use std::collections::HashMap;

/// Hits, where a request says nothing of them.
pub const LIMIT: usize = 10;
/// Reciprocal ranks, where a request says nothing of them.
pub const RRF_K: usize = 2;

pub fn point(point: api::PointStruct) -> OperationResult<PointStructPersisted> {
    let vectors =
        point.vectors.and_then(|vectors| vectors.vectors_options).ok_or_else(|| wrong("a point has no vectors"))?;
    let vector = match vectors {
        api::vectors::VectorsOptions::Vector(lone) => match vector(lone)? {
            VectorPersisted::Dense(values) => VectorStructPersisted::Single(values),
            other => VectorStructPersisted::Named(HashMap::from([(String::new(), other)])),
        },
        api::vectors::VectorsOptions::Vectors(named) => {
            let named = named.vectors.into_iter().map(|(name, one)| Ok((name, vector(one)?)));
            VectorStructPersisted::Named(named.collect::<OperationResult<_>>()?)
        }
    };
    let payload = point.payload.into_iter().map(|(key, value)| (key, json(value))).collect();
    Ok(PointStructPersisted { id: id(point.id)?, vector, payload: Some(Payload(payload)) })
}

#[expect(deprecated, reason = "clients up to 1.15 write these fields")]
fn vector(vector: api::Vector) -> OperationResult<VectorPersisted> {
    match vector.vector {
        Some(api::vector::Vector::Dense(dense)) => Ok(VectorPersisted::Dense(dense.data)),
        Some(api::vector::Vector::Sparse(sparse)) => Ok(VectorPersisted::Sparse(sparse_vector(sparse)?)),
        None if vector.indices.is_none() => Ok(VectorPersisted::Dense(vector.data)),
        _ => Err(wrong("a vector is neither dense nor sparse")),
    }
}

fn sparse_vector(sparse: api::SparseVector) -> OperationResult<SparseVector> {
    SparseVector::new(sparse.indices, sparse.values).map_err(|error| wrong(error.to_string()))
}

fn id(id: Option<api::PointId>) -> OperationResult<PointId> {
    match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Num(number)) => Ok(PointId::NumId(number)),
        Some(PointIdOptions::Uuid(uuid)) => Ok(PointId::Uuid(uuid.parse().map_err(|_| wrong("an id is no UUID"))?)),
        None => Err(wrong("a point has no id")),
    }
}

fn json(value: api::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::DoubleValue(value)) => value.into(),
        Some(Kind::IntegerValue(value)) => value.into(),
        Some(Kind::StringValue(value)) => value.into(),
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::StructValue(of)) => {
            Value::Object(of.fields.into_iter().map(|(key, value)| (key, json(value))).collect())
        }
        Some(Kind::ListValue(of)) => of.values.into_iter().map(json).collect(),
    }
}

fn value(json: Value) -> api::Value {
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Kind::IntegerValue(integer),
            None => Kind::DoubleValue(number.as_f64().unwrap_or_default()),
        },
        Value::String(value) => Kind::StringValue(value),
        Value::Array(values) => Kind::ListValue(api::ListValue { values: values.into_iter().map(value).collect() }),
        Value::Object(fields) => {
            Kind::StructValue(api::Struct { fields: fields.into_iter().map(|(key, of)| (key, value(of))).collect() })
        }
    };
    api::Value { kind: Some(kind) }
}

pub fn query(asked: api::QueryPoints) -> OperationResult<QueryRequest> {
    let mut request = QueryRequest::new(asked.limit.map_or(LIMIT, |limit| limit as usize));
    request.prefetches = asked.prefetch.into_iter().map(prefetch).collect::<OperationResult<_>>()?;
    request.query = asked.query.map(|query| scoring(query, asked.using)).transpose()?;
    request.filter = asked.filter.map(filter).transpose()?;
    request.score_threshold = asked.score_threshold;
    request.offset = asked.offset.unwrap_or_default() as usize;
    request.params = asked.params.map(params);
    request.with_payload = match asked.with_payload.and_then(|selector| selector.selector_options) {
        None => WithPayloadInterface::Bool(false),
        Some(api::with_payload_selector::SelectorOptions::Enable(enable)) => WithPayloadInterface::Bool(enable),
        Some(_) => return Err(wrong("parts of payloads are not served here")),
    };
    Ok(request)
}

fn prefetch(asked: api::PrefetchQuery) -> OperationResult<Prefetch> {
    let mut request = Prefetch::new(asked.limit.map_or(LIMIT, |limit| limit as usize));
    request.prefetches = asked.prefetch.into_iter().map(prefetch).collect::<OperationResult<_>>()?;
    request.query = asked.query.map(|query| scoring(query, asked.using)).transpose()?;
    request.filter = asked.filter.map(filter).transpose()?;
    request.score_threshold = asked.score_threshold;
    request.params = asked.params.map(params);
    Ok(request)
}

fn params(params: api::SearchParams) -> SearchParams {
    SearchParams {
        hnsw_ef: params.hnsw_ef.map(|effort| effort as usize),
        exact: params.exact.unwrap_or_default(),
        indexed_only: params.indexed_only.unwrap_or_default(),
        ..SearchParams::default()
    }
}

fn scoring(query: api::Query, using: Option<String>) -> OperationResult<ScoringQuery> {
    use api::query::Variant;
    use api::vector_input::Variant as Input;
    match query.variant {
        Some(Variant::Nearest(api::VectorInput { variant: Some(Input::Dense(dense)) })) => {
            Ok(nearest(VectorInternal::Dense(dense.data), using))
        }
        Some(Variant::Nearest(api::VectorInput { variant: Some(Input::Sparse(sparse)) })) => {
            Ok(nearest(VectorInternal::Sparse(sparse_vector(sparse)?), using))
        }
        Some(Variant::Fusion(0)) => Ok(ScoringQuery::Fusion(Fusion::Rrf { k: RRF_K, weights: None })),
        Some(Variant::Rrf(rrf)) if rrf.weights.is_empty() => {
            let k = rrf.k.map_or(RRF_K, |k| k as usize);
            Ok(ScoringQuery::Fusion(Fusion::Rrf { k, weights: None }))
        }
        _ => Err(wrong("nothing but vectors and their fusion by rank is served here")),
    }
}

/// By nearness to a vector; the nameless one has the name "".
pub fn nearest(vector: VectorInternal, using: Option<String>) -> ScoringQuery {
    ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery { query: vector, using }))
}

fn filter(filter: api::Filter) -> OperationResult<Filter> {
    let min_should = match filter.min_should {
        None => None,
        Some(of) => {
            let conditions = conditions(of.conditions)?.unwrap_or_default();
            Some(MinShould { conditions, min_count: of.min_count as usize })
        }
    };
    Ok(Filter {
        should: conditions(filter.should)?,
        min_should,
        must: conditions(filter.must)?,
        must_not: conditions(filter.must_not)?,
    })
}

fn conditions(conditions: Vec<api::Condition>) -> OperationResult<Option<Vec<Condition>>> {
    let conditions = conditions.into_iter().map(condition).collect::<OperationResult<Vec<_>>>()?;
    Ok((!conditions.is_empty()).then_some(conditions))
}

fn condition(condition: api::Condition) -> OperationResult<Condition> {
    match condition.condition_one_of {
        Some(ConditionOneOf::Field(field)) => Ok(Condition::Field(field_condition(field)?)),
        Some(ConditionOneOf::Filter(of)) => Ok(Condition::Filter(filter(of)?)),
        Some(ConditionOneOf::IsEmpty(of)) => {
            // The engine does not name the type of the path's holder: it is read as the API writes it.
            let read = serde_json::from_value::<IsEmptyCondition>(serde_json::json!({"is_empty": {"key": of.key}}));
            read.map(Condition::IsEmpty).map_err(|error| wrong(error.to_string()))
        }
        _ => Err(wrong("this condition is not served here")),
    }
}

fn field_condition(of: api::FieldCondition) -> OperationResult<FieldCondition> {
    if of.geo_bounding_box.is_some()
        || of.geo_radius.is_some()
        || of.geo_polygon.is_some()
        || of.datetime_range.is_some()
    {
        return Err(wrong("conditions of places and dates are not served here"));
    }
    let key = of.key.parse::<JsonPath>().map_err(|()| wrong("a key is no path"))?;
    let range = of.range.map(|range| {
        let [lt, gt, gte, lte] = [range.lt, range.gt, range.gte, range.lte].map(|end| end.map(OrderedFloat));
        RangeInterface::Float(Range { lt, gt, gte, lte })
    });
    let r#match = of.r#match.and_then(|of| of.match_value).map(matching).transpose()?;
    let (geo_bounding_box, geo_radius, geo_polygon, values_count) = (None, None, None, None);
    let (is_empty, is_null) = (of.is_empty, of.is_null);
    Ok(FieldCondition {
        key,
        r#match,
        range,
        geo_bounding_box,
        geo_radius,
        geo_polygon,
        values_count,
        is_empty,
        is_null,
    })
}

fn matching(of: api::r#match::MatchValue) -> OperationResult<Match> {
    use api::r#match::MatchValue as Of;
    let value = |value| Ok(Match::Value(MatchValue { value }));
    let any = |any| Ok(Match::Any(MatchAny { any }));
    match of {
        Of::Keyword(keyword) => value(ValueVariants::String(keyword)),
        Of::Integer(integer) => value(ValueVariants::Integer(integer)),
        Of::Boolean(boolean) => value(ValueVariants::Bool(boolean)),
        Of::Keywords(of) => any(AnyVariants::Strings(of.strings.into_iter().collect())),
        Of::Integers(of) => any(AnyVariants::Integers(of.integers.into_iter().collect())),
        _ => Err(wrong("this match is not served here")),
    }
}

pub fn hit(point: ScoredPoint) -> api::ScoredPoint {
    let id = match point.id {
        PointId::NumId(number) => PointIdOptions::Num(number),
        PointId::Uuid(uuid) => PointIdOptions::Uuid(uuid.to_string()),
    };
    let payload = point.payload.map(|payload| payload.0).unwrap_or_default();
    api::ScoredPoint {
        id: Some(api::PointId { point_id_options: Some(id) }),
        payload: payload.into_iter().map(|(key, of)| (key, value(of))).collect(),
        score: point.score,
        version: point.version,
        ..api::ScoredPoint::default()
    }
}
