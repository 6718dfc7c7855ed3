//! Searches: requests of every form become one query of the engine, and its hits go out as scored points.

use super::ask::{Asking, some};
use super::read::{Wanted, order_value};
use super::reply::{Answer, Fault, Reply, Result};
use super::vectors::Out;
use super::{Asked, body, filter, selector};
use crate::engine::Engine;
use crate::engine::facet::Facet;
use crate::engine::query::answer::{Group, Hit};
use crate::engine::query::retriever::Kind;
use crate::engine::query::{Grouping, Lookup, Query, Scroll};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::Uri;
use nigh_index::filter::condition::{Condition, Scalar};
use nigh_index::value;
use nigh_storage::collection::Collection;
use nigh_storage::schema::CollectionSpec;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Hits and groups where nobody says.
const HITS: usize = 10;
/// Hits of a group where nobody says.
const GROUP_HITS: usize = 3;

/// A hit as it goes out.
#[derive(Debug, Serialize)]
pub(super) struct Scored {
    id: Value,
    version: u64,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<Out>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_value: Option<Value>,
}

/// Hits of a query.
#[derive(Debug, Serialize)]
pub(super) struct Points {
    points: Vec<Scored>,
}

/// One request on its way to the engine.
struct Searching<'r> {
    engine: &'r Arc<Engine>,
    collection: Arc<Collection>,
    spec: Arc<CollectionSpec>,
    wanted: Wanted,
    asked: Asked,
    request: &'r Value,
}

/// A number that has to be at least 1.
fn count(request: &Value, name: &str, default: usize) -> Result<usize> {
    match some(request, name) {
        None => Ok(default),
        Some(value) => match value.as_u64() {
            Some(0) => Err(Fault::invalid(name, "it is at least 1")),
            Some(number) => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
            None => Err(Fault::format(format_args!("{name} is an unsigned integer"))),
        },
    }
}

impl<'r> Searching<'r> {
    fn begin(engine: &'r Arc<Engine>, collection: &str, asked: Asked, request: &'r Value) -> Result<Self> {
        if !request.is_object() {
            return Err(Fault::format("a query is an object"));
        }
        let collection = engine.collection(collection)?;
        let spec = collection.spec().clone();
        let vector = some(request, "with_vector").or_else(|| some(request, "with_vectors"));
        let wanted = Wanted::read(&spec, some(request, "with_payload"), vector, false)?;
        Ok(Self { engine, collection, spec, wanted, asked, request })
    }

    fn offset(&self) -> Result<usize> {
        match some(self.request, "offset") {
            None => Ok(0),
            Some(value) => match value.as_u64() {
                Some(offset) => Ok(usize::try_from(offset).unwrap_or(usize::MAX)),
                None => Err(Fault::format("offset is an unsigned integer")),
            },
        }
    }

    async fn hits(&self) -> Result<Vec<Scored>> {
        let (limit, offset) = (count(self.request, "limit", HITS)?, self.offset()?);
        let nothing_asked = some(self.request, "query").is_none();
        if nothing_asked && some(self.request, "prefetch").is_none_or(|sources| *sources == json!([])) {
            return self.by_id(limit, offset).await;
        }
        let query = self.query(limit, offset)?;
        let by_value = matches!(query.root.kind, Kind::Order(_));
        let flat = by_value || matches!(query.root.kind, Kind::Sample { .. });
        let answer = self.engine.query(self.collection.clone(), query, &self.asked.deadline).await?;
        Ok(answer.hits.into_iter().map(|hit| self.scored(hit, flat)).collect())
    }

