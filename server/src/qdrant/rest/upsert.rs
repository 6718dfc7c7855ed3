//! The body of an upsert, read straight into points.
//!
//! A batch of vectors is nearly all numbers: as JSON values each of them would take up thirty-two bytes and a visit of its
//! own before it becomes one of four.

use super::scan::Scan;
use crate::qdrant::fault::{Fault, Result};
use crate::qdrant::operation::{self, Incoming, Operation};
use crate::qdrant::vectors::{self, Given};
use crate::qdrant::{document, filter, ids};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

/// Reads the body of an upsert.
pub(super) fn read(bytes: &[u8]) -> Result<Operation> {
    let mut text = Scan::new(bytes);
    let (mut points, mut batch, mut filter, mut mode) = (None, None, None, None);
    text.object(|text, name| match &name[..] {
        "points" => once(text, &name, &mut points, nullable(self::points)),
        "batch" => once(text, &name, &mut batch, Scan::value::<Value>),
        "update_filter" => once(text, &name, &mut filter, Scan::value::<Value>),
        "update_mode" => once(text, &name, &mut mode, Scan::value::<Value>),
        _ => text.value::<IgnoredAny>().map(drop),
    })?;
    text.end()?;
    if let Some(points) = points.flatten() {
        let (mode, filter) = (operation::mode(mode.as_ref())?, filter::optional(filter.as_ref())?);
        return Ok(Operation::Upsert { points, filter, mode });
    }
    if batch.is_none() {
        return Err(Fault::format("points or batch is given"));
    }
    Operation::read("upsert", &json!({"batch": batch, "update_filter": filter, "update_mode": mode}))
}

/// Reads a field that is given at most once.
fn once<'t, T>(
    text: &mut Scan<'t>,
    name: &str,
    field: &mut Option<T>,
    read: impl FnOnce(&mut Scan<'t>) -> Result<T>,
) -> Result<()> {
    if field.is_some() {
        return Err(text.wrong(format_args!("duplicate field `{name}`")));
    }
    *field = Some(read(text)?);
    Ok(())
}

/// Reads something that may be null.
fn nullable<'t, T>(read: impl FnOnce(&mut Scan<'t>) -> Result<T>) -> impl FnOnce(&mut Scan<'t>) -> Result<Option<T>> {
    |text| match text.peek() {
        Some(b'n') => text.value::<()>().map(|()| None),
        _ => read(text).map(Some),
    }
}

fn points(text: &mut Scan<'_>) -> Result<Vec<Incoming>> {
    let mut points = Vec::new();
    text.list(|text| {
        points.push(point(text)?);
        Ok(())
    })?;
    Ok(points)
}

fn point(text: &mut Scan<'_>) -> Result<Incoming> {
    let (mut id, mut vectors, mut payload) = (None, None, None);
    text.object(|text, name| match &name[..] {
        "id" => once(text, &name, &mut id, |text| ids::id(&text.value()?)),
        "vector" => once(text, &name, &mut vectors, nullable(self::vectors)),
        "payload" => once(text, &name, &mut payload, self::payload),
        _ => text.value::<IgnoredAny>().map(drop),
    })?;
    let id = id.ok_or_else(|| text.wrong("missing field `id`"))?;
    let vectors = vectors.ok_or_else(|| text.wrong("missing field `vector`"))?.unwrap_or_default();
    Ok(Incoming { id, vectors, payload: payload.unwrap_or_default() })
}

/// The text of an object, without what it has of spaces, escapes and fields given twice.
fn payload(text: &mut Scan<'_>) -> Result<Bytes> {
    match text.value()? {
        Value::Null => Ok(Bytes::new()),
        object @ Value::Object(_) => Ok(object.to_string().into()),
        _ => Err(text.wrong("payload is an object")),
    }
}

/// One nameless vector, or several by name.
fn vectors(text: &mut Scan<'_>) -> Result<Vec<(String, Given)>> {
    match text.peek() {
        Some(b'[') => Ok(vec![(String::new(), rows(text)?)]),
        Some(b'{') => {
            let (begin, read) = (text.place(), named(text));
            let Err(fault) = read else { return read };
            // What has no vectors by name may be a document.
            let end = text.place();
            text.back(begin);
            match text.value::<Value>() {
                Ok(value) if document::is(&value) => vectors::named(&value),
                _ => {
                    text.back(end);
                    Err(fault)
                }
            }
        }
        _ => Err(text.wrong("expected a vector, or an object of vectors by name")),
    }
}

