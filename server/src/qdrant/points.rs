//! Writes of points.
//!
//! A request is one batch, whole or not at all, unless it has more operations than a batch may have. What depends on
//! how points are (a part of a payload, points that may only be new) is read first, and written on the condition that
//! nothing of it changed meanwhile: where somebody was faster, it is read again.

use super::call::{Call, Update, aside, each};
use super::fault::{Fault, Result};
use super::operation::{Incoming, Mode, Operation, list};
use super::path::{self, Step};
use super::strict::Strict;
use super::vectors;
use crate::engine::error::Error;
use crate::engine::query::answer::{Page, Record};
use crate::engine::query::{Get, PayloadSelection, Scroll, VectorSelection};
use nigh_index::filter::condition::Condition;
use nigh_index::filter::eval::VALUES_MAX;
use nigh_index::id::PointId;
use nigh_storage::collection::Collection;
use nigh_storage::point::Point;
use nigh_storage::schema::CollectionSpec;
use nigh_storage::write::{Durability, IfVersion, Selector, Write, WriteBatch};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What is changed by others all the time is read again so often.
const TRIES_MAX: u32 = 16;

/// One request of one kind.
pub(super) async fn write(call: Call, kind: &'static str, request: Value) -> Result<Update> {
    let operation = aside(move || Operation::read(kind, &request)).await?;
    perform(call, operation).await
}

/// The same, where the request was read before.
pub(super) async fn perform(call: Call, operation: Operation) -> Result<Update> {
    let writing = Writing::permitted(&call, &operation)?;
    Ok(call.done(writing.perform(operation).await?))
}

/// An upsert, read and made where it will be parsed: a batch goes to one other thread on its way to the writer. What has
/// to look at the points that are there takes the longer way.
pub(super) async fn upsert(call: Call, read: impl FnOnce() -> Result<Operation> + Send + 'static) -> Result<Update> {
    let of = call.clone();
    let make = move || batch_of(&of, read()?);
    match call.engine.write_made(make, Durability::Durable, &call.deadline).await {
        Ok(written) => Ok(call.done(written.seq)),
        Err(Instead::Fault(fault)) => Err(fault),
        Err(Instead::Operation(collection, operation)) => {
            Ok(call.done(Writing::of(&call, collection).perform(*operation).await?))
        }
    }
}

/// What there is where no batch can be made.
enum Instead {
    Fault(Fault),
    /// It is more than one batch, or depends on the points that are there: of the collection that it was permitted to.
    Operation(Arc<Collection>, Box<Operation>),
}

impl From<Fault> for Instead {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Error> for Instead {
    fn from(err: Error) -> Self {
        Self::Fault(err.into())
    }
}

fn batch_of(call: &Call, operation: Operation) -> Result<(Arc<Collection>, WriteBatch), Instead> {
    let Writing { collection, spec, .. } = Writing::permitted(call, &operation)?;
    let most = call.engine.limits().batch_ops_max;
    match operation {
        Operation::Upsert { points, filter: None, mode: Mode::All } if (1..=most).contains(&points.len()) => {
            let ops: Vec<Write> = kept(&spec, points)?.into_iter().map(Write::Upsert).collect();
            Ok((collection, ops.into()))
        }
        other => Err(Instead::Operation(collection, Box::new(other))),
    }
}

/// Points as they are kept.
fn kept(spec: &CollectionSpec, points: Vec<Incoming>) -> Result<Vec<Point>> {
    let point = |incoming: Incoming| {
        let mut point = Point { payload: incoming.payload, ..Point::new(incoming.id) };
        vectors::into_point(spec, incoming.vectors, &mut point)?;
        Ok(point)
    };
    each(points, point)
}

/// Several requests, one after the other; those before one that is wrong stand.
pub(super) async fn batch(call: Call, mut request: Value) -> Result<Vec<Update>> {
    list(&request, "operations")?;
    let Value::Array(operations) = request["operations"].take() else { return Ok(Vec::new()) };
    let mut updates = Vec::new();
    for operation in operations {
        let read = move || {
            let mut named = operation.as_object().into_iter().flatten();
            match (named.next(), named.next()) {
                (Some((kind, request)), None) => Operation::read(kind, request),
                _ => Err(Fault::format("an operation is an object with one name")),
            }
        };
        updates.push(perform(call.clone(), aside(read).await?).await?);
    }
    Ok(updates)
}

/// A write on its way.
struct Writing<'c> {
    call: &'c Call,
    collection: Arc<Collection>,
    spec: Arc<CollectionSpec>,
}

