//! Several rankings into one: by rank alone, or by scores that were brought to one scale.

use crate::error::{Error, Result};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::Hash;

/// How several rankings become one.
#[derive(Clone, PartialEq, Debug)]
pub enum Fusion {
    /// By ranks: scores of different retrievers have no common measure.
    Ranks(Rrf),
    /// By scores, each ranking's on a scale of its own.
    Scores(ScoreFusion),
}

impl Default for Fusion {
    fn default() -> Self {
        Self::Ranks(Rrf::default())
    }
}

impl Fusion {
    /// Whether its numbers make sense for this many rankings.
    pub fn check(&self, rankings: usize) -> Result<()> {
        match self {
            Self::Ranks(ranks) => ranks.check(rankings),
            Self::Scores(scores) => scores.check(rankings),
        }
    }

    /// The rankings, best first each, as one.
    pub fn fuse<Id: Copy + Eq + Hash + Ord>(&self, rankings: &[Vec<(Id, f32)>]) -> Vec<(Id, f32)> {
        match self {
            Self::Ranks(ranks) => ranks.fuse(rankings),
            Self::Scores(scores) => scores.fuse(rankings),
        }
    }
}

/// The usual constant of reciprocal rank fusion.
pub const K_DEFAULT: f32 = 60.0;

/// Reciprocal rank fusion: a point's score is the sum of `weight / (k + rank)` over the rankings
/// that found it, ranks from 1.
#[derive(Clone, PartialEq, Debug)]
pub struct Rrf {
    /// How little the first ranks stand out; 60 is usual.
    pub k: f32,
    /// One for each ranking, in order; a missing one is 1.
    pub weights: Vec<f32>,
    /// What a weight does.
    pub weighing: Weighing,
}

/// What the weight of a ranking does to its ranks.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Weighing {
    /// `weight / (k + rank)`.
    #[default]
    Score,
    /// `1 / (k + rank / weight)`: a heavier ranking falls off more slowly; one of weight 0 adds nothing.
    Rank,
}

/// Fusion by scores: a point's score is the sum of `weight * scaled score` over the rankings that found it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ScoreFusion {
    /// What scores are scaled by.
    pub scale: Scale,
    /// One for each ranking, in order; a missing one is 1.
    pub weights: Vec<f32>,
}

/// How the scores of one ranking come to a common scale.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Scale {
    /// The worst that was found is 0, the best 1; all are 1 where they are equal.
    #[default]
    MinMax,
    /// Three standard deviations (of the sample) below the mean are 0, three above it 1; all are 0.5 where they are
    /// equal. Known as distribution-based score fusion.
    Distribution,
    /// These are 0 and 1, one pair for each ranking; what lies outside is cut off.
    Bounds(Vec<(f32, f32)>),
}

impl Default for Rrf {
    fn default() -> Self {
        Self { k: K_DEFAULT, weights: Vec::new(), weighing: Weighing::Score }
    }
}

fn sensible(number: f32) -> bool {
    number.is_finite() && number >= 0.0
}

fn check_weights(weights: &[f32], rankings: usize) -> Result<()> {
    if weights.len() > rankings {
        let limit = format!("there are {rankings} rankings, each has one weight");
        return Err(Error::invalid("number of fusion weights", weights.len(), limit));
    }
    match weights.iter().find(|weight| !sensible(**weight)) {
        Some(weight) => Err(Error::invalid("fusion weight", weight, "a weight is finite and at least 0")),
        None => Ok(()),
    }
}

impl ScoreFusion {
    /// Whether the weights and bounds make sense for this many rankings.
    pub fn check(&self, rankings: usize) -> Result<()> {
        check_weights(&self.weights, rankings)?;
        let Scale::Bounds(bounds) = &self.scale else { return Ok(()) };
        if bounds.len() != rankings {
            let limit = format!("there are {rankings} rankings, each has one pair of bounds");
            return Err(Error::invalid("number of fusion bounds", bounds.len(), limit));
        }
        let wrong = |(low, high): &&(f32, f32)| !(low.is_finite() && high.is_finite() && low < high);
        match bounds.iter().find(wrong) {
            Some((low, high)) => {
                Err(Error::invalid("fusion bounds", format!("{low} to {high}"), "finite numbers that rise"))
            }
            None => Ok(()),
        }
    }

    /// The rankings, best first each, as one. Scores are such that bigger is better. An id that stands twice in one
    /// ranking counts where it stands first.
    pub fn fuse<Id: Copy + Eq + Hash + Ord>(&self, rankings: &[Vec<(Id, f32)>]) -> Vec<(Id, f32)> {
        let mut sums = Sums::default();
        for (at, ranking) in rankings.iter().enumerate() {
            let weight = f64::from(self.weights.get(at).copied().unwrap_or(1.0));
            let scaled = self.scaled(at, ranking.iter().map(|one| f64::from(one.1)));
            for ((id, _), scaled) in ranking.iter().zip(scaled) {
                sums.add(at, *id, weight * scaled);
            }
        }
        sums.ranking()
    }

