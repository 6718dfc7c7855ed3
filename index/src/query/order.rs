//! Points in the order of a payload field: numbers, or strings that are instants.
//!
//! A point stands once, at its first value in that order. Points without such a value are left out.

use crate::error::Result;
use crate::filter::datetime;
use crate::filter::field::{Fields, Seen};
pub use crate::filter::number::Real;
use crate::row::Row;
use crate::value::Path;
use serde_json::Value;
use std::cmp::Ordering;

/// An order.
#[derive(Clone, PartialEq, Debug)]
pub struct OrderBy {
    /// Where the values are.
    pub path: Path,
    /// Which way.
    pub direction: Direction,
    /// Only values from this one on, itself included.
    pub from: Option<Real>,
}

/// Which way values go.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Small ones first, equal ones by rising id.
    Rising,
    /// Great ones first, equal ones by falling id.
    Falling,
}

impl Direction {
    /// As [`Ordering`]: what comes first is less.
    pub fn turn(self, order: Ordering) -> Ordering {
        match self {
            Self::Rising => order,
            Self::Falling => order.reverse(),
        }
    }
}

/// What a value is ordered by: a number by itself, a string that is an instant by its microseconds since 1970.
fn key(seen: Seen<'_>) -> Option<Real> {
    match seen {
        Seen::Number(number) => Some(number),
        Seen::Keyword(text) => datetime::micros(text).map(Real::Integer),
        Seen::Mark(_) => None,
    }
}

/// The number or instant in a JSON value.
pub fn number_of(value: &Value) -> Option<Real> {
    match value {
        Value::Number(number) => Real::of(number),
        Value::String(text) => datetime::micros(text).map(Real::Integer),
        _ => None,
    }
}

impl OrderBy {
    /// Whether a value is not before the first one wanted.
    fn is_in(&self, value: Real) -> bool {
        self.from.is_none_or(|from| self.direction.turn(value.cmp(&from)).is_ge())
    }

    /// The value that a payload is ordered by.
    pub fn of(&self, payload: &Value) -> Option<Real> {
        let mut first: Option<Real> = None;
        self.path.each(payload, &mut |value| {
            if let Some(value) = number_of(value).filter(|value| self.is_in(*value))
                && first.is_none_or(|first| self.direction.turn(value.cmp(&first)).is_lt())
            {
                first = Some(value);
            }
        });
        first
    }

    /// Every row with every value that it might stand at, from an index; a row may come again. False where no index
    /// can tell.
    pub fn each(&self, fields: &dyn Fields, see: &mut dyn FnMut(Real, Row)) -> Result<bool> {
        fields.each_scalar(&self.path, &mut |seen, row| {
            if let Some(value) = key(seen).filter(|value| self.is_in(*value)) {
                see(value, row);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::extract::Extracted;
    use crate::filter::live::LiveFields;
    use crate::filter::rules::FieldRules;
    use serde_json::json;

    fn order(direction: Direction, from: Option<Real>) -> OrderBy {
        OrderBy { path: Path::parse("n").unwrap(), direction, from }
    }

    #[test]
    fn a_payload_stands_at_its_first_value() {
        let payload = json!({"n": [3, -1.5, "x", null, u64::MAX]});
        assert_eq!(order(Direction::Rising, None).of(&payload), Some(Real::Float(-1.5)));
        assert_eq!(order(Direction::Falling, None).of(&payload), Some(Real::Natural(u64::MAX)));
        assert_eq!(order(Direction::Rising, Some(Real::Integer(0))).of(&payload), Some(Real::Integer(3)));
        assert_eq!(order(Direction::Falling, Some(Real::Integer(3))).of(&payload), Some(Real::Integer(3)));
        assert_eq!(
            order(Direction::Rising, None).of(&json!({"n": "1970-01-01T00:00:01Z"})),
            Some(Real::Integer(1_000_000))
        );
        assert_eq!(order(Direction::Rising, None).of(&json!({"m": 1})), None);
    }

    #[test]
    fn an_index_tells_the_same() {
        let payloads =
            [json!({"n": [3, 1]}), json!({"n": "2026-01-01"}), json!({}), json!({"n": -2.5}), json!({"n": true})];
        let rules = FieldRules::default();
        let fields = LiveFields::build(payloads.iter().map(|payload| Extracted::of(payload, &rules)), &rules);
        for direction in [Direction::Rising, Direction::Falling] {
            for from in [None, Some(Real::Integer(2))] {
                let order = order(direction, from);
                let mut found = vec![None; payloads.len()];
                let known = order.each(&fields, &mut |value, row| {
                    let first: &mut Option<Real> = &mut found[row.at()];
                    if first.is_none_or(|first| direction.turn(value.cmp(&first)).is_lt()) {
                        *first = Some(value);
                    }
                });
                assert!(known.unwrap());
                let expected: Vec<_> = payloads.iter().map(|payload| order.of(payload)).collect();
                assert_eq!(found, expected);
            }
        }
    }
}
