//! What a write asks.

use super::fault::{Fault, Result};
use super::path::{self, Step};
use super::vectors::{self, Given};
use super::{filter, ids};
use bytes::Bytes;
use nigh_index::filter::condition::Condition;
use nigh_index::id::PointId;
use nigh_storage::write::Selector;
use serde_json::{Map, Value};

/// A point on its way in: what it brings along.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Incoming {
    pub(super) id: PointId,
    /// By name; the nameless one under the empty name.
    pub(super) vectors: Vec<(String, Given)>,
    /// The text of a JSON object, or nothing.
    pub(super) payload: Bytes,
}

/// Which points of an upsert are written.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum Mode {
    #[default]
    All,
    /// Those that are not there.
    Insert,
    /// Those that are there.
    Update,
}

/// One thing to do.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Operation {
    /// Whole points. Those that are there change only where the filter holds.
    Upsert {
        points: Vec<Incoming>,
        filter: Option<Condition>,
        mode: Mode,
    },
    Delete(Selector),
    /// Keys of the payload, below a path where one is given.
    SetPayload {
        points: Selector,
        payload: Map<String, Value>,
        below: Option<Vec<Step>>,
    },
    OverwritePayload {
        points: Selector,
        payload: Map<String, Value>,
    },
    DeletePayload {
        points: Selector,
        paths: Vec<Vec<Step>>,
    },
    ClearPayload(Selector),
    /// The vectors that are named; where a filter is given, of those points for which it holds.
    UpdateVectors {
        points: Vec<Incoming>,
        filter: Option<Condition>,
    },
    DeleteVectors {
        points: Selector,
        names: Vec<String>,
    },
}

impl Operation {
    /// Points that are given or named; one, where a filter chooses them.
    pub(super) fn points(&self) -> usize {
        match self {
            Self::Upsert { points, .. } | Self::UpdateVectors { points, .. } => points.len(),
            Self::Delete(points)
            | Self::ClearPayload(points)
            | Self::SetPayload { points, .. }
            | Self::OverwritePayload { points, .. }
            | Self::DeletePayload { points, .. }
            | Self::DeleteVectors { points, .. } => match points {
                Selector::Ids(ids) => ids.len(),
                Selector::Filter(_) => 1,
            },
        }
    }

    /// Reads the body of a request, by the name that it has in a batch.
    pub(super) fn read(kind: &str, request: &Value) -> Result<Self> {
        Ok(match kind {
            "upsert" => Self::Upsert {
                points: incoming(request)?,
                filter: filter::optional(request.get("update_filter"))?,
                mode: mode(request.get("update_mode"))?,
            },
            "delete" | "delete_points" => Self::Delete(points(request)?),
            "set_payload" => {
                let below = match request.get("key") {
                    None | Some(Value::Null) => None,
                    Some(key) => Some(path(key)?),
                };
                Self::SetPayload { points: points(request)?, payload: object(request, "payload")?, below }
            }
            "overwrite_payload" => {
                Self::OverwritePayload { points: points(request)?, payload: object(request, "payload")? }
            }
            "delete_payload" => {
                let paths = list(request, "keys")?.iter().map(path).collect::<Result<_>>()?;
                Self::DeletePayload { points: points(request)?, paths }
            }
            "clear_payload" => Self::ClearPayload(points(request)?),
            "update_vectors" => {
                let one = |point: &Value| {
                    let vectors = vectors::named(&point["vector"])?;
                    Ok(Incoming { id: ids::id(&point["id"])?, vectors, payload: Bytes::new() })
                };
                let points = list(request, "points")?.iter().map(one).collect::<Result<_>>()?;
                Self::UpdateVectors { points, filter: filter::optional(request.get("update_filter"))? }
            }
            "delete_vectors" => {
                let names = match request.get("vector").or_else(|| request.get("vectors")) {
                    Some(Value::Array(names)) => names,
                    _ => return Err(Fault::format("vector is a list of names")),
                };
                let name = |name: &Value| name.as_str().map(str::to_owned);
                let names = names.iter().map(name).collect::<Option<_>>();
                let names = names.ok_or_else(|| Fault::format("the name of a vector is a string"))?;
                Self::DeleteVectors { points: points(request)?, names }
            }
            _ => return Err(Fault::format(format_args!("`{kind}` is no operation on points"))),
        })
    }
}

