//! What a query asks, node by node: from JSON to retrievers.
//!
//! ```text
//! {prefetch: [nodes], query: ..., using, filter, params, score_threshold, limit, lookup_from}
//! ```
//!
//! Where clients expect other numbers than nigh's own (ranks from 0, thresholds that are not hits themselves), it is
//! turned here.

mod examples;

use super::fault::{Fault, Result};
use super::vectors::Given;
use super::{document, filter, formula, ids, path, vectors};
use crate::engine::Engine;
use crate::engine::error::Error;
use crate::engine::query::retriever::{Count, Kind, Retriever, Target};
use crate::engine::words::Words;
use nigh_index::filter::condition::Condition;
use nigh_index::filter::datetime;
use nigh_index::filter::number::Real;
use nigh_index::id::PointId;
use nigh_index::params::SearchParams;
use nigh_index::query::examples::Numbers;
use nigh_index::query::fuse::{Fusion, Rrf, Scale, ScoreFusion, Weighing};
use nigh_index::query::order::{Direction, OrderBy};
use nigh_index::vector::metric::Metric;
use nigh_storage::collection::Collection;
use nigh_storage::schema::{CollectionSpec, VectorPlace};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Points of a node where nobody says.
const LIMIT: usize = 10;
/// What an object asks, each by its name.
const FORMS: [&str; 10] = [
    "nearest",
    "recommend",
    "discover",
    "context",
    "relevance_feedback",
    "order_by",
    "fusion",
    "rrf",
    "formula",
    "sample",
];
/// The constant of reciprocal ranks of clients of this API, whose first rank is 0.
const RRF_K: f64 = 2.0;

/// A value that is there and not null.
pub(super) fn some<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.get(name).filter(|value| !value.is_null())
}

/// A query being read.
pub(super) struct Asking<'a> {
    engine: &'a Arc<Engine>,
    spec: &'a CollectionSpec,
    collection: &'a Collection,
    /// Points that are asked about.
    pub(super) named: Vec<PointId>,
    nodes: usize,
    /// Counted while they are read: what is too many is not looked up.
    count: Count,
    /// Of examples that were looked up in another collection.
    numbers: Numbers,
}

impl<'a> Asking<'a> {
    pub(super) fn new(engine: &'a Arc<Engine>, spec: &'a CollectionSpec, collection: &'a Collection) -> Self {
        let count = Count::new(engine.limits().retrievers_max);
        Self { engine, spec, collection, named: Vec::new(), nodes: 0, count, numbers: Numbers::default() }
    }

    /// A node and all below it. `limit` is that of the root; others say their own.
    pub(super) fn node(&mut self, request: &Value, limit: usize) -> Result<Retriever> {
        self.count.one_more()?;
        let name = format!("{}", self.nodes);
        self.nodes += 1;
        let mut sources = Vec::new();
        match some(request, "prefetch") {
            None => {}
            Some(Value::Array(several)) => {
                for one in several {
                    let limit = self.own_limit(one)?;
                    sources.push(self.node(one, limit)?);
                }
            }
            Some(one) => {
                let limit = self.own_limit(one)?;
                sources.push(self.node(one, limit)?);
            }
        }
        let Some(query) = some(request, "query") else {
            return Err(Fault::bad_request("a query is needed where there is a prefetch"));
        };
        let kind = self.kind(query, request, limit)?;
        // Of fewer candidates than hits no more are chosen than there are.
        let limit = if let Kind::Diverse { candidates, .. } = &kind { limit.min(*candidates) } else { limit };
        let ranks = matches!(kind, Kind::Fuse(_) | Kind::Formula(_));
        if ranks && sources.is_empty() {
            return Err(Fault::bad_request(format_args!("a {} needs a prefetch", kind.name())));
        }
        let threshold = match some(request, "score_threshold") {
            None => None,
            Some(value) => {
                let value = value.as_f64().ok_or_else(|| Fault::format("score_threshold is a number"))? as f32;
                self.threshold(&kind, value)?
            }
        };
        let filter = filter::optional(some(request, "filter"))?;
        let corpus = corpus(request)?;
        Ok(Retriever { name, kind, sources, limit, filter, corpus, score_threshold: threshold })
    }

