//! Point ids: unsigned numbers, or UUIDs in any accepted spelling.

use super::fault::{Fault, Result};
use nigh_index::id::PointId;
use serde::Serializer;
use serde_json::Value;
use uuid::Uuid;

/// Reads one.
pub(super) fn id(value: &Value) -> Result<PointId> {
    let wrong = || {
        let shown: String = value.to_string().chars().take(80).collect();
        Fault::format(format_args!("value {shown} is not a valid point ID: it is an unsigned integer or a UUID"))
    };
    match value {
        Value::Number(number) => number.as_u64().map(PointId::Num).ok_or_else(wrong),
        Value::String(text) => Uuid::try_parse(text).map(PointId::Uuid).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// Reads several.
pub(super) fn ids(values: &[Value]) -> Result<Vec<PointId>> {
    values.iter().map(id).collect()
}

/// Reads one of a path, where a number is written as text.
pub(super) fn of_path(text: &str) -> Result<PointId> {
    match text.parse() {
        Ok(number) => Ok(PointId::Num(number)),
        Err(_) => id(&Value::String(text.to_owned())),
    }
}

/// As it goes out.
pub(super) fn serialize<S: Serializer>(id: &PointId, out: S) -> std::result::Result<S::Ok, S::Error> {
    match id {
        PointId::Num(number) => out.serialize_u64(*number),
        PointId::Uuid(uuid) => out.collect_str(&uuid.hyphenated()),
    }
}

/// The same, for a field that may be null.
pub(super) fn serialize_optional<S: Serializer>(id: &Option<PointId>, out: S) -> std::result::Result<S::Ok, S::Error> {
    match id {
        Some(id) => serialize(id, out),
        None => out.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_uuids_of_any_spelling_are_ids() {
        let uuid = Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0);
        for text in [
            uuid.hyphenated().to_string(),
            uuid.simple().to_string(),
            uuid.braced().to_string(),
            uuid.urn().to_string(),
            uuid.hyphenated().to_string().to_uppercase(),
        ] {
            assert_eq!(id(&json!(text)), Ok(PointId::Uuid(uuid)), "{text}");
            assert_eq!(
                serialize(&PointId::Uuid(uuid), serde_json::value::Serializer).unwrap(),
                json!(uuid.to_string())
            );
        }
        assert_eq!(id(&json!(u64::MAX)), Ok(PointId::Num(u64::MAX)));
        for wrong in [json!(-1), json!(1.0), json!("seven"), json!("7"), json!(null), json!([1])] {
            assert!(id(&wrong).is_err(), "{wrong}");
        }
        assert_eq!(of_path("7"), Ok(PointId::Num(7)));
        assert!(of_path("-7").is_err() && of_path("x").is_err());
    }
}
