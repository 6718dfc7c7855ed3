//! Scores of points by examples: what is liked and disliked, and pairs that say which way is better.
//!
//! Similarities are those of inside: bigger is nearer, Euclid is the negated square of the distance. The formulas are
//! those of Qdrant's recommendation, discovery and relevance feedback queries.

use crate::error::{Error, Result};
use crate::sparse::vector::{self as sparse, SparseVector};
use crate::vector::multi::{self, MultiVector};
use std::collections::BTreeMap;

/// A query names at most this many examples.
pub const EXAMPLES_MAX: usize = 256;

/// The examples of fields that are sparse, or have several vectors a point, hold at most so many numbers together: as many
/// as one point may have.
pub const NUMBERS_MAX: usize = multi::NUMBERS_MAX;

/// Counts the numbers of examples while they are looked up.
#[derive(Debug, Default)]
pub struct Numbers(usize);

impl Numbers {
    /// So many more; an error where they are too many.
    pub fn add(&mut self, more: usize) -> Result<()> {
        self.0 = self.0.saturating_add(more);
        if self.0 <= NUMBERS_MAX {
            return Ok(());
        }
        Err(Error::invalid("numbers of all examples", format!("over {NUMBERS_MAX}"), "so many at the most"))
    }
}

/// How similarities to the examples become one score.
#[derive(Clone, PartialEq, Debug)]
pub enum Likeness {
    /// The similarity to the likest positive example, where it is above that to the likest negative one; else that
    /// to the negative one, turned round. Squeezed to -1..1.
    Best,
    /// The sum of similarities to positive examples less that to negative ones.
    Sum,
    /// How many pairs have the point on their better side, plus the squeezed similarity to a target, which is the
    /// first example. The pairs follow it: positive, negative, positive, negative.
    Discover,
    /// How far the point is on the worse side of its pairs, summed: 0 is the best there is.
    Context,
    /// The sum of similarities, each times the weight of its example: see [`Feedback::weights`].
    Weighted(Vec<f64>),
}

/// x to 0..1, keeping the order.
fn squeezed(x: f64) -> f64 {
    0.5 * (softsign(x) + 1.0)
}

fn softsign(x: f64) -> f64 {
    if x.is_infinite() { x.signum() } else { x / (1.0 + x.abs()) }
}

impl Likeness {
    /// The score of a point of these similarities: to `positives` positive examples, then to the others. Never NaN.
    pub fn score(&self, similarities: &[f32], positives: usize) -> f32 {
        let (liked, disliked) = similarities.split_at(positives.min(similarities.len()));
        let best = |some: &[f32]| some.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum = |some: &[f32]| some.iter().map(|one| f64::from(*one)).sum::<f64>();
        let pairs = |some: &[f32]| -> Vec<(f64, f64)> {
            some.chunks_exact(2).map(|pair| (f64::from(pair[0]), f64::from(pair[1]))).collect()
        };
        let score = match self {
            Self::Best => {
                let (liked, disliked) = (best(liked), best(disliked));
                if liked > disliked { squeezed(liked.into()) } else { -squeezed(disliked.into()) }
            }
            Self::Sum => sum(liked) - sum(disliked),
            Self::Discover => {
                let (target, rest) = similarities.split_first().map_or((0.0, &[][..]), |(one, rest)| (*one, rest));
                let side = |(better, worse): (f64, f64)| match better.total_cmp(&worse) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Less => -1.0,
                    std::cmp::Ordering::Equal => 0.0,
                };
                pairs(rest).into_iter().map(side).sum::<f64>() + squeezed(target.into())
            }
            Self::Context => {
                let loss = |(better, worse): (f64, f64)| softsign((better - worse - f64::from(f32::EPSILON)).min(0.0));
                pairs(similarities).into_iter().map(loss).sum()
            }
            Self::Weighted(weights) => {
                similarities.iter().zip(weights).map(|(similar, weight)| f64::from(*similar) * weight).sum()
            }
        };
        // What is beyond all numbers of 32 bits is the greatest of them.
        if score.is_nan() { f32::NEG_INFINITY } else { score.clamp(f32::MIN.into(), f32::MAX.into()) as f32 }
    }
}

