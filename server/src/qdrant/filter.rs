//! Filters: from JSON to conditions.
//!
//! A field condition may ask several things; it holds where one of them does. An unknown key is an error here and
//! nowhere else: a filter that is misread would answer with points that nobody asked for.

use super::fault::{Fault, Result};
use super::{ids, path};
use nigh_index::filter::condition::{Bounds, Condition, Range, Scalar, Test};
use nigh_index::filter::datetime;
use nigh_index::filter::geo::{Place, Ring, Shape};
use nigh_index::filter::slice::Slice;
use nigh_index::filter::words::{How, Words};
use nigh_index::value::Path;
use serde_json::{Map, Value};

/// Filters may stand in one another this deep.
const DEPTH_MAX: usize = 32;

/// A filter that may be left out.
pub(super) fn optional(value: Option<&Value>) -> Result<Option<Condition>> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => Ok(Some(tree(value, 0)?)),
    }
}

/// A filter that has to be there.
pub(super) fn filter(value: &Value) -> Result<Condition> {
    tree(value, 0)
}

fn wrong(what: &str) -> Fault {
    Fault::format(format_args!("filter: {what}"))
}

fn object<'v>(value: &'v Value, what: &str) -> Result<&'v Map<String, Value>> {
    value.as_object().ok_or_else(|| wrong(&format!("{what} is an object")))
}

fn tree(value: &Value, depth: usize) -> Result<Condition> {
    if depth > DEPTH_MAX {
        return Err(Fault::bad_request(format_args!("a filter is at most {DEPTH_MAX} deep")));
    }
    let (mut must, mut should, mut must_not) = (Vec::new(), Vec::new(), Vec::new());
    for (key, value) in object(value, "a filter")? {
        match &key[..] {
            "must" => must.extend(conditions(value, depth)?),
            "should" => should = conditions(value, depth)?,
            "must_not" => must_not = conditions(value, depth)?,
            "min_should" => match value {
                Value::Null => {}
                _ => must.push(at_least(value, depth)?),
            },
            _ => return Err(wrong(&format!("`{key}` is none of must, should, must_not and min_should"))),
        }
    }
    Ok(Condition::Tree { must, should, must_not })
}

fn at_least(value: &Value, depth: usize) -> Result<Condition> {
    let fields = object(value, "min_should")?;
    let count = fields.get("min_count").and_then(Value::as_u64).ok_or_else(|| wrong("min_count is a number"))?;
    if count == 0 {
        return Err(Fault::invalid("min_should.min_count", "it is at least 1"));
    }
    let of = conditions(fields.get("conditions").unwrap_or(&Value::Null), depth)?;
    Ok(Condition::AtLeast { count: usize::try_from(count).unwrap_or(usize::MAX), of })
}

/// A list of conditions, or one that stands for a list.
fn conditions(value: &Value, depth: usize) -> Result<Vec<Condition>> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(several) => several.iter().map(|one| condition(one, depth + 1)).collect(),
        one => Ok(vec![condition(one, depth + 1)?]),
    }
}

fn condition(value: &Value, depth: usize) -> Result<Condition> {
    let fields = object(value, "a condition")?;
    let key_of = |what: &str| {
        let inner = object(&fields[what], what)?;
        path_of(inner.get("key"))
    };
    if fields.contains_key("key") {
        return field(fields);
    }
    let only = |name: &str| match fields.len() {
        1 => Ok(()),
        _ => Err(wrong(&format!("beside {name} nothing may stand"))),
    };
    if let Some(of) = fields.get("has_id") {
        only("has_id")?;
        let of = of.as_array().ok_or_else(|| wrong("has_id is a list of ids"))?;
        return Ok(Condition::HasId(ids::ids(of)?));
    }
    if fields.contains_key("is_empty") {
        only("is_empty")?;
        return Ok(Condition::field(key_of("is_empty")?, Test::Empty));
    }
    if fields.contains_key("is_null") {
        only("is_null")?;
        return Ok(Condition::field(key_of("is_null")?, Test::Null));
    }
    if let Some(nested) = fields.get("nested") {
        only("nested")?;
        let nested = object(nested, "nested")?;
        let inner = nested.get("filter").ok_or_else(|| wrong("nested has a filter"))?;
        let condition = Box::new(tree(inner, depth + 1)?);
        return Ok(Condition::Nested { path: path_of(nested.get("key"))?, condition });
    }
    if let Some(name) = fields.get("has_vector") {
        only("has_vector")?;
        let name = name.as_str().ok_or_else(|| wrong("has_vector is the name of a vector"))?;
        return Ok(Condition::HasVector(name.to_owned()));
    }
    if let Some(slice) = fields.get("slice") {
        only("slice")?;
        return self::slice(slice);
    }
    tree(value, depth)
}

fn slice(value: &Value) -> Result<Condition> {
    let number = |name: &str| {
        let number = value.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| wrong("slice has the unsigned integers total and index"))
    };
    let slice = Slice { index: number("index")?, total: number("total")? };
    slice.check().map_err(|err| Fault::invalid("slice.index", err))?;
    Ok(Condition::Slice(slice))
}

