//! Filters, ids and scalars: from the wire to conditions.
//!
//! Errors name the place inside the request; it is put together only where there is one.

use crate::engine::error::{Error, Result};
use nigh_index::filter::condition::{Bounds, Condition, Range, Scalar, Test};
use nigh_index::filter::datetime;
use nigh_index::filter::geo::{Place, Ring, Shape};
use nigh_index::filter::parse;
use nigh_index::filter::slice::Slice;
use nigh_index::filter::words::{How, Words};
use nigh_index::id::PointId;
use nigh_index::value::Path;
use nigh_proto::v1::{self, condition, field_condition, point_id, scalar};
use uuid::Uuid;

/// Something that has to be there is not.
pub(super) fn left_out(field: &str, limit: &str) -> Error {
    Error::invalid(field, "left out", limit)
}

/// A point's id.
pub(super) fn id(field: &str, id: Option<v1::PointId>) -> Result<PointId> {
    match id.and_then(|id| id.id) {
        Some(point_id::Id::Num(number)) => Ok(PointId::Num(number)),
        Some(point_id::Id::Uuid(text)) => match Uuid::try_parse(&text) {
            Ok(uuid) => Ok(PointId::Uuid(uuid)),
            Err(_) => Err(Error::invalid(field, format!("`{}`", short(&text)), "an id is a number or a UUID")),
        },
        None => Err(left_out(field, "an id is a number or a UUID")),
    }
}

/// Several ids.
pub(super) fn ids(field: &str, ids: Vec<v1::PointId>) -> Result<Vec<PointId>> {
    let one = |(at, one)| id("id", Some(one)).map_err(|err| at_place(err, field, at));
    ids.into_iter().enumerate().map(one).collect()
}

/// An id as it goes out.
pub(super) fn id_out(id: PointId) -> v1::PointId {
    let id = match id {
        PointId::Num(number) => point_id::Id::Num(number),
        PointId::Uuid(uuid) => point_id::Id::Uuid(uuid.to_string()),
    };
    v1::PointId { id: Some(id) }
}

/// A filter that may be left out; one without conditions holds for everything.
pub(super) fn optional(filter: Option<v1::Filter>) -> Result<Option<Condition>> {
    match filter {
        Some(filter) if !is_empty(&filter) => Ok(Some(tree(filter).map_err(|err| err.inside("filter"))?)),
        _ => Ok(None),
    }
}

fn is_empty(filter: &v1::Filter) -> bool {
    filter.must.is_empty() && filter.should.is_empty() && filter.must_not.is_empty()
}

/// A filter. How deep it may be is limited by the decoder of messages before it comes here.
pub(super) fn tree(filter: v1::Filter) -> Result<Condition> {
    Ok(Condition::Tree {
        must: conditions("must", filter.must)?,
        should: conditions("should", filter.should)?,
        must_not: conditions("must_not", filter.must_not)?,
    })
}

fn conditions(clause: &str, conditions: Vec<v1::Condition>) -> Result<Vec<Condition>> {
    let one = |(at, one): (usize, v1::Condition)| match one.condition {
        Some(condition) => self::condition(condition).map_err(|err| at_place(err, clause, at)),
        None => Err(left_out(&format!("{clause}[{at}]"), "a condition is a filter, a field, ids, at_least or nested")),
    };
    conditions.into_iter().enumerate().map(one).collect()
}

fn condition(condition: condition::Condition) -> Result<Condition> {
    match condition {
        condition::Condition::Filter(inner) => tree(inner).map_err(|err| err.inside("filter")),
        condition::Condition::HasId(of) => Ok(Condition::HasId(ids("has_id", of.ids)?)),
        condition::Condition::HasVector(name) => Ok(Condition::HasVector(name)),
        condition::Condition::Slice(v1::Slice { index, total }) => Ok(Condition::Slice(Slice { index, total })),
        condition::Condition::Text(text) => typed(&text),
        condition::Condition::AtLeast(some) => {
            let of = conditions("of", some.of).map_err(|err| err.inside("at_least"))?;
            Ok(Condition::AtLeast { count: some.count as usize, of })
        }
        condition::Condition::Nested(of) => {
            let inner = of.filter.ok_or_else(|| left_out("nested.filter", "an object is asked something"))?;
            let condition = tree(inner).map_err(|err| err.inside("nested.filter"))?;
            Ok(Condition::Nested { path: Path::parse(&of.path)?, condition: Box::new(condition) })
        }
        condition::Condition::Field(of) => {
            let path = Path::parse(&of.path)?;
            let test = of.test.ok_or_else(|| left_out("field.test", "a field is asked something"))?;
            Ok(Condition::Field { test: self::test(test).map_err(|err| err.inside("field"))?, path })
        }
    }
}