    fn own_limit(&self, request: &Value) -> Result<usize> {
        match some(request, "limit") {
            None => Ok(LIMIT),
            Some(value) => match value.as_u64() {
                Some(0) => Err(Fault::invalid("prefetch.limit", "it is at least 1")),
                Some(limit) => Ok(usize::try_from(limit).unwrap_or(usize::MAX)),
                None => Err(Fault::format("limit is an unsigned integer")),
            },
        }
    }

    /// What lies on the threshold of a search by vectors is no hit; of a fusion or a formula it is.
    fn threshold(&self, kind: &Kind, value: f32) -> Result<Option<f32>> {
        let metric = match kind {
            Kind::Fuse(_) | Kind::Formula(_) => return Ok(Some(value)),
            Kind::Order(_) => return Err(Fault::bad_request("a score_threshold makes no sense with order_by")),
            Kind::Sample { .. } => return Ok(None),
            Kind::Dense { field, .. } => Some(self.spec.vectors[*field].spec.metric),
            Kind::Multi { field, .. } => Some(self.spec.multi[*field].spec.metric),
            Kind::Diverse { field, .. } | Kind::Average { field, .. } => match field {
                VectorPlace::Dense(at) => Some(self.spec.vectors[usize::from(*at)].spec.metric),
                VectorPlace::Multi(at) => Some(self.spec.multi[usize::from(*at)].spec.metric),
                VectorPlace::Sparse(_) => None,
            },
            _ => None,
        };
        let distance = metric.is_some_and(Metric::is_distance);
        Ok(Some(if distance { value.next_down() } else { value.next_up() }))
    }

    fn kind(&mut self, query: &Value, request: &Value, limit: usize) -> Result<Kind> {
        let Some(object) = query.as_object() else { return self.nearest(query, None, request, limit) };
        if object.contains_key("indices") || document::is(query) {
            return self.nearest(query, None, request, limit);
        }
        let mut given = FORMS.iter().filter(|form| some(query, form).is_some());
        let (Some(form), None) = (given.next(), given.next()) else {
            if let Some(text) = object.get("text") {
                return words(self.spec, text, request);
            }
            return Err(Fault::format(format_args!("a query has one of {}", FORMS.join(", "))));
        };
        let value = &query[*form];
        match *form {
            "nearest" => self.nearest(value, some(query, "mmr"), request, limit),
            "recommend" => self.recommend(value, request),
            "discover" => self.discover(some(value, "target"), some(value, "context"), request),
            "context" => self.discover(None, Some(value), request),
            "relevance_feedback" => self.feedback(value, request),
            "order_by" => order_by(value).map(Kind::Order),
            "fusion" => match value.as_str() {
                Some("rrf") => rrf(&json!({})),
                Some("dbsf") => {
                    Ok(Kind::Fuse(Fusion::Scores(ScoreFusion { scale: Scale::Distribution, weights: Vec::new() })))
                }
                _ => Err(Fault::format("fusion is rrf or dbsf")),
            },
            "rrf" => rrf(value),
            "formula" => Ok(Kind::Formula(formula::read(value, some(query, "defaults"))?)),
            _ => match value.as_str() {
                Some("random") => Ok(Kind::Sample { seed: seed() }),
                _ => Err(Fault::format("sample is random")),
            },
        }
    }

    /// The field that is asked.
    fn field(&self, request: &Value) -> Result<VectorPlace> {
        vectors::place(self.spec, some(request, "using").and_then(Value::as_str).unwrap_or_default())
    }

