//! Trees of retrievers as a naive evaluator ranks them: every point looked at, nothing of nigh asked.
//!
//! Vectors hold small whole numbers, so that nearness is exact whatever the order of a sum, and ties are many.

use crate::model::{Ask, Held, Model, by_words};
use crate::wire;
use nigh_proto::v1::{self, formula, fusion, order_value, retriever::Kind as Wire, score_fusion::Scale, target};
use std::collections::{BTreeMap, BTreeSet};

/// The field that is compared by inner products, and its numbers.
pub const DOT: &str = "dot";
/// The field that is compared by distances.
pub const FAR: &str = "far";
/// Numbers of a vector of either.
pub const SIZE: usize = 4;
/// The text field, and the payload path that it reads.
pub const TEXT: &str = "text";

/// A retriever.
#[derive(Clone, Debug)]
pub struct Node {
    /// How it ranks.
    pub kind: Kind,
    /// Whose points it ranks, where there are some.
    pub sources: Vec<Node>,
    /// Points of its ranking.
    pub limit: usize,
    /// Narrows what is above it, holds for what is below.
    pub filter: Option<Ask>,
    /// The worst score.
    pub threshold: Option<f32>,
}

/// A vector, or that of a point.
#[derive(Clone, Debug)]
pub enum Target {
    /// This one.
    Vector(Vec<f32>),
    /// That of this point.
    Point(u64),
}

