//! A filter as it was typed, as the client sends it.

use crate::cli::failure::Result;
use nigh_client::filter::{Condition, Filter, How, Place, Range, Scalar, Shape, Test};
use nigh_client::id::PointId;
use nigh_index::filter::condition as typed;
use nigh_index::filter::{datetime, geo, parse, words};

/// Reads a filter such as `kind = 'news' AND year >= 2020`.
pub(crate) fn read(text: &str) -> Result<Filter> {
    Ok(condition(parse::parse(text)?).into())
}

fn condition(from: typed::Condition) -> Condition {
    let all = |conditions: Vec<typed::Condition>| conditions.into_iter().map(condition).collect();
    match from {
        typed::Condition::Tree { must, should, must_not } => {
            Condition::Tree(Filter { must: all(must), should: all(should), must_not: all(must_not) })
        }
        typed::Condition::Field { path, test: asked } => Condition::Field(path.as_str().to_owned(), test(asked)),
        typed::Condition::HasId(ids) => Condition::HasId(ids.into_iter().map(id).collect()),
        typed::Condition::HasVector(name) => Condition::HasVector(name),
        typed::Condition::Slice(slice) => Condition::Slice { index: slice.index, total: slice.total },
        typed::Condition::AtLeast { count, of } => {
            Condition::AtLeast(u32::try_from(count).unwrap_or(u32::MAX), all(of))
        }
        typed::Condition::Nested { path, condition: inner } => {
            Condition::Nested(path.as_str().to_owned(), condition(*inner).into())
        }
    }
}

fn id(from: nigh_index::id::PointId) -> PointId {
    match from {
        nigh_index::id::PointId::Num(number) => PointId::Num(number),
        nigh_index::id::PointId::Uuid(uuid) => PointId::Uuid(uuid),
    }
}

fn test(from: typed::Test) -> Test {
    let scalars = |scalars: Vec<typed::Scalar>| scalars.into_iter().map(scalar).collect();
    match from {
        typed::Test::AnyOf(values) => Test::AnyOf(scalars(values)),
        typed::Test::NoneOf(values) => Test::NoneOf(scalars(values)),
        typed::Test::Range(typed::Range::Number(ends)) => {
            Test::Numbers(Range { gt: ends.gt, gte: ends.gte, lt: ends.lt, lte: ends.lte })
        }
        typed::Test::Range(typed::Range::Datetime(ends)) => {
            let text = |end: Option<i64>| end.map(datetime::text);
            Test::Instants(Range { gt: text(ends.gt), gte: text(ends.gte), lt: text(ends.lt), lte: text(ends.lte) })
        }
        typed::Test::Empty => Test::Empty,
        typed::Test::Null => Test::Null,
        typed::Test::Prefix(prefix) => Test::Prefix(prefix),
        typed::Test::Substring(part) => Test::Substring(part),
        typed::Test::Words(words) => {
            let how = match words.how() {
                words::How::All => How::All,
                words::How::Any => How::Any,
                words::How::Phrase => How::Phrase,
                words::How::Prefix => How::Prefix,
            };
            Test::Words(words.words().join(" "), how)
        }
        typed::Test::Geo(asked) => Test::Geo(shape(asked)),
        typed::Test::Count(ends) => Test::Count(Range { gt: ends.gt, gte: ends.gte, lt: ends.lt, lte: ends.lte }),
    }
}

fn shape(from: geo::Shape) -> Shape {
    let place = |place: geo::Place| Place { lat: place.lat, lon: place.lon };
    let ring = |ring: geo::Ring| ring.into_iter().map(place).collect();
    match from {
        geo::Shape::Circle { center, meters } => Shape::Circle { center: place(center), meters },
        geo::Shape::Box { south, west, north, east } => {
            Shape::Box { south_west: Place { lat: south, lon: west }, north_east: Place { lat: north, lon: east } }
        }
        geo::Shape::Polygon { outer, holes } => {
            Shape::Polygon { outer: ring(outer), holes: holes.into_iter().map(ring).collect() }
        }
    }
}

fn scalar(from: typed::Scalar) -> Scalar {
    match from {
        typed::Scalar::Keyword(text) => Scalar::Keyword(text),
        typed::Scalar::Integer(number) => Scalar::Integer(number),
        typed::Scalar::Float(number) => Scalar::Float(number),
        typed::Scalar::Bool(value) => Scalar::Bool(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nigh_client::field;

    #[test]
    fn typed_filters_become_the_clients() {
        let check = |text: &str, expected: Condition| assert_eq!(read(text).unwrap(), Filter::from(expected), "{text}");
        check("kind = 'news'", field("kind").eq("news"));
        check("year >= 2020", field("year").at_least(2020));
        check("tags IN ('a', 'b')", field("tags").any_of(["a", "b"]));
        check("date IS EMPTY", field("date").is_empty());
        check("HAS_ID (1, 2)", nigh_client::filter::has_id([1, 2]));
        check("AT_LEAST(1, a = 1)", nigh_client::filter::at_least(1, [field("a").eq(1)]));
        check("authors HAS (age > 3)", field("authors").has(field("age").above(3)));
        check("t STARTS WITH 'ab'", field("t").starts_with("ab"));
        check("t CONTAINS PHRASE 'A b'", field("t").words("a b", How::Phrase));
        check("p WITHIN 5 OF (1, -2)", field("p").near(1.0, -2.0, 5.0));
        check("COUNT(t) < 3", field("t").count(Range { lt: Some(3), ..Range::default() }));
        let since = Range { gte: Some("2020-01-01T00:00:00Z".to_owned()), ..Range::default() };
        check("date >= '2020-01-01'", field("date").instants(since));
    }

    #[test]
    fn a_filter_that_makes_no_sense_is_a_mistake_of_usage() {
        assert_eq!(read("kind = ").unwrap_err().exit_code(), 2);
    }
}
