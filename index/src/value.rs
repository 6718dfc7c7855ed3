//! Payload values and the paths that lead to them.
//!
//! A payload is a JSON object. A path is keys joined by dots; a key may stand in double quotes
//! where it holds a dot itself (`"a.b".c`). Where a path meets a list it goes on into each element,
//! so `tags` reaches every tag and `authors.name` every author's name.

use crate::error::{Error, Result};
use serde_json::Value;

/// A path may have this many keys.
pub const PATH_KEYS_MAX: usize = 32;

/// A parsed path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Path {
    text: String,
    keys: Vec<String>,
}

impl Path {
    /// Reads a path; an empty key, an open quote and more than [`PATH_KEYS_MAX`] keys are errors.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::invalid("field", format!("`{text}`"), why.to_owned());
        let mut keys = Vec::new();
        let mut rest = text;
        loop {
            let (key, after) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or_else(|| wrong("a quote is never closed"))?,
                None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            // `a[]` is how some say "every element of a": lists are entered anyway.
            let key = if rest.starts_with('"') { key } else { key.strip_suffix("[]").unwrap_or(key) };
            if key.is_empty() {
                return Err(wrong("a path is keys joined by dots, none of them empty"));
            }
            keys.push(key.to_owned());
            match after.strip_prefix('.') {
                Some(next) => rest = next,
                None if after.is_empty() || after == "[]" => break,
                None => return Err(wrong("a closing quote is followed by a dot or the end")),
            }
        }
        if keys.len() > PATH_KEYS_MAX {
            return Err(wrong("a path has at most 32 keys"));
        }
        Ok(Self { text: text.to_owned(), keys })
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its keys, outermost first.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The path that goes on with another one.
    pub(crate) fn join(&self, further: &Self) -> Self {
        let keys = [&self.keys[..], &further.keys].concat();
        Self { text: format!("{}.{}", self.text, further.text), keys }
    }

    /// Calls `see` with every value that the path reaches; lists are entered at every step, the
    /// last one too. A list itself is not a value, so an empty list gives nothing.
    pub fn each<'v>(&self, payload: &'v Value, see: &mut dyn FnMut(&'v Value)) {
        walk(&self.keys, payload, see);
    }

    /// Every value that the path reaches.
    pub fn values<'v>(&self, payload: &'v Value) -> Vec<&'v Value> {
        let mut found = Vec::new();
        self.each(payload, &mut |value| found.push(value));
        found
    }
}

fn walk<'v>(keys: &[String], value: &'v Value, see: &mut dyn FnMut(&'v Value)) {
    if let Value::Array(items) = value {
        for item in items {
            walk(keys, item, see);
        }
        return;
    }
    match keys.split_first() {
        None => see(value),
        Some((key, rest)) => {
            if let Some(inner) = value.get(key) {
                walk(rest, inner, see);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(path: &str, expected: Value) {
        let payload = json!({
            "a": 1, "tags": ["x", "y"], "none": null, "empty": [],
            "authors": [{"name": "ada"}, {"name": ["bob", "eve"]}, 7],
            "deep": {"er": {"est": true}}, "dot.ted": {"k": 2}
        });
        let path = Path::parse(path).unwrap();
        let found = Value::Array(path.values(&payload).into_iter().cloned().collect());
        assert_eq!(found, expected, "{path:?}");
    }

    #[test]
    fn paths_reach_what_they_name() {
        check("a", json!([1]));
        check("tags", json!(["x", "y"]));
        check("tags[]", json!(["x", "y"]));
        check("none", json!([null]));
        check("empty", json!([]));
        check("authors.name", json!(["ada", "bob", "eve"]));
        check("authors[].name", json!(["ada", "bob", "eve"]));
        check("deep.er.est", json!([true]));
        check("\"dot.ted\".k", json!([2]));
        check("missing.path", json!([]));
    }

    #[test]
    fn a_wrong_path_says_why() {
        for text in ["", ".", "a.", ".a", "a..b", "\"open", "\"a\"b"] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
        assert!(Path::parse(&vec!["k"; 33].join(".")).is_err());
    }
}