/// Reads `update_mode`.
pub(super) fn mode(value: Option<&Value>) -> Result<Mode> {
    match value {
        None | Some(Value::Null) => Ok(Mode::All),
        Some(mode) => match mode.as_str() {
            Some("upsert") => Ok(Mode::All),
            Some("insert_only") => Ok(Mode::Insert),
            Some("update_only") => Ok(Mode::Update),
            _ => Err(Fault::format("update_mode is upsert, insert_only or update_only")),
        },
    }
}

/// Points one by one, or column by column.
fn incoming(request: &Value) -> Result<Vec<Incoming>> {
    let one = |id: &Value, vectors: Vec<(String, Given)>, payload: &Value| {
        let payload = match payload {
            Value::Null => Bytes::new(),
            Value::Object(_) => payload.to_string().into(),
            _ => return Err(Fault::format("payload is an object")),
        };
        Ok(Incoming { id: ids::id(id)?, vectors, payload })
    };
    if let Some(points) = request.get("points") {
        let points = points.as_array().ok_or_else(|| Fault::format("points is a list"))?;
        let point = |point: &Value| {
            let vector = point.get("vector").ok_or_else(|| Fault::format("missing field `vector`"))?;
            one(&point["id"], vectors::named(vector)?, &point["payload"])
        };
        return points.iter().map(point).collect();
    }
    let batch = request.get("batch").ok_or_else(|| Fault::format("points or batch is given"))?;
    let (ids, payloads) = (list(batch, "ids")?, &batch["payloads"]);
    let columns = batch.get("vectors").ok_or_else(|| Fault::format("missing field `vectors`"))?;
    as_many("payloads", payloads, ids.len())?;
    match columns {
        Value::Object(named) => named.values().try_for_each(|rows| as_many("vectors", rows, ids.len()))?,
        rows => as_many("vectors", rows, ids.len())?,
    }
    let row = |(at, id): (usize, &Value)| {
        let vectors = match columns {
            Value::Object(named) => {
                named.iter().map(|(name, rows)| Ok((name.clone(), Given::read(&rows[at])?))).collect::<Result<_>>()?
            }
            rows => vectors::named(&rows[at])?,
        };
        one(id, vectors, &payloads[at])
    };
    ids.iter().enumerate().map(row).collect()
}

/// A column of a batch, where it is given, has a row for each id: an upsert takes away what a point is not given, so a
/// row that is missing would be lost from the point that is there.
fn as_many(name: &str, column: &Value, ids: usize) -> Result<()> {
    match column {
        Value::Null => Ok(()),
        Value::Array(rows) if rows.len() == ids => Ok(()),
        Value::Array(rows) => {
            Err(Fault::invalid(&format!("batch.{name}"), format_args!("{} rows for {ids} ids", rows.len())))
        }
        _ => Err(Fault::format(format_args!("{name} of a batch is a list, a row for each id"))),
    }
}

fn path(key: &Value) -> Result<Vec<Step>> {
    path::steps(key.as_str().ok_or_else(|| Fault::format("a key is a string"))?)
}

pub(super) fn list<'v>(request: &'v Value, name: &str) -> Result<&'v Vec<Value>> {
    request.get(name).and_then(Value::as_array).ok_or_else(|| Fault::format(format_args!("{name} is a list")))
}

fn object(request: &Value, name: &str) -> Result<Map<String, Value>> {
    match request.get(name) {
        Some(Value::Object(object)) => Ok(object.clone()),
        _ => Err(Fault::format(format_args!("{name} is an object"))),
    }
}

/// Points by `points` or by `filter`.
fn points(request: &Value) -> Result<Selector> {
    match (request.get("points"), request.get("filter")) {
        (Some(Value::Array(points)), _) => Ok(Selector::Ids(ids::ids(points)?)),
        (None | Some(Value::Null), Some(given)) if !given.is_null() => Ok(Selector::Filter(filter::filter(given)?)),
        _ if !request.is_object() => Err(Fault::format("points are selected by an object with points or filter")),
        _ => Err(nobody()),
    }
}

/// No points were selected.
pub(super) fn nobody() -> Fault {
    Fault::bad_request("Either list of ids or filter must be provided")
}
