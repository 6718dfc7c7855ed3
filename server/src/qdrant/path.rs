//! Paths of a payload as the API writes them: which places they name, and what is done at those.
//!
//! `a.b`, `a[].b` (every element), `a[0].b` (one element), `"a.b".c` (a key with a dot). A list is entered only where the
//! path says so; to write and to show this is kept to the letter. Conditions go by nigh's own paths, which enter every
//! list by themselves, other than where the path says which element.

use super::fault::{Fault, Result};
use nigh_index::value;
use serde_json::{Map, Value};

/// A path has at most this many keys.
const KEYS_MAX: usize = 32;
/// And so many steps.
const STEPS_MAX: usize = 64;

/// A step of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Into an object.
    Key(String),
    /// To every element of a list.
    All,
    /// To one element of a list.
    At(usize),
}

/// Reads a path: a key first.
pub(super) fn steps(text: &str) -> Result<Vec<Step>> {
    let shown = || text.chars().take(80).collect::<String>();
    let wrong = |why: &str| Fault::format(format_args!("`{}` is no path: {why}", shown()));
    let (mut steps, mut keys, mut rest) = (Vec::new(), 0, text);
    loop {
        let (key, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(|| wrong("a quote is never closed"))?,
            None => rest.split_at(rest.find(['.', '[', ']', '"']).unwrap_or(rest.len())),
        };
        if key.is_empty() {
            return Err(wrong("it is keys joined by dots, none of them empty; lists are written a[] or a[0]"));
        }
        steps.push(Step::Key(key.to_owned()));
        (keys, rest) = (keys + 1, after);
        while let Some(inside) = rest.strip_prefix('[') {
            let (place, after) = inside.split_once(']').ok_or_else(|| wrong("a bracket is never closed"))?;
            steps.push(match place {
                "" => Step::All,
                place if place.bytes().all(|byte| byte.is_ascii_digit()) => {
                    Step::At(place.parse().map_err(|_| wrong("the place in a list is too large"))?)
                }
                _ => return Err(wrong("between brackets stands a number or nothing")),
            });
            rest = after;
        }
        if keys > KEYS_MAX || steps.len() > STEPS_MAX {
            return Err(wrong("it has at most 32 keys, and 64 steps"));
        }
        match rest.strip_prefix('.') {
            Some(next) => rest = next,
            None if rest.is_empty() => return Ok(steps),
            None => return Err(wrong("a key is followed by a dot, a bracket or the end")),
        }
    }
}

/// The path as conditions, orders and counts go by it.
pub(super) fn field(text: &str) -> Result<value::Path> {
    let mut path = String::new();
    for step in steps(text)? {
        match step {
            Step::Key(key) => {
                path.push_str(if path.is_empty() { "" } else { "." });
                path.push_str(&if key.contains(['.', '[', ']']) { format!("\"{key}\"") } else { key });
            }
            Step::All => path.push_str("[]"),
            Step::At(place) => path.push_str(&format!("[{place}]")),
        }
    }
    value::Path::parse(&path).map_err(|err| Fault::format(err.to_string()))
}

/// Makes what lies at the path an object, where it is none, and puts these keys into it; a null takes its key out.
pub(super) fn merge(value: &mut Value, path: &[Step], given: &Map<String, Value>) {
    let Some((first, rest)) = path.split_first() else {
        for (key, given) in given {
            match given {
                Value::Null => drop(object(value).shift_remove(key)),
                given => drop(object(value).insert(key.clone(), given.clone())),
            }
        }
        object(value);
        return;
    };
    match first {
        Step::Key(key) => merge(object(value).entry(key).or_insert(Value::Null), rest, given),
        Step::All => list(value).iter_mut().for_each(|item| merge(item, rest, given)),
        Step::At(place) => {
            if let Some(item) = list(value).get_mut(*place) {
                merge(item, rest, given);
            }
        }
    }
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was made an object")
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("it was made a list")
}

/// Takes out what lies at the path; of a list all elements, never one.
pub(super) fn remove(value: &mut Value, path: &[Step]) {
    match (path, value) {
        ([Step::Key(last)], Value::Object(object)) => drop(object.shift_remove(last)),
        ([Step::Key(first), rest @ ..], Value::Object(object)) => {
            if let Some(inner) = object.get_mut(first) {
                remove(inner, rest);
            }
        }
        ([Step::All], Value::Array(items)) => items.clear(),
        ([Step::All, rest @ ..], Value::Array(items)) => items.iter_mut().for_each(|item| remove(item, rest)),
        ([Step::At(place), rest @ ..], Value::Array(items)) if !rest.is_empty() => {
            if let Some(item) = items.get_mut(*place) {
                remove(item, rest);
            }
        }
        _ => {}
    }
}

/// What lies on the paths: what they name and all below it, and on the way there what is no object and no list.
pub(super) fn included(value: Value, paths: &[&[Step]]) -> Value {
    if paths.iter().any(|path| path.is_empty()) {
        return value;
    }
    match value {
        Value::Array(items) => match behind(paths, &Step::All) {
            further if further.is_empty() => Value::Array(Vec::new()),
            further => items.into_iter().map(|item| included(item, &further)).collect(),
        },
        Value::Object(object) => {
            let mut kept = Map::new();
            for (key, inner) in object {
                let step = Step::Key(key);
                let further = behind(paths, &step);
                if let (false, Step::Key(key)) = (further.is_empty(), step) {
                    kept.insert(key, included(inner, &further));
                }
            }
            Value::Object(kept)
        }
        other => other,
    }
}

