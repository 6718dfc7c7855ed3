//! How points are ranked: plain to wire, and the little that comes back.

use crate::convert::{condition_out, filter_out, id_in, id_out, vectors_out, wanted_out};
use crate::error::{Error, Result};
use crate::formula::{Decay, Formula};
use crate::query::{Retriever, SearchParams, Target};
use crate::ranking::{
    Direction, Fusion, Grouping, Near, OrderValue, Paging, RankPlace, Recommend, Scale, Strategy, Weighing,
};
use crate::{vectors, words};
use nigh_proto::v1::{self, formula, retriever::Kind};

pub(crate) fn retriever_out(retriever: Retriever, of_query: SearchParams) -> v1::Retriever {
    let SearchParams { ef, exact, recall } = retriever.params.unwrap_or(of_query);
    let params = Some(v1::SearchParams { ef, exact, recall });
    let dense = |field, query| Kind::Dense(v1::Dense { field, query: Some(query), params });
    let field = retriever.field;
    let weights = retriever.sources.iter().map(|source| source.weight).collect();
    let kind = match retriever.wanted {
        Target::Vector(values) => dense(field, v1::dense::Query::Vector(v1::Vector { values })),
        Target::Point(id) => dense(field, v1::dense::Query::Point(id_out(id))),
        Target::Sparse(near) => Kind::Sparse(v1::Sparse { field, query: Some(vectors::near_sparse_out(near)) }),
        Target::Multi(near) => Kind::Multi(v1::Multi { field, query: Some(vectors::near_multi_out(near)) }),
        Target::Words(query) => Kind::Text(words::text_out(field, query, retriever.text)),
        Target::Fusion(fusion) => Kind::Fusion(fusion_out(fusion, weights)),
        Target::Formula(formula) => Kind::Formula(formula_out(formula)),
        Target::Diverse { near, diversity, candidates } => {
            let (target, diversity) = (Some(near_out(near)), Some(diversity));
            Kind::Mmr(v1::Mmr { field, target, diversity, candidates, params })
        }
        Target::Recommend(recommend) => Kind::Recommend(recommend_out(field, recommend, params)),
        Target::Discover { near, context } => {
            Kind::Discover(v1::Discover { field, target: Some(near_out(near)), context: pairs_out(context) })
        }
        Target::Context(pairs) => Kind::Context(v1::Context { field, pairs: pairs_out(pairs) }),
        Target::Order { path, direction, from } => Kind::OrderBy(v1::OrderBy {
            path,
            descending: direction == Direction::Falling,
            start_from: from.map(order_value_out),
        }),
        Target::Sample(seed) => Kind::Sample(v1::Sample { seed }),
    };
    v1::Retriever {
        name: retriever.name,
        kind: Some(kind),
        limit: retriever.limit,
        filter: retriever.filter.map(filter_out),
        corpus: retriever.corpus.map(filter_out),
        score_threshold: retriever.score_threshold,
        sources: retriever.sources.into_iter().map(|source| retriever_out(source, of_query)).collect(),
    }
}

fn near_out(near: Near) -> v1::Target {
    let target = match near {
        Near::Vector(values) => v1::target::Target::Vector(v1::Vector { values }),
        Near::Point(id) => v1::target::Target::Point(id_out(id)),
    };
    v1::Target { target: Some(target) }
}

fn pairs_out(pairs: Vec<(Near, Near)>) -> Vec<v1::ContextPair> {
    let pair = |(positive, negative)| v1::ContextPair {
        positive: Some(near_out(positive)),
        negative: Some(near_out(negative)),
    };
    pairs.into_iter().map(pair).collect()
}

fn recommend_out(field: String, recommend: Recommend, params: Option<v1::SearchParams>) -> v1::Recommend {
    let strategy = match recommend.strategy {
        Strategy::AverageVector => v1::recommend::Strategy::AverageVector,
        Strategy::BestScore => v1::recommend::Strategy::BestScore,
        Strategy::SumScores => v1::recommend::Strategy::SumScores,
    };
    v1::Recommend {
        field,
        positive: recommend.positive.into_iter().map(near_out).collect(),
        negative: recommend.negative.into_iter().map(near_out).collect(),
        strategy: strategy.into(),
        params,
    }
}

/// Weights that are all 1 are left out.
pub(crate) fn fusion_out(fusion: Fusion, weights: Vec<f32>) -> v1::Fusion {
    use v1::fusion::Fusion as Wire;
    use v1::score_fusion::Scale as WireScale;
    let weights = if weights.iter().all(|weight| *weight == 1.0) { Vec::new() } else { weights };
    let fusion = match fusion {
        Fusion::Ranks { k, weighing } => {
            let weighing = match weighing {
                Weighing::Score => v1::reciprocal_rank::Weighing::Score,
                Weighing::Rank => v1::reciprocal_rank::Weighing::Rank,
            };
            Wire::ReciprocalRank(v1::ReciprocalRank { k, weights, weighing: weighing.into() })
        }
        Fusion::Scores(scale) => {
            let (scale, bounds) = match scale {
                Scale::MinMax => (WireScale::MinMax, Vec::new()),
                Scale::Distribution => (WireScale::Distribution, Vec::new()),
                Scale::Bounds(bounds) => (WireScale::Bounds, bounds),
            };
            let bounds = bounds.into_iter().map(|(low, high)| v1::ScoreBounds { low, high }).collect();
            Wire::Scores(v1::ScoreFusion { scale: scale.into(), weights, bounds })
        }
    };
    v1::Fusion { fusion: Some(fusion) }
}

