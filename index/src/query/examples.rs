//! Scores of points by examples: what is liked and disliked, and pairs that say which way is better.
//!
//! Similarities are those of inside: bigger is nearer, Euclid is the negated square of the distance. The formulas are
//! those of Qdrant's recommendation and discovery queries.

use crate::error::{Error, Result};

/// A query names at most this many examples.
pub const EXAMPLES_MAX: usize = 256;

/// How similarities to the examples become one score.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
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
    pub fn score(self, similarities: &[f32], positives: usize) -> f32 {
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
        };
        if score.is_nan() { f32::NEG_INFINITY } else { score as f32 }
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