    /// The scores of one ranking on its scale, in their order. What is not finite is the worst there is: 0.
    fn scaled(&self, at: usize, scores: impl Iterator<Item = f64>) -> Vec<f64> {
        let scores: Vec<f64> = scores.collect();
        let finite = || scores.iter().copied().filter(|score| score.is_finite());
        let (low, high, equal, cut) = match &self.scale {
            Scale::MinMax => {
                (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max), 1.0, false)
            }
            Scale::Distribution => {
                let count = finite().count() as f64;
                let mean = finite().sum::<f64>() / count;
                let squares: f64 = finite().map(|score| (score - mean).powi(2)).sum();
                let deviation = if count > 1.0 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
                (mean - 3.0 * deviation, mean + 3.0 * deviation, 0.5, false)
            }
            Scale::Bounds(bounds) => {
                let (low, high) = bounds.get(at).copied().unwrap_or((0.0, 1.0));
                (f64::from(low), f64::from(high), 0.0, true)
            }
        };
        let scaled = |score: f64| match ((score - low) / (high - low), high > low) {
            _ if !score.is_finite() => 0.0,
            (_, false) => equal,
            (scaled, true) if cut => scaled.clamp(0.0, 1.0),
            (scaled, true) => scaled,
        };
        scores.into_iter().map(scaled).collect()
    }
}

/// What several rankings add up to. The last ranking that counted an id stands beside its sum. Sums are kept in f64,
/// so that equal terms in another order of rankings seldom differ in the last bit of an f32.
struct Sums<Id>(HashMap<Id, (f64, usize)>);

impl<Id> Default for Sums<Id> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<Id: Copy + Eq + Hash + Ord> Sums<Id> {
    fn add(&mut self, ranking: usize, id: Id, score: f64) {
        let sum = self.0.entry(id).or_insert((0.0, usize::MAX));
        if sum.1 != ranking {
            *sum = (sum.0 + score, ranking);
        }
    }

    fn ranking(self) -> Vec<(Id, f32)> {
        let mut fused: Vec<(Id, f32)> = self.0.into_iter().map(|(id, (sum, _))| (id, sum as f32)).collect();
        fused.sort_unstable_by(best_first);
        fused
    }
}

impl Rrf {
    /// Whether `k` and the weights make sense for this many rankings.
    pub fn check(&self, rankings: usize) -> Result<()> {
        if !sensible(self.k) {
            return Err(Error::invalid("fusion k", self.k, "k is finite and at least 0"));
        }
        check_weights(&self.weights, rankings)
    }

    /// The rankings, best first each, as one. An id that stands twice in one ranking counts where it stands first.
    pub fn fuse<Id: Copy + Eq + Hash + Ord>(&self, rankings: &[Vec<(Id, f32)>]) -> Vec<(Id, f32)> {
        let mut sums = Sums::default();
        for (at, ranking) in rankings.iter().enumerate() {
            let weight = f64::from(self.weights.get(at).copied().unwrap_or(1.0));
            for (place, (id, _)) in ranking.iter().enumerate() {
                sums.add(at, *id, self.term(weight, (place + 1) as f64));
            }
        }
        sums.ranking()
    }

    fn term(&self, weight: f64, rank: f64) -> f64 {
        let k = f64::from(self.k);
        match self.weighing {
            Weighing::Score => weight / (k + rank),
            Weighing::Rank if weight > 0.0 => 1.0 / (k + rank / weight),
            Weighing::Rank => 0.0,
        }
    }
}

