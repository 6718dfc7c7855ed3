//! Writes of points.
//!
//! A request is one batch, whole or not at all, unless it has more operations than a batch may have. What depends on
//! how points are (a part of a payload, points that may only be new) is read first, and written on the condition that
//! nothing of it changed meanwhile: where somebody was faster, it is read again.

use super::call::{Call, Update, aside};
use super::fault::{Fault, Result};
use super::operation::{Incoming, Mode, Operation, list};
use super::vectors;
use crate::engine::error::Error;
use crate::engine::query::answer::{Page, Record};
use crate::engine::query::{Get, PayloadSelection, Scroll, VectorSelection};
use nigh_index::filter::condition::Condition;
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
    let writing = Writing::begin(&call)?;
    Ok(call.done(writing.perform(operation).await?))
}

/// Several requests, one after the other; those before one that is wrong stand.
pub(super) async fn batch(call: Call, mut request: Value) -> Result<Vec<Update>> {
    list(&request, "operations")?;
    let Value::Array(operations) = request["operations"].take() else { return Ok(Vec::new()) };
    let mut updates = Vec::new();
    for operation in operations {
        let read = move || match operation.as_object().and_then(|operation| operation.iter().next()) {
            Some((kind, request)) => Operation::read(kind, request),
            None => Err(Fault::format("an operation is an object with one name")),
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
    fn begin(call: &'c Call) -> Result<Self> {
        let collection = call.open()?;
        let spec = collection.spec().clone();
        Ok(Self { call, collection, spec })
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
            Operation::ClearPayload(points) => self.apply(vec![Write::ClearPayload(points)]).await,
            Operation::SetPayload { points, payload, below: None } => {
                self.there(&points).await?;
                self.apply(set(points, payload)).await
            }
            Operation::SetPayload { points, payload, below: Some(path) } => {
                self.there(&points).await?;
                self.rewrite(points, |whole| merge(whole, &path, &payload)).await
            }
            Operation::OverwritePayload { points, payload } => {
                self.there(&points).await?;
                self.apply(vec![Write::OverwritePayload(points, Value::Object(payload).to_string().into())]).await
            }
            Operation::DeletePayload { points, paths } if paths.iter().all(|path| path.len() == 1) => {
                let keys = paths.into_iter().flatten().collect();
                self.apply(vec![Write::DeletePayloadKeys(points, keys)]).await
            }
            Operation::DeletePayload { points, paths } => {
                self.rewrite(points, |whole| paths.iter().for_each(|path| take_out(whole, path))).await
            }
            Operation::DeleteVectors { points, names } => {
                let fields = names.iter().map(|name| vectors::place(&self.spec, name)).collect::<Result<_>>()?;
                self.apply(vec![Write::DeleteVectors(points, fields)]).await
            }
        }
    }

    /// Points as they are kept.
    async fn points(&self, points: Vec<Incoming>) -> Result<Vec<Point>> {
        let spec = self.spec.clone();
        let point = move |incoming: Incoming| {
            let mut point = Point { payload: incoming.payload, ..Point::new(incoming.id) };
            vectors::into_point(&spec, incoming.vectors, &mut point)?;
            Ok(point)
        };
        aside(move || points.into_iter().map(point).collect()).await
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
        limits.batch_ops_max.min(limits.hits_max as usize).max(1)
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

    /// Changes payloads that have to be read first.
    async fn rewrite(&self, points: Selector, change: impl Fn(&mut Value) + Send + Sync) -> Result<u64> {
        let mut seq = self.collection.snapshot().seq;
        let mut from = None;
        let pieces: Vec<Selector> = match points {
            Selector::Ids(ids) => ids.chunks(self.step()).map(|ids| Selector::Ids(ids.to_vec())).collect(),
            filter @ Selector::Filter(_) => vec![filter],
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

    /// Changes the points of a selector, or a page of them; says where the next one begins. What is read at one moment,
    /// matching and payload and version, is written as long as the version is that.
    async fn rewrite_once(
        &self,
        points: &Selector,
        from: Option<PointId>,
        change: &(impl Fn(&mut Value) + Send + Sync),
    ) -> Result<(u64, Option<PointId>), Error> {
        let (records, seq, next) = match points {
            Selector::Ids(ids) => {
                let (records, seq) = self.get(ids.clone(), PayloadSelection::All).await?;
                (records, seq, None)
            }
            Selector::Filter(filter) => {
                let page = self.scroll(filter.clone(), from, PayloadSelection::All).await?;
                (page.records, page.seq, page.next)
            }
        };
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

/// A null takes its key out.
fn set(points: Selector, payload: Map<String, Value>) -> Vec<Write> {
    let (gone, kept): (Map<_, _>, Map<_, _>) = payload.into_iter().partition(|(_, value)| value.is_null());
    let mut ops = Vec::new();
    if !gone.is_empty() {
        ops.push(Write::DeletePayloadKeys(points.clone(), gone.into_iter().map(|(key, _)| key).collect()));
    }
    if !kept.is_empty() {
        ops.push(Write::SetPayload(points, Value::Object(kept).to_string().into()));
    }
    ops
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
