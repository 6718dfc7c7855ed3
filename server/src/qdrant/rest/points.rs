//! Writes of points.
//!
//! A request is one batch, whole or not at all, unless it has more operations than a batch may have.

use super::reply::{Answer, Fault, Reply, Result, Update};
use super::{Asked, body, filter, ids, selector, vectors};
use crate::engine::Engine;
use crate::engine::query::{Get, PayloadSelection, VectorSelection};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::Uri;
use nigh_index::id::PointId;
use nigh_storage::collection::Collection;
use nigh_storage::point::Point;
use nigh_storage::schema::CollectionSpec;
use nigh_storage::write::{Durability, Selector, Write, WriteBatch};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Instant;

/// A write on its way.
struct Writing {
    engine: Arc<Engine>,
    collection: Arc<Collection>,
    spec: Arc<CollectionSpec>,
    asked: Asked,
}

impl Writing {
    fn begin(engine: Arc<Engine>, collection: &str, uri: &Uri) -> Result<Self> {
        let asked = Asked::of(uri)?;
        let collection = engine.collection(collection)?;
        let spec = collection.spec().clone();
        Ok(Self { engine, collection, spec, asked })
    }

    /// Applies operations, and says up to where.
    async fn apply(&self, mut ops: Vec<Write>) -> Result<u64> {
        let mut seq = self.collection.snapshot().seq;
        let most = self.engine.limits().batch_ops_max;
        while !ops.is_empty() {
            let rest = ops.split_off(ops.len().min(most));
            let batch = WriteBatch::from(std::mem::replace(&mut ops, rest));
            let collection = self.collection.clone();
            let written = self.engine.write(collection, batch, Durability::Durable, &self.asked.deadline).await;
            seq = written.map_err(explained)?.seq;
        }
        Ok(seq)
    }

    fn done(&self, begun: Instant, seq: u64) -> Reply<Update> {
        Reply::new(begun, Update::new(seq, self.asked.wait))
    }

    /// Every point of the selector has to be there.
    fn there(&self, selector: &Selector) -> Result<()> {
        let Selector::Ids(ids) = selector else { return Ok(()) };
        let snapshot = self.collection.snapshot();
        match ids.iter().find(|id| snapshot.find(id).is_none()) {
            Some(id) => Err(Fault::not_found(format_args!("No point with id {id} found"))),
            None => Ok(()),
        }
    }

    /// The payloads of points as they are now.
    async fn payloads(&self, selector: &Selector) -> Result<Vec<(PointId, Map<String, Value>)>> {
        let Selector::Ids(ids) = selector else {
            return Err(Fault::not_supported("a change inside of payloads of points that a filter selects"));
        };
        let (payload, vectors) = (PayloadSelection::All, VectorSelection::default());
        let get = Get { ids: ids.clone(), payload, vectors, version: String::new() };
        let (records, _) = self.engine.get(self.collection.clone(), get, &self.asked.deadline).await?;
        let read = |payload: &[u8]| serde_json::from_slice(payload).unwrap_or_default();
        Ok(records.into_iter().map(|record| (record.id, read(&record.payload))).collect())
    }

    /// The operations of one kind of request.
    async fn ops(&self, kind: &str, request: &Value) -> Result<Vec<Write>> {
        let mut ops = Vec::new();
        match kind {
            "upsert" => self.upserts(request, &mut ops)?,
            "delete" | "delete_points" => ops.push(Write::Delete(self::points(request)?)),
            "set_payload" => self.set_payload(request, &mut ops).await?,
            "overwrite_payload" => {
                let selector = self::points(request)?;
                self.there(&selector)?;
                ops.push(Write::OverwritePayload(selector, object(request, "payload")?.1));
            }
            "delete_payload" => self.delete_payload(request, &mut ops).await?,
            "clear_payload" => ops.push(Write::ClearPayload(self::points(request)?)),
            "update_vectors" => {
                for point in list(request, "points")? {
                    let id = ids::id(&point["id"])?;
                    self.there(&Selector::Ids(vec![id]))?;
                    let mut changed = Point::new(id);
                    vectors::into_point(&self.spec, &point["vector"], &mut changed)?;
                    ops.push(Write::UpdateVectors(changed));
                }
            }
            "delete_vectors" => {
                let names = match request.get("vector").or_else(|| request.get("vectors")) {
                    Some(Value::Array(names)) => names,
                    _ => return Err(Fault::format("vector is a list of names")),
                };
                let field = |name: &Value| {
                    let name = name.as_str().ok_or_else(|| Fault::format("the name of a vector is a string"))?;
                    vectors::place(&self.spec, name)
                };
                let fields = names.iter().map(field).collect::<Result<_>>()?;
                ops.push(Write::DeleteVectors(self::points(request)?, fields));
            }
            _ => return Err(Fault::format(format_args!("`{kind}` is no operation on points"))),
        }
        Ok(ops)
    }

