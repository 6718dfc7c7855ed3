//! How near points of a sample are to each other.

use super::ask::some;
use super::call::Call;
use super::fault::{Fault, Result};
use super::query::count;
use super::read::{counted, held};
use super::{filter, ids, vectors};
use crate::engine::query::Query;
use crate::engine::query::retriever::{Kind, Retriever, Target};
use nigh_index::filter::condition::Condition;
use nigh_index::id::PointId;
use nigh_index::params::SearchParams;
use nigh_storage::schema::VectorPlace;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::HashMap;

/// Points of a sample where nobody says.
const SAMPLE: usize = 10;
/// A sample has at most this many points: for each of them there is a search.
const SAMPLE_MAX: usize = 1000;
/// The nearest of each that are told where nobody says.
const NEAREST: usize = 3;

/// Two points.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Pair {
    #[serde(serialize_with = "ids::serialize")]
    pub(super) a: PointId,
    #[serde(serialize_with = "ids::serialize")]
    pub(super) b: PointId,
    pub(super) score: f32,
}

/// As pairs.
#[derive(Debug, Serialize)]
pub(super) struct Pairs {
    pub(super) pairs: Vec<Pair>,
}

/// As a matrix of which only some places are filled.
#[derive(Debug, Serialize)]
pub(super) struct Offsets {
    pub(super) offsets_row: Vec<u64>,
    pub(super) offsets_col: Vec<u64>,
    pub(super) scores: Vec<f32>,
    #[serde(serialize_with = "serialize_ids")]
    pub(super) ids: Vec<PointId>,
}

fn serialize_ids<S: Serializer>(ids: &[PointId], out: S) -> std::result::Result<S::Ok, S::Error> {
    /// One of the list.
    struct Id(PointId);
    impl Serialize for Id {
        fn serialize<S: Serializer>(&self, out: S) -> std::result::Result<S::Ok, S::Error> {
            ids::serialize(&self.0, out)
        }
    }
    let mut list = out.serialize_seq(Some(ids.len()))?;
    for id in ids {
        list.serialize_element(&Id(*id))?;
    }
    list.end()
}

pub(super) async fn pairs(call: Call, request: Value) -> Result<Pairs> {
    Ok(Pairs { pairs: near(&call, &request).await?.1 })
}

pub(super) async fn offsets(call: Call, request: Value) -> Result<Offsets> {
    let (ids, pairs) = near(&call, &request).await?;
    let places: HashMap<PointId, u64> = ids.iter().zip(0..).map(|(id, at)| (*id, at)).collect();
    Ok(Offsets {
        offsets_row: pairs.iter().map(|pair| places[&pair.a]).collect(),
        offsets_col: pairs.iter().map(|pair| places[&pair.b]).collect(),
        scores: pairs.iter().map(|pair| pair.score).collect(),
        ids,
    })
}

fn alone(kind: Kind, filter: Option<Condition>, limit: usize) -> Query {
    let root = Retriever {
        name: "0".to_owned(),
        kind,
        sources: Vec::new(),
        limit,
        filter,
        corpus: None,
        score_threshold: None,
    };
    Query::new(root, limit)
}

/// What is nearest to the vector, or the vectors, of a point; all is compared.
fn near_to(place: VectorPlace, point: PointId) -> Kind {
    match place {
        VectorPlace::Dense(at) => {
            let params = SearchParams { exact: true, ..SearchParams::default() };
            Kind::Dense { field: at.into(), target: Target::Point(point), params }
        }
        VectorPlace::Sparse(at) => Kind::SparseOf { field: at.into(), point },
        VectorPlace::Multi(at) => Kind::MultiOf { field: at.into(), point },
    }
}

/// The sample by rising id, and each of its points with the nearest others.
async fn near(call: &Call, request: &Value) -> Result<(Vec<PointId>, Vec<Pair>)> {
    let collection = call.open()?;
    let spec = collection.spec().clone();
    let using = some(request, "using").and_then(Value::as_str).unwrap_or_default();
    let place = vectors::place(&spec, using)?;
    let (sample, nearest) = (count(request, "sample", SAMPLE)?, count(request, "limit", NEAREST)?);
    if sample > SAMPLE_MAX {
        return Err(Fault::invalid("sample", format_args!("it is {sample}; at most {SAMPLE_MAX}")));
    }
    let filter = filter::optional(some(request, "filter"))?;
    held(call, filter.as_ref(), sample.max(nearest))?;
    counted(call, 1)?;
    let mut chosen = vec![Condition::HasVector(using.to_owned())];
    chosen.extend(filter);
    let drawn = alone(Kind::Sample { seed: super::ask::seed() }, Some(Condition::all(chosen)), sample);
    let drawn = call.engine.query(collection.clone(), drawn, &call.deadline).await?;
    let mut ids: Vec<PointId> = drawn.hits.into_iter().map(|hit| hit.record.id).collect();
    ids.sort();
    let mut pairs = Vec::with_capacity(ids.len() * nearest.min(ids.len()));
    for id in &ids {
        let others = ids.iter().copied().filter(|other| other != id).collect::<Vec<_>>();
        if others.is_empty() {
            break;
        }
        let query = alone(near_to(place, *id), Some(Condition::HasId(others)), nearest.min(ids.len()));
        let found = call.engine.query(collection.clone(), query, &call.deadline).await?;
        pairs.extend(found.hits.into_iter().map(|hit| Pair { a: *id, b: hit.record.id, score: hit.score }));
    }
    Ok((ids, pairs))
}