/// The order of every ranking: score, then the smaller id. Total, also over NaN; 0 has no sign.
pub fn best_first<Id: Ord>(left: &(Id, f32), right: &(Id, f32)) -> Ordering {
    (right.1 + 0.0).total_cmp(&(left.1 + 0.0)).then_with(|| left.0.cmp(&right.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(ids: &[u32]) -> Vec<(u32, f32)> {
        ids.iter().map(|id| (*id, 0.5)).collect()
    }

    fn check(rankings: &[&[u32]], k: f32, weights: &[f32], expected: &[(u32, f64)]) {
        let rankings: Vec<_> = rankings.iter().map(|ids| ranking(ids)).collect();
        let fused = Rrf { k, weights: weights.to_vec(), ..Rrf::default() }.fuse(&rankings);
        let ids = |list: Vec<u32>| list;
        assert_eq!(
            ids(fused.iter().map(|hit| hit.0).collect()),
            ids(expected.iter().map(|hit| hit.0).collect()),
            "{fused:?}"
        );
        for (found, expected) in fused.iter().zip(expected) {
            assert!((f64::from(found.1) - expected.1).abs() < 1e-7, "{fused:?}");
        }
    }

    #[test]
    fn ranks_count_from_one() {
        // 1/61 = 0.016393443, 1/62 = 0.016129032, 1/63 = 0.015873016.
        check(&[&[7, 8, 9]], 60.0, &[], &[(7, 0.016_393_443), (8, 0.016_129_032), (9, 0.015_873_016)]);
    }

    #[test]
    fn a_point_in_both_rankings_wins() {
        // 2: 1/62 + 1/61, 3: 1/63 + 1/62, 1: 1/61.
        check(&[&[1, 2, 3], &[2, 3]], 60.0, &[], &[(2, 0.032_522_475), (3, 0.032_002_048), (1, 0.016_393_443)]);
    }

    #[test]
    fn weights_and_k_count() {
        // k 0, weights 3 and 1: 1: 3/1 + 1/2, 2: 3/2 + 1/1.
        check(&[&[1, 2], &[2, 1]], 0.0, &[3.0, 1.0], &[(1, 3.5), (2, 2.5)]);
        // A missing weight is 1.
        check(&[&[1], &[2]], 1.0, &[3.0], &[(1, 1.5), (2, 0.5)]);
        // A ranking of no weight still finds.
        check(&[&[1], &[2]], 1.0, &[1.0, 0.0], &[(1, 0.5), (2, 0.0)]);
    }

    #[test]
    fn equal_scores_go_by_the_smaller_id() {
        check(&[&[9, 1], &[1, 9]], 2.0, &[], &[(1, 1.0 / 3.0 + 0.25), (9, 1.0 / 3.0 + 0.25)]);
    }

    #[test]
    fn zero_has_no_sign() {
        assert!(best_first(&(1, -0.0), &(2, 0.0)).is_lt() && best_first(&(1, 0.0), &(2, -0.0)).is_lt());
    }

    #[test]
    fn an_id_counts_once_a_ranking() {
        check(&[&[5, 5, 6]], 0.0, &[], &[(5, 1.0), (6, 1.0 / 3.0)]);
        check(&[&[], &[]], 60.0, &[], &[]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(Rrf::default().check(0).is_ok());
        assert!(Rrf { k: 0.0, weights: vec![0.0, 2.0], ..Rrf::default() }.check(2).is_ok());
        for k in [-1.0, f32::NAN, f32::INFINITY] {
            assert!(Rrf { k, ..Rrf::default() }.check(2).is_err(), "{k}");
        }
        for weight in [-0.1, f32::NAN, f32::INFINITY] {
            assert!(Rrf { k: 1.0, weights: vec![1.0, weight], ..Rrf::default() }.check(2).is_err(), "{weight}");
        }
        assert!(Rrf { k: 1.0, weights: vec![1.0; 3], ..Rrf::default() }.check(2).is_err());
    }
    fn scored(scale: Scale, weights: &[f32], expected: &[(u32, f64)]) {
        let fusion = ScoreFusion { scale, weights: weights.to_vec() };
        fusion.check(2).unwrap();
        let fused = fusion.fuse(&[vec![(1, 9.0), (2, 5.0), (3, 1.0)], vec![(3, -0.5), (4, f32::NEG_INFINITY)]]);
        assert_eq!(fused.len(), expected.len(), "{fused:?}");
        for (found, expected) in fused.iter().zip(expected) {
            assert!(found.0 == expected.0 && (f64::from(found.1) - expected.1).abs() < 1e-6, "{fused:?}");
        }
    }

    #[test]
    fn scores_meet_on_one_scale() {
        scored(Scale::MinMax, &[], &[(1, 1.0), (3, 1.0), (2, 0.5), (4, 0.0)]);
        scored(Scale::MinMax, &[1.0, 3.0], &[(3, 3.0), (1, 1.0), (2, 0.5), (4, 0.0)]);
        // Mean 5, deviation 4: from -7 to 17.
        scored(Scale::Distribution, &[], &[(3, 0.833_333), (1, 0.666_667), (2, 0.5), (4, 0.0)]);
        let bounds = Scale::Bounds(vec![(0.0, 5.0), (-1.0, 0.0)]);
        scored(bounds, &[1.0, 0.5], &[(1, 1.0), (2, 1.0), (3, 0.45), (4, 0.0)]);
    }

    #[test]
    fn bounds_are_one_pair_a_ranking_and_rise() {
        let of = |bounds: &[(f32, f32)]| {
            ScoreFusion { scale: Scale::Bounds(bounds.to_vec()), weights: vec![] }.check(1).is_ok()
        };
        assert!(of(&[(0.0, 1.0)]));
        assert!(!of(&[]) && !of(&[(1.0, 1.0)]) && !of(&[(0.0, f32::NAN)]) && !of(&[(0.0, 1.0), (0.0, 1.0)]));
    }

    #[test]
    fn a_weight_may_stretch_ranks() {
        let fusion = Rrf { k: 1.0, weights: vec![3.0, 0.0], weighing: Weighing::Rank };
        let fused = fusion.fuse(&[ranking(&[5]), ranking(&[6])]);
        assert_eq!(fused, [(5, 0.75), (6, 0.0)]);
    }
}