/// What scores that somebody else gave to examples say of all points (Qdrant's naive strategy): of two examples the one
/// that was scored higher is what is looked for, the more so the farther they are apart.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Feedback {
    /// What the similarity to the target counts.
    pub a: f32,
    /// The power to which the difference of two scores is raised; at least 0.
    pub b: f32,
    /// What a pair of examples counts whose scores are 1 apart.
    pub c: f32,
}

impl Feedback {
    /// The weights of the target and then of the examples, which have these scores. The score of a point is
    ///
    /// ```text
    /// a * similar(target) + sum of (score(p) - score(n))^b * c * (similar(p) - similar(n))   where score(p) > score(n)
    /// ```
    pub fn weights(self, scores: &[f32]) -> Result<Vec<f64>> {
        for (name, value) in [("a", self.a), ("b", self.b), ("c", self.c)] {
            if !value.is_finite() {
                return Err(Error::invalid(format!("strategy.naive.{name}"), value, "it is finite"));
            }
        }
        if self.b < 0.0 {
            return Err(Error::invalid("strategy.naive.b", self.b, "it is at least 0"));
        }
        if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
            return Err(Error::invalid(format!("feedback[{at}].score"), scores[at], "it is finite"));
        }
        let mut weights = vec![0.0; scores.len() + 1];
        weights[0] = f64::from(self.a);
        for (better, high) in scores.iter().enumerate() {
            for (worse, low) in scores.iter().enumerate().filter(|(_, low)| high > low) {
                let weight = (f64::from(*high) - f64::from(*low)).powf(self.b.into()) * f64::from(self.c);
                weights[better + 1] += weight;
                weights[worse + 1] -= weight;
            }
        }
        match weights.iter().position(|weight| weight.abs() > f64::from(f32::MAX) || weight.is_nan()) {
            None => Ok(weights),
            Some(at) => {
                let limit = "differences of scores to the power of b, times c, can be told in 32 bits";
                Err(Error::invalid(format!("weight of feedback[{}]", at.saturating_sub(1)), weights[at], limit))
            }
        }
    }
}

/// One vector for positive and negative examples: twice the mean of the positive ones less the mean of the negative
/// ones; the mean of the positive ones where there are no others. `directions`: each is scaled to length 1 before.
pub fn average(positive: &[Vec<f32>], negative: &[Vec<f32>], directions: bool) -> Result<Vec<f32>> {
    let mean = |some: &[Vec<f32>]| -> Option<Vec<f64>> {
        let mut sum = vec![0.0f64; some.first()?.len()];
        for one in some {
            let squares: f64 = one.iter().map(|value| f64::from(*value).powi(2)).sum();
            let scale = if directions && squares > 0.0 { squares.sqrt().recip() } else { 1.0 };
            sum.iter_mut().zip(one).for_each(|(sum, value)| *sum += f64::from(*value) * scale);
        }
        sum.iter_mut().for_each(|sum| *sum /= some.len() as f64);
        Some(sum)
    };
    let positive =
        mean(positive).ok_or_else(|| Error::invalid("positive", "empty", "an average takes a positive example"))?;
    let averaged: Vec<f32> = match mean(negative) {
        None => positive.into_iter().map(|value| value as f32).collect(),
        Some(negative) => positive.iter().zip(negative).map(|(liked, not)| (2.0 * liked - not) as f32).collect(),
    };
    match averaged.iter().all(|value| value.is_finite()) {
        true => Ok(averaged),
        false => Err(Error::invalid("average", "not finite", "examples whose mean can be told in 32 bits")),
    }
}

