//! What is answered.

use super::value::{fields, id_message};
use super::vectors;
use crate::qdrant::call::{Status, Update};
use crate::qdrant::matrix::{Offsets, Pair, Pairs};
use crate::qdrant::query::{Counted, Grouped, Groups, Scored};
use crate::qdrant::read::Point;
use nigh_proto::qdrant as q;
use serde_json::Value;

fn payload(of: Option<Value>) -> super::value::Fields {
    match of {
        Some(Value::Object(object)) => fields(object),
        _ => super::value::Fields::new(),
    }
}

fn order_value(of: Option<Value>) -> Option<q::OrderValue> {
    use q::order_value::Variant;
    let of = of?;
    let variant = of.as_i64().map(Variant::Int).or_else(|| of.as_f64().map(Variant::Float));
    Some(q::OrderValue { variant })
}

/// A point.
pub(super) fn point(of: Point) -> q::RetrievedPoint {
    q::RetrievedPoint {
        id: Some(id_message(of.id)),
        payload: payload(of.payload),
        vectors: of.vector.map(vectors::out),
        shard_key: None,
        order_value: order_value(of.order_value),
    }
}

/// A hit.
fn hit(of: Scored) -> q::ScoredPoint {
    q::ScoredPoint {
        id: Some(id_message(of.id)),
        payload: payload(of.payload),
        score: of.score,
        version: of.version,
        vectors: of.vector.map(vectors::out),
        shard_key: None,
        order_value: order_value(of.order_value),
    }
}

/// Hits.
pub(super) fn hits(of: Vec<Scored>) -> Vec<q::ScoredPoint> {
    of.into_iter().map(hit).collect()
}

/// Hits of one of several queries.
pub(super) fn of_batch(of: Vec<Scored>) -> q::BatchResult {
    q::BatchResult { result: hits(of) }
}

/// Hits in groups.
pub(super) fn groups(of: Groups) -> q::GroupsResult {
    use q::group_id::Kind;
    let group = |of: Grouped| {
        let kind = match &of.id {
            Value::Number(number) => {
                number.as_u64().map(Kind::UnsignedValue).or(number.as_i64().map(Kind::IntegerValue))
            }
            Value::String(text) => Some(Kind::StringValue(text.clone())),
            _ => None,
        };
        q::PointGroup { id: Some(q::GroupId { kind }), hits: hits(of.hits), lookup: of.lookup.map(point) }
    };
    q::GroupsResult { groups: of.groups.into_iter().map(group).collect() }
}

/// A value, and how many points have it.
pub(super) fn counted(of: Counted) -> q::FacetHit {
    use q::facet_value::Variant;
    let variant = match of.value {
        Value::String(text) => Some(Variant::StringValue(text)),
        Value::Bool(flag) => Some(Variant::BoolValue(flag)),
        // Other numbers have no place in the answer; they go out as they are written.
        Value::Number(number) => {
            Some(number.as_i64().map_or_else(|| Variant::StringValue(number.to_string()), Variant::IntegerValue))
        }
        _ => None,
    };
    q::FacetHit { value: Some(q::FacetValue { variant }), count: of.count }
}

/// What became of a write.
pub(super) fn update(of: Update) -> q::UpdateResult {
    let status = match of.status {
        Status::Acknowledged => q::UpdateStatus::Acknowledged,
        Status::Completed => q::UpdateStatus::Completed,
    };
    q::UpdateResult { operation_id: Some(of.operation_id), status: status.into() }
}

/// Pairs of points.
pub(super) fn pairs(of: Pairs) -> q::SearchMatrixPairs {
    let pair = |of: Pair| q::SearchMatrixPair { a: Some(id_message(of.a)), b: Some(id_message(of.b)), score: of.score };
    q::SearchMatrixPairs { pairs: of.pairs.into_iter().map(pair).collect() }
}

/// The same as a matrix.
pub(super) fn offsets(of: Offsets) -> q::SearchMatrixOffsets {
    let ids = of.ids.into_iter().map(id_message).collect();
    q::SearchMatrixOffsets { offsets_row: of.offsets_row, offsets_col: of.offsets_col, scores: of.scores, ids }
}