fn path_of(key: Option<&Value>) -> Result<Path> {
    let text = key.and_then(Value::as_str).ok_or_else(|| wrong("a key is a string"))?;
    path::field(text)
}

fn field(fields: &Map<String, Value>) -> Result<Condition> {
    let path = path_of(fields.get("key"))?;
    let mut tests = Vec::new();
    for (name, value) in fields {
        if value.is_null() || name == "key" {
            continue;
        }
        let at = |test: Test| Condition::field(path.clone(), test);
        tests.push(match &name[..] {
            "match" => at(matched(value)?),
            "range" => at(Test::Range(range(value)?)),
            "geo_bounding_box" => at(Test::Geo(bounding_box(value)?)),
            "geo_radius" => at(Test::Geo(circle(value)?)),
            "geo_polygon" => at(Test::Geo(polygon(value)?)),
            "values_count" => at(Test::Count(counts(value)?)),
            "is_empty" => flag(value, at(Test::Empty))?,
            "is_null" => flag(value, at(Test::Null))?,
            _ => return Err(wrong(&format!("`{name}` is nothing that can be asked of a field"))),
        });
    }
    match tests.len() {
        0 => Err(wrong(&format!("nothing is asked of `{}`", path.as_str()))),
        1 => Ok(tests.remove(0)),
        _ => Ok(Condition::any(tests)),
    }
}

fn flag(value: &Value, condition: Condition) -> Result<Condition> {
    match value.as_bool() {
        Some(true) => Ok(condition),
        Some(false) => Ok(Condition::negated(condition)),
        None => Err(wrong("is_empty and is_null are true or false")),
    }
}

fn scalar(value: &Value) -> Result<Scalar> {
    match value {
        Value::String(text) => Ok(Scalar::Keyword(text.clone())),
        Value::Bool(flag) => Ok(Scalar::Bool(*flag)),
        Value::Number(number) if number.is_i64() => Ok(Scalar::Integer(number.as_i64().unwrap_or_default())),
        _ => Err(wrong("a value to match is a string, an integer or a boolean")),
    }
}

fn scalars(value: &Value) -> Result<Vec<Scalar>> {
    let values = value.as_array().ok_or_else(|| wrong("any and except are lists of strings or of integers"))?;
    values.iter().map(scalar).collect()
}

fn matched(value: &Value) -> Result<Test> {
    let fields = object(value, "match")?;
    let Some((name, value)) = fields.iter().next().filter(|_| fields.len() == 1) else {
        return Err(wrong("match asks one thing: value, any, except, text, text_any, phrase, prefix or substring"));
    };
    let words = |how: How| {
        let text = value.as_str().ok_or_else(|| wrong("text is a string"))?;
        Ok(Test::Words(Words::new(text, how)))
    };
    match &name[..] {
        "value" => Ok(Test::AnyOf(vec![scalar(value)?])),
        "any" => Ok(Test::AnyOf(scalars(value)?)),
        "except" => Ok(Test::NoneOf(scalars(value)?)),
        "text" => words(How::All),
        "text_any" => words(How::Any),
        "phrase" => words(How::Phrase),
        "prefix" | "substring" => match value.as_str() {
            Some(text) if name == "prefix" => Ok(Test::Prefix(text.to_owned())),
            Some(text) => Ok(Test::Substring(text.to_owned())),
            None => Err(wrong("prefix and substring are strings")),
        },
        _ => Err(wrong(&format!("match knows no `{name}`"))),
    }
}

fn bounds<T>(value: &Value, mut end: impl FnMut(&Value) -> Result<T>) -> Result<Bounds<T>> {
    let mut bounds = Bounds { gt: None, gte: None, lt: None, lte: None };
    for (name, value) in object(value, "a range")? {
        let place = match &name[..] {
            "gt" => &mut bounds.gt,
            "gte" => &mut bounds.gte,
            "lt" => &mut bounds.lt,
            "lte" => &mut bounds.lte,
            _ => return Err(wrong(&format!("a range has gt, gte, lt and lte, no `{name}`"))),
        };
        if !value.is_null() {
            *place = Some(end(value)?);
        }
    }
    Ok(bounds)
}

fn range(value: &Value) -> Result<Range> {
    let fields = object(value, "a range")?;
    if fields.values().any(Value::is_string) {
        let instant = |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            datetime::micros(text).ok_or_else(|| wrong(&format!("`{text}` is no date and time (RFC 3339)")))
        };
        return Ok(Range::Datetime(bounds(value, instant)?));
    }
    let number = |value: &Value| value.as_f64().ok_or_else(|| wrong("an end of a range is a number"));
    Ok(Range::Number(bounds(value, number)?))
}

fn counts(value: &Value) -> Result<Bounds<u64>> {
    bounds(value, |value| value.as_u64().ok_or_else(|| wrong("an end of values_count is an unsigned integer")))
}

fn place(value: Option<&Value>) -> Result<Place> {
    let degrees = |name: &str| value.and_then(|value| value.get(name)).and_then(Value::as_f64);
    match (degrees("lat"), degrees("lon")) {
        (Some(lat), Some(lon)) => Ok(Place { lat, lon }),
        _ => Err(wrong("a place has the numbers lat and lon")),
    }
}