impl<'c> Writing<'c> {
    fn of(call: &'c Call, collection: Arc<Collection>) -> Self {
        let spec = collection.spec();
        Self { call, collection, spec }
    }

    /// One that the collection's strict mode lets through, where it has one.
    fn permitted(call: &'c Call, operation: &Operation) -> Result<Self> {
        let writing = Self::of(call, call.open()?);
        if let Some(strict) = Strict::of(call) {
            strict.write(call, operation, &writing.collection.snapshot())?;
        }
        Ok(writing)
    }

    /// Does it, and says up to where the log is then.
    async fn perform(&self, operation: Operation) -> Result<u64> {
        match operation {
            Operation::Upsert { points, filter, mode } => {
                if points.is_empty() {
                    return Err(Fault::bad_request("Empty update request"));
                }
                let points = self.points(points).await?;
                let ops = points.into_iter().map(|point| (point.id, Write::Upsert(point))).collect();
                self.chosen(ops, filter, mode).await
            }
            Operation::UpdateVectors { points, filter } => {
                let points = self.points(points).await?;
                self.there(&Selector::Ids(points.iter().map(|point| point.id).collect())).await?;
                let ops = points.into_iter().map(|point| (point.id, Write::UpdateVectors(point))).collect();
                // All are there: without a filter nothing has to be compared.
                let mode = if filter.is_some() { Mode::Update } else { Mode::All };
                self.chosen(ops, filter, mode).await
            }
            Operation::Delete(points) => self.apply(vec![Write::Delete(points)]).await,
            Operation::ClearPayload(points) => {
                self.there(&points).await?;
                self.apply(vec![Write::ClearPayload(points)]).await
            }
            Operation::SetPayload { points, payload, below: None } => {
                self.there(&points).await?;
                self.set(points, payload).await
            }
            Operation::SetPayload { points, payload, below: Some(below) } => {
                self.there(&points).await?;
                self.rewrite(points, |whole| path::merge(whole, &below, &payload)).await
            }
            Operation::OverwritePayload { points, payload } => {
                self.there(&points).await?;
                self.apply(vec![Write::OverwritePayload(points, Value::Object(payload).to_string().into())]).await
            }
            Operation::DeletePayload { points, paths } => {
                self.there(&points).await?;
                let key = |path: &Vec<Step>| match &path[..] {
                    [Step::Key(key)] => Some(key.clone()),
                    _ => None,
                };
                match paths.iter().map(key).collect() {
                    Some(keys) => self.apply(vec![Write::DeletePayloadKeys(points, keys)]).await,
                    None => self.rewrite(points, |whole| paths.iter().for_each(|path| path::remove(whole, path))).await,
                }
            }
            Operation::DeleteVectors { points, names } => {
                self.there(&points).await?;
                let fields = names.iter().map(|name| vectors::place(&self.spec, name)).collect::<Result<_>>()?;
                self.apply(vec![Write::DeleteVectors(points, fields)]).await
            }
        }
    }

    /// Points as they are kept.
    async fn points(&self, points: Vec<Incoming>) -> Result<Vec<Point>> {
        let spec = self.spec.clone();
        aside(move || kept(&spec, points)).await
    }

    /// Every point of the selector has to be there.
    async fn there(&self, points: &Selector) -> Result<()> {
        let Selector::Ids(ids) = points else { return Ok(()) };
        let (collection, ids) = (self.collection.clone(), ids.clone());
        aside(move || {
            let snapshot = collection.snapshot();
            match ids.iter().find(|id| snapshot.find(id).is_none()) {
                Some(id) => Err(Fault::not_found(format_args!("No point with id {id} found"))),
                None => Ok(()),
            }
        })
        .await
    }

    async fn write(&self, batch: WriteBatch) -> Result<u64, Error> {
        let (collection, deadline) = (self.collection.clone(), &self.call.deadline);
        Ok(self.call.engine.write(collection, batch, Durability::Durable, deadline).await?.seq)
    }

    /// Applies operations, and says up to where.
    async fn apply(&self, mut ops: Vec<Write>) -> Result<u64> {
        let mut seq = self.collection.snapshot().seq;
        let most = self.call.engine.limits().batch_ops_max;
        while !ops.is_empty() {
            let rest = ops.split_off(ops.len().min(most));
            seq = self.write(WriteBatch::from(std::mem::replace(&mut ops, rest))).await?;
        }
        Ok(seq)
    }

    /// How many points are read and written at once.
    fn step(&self) -> usize {
        let limits = self.call.engine.limits();
        limits.batch_ops_max.min(limits.hits_max as usize).clamp(1, VALUES_MAX)
    }

