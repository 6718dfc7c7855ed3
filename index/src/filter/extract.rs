//! What a payload gives to the indexes: its scalars and where they are, in two allocations.
//!
//! Taken out in the caller's thread, so that the one writer only sorts and merges. A path is
//! written as its keys, one after another, with a mark between them that no key can imitate.

use crate::filter::geo::Place;
use crate::filter::number::Real;
use crate::filter::rules::{FieldRules, KEYWORD_BYTES_MAX, PATH_DEPTH_MAX};
use crate::value::Path;
use serde_json::Value;

/// Room for the paths and strings of a usual payload, so that it is made once.
const TEXT_BYTES_USUAL: usize = 512;
const ENTRIES_USUAL: usize = 24;

/// Something is at the path that is not an indexed number or string.
pub mod mark {
    /// A null.
    pub const NULL: u8 = 0;
    /// An object.
    pub const OBJECT: u8 = 1;
    /// A string too long to be indexed.
    pub const LONG: u8 = 2;
    /// False.
    pub const FALSE: u8 = 3;
    /// True.
    pub const TRUE: u8 = 4;
    /// An object that is a place; it has the mark of an object too.
    pub const PLACE: u8 = 5;
}

/// The indexable scalars of one payload.
#[derive(Clone, PartialEq, Debug)]
pub struct Extracted {
    /// Paths and strings, back to back.
    text: String,
    entries: Vec<Entry>,
    /// Whether the whole payload was looked at.
    pub(crate) complete: bool,
    /// Whether something lies deeper than paths are indexed.
    pub(crate) deep: bool,
}

#[derive(Copy, Clone, PartialEq, Debug)]
struct Entry {
    path: Span,
    seen: Kind,
}

#[derive(Copy, Clone, PartialEq, Debug)]
struct Span {
    from: usize,
    to: usize,
}

#[derive(Copy, Clone, PartialEq, Debug)]
enum Kind {
    Keyword(Span),
    Number(Real),
    Mark(u8),
}

/// One value of a payload, as a column takes it.
#[derive(Copy, Clone, PartialEq, Debug)]
pub enum Seen<'a> {
    /// A string that is short enough.
    Keyword(&'a str),
    /// A number.
    Number(Real),
    /// One of [`mark`].
    Mark(u8),
}

impl Extracted {
    /// Takes out what the rules let be indexed.
    pub fn of(payload: &Value, rules: &FieldRules) -> Self {
        let mut extracted = Self { text: String::new(), entries: Vec::new(), complete: rules.auto, deep: false };
        if rules.auto {
            extracted.text.reserve(TEXT_BYTES_USUAL);
            extracted.entries.reserve(ENTRIES_USUAL);
            extracted.walk(payload, Span { from: 0, to: 0 }, 0);
        }
        extracted
    }

    /// Every value with its path, in the payload's order; a list's values follow one another.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&str, Seen<'_>)> {
        self.entries.iter().map(|entry| {
            let seen = match entry.seen {
                Kind::Keyword(span) => Seen::Keyword(self.slice(span)),
                Kind::Number(number) => Seen::Number(number),
                Kind::Mark(mark) => Seen::Mark(mark),
            };
            (self.slice(entry.path), seen)
        })
    }

    fn slice(&self, span: Span) -> &str {
        &self.text[span.from..span.to]
    }

    fn walk(&mut self, value: &Value, path: Span, depth: usize) {
        let seen = match value {
            Value::Array(items) => {
                for item in items {
                    self.walk(item, path, depth);
                }
                return;
            }
            Value::Object(fields) => {
                if depth == PATH_DEPTH_MAX {
                    self.deep |= !fields.is_empty();
                } else {
                    // No path has an empty key, so nothing asks for what is behind one.
                    for (key, inner) in fields.iter().filter(|(key, _)| !key.is_empty()) {
                        let from = self.text.len();
                        self.text.extend_from_within(path.from..path.to);
                        push_key(&mut self.text, key, depth > 0);
                        let path = Span { from, to: self.text.len() };
                        self.walk(inner, path, depth + 1);
                    }
                }
                if depth > 0 && Place::of(fields).is_some() {
                    self.entries.push(Entry { path, seen: Kind::Mark(mark::PLACE) });
                }
                Kind::Mark(mark::OBJECT)
            }
            Value::Null => Kind::Mark(mark::NULL),
            Value::Bool(flag) => Kind::Mark(if *flag { mark::TRUE } else { mark::FALSE }),
            Value::Number(number) => match Real::of(number) {
                Some(number) => Kind::Number(number),
                None => return,
            },
            Value::String(text) if text.len() > KEYWORD_BYTES_MAX => Kind::Mark(mark::LONG),
            Value::String(text) => {
                let from = self.text.len();
                self.text.push_str(text);
                Kind::Keyword(Span { from, to: self.text.len() })
            }
        };
        if depth > 0 {
            self.entries.push(Entry { path, seen });
        }
    }
}

