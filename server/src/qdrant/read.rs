//! Points by id, page by page, and counted.

use super::call::{Call, aside};
use super::fault::{Fault, Result};
use super::selector::Payload;
use super::strict::{For, Strict};
use super::vectors::{self, Out};
use super::{ask, filter, ids};
use crate::engine::query::answer::{Hit, Record};
use crate::engine::query::retriever::{Kind, Retriever};
use crate::engine::query::{Get, PayloadSelection, Query, Scroll, VectorSelection};
use nigh_index::filter::condition::Condition;
use nigh_index::filter::number::Real;
use nigh_index::id::PointId;
use nigh_storage::collection::Collection;
use nigh_storage::schema::{CollectionSpec, VectorPlace};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// A page has so many points where nobody says.
const PAGE_POINTS: usize = 10;

/// A point as it goes out.
#[derive(Debug, Serialize)]
pub(super) struct Point {
    #[serde(serialize_with = "ids::serialize")]
    pub(super) id: PointId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vector: Option<Out>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) order_value: Option<Value>,
}

/// What a point is ordered by, as it goes out.
pub(super) fn order_value(value: Real) -> Value {
    match value {
        Real::Integer(number) => number.into(),
        Real::Natural(number) => number.into(),
        Real::Float(number) => number.into(),
    }
}

/// What comes back of a point.
pub(super) struct Wanted {
    payload: Payload,
    vectors: Vec<VectorPlace>,
    with_vectors: bool,
}

impl Wanted {
    pub(super) fn read(
        spec: &CollectionSpec,
        payload: Option<&Value>,
        vector: Option<&Value>,
        default: bool,
    ) -> Result<Self> {
        let vectors = vectors::wanted(spec, vector)?;
        let with_vectors = !matches!(vector, None | Some(Value::Null | Value::Bool(false)));
        Ok(Self { payload: Payload::read(payload, default)?, vectors, with_vectors })
    }

    /// Whether parts of payloads are chosen.
    pub(super) fn is_partial(&self) -> bool {
        self.payload.is_partial()
    }

    /// As the engine is asked. Parts of a payload are chosen here, by paths of any depth.
    pub(super) fn asked(&self) -> (PayloadSelection, VectorSelection) {
        let payload = if self.payload.is_wanted() { PayloadSelection::All } else { PayloadSelection::Nothing };
        (payload, VectorSelection(self.vectors.clone()))
    }

    pub(super) fn of(&self, spec: &CollectionSpec, mut record: Record) -> Point {
        let vector = self.with_vectors.then(|| Out::new(spec, &mut record));
        Point { id: record.id, payload: self.payload.of(&record.payload), vector, order_value: None }
    }
}

/// Points as they go out: made where it keeps nobody else waiting, for vectors and payloads may be long.
async fn shown(wanted: Wanted, spec: Arc<CollectionSpec>, records: Vec<Record>) -> Result<Vec<Point>> {
    aside(move || Ok(records.into_iter().map(|record| wanted.of(&spec, record)).collect())).await
}

/// A request's fields; what is not known is nothing to us.
fn fields<T: DeserializeOwned>(request: Value) -> Result<T> {
    serde_json::from_value(request).map_err(Fault::format)
}

/// Holds a read of so many points against the limits of the collection.
pub(super) fn held(call: &Call, filter: Option<&Condition>, limit: usize) -> Result<()> {
    Strict::of(call).map_or(Ok(()), |strict| strict.read(filter, limit))
}