    fn upserts(&self, request: &Value, ops: &mut Vec<Write>) -> Result<()> {
        for name in ["update_filter", "update_mode"] {
            if request.get(name).is_some_and(|value| !value.is_null()) {
                return Err(Fault::not_supported(name));
            }
        }
        let mut upsert = |id: &Value, vector: &Value, payload: &Value| {
            let payload = match payload {
                Value::Null => bytes::Bytes::new(),
                Value::Object(_) => payload.to_string().into(),
                _ => return Err(Fault::format("payload is an object")),
            };
            let mut point = Point { payload, ..Point::new(ids::id(id)?) };
            vectors::into_point(&self.spec, vector, &mut point)?;
            ops.push(Write::Upsert(point));
            Ok(())
        };
        if let Some(points) = request.get("points") {
            let points = points.as_array().ok_or_else(|| Fault::format("points is a list"))?;
            for point in points {
                let vector = point.get("vector").ok_or_else(|| Fault::format("missing field `vector`"))?;
                upsert(&point["id"], vector, &point["payload"])?;
            }
        } else {
            let batch = request.get("batch").ok_or_else(|| Fault::format("points or batch is given"))?;
            let all = list(batch, "ids")?;
            let of = |rows: &Value, at: usize| rows.get(at).cloned().unwrap_or(Value::Null);
            let payloads = batch.get("payloads").unwrap_or(&Value::Null);
            for (at, id) in all.iter().enumerate() {
                let vector = match &batch["vectors"] {
                    Value::Object(named) => {
                        named.iter().map(|(name, rows)| (name.clone(), of(rows, at))).collect::<Map<_, _>>().into()
                    }
                    rows => of(rows, at),
                };
                upsert(id, &vector, &of(payloads, at))?;
            }
        }
        match ops.is_empty() {
            true => Err(Fault::bad_request("Empty update request")),
            false => Ok(()),
        }
    }

    /// A null takes its key out; with `key` the payload goes below that path.
    async fn set_payload(&self, request: &Value, ops: &mut Vec<Write>) -> Result<()> {
        let selector = points(request)?;
        self.there(&selector)?;
        let (given, _) = object(request, "payload")?;
        match request.get("key").and_then(Value::as_str) {
            None => {
                let (gone, kept): (Map<_, _>, Map<_, _>) = given.into_iter().partition(|(_, value)| value.is_null());
                if !gone.is_empty() {
                    let keys = gone.into_iter().map(|(key, _)| key).collect();
                    ops.push(Write::DeletePayloadKeys(selector.clone(), keys));
                }
                if !kept.is_empty() {
                    ops.push(Write::SetPayload(selector, Value::Object(kept).to_string().into()));
                }
            }
            Some(key) => {
                let path = selector::keys(key)?;
                for (id, payload) in self.payloads(&selector).await? {
                    let mut whole = Value::Object(payload);
                    merge(&mut whole, &path, &given);
                    ops.push(Write::OverwritePayload(Selector::Ids(vec![id]), whole.to_string().into()));
                }
            }
        }
        Ok(())
    }

    async fn delete_payload(&self, request: &Value, ops: &mut Vec<Write>) -> Result<()> {
        let selector = points(request)?;
        let mut paths = Vec::new();
        for key in list(request, "keys")? {
            paths.push(selector::keys(key.as_str().ok_or_else(|| Fault::format("a key is a string"))?)?);
        }
        if paths.iter().all(|path| path.len() == 1) {
            let keys = paths.into_iter().flatten().collect();
            ops.push(Write::DeletePayloadKeys(selector, keys));
            return Ok(());
        }
        for (id, payload) in self.payloads(&selector).await? {
            let mut whole = Value::Object(payload);
            paths.iter().for_each(|path| take_out(&mut whole, path));
            ops.push(Write::OverwritePayload(Selector::Ids(vec![id]), whole.to_string().into()));
        }
        Ok(())
    }
}