    /// The query for the engine, grouping left out.
    fn query(&self, limit: usize, offset: usize) -> Result<Query> {
        let mut asking = Asking::new(self.engine, &self.spec, &self.collection);
        let root = asking.node(self.request, limit.saturating_add(offset))?;
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
    async fn by_id(&self, limit: usize, offset: usize) -> Result<Vec<Scored>> {
        if some(self.request, "score_threshold").is_some() {
            return Err(Fault::bad_request("a score_threshold needs a query"));
        }
        let (payload, vectors) = self.wanted.asked();
        let filter = filter::optional(some(self.request, "filter"))?;
        let version = String::new();
        let limit = limit.saturating_add(offset);
        let scroll = Scroll { filter, from: None, limit, payload, vectors, version };
        let page = self.engine.scroll(self.collection.clone(), scroll, &self.asked.deadline).await?;
        let hit = |record| Hit { record, score: 1.0, placings: Vec::new(), value: None, shown: Vec::new() };
        Ok(page.records.into_iter().skip(offset).map(|record| self.scored(hit(record), true)).collect())
    }

    /// `flat`: there was nothing to score by.
    fn scored(&self, hit: Hit, flat: bool) -> Scored {
        let (version, score) = if flat { (0, 1.0) } else { (hit.record.version, hit.score) };
        let order_value = hit.value.map(order_value);
        let point = self.wanted.of(&self.spec, hit.record);
        Scored { id: point.id, version, score, payload: point.payload, vector: point.vector, order_value }
    }

    async fn groups(&self) -> Result<Value> {
        let by = some(self.request, "group_by").and_then(Value::as_str);
        let path = value::Path::parse(by.ok_or_else(|| Fault::format("group_by is a string"))?);
        let path = path.map_err(|err| Fault::format(err.to_string()))?;
        let (groups, size) = (count(self.request, "limit", HITS)?, count(self.request, "group_size", GROUP_HITS)?);
        // What is not among so many hits cannot make a group.
        let most = self.engine.limits().hits_max as usize;
        let reach = groups.saturating_mul(size).saturating_mul(10).min(most).max(groups);
        let mut query = self.query(reach, 0)?;
        let lookup = match some(self.request, "with_lookup") {
            None => None,
            Some(Value::String(name)) => Some((name.clone(), json!({}))),
            Some(lookup) => {
                let name = some(lookup, "collection").and_then(Value::as_str);
                Some((name.ok_or_else(|| Fault::format("with_lookup has a collection"))?.to_owned(), lookup.clone()))
            }
        };
        let mut looked_up = None;
        if let Some((name, asked)) = lookup {
            let spec = self.engine.collection(&name)?.spec().clone();
            let payload = some(&asked, "with_payload");
            let vectors = some(&asked, "with_vectors").or_else(|| some(&asked, "with_vector"));
            let wanted = Wanted::read(&spec, payload, vectors, true)?;
            let (payload, vectors) = wanted.asked();
            looked_up = Some((Lookup { collection: name, payload, vectors }, wanted, spec));
        }
        let lookup = looked_up.as_ref().map(|(lookup, ..)| lookup.clone());
        query.limit = groups;
        query.grouping = Some(Grouping { path, groups, size, lookup });
        let answer = self.engine.query(self.collection.clone(), query, &self.asked.deadline).await?;
        let group = |group: Group| {
            let hits: Vec<Scored> = group.hits.into_iter().map(|hit| self.scored(hit, false)).collect();
            let mut shown = json!({"id": scalar(group.key), "hits": hits});
            if let (Some(record), Some((_, wanted, spec))) = (group.lookup, &looked_up) {
                shown["lookup"] = json!(wanted.of(spec, record));
            }
            shown
        };
        Ok(json!({"groups": answer.groups.into_iter().map(group).collect::<Vec<_>>()}))
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

/// A request of an older form, in the words of the newer one.
fn modern(kind: &str, mut request: Value) -> Result<Value> {
    let Some(object) = request.as_object_mut() else { return Err(Fault::format("a request is an object")) };
    let mut take = |name: &str| object.shift_remove(name).unwrap_or(Value::Null);
    let (query, using) = match kind {
        "search" => match take("vector") {
            Value::Object(mut named) if named.contains_key("vector") => {
                (named.shift_remove("vector").unwrap_or_default(), named.shift_remove("name").unwrap_or_default())
            }
            Value::Null => return Err(Fault::format("missing field `vector`")),
            vector => (vector, Value::Null),
        },
        "recommend" => {
            let (positive, negative, strategy) = (take("positive"), take("negative"), take("strategy"));
            let examples = json!({"positive": positive, "negative": negative, "strategy": strategy});
            (json!({ "recommend": examples }), take("using"))
        }
        _ => match (take("target"), take("context")) {
            (Value::Null, context) => (json!({ "context": context }), take("using")),
            (target, context) => (json!({"discover": {"target": target, "context": context}}), take("using")),
        },
    };
    let top = take("top");
    if object.get("limit").is_none_or(Value::is_null) {
        if top.is_null() {
            return Err(Fault::format("missing field `limit`"));
        }
        object.insert("limit".to_owned(), top);
    }
    object.insert("query".to_owned(), query);
    object.insert("using".to_owned(), using);
    Ok(request)
}

type Called<'c> = (&'c Arc<Engine>, &'c str, &'c Uri);

async fn hits((engine, collection, uri): Called<'_>, request: &Value) -> Result<Vec<Scored>> {
    Searching::begin(engine, collection, Asked::of(uri)?, request)?.hits().await
}

fn searches(request: &Value) -> Result<Vec<Value>> {
    let searches = request.get("searches").and_then(Value::as_array);
    Ok(searches.ok_or_else(|| Fault::format("searches is a list"))?.clone())
}

pub(super) async fn query(
    State(engine): State<Arc<Engine>>,
    Path(collection): Path<String>,
    uri: Uri,
    bytes: Bytes,
) -> Answer<Points> {
    let (begun, request) = (Instant::now(), body(&bytes)?);
    Ok(Reply::new(begun, Points { points: hits((&engine, &collection, &uri), &request).await? }))
}

pub(super) async fn query_batch(
    State(engine): State<Arc<Engine>>,
    Path(collection): Path<String>,
    uri: Uri,
    bytes: Bytes,
) -> Answer<Vec<Points>> {
    let (begun, mut all) = (Instant::now(), Vec::new());
    for request in searches(&body(&bytes)?)? {
        all.push(Points { points: hits((&engine, &collection, &uri), &request).await? });
    }
    Ok(Reply::new(begun, all))
}

pub(super) async fn query_groups(
    State(engine): State<Arc<Engine>>,
    Path(collection): Path<String>,
    uri: Uri,
    bytes: Bytes,
) -> Answer<Value> {
    let (begun, request) = (Instant::now(), body(&bytes)?);
    let groups = Searching::begin(&engine, &collection, Asked::of(&uri)?, &request)?.groups().await?;
    Ok(Reply::new(begun, groups))
}

macro_rules! older {
    ($($one:ident $batch:ident: $kind:literal),*) => {$(
        pub(super) async fn $one(
            State(engine): State<Arc<Engine>>,
            Path(collection): Path<String>,
            uri: Uri,
            bytes: Bytes,
        ) -> Answer<Vec<Scored>> {
            let (begun, request) = (Instant::now(), modern($kind, body(&bytes)?)?);
            Ok(Reply::new(begun, hits((&engine, &collection, &uri), &request).await?))
        }

        pub(super) async fn $batch(
            State(engine): State<Arc<Engine>>,
            Path(collection): Path<String>,
            uri: Uri,
            bytes: Bytes,
        ) -> Answer<Vec<Vec<Scored>>> {
            let (begun, mut all) = (Instant::now(), Vec::new());
            for request in searches(&body(&bytes)?)? {
                all.push(hits((&engine, &collection, &uri), &modern($kind, request)?).await?);
            }
            Ok(Reply::new(begun, all))
        }
    )*};
}

older! { search search_batch: "search", recommend recommend_batch: "recommend", discover discover_batch: "discover" }

macro_rules! older_groups {
    ($($groups:ident: $kind:literal),*) => {$(
        pub(super) async fn $groups(
            State(engine): State<Arc<Engine>>,
            Path(collection): Path<String>,
            uri: Uri,
            bytes: Bytes,
        ) -> Answer<Value> {
            let (begun, request) = (Instant::now(), modern($kind, body(&bytes)?)?);
            let groups = Searching::begin(&engine, &collection, Asked::of(&uri)?, &request)?.groups().await?;
            Ok(Reply::new(begun, groups))
        }
    )*};
}

older_groups! { search_groups: "search", recommend_groups: "recommend" }

/// Values of a field, and how many points have them: the most frequent first.
pub(super) async fn facet(
    State(engine): State<Arc<Engine>>,
    Path(collection): Path<String>,
    uri: Uri,
    bytes: Bytes,
) -> Answer<Value> {
    let (begun, asked, request) = (Instant::now(), Asked::of(&uri)?, body::<Value>(&bytes)?);
    let key = some(&request, "key").and_then(Value::as_str).ok_or_else(|| Fault::format("key is a string"))?;
    selector::keys(key)?;
    let path = value::Path::parse(key).map_err(|err| Fault::format(err.to_string()))?;
    let (limit, filter) = (count(&request, "limit", HITS)?, filter::optional(some(&request, "filter"))?);
    let facet = Facet { path, filter, limit, version: String::new() };
    let found = engine.facet(engine.collection(&collection)?, facet, &asked.deadline).await?;
    let hits = found.values.into_iter().map(|(value, count)| json!({"value": scalar(value), "count": count}));
    Ok(Reply::new(begun, json!({"hits": hits.collect::<Vec<_>>()})))
}
