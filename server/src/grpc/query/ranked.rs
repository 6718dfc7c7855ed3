//! The kinds of retrievers, from the wire.

use super::{formula, order_value};
use crate::engine::error::{Error, Result};
use crate::engine::query::retriever::{Example, Kind, Target, Vector};
use crate::grpc::filter::{self, at_place, left_out};
use crate::grpc::{vectors, words};
use nigh_index::params::SearchParams;
use nigh_index::query::examples::Likeness;
use nigh_index::query::fuse::{Fusion, K_DEFAULT, Rrf, Scale, ScoreFusion, Weighing};
use nigh_index::query::order::{Direction, OrderBy};
use nigh_index::value::Path;
use nigh_proto::v1::{self, dense, fusion, recommend, retriever, target};
use nigh_storage::schema::{CollectionSpec, VectorPlace};

/// How much unlikeness counts where nothing is said.
const DIVERSITY_DEFAULT: f32 = 0.5;

/// How a retriever of so many sources ranks; it is to give `limit` points.
pub(super) fn kind(wire: retriever::Kind, spec: &CollectionSpec, sources: usize, limit: usize) -> Result<Kind> {
    use retriever::Kind as Wire;
    match wire {
        Wire::Dense(dense) => self::dense(dense, spec),
        Wire::Sparse(sparse) => vectors::sparse(sparse, spec),
        Wire::Multi(multi) => vectors::multi(multi, spec),
        Wire::Text(text) => words::text(text, spec),
        Wire::Fusion(wire) => Ok(Kind::Fuse(fusion(Some(wire), sources).map_err(|err| err.inside("fusion"))?)),
        Wire::Formula(wire) => Ok(Kind::Formula(formula::formula(wire).map_err(|err| err.inside("formula"))?)),
        Wire::Mmr(mmr) => Ok(Kind::Diverse {
            field: vector_place("mmr", &mmr.field, spec)?,
            target: target("mmr.target", mmr.target)?,
            params: params(mmr.params),
            diversity: mmr.diversity.unwrap_or(DIVERSITY_DEFAULT),
            candidates: if mmr.candidates == 0 { limit } else { mmr.candidates as usize },
        }),
        Wire::Recommend(recommend) => self::recommend(recommend, spec),
        Wire::Discover(discover) => {
            let mut positive = vec![target("discover.target", discover.target)?];
            positive.extend(pairs("discover.context", discover.context)?);
            let field = vector_place("discover", &discover.field, spec)?;
            Ok(Kind::Examples { field, likeness: Likeness::Discover, positive, negative: Vec::new() })
        }
        Wire::Context(context) => {
            let field = vector_place("context", &context.field, spec)?;
            let positive = pairs("context.pairs", context.pairs)?;
            Ok(Kind::Examples { field, likeness: Likeness::Context, positive, negative: Vec::new() })
        }
        Wire::OrderBy(order) => Ok(Kind::Order(OrderBy {
            path: Path::parse(&order.path).map_err(|err| Error::from(err).inside("order_by"))?,
            direction: if order.descending { Direction::Falling } else { Direction::Rising },
            from: order.start_from.map(|from| order_value("order_by.start_from", from)).transpose()?,
        })),
        Wire::Sample(sample) => Ok(Kind::Sample { seed: sample.seed.unwrap_or_else(any_seed) }),
    }
}

/// A seed that is another one every time.
fn any_seed() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

fn dense(dense: v1::Dense, spec: &CollectionSpec) -> Result<Kind> {
    let field = vector_field("dense", &dense.field, spec)?;
    let target = match dense.query {
        Some(dense::Query::Vector(vector)) => Target::Vector(vector.values),
        Some(dense::Query::Point(id)) => Target::Point(filter::id("dense.point", Some(id))?),
        None => return Err(left_out("dense.query", "it is a vector or a point")),
    };
    Ok(Kind::Dense { field, target, params: params(dense.params) })
}

fn params(params: Option<v1::SearchParams>) -> SearchParams {
    let params = params.unwrap_or_default();
    SearchParams {
        ef: (params.ef > 0).then_some(params.ef),
        recall: (params.recall != 0.0).then_some(params.recall),
        exact: params.exact,
    }
}

fn recommend(recommend: v1::Recommend, spec: &CollectionSpec) -> Result<Kind> {
    let field = vector_place("recommend", &recommend.field, spec)?;
    let targets = |side: &str, some: Vec<v1::Target>| -> Result<Vec<Example>> {
        let side = format!("recommend.{side}");
        some.into_iter().enumerate().map(|(at, one)| target(&format!("{side}[{at}]"), Some(one))).collect()
    };
    let (positive, negative) = (targets("positive", recommend.positive)?, targets("negative", recommend.negative)?);
    let examples = |likeness, positive, negative| Kind::Examples { field, likeness, positive, negative };
    match recommend::Strategy::try_from(recommend.strategy) {
        Ok(recommend::Strategy::Unspecified | recommend::Strategy::AverageVector) => {
            Ok(Kind::Average { field, positive, negative, params: params(recommend.params) })
        }
        Ok(recommend::Strategy::BestScore) => Ok(examples(Likeness::Best, positive, negative)),
        Ok(recommend::Strategy::SumScores) => Ok(examples(Likeness::Sum, positive, negative)),
        Err(_) => {
            let limit = "average_vector (1), best_score (2) or sum_scores (3)";
            Err(Error::invalid("recommend.strategy", recommend.strategy, limit))
        }
    }
}

