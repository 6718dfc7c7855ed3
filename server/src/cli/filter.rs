//! A filter as it was typed, as the client sends it.

use crate::cli::failure::Result;
use nigh_client::filter::{Condition, Filter, Range, Scalar, Test};
use nigh_client::id::PointId;
use nigh_index::filter::condition as typed;
use nigh_index::filter::{datetime, parse};

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
        let since = Range { gte: Some("2020-01-01T00:00:00Z".to_owned()), ..Range::default() };
        check("date >= '2020-01-01'", field("date").instants(since));
    }

    #[test]
    fn a_filter_that_makes_no_sense_is_a_mistake_of_usage() {
        assert_eq!(read("kind = ").unwrap_err().exit_code(), 2);
    }
}
