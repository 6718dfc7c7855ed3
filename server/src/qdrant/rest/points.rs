//! Writes of points.
//!
//! A request is one batch, whole or not at all, unless it has more operations than a batch may have.

use super::reply::{Answer, Fault, Reply, Result, Update};
use super::{Asked, body, filter, ids, selector, vectors};
use crate::engine::Engine;
use crate::engine::error::Error;
use crate::engine::query::{Get, PayloadSelection, VectorSelection};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::Uri;
use nigh_index::id::PointId;
use nigh_storage::collection::Collection;
use nigh_storage::point::Point;
use nigh_storage::schema::CollectionSpec;
use nigh_storage::write::{Durability, IfVersion, Selector, Write, WriteBatch};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Instant;

/// A payload that is changed by others all the time is read again so often.
const REWRITES_MAX: u32 = 16;

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
            seq = written?.seq;
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

    /// Does what one kind of request asks, and says up to where the log is then.
    async fn perform(&self, kind: &str, request: &Value) -> Result<u64> {
        match kind {
            "set_payload" if request.get("key").is_some_and(Value::is_string) => self.set_below(request).await,
            "delete_payload" => {
                let path =
                    |key: &Value| selector::keys(key.as_str().ok_or_else(|| Fault::format("a key is a string"))?);
                let paths = list(request, "keys")?.iter().map(path).collect::<Result<Vec<_>>>()?;
                let points = points(request)?;
                if paths.iter().all(|path| path.len() == 1) {
                    let keys = paths.into_iter().flatten().collect();
                    return self.apply(vec![Write::DeletePayloadKeys(points, keys)]).await;
                }
                self.rewrite(&points, |payload| paths.iter().for_each(|path| take_out(payload, path))).await
            }
            _ => self.apply(self.ops(kind, request)?).await,
        }
    }

    /// The payload goes below a path.
    async fn set_below(&self, request: &Value) -> Result<u64> {
        let points = points(request)?;
        self.there(&points)?;
        let path = selector::keys(request["key"].as_str().unwrap_or_default())?;
        let (given, _) = object(request, "payload")?;
        self.rewrite(&points, |payload| merge(payload, &path, &given)).await
    }

    /// Changes payloads that have to be read first. Each is written on the condition that its point is still what was
    /// read: where somebody was faster, it is read again.
    async fn rewrite(&self, points: &Selector, change: impl Fn(&mut Value)) -> Result<u64> {
        let Selector::Ids(ids) = points else {
            return Err(Fault::not_supported("a change inside of payloads of points that a filter selects"));
        };
        let mut seq = self.collection.snapshot().seq;
        for ids in ids.chunks(self.engine.limits().batch_ops_max.min(self.engine.limits().hits_max as usize)) {
            let mut tries = REWRITES_MAX;
            loop {
                match self.rewrite_once(ids, &change).await {
                    Err(Error::Condition { .. }) if tries > 1 => tries -= 1,
                    done => break seq = seq.max(done?),
                }
            }
        }
        Ok(seq)
    }

    async fn rewrite_once(&self, ids: &[PointId], change: &impl Fn(&mut Value)) -> Result<u64, Error> {
        let (payload, vectors, version) = (PayloadSelection::All, VectorSelection::default(), String::new());
        let get = Get { ids: ids.to_vec(), payload, vectors, version };
        let (records, seq) = self.engine.get(self.collection.clone(), get, &self.asked.deadline).await?;
        let (mut ops, mut conditions) = (Vec::new(), Vec::new());
        for record in records {
            let mut payload = serde_json::from_slice(&record.payload).unwrap_or_else(|_| Value::Object(Map::new()));
            change(&mut payload);
            conditions.push(IfVersion { op: ops.len(), version: record.version });
            ops.push(Write::OverwritePayload(Selector::Ids(vec![record.id]), payload.to_string().into()));
        }
        if ops.is_empty() {
            return Ok(seq);
        }
        let batch = WriteBatch { ops, conditions, ..WriteBatch::default() };
        let written = self.engine.write(self.collection.clone(), batch, Durability::Durable, &self.asked.deadline);
        Ok(written.await?.seq)
    }

    /// The operations of one kind of request.
    fn ops(&self, kind: &str, request: &Value) -> Result<Vec<Write>> {
        let mut ops = Vec::new();
        match kind {
            "upsert" => self.upserts(request, &mut ops)?,
            "delete" | "delete_points" => ops.push(Write::Delete(self::points(request)?)),
            "set_payload" => self.set_payload(request, &mut ops)?,
            "overwrite_payload" => {
                let selector = self::points(request)?;
                self.there(&selector)?;
                ops.push(Write::OverwritePayload(selector, object(request, "payload")?.1));
            }
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

    /// A null takes its key out.
    fn set_payload(&self, request: &Value, ops: &mut Vec<Write>) -> Result<()> {
        let selector = points(request)?;
        self.there(&selector)?;
        let (given, _) = object(request, "payload")?;
        let (gone, kept): (Map<_, _>, Map<_, _>) = given.into_iter().partition(|(_, value)| value.is_null());
        if !gone.is_empty() {
            let keys = gone.into_iter().map(|(key, _)| key).collect();
            ops.push(Write::DeletePayloadKeys(selector.clone(), keys));
        }
        if !kept.is_empty() {
            ops.push(Write::SetPayload(selector, Value::Object(kept).to_string().into()));
        }
        Ok(())
    }
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
    let seq = writing.perform(kind, &request).await?;
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
        updates.push(Update::new(writing.perform(kind, request).await?, writing.asked.wait));
    }
    Ok(Reply::new(begun, updates))
}
