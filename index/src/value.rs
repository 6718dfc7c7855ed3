//! Payload values and the paths that lead to them.
//!
//! A payload is a JSON object. A path is keys joined by dots; a key may stand in double quotes
//! where it holds a dot itself (`"a.b".c`). Where a path meets a list it goes on into each element,
//! so `tags` reaches every tag and `authors.name` every author's name. A key may be followed by the place of one
//! element, counted from 0: `authors[0].name` is the first author's name, `rows[][0]` the first value of every row. A
//! key that ends in such brackets itself stands in quotes.

use crate::error::{Error, Result};
use serde_json::Value;

/// A path may have this many keys.
pub const PATH_KEYS_MAX: usize = 32;

/// Behind its keys it may have this many pairs of brackets.
pub const PATH_PLACES_MAX: usize = 32;

/// A parsed path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Path {
    text: String,
    keys: Vec<String>,
    /// Where some key is followed by the place of one element: what stands behind each key.
    places: Option<Vec<Places>>,
}

/// Steps into lists: to one element, or to each of them.
type Places = Vec<Option<u32>>;

impl Path {
    /// Reads a path; an empty key, an open quote and more than [`PATH_KEYS_MAX`] keys are errors.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| Error::invalid("field", format!("`{text}`"), why.to_owned());
        let (mut keys, mut places) = (Vec::new(), Vec::new());
        let mut rest = text;
        loop {
            let (key, after) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or_else(|| wrong("a quote is never closed"))?,
                None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            let (key, brackets, after) = match rest.starts_with('"') {
                true => {
                    let (brackets, after) = after.split_at(after.find('.').unwrap_or(after.len()));
                    (key, brackets, after)
                }
                false => {
                    let (key, brackets) = key.split_at(brackets_from(key));
                    (key, brackets, after)
                }
            };
            if key.is_empty() {
                return Err(wrong("a path is keys joined by dots, none of them empty"));
            }
            keys.push(key.to_owned());
            places.push(self::places(brackets).map_err(wrong)?);
            match after.strip_prefix('.') {
                Some(next) => rest = next,
                None => break,
            }
        }
        if keys.len() > PATH_KEYS_MAX {
            return Err(wrong("a path has at most 32 keys"));
        }
        if places.iter().map(Vec::len).sum::<usize>() > PATH_PLACES_MAX {
            return Err(wrong("a path has at most 32 pairs of brackets"));
        }
        Ok(Self { text: text.to_owned(), keys, places: of_one_element(&places).then_some(places) })
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
        let places = |path: &Self| path.places.clone().unwrap_or_else(|| vec![Places::new(); path.keys.len()]);
        let places = [places(self), places(further)].concat();
        let places = of_one_element(&places).then_some(places);
        Self { text: format!("{}.{}", self.text, further.text), keys, places }
    }

    /// Whether it goes to one element of a list, so that it reaches less than its keys do.
    pub fn goes_to_one(&self) -> bool {
        self.places.is_some()
    }

    /// Calls `see` with every value that the path reaches; lists are entered at every step, the
    /// last one too. A list itself is not a value, so an empty list gives nothing.
    pub fn each<'v>(&self, payload: &'v Value, see: &mut dyn FnMut(&'v Value)) {
        match &self.places {
            None => walk(&self.keys, payload, see),
            Some(places) => walk_to(&self.keys, places, &[], payload, see),
        }
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

/// The same, of a path that goes to single elements. `here` is what is left of what stands behind the key before.
fn walk_to<'v>(
    keys: &[String],
    behind: &[Places],
    here: &[Option<u32>],
    value: &'v Value,
    see: &mut dyn FnMut(&'v Value),
) {
    match (here.split_first(), value) {
        (Some((None, rest)), Value::Array(items)) => {
            items.iter().for_each(|item| walk_to(keys, behind, rest, item, see));
        }
        (Some((Some(place), rest)), Value::Array(items)) => {
            if let Some(item) = items.get(*place as usize) {
                walk_to(keys, behind, rest, item, see);
            }
        }
        (Some(_), _) => {}
        (None, Value::Array(items)) => items.iter().for_each(|item| walk_to(keys, behind, here, item, see)),
        (None, value) => match (keys.split_first(), behind.split_first()) {
            (Some((key, keys)), Some((here, behind))) => {
                if let Some(inner) = value.get(key) {
                    walk_to(keys, behind, here, inner, see);
                }
            }
            _ => see(value),
        },
    }
}

/// Where the brackets begin that end this key.
fn brackets_from(key: &str) -> usize {
    let mut end = key.len();
    while let Some(inside) = key[..end].strip_suffix(']') {
        match inside.rfind(|char: char| !char.is_ascii_digit()) {
            Some(open) if inside[open..].starts_with('[') => end = open,
            _ => break,
        }
    }
    end
}

/// `[]` and `[0]`. What only says to enter lists is left out: they are entered anyway.
fn places(brackets: &str) -> std::result::Result<Places, &'static str> {
    let mut places = Places::new();
    let mut rest = brackets;
    while !rest.is_empty() {
        let inside = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (place, after) = inside.ok_or("a closing quote is followed by a dot, by [] or [0], or the end")?;
        places.push(match place {
            "" => None,
            place if place.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(place.parse().map_err(|_| "a place in a list has at most 32 bits")?)
            }
            _ => return Err("between brackets stands the place of an element, or nothing"),
        });
        rest = after;
    }
    while places.last() == Some(&None) {
        places.pop();
    }
    Ok(places)
}

