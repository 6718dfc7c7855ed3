//! Filters as JSON.

use super::value::{given, id_json, ids_json, number};
use crate::qdrant::fault::{Fault, Result};
use nigh_proto::qdrant as q;
use nigh_proto::qdrant::condition::ConditionOneOf;
use nigh_proto::qdrant::r#match::MatchValue;
use serde_json::{Value, json};

/// A filter; what is left out of it is left out.
pub(super) fn filter(filter: q::Filter) -> Result<Value> {
    let list = |of: Vec<q::Condition>| match of.is_empty() {
        true => Ok(None),
        false => conditions(of).map(Some),
    };
    let least = match filter.min_should {
        None => None,
        Some(least) => Some(json!({"conditions": conditions(least.conditions)?, "min_count": least.min_count})),
    };
    Ok(given([
        ("must", list(filter.must)?),
        ("should", list(filter.should)?),
        ("must_not", list(filter.must_not)?),
        ("min_should", least),
    ]))
}

/// The same, where it may be left out.
pub(super) fn optional(of: Option<q::Filter>) -> Result<Option<Value>> {
    of.map(filter).transpose()
}

fn conditions(of: Vec<q::Condition>) -> Result<Value> {
    of.into_iter().map(condition).collect()
}

/// A condition.
pub(super) fn condition(condition: q::Condition) -> Result<Value> {
    let nothing = || Fault::format("a condition asks nothing");
    Ok(match condition.condition_one_of.ok_or_else(nothing)? {
        ConditionOneOf::Field(of) => field(of)?,
        ConditionOneOf::IsEmpty(of) => json!({"is_empty": {"key": of.key}}),
        ConditionOneOf::IsNull(of) => json!({"is_null": {"key": of.key}}),
        ConditionOneOf::HasId(of) => json!({"has_id": ids_json(of.has_id)}),
        ConditionOneOf::HasVector(of) => json!({"has_vector": of.has_vector}),
        ConditionOneOf::Slice(of) => json!({"slice": {"total": of.total, "index": of.index}}),
        ConditionOneOf::Filter(of) => filter(of)?,
        ConditionOneOf::Nested(of) => {
            let inner = filter(of.filter.unwrap_or_default())?;
            json!({"nested": {"key": of.key, "filter": inner}})
        }
    })
}

fn field(of: q::FieldCondition) -> Result<Value> {
    let range = match (of.range, of.datetime_range) {
        (Some(_), Some(_)) => return Err(Fault::format("a field is asked for numbers and for instants at once")),
        (Some(range), None) => Some(bounds([range.gt, range.gte, range.lt, range.lte], number)?),
        (None, Some(range)) => {
            let text = |instant: q::Timestamp| Ok(Value::String(instant.to_string()));
            Some(bounds([range.gt, range.gte, range.lt, range.lte], text)?)
        }
        (None, None) => None,
    };
    let count = of.values_count.map(|count| bounds([count.gt, count.gte, count.lt, count.lte], |end| Ok(end.into())));
    let ring = |line: q::GeoLineString| -> Result<Value> {
        Ok(json!({"points": line.points.into_iter().map(place).collect::<Result<Vec<_>>>()?}))
    };
    let corner = |of: Option<q::GeoPoint>| place(of.unwrap_or_default());
    let bounding_box = match of.geo_bounding_box {
        None => None,
        Some(of) => Some(json!({"top_left": corner(of.top_left)?, "bottom_right": corner(of.bottom_right)?})),
    };
    let circle = match of.geo_radius {
        None => None,
        Some(of) => Some(json!({"center": corner(of.center)?, "radius": number(of.radius.into())?})),
    };
    let polygon = match of.geo_polygon {
        None => None,
        Some(of) => {
            let interiors = of.interiors.into_iter().map(ring).collect::<Result<Vec<_>>>()?;
            Some(json!({"exterior": ring(of.exterior.unwrap_or_default())?, "interiors": interiors}))
        }
    };
    Ok(given([
        ("key", Some(json!(of.key))),
        ("match", of.r#match.map(matched).transpose()?),
        ("range", range),
        ("values_count", count.transpose()?),
        ("geo_bounding_box", bounding_box),
        ("geo_radius", circle),
        ("geo_polygon", polygon),
        ("is_empty", of.is_empty.map(Value::Bool)),
        ("is_null", of.is_null.map(Value::Bool)),
    ]))
}

fn matched(of: q::Match) -> Result<Value> {
    Ok(match of.match_value.ok_or_else(|| Fault::format("match asks nothing"))? {
        MatchValue::Keyword(text) => json!({"value": text}),
        MatchValue::Integer(number) => json!({"value": number}),
        MatchValue::Boolean(flag) => json!({"value": flag}),
        MatchValue::Text(text) => json!({"text": text}),
        MatchValue::TextAny(text) => json!({"text_any": text}),
        MatchValue::Phrase(text) => json!({"phrase": text}),
        MatchValue::Prefix(text) => json!({"prefix": text}),
        MatchValue::Substring(text) => json!({"substring": text}),
        MatchValue::Keywords(several) => json!({"any": several.strings}),
        MatchValue::Integers(several) => json!({"any": several.integers}),
        MatchValue::ExceptKeywords(several) => json!({"except": several.strings}),
        MatchValue::ExceptIntegers(several) => json!({"except": several.integers}),
    })
}

fn bounds<T>(ends: [Option<T>; 4], end: impl Fn(T) -> Result<Value>) -> Result<Value> {
    let [gt, gte, lt, lte] = ends.map(|given| given.map(&end).transpose());
    Ok(given([("gt", gt?), ("gte", gte?), ("lt", lt?), ("lte", lte?)]))
}

/// A place on earth.
pub(super) fn place(of: q::GeoPoint) -> Result<Value> {
    Ok(json!({"lat": number(of.lat)?, "lon": number(of.lon)?}))
}

/// Points by id or by filter, as JSON.
pub(super) fn selector(of: Option<q::PointsSelector>) -> Result<Value> {
    use nigh_proto::qdrant::points_selector::PointsSelectorOneOf::{Filter, Points};
    match of.and_then(|of| of.points_selector_one_of) {
        None => Ok(json!({})),
        Some(Points(list)) => Ok(json!({"points": list.ids.into_iter().map(id_json).collect::<Vec<_>>()})),
        Some(Filter(of)) => Ok(json!({"filter": filter(of)?})),
    }
}