/// The same of sparse vectors: a number that one has not is 0. Every index of any of them is one of the average's.
pub fn average_of_sparse(positive: &[SparseVector], negative: &[SparseVector]) -> Result<SparseVector> {
    let mut sums: BTreeMap<u32, f64> = BTreeMap::new();
    let weights = if negative.is_empty() { [1.0, 0.0] } else { [2.0, -1.0] };
    for (some, weight) in [positive, negative].into_iter().zip(weights) {
        for one in some {
            for (index, value) in one.iter() {
                *sums.entry(index).or_default() += f64::from(value) * weight / some.len() as f64;
            }
            if sums.len() > sparse::NUMBERS_MAX {
                let limit = format!("a sparse vector holds at most {}", sparse::NUMBERS_MAX);
                return Err(Error::invalid("average", format!("over {} numbers long", sparse::NUMBERS_MAX), limit));
            }
        }
    }
    let (indices, values) = sums.into_iter().map(|(index, value)| (index, value as f32)).unzip();
    SparseVector::new(indices, values)
        .map_err(|_| Error::invalid("average", "not finite", "examples whose mean can be told in 32 bits"))
}

/// The same where a point has several vectors: all of the positive ones, and all of the negative ones turned round.
pub fn average_of_several(positive: &[MultiVector], negative: &[MultiVector]) -> MultiVector {
    let mut all = MultiVector::default();
    for one in positive {
        all.values.extend_from_slice(&one.values);
        all.count = all.count.saturating_add(one.count);
    }
    for one in negative {
        all.values.extend(one.values.iter().map(|value| -value));
        all.count = all.count.saturating_add(one.count);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "a test says it as it stands")]
    fn check(likeness: Likeness, similarities: &[f32], positives: usize, expected: f32) {
        let got = likeness.score(similarities, positives);
        assert!((got - expected).abs() < 1e-6, "{likeness:?} {similarities:?}: {got}");
    }

    #[test]
    fn the_best_example_decides() {
        check(Likeness::Best, &[1.0, 0.5, 0.2], 2, 0.75);
        check(Likeness::Best, &[0.5, 1.0], 1, -0.75);
        check(Likeness::Best, &[1.0], 0, -0.75);
        check(Likeness::Best, &[-1.0], 1, 0.25);
    }

    #[test]
    fn sums_are_of_both_sides() {
        check(Likeness::Sum, &[1.0, 0.5, 0.2], 2, 1.3);
    }

    #[test]
    fn pairs_say_which_way() {
        // One pair won, one lost, target 1: 0.75.
        check(Likeness::Discover, &[1.0, 0.9, 0.1, 0.2, 0.4], 0, 0.75);
        check(Likeness::Discover, &[1.0], 0, 0.75);
        // Won pairs lose nothing but epsilon's share of nothing; the lost one loses 1 / 2.
        check(Likeness::Context, &[0.9, 0.1, 1.0, 2.0], 0, -0.5);
        check(Likeness::Context, &[0.9, 0.1], 0, 0.0);
    }

    fn weights(a: f32, b: f32, c: f32, scores: &[f32]) -> Result<Vec<f64>> {
        Feedback { a, b, c }.weights(scores)
    }

    #[test]
    fn feedback_pulls_towards_what_was_scored_higher() {
        assert_eq!(weights(0.5, 2.0, 3.0, &[]).unwrap(), [0.5]);
        assert_eq!(weights(0.5, 2.0, 3.0, &[7.0]).unwrap(), [0.5, 0.0]);
        assert_eq!(weights(0.5, 2.0, 3.0, &[1.0, 1.0]).unwrap(), [0.5, 0.0, 0.0]);
        assert_eq!(weights(0.5, 2.0, 3.0, &[1.0, 3.0]).unwrap(), [0.5, -12.0, 12.0]);
        // Pairs (2, 0), (2, 1) and (0, 1), whose differences are 1, 3 and 2.
        assert_eq!(weights(1.0, 1.0, 1.0, &[2.0, 0.0, 3.0]).unwrap(), [1.0, 1.0, -5.0, 4.0]);
        assert_eq!(weights(1.0, 0.0, -1.0, &[2.0, 0.0, 3.0]).unwrap(), [1.0, 0.0, 2.0, -2.0]);
        check(Likeness::Weighted(weights(0.5, 1.0, 2.0, &[0.75, 0.25]).unwrap()), &[0.8, 0.5, 0.1], 3, 0.8);
        assert_eq!(Likeness::Weighted(vec![f64::from(f32::MAX)]).score(&[2.0], 1), f32::MAX);
    }

    #[test]
    fn feedback_that_is_no_number_is_refused() {
        let told = |a, b, c, scores: &[f32]| weights(a, b, c, scores).unwrap_err().to_string();
        assert_eq!(told(f32::NAN, 1.0, 1.0, &[]), "strategy.naive.a is NaN; it is finite");
        assert_eq!(told(1.0, -0.5, 1.0, &[]), "strategy.naive.b is -0.5; it is at least 0");
        assert_eq!(told(1.0, 1.0, f32::INFINITY, &[]), "strategy.naive.c is inf; it is finite");
        assert_eq!(told(1.0, 1.0, 1.0, &[1.0, f32::NEG_INFINITY]), "feedback[1].score is -inf; it is finite");
        assert!(told(1.0, 9.0, 1.0, &[1e30, 0.0]).starts_with("weight of feedback[0] is "));
        assert!(told(1.0, 1e30, 0.0, &[9.0, 0.0]).starts_with("weight of feedback[0] is NaN"));
    }

    #[test]
    fn averages_lean_away_from_what_is_not_liked() {
        let average = |liked: &[[f32; 2]], not: &[[f32; 2]], directions| {
            let all = |some: &[[f32; 2]]| some.iter().map(|one| one.to_vec()).collect::<Vec<_>>();
            average(&all(liked), &all(not), directions)
        };
        assert_eq!(average(&[[2.0, 0.0], [0.0, 4.0]], &[], false).unwrap(), [1.0, 2.0]);
        assert_eq!(average(&[[2.0, 0.0], [0.0, 4.0]], &[], true).unwrap(), [0.5, 0.5]);
        assert_eq!(average(&[[2.0, 0.0]], &[[0.0, 1.0]], false).unwrap(), [4.0, -1.0]);
        assert!(average(&[], &[[0.0, 1.0]], false).is_err());
        assert!(average(&[[f32::MAX, 0.0]], &[[-f32::MAX, 1.0]], false).is_err());
    }
    #[test]
    fn averages_of_sparse_vectors_have_every_index() {
        let sparse = |pairs: &[(u32, f32)]| {
            let (indices, values) = pairs.iter().copied().unzip();
            SparseVector::new(indices, values).unwrap()
        };
        let liked = [sparse(&[(1, 1.0), (5, 4.0)]), sparse(&[(5, 2.0)])];
        assert_eq!(average_of_sparse(&liked, &[]).unwrap(), sparse(&[(1, 0.5), (5, 3.0)]));
        let not = [sparse(&[(1, 1.0), (9, 3.0)])];
        assert_eq!(average_of_sparse(&liked, &not).unwrap(), sparse(&[(1, 0.0), (5, 6.0), (9, -3.0)]));
        let most = sparse::NUMBERS_MAX as u32;
        let long = |from: u32| sparse(&(from..from + most).map(|index| (index, 1.0)).collect::<Vec<_>>());
        assert!(average_of_sparse(&[long(0)], &[long(0)]).is_ok());
        let told = average_of_sparse(&[long(0)], &[long(1)]).unwrap_err().to_string();
        assert_eq!(told, "average is over 65536 numbers long; a sparse vector holds at most 65536");
        assert!(average_of_sparse(&[sparse(&[(1, f32::MAX)])], &[sparse(&[(1, f32::MIN)])]).is_err());
    }

    #[test]
    fn averages_of_several_vectors_are_all_of_them() {
        let (liked, not) = (MultiVector::of([[1.0, 2.0], [3.0, 4.0]]), MultiVector::of([[5.0, -6.0]]));
        let all = average_of_several(&[liked.clone(), liked], std::slice::from_ref(&not));
        assert_eq!(all, MultiVector::of([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [3.0, 4.0], [-5.0, 6.0]]));
    }

    #[test]
    fn numbers_are_counted_up_to_a_limit() {
        let mut numbers = Numbers::default();
        assert!(numbers.add(NUMBERS_MAX).is_ok() && numbers.add(0).is_ok());
        let told = numbers.add(1).unwrap_err().to_string();
        assert_eq!(told, "numbers of all examples is over 4194304; so many at the most");
    }
}
