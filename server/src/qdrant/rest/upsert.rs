//! The body of an upsert, read straight into points.
//!
//! A batch of vectors is nearly all numbers: as JSON values each of them would take up thirty-two bytes and a visit of its
//! own before it becomes one of four.

use crate::qdrant::fault::{Fault, Result};
use crate::qdrant::operation::{self, Incoming, Operation};
use crate::qdrant::vectors::Given;
use crate::qdrant::{filter, ids};
use bytes::Bytes;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::fmt;
use std::marker::PhantomData;

#[derive(Deserialize)]
struct Body {
    points: Option<Vec<Object<Point>>>,
    batch: Option<Value>,
    update_filter: Option<Value>,
    update_mode: Option<Value>,
}

#[derive(Deserialize)]
struct Point {
    id: Value,
    #[serde(deserialize_with = "present")]
    vector: Vectors,
    payload: Option<Payload>,
}

/// What is written as an object only: a list of its fields' values in their order is nothing that anybody means.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Seen<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Seen<T> {
            type Value = Object<T>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> std::result::Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
            }
        }
        from.deserialize_map(Seen(PhantomData))
    }
}

/// A field that has to be there, though perhaps null.
fn present<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vectors, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The text of an object.
struct Payload(Bytes);

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        match Value::deserialize(from)? {
            object @ Value::Object(_) => Ok(Self(object.to_string().into())),
            _ => Err(D::Error::custom("payload is an object")),
        }
    }
}

/// Reads the body of an upsert.
pub(super) fn read(bytes: &[u8]) -> Result<Operation> {
    let Object(body): Object<Body> = serde_json::from_slice(bytes).map_err(Fault::format)?;
    let mode = operation::mode(body.update_mode.as_ref())?;
    let Some(points) = body.points else {
        if body.batch.is_none() {
            return Err(Fault::format("points or batch is given"));
        }
        return Operation::read(
            "upsert",
            &json!({"batch": body.batch, "update_filter": body.update_filter, "update_mode": body.update_mode}),
        );
    };
    let point = |Object(point): Object<Point>| {
        let payload = point.payload.map(|payload| payload.0).unwrap_or_default();
        Ok(Incoming { id: ids::id(&point.id)?, vectors: point.vector.0, payload })
    };
    let points = points.into_iter().map(point).collect::<Result<_>>()?;
    Ok(Operation::Upsert { points, filter: filter::optional(body.update_filter.as_ref())?, mode })
}

/// One nameless vector, or several by name.
#[derive(Default)]
struct Vectors(Vec<(String, Given)>);

impl<'de> Deserialize<'de> for Vectors {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Vectors;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a vector, or an object of vectors by name")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> std::result::Result<Vectors, A::Error> {
                Ok(Vectors(vec![(String::new(), rows(items)?)]))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut named: A) -> std::result::Result<Vectors, A::Error> {
                let mut all: Vec<(String, Given)> = Vec::new();
                while let Some(name) = named.next_key::<String>()? {
                    if all.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format_args!("the vector `{name}` is given twice")));
                    }
                    all.push((name, named.next_value::<One>()?.0));
                }
                Ok(Vectors(all))
            }
        }
        from.deserialize_any(Seen)
    }
}

/// A vector of any kind.
struct One(Given);

impl<'de> Deserialize<'de> for One {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = One;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of numbers, a list of such lists, or indices with values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> std::result::Result<One, A::Error> {
                rows(items).map(One)
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> std::result::Result<One, A::Error> {
                // Few and short: nothing is lost by the usual way.
                let fields = Value::deserialize(MapAccessDeserializer::new(fields))?;
                Given::read(&fields).map(One).map_err(|fault| A::Error::custom(fault.text))
            }
        }
        from.deserialize_any(Seen)
    }
}

/// A list of numbers, or of lists of them: the first element says which.
fn rows<'de, A: SeqAccess<'de>>(mut items: A) -> std::result::Result<Given, A::Error> {
    match items.next_element::<Item>()? {
        None => Ok(Given::Dense(Vec::new())),
        Some(Item::Number(first)) => {
            let mut vector = vec![first];
            while let Some(number) = items.next_element()? {
                vector.push(number);
            }
            Ok(Given::Dense(vector))
        }
        Some(Item::Row(first)) => {
            let mut rows = vec![first];
            while let Some(row) = items.next_element()? {
                rows.push(row);
            }
            Ok(Given::Multi(rows))
        }
    }
}

/// An element of what may be a vector, or several.
enum Item {
    Number(f32),
    Row(Vec<f32>),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Item;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a number, or a list of numbers")
            }

            fn visit_f64<E: Error>(self, number: f64) -> std::result::Result<Item, E> {
                Ok(Item::Number(number as f32))
            }

            fn visit_u64<E: Error>(self, number: u64) -> std::result::Result<Item, E> {
                Ok(Item::Number(number as f32))
            }

            fn visit_i64<E: Error>(self, number: i64) -> std::result::Result<Item, E> {
                Ok(Item::Number(number as f32))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Item, A::Error> {
                let mut row = Vec::new();
                while let Some(number) = items.next_element()? {
                    row.push(number);
                }
                Ok(Item::Row(row))
            }
        }
        from.deserialize_any(Seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            json!({"points": [{"id": 1, "vector": [1], "payload": [1]}]}),
            json!({"points": [{"id": 1, "vector": [1]}], "update_mode": "never"}),
            json!({"points": [{"id": 1, "vector": [1]}], "update_filter": {"may": []}}),
        ] {
            check(&wrong);
        }
        assert!(super::read(b"{\"points\": [{\"id\": 1, \"vector\": {\"a\": [1], \"a\": [2]}}]}").is_err());
        assert!(super::read(b"{\"points\": [{\"id\": 1, \"vector\": [1e400]}]}").is_err());
    }
}