fn target(field: &str, wire: Option<v1::Target>) -> Result<Example> {
    match wire.and_then(|wire| wire.target) {
        Some(target::Target::Vector(vector)) => Ok(Example::Vector(Vector::Dense(vector.values))),
        Some(target::Target::Point(id)) => Ok(Example::Point(filter::id(&format!("{field}.point"), Some(id))?)),
        None => Err(left_out(field, "it is a vector or a point")),
    }
}

/// Pairs one behind the other: positive, negative, positive, negative.
fn pairs(field: &str, pairs: Vec<v1::ContextPair>) -> Result<Vec<Example>> {
    let mut targets = Vec::with_capacity(2 * pairs.len());
    for (at, pair) in pairs.into_iter().enumerate() {
        targets.push(target("positive", pair.positive).map_err(|err| at_place(err, field, at))?);
        targets.push(target("negative", pair.negative).map_err(|err| at_place(err, field, at))?);
    }
    Ok(targets)
}

fn vector_place(kind: &str, name: &str, spec: &CollectionSpec) -> Result<VectorPlace> {
    let at = vector_field(kind, name, spec)?;
    u16::try_from(at).map(VectorPlace::Dense).map_err(|_| Error::Internal("a vector field has no place"))
}

fn vector_field(kind: &str, name: &str, spec: &CollectionSpec) -> Result<usize> {
    vectors::place("dense", name, spec).map_err(|err| match err {
        // It is named by the kind of the retriever, not by that of the field.
        Error::Invalid { field, value, limit } => {
            Error::Invalid { field: field.replacen("dense", kind, 1), value, limit }
        }
        other => other,
    })
}

/// The place of a field; an empty name means the only one.
pub(in crate::grpc) fn place(kind: &str, name: &str, names: &[&str]) -> Result<usize> {
    let what = if kind == "text" { "text field".to_owned() } else { format!("{kind} vector field") };
    match names.iter().position(|have| *have == name) {
        Some(at) => Ok(at),
        None if name.is_empty() && names.len() == 1 => Ok(0),
        None => {
            let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let limit = match quoted.len() {
                0 => format!("the collection has no {what}"),
                _ => format!("it is the name of a {what}: {}", quoted.join(", ")),
            };
            Err(Error::invalid(format!("{kind}.field"), format!("`{}`", filter::short(name)), limit))
        }
    }
}

/// How so many rankings become one.
pub(super) fn fusion(wire: Option<v1::Fusion>, count: usize) -> Result<Fusion> {
    match wire.and_then(|wire| wire.fusion) {
        None => Ok(Fusion::default()),
        Some(fusion::Fusion::ReciprocalRank(rank)) => ranks(rank, count).map_err(|err| err.inside("reciprocal_rank")),
        Some(fusion::Fusion::Scores(wire)) => scores(wire, count).map_err(|err| err.inside("scores")),
    }
}

fn ranks(rank: v1::ReciprocalRank, count: usize) -> Result<Fusion> {
    weights(&rank.weights, count)?;
    let k = rank.k.unwrap_or(K_DEFAULT);
    if !sensible(k) {
        return Err(Error::invalid("k", k, "it is finite and at least 0"));
    }
    let weighing = match v1::reciprocal_rank::Weighing::try_from(rank.weighing) {
        Ok(v1::reciprocal_rank::Weighing::Unspecified | v1::reciprocal_rank::Weighing::Score) => Weighing::Score,
        Ok(v1::reciprocal_rank::Weighing::Rank) => Weighing::Rank,
        Err(_) => return Err(Error::invalid("weighing", rank.weighing, "it is score (1) or rank (2)")),
    };
    Ok(Fusion::Ranks(Rrf { k, weights: rank.weights, weighing }))
}

fn scores(wire: v1::ScoreFusion, count: usize) -> Result<Fusion> {
    use v1::score_fusion::Scale as Wire;
    weights(&wire.weights, count)?;
    let bounded = wire.bounds.iter().map(|bounds| (bounds.low, bounds.high)).collect::<Vec<_>>();
    let scale = match Wire::try_from(wire.scale) {
        Ok(Wire::Bounds) if bounded.len() != count => {
            let limit = format!("there are {count} retrievers, each has one pair");
            return Err(Error::invalid("bounds", format!("{} pairs", bounded.len()), limit));
        }
        Ok(Wire::Bounds) => Scale::Bounds(bounded),
        Ok(_) if !bounded.is_empty() => {
            return Err(Error::invalid("bounds", "given", "only where the scale is bounds (3)"));
        }
        Ok(Wire::Unspecified | Wire::MinMax) => Scale::MinMax,
        Ok(Wire::Distribution) => Scale::Distribution,
        Err(_) => return Err(Error::invalid("scale", wire.scale, "min_max (1), distribution (2) or bounds (3)")),
    };
    Ok(Fusion::Scores(ScoreFusion { scale, weights: wire.weights }))
}

fn sensible(number: f32) -> bool {
    number.is_finite() && number >= 0.0
}

fn weights(weights: &[f32], count: usize) -> Result<()> {
    if !weights.is_empty() && weights.len() != count {
        let limit = format!("there are {count} retrievers, each has one weight");
        return Err(Error::invalid("weights", format!("{} numbers", weights.len()), limit));
    }
    match weights.iter().position(|weight| !sensible(*weight)) {
        Some(at) => Err(Error::invalid(format!("weights[{at}]"), weights[at], "a weight is finite and at least 0")),
        None => Ok(()),
    }
}