fn named(text: &mut Scan<'_>) -> Result<Vec<(String, Given)>> {
    let mut all: Vec<(String, Given)> = Vec::new();
    text.object(|text, name| {
        all.push((name, vector(text)?));
        Ok(())
    })?;
    // A body has room for millions of names: they are not compared each with each.
    let mut names: Vec<&str> = all.iter().map(|(name, _)| &name[..]).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(text.wrong(format_args!("the vector `{}` is given twice", pair[0]))),
        None => Ok(all),
    }
}

/// A vector of any kind.
fn vector(text: &mut Scan<'_>) -> Result<Given> {
    match text.peek() {
        Some(b'[') => rows(text),
        // Few and short: nothing is lost by the usual way.
        Some(b'{') => Given::read(&text.value()?),
        _ => Err(text.wrong("expected a list of numbers, a list of such lists, or indices with values")),
    }
}

/// A list of numbers, or of lists of them: the first element says which.
fn rows(text: &mut Scan<'_>) -> Result<Given> {
    if !text.opens_with(b'[') {
        return text.numbers().map(Given::Dense);
    }
    let mut rows = Vec::new();
    text.list(|text| {
        rows.push(text.numbers()?);
        Ok(())
    })?;
    Ok(Given::Multi(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A body means what it meant as JSON values.
    fn check(body: &Value) {
        let read = super::read(body.to_string().as_bytes());
        match Operation::read("upsert", body) {
            Ok(expected) => assert_eq!(read, Ok(expected), "{body}"),
            Err(_) => assert!(read.is_err(), "{body}"),
        }
    }

    #[test]
    fn bodies_mean_what_they_mean_as_values() {
        let uuid = "550E8400e29b41d4a716446655440000";
        check(&json!({"points": [{"id": 1, "vector": [1, 2.5, -3e-2], "payload": {"a": [1, null], "b": 2.0}}]}));
        check(
            &json!({"points": [{"id": uuid, "vector": {"": [0.1], "m": [[1, 2], [3, 4]]}, "payload": null}], "more": 1}),
        );
        check(
            &json!({"points": [{"id": 7, "vector": {"s": {"indices": [3, 1], "values": [0.5, 1]}}}], "update_mode": "insert_only"}),
        );
        check(&json!({"points": [{"id": 7, "vector": null}, {"id": 8, "vector": {}}, {"id": 9, "vector": []}]}));
        check(&json!({"points": [{"id": 7, "vector": [[]]}], "update_filter": {"must": [{"has_id": [7]}]}}));
        let document = json!({"options": {"k": 1.5}, "text": "a sunny day", "model": "qdrant/bm25"});
        check(&json!({"points": [{"id": 1, "vector": {"s": document, "d": [1, 2]}}, {"id": 2, "vector": document}]}));
        check(&json!({"batch": {"ids": [1], "vectors": {"s": [document]}}}));
        check(&json!({"batch": {"ids": [1], "vectors": [document]}}));
        check(&json!({"points": []}));
        check(&json!({"batch": {"ids": [1, 2], "vectors": [[1], [2]], "payloads": [{"a": 1}, null]}}));
        check(&json!({"batch": {"ids": [1], "vectors": {"a": [[1, 2]]}}}));
        check(&json!({"batch": {"ids": [1], "vectors": [{"a": [1, 2]}], "payloads": null}}));
        for wrong in [
            json!({}),
            json!([]),
            json!({"points": {}}),
            json!({"points": [1]}),
            json!([[{"id": 1, "vector": [0.5]}], null, null, null]),
            json!({"points": [[1, [0.5], null]]}),
            json!({"points": [{"id": 1}]}),
            json!({"points": [{"vector": [1]}]}),
            json!({"points": [{"id": -1, "vector": [1]}]}),
            json!({"points": [{"id": 1, "vector": ["1"]}]}),
            json!({"points": [{"id": 1, "vector": [1, [2]]}]}),
            json!({"points": [{"id": 1, "vector": [[1], 2]}]}),
            json!({"points": [{"id": 1, "vector": [[[1]]]}]}),
            json!({"points": [{"id": 1, "vector": "x"}]}),
            json!({"points": [{"id": 1, "vector": {"a": null}}]}),
            json!({"points": [{"id": 1, "vector": {"s": {"indices": [1]}}}]}),
            json!({"points": [{"id": 1, "vector": {"s": {"text": "x", "model": "m"}}}]}),
            json!({"points": [{"id": 1, "vector": {"text": "x", "model": "m"}}]}),
            json!({"points": [{"id": 1, "vector": {"text": "x", "options": {"k": 1}}}]}),
            json!({"points": [{"id": 1, "vector": {"s": {"text": "x", "model": "qdrant/bm25", "options": {"k": -1}}}}]}),
            json!({"points": [{"id": 1, "vector": [1], "payload": [1]}]}),
            json!({"points": [{"id": 1, "vector": [1]}], "update_mode": "never"}),
            json!({"points": [{"id": 1, "vector": [1]}], "update_filter": {"may": []}}),
        ] {
            check(&wrong);
        }
        for text in [
            r#"{"points": [{"id": 1, "vector": {"a": [1], "a": [2]}}]}"#,
            r#"{"points": [{"id": 1, "vector": {"b": [1], "a": [1], "c": [3], "b": [2]}}]}"#,
            r#"{"points": [{"id": 1, "id": 2, "vector": [1]}]}"#,
            r#"{"points": [], "points": []}"#,
            r#"{"points": [{"id": 1, "vector": [1e400]}]}"#,
            r#"{"points": []} x"#,
            r#"{"points": [],}"#,
            r#"{"points": [{"id": 1, "vector": [1,]}]}"#,
            r#"{"points": [{"id": 1, "vector": [1 2]}]}"#,
            r#"{"points": [{"id": 1, "vector": [01]}]}"#,
            "",
        ] {
            assert!(super::read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_tells_its_place() {
        for (text, place) in [
            ("{\"points\": [\n  {\"id\": 1, \"vector\": [0.5, x]}]}", "expected a number at line 2 column 29"),
            ("{\"points\": [\n  {\"id\": 1,\n\n \"payload\": {\"a\": tru}}]}", "at line 4 column 22"),
            ("{\"points\": [{\"id\": 1}]}", "missing field `vector` at line 1 column 22"),
            ("{\"points\": [", "at line 1 column 13"),
        ] {
            let fault = super::read(text.as_bytes()).unwrap_err();
            assert!(fault.text.ends_with(place), "{}", fault.text);
        }
    }

    const WHOLE: &str = concat!(
        r#"{"points": [{"id": 17, "vector": [0.25, -1e-3, 7], "payload": {"a": [1, null], "b": 2.5}}, "#,
        r#"{"vector": {"": [0.1], "m": [[1, 2], [3.5, 4]], "s": {"indices": [3, 1], "values": [0.5, 1]}}, "id": 8}, "#,
        r#"{"id": 9, "vector": null, "more": [{"x": "y"}, true]}], "update_mode": "insert_only"}"#
    );

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// A body with some characters changed means what it means as JSON values, or neither is taken.
        #[test]
        fn changed_bodies_mean_what_they_mean_as_values(
            changes in prop::collection::vec((0..WHOLE.len(), 0_u8..3, r#"[\[\]{}",:0-9.eE+ \n-]"#), 1..4)
        ) {
            let mut text = WHOLE.to_owned();
            for (at, how, character) in changes {
                let at = at % text.len();
                match how {
                    0 => drop(text.remove(at)),
                    1 => text.insert_str(at, &character),
                    _ => text.replace_range(at..=at, &character),
                }
            }
            let read = super::read(text.as_bytes());
            let body = serde_json::from_str::<Value>(&text).map_err(Fault::format);
            let fields = |text: &str| text.matches(':').count();
            // As values the last of two of a name stands, whatever the first one was.
            let twice = body.as_ref().is_ok_and(|body| fields(&body.to_string()) < fields(&text));
            match (read, body.and_then(|body| Operation::read("upsert", &body))) {
                (Ok(read), expected) => prop_assert_eq!(Ok(read), expected, "{}", text),
                (Err(fault), Ok(_)) => prop_assert!(twice, "{}: {}", fault.text, text),
                (Err(_), Err(_)) => {}
            }
        }
    }
}