    fn nearest(&mut self, value: &Value, mmr: Option<&Value>, request: &Value, limit: usize) -> Result<Kind> {
        let (field, params) = (self.field(request)?, params(request)?);
        let Some(mmr) = mmr else {
            return match field {
                VectorPlace::Dense(at) => {
                    Ok(Kind::Dense { field: at.into(), target: self.target(at.into(), value, request)?, params })
                }
                VectorPlace::Sparse(at) => {
                    let given = self.given(field, value, request)?;
                    Ok(Kind::Sparse { field: at.into(), vector: vectors::sparse(self.spec, at.into(), given)? })
                }
                VectorPlace::Multi(at) => {
                    let given = self.given(field, value, request)?.several();
                    Ok(Kind::Multi { field: at.into(), vectors: vectors::multi(self.spec, at.into(), given)? })
                }
            };
        };
        let target = self.example(field, value, request)?;
        let diversity = some(mmr, "diversity").map_or(Some(0.5), Value::as_f64);
        let diversity = diversity.filter(|share| (0.0..=1.0).contains(share));
        let diversity = diversity.ok_or_else(|| Fault::invalid("mmr.diversity", "it is from 0 to 1"))? as f32;
        let candidates = some(mmr, "candidates_limit").and_then(Value::as_u64);
        let candidates = candidates.map_or(limit, |count| usize::try_from(count).unwrap_or(usize::MAX));
        Ok(Kind::Diverse { field, target, params, diversity, candidates: candidates.max(1) })
    }

    /// A vector of a field that is not dense, or the id of a point that has one.
    fn given(&mut self, place: VectorPlace, value: &Value, request: &Value) -> Result<Given> {
        if !value.is_number() && !value.is_string() {
            return Given::asked(value);
        }
        let id = ids::id(value)?;
        if some(request, "lookup_from").is_some() {
            return self.looked_up(id, request);
        }
        self.named.push(id);
        stored(self.collection, place, id)
    }

    /// A vector, or the id of a point, perhaps one of another collection.
    fn target(&mut self, field: usize, value: &Value, request: &Value) -> Result<Target> {
        if !value.is_number() && !value.is_string() {
            return Ok(Target::Vector(vectors::dense(self.spec, field, Given::asked(value)?)?));
        }
        let id = ids::id(value)?;
        if some(request, "lookup_from").is_some() {
            return Ok(Target::Vector(vectors::dense(self.spec, field, self.looked_up(id, request)?)?));
        }
        self.named.push(id);
        match self.collection.snapshot().find(&id) {
            Some(_) => Ok(Target::Point(id)),
            None => Err(Fault::not_found(format_args!("No point with id {id} found"))),
        }
    }

    /// The vector of a point of another collection.
    fn looked_up(&self, id: PointId, request: &Value) -> Result<Given> {
        let from = &request["lookup_from"];
        let name = some(from, "collection").and_then(Value::as_str);
        let other = self.engine.collection(name.ok_or_else(|| Fault::format("lookup_from has a collection"))?)?;
        let vector = some(from, "vector").and_then(Value::as_str).unwrap_or_default();
        stored(&other, vectors::place(&other.spec(), vector)?, id)
    }
}

/// The vector that a point has.
fn stored(collection: &Collection, place: VectorPlace, id: PointId) -> Result<Given> {
    let missing = || Fault::not_found(format_args!("No point with id {id} found"));
    let (snapshot, spec) = (collection.snapshot(), collection.spec());
    let (part, row) = snapshot.find(&id).ok_or_else(missing)?;
    let part = &snapshot.parts[part].part;
    let given = match place {
        VectorPlace::Dense(at) => part.nearest(at.into()).vector(row).map(|vector| Given::Dense(vector.into_owned())),
        VectorPlace::Sparse(at) => part.others().sparse(at.into()).and_then(|stored| {
            let vector = stored.vector(row)?;
            Some(Given::Sparse { indices: vector.indices().to_vec(), values: vector.values().to_vec() })
        }),
        VectorPlace::Multi(at) => part.others().multi(at.into()).and_then(|stored| {
            let size = spec.multi[usize::from(at)].spec.size;
            Some(Given::Multi(stored.vectors(row)?.vectors(size).map(<[f32]>::to_vec).collect()))
        }),
    };
    snapshot.sound().map_err(Error::from)?;
    given.ok_or_else(missing)
}