/// A dimension that is wrong is said as clients know it.
fn explained(err: crate::engine::error::Error) -> Fault {
    err.into()
}

fn merge(value: &mut Value, path: &[String], given: &Map<String, Value>) {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(object) = value else { return };
    match path.split_first() {
        Some((first, rest)) => merge(object.entry(first).or_insert(Value::Null), rest, given),
        None => object.extend(given.iter().map(|(key, value)| (key.clone(), value.clone()))),
    }
}

fn take_out(value: &mut Value, path: &[String]) {
    match (value, path) {
        (Value::Array(items), _) => items.iter_mut().for_each(|item| take_out(item, path)),
        (Value::Object(object), [last]) => drop(object.shift_remove(last)),
        (Value::Object(object), [first, rest @ ..]) => {
            if let Some(inner) = object.get_mut(first) {
                take_out(inner, rest);
            }
        }
        _ => {}
    }
}

fn list<'v>(request: &'v Value, name: &str) -> Result<&'v Vec<Value>> {
    request.get(name).and_then(Value::as_array).ok_or_else(|| Fault::format(format_args!("{name} is a list")))
}

fn object(request: &Value, name: &str) -> Result<(Map<String, Value>, bytes::Bytes)> {
    match request.get(name) {
        Some(Value::Object(object)) => Ok((object.clone(), request[name].to_string().into())),
        _ => Err(Fault::format(format_args!("{name} is an object"))),
    }
}

/// Points by `points` or by `filter`.
fn points(request: &Value) -> Result<Selector> {
    match (request.get("points"), request.get("filter")) {
        (Some(Value::Array(points)), _) => Ok(Selector::Ids(ids::ids(points)?)),
        (None | Some(Value::Null), Some(given)) if !given.is_null() => Ok(Selector::Filter(filter::filter(given)?)),
        _ if !request.is_object() => Err(Fault::format("points are selected by an object with points or filter")),
        _ => Err(Fault::bad_request("Either list of ids or filter must be provided")),
    }
}

type Called = (State<Arc<Engine>>, Path<String>, Uri, Bytes);

async fn one((State(engine), Path(collection), uri, bytes): Called, kind: &str) -> Answer<Update> {
    let begun = Instant::now();
    let request: Value = body(&bytes)?;
    let writing = Writing::begin(engine, &collection, &uri)?;
    let ops = writing.ops(kind, &request).await?;
    let seq = writing.apply(ops).await?;
    Ok(writing.done(begun, seq))
}

macro_rules! writes {
    ($($name:ident: $kind:literal),*) => {$(
        pub(super) async fn $name(
            engine: State<Arc<Engine>>,
            collection: Path<String>,
            uri: Uri,
            bytes: Bytes,
        ) -> Answer<Update> {
            one((engine, collection, uri, bytes), $kind).await
        }
    )*};
}

writes! {
    upsert: "upsert", delete: "delete", set_payload: "set_payload", overwrite_payload: "overwrite_payload",
    delete_payload: "delete_payload", clear_payload: "clear_payload", update_vectors: "update_vectors",
    delete_vectors: "delete_vectors"
}

/// Several requests, one after the other; those before one that is wrong stand.
pub(super) async fn batch(
    State(engine): State<Arc<Engine>>,
    Path(collection): Path<String>,
    uri: Uri,
    bytes: Bytes,
) -> Answer<Vec<Update>> {
    let begun = Instant::now();
    let request: Value = body(&bytes)?;
    let writing = Writing::begin(engine, &collection, &uri)?;
    let mut updates = Vec::new();
    for operation in list(&request, "operations")? {
        let Some((kind, request)) = operation.as_object().and_then(|operation| operation.iter().next()) else {
            return Err(Fault::format("an operation is an object with one name"));
        };
        let ops = writing.ops(kind, request).await?;
        updates.push(Update::new(writing.apply(ops).await?, writing.asked.wait));
    }
    Ok(Reply::new(begun, updates))
}
