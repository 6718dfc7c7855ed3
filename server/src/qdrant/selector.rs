//! Which part of a payload comes back.

use super::fault::{Fault, Result};
use serde_json::{Map, Value};

/// What was asked for.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Payload {
    None,
    All,
    /// These paths, each a list of keys.
    Include(Vec<Vec<String>>),
    /// All but these.
    Exclude(Vec<Vec<String>>),
}

impl Payload {
    /// Reads `with_payload`; `default` where it is left out.
    pub(super) fn read(value: Option<&Value>, default: bool) -> Result<Self> {
        let of = |all: bool| if all { Self::All } else { Self::None };
        match value {
            None | Some(Value::Null) => Ok(of(default)),
            Some(Value::Bool(all)) => Ok(of(*all)),
            Some(Value::Array(paths)) => Ok(Self::Include(read_paths(paths)?)),
            Some(Value::Object(object)) => match (object.len(), object.get("include"), object.get("exclude")) {
                (1, Some(Value::Array(paths)), _) => Ok(Self::Include(read_paths(paths)?)),
                (1, _, Some(Value::Array(paths))) => Ok(Self::Exclude(read_paths(paths)?)),
                _ => Err(Fault::format("with_payload has one of include and exclude, a list of paths")),
            },
            Some(_) => Err(Fault::format("with_payload is true, false, a list of paths, or an object")),
        }
    }

    /// Whether the payload has to be read.
    pub(super) fn is_wanted(&self) -> bool {
        *self != Self::None
    }

    /// What is left of a payload; nothing where none was asked for.
    pub(super) fn of(&self, payload: &[u8]) -> Option<Value> {
        let whole = || serde_json::from_slice(payload).unwrap_or_else(|_| Value::Object(Map::new()));
        match self {
            Self::None => None,
            Self::All => Some(whole()),
            Self::Include(paths) => {
                let paths: Vec<&[String]> = paths.iter().map(Vec::as_slice).collect();
                Some(included(&whole(), &paths).unwrap_or_else(|| Value::Object(Map::new())))
            }
            Self::Exclude(paths) => {
                let paths: Vec<&[String]> = paths.iter().map(Vec::as_slice).collect();
                Some(excluded(whole(), &paths))
            }
        }
    }
}

fn read_paths(paths: &[Value]) -> Result<Vec<Vec<String>>> {
    let path = |path: &Value| {
        let text = path.as_str().ok_or_else(|| Fault::format("a path of with_payload is a string"))?;
        keys(text)
    };
    paths.iter().map(path).collect()
}

/// The keys of a path such as `a.b`, `a[].b` or `"a.b".c`.
pub(super) fn keys(text: &str) -> Result<Vec<String>> {
    let path = nigh_index::value::Path::parse(text);
    let path = path.map_err(|_| Fault::format(format_args!("`{text}` is no path: keys joined by dots")))?;
    Ok(path.keys().to_vec())
}

/// The parts of a value that lie on one of the paths; `None` where there is nothing. Lists are gone through.
fn included(value: &Value, paths: &[&[String]]) -> Option<Value> {
    if paths.iter().any(|path| path.is_empty()) {
        return Some(value.clone());
    }
    match value {
        Value::Array(items) => {
            let items: Vec<Value> = items.iter().filter_map(|item| included(item, paths)).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(object) => {
            let mut kept = Map::new();
            for (key, inner) in object {
                let further: Vec<&[String]> =
                    paths.iter().filter(|path| path[0] == *key).map(|path| &path[1..]).collect();
                if !further.is_empty()
                    && let Some(inner) = included(inner, &further)
                {
                    kept.insert(key.clone(), inner);
                }
            }
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        _ => None,
    }
}

/// A value without what lies at the ends of the paths.
fn excluded(value: Value, paths: &[&[String]]) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(|item| excluded(item, paths)).collect()),
        Value::Object(object) => {
            let mut kept = Map::new();
            for (key, inner) in object {
                let further: Vec<&[String]> = paths
                    .iter()
                    .filter(|path| path.first().is_some_and(|first| *first == key))
                    .map(|path| &path[1..])
                    .collect();
                if !further.iter().any(|path| path.is_empty()) {
                    kept.insert(key, if further.is_empty() { inner } else { excluded(inner, &further) });
                }
            }
            Value::Object(kept)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(selector: Value, expected: Option<Value>) {
        let payload = json!({"a": {"b": 1, "c": 2}, "l": [{"x": 1, "y": 2}, {"y": 3}], "s": "t"}).to_string();
        assert_eq!(Payload::read(Some(&selector), true).unwrap().of(payload.as_bytes()), expected, "{selector}");
    }

    #[test]
    fn a_selector_keeps_what_it_names() {
        check(json!(false), None);
        check(json!(["a.b"]), Some(json!({"a": {"b": 1}})));
        check(json!(["a", "nowhere"]), Some(json!({"a": {"b": 1, "c": 2}})));
        check(json!({"include": ["l[].x", "s"]}), Some(json!({"l": [{"x": 1}], "s": "t"})));
        check(json!({"exclude": ["l.y", "a"]}), Some(json!({"l": [{"x": 1}, {}], "s": "t"})));
        check(json!(["nowhere"]), Some(json!({})));
        assert!(Payload::read(Some(&json!({"include": ["a"], "exclude": []})), true).is_err());
        assert!(Payload::read(Some(&json!({"only": ["a"]})), true).is_err());
        assert_eq!(Payload::read(None, false), Ok(Payload::None));
    }
}