fn formula_out(formula: Formula) -> v1::Formula {
    use formula::Formula as Wire;
    let boxed = |part: Box<Formula>| Box::new(formula_out(*part));
    let all = |parts: Vec<Formula>| v1::Formulas { formulas: parts.into_iter().map(formula_out).collect() };
    let wire = match formula {
        Formula::Constant(number) => Wire::Constant(number),
        Formula::Datetime(text) => Wire::Datetime(text),
        Formula::Score(source, missing) => Wire::Score(v1::SourceScore { source, missing }),
        Formula::Field(path, missing) => Wire::Field(v1::FieldValue { path, missing }),
        Formula::Holds(condition) => Wire::Holds(condition_out(condition)),
        Formula::Meters(path, (lat, lon), missing) => {
            Wire::Distance(v1::GeoDistance { path, from: Some(v1::GeoPlace { lat, lon }), missing })
        }
        Formula::Sum(parts) => Wire::Sum(all(parts)),
        Formula::Product(parts) => Wire::Product(all(parts)),
        Formula::Greatest(parts) => Wire::Greatest(all(parts)),
        Formula::Least(parts) => Wire::Least(all(parts)),
        Formula::Quotient(of, by, by_zero) => {
            Wire::Quotient(Box::new(v1::Quotient { of: Some(boxed(of)), by: Some(boxed(by)), by_zero }))
        }
        Formula::Power(base, exponent) => {
            Wire::Power(Box::new(v1::Power { base: Some(boxed(base)), exponent: Some(boxed(exponent)) }))
        }
        Formula::Negative(of) => Wire::Negative(boxed(of)),
        Formula::Absolute(of) => Wire::Absolute(boxed(of)),
        Formula::SquareRoot(of) => Wire::SquareRoot(boxed(of)),
        Formula::Exponential(of) => Wire::Exponential(boxed(of)),
        Formula::Ln(of) => Wire::Ln(boxed(of)),
        Formula::Log10(of) => Wire::Log10(boxed(of)),
        Formula::Acosh(of) => Wire::Acosh(boxed(of)),
        Formula::Decay { shape, of, target, scale, midpoint } => {
            let shape = match shape {
                Decay::Exponential => v1::decay::Shape::Exponential,
                Decay::Linear => v1::decay::Shape::Linear,
                Decay::Gauss => v1::decay::Shape::Gauss,
            };
            Wire::Decay(Box::new(v1::Decay {
                shape: shape.into(),
                of: Some(boxed(of)),
                target: target.map(boxed),
                scale: Some(scale),
                midpoint: Some(midpoint),
            }))
        }
    };
    v1::Formula { formula: Some(wire) }
}

pub(crate) fn grouping_out(grouping: Grouping) -> v1::GroupBy {
    let lookup = grouping.lookup.map(|lookup| v1::GroupLookup {
        collection: lookup.collection,
        payload: Some(wanted_out(lookup.payload)),
        vectors: vectors_out(lookup.vectors),
    });
    v1::GroupBy { path: grouping.path, groups: grouping.groups, size: grouping.size, lookup }
}

pub(crate) fn paging_out(paging: Paging) -> v1::Paging {
    let place = |place: RankPlace| v1::RankPlace {
        score: place.score,
        id: Some(id_out(place.id)),
        value: place.value.map(order_value_out),
    };
    v1::Paging { after: paging.after.map(place) }
}

pub(crate) fn place_in(place: v1::RankPlace) -> Result<RankPlace> {
    let value = place.value.map(order_value_in).transpose()?;
    Ok(RankPlace { score: place.score, id: id_in(place.id.unwrap_or_default())?, value })
}

fn order_value_out(value: OrderValue) -> v1::OrderValue {
    use v1::order_value::Value;
    let value = match value {
        OrderValue::Integer(integer) => Value::Integer(integer),
        OrderValue::Natural(natural) => Value::Natural(natural),
        OrderValue::Float(float) => Value::Float(float),
        OrderValue::Datetime(text) => Value::Datetime(text),
    };
    v1::OrderValue { value: Some(value) }
}

pub(crate) fn order_value_in(value: v1::OrderValue) -> Result<OrderValue> {
    use v1::order_value::Value;
    match value.value {
        Some(Value::Integer(integer)) => Ok(OrderValue::Integer(integer)),
        Some(Value::Natural(natural)) => Ok(OrderValue::Natural(natural)),
        Some(Value::Float(float)) => Ok(OrderValue::Float(float)),
        Some(Value::Datetime(text)) => Ok(OrderValue::Datetime(text)),
        None => Err(Error::reply("a value to order by that is nothing")),
    }
}