fn circle(value: &Value) -> Result<Shape> {
    let meters = value.get("radius").and_then(Value::as_f64).ok_or_else(|| wrong("geo_radius has a radius"))?;
    Ok(Shape::Circle { center: place(value.get("center"))?, meters })
}

fn bounding_box(value: &Value) -> Result<Shape> {
    let (top, bottom) = (place(value.get("top_left"))?, place(value.get("bottom_right"))?);
    Ok(Shape::Box { south: bottom.lat, west: top.lon, north: top.lat, east: bottom.lon })
}

fn polygon(value: &Value) -> Result<Shape> {
    let ring = |value: &Value| -> Result<Ring> {
        let points = value.get("points").and_then(Value::as_array);
        let points = points.ok_or_else(|| wrong("a ring has a list of points"))?;
        if points.len() < 4 || points.first() != points.last() {
            return Err(Fault::invalid("geo_polygon", "a ring has at least 4 points, and ends where it begins"));
        }
        points[..points.len() - 1].iter().map(|point| place(Some(point))).collect()
    };
    let outer = ring(value.get("exterior").ok_or_else(|| wrong("geo_polygon has an exterior"))?)?;
    let holes = match value.get("interiors") {
        None | Some(Value::Null) => Vec::new(),
        Some(holes) => {
            let holes = holes.as_array().ok_or_else(|| wrong("interiors is a list of rings"))?;
            holes.iter().map(ring).collect::<Result<_>>()?
        }
    };
    Ok(Shape::Polygon { outer, holes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn number(path: &str, value: i64) -> Condition {
        Condition::field(Path::parse(path).unwrap(), Test::AnyOf(vec![Scalar::Integer(value)]))
    }

    #[test]
    fn groups_become_a_tree() {
        let one = json!({"key": "a", "match": {"value": 1}});
        let expected = |must: Vec<Condition>, should: Vec<Condition>, must_not: Vec<Condition>| Condition::Tree {
            must,
            should,
            must_not,
        };
        assert_eq!(filter(&json!({})), Ok(Condition::always()));
        assert_eq!(filter(&json!({"must": one})), Ok(expected(vec![number("a", 1)], vec![], vec![])));
        assert_eq!(
            filter(&json!({"must": null, "should": [one], "must_not": [{"must": [one]}]})),
            Ok(expected(vec![], vec![number("a", 1)], vec![expected(vec![number("a", 1)], vec![], vec![])]))
        );
        let some = filter(&json!({"min_should": {"min_count": 2, "conditions": [one, one]}}));
        let of = vec![number("a", 1), number("a", 1)];
        assert_eq!(some, Ok(Condition::all(vec![Condition::AtLeast { count: 2, of }])));
    }

    #[test]
    fn fields_are_asked() {
        let asked = |condition: Value| filter(&json!({ "must": [condition] }));
        for good in [
            json!({"key": "a.b[].c", "match": {"any": ["x", "y"]}}),
            json!({"key": "a", "match": {"except": [1, 2]}}),
            json!({"key": "a", "range": {"gte": 1, "lt": 2.5, "gt": null}}),
            json!({"key": "a", "range": {"gte": "2024-01-01T00:00:00Z"}}),
            json!({"key": "a", "geo_radius": {"center": {"lat": 1, "lon": 2}, "radius": 3.0}}),
            json!({"key": "a", "values_count": {"gt": 1}}),
            json!({"key": "a", "is_empty": false}),
            json!({"is_null": {"key": "a"}}),
            json!({"has_id": [1, "550e8400-e29b-41d4-a716-446655440000"]}),
            json!({"slice": {"total": 2, "index": 1}}),
            json!({"key": "a[0].b", "match": {"substring": "x"}}),
            json!({"nested": {"key": "a[]", "filter": {"must": [{"key": "b", "match": {"text": "x"}}]}}}),
        ] {
            assert!(asked(good.clone()).is_ok(), "{good}: {:?}", asked(good.clone()));
        }
        for wrong in [
            json!({"key": "a"}),
            json!({"key": "a", "match": {"value": 1.5}}),
            json!({"key": "a", "match": {"value": 1, "any": [1]}}),
            json!({"key": "a", "matches": {"value": 1}}),
            json!({"key": 7, "match": {"value": 1}}),
            json!({"key": "a", "range": {"from": 1}}),
            json!({"key": "a", "range": {"gt": "yesterday"}}),
            json!({"has_id": 7}),
            json!({"slice": {"total": 2, "index": 2}}),
            json!({"slice": {"total": 2}}),
            json!({"slice": {"total": 2, "index": 0}, "has_id": [1]}),
            json!({"must": [], "may": []}),
            json!(7),
        ] {
            assert!(asked(wrong.clone()).is_err(), "{wrong}");
        }
        let mut deep = json!({});
        for _ in 0..40 {
            deep = json!({ "must": [deep] });
        }
        assert!(filter(&deep).is_err());
    }
}