/// A filter as people write it; an error names the column.
fn typed(text: &str) -> Result<Condition> {
    parse::parse(text).map_err(|err| match Error::from(err) {
        Error::Invalid { value, limit, .. } => Error::invalid("text", value, limit),
        other => other,
    })
}

fn test(test: field_condition::Test) -> Result<Test> {
    use field_condition::Test as Wire;
    Ok(match test {
        Wire::Match(one) => Test::AnyOf(vec![scalar("match", one)?]),
        Wire::AnyOf(several) => Test::AnyOf(scalars("any_of", several)?),
        Wire::NoneOf(several) => Test::NoneOf(scalars("none_of", several)?),
        Wire::Range(v1::NumberRange { gt, gte, lt, lte }) => Test::Range(Range::Number(Bounds { gt, gte, lt, lte })),
        Wire::DatetimeRange(range) => Test::Range(Range::Datetime(Bounds {
            gt: instant("gt", range.gt)?,
            gte: instant("gte", range.gte)?,
            lt: instant("lt", range.lt)?,
            lte: instant("lte", range.lte)?,
        })),
        Wire::IsEmpty(_) => Test::Empty,
        Wire::IsNull(_) => Test::Null,
        Wire::Prefix(text) => Test::Prefix(text),
        Wire::Substring(text) => Test::Substring(text),
        Wire::Words(asked) => {
            let how = match v1::words_test::How::try_from(asked.how) {
                Ok(v1::words_test::How::Unspecified | v1::words_test::How::All) => How::All,
                Ok(v1::words_test::How::Any) => How::Any,
                Ok(v1::words_test::How::Phrase) => How::Phrase,
                Ok(v1::words_test::How::Prefix) => How::Prefix,
                Err(_) => return Err(Error::invalid("words.how", asked.how, "all, any, phrase or prefix")),
            };
            Test::Words(Words::new(&asked.text, how))
        }
        Wire::Geo(shape) => Test::Geo(self::shape(shape).map_err(|err| err.inside("geo"))?),
        Wire::ValuesCount(v1::CountRange { gt, gte, lt, lte }) => Test::Count(Bounds { gt, gte, lt, lte }),
    })
}

fn shape(shape: v1::GeoShape) -> Result<Shape> {
    use v1::geo_shape::Shape as Wire;
    Ok(match shape.shape.ok_or_else(|| left_out("shape", "a shape is a circle, a box or a polygon"))? {
        Wire::Circle(circle) => Shape::Circle { center: place("circle.center", circle.center)?, meters: circle.meters },
        Wire::Box(ends) => {
            let low = place("box.south_west", ends.south_west)?;
            let high = place("box.north_east", ends.north_east)?;
            Shape::Box { south: low.lat, west: low.lon, north: high.lat, east: high.lon }
        }
        Wire::Polygon(polygon) => Shape::Polygon {
            outer: ring(polygon.outer.unwrap_or_default()),
            holes: polygon.holes.into_iter().map(ring).collect(),
        },
    })
}

fn ring(ring: v1::GeoRing) -> Ring {
    ring.places.into_iter().map(|place| Place { lat: place.lat, lon: place.lon }).collect()
}

/// Whether there are such degrees is seen when the filter is checked.
fn place(field: &str, place: Option<v1::GeoPlace>) -> Result<Place> {
    let place = place.ok_or_else(|| left_out(field, "a place has degrees"))?;
    Ok(Place { lat: place.lat, lon: place.lon })
}

fn scalars(field: &str, several: v1::Scalars) -> Result<Vec<Scalar>> {
    let one = |(at, one)| scalar("scalar", one).map_err(|err| at_place(err, field, at));
    several.scalars.into_iter().enumerate().map(one).collect()
}