/// How a retriever ranks.
#[derive(Clone, Debug)]
pub enum Kind {
    /// By nearness in a field.
    Dense(&'static str, Target),
    /// By words.
    Text(String),
    /// By reciprocal ranks: k, weights.
    Ranks(f32, Vec<f32>),
    /// By scores from worst to best (or, true, by mean and deviation): weights.
    Scores(bool, Vec<f32>),
    /// The first source's score times the first number, plus the payload's `n` times the second, plus the third where a
    /// condition holds.
    Formula(f64, f64, f64, Ask),
    /// By nearness and unlikeness: diversity, candidates.
    Diverse(&'static str, Target, f32, usize),
    /// By the sum of nearness to some less that to others; true: by the likest.
    Examples(&'static str, bool, Vec<Target>, Vec<Target>),
    /// By pairs, and by nearness to a target where there is one.
    Pairs(&'static str, Option<Target>, Vec<(Target, Target)>),
    /// By a path, falling or not, from a value on.
    Order(&'static str, bool, Option<i64>),
}

/// Ids with their scores as rankings compare them, first to last.
pub type Ranking = Vec<(u64, f64)>;

fn by_score(mut ranking: Ranking) -> Ranking {
    ranking.sort_by(|a, b| (b.1 + 0.0).total_cmp(&(a.1 + 0.0)).then(a.0.cmp(&b.0)));
    ranking
}

/// How near two vectors are: bigger is nearer, distances negated and squared.
fn near(field: &str, one: &[f32], other: &[f32]) -> f64 {
    let pairs = one.iter().zip(other).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    match field {
        DOT => pairs.map(|(a, b)| a * b).sum(),
        _ => -pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>(),
    }
}

fn squeezed(x: f64) -> f64 {
    0.5 * (x / (1.0 + x.abs()) + 1.0)
}

impl Node {
    /// A retriever of everything that matches.
    pub fn new(kind: Kind, limit: usize) -> Self {
        Self { kind, sources: Vec::new(), limit, filter: None, threshold: None }
    }

    /// A score as it is shown.
    pub fn shown(&self, score: f64) -> f64 {
        match self.kind {
            Kind::Dense(FAR, _) | Kind::Diverse(FAR, ..) => f64::from((-score).sqrt() as f32),
            _ => score,
        }
    }

    fn signed(&self, score: f64) -> f64 {
        match self.kind {
            Kind::Dense(FAR, _) | Kind::Diverse(FAR, ..) => -self.shown(score),
            _ => score,
        }
    }

    /// The ranking, of the points that also pass `outer`.
    pub fn rank(&self, model: &Model, outer: &[&Ask]) -> Ranking {
        let asks: Vec<&Ask> = outer.iter().copied().chain(self.filter.as_ref()).collect();
        let sources: Vec<Ranking> = self.sources.iter().map(|source| source.rank(model, &asks)).collect();
        let found: BTreeSet<u64> = sources.iter().flatten().map(|one| one.0).collect();
        let pass = |id: u64, held: &Held| {
            asks.iter().all(|ask| ask.holds(id, held)) && (self.sources.is_empty() || found.contains(&id))
        };
        let mut ranking = self.ranked(model, &sources, &found, &pass);
        if let Some(threshold) = self.threshold {
            let far = matches!(self.kind, Kind::Dense(FAR, _) | Kind::Diverse(FAR, ..));
            let passes = |one: &(u64, f64)| {
                let shown = self.shown(one.1) as f32;
                if far { shown <= threshold } else { shown >= threshold }
            };
            ranking.retain(passes);
        }
        ranking.truncate(self.limit);
        ranking
    }

    fn ranked(
        &self,
        model: &Model,
        sources: &[Ranking],
        found: &BTreeSet<u64>,
        pass: &dyn Fn(u64, &Held) -> bool,
    ) -> Ranking {
        let vector = |field: &str, target: &Target| match target {
            Target::Vector(vector) => vector.clone(),
            Target::Point(id) => model[id].vectors[field].clone(),
        };
        let nearest = |field: &str, targets: &[&Target], score: &dyn Fn(&[f64]) -> f64| {
            let vectors: Vec<Vec<f32>> = targets.iter().map(|target| vector(field, target)).collect();
            let named = |id: u64| targets.iter().any(|target| matches!(target, Target::Point(own) if *own == id));
            let of = |(id, held): (&u64, &Held)| {
                let own = held.vectors.get(field).filter(|_| pass(*id, held) && !named(*id))?;
                let similar: Vec<f64> = vectors.iter().map(|other| near(field, own, other)).collect();
                // The server's scores have 32 bits: what is equal there is equal here.
                Some((*id, f64::from(score(&similar) as f32)))
            };
            by_score(model.iter().filter_map(of).collect())
        };
        match &self.kind {
            Kind::Dense(field, target) => nearest(field, &[target], &|one| one[0]),
            Kind::Text(words) => by_words(model, TEXT, words, pass),
            Kind::Ranks(k, weights) => {
                fused(sources, |source, rank, _| f64::from(weights[source]) / (f64::from(*k) + rank as f64 + 1.0))
            }
            Kind::Scores(distribution, weights) => {
                let scales: Vec<(f64, f64, f64)> = sources
                    .iter()
                    .zip(&self.sources)
                    .map(|(ranking, node)| {
                        let scores: Vec<f64> = ranking.iter().map(|one| node.signed(one.1)).collect();
                        scale(&scores, *distribution)
                    })
                    .collect();
                fused(sources, |source, _, score| {
                    let (low, high, equal) = scales[source];
                    let score = self.sources[source].signed(score);
                    f64::from(weights[source]) * if high > low { (score - low) / (high - low) } else { equal }
                })
            }
            Kind::Formula(times, by_n, bonus, ask) => {
                let first: BTreeMap<u64, f64> = sources[0].iter().copied().collect();
                let of = |id: &u64| {
                    let held = &model[id];
                    let score = first.get(id).map_or(0.0, |score| self.sources[0].shown(*score));
                    let n = numbers(held, "n").first().copied().unwrap_or(0.5);
                    let held = if ask.holds(*id, held) { *bonus } else { 0.0 };
                    (*id, f64::from((times * score + by_n * n + held) as f32))
                };
                by_score(found.iter().map(of).collect())
            }
            Kind::Diverse(field, target, diversity, candidates) => {
                let mut left = nearest(field, &[target], &|one| one[0]);
                left.truncate((*candidates).max(self.limit));
                let of = |id: u64| &model[&id].vectors[*field];
                let mut chosen: Ranking = Vec::new();
                while !left.is_empty() && chosen.len() < self.limit {
                    let worth = |one: &(u64, f64)| {
                        let likest = chosen.iter().map(|other| near(field, of(one.0), of(other.0)));
                        let likest = likest.fold(f64::NEG_INFINITY, f64::max);
                        let against = if chosen.is_empty() { 0.0 } else { f64::from(*diversity) * likest };
                        (1.0 - f64::from(*diversity)) * one.1 - against
                    };
                    let mut best = 0;
                    for at in 1..left.len() {
                        if !chosen.is_empty() && worth(&left[at]) > worth(&left[best]) {
                            best = at;
                        }
                    }
                    chosen.push(left.remove(best));
                }
                chosen
            }
            Kind::Examples(field, likest, positive, negative) => {
                let all: Vec<&Target> = positive.iter().chain(negative).collect();
                nearest(field, &all, &|similar| {
                    let (liked, not) = similar.split_at(positive.len());
                    let best = |some: &[f64]| some.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    match likest {
                        false => liked.iter().sum::<f64>() - not.iter().sum::<f64>(),
                        true if best(liked) > best(not) => squeezed(best(liked)),
                        true => -squeezed(best(not)),
                    }
                })
            }
            Kind::Pairs(field, target, pairs) => {
                let mut all: Vec<&Target> = target.iter().collect();
                all.extend(pairs.iter().flat_map(|(better, worse)| [better, worse]));
                nearest(field, &all, &|similar| match target {
                    Some(_) => {
                        let side = |pair: &[f64]| f64::from(i8::from(pair[0] > pair[1]) - i8::from(pair[0] < pair[1]));
                        similar[1..].chunks(2).map(side).sum::<f64>() + squeezed(similar[0])
                    }
                    None => {
                        let loss = |pair: &[f64]| (pair[0] - pair[1] - f64::from(f32::EPSILON)).min(0.0);
                        similar.chunks(2).map(loss).map(|loss| loss / (1.0 + loss.abs())).sum()
                    }
                })
            }
            Kind::Order(path, falling, from) => {
                let turn = |n: f64| if *falling { -n } else { n };
                let value = |held: &Held| {
                    let inside = |n: &f64| from.is_none_or(|from| turn(*n) >= turn(from as f64));
                    numbers(held, path).into_iter().filter(inside).map(turn).min_by(f64::total_cmp)
                };
                let mut all: Vec<(f64, u64)> = model
                    .iter()
                    .filter(|(id, held)| pass(**id, held))
                    .filter_map(|(id, held)| Some((value(held)?, *id)))
                    .collect();
                all.sort_by(|a, b| a.0.total_cmp(&b.0).then(if *falling { b.1.cmp(&a.1) } else { a.1.cmp(&b.1) }));
                all.into_iter().map(|(_, id)| (id, 1.0)).collect()
            }
        }
    }

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

/// The numbers at a path of a payload.
pub fn numbers(held: &Held, path: &str) -> Vec<f64> {
    match held.payload.get(path) {
        Some(serde_json::Value::Array(items)) => items.iter().filter_map(serde_json::Value::as_f64).collect(),
        Some(value) => value.as_f64().into_iter().collect(),
        None => Vec::new(),
    }
}

fn fused(sources: &[Ranking], term: impl Fn(usize, usize, f64) -> f64) -> Ranking {
    let mut sums: BTreeMap<u64, f64> = BTreeMap::new();
    for (source, ranking) in sources.iter().enumerate() {
        for (rank, (id, score)) in ranking.iter().enumerate() {
            *sums.entry(*id).or_default() += term(source, rank, *score);
        }
    }
    // The server's scores have 32 bits: what is equal there is equal here.
    by_score(sums.into_iter().map(|(id, sum)| (id, f64::from(sum as f32))).collect())
}

/// What is 0, what is 1, and what all are where they are equal.
fn scale(scores: &[f64], distribution: bool) -> (f64, f64, f64) {
    if !distribution {
        let ends =
            scores.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), one| (low.min(*one), high.max(*one)));
        return (ends.0, ends.1, 1.0);
    }
    let count = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / count;
    let squares: f64 = scores.iter().map(|one| (one - mean).powi(2)).sum();
    let deviation = if count > 1.0 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
    (mean - 3.0 * deviation, mean + 3.0 * deviation, 0.5)
}