    /// Writes those points that the mode and the filter let through.
    async fn chosen(&self, ops: Vec<(PointId, Write)>, filter: Option<Condition>, mode: Mode) -> Result<u64> {
        if filter.is_none() && mode == Mode::All {
            return self.apply(ops.into_iter().map(|(_, op)| op).collect()).await;
        }
        let (mut seq, mut ops) = (self.collection.snapshot().seq, ops.into_iter().peekable());
        while ops.peek().is_some() {
            // A point that comes twice is looked at anew the second time.
            let mut piece = Vec::new();
            let mut ids = HashSet::new();
            while piece.len() < self.step()
                && let Some(op) = ops.next_if(|(id, _)| ids.insert(*id))
            {
                piece.push(op);
            }
            let mut tries = TRIES_MAX;
            seq = loop {
                match self.choose_once(&piece, filter.as_ref(), mode).await {
                    Err(Error::Condition { .. }) if tries > 1 => tries -= 1,
                    done => break seq.max(done?),
                }
            };
        }
        Ok(seq)
    }

    async fn choose_once(
        &self,
        piece: &[(PointId, Write)],
        filter: Option<&Condition>,
        mode: Mode,
    ) -> Result<u64, Error> {
        let ids: Vec<PointId> = piece.iter().map(|(id, _)| *id).collect();
        // Versions first: what changes before the filter is asked is found out by its version.
        let (records, mut seq) = self.get(ids.clone(), PayloadSelection::Nothing).await?;
        let versions: HashMap<PointId, u64> = records.into_iter().map(|record| (record.id, record.version)).collect();
        let held = match filter {
            None => None,
            Some(filter) => {
                let filter = Condition::all(vec![Condition::HasId(ids), filter.clone()]);
                let page = self.scroll(filter, None, PayloadSelection::Nothing).await?;
                seq = page.seq;
                Some(page.records.into_iter().map(|record| record.id).collect::<HashSet<_>>())
            }
        };
        let mut batch = WriteBatch::default();
        for (id, op) in piece {
            let version = versions.get(id).copied();
            let chosen = match version {
                None => mode != Mode::Update,
                Some(_) => mode != Mode::Insert && held.as_ref().is_none_or(|held| held.contains(id)),
            };
            if chosen {
                batch.conditions.push(IfVersion { op: batch.ops.len(), version: version.unwrap_or(0) });
                batch.ops.push(op.clone());
            }
        }
        if batch.ops.is_empty() { Ok(seq) } else { self.write(batch).await }
    }

    async fn get(&self, ids: Vec<PointId>, payload: PayloadSelection) -> Result<(Vec<Record>, u64), Error> {
        let get = Get { ids, payload, vectors: VectorSelection::default(), version: String::new() };
        self.call.engine.get(self.collection.clone(), get, &self.call.deadline).await
    }

    async fn scroll(&self, filter: Condition, from: Option<PointId>, payload: PayloadSelection) -> Result<Page, Error> {
        let (filter, limit, vectors) = (Some(filter), self.step(), VectorSelection::default());
        let scroll = Scroll { filter, from, limit, payload, vectors, version: String::new() };
        self.call.engine.scroll(self.collection.clone(), scroll, &self.call.deadline).await
    }

    /// A null takes its key out. What a filter finds is found once: after the one change it may find other points for
    /// the other.
    async fn set(&self, points: Selector, payload: Map<String, Value>) -> Result<u64> {
        let (gone, kept): (Map<_, _>, Map<_, _>) = payload.into_iter().partition(|(_, value)| value.is_null());
        if let Selector::Filter(_) = points
            && !gone.is_empty()
            && !kept.is_empty()
        {
            let change = |whole: &mut Value| {
                let Value::Object(object) = whole else { return };
                object.retain(|key, _| !gone.contains_key(key));
                object.extend(kept.clone());
            };
            return self.rewrite(points, change).await;
        }
        let mut ops = Vec::new();
        if !gone.is_empty() {
            ops.push(Write::DeletePayloadKeys(points.clone(), gone.into_iter().map(|(key, _)| key).collect()));
        }
        if !kept.is_empty() {
            ops.push(Write::SetPayload(points, Value::Object(kept).to_string().into()));
        }
        self.apply(ops).await
    }