/// A path as the indexes spell it.
pub(crate) fn spelled(path: &Path) -> String {
    let mut text = String::new();
    for (at, key) in path.keys().iter().enumerate() {
        push_key(&mut text, key, at > 0);
    }
    text
}

/// The spelling of a key below a path that is spelled.
pub(crate) fn spelled_below(spelled: &str, key: &str) -> String {
    let mut text = spelled.to_owned();
    push_key(&mut text, key, true);
    text
}

/// A zero byte in the spelling is always followed by 1 (the next key begins) or 2 (it was the
/// key's own), so two paths never share a spelling.
fn push_key(text: &mut String, key: &str, follows: bool) {
    if follows {
        text.push_str("\0\u{1}");
    }
    if key.as_bytes().contains(&0) {
        text.push_str(&key.replace('\0', "\0\u{2}"));
    } else {
        text.push_str(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_scalar_has_its_path() {
        let payload = json!({"a": [1, "x", null], "b": {"c": 2.5, "": 1}, "long": "y".repeat(257), "e": []});
        let extracted = Extracted::of(&payload, &FieldRules::default());
        let found: Vec<_> = extracted.each().collect();
        assert_eq!(
            found,
            [
                ("a", Seen::Number(Real::Integer(1))),
                ("a", Seen::Keyword("x")),
                ("a", Seen::Mark(mark::NULL)),
                ("b\0\u{1}c", Seen::Number(Real::Float(2.5))),
                ("b", Seen::Mark(mark::OBJECT)),
                ("long", Seen::Mark(mark::LONG)),
            ]
        );
        assert!(extracted.complete && !extracted.deep);
        let off = Extracted::of(&payload, &FieldRules { auto: false });
        assert!(!off.complete && off.each().next().is_none());
    }

    #[test]
    fn depth_ends_where_the_rules_say() {
        let mut payload = json!(1);
        for _ in 0..PATH_DEPTH_MAX {
            payload = json!({ "k": payload });
        }
        assert!(!Extracted::of(&payload, &FieldRules::default()).deep);
        assert!(Extracted::of(&json!({ "k": payload }), &FieldRules::default()).deep);
    }

    #[test]
    fn spellings_do_not_collide() {
        let spell = |keys: &[&str]| {
            let mut text = String::new();
            keys.iter().enumerate().for_each(|(at, key)| push_key(&mut text, key, at > 0));
            text
        };
        let paths: [&[&str]; 7] =
            [&["a", "b"], &["a\0b"], &["a\0\u{1}b"], &["a\0", "b"], &["a", "\0b"], &["a", "\u{1}b"], &["a\0\u{2}b"]];
        let spelled: std::collections::HashSet<_> = paths.iter().map(|keys| spell(keys)).collect();
        assert_eq!(spelled.len(), paths.len());
    }
}
