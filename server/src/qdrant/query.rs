//! Searches: requests of every form become one query of the engine, and its hits go out as scored points.

use super::ask::{Asking, some};
use super::call::{Call, aside};
use super::fault::{Fault, Result};
use super::read::{Point, Wanted, counted, held, order_value};
use super::strict::Strict;
use super::vectors::Out;
use super::{filter, ids, path};
use crate::engine::facet::Facet;
use crate::engine::query::answer::{Group, Hit};
use crate::engine::query::retriever::Kind;
use crate::engine::query::{Grouping, Lookup, Query, Scroll};
use nigh_index::filter::condition::{Condition, Scalar};
use nigh_index::id::PointId;
use nigh_storage::collection::Collection;
use nigh_storage::schema::CollectionSpec;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Hits and groups where nobody says.
const HITS: usize = 10;
/// Hits of a group where nobody says.
const GROUP_HITS: usize = 3;
/// More hits than this are made ready on a thread of their own.
const HITS_ASIDE: usize = 100;

/// A hit as it goes out.
#[derive(Debug, Serialize)]
pub(super) struct Scored {
    #[serde(serialize_with = "ids::serialize")]
    pub(super) id: PointId,
    pub(super) version: u64,
    pub(super) score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vector: Option<Out>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) order_value: Option<Value>,
}

/// Hits of a query.
#[derive(Debug, Serialize)]
pub(super) struct Points {
    pub(super) points: Vec<Scored>,
}

/// Hits that have a value in common.
#[derive(Debug, Serialize)]
pub(super) struct Grouped {
    pub(super) id: Value,
    pub(super) hits: Vec<Scored>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lookup: Option<Point>,
}

/// Hits in groups.
#[derive(Debug, Serialize)]
pub(super) struct Groups {
    pub(super) groups: Vec<Grouped>,
}

/// One request on its way to the engine.
struct Searching {
    call: Call,
    collection: Arc<Collection>,
    spec: Arc<CollectionSpec>,
    wanted: Wanted,
    request: Value,
}

/// A number that has to be at least 1.
pub(super) fn count(request: &Value, name: &str, default: usize) -> Result<usize> {
    match some(request, name) {
        None => Ok(default),
        Some(value) => match value.as_u64() {
            Some(0) => Err(Fault::invalid(name, "it is at least 1")),
            Some(number) => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
            None => Err(Fault::format(format_args!("{name} is an unsigned integer"))),
        },
    }
}

impl Searching {
    fn begin(call: Call, request: Value) -> Result<Self> {
        if !request.is_object() {
            return Err(Fault::format("a query is an object"));
        }
        let collection = call.open()?;
        counted(&call, 1)?;
        let spec = collection.spec().clone();
        let vector = some(&request, "with_vector").or_else(|| some(&request, "with_vectors"));
        let wanted = Wanted::read(&spec, some(&request, "with_payload"), vector, false)?;
        Ok(Self { call, collection, spec, wanted, request })
    }

    fn offset(&self) -> Result<usize> {
        match some(&self.request, "offset") {
            None => Ok(0),
            Some(value) => match value.as_u64() {
                Some(offset) => Ok(usize::try_from(offset).unwrap_or(usize::MAX)),
                None => Err(Fault::format("offset is an unsigned integer")),
            },
        }
    }

    async fn hits(self) -> Result<Vec<Scored>> {
        let (limit, offset) = (count(&self.request, "limit", HITS)?, self.offset()?);
        held(&self.call, None, limit)?;
        let nothing_asked = some(&self.request, "query").is_none();
        if nothing_asked && some(&self.request, "prefetch").is_none_or(|sources| *sources == json!([])) {
            return self.by_id(limit, offset).await;
        }
        let (this, query) = self.planned(limit, offset).await?;
        let by_value = matches!(query.root.kind, Kind::Order(_));
        let flat = by_value || matches!(query.root.kind, Kind::Sample { .. });
        let answer = this.call.engine.query(this.collection.clone(), query, &this.call.deadline).await?;
        this.all_scored(answer.hits, flat).await
    }

    /// The query for the engine. Vectors are read at once; whose vectors are looked up may wait for the disk.
    async fn planned(self, limit: usize, offset: usize) -> Result<(Self, Query)> {
        if brings_vectors(&self.request) {
            let query = self.query(limit, offset)?;
            return Ok((self, query));
        }
        aside(move || {
            let query = self.query(limit, offset)?;
            Ok((self, query))
        })
        .await
    }

