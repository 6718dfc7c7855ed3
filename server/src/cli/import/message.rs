//! What a message of a stream does: an object is a point, nothing under a key deletes.
//!
//! ```text
//! key      value                          what it does
//! 7        {"v": [0.5, 1], "a": 1}        writes point 7
//! any      {"id": 7, "v": ...}            writes point 7, with --id-field id
//! 7        none, empty, or null           deletes point 7
//! ```
//!
//! A key is an unsigned number or a UUID, as text or as JSON; where ids have a column it may be an object with it.

use crate::cli::failure::Place;
use crate::cli::mapping::Mapping;
use crate::cli::source::Record;
use crate::cli::source::jsonl::{Columns, columns, plain};
use bytes::Bytes;
use nigh_client::{Op, PointId, Selector};
use serde_json::{Map, Value};

/// A message of a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Message {
    /// What the stream calls its place.
    pub(super) at: u64,
    /// Where the partition stands once it is applied: what is remembered.
    pub(super) reaches: u64,
    /// What names its point.
    pub(super) key: Option<Bytes>,
    /// `None`: a tombstone.
    pub(super) value: Option<Bytes>,
}

/// What a message does; an error says what is wrong with it.
pub(super) fn op(message: &Message, mapping: &Mapping, id_field: Option<&str>) -> Result<Op, String> {
    let key = || key(message.key.as_deref(), id_field);
    let value = message.value.as_deref().map(<[u8]>::trim_ascii).unwrap_or_default();
    if value.is_empty() || value == b"null" {
        return Ok(Op::Delete(Selector::Ids(vec![key()?])));
    }
    let object: Map<String, Value> = serde_json::from_slice(value).map_err(|error| plain(&error))?;
    let Columns { vectors, others, payload } = columns(object, mapping, None)?;
    let mut point = mapping.point(Record { row: 0, place: Place::Whole, vectors, others, payload })?;
    if !mapping.has_id() {
        point.id = key()?;
    }
    Ok(Op::Upsert(point))
}

fn key(bytes: Option<&[u8]>, id_field: Option<&str>) -> Result<PointId, String> {
    const WHAT: &str = "a key is an unsigned 64-bit number or a UUID";
    let bytes = bytes.filter(|bytes| !bytes.is_empty()).ok_or("it has no key that says which point it is")?;
    let text = std::str::from_utf8(bytes).map_err(|_| format!("its key is no text, and {WHAT}"))?.trim();
    let plain = |text: &str| text.parse::<PointId>().ok();
    let json = || match serde_json::from_str(text).ok()? {
        Value::Object(object) => match object.get(id_field?)? {
            Value::String(text) => plain(text),
            other => plain(&other.to_string()),
        },
        Value::String(text) => plain(&text),
        _ => None,
    };
    plain(text).or_else(json).ok_or_else(|| {
        let shown: String = text.chars().take(64).collect();
        format!("its key is `{shown}`, and {WHAT}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(key: Option<&str>, value: Option<&str>, id: Option<&str>) -> Result<Op, String> {
        let bytes = |text: Option<&str>| text.map(|text| Bytes::from(text.to_owned()));
        let message = Message { at: 3, reaches: 4, key: bytes(key), value: bytes(value) };
        op(&message, &Mapping::new(&[], ["v"], id).unwrap(), id)
    }

    #[test]
    fn an_object_is_a_point() {
        for (key, value, id) in [
            ("7", r#"{"v": [1, 2], "a": 1}"#, None),
            (" 7\n", r#"{"v": [1, 2], "a": 1}"#, None),
            ("\"7\"", r#"{"v": [1, 2], "a": 1}"#, None),
            ("other", r#"{"v": [1, 2], "a": 1, "n": 7}"#, Some("n")),
        ] {
            let Op::Upsert(point) = of(Some(key), Some(value), id).unwrap() else { panic!("{key}") };
            assert_eq!((point.id, &point.vectors["v"][..]), (PointId::Num(7), &[1.0, 2.0][..]));
            assert_eq!(point.payload, json!({"a": 1}));
        }
    }

    #[test]
    fn nothing_under_a_key_deletes() {
        let uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        for (key, value) in [("7", None), ("7", Some("")), ("7", Some(" null ")), (uuid, None)] {
            let Op::Delete(Selector::Ids(ids)) = of(Some(key), value, None).unwrap() else { panic!("{key}") };
            assert_eq!(ids[0].to_string(), key);
        }
        let Op::Delete(Selector::Ids(ids)) = of(Some(r#"{"n": 7}"#), None, Some("n")).unwrap() else { panic!() };
        assert_eq!(ids, [PointId::Num(7)]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (key, value, id, why) in [
            (Some("7"), Some("{\"v\": "), None, "EOF while parsing"),
            (Some("7"), Some("[1]"), None, "invalid type: sequence"),
            (Some("7"), Some(r#"{"v": "x"}"#), None, "`v` is no list of numbers"),
            (None, Some("{}"), None, "it has no key"),
            (Some(""), None, None, "it has no key"),
            (Some("seven"), None, None, "its key is `seven`"),
            (Some("7"), Some("{}"), Some("n"), "there is no id `n`"),
            (Some(r#"{"m": 7}"#), None, Some("n"), "its key is"),
        ] {
            let error = of(key, value, id).unwrap_err();
            assert!(error.starts_with(why), "{error}");
        }
    }
}
