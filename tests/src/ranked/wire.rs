//! The same trees as the wire has them.

use super::{Kind, MULTI, Node, Points, SPARSE, TEXT, Target};
use crate::clauses::Clause;
use crate::model::Ask;
use crate::wire;
use nigh_proto::v1::{self, formula, fusion, order_value, retriever::Kind as Wire, score_fusion::Scale, target};

fn sparse_vector(numbers: &[(u32, f32)]) -> v1::SparseVector {
    let (indices, values) = numbers.iter().copied().unzip();
    v1::SparseVector { indices, values }
}

fn multi_vector(several: &[Vec<f32>]) -> v1::MultiVector {
    v1::MultiVector { vectors: several.iter().map(|values| v1::Vector { values: values.clone() }).collect() }
}

impl Node {
    /// The same as the wire has it.
    pub fn wire(&self) -> v1::Retriever {
        let target = |target: &Target| v1::Target {
            target: Some(match target {
                Target::Vector(values) => target::Target::Vector(v1::Vector { values: values.clone() }),
                Target::Point(id) => target::Target::Point(wire::num(*id)),
            }),
        };
        let targets = |some: &[Target]| some.iter().map(target).collect::<Vec<_>>();
        let kind = match &self.kind {
            Kind::Dense(field, near) => {
                let query = match near {
                    Target::Vector(values) => v1::dense::Query::Vector(v1::Vector { values: values.clone() }),
                    Target::Point(id) => v1::dense::Query::Point(wire::num(*id)),
                };
                let params = Some(v1::SearchParams { exact: true, ..Default::default() });
                Wire::Dense(v1::Dense { field: (*field).into(), query: Some(query), params })
            }
            Kind::Text(words) => {
                Wire::Text(v1::Text { field: TEXT.into(), query: words.clone(), ..Default::default() })
            }
            Kind::Syntax(clauses) => {
                let query = clauses.iter().map(Clause::text).collect::<Vec<_>>().join(" ");
                Wire::Text(v1::Text { field: TEXT.into(), query, syntax: true, ..Default::default() })
            }
            Kind::Sparse(near) => {
                let query = match near {
                    Points::Given(numbers) => v1::sparse::Query::Vector(sparse_vector(numbers)),
                    Points::Of(id) => v1::sparse::Query::Point(wire::num(*id)),
                };
                Wire::Sparse(v1::Sparse { field: SPARSE.into(), query: Some(query) })
            }
            Kind::Multi(near) => {
                let query = match near {
                    Points::Given(several) => v1::multi::Query::Vectors(multi_vector(several)),
                    Points::Of(id) => v1::multi::Query::Point(wire::num(*id)),
                };
                Wire::Multi(v1::Multi { field: MULTI.into(), query: Some(query) })
            }
            Kind::Average(field, positive, negative) => Wire::Recommend(v1::Recommend {
                field: (*field).into(),
                positive: targets(positive),
                negative: targets(negative),
                strategy: v1::recommend::Strategy::AverageVector.into(),
                params: Some(v1::SearchParams { exact: true, ..Default::default() }),
            }),
            Kind::Bounds(bounds, weights) => {
                let bounds = bounds.iter().map(|(low, high)| v1::ScoreBounds { low: *low, high: *high }).collect();
                let scores = v1::ScoreFusion { scale: Scale::Bounds.into(), weights: weights.clone(), bounds };
                Wire::Fusion(v1::Fusion { fusion: Some(fusion::Fusion::Scores(scores)) })
            }
            Kind::WeighedRanks(k, weights) => {
                let weighing = v1::reciprocal_rank::Weighing::Rank.into();
                let ranks = v1::ReciprocalRank { k: Some(*k), weights: weights.clone(), weighing };
                Wire::Fusion(v1::Fusion { fusion: Some(fusion::Fusion::ReciprocalRank(ranks)) })
            }
            Kind::Ranks(k, weights) => {
                let ranks = v1::ReciprocalRank { k: Some(*k), weights: weights.clone(), ..Default::default() };
                Wire::Fusion(v1::Fusion { fusion: Some(fusion::Fusion::ReciprocalRank(ranks)) })
            }
            Kind::Scores(distribution, weights) => {
                let scale = if *distribution { Scale::Distribution } else { Scale::MinMax };
                let scores = v1::ScoreFusion { scale: scale.into(), weights: weights.clone(), bounds: vec![] };
                Wire::Fusion(v1::Fusion { fusion: Some(fusion::Fusion::Scores(scores)) })
            }
            Kind::Formula(times, by_n, bonus, ask) => Wire::Formula(formula_of(*times, *by_n, *bonus, ask)),
            Kind::Diverse(field, near, diversity, candidates) => Wire::Mmr(v1::Mmr {
                field: (*field).into(),
                target: Some(target(near)),
                diversity: Some(*diversity),
                candidates: *candidates as u32,
                params: Some(v1::SearchParams { exact: true, ..Default::default() }),
            }),
            Kind::Examples(field, likest, positive, negative) => Wire::Recommend(v1::Recommend {
                field: (*field).into(),
                positive: targets(positive),
                negative: targets(negative),
                strategy: match likest {
                    true => v1::recommend::Strategy::BestScore.into(),
                    false => v1::recommend::Strategy::SumScores.into(),
                },
                params: None,
            }),
            Kind::Pairs(field, near, pairs) => {
                let pair = |(better, worse): &(Target, Target)| v1::ContextPair {
                    positive: Some(target(better)),
                    negative: Some(target(worse)),
                };
                let (field, pairs) = ((*field).to_owned(), pairs.iter().map(pair).collect());
                match near {
                    Some(near) => Wire::Discover(v1::Discover { field, target: Some(target(near)), context: pairs }),
                    None => Wire::Context(v1::Context { field, pairs }),
                }
            }
            Kind::Order(path, descending, from) => {
                let value = |from: i64| v1::OrderValue { value: Some(order_value::Value::Integer(from)) };
                let (path, start_from) = ((*path).to_owned(), from.map(value));
                Wire::OrderBy(v1::OrderBy { path, descending: *descending, start_from })
            }
        };
        v1::Retriever {
            kind: Some(kind),
            limit: self.limit as u32,
            filter: self.filter.as_ref().map(Ask::filter),
            score_threshold: self.threshold,
            sources: self.sources.iter().map(Node::wire).collect(),
            ..Default::default()
        }
    }
}

fn formula_of(times: f64, by_n: f64, bonus: f64, ask: &Ask) -> v1::Formula {
    use formula::Formula as Part;
    let part = |part: Part| v1::Formula { formula: Some(part) };
    let all = |formulas: Vec<v1::Formula>| v1::Formulas { formulas };
    let scaled = |by: f64, other: Part| {
        let factors = vec![part(Part::Constant(by)), part(other)];
        part(Part::Product(all(factors)))
    };
    let score = Part::Score(v1::SourceScore { source: 0, missing: 0.0 });
    let n = Part::Field(v1::FieldValue { path: "n".into(), missing: Some(0.5) });
    let holds = Part::Holds(ask.condition());
    part(Part::Sum(all(vec![scaled(times, score), scaled(by_n, n), scaled(bonus, holds)])))
}