fn of_one_element(places: &[Places]) -> bool {
    places.iter().any(|places| !places.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(path: &str, expected: Value) {
        let payload = json!({
            "a": 1, "tags": ["x", "y"], "none": null, "empty": [],
            "authors": [{"name": "ada"}, {"name": ["bob", "eve"]}, 7],
            "deep": {"er": {"est": true}}, "dot.ted": {"k": [2, 3]}, "rows": [[1, 2], [3, [4]], 5], "x[0]": 6, "y[z]": 7
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
        check("\"dot.ted\".k", json!([2, 3]));
        check("missing.path", json!([]));
        check("\"x[0]\"", json!([6]));
        check("y[z]", json!([7]));
    }

    #[test]
    fn a_place_is_one_element() {
        check("tags[1]", json!(["y"]));
        check("tags[2]", json!([]));
        check("a[0]", json!([]));
        check("authors[1].name", json!(["bob", "eve"]));
        check("authors[].name[1]", json!(["eve"]));
        check("authors[2].name", json!([]));
        check("rows[0]", json!([1, 2]));
        check("rows[][0]", json!([1, 3]));
        check("rows[1][1]", json!([4]));
        check("rows[1][1][]", json!([4]));
        check("rows[1][0][0]", json!([]));
        check("\"dot.ted\"[0].k", json!([]));
        check("\"dot.ted\".k[1]", json!([3]));
        check("x[0]", json!([]));
        check("rows[4294967295]", json!([]));
        let first = Path::parse("a[][].b[0]").unwrap();
        assert!(first.goes_to_one() && first.keys() == ["a", "b"]);
        assert!(!Path::parse("a[].b[][]").unwrap().goes_to_one());
        let joined = Path::parse("rows").unwrap().join(&first);
        assert_eq!(joined, Path::parse("rows.a[][].b[0]").unwrap());
    }

    #[test]
    fn a_wrong_path_says_why() {
        for text in ["", ".", "a.", ".a", "a..b", "\"open", "\"a\"b", "[0]", "\"a\"[0", "a[4294967296]", "\"a\"[x]"] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
        assert!(Path::parse(&vec!["k"; 33].join(".")).is_err());
        assert!(Path::parse(&format!("a{}", "[0]".repeat(33))).is_err());
    }
}
