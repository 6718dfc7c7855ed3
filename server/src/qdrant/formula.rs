//! Formulas: from JSON expressions to nigh's own.

use super::ask::some;
use super::fault::{Fault, Result};
use super::{filter, path};
use nigh_index::filter::datetime;
use nigh_index::filter::geo::Place;
use nigh_index::query::formula::{DEPTH_MAX, Formula, Function, Shape};
use serde_json::{Map, Value};

/// Reads an expression; `defaults` says what counts where a variable is missing.
pub(super) fn read(value: &Value, defaults: Option<&Value>) -> Result<Formula> {
    let none = Map::new();
    let defaults = defaults.and_then(Value::as_object).unwrap_or(&none);
    expression(value, defaults, 0)
}

fn wrong(why: &str) -> Fault {
    Fault::format(format_args!("formula: {why}"))
}

fn expression(value: &Value, defaults: &Map<String, Value>, depth: usize) -> Result<Formula> {
    if depth > DEPTH_MAX {
        return Err(Fault::bad_request(format_args!("a formula is at most {DEPTH_MAX} deep")));
    }
    let inner = |value: &Value| expression(value, defaults, depth + 1);
    let boxed = |value: Option<&Value>, what: &str| match value {
        Some(value) => Ok(Box::new(inner(value)?)),
        None => Err(wrong(what)),
    };
    let object = match value {
        Value::Number(number) => return Ok(Formula::Constant(number.as_f64().unwrap_or(f64::NAN))),
        Value::String(variable) => return self::variable(variable, defaults),
        Value::Object(object) => object,
        _ => return Err(wrong("an expression is a number, a variable, a condition or an operation")),
    };
    let several = |value: &Value| -> Result<Vec<Formula>> {
        let values = value.as_array().ok_or_else(|| wrong("sum, mult, max and min are lists"))?;
        values.iter().map(inner).collect()
    };
    let (Some((name, of)), 1) = (object.iter().next(), object.len()) else {
        return filter::filter(&serde_json::json!({ "must": [value] })).map(Formula::Holds);
    };
    let apply = |function: Function| Ok(Formula::Apply(function, Box::new(inner(of)?)));
    match &name[..] {
        "sum" => several(of).map(Formula::Sum),
        "mult" => several(of).map(Formula::Product),
        "max" => several(of).map(Formula::Greatest),
        "min" => several(of).map(Formula::Least),
        "neg" => apply(Function::Negative),
        "abs" => apply(Function::Absolute),
        "sqrt" => apply(Function::Root),
        "exp" => apply(Function::Exponential),
        "ln" => apply(Function::Ln),
        "log10" => apply(Function::Log10),
        "acosh" => apply(Function::Acosh),
        "pow" => Ok(Formula::Power(
            boxed(some(of, "base"), "pow has a base")?,
            boxed(some(of, "exponent"), "pow has an exponent")?,
        )),
        "div" => Ok(Formula::Quotient {
            of: boxed(some(of, "left"), "div has a left")?,
            by: boxed(some(of, "right"), "div has a right")?,
            by_zero: some(of, "by_zero_default").and_then(Value::as_f64),
        }),
        "datetime" => seconds(of.as_str().unwrap_or_default()).map(Formula::Constant),
        // A path whose string is an instant counts in seconds by itself.
        "datetime_key" => {
            let text = of.as_str().ok_or_else(|| wrong("datetime_key is a path"))?;
            let missing = match defaults.get(text) {
                Some(Value::String(instant)) => Some(seconds(instant)?),
                other => other.and_then(Value::as_f64),
            };
            Ok(Formula::Field { path: path::field(text)?, missing })
        }
        "geo_distance" => {
            let degrees = |name: &str| of.get("origin").and_then(|place| place.get(name)).and_then(Value::as_f64);
            let (Some(lat), Some(lon)) = (degrees("lat"), degrees("lon")) else {
                return Err(wrong("geo_distance has an origin with lat and lon"));
            };
            let to = some(of, "to").and_then(Value::as_str).ok_or_else(|| wrong("geo_distance goes to a path"))?;
            let from = Place { lat, lon };
            let missing = match defaults.get(to) {
                None | Some(Value::Null) => None,
                Some(place) => {
                    let place = place.as_object().and_then(Place::of);
                    let place = place.ok_or_else(|| wrong("the default of a place has lat and lon in degrees"))?;
                    Some(place.meters_to(from))
                }
            };
            Ok(Formula::Meters { path: path::field(to)?, from, missing })
        }
        "lin_decay" => decay(Shape::Linear, of, &inner),
        "exp_decay" => decay(Shape::Exponential, of, &inner),
        "gauss_decay" => decay(Shape::Gauss, of, &inner),
        _ => filter::filter(&serde_json::json!({ "must": [value] })).map(Formula::Holds),
    }
}

