//! Values of payloads, and the few others that are JSON in one form of the API and messages in the other.

use crate::qdrant::fault::{Fault, Result};
use nigh_index::id::PointId;
use nigh_proto::qdrant as q;
use nigh_proto::qdrant::point_id::PointIdOptions;
use nigh_proto::qdrant::value::Kind;
use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Keys and values, as messages have them.
pub(super) type Fields = BTreeMap<String, q::Value>;

/// A value as JSON. A number that JSON cannot write is none.
pub(super) fn json(value: q::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::DoubleValue(number)) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        Some(Kind::IntegerValue(number)) => number.into(),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::BoolValue(flag)) => flag.into(),
        Some(Kind::StructValue(of)) => object(of.fields).into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(json).collect(),
    }
}

/// An object as JSON.
pub(super) fn object(fields: Fields) -> Map<String, Value> {
    fields.into_iter().map(|(key, value)| (key, json(value))).collect()
}

/// The text of an object: what [`object`] would come to, without a tree of values between.
pub(super) fn text(fields: &Fields) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Text(fields))
}

/// Something of a message, written as JSON.
pub(super) struct Text<'v, T>(pub(super) &'v T);

impl Serialize for Text<'_, Fields> {
    fn serialize<S: Serializer>(&self, out: S) -> std::result::Result<S::Ok, S::Error> {
        out.collect_map(self.0.iter().map(|(key, value)| (key, Text(value))))
    }
}

impl Serialize for Text<'_, q::Value> {
    fn serialize<S: Serializer>(&self, out: S) -> std::result::Result<S::Ok, S::Error> {
        match &self.0.kind {
            None | Some(Kind::NullValue(_)) => out.serialize_unit(),
            // A number that JSON cannot write becomes a null.
            Some(Kind::DoubleValue(number)) => out.serialize_f64(*number),
            Some(Kind::IntegerValue(number)) => out.serialize_i64(*number),
            Some(Kind::StringValue(text)) => out.serialize_str(text),
            Some(Kind::BoolValue(flag)) => out.serialize_bool(*flag),
            Some(Kind::StructValue(of)) => Text(&of.fields).serialize(out),
            Some(Kind::ListValue(list)) => out.collect_seq(list.values.iter().map(Text)),
        }
    }
}

/// A value as a message.
pub(super) fn message(value: Value) -> q::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(flag),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Kind::IntegerValue(number),
            None => Kind::DoubleValue(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Kind::StringValue(text),
        Value::Array(items) => Kind::ListValue(q::ListValue { values: items.into_iter().map(message).collect() }),
        Value::Object(of) => Kind::StructValue(q::Struct { fields: fields(of) }),
    };
    q::Value { kind: Some(kind) }
}

/// An object as a message.
pub(super) fn fields(object: Map<String, Value>) -> Fields {
    object.into_iter().map(|(key, value)| (key, message(value))).collect()
}

/// A number as JSON; what lies beyond all numbers is the greatest.
pub(super) fn number(number: f64) -> Result<Value> {
    let number = number.clamp(f64::MIN, f64::MAX);
    Number::from_f64(number).map(Value::Number).ok_or_else(|| Fault::format("a number is none (NaN)"))
}

/// An id as JSON.
pub(super) fn id_json(id: q::PointId) -> Value {
    match id.point_id_options {
        None => Value::Null,
        Some(PointIdOptions::Num(number)) => number.into(),
        Some(PointIdOptions::Uuid(text)) => text.into(),
    }
}

/// Ids as JSON.
pub(super) fn ids_json(ids: Vec<q::PointId>) -> Value {
    ids.into_iter().map(id_json).collect()
}

/// An id.
pub(super) fn id(id: Option<q::PointId>) -> Result<PointId> {
    match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Num(number)) => Ok(PointId::Num(number)),
        Some(PointIdOptions::Uuid(text)) => match Uuid::try_parse(&text) {
            Ok(uuid) => Ok(PointId::Uuid(uuid)),
            Err(_) => Err(Fault::format(format_args!("Unable to parse UUID: {text}"))),
        },
        None => Err(Fault::format("a point has no id")),
    }
}

/// An id as a message.
pub(super) fn id_message(id: PointId) -> q::PointId {
    let id = match id {
        PointId::Num(number) => PointIdOptions::Num(number),
        PointId::Uuid(uuid) => PointIdOptions::Uuid(uuid.hyphenated().to_string()),
    };
    q::PointId { point_id_options: Some(id) }
}

/// An object of those that are there.
pub(super) fn given<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let there = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

/// The value of an enum by name, as JSON spells it.
pub(super) fn spelled<E: TryFrom<i32>>(
    number: i32,
    what: &str,
    spell: impl FnOnce(E) -> &'static str,
) -> Result<Value> {
    match E::try_from(number) {
        Ok(value) => Ok(json!(spell(value))),
        Err(_) => Err(Fault::format(format_args!("{what} is {number}, which is none of its values"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_back_as_they_went() {
        let payload = json!({"i": 1, "f": 2.0, "s": "x", "n": null, "b": true, "l": [1, {"a": []}], "big": -7});
        assert_eq!(json(message(payload.clone())), payload);
        assert_eq!(number(f64::INFINITY), Ok(json!(f64::MAX)));
        assert!(number(f64::NAN).is_err());
    }

    #[test]
    fn the_text_of_an_object_is_that_of_its_values() {
        let Value::Object(payload) = json!({
            "z": {"b": [1, -2, 0.1, 1e300, 5e-324, -0.0], "a": {}}, "": "\u{1}\"\\é\n", "n": null, "l": [[], [true]],
            "big": i64::MIN, "whole": 2.0,
        }) else {
            unreachable!("it is written as an object")
        };
        let mut fields = fields(payload);
        for (name, number) in [("nan", f64::NAN), ("far", f64::NEG_INFINITY)] {
            fields.insert(name.into(), q::Value { kind: Some(Kind::DoubleValue(number)) });
        }
        fields.insert("none".into(), q::Value { kind: None });
        assert_eq!(String::from_utf8(text(&fields).unwrap()).unwrap(), Value::Object(object(fields)).to_string());
    }
}