    /// The same, grouping left out.
    fn query(&self, limit: usize, offset: usize) -> Result<Query> {
        let mut asking = Asking::new(&self.call.engine, &self.spec, &self.collection);
        let root = asking.node(&self.request, limit.saturating_add(offset))?;
        if let Some(strict) = Strict::of(&self.call) {
            strict.search(&root)?;
            strict.oversampled(&self.request)?;
        }
        let mut query = Query::new(root, limit);
        query.offset = offset;
        // Who is asked about is not among the answers, whichever part of the query asked.
        if !asking.named.is_empty() {
            query.filter = Some(Condition::negated(Condition::HasId(asking.named)));
        }
        (query.payload, query.vectors) = self.wanted.asked();
        Ok(query)
    }

    /// Nothing is asked: points by rising id.
    async fn by_id(self, limit: usize, offset: usize) -> Result<Vec<Scored>> {
        if some(&self.request, "score_threshold").is_some() {
            return Err(Fault::bad_request("a score_threshold needs a query"));
        }
        let (payload, vectors) = self.wanted.asked();
        let filter = filter::optional(some(&self.request, "filter"))?;
        held(&self.call, filter.as_ref(), limit)?;
        let version = String::new();
        let limit = limit.saturating_add(offset);
        let scroll = Scroll { filter, from: None, limit, payload, vectors, version };
        let page = self.call.engine.scroll(self.collection.clone(), scroll, &self.call.deadline).await?;
        if page.next.is_some() && page.records.len() < limit {
            let most = self.call.engine.limits().message_bytes_max;
            return Err(Fault::wrong_input(format_args!("so many points have more than {most} bytes; ask for fewer")));
        }
        let hit = |record| Hit { record, score: 1.0, placings: Vec::new(), value: None, shown: Vec::new() };
        self.all_scored(page.records.into_iter().skip(offset).map(hit).collect(), true).await
    }

    /// Many hits, or parts of their payloads, are made ready where that keeps nobody else waiting.
    async fn all_scored(self, hits: Vec<Hit>, flat: bool) -> Result<Vec<Scored>> {
        self.call.room.take(hits.iter().map(Hit::bytes).sum(), &self.call.deadline)?;
        if hits.len() <= HITS_ASIDE && !self.wanted.is_partial() {
            return Ok(hits.into_iter().map(|hit| self.scored(hit, flat)).collect());
        }
        aside(move || Ok(hits.into_iter().map(|hit| self.scored(hit, flat)).collect())).await
    }

    /// `flat`: there was nothing to score by.
    fn scored(&self, hit: Hit, flat: bool) -> Scored {
        let (version, score) = if flat { (0, 1.0) } else { (hit.record.version, hit.score) };
        let order_value = hit.value.map(order_value);
        let point = self.wanted.of(&self.spec, hit.record);
        Scored { id: point.id, version, score, payload: point.payload, vector: point.vector, order_value }
    }

    async fn groups(self) -> Result<Groups> {
        let by = some(&self.request, "group_by").and_then(Value::as_str);
        let path = path::field(by.ok_or_else(|| Fault::format("group_by is a string"))?)?;
        let (groups, size) = (count(&self.request, "limit", HITS)?, count(&self.request, "group_size", GROUP_HITS)?);
        held(&self.call, None, groups.saturating_mul(size))?;
        // What is not among so many hits cannot make a group.
        let most = self.call.engine.limits().hits_max as usize;
        let reach = groups.saturating_mul(size).saturating_mul(10).min(most).max(groups);
        let (this, mut query) = self.planned(reach, 0).await?;
        let lookup = match some(&this.request, "with_lookup") {
            None => None,
            Some(Value::String(name)) => Some((name.clone(), json!({}))),
            Some(lookup) => {
                let name = some(lookup, "collection").and_then(Value::as_str);
                Some((name.ok_or_else(|| Fault::format("with_lookup has a collection"))?.to_owned(), lookup.clone()))
            }
        };
        let mut looked_up = None;
        if let Some((name, asked)) = lookup {
            let spec = this.call.engine.collection(&name)?.spec().clone();
            let payload = some(&asked, "with_payload");
            let vectors = some(&asked, "with_vectors").or_else(|| some(&asked, "with_vector"));
            let wanted = Wanted::read(&spec, payload, vectors, true)?;
            let (payload, vectors) = wanted.asked();
            looked_up = Some((Lookup { collection: name, payload, vectors }, wanted, spec));
        }
        let lookup = looked_up.as_ref().map(|(lookup, ..)| lookup.clone());
        query.limit = groups;
        query.grouping = Some(Grouping { path, groups, size, lookup });
        let answer = this.call.engine.query(this.collection.clone(), query, &this.call.deadline).await?;
        aside(move || {
            let group = |group: Group| {
                let hits = group.hits.into_iter().map(|hit| this.scored(hit, false)).collect();
                let lookup = match (group.lookup, &looked_up) {
                    (Some(record), Some((_, wanted, spec))) => Some(wanted.of(spec, record)),
                    _ => None,
                };
                Grouped { id: scalar(group.key), hits, lookup }
            };
            Ok(Groups { groups: answer.groups.into_iter().map(group).collect() })
        })
        .await
    }
}

