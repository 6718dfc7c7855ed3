//! The passage collection: how it is kept in nigh, and its filters as a client asks them.

use nigh_client::filter::{Range, Scalar};
use nigh_client::{CollectionSpec, Condition, Filter, Metric, field};
use serde_json::Value;

/// The name of the vector field.
pub const VECTOR: &str = "text";
/// The name of the text field.
pub const TEXT: &str = "text";

/// A collection for passages.
pub fn spec(size: usize) -> CollectionSpec {
    CollectionSpec::new().vector(VECTOR, size as u32, Metric::Cosine).text(TEXT, "english")
}

/// A filter of `filters.json`.
pub fn filter(filter: &Value) -> Filter {
    let all = |name: &str| filter[name].as_array().into_iter().flatten().map(condition);
    Filter::must(all("must")).or(all("should")).without(all("must_not"))
}

fn condition(clause: &Value) -> Condition {
    let path = field(clause["field"].as_str().unwrap());
    let end = |name: &str| clause.get(name).map(|end| end.as_f64().unwrap());
    if clause.get("missing").is_some() {
        return path.is_empty();
    }
    if let Some(value) = clause.get("eq").or(clause.get("contains")) {
        return path.eq(scalar(value));
    }
    if let Some(values) = clause.get("in") {
        return path.any_of(values.as_array().unwrap().iter().map(scalar));
    }
    path.numbers(Range { gt: end("gt"), gte: end("gte"), lt: end("lt"), lte: end("lte") })
}

fn scalar(value: &Value) -> Scalar {
    match value {
        Value::String(text) => Scalar::Keyword(text.clone()),
        Value::Bool(flag) => Scalar::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Scalar::Integer(integer),
            None => Scalar::Float(number.as_f64().unwrap()),
        },
        other => panic!("{other} is not a scalar"),
    }
}