    /// Changes payloads that have to be read first. Ids are read as what has one of them: each once, however often it
    /// is named, and page by page, however large the points are.
    async fn rewrite(&self, points: Selector, change: impl Fn(&mut Value) + Send + Sync) -> Result<u64> {
        let mut seq = self.collection.snapshot().seq;
        let mut from = None;
        let pieces: Vec<Condition> = match points {
            Selector::Ids(ids) => ids.chunks(self.step()).map(|ids| Condition::HasId(ids.to_vec())).collect(),
            Selector::Filter(filter) => vec![filter],
        };
        for piece in pieces {
            let mut tries = TRIES_MAX;
            loop {
                match self.rewrite_once(&piece, from, &change).await {
                    Err(Error::Condition { .. }) if tries > 1 => tries -= 1,
                    done => {
                        let (written, next) = done?;
                        (seq, from, tries) = (seq.max(written), next, TRIES_MAX);
                        if next.is_none() {
                            break;
                        }
                    }
                }
            }
        }
        Ok(seq)
    }

    /// Changes a page of the points that match; says where the next one begins. What is read at one moment,
    /// matching and payload and version, is written as long as the version is that.
    async fn rewrite_once(
        &self,
        points: &Condition,
        from: Option<PointId>,
        change: &(impl Fn(&mut Value) + Send + Sync),
    ) -> Result<(u64, Option<PointId>), Error> {
        let Page { records, seq, next } = self.scroll(points.clone(), from, PayloadSelection::All).await?;
        let mut batch = WriteBatch::default();
        for record in records {
            let mut payload = serde_json::from_slice(&record.payload).unwrap_or_else(|_| Value::Object(Map::new()));
            change(&mut payload);
            batch.conditions.push(IfVersion { op: batch.ops.len(), version: record.version });
            batch.ops.push(Write::OverwritePayload(Selector::Ids(vec![record.id]), payload.to_string().into()));
        }
        let seq = if batch.ops.is_empty() { seq } else { self.write(batch).await? };
        Ok((seq, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::engine::Engine;
    use crate::engine::pool::Deadline;
    use crate::engine::reply::Room;
    use nigh_storage::disk::FsDisk;
    use nigh_storage::store::{Options, Store};
    use serde_json::json;

    /// What points 1 and 2, of `{"a": 1}` and `{"a": 2}`, are after a request of this kind.
    async fn check(kind: &'static str, request: Value, expected: [Value; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { background: false, ..Options::default() };
        let store = Store::attach(Arc::new(FsDisk), folder.path(), options).unwrap();
        store.open_all();
        store.create("c", CollectionSpec::default()).unwrap();
        let collection = store.collection("c").unwrap();
        let upsert = |id: u64| Write::Upsert(Point { payload: format!("{{\"a\":{id}}}").into(), ..Point::new(id) });
        collection.write((1..3).map(upsert).collect(), Durability::Durable).unwrap();
        let engine = Arc::new(Engine::new(store, folder.path().to_owned(), Limits::default()));
        let (deadline, room) = (Deadline::default(), Arc::new(Room::new(usize::MAX)));
        let call = Call {
            engine: engine.clone(),
            collection: "c".into(),
            wait: true,
            deadline,
            room,
            timeout_s: None,
            counted: false,
        };
        let written = write(call, kind, request.clone()).await;
        assert!(written.is_ok(), "{request}");
        let snapshot = collection.snapshot();
        let payload = |id: u64| {
            let (part, row) = snapshot.find(&id.into()).unwrap();
            snapshot.parts[part].payload(row).unwrap()
        };
        assert_eq!([payload(1), payload(2)], expected, "{request}");
        engine.close();
    }

    #[tokio::test]
    async fn what_a_filter_finds_is_found_once() {
        let filter = json!({"must": [{"key": "a", "match": {"value": 1}}]});
        let request = json!({"payload": {"a": null, "b": 1}, "filter": filter});
        check("set_payload", request, [json!({"b": 1}), json!({"a": 2})]).await;
        // Whichever of the two the filter is about.
        let filter = json!({"must_not": [{"key": "b", "match": {"value": 1}}, {"key": "a", "match": {"value": 2}}]});
        let request = json!({"payload": {"a": null, "b": 1}, "filter": filter});
        check("set_payload", request, [json!({"b": 1}), json!({"a": 2})]).await;
        let request = json!({"payload": {"a": null, "b": 1}, "points": [2, 2]});
        check("set_payload", request, [json!({"a": 1}), json!({"b": 1})]).await;
    }

    #[tokio::test]
    async fn a_point_that_is_named_twice_is_changed_once() {
        let request = json!({"payload": {"x": 1}, "key": "deep", "points": [1, 1, 2, 1]});
        let expected = [json!({"a": 1, "deep": {"x": 1}}), json!({"a": 2, "deep": {"x": 1}})];
        check("set_payload", request, expected).await;
    }
}