fn scalar(field: &str, scalar: v1::Scalar) -> Result<Scalar> {
    Ok(match scalar.scalar.ok_or_else(|| left_out(field, "a scalar is a keyword, a number or a bool"))? {
        scalar::Scalar::Keyword(text) => Scalar::Keyword(text),
        scalar::Scalar::Integer(integer) => Scalar::Integer(integer),
        scalar::Scalar::Float(float) => Scalar::Float(float),
        scalar::Scalar::Bool(bool) => Scalar::Bool(bool),
    })
}

fn instant(end: &str, text: Option<String>) -> Result<Option<i64>> {
    let Some(text) = text else { return Ok(None) };
    match datetime::micros(&text) {
        Some(micros) => Ok(Some(micros)),
        None => {
            let limit = "an instant is RFC 3339 or YYYY-MM-DD";
            Err(Error::invalid(format!("datetime_range.{end}"), format!("`{}`", short(&text)), limit))
        }
    }
}

/// The error of one element, with its place.
pub(super) fn at_place(err: Error, field: &str, at: usize) -> Error {
    err.inside(&format!("{field}[{at}]"))
}

/// As much of a text as an error should repeat.
pub(super) fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(path: &str, test: Option<field_condition::Test>) -> v1::Condition {
        let field = v1::FieldCondition { path: path.into(), test };
        v1::Condition { condition: Some(condition::Condition::Field(field)) }
    }

    fn check(must_not: v1::Condition, expected: &str) {
        let inner = v1::Filter { must_not: vec![must_not], ..Default::default() };
        let outer = v1::Condition { condition: Some(condition::Condition::Filter(inner)) };
        let filter = v1::Filter { must: vec![outer], ..Default::default() };
        let err = optional(Some(filter)).unwrap_err().to_string();
        assert_eq!(err, format!("filter.must[0].filter.must_not[0]{expected}"));
    }

    #[test]
    fn a_mistake_names_its_place() {
        let day = |gte: &str| v1::DatetimeRange { gte: Some(gte.into()), ..Default::default() };
        check(
            v1::Condition { condition: None },
            " is left out; a condition is a filter, a field, ids, at_least or nested",
        );
        check(field("n", None), ".field.test is left out; a field is asked something");
        check(field("", None), ".field is ``; a path is keys joined by dots, none of them empty");
        check(
            field("d", Some(field_condition::Test::DatetimeRange(day("2021-13-45")))),
            ".field.datetime_range.gte is `2021-13-45`; an instant is RFC 3339 or YYYY-MM-DD",
        );
        let zz = v1::PointId { id: Some(point_id::Id::Uuid("zz".into())) };
        let ids = v1::PointIds { ids: vec![zz] };
        let typed = v1::Condition { condition: Some(condition::Condition::Text("n = ".into())) };
        check(
            typed,
            ".text is `n = `; at column 5, expected a number of 64 bits, a 'text', TRUE or FALSE, found the end",
        );
        let has_id = v1::Condition { condition: Some(condition::Condition::HasId(ids)) };
        check(has_id, ".has_id[0].id is `zz`; an id is a number or a UUID");
    }

    #[test]
    fn a_filter_may_be_typed() {
        let text = v1::Condition { condition: Some(condition::Condition::Text("n = 1 AND m = 2".into())) };
        let typed = optional(Some(v1::Filter { must: vec![text], ..Default::default() })).unwrap().unwrap();
        let Condition::Tree { must, .. } = typed else { panic!("{typed:?}") };
        assert_eq!(must, [parse::parse("n = 1 AND m = 2").unwrap()]);
    }

    #[test]
    fn nothing_asked_is_no_filter() {
        assert_eq!(optional(None).unwrap(), None);
        assert_eq!(optional(Some(v1::Filter::default())).unwrap(), None);
    }

    #[test]
    fn ids_come_back_as_they_went_out() {
        for one in [PointId::Num(0), PointId::Num(u64::MAX), PointId::Uuid(Uuid::from_u128(7))] {
            assert_eq!(id("id", Some(id_out(one))).unwrap(), one);
        }
    }
}