/// The rests of those paths that begin with this step.
fn behind<'p>(paths: &[&'p [Step]], step: &Step) -> Vec<&'p [Step]> {
    paths
        .iter()
        .filter_map(|path| path.split_first().filter(|(first, _)| *first == step).map(|(_, rest)| rest))
        .collect()
}

/// All but what the paths name; single elements of lists cannot be named here.
pub(super) fn excluded(mut value: Value, paths: &[Vec<Step>]) -> Value {
    let of_all = |path: &&Vec<Step>| path.iter().all(|step| !matches!(step, Step::At(_)));
    paths.iter().filter(of_all).for_each(|path| remove(&mut value, path));
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn payload() -> Value {
        json!({
            "s": "t", "n": null, "a": {"b": 1, "c": {"d": 2, "e": [1, 2]}},
            "l": [{"x": 1, "y": {"z": 1}}, {"y": 3}, 5, [{"x": 9}]], "e": [], "ll": [[{"x": 1}]],
        })
    }

    #[test]
    fn what_is_no_path_is_told() {
        assert_eq!(steps("a[][0].b"), Ok(vec![Step::Key("a".into()), Step::All, Step::At(0), Step::Key("b".into())]));
        assert_eq!(steps("\"a.b[]\".c").unwrap().len(), 2);
        for wrong in [
            "",
            ".",
            "a.",
            "a..b",
            "a[",
            "a[x]",
            "a[-1]",
            "a]",
            "a[]b",
            "\"a",
            "a\"b\"",
            "[]",
            "a[99999999999999999999]",
        ] {
            assert!(steps(wrong).is_err(), "{wrong}");
        }
        assert!(steps(&vec!["a"; 33].join(".")).is_err() && steps(&("a".to_owned() + &"[]".repeat(70))).is_err());
    }

    #[test]
    fn conditions_go_by_keys_alone() {
        assert_eq!(field("a[][].b").unwrap().keys(), ["a", "b"]);
        assert_eq!(field("\"a.b\"[].c").unwrap().keys(), ["a.b", "c"]);
        assert_eq!(field("a[0].b").unwrap().values(&json!({"a": [{"b": 1}, {"b": 2}]})), [&json!(1)]);
    }

    #[test]
    fn an_include_keeps_what_lies_on_the_way() {
        let check = |path: &str, expected: Value| {
            let steps = steps(path).unwrap();
            assert_eq!(included(payload(), &[&steps]), expected, "{path}");
        };
        check("s.t", json!({"s": "t"}));
        check("a.b.c", json!({"a": {"b": 1}}));
        check("a.x", json!({"a": {}}));
        check("a.c.e[0]", json!({"a": {"c": {"e": []}}}));
        check("l.x", json!({"l": []}));
        check("l[].x", json!({"l": [{"x": 1}, {}, 5, []]}));
        check("l[].y.z", json!({"l": [{"y": {"z": 1}}, {"y": 3}, 5, []]}));
        check("ll[].x", json!({"ll": [[]]}));
        check("ll[][].x", json!({"ll": [[{"x": 1}]]}));
        check("l[]", json!({"l": payload()["l"]}));
        check("nowhere", json!({}));
    }

    #[test]
    fn what_is_taken_out_is_what_the_path_says() {
        let check = |path: &str, place: &str, expected: Value| {
            let mut value = payload();
            remove(&mut value, &steps(path).unwrap());
            assert_eq!(value[place], expected, "{path}");
        };
        let l = || payload()["l"].take();
        check("l.x", "l", l());
        check("l[].x", "l", json!([{"y": {"z": 1}}, {"y": 3}, 5, [{"x": 9}]]));
        check("l[0].x", "l", json!([{"y": {"z": 1}}, {"y": 3}, 5, [{"x": 9}]]));
        check("l[0]", "l", l());
        check("l[]", "l", json!([]));
        check("s[]", "s", json!("t"));
        check("a.c.e[]", "a", json!({"b": 1, "c": {"d": 2, "e": []}}));
        assert_eq!(excluded(payload(), &[steps("l[0].x").unwrap()]), payload());
    }

    #[test]
    fn what_is_set_below_is_set_where_the_path_says() {
        let check = |path: &str, place: &str, expected: Value| {
            let (mut value, given) = (payload(), json!({"K": 7, "x": null}));
            merge(&mut value, &steps(path).unwrap(), given.as_object().unwrap());
            assert_eq!(value[place], expected, "{path}");
        };
        check("s.t", "s", json!({"t": {"K": 7}}));
        check("s[]", "s", json!([]));
        check("l[]", "l", json!([{"y": {"z": 1}, "K": 7}, {"y": 3, "K": 7}, {"K": 7}, {"K": 7}]));
        check("l[0]", "l", json!([{"y": {"z": 1}, "K": 7}, {"y": 3}, 5, [{"x": 9}]]));
        check("l[9].y", "l", payload()["l"].take());
        check("ll[][].x", "ll", json!([[{"x": {"K": 7}}]]));
        check("new.er", "new", json!({"er": {"K": 7}}));
        check("new[0]", "new", json!([]));
    }
}