/// A date and time as seconds since 1970.
fn seconds(text: &str) -> Result<f64> {
    let micros = datetime::micros(text).ok_or_else(|| wrong("a date and time is one of RFC 3339"))?;
    Ok(micros as f64 / 1e6)
}

fn decay(shape: Shape, value: &Value, inner: &dyn Fn(&Value) -> Result<Formula>) -> Result<Formula> {
    let number = |name: &str, default: f64| some(value, name).map_or(Some(default), Value::as_f64);
    let of = some(value, "x").ok_or_else(|| wrong("a decay has an x"))?;
    let target = some(value, "target").map(inner).transpose()?.map(Box::new);
    let (Some(scale), Some(midpoint)) = (number("scale", 1.0), number("midpoint", 0.5)) else {
        return Err(wrong("scale and midpoint are numbers"));
    };
    Ok(Formula::Decay { shape, of: Box::new(inner(of)?), target, scale, midpoint })
}

/// `$score`, `$score[i]`, or a path of the payload.
fn variable(text: &str, defaults: &Map<String, Value>) -> Result<Formula> {
    let default = defaults.get(text).and_then(Value::as_f64);
    let Some(rest) = text.strip_prefix("$score") else {
        return Ok(Formula::Field { path: path::field(text)?, missing: default });
    };
    let source = match rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        None if rest.is_empty() => 0,
        None => return Err(wrong("a score is written $score or $score[0]")),
        Some(place) => place.parse().map_err(|_| wrong("a score is written $score or $score[0]"))?,
    };
    Ok(Formula::Score { source, missing: default.unwrap_or(0.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nigh_index::value::Path;
    use serde_json::json;

    #[test]
    fn expressions_are_read() {
        let defaults = json!({"likes": 3});
        let read = |value: Value| super::read(&value, Some(&defaults));
        let score = Formula::Score { source: 1, missing: 0.0 };
        let likes = Formula::Field { path: Path::parse("likes").unwrap(), missing: Some(3.0) };
        assert_eq!(
            read(json!({"sum": ["$score[1]", {"mult": [2, "likes"]}]})),
            Ok(Formula::Sum(vec![score, Formula::Product(vec![Formula::Constant(2.0), likes])]))
        );
        assert!(matches!(read(json!({"key": "a", "match": {"value": 1}})), Ok(Formula::Holds(_))));
        let far = json!({"geo_distance": {"origin": {"lat": 0, "lon": 0}, "to": "home"}});
        let missing = |place: Value| match super::read(&far, Some(&json!({ "home": place }))) {
            Ok(Formula::Meters { missing, .. }) => missing.map(f64::round),
            other => panic!("{other:?}"),
        };
        assert_eq!(missing(json!({"lat": 1, "lon": 0})), Some(111_195.0));
        assert_eq!(missing(Value::Null), None);
        assert!(super::read(&far, Some(&json!({"home": 7}))).is_err());
        assert!(matches!(read(json!({"max": ["likes", {"min": [1, {"acosh": 2}]}]})), Ok(Formula::Greatest(_))));
        assert!(matches!(read(json!({"gauss_decay": {"x": "$score", "scale": 2}})), Ok(Formula::Decay { .. })));
        for wrong in [json!(null), json!({"div": {"left": 1}}), json!("$scores"), json!({"pow": 1}), json!({"a": 1})] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