/// Counts so many reads against the rate of the collection.
pub(super) fn counted(call: &Call, count: usize) -> Result<()> {
    match Strict::of(call) {
        Some(strict) if !call.counted => strict.counted(call, For::Reading, count),
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct Retrieve {
    ids: Vec<Value>,
    with_payload: Option<Value>,
    #[serde(alias = "with_vectors")]
    with_vector: Option<Value>,
}

pub(super) async fn retrieve(call: Call, request: Value) -> Result<Vec<Point>> {
    let request: Retrieve = fields(request)?;
    let collection = call.open()?;
    counted(&call, request.ids.len())?;
    let spec = collection.spec().clone();
    let wanted = Wanted::read(&spec, request.with_payload.as_ref(), request.with_vector.as_ref(), false)?;
    let (payload, vectors) = wanted.asked();
    let mut wanted_ids = ids::ids(&request.ids)?;
    // What is asked for twice is answered once.
    let mut seen = std::collections::HashSet::new();
    wanted_ids.retain(|id| seen.insert(*id));
    let get = Get { ids: wanted_ids, payload, vectors, version: String::new() };
    let (records, _) = call.engine.get(collection, get, &call.deadline).await?;
    shown(wanted, spec, records).await
}

pub(super) async fn one(call: Call, id: PointId) -> Result<Point> {
    let collection = call.open()?;
    counted(&call, 1)?;
    let spec = collection.spec().clone();
    let all = Value::Bool(true);
    let wanted = Wanted::read(&spec, Some(&all), Some(&all), true)?;
    let (payload, vectors) = wanted.asked();
    let get = Get { ids: vec![id], payload, vectors, version: String::new() };
    let (mut records, _) = call.engine.get(collection, get, &call.deadline).await?;
    match records.pop() {
        Some(record) => Ok(wanted.of(&spec, record)),
        None => Err(Fault::not_found(format_args!("Point with id {id} does not exists!"))),
    }
}

#[derive(Deserialize)]
struct ScrollRequest {
    offset: Option<Value>,
    limit: Option<usize>,
    filter: Option<Value>,
    with_payload: Option<Value>,
    #[serde(alias = "with_vectors")]
    with_vector: Option<Value>,
    order_by: Option<Value>,
}

#[derive(Serialize)]
pub(super) struct Page {
    pub(super) points: Vec<Point>,
    #[serde(serialize_with = "ids::serialize_optional")]
    pub(super) next_page_offset: Option<PointId>,
}

pub(super) async fn scroll(call: Call, request: Value) -> Result<Page> {
    let request: ScrollRequest = fields(request)?;
    let collection = call.open()?;
    counted(&call, 1)?;
    let spec = collection.spec().clone();
    let limit = request.limit.unwrap_or(PAGE_POINTS);
    if limit == 0 {
        return Err(Fault::invalid("limit", "it is at least 1"));
    }
    let wanted = Wanted::read(&spec, request.with_payload.as_ref(), request.with_vector.as_ref(), true)?;
    let (payload, vectors) = wanted.asked();
    if let Some(order) = request.order_by.as_ref().filter(|order| !order.is_null()) {
        let points = in_order(&call, collection, &request, order, wanted, limit).await?;
        return Ok(Page { points, next_page_offset: None });
    }
    let from = request.offset.as_ref().filter(|from| !from.is_null()).map(ids::id).transpose()?;
    let filter = filter::optional(request.filter.as_ref())?;
    held(&call, filter.as_ref(), limit)?;
    let scroll = Scroll { filter, from, limit, payload, vectors, version: String::new() };
    let page = call.engine.scroll(collection, scroll, &call.deadline).await?;
    Ok(Page { points: shown(wanted, spec, page.records).await?, next_page_offset: page.next })
}

/// A page in the order of a field; the next one begins where this one ends, at the client's word.
async fn in_order(
    call: &Call,
    collection: Arc<Collection>,
    request: &ScrollRequest,
    order: &Value,
    wanted: Wanted,
    limit: usize,
) -> Result<Vec<Point>> {
    if request.offset.as_ref().is_some_and(|offset| !offset.is_null()) {
        return Err(Fault::bad_request("offset makes no sense with order_by: start_from says where to begin"));
    }
    let kind = Kind::Order(ask::order_by(order)?);
    let filter = filter::optional(request.filter.as_ref())?;
    held(call, filter.as_ref(), limit)?;
    let root = Retriever {
        name: "order".into(),
        kind,
        sources: Vec::new(),
        limit,
        filter,
        corpus: None,
        score_threshold: None,
    };
    let mut query = Query::new(root, limit);
    (query.payload, query.vectors) = wanted.asked();
    let spec = collection.spec().clone();
    let answer = call.engine.query(collection, query, &call.deadline).await?;
    aside(move || {
        let point = |hit: Hit| Point { order_value: hit.value.map(order_value), ..wanted.of(&spec, hit.record) };
        Ok(answer.hits.into_iter().map(point).collect())
    })
    .await
}

#[derive(Deserialize)]
struct CountRequest {
    filter: Option<Value>,
}

#[derive(Serialize)]
pub(super) struct Count {
    pub(super) count: u64,
}

/// Counts are exact, whether that was asked for or not.
pub(super) async fn count(call: Call, request: Value) -> Result<Count> {
    let request: CountRequest = fields(request)?;
    let filter = filter::optional(request.filter.as_ref())?;
    held(&call, filter.as_ref(), 0)?;
    counted(&call, 1)?;
    let (count, _) = call.engine.count(call.open()?, filter, String::new(), &call.deadline).await?;
    Ok(Count { count })
}
