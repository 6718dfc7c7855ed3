//! Trees of retrievers as a naive evaluator ranks them: every point looked at, nothing of nigh asked.
//!
//! Vectors hold small whole numbers, so that nearness is exact whatever the order of a sum, and ties are many.

mod wire;

use crate::clauses::{self, Clause};
use crate::model::{Ask, Held, Model, by_words};
use std::collections::{BTreeMap, BTreeSet};

/// The field that is compared by inner products, and its numbers.
pub const DOT: &str = "dot";
/// The field that is compared by distances.
pub const FAR: &str = "far";
/// Numbers of a vector of either.
pub const SIZE: usize = 4;
/// The field of sparse vectors.
pub const SPARSE: &str = "sparse";
/// The field with several vectors a point, compared by inner products.
pub const MULTI: &str = "multi";
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

/// What is given, or what a point has.
#[derive(Clone, Debug)]
pub enum Points<T> {
    /// This.
    Given(T),
    /// What this point has; it is itself left out.
    Of(u64),
}

/// How a retriever ranks.
#[derive(Clone, Debug)]
pub enum Kind {
    /// By nearness in a field.
    Dense(&'static str, Target),
    /// By words.
    Text(String),
    /// By words with signs, phrases and beginnings.
    Syntax(Vec<Clause>),
    /// By sparse vectors.
    Sparse(Points<Vec<(u32, f32)>>),
    /// By several vectors a point.
    Multi(Points<Vec<Vec<f32>>>),
    /// By nearness to twice the mean of some less the mean of others.
    Average(&'static str, Vec<Target>, Vec<Target>),
    /// By reciprocal ranks that are divided by the weights: k, weights.
    WeighedRanks(f32, Vec<f32>),
    /// By scores between bounds: what is 0 and what is 1, weights.
    Bounds(Vec<(f32, f32)>, Vec<f32>),
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
fn near_by(field: &str, one: &[f32], other: &[f32]) -> f64 {
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
            _ if self.is_far() => f64::from((-score).sqrt() as f32),
            _ => score,
        }
    }

    /// Whether its scores are distances.
    fn is_far(&self) -> bool {
        matches!(self.kind, Kind::Dense(FAR, _) | Kind::Diverse(FAR, ..) | Kind::Average(FAR, ..))
    }

    fn signed(&self, score: f64) -> f64 {
        match self.kind {
            _ if self.is_far() => -self.shown(score),
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
            let far = self.is_far();
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
                let similar: Vec<f64> = vectors.iter().map(|other| near_by(field, own, other)).collect();
                // The server's scores have 32 bits: what is equal there is equal here.
                Some((*id, f64::from(score(&similar) as f32)))
            };
            by_score(model.iter().filter_map(of).collect())
        };
        match &self.kind {
            Kind::Dense(field, target) => nearest(field, &[target], &|one| one[0]),
            Kind::Text(words) => by_words(model, TEXT, words, pass),
            Kind::Syntax(clauses) => {
                let pass = |id: u64, held: &Held| pass(id, held) && clauses::hold(clauses, held, TEXT);
                by_words(model, TEXT, &clauses::said(clauses, model, TEXT), &pass)
            }
            Kind::Sparse(near) => {
                let (numbers, left_out) = match near {
                    Points::Given(numbers) => (numbers.iter().copied().collect(), None),
                    Points::Of(id) => (model[id].sparse.clone(), Some(*id)),
                };
                let score = |held: &Held| {
                    let shared = numbers.iter().filter_map(|(index, asked)| Some((asked, held.sparse.get(index)?)));
                    let products: Vec<f64> = shared.map(|(asked, own)| f64::from(*asked) * f64::from(*own)).collect();
                    (!products.is_empty()).then(|| products.iter().sum())
                };
                scored(model, left_out, pass, &score)
            }
            Kind::Multi(near) => {
                let (several, left_out) = match near {
                    Points::Given(several) => (several.clone(), None),
                    Points::Of(id) => (model[id].multi.clone(), Some(*id)),
                };
                let score = |held: &Held| {
                    let best = |asked: &Vec<f32>| {
                        held.multi.iter().map(|own| near_by(DOT, asked, own)).fold(f64::NEG_INFINITY, f64::max)
                    };
                    (!held.multi.is_empty()).then(|| several.iter().map(best).sum())
                };
                scored(model, left_out, pass, &score)
            }
            Kind::Average(field, positive, negative) => {
                let mean = |targets: &[Target], at: usize| {
                    let sum: f64 = targets.iter().map(|target| f64::from(vector(field, target)[at])).sum();
                    sum / targets.len() as f64
                };
                let leaned = |at: usize| match negative.is_empty() {
                    true => mean(positive, at),
                    false => 2.0 * mean(positive, at) - mean(negative, at),
                };
                let average: Vec<f32> = (0..SIZE).map(|at| leaned(at) as f32).collect();
                let named = |id: u64| {
                    let own = |target: &Target| matches!(target, Target::Point(own) if *own == id);
                    positive.iter().chain(negative).any(own)
                };
                let pass = |id: u64, held: &Held| pass(id, held) && !named(id);
                let score = |held: &Held| Some(near_by(field, held.vectors.get(*field)?, &average));
                scored(model, None, &pass, &score)
            }
            Kind::WeighedRanks(k, weights) => fused(sources, |source, rank, _| match f64::from(weights[source]) {
                0.0 => 0.0,
                weight => 1.0 / (f64::from(*k) + (rank as f64 + 1.0) / weight),
            }),
            Kind::Bounds(bounds, weights) => fused(sources, |source, _, score| {
                let (low, high) = (f64::from(bounds[source].0), f64::from(bounds[source].1));
                let score = self.sources[source].signed(score);
                f64::from(weights[source]) * ((score - low) / (high - low)).clamp(0.0, 1.0)
            }),
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
                        let likest = chosen.iter().map(|other| near_by(field, of(one.0), of(other.0)));
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
}

/// The numbers at a path of a payload.
pub fn numbers(held: &Held, path: &str) -> Vec<f64> {
    match held.payload.get(path) {
        Some(serde_json::Value::Array(items)) => items.iter().filter_map(serde_json::Value::as_f64).collect(),
        Some(value) => value.as_f64().into_iter().collect(),
        None => Vec::new(),
    }
}

/// The points that pass, by a score; those without one are not found.
fn scored(
    model: &Model,
    left_out: Option<u64>,
    pass: &dyn Fn(u64, &Held) -> bool,
    score: &dyn Fn(&Held) -> Option<f64>,
) -> Ranking {
    let asked = model.iter().filter(|(id, held)| left_out != Some(**id) && pass(**id, held));
    by_score(asked.filter_map(|(id, held)| Some((*id, f64::from(score(held)? as f32)))).collect())
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
