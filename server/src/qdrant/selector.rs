//! Which part of a payload comes back.

use super::fault::{Fault, Result};
use super::path::{self, Step};
use serde_json::{Map, Value};

/// So many paths at most: each is held against each key of each payload.
const PATHS_MAX: usize = 256;

/// What was asked for.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Payload {
    None,
    All,
    /// What lies on these paths.
    Include(Vec<Vec<Step>>),
    /// All but these.
    Exclude(Vec<Vec<Step>>),
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

    /// Whether it is taken apart: that takes time with the paths and the keys.
    pub(super) fn is_partial(&self) -> bool {
        matches!(self, Self::Include(_) | Self::Exclude(_))
    }

    /// What is left of a payload; nothing where none was asked for.
    pub(super) fn of(&self, payload: &[u8]) -> Option<Value> {
        let whole = || serde_json::from_slice(payload).unwrap_or_else(|_| Value::Object(Map::new()));
        match self {
            Self::None => None,
            Self::All => Some(whole()),
            Self::Include(paths) => {
                let paths: Vec<&[Step]> = paths.iter().map(Vec::as_slice).collect();
                Some(path::included(whole(), &paths))
            }
            Self::Exclude(paths) => Some(path::excluded(whole(), paths)),
        }
    }
}

fn read_paths(paths: &[Value]) -> Result<Vec<Vec<Step>>> {
    if paths.len() > PATHS_MAX {
        return Err(Fault::invalid("with_payload", format_args!("{} paths; at most {PATHS_MAX}", paths.len())));
    }
    let path = |path: &Value| {
        let text = path.as_str().ok_or_else(|| Fault::format("a path of with_payload is a string"))?;
        path::steps(text)
    };
    paths.iter().map(path).collect()
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
        check(json!({"include": ["l[].x", "s"]}), Some(json!({"l": [{"x": 1}, {}], "s": "t"})));
        check(json!({"exclude": ["l[].y", "a"]}), Some(json!({"l": [{"x": 1}, {}], "s": "t"})));
        check(json!(["nowhere"]), Some(json!({})));
        assert!(Payload::read(Some(&json!({"include": ["a"], "exclude": []})), true).is_err());
        assert!(Payload::read(Some(&json!({"only": ["a"]})), true).is_err());
        assert_eq!(Payload::read(None, false), Ok(Payload::None));
        let paths = |count: usize| Payload::read(Some(&json!(vec!["x"; count])), true);
        assert!(paths(256).is_ok_and(|paths| paths.is_partial()));
        assert_eq!(paths(257).unwrap_err().text, "[with_payload: 257 paths; at most 256]");
    }
}