/// Whether a query and its sources ask by nothing but vectors that they bring, and ranks.
fn brings_vectors(request: &Value) -> bool {
    let vector = |value: &Value| value.is_array() || some(value, "indices").is_some();
    let asked = match some(request, "query") {
        None => false,
        Some(query) => match some(query, "nearest") {
            Some(nearest) => vector(nearest) && some(query, "mmr").is_none(),
            None => vector(query) || some(query, "rrf").or_else(|| some(query, "fusion")).is_some(),
        },
    };
    asked
        && match some(request, "prefetch") {
            None => true,
            Some(Value::Array(sources)) => sources.iter().all(brings_vectors),
            Some(source) => brings_vectors(source),
        }
}

fn scalar(value: Scalar) -> Value {
    match value {
        Scalar::Keyword(text) => json!(text),
        Scalar::Integer(number) => json!(number),
        Scalar::Float(number) => json!(number),
        Scalar::Bool(flag) => json!(flag),
    }
}

/// The searches of a batch, which are counted together.
pub(super) fn searches(call: &mut Call, mut request: Value) -> Result<Vec<Value>> {
    match request.get_mut("searches").map(Value::take) {
        Some(Value::Array(searches)) => {
            Strict::of(call).map_or(Ok(()), |strict| strict.batch(searches.len()))?;
            counted(call, searches.len())?;
            call.counted = true;
            Ok(searches)
        }
        _ => Err(Fault::format("searches is a list")),
    }
}

pub(super) async fn hits(call: Call, request: Value) -> Result<Vec<Scored>> {
    Searching::begin(call, request)?.hits().await
}

pub(super) async fn query(call: Call, request: Value) -> Result<Points> {
    Ok(Points { points: hits(call, request).await? })
}

pub(super) async fn batch(mut call: Call, request: Value) -> Result<Vec<Points>> {
    let mut all = Vec::new();
    for request in searches(&mut call, request)? {
        all.push(query(call.clone(), request).await?);
    }
    Ok(all)
}

pub(super) async fn groups(call: Call, request: Value) -> Result<Groups> {
    Searching::begin(call, request)?.groups().await
}

/// A value, and how many points have it.
#[derive(Debug, Serialize)]
pub(super) struct Counted {
    pub(super) value: Value,
    pub(super) count: u64,
}

/// Values of a field: the most frequent first.
#[derive(Debug, Serialize)]
pub(super) struct Facets {
    pub(super) hits: Vec<Counted>,
}

pub(super) async fn facet(call: Call, request: Value) -> Result<Facets> {
    let key = some(&request, "key").and_then(Value::as_str).ok_or_else(|| Fault::format("key is a string"))?;
    let path = path::field(key)?;
    let (limit, filter) = (count(&request, "limit", HITS)?, filter::optional(some(&request, "filter"))?);
    held(&call, filter.as_ref(), limit)?;
    counted(&call, 1)?;
    let facet = Facet { path, filter, limit, version: String::new() };
    let found = call.engine.facet(call.open()?, facet, &call.deadline).await?;
    let hits = found.values.into_iter().map(|(value, count)| Counted { value: scalar(value), count });
    Ok(Facets { hits: hits.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_brings_its_vectors_is_read_at_once() {
        let (dense, sparse) = (json!([0.5, 1]), json!({"indices": [1], "values": [2]}));
        for at_once in [
            json!({"query": dense}),
            json!({"query": {"nearest": dense}, "prefetch": null}),
            json!({"query": {"nearest": sparse}, "prefetch": []}),
            json!({"query": {"rrf": {"k": 60}}, "prefetch": [{"query": dense}, {"query": sparse}]}),
            json!({"query": {"fusion": "rrf"}, "prefetch": {"query": {"nearest": dense}}}),
        ] {
            assert!(brings_vectors(&at_once), "{at_once}");
        }
        for looked_up in [
            json!({}),
            json!({"query": 7}),
            json!({"query": {"nearest": 7}}),
            json!({"query": {"nearest": {"text": "words", "model": "qdrant/bm25"}}}),
            json!({"query": {"nearest": dense, "mmr": {}}}),
            json!({"query": {"fusion": "rrf"}, "prefetch": [{"query": dense}, {"query": {"recommend": {"positive": [1]}}}]}),
            json!({"query": dense, "prefetch": [{"prefetch": {"query": 7}, "query": dense}]}),
        ] {
            assert!(!brings_vectors(&looked_up), "{looked_up}");
        }
    }
}