/// By the words of a text field: one that an index with `scoring` stands for, or that nigh's own API made.
fn words(spec: &CollectionSpec, text: &Value, request: &Value) -> Result<Kind> {
    let query = text.as_str().or_else(|| some(text, "query")?.as_str());
    let query = query.ok_or_else(|| Fault::format("text is a string, or has a query, which is one"))?.to_owned();
    let using = some(request, "using").and_then(Value::as_str).unwrap_or_default();
    let Some((at, field)) = spec.text_fields().find(|(_, field)| field.name == using) else {
        let why =
            format!("Index required but not found for \"{using}\": a query by text asks a text index with scoring");
        return Err(Fault::bad_request(why));
    };
    let constant = |name: &str| {
        let given = some(text, "scoring").and_then(|of| of.get("bm25")).and_then(|of| some(of, name));
        let number =
            |given: &Value| given.as_f64().ok_or_else(|| Fault::format(format_args!("bm25.{name} is a number")));
        Ok::<_, Fault>(given.map(number).transpose()?.map(|number| number as f32))
    };
    let constants = (constant("k")?.unwrap_or(field.spec.k1), constant("b")?.unwrap_or(field.spec.b));
    Ok(Kind::Text(Words { fields: vec![(at, 1.0)], query, once: true, constants: Some(constants), ..Words::default() }))
}

/// A beginning for chance: another one for every request.
pub(super) fn seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// Ranks from 0 and a constant: with ranks from 1 it is one less.
fn rrf(value: &Value) -> Result<Kind> {
    let k = some(value, "k").map_or(Some(RRF_K), Value::as_f64).filter(|k| *k >= 1.0);
    let k = k.ok_or_else(|| Fault::invalid("rrf.k", "it is at least 1"))? as f32 - 1.0;
    let weights = match some(value, "weights") {
        None => Vec::new(),
        Some(Value::Array(weights)) => weights
            .iter()
            .map(|weight| weight.as_f64().map(|weight| weight.max(0.0) as f32))
            .collect::<Option<Vec<f32>>>()
            .ok_or_else(|| Fault::format("weights are numbers"))?,
        Some(_) => return Err(Fault::format("weights is a list")),
    };
    let weighing = if weights.is_empty() { Weighing::Score } else { Weighing::Rank };
    Ok(Kind::Fuse(Fusion::Ranks(Rrf { k, weights, weighing })))
}

/// What an order by a field is written as: the field alone, or more.
pub(super) fn order_by(value: &Value) -> Result<OrderBy> {
    let key = value.as_str().or_else(|| some(value, "key")?.as_str());
    let path = path::field(key.ok_or_else(|| Fault::format("order_by has a key"))?)?;
    let direction = match some(value, "direction").map_or(Some("asc"), Value::as_str) {
        Some("asc") => Direction::Rising,
        Some("desc") => Direction::Falling,
        _ => return Err(Fault::format("direction is asc or desc")),
    };
    let from = match some(value, "start_from") {
        None => None,
        Some(Value::Number(number)) => Real::of(number),
        Some(Value::String(text)) => {
            let instant = datetime::micros(text).map(Real::Integer);
            Some(instant.ok_or_else(|| Fault::format(format_args!("`{text}` is no date and time (RFC 3339)")))?)
        }
        Some(_) => return Err(Fault::format("start_from is a number or a date and time")),
    };
    Ok(OrderBy { path, direction, from })
}

/// The points among which it is counted how rare a term is: `global`, all of them, where nobody says.
fn corpus(request: &Value) -> Result<Option<Condition>> {
    match some(request, "params").and_then(|params| some(params, "idf")) {
        None => Ok(None),
        Some(Value::String(scope)) if scope == "global" => Ok(None),
        Some(Value::Object(of)) if of.contains_key("corpus") => filter::optional(of.get("corpus")),
        Some(_) => Err(Fault::format("params.idf is `global`, or has a corpus, which is a filter")),
    }
}

/// How hard to try. `nigh_recall` is nigh's own: the recall to reach, from which the effort follows.
fn params(request: &Value) -> Result<SearchParams> {
    let Some(params) = some(request, "params") else { return Ok(SearchParams::default()) };
    let ef = some(params, "hnsw_ef").and_then(Value::as_u64).and_then(|ef| u32::try_from(ef).ok());
    let exact = some(params, "exact").and_then(Value::as_bool).unwrap_or(false);
    let recall = some(params, "nigh_recall").and_then(Value::as_f64).map(|recall| recall as f32);
    Ok(SearchParams { ef: ef.filter(|ef| *ef > 0), recall, exact })
}
