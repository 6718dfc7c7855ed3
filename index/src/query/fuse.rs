//! Several rankings into one, by rank alone: scores of different retrievers have no common measure.

use crate::error::{Error, Result};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::Hash;

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
}

impl Default for Rrf {
    fn default() -> Self {
        Self { k: K_DEFAULT, weights: Vec::new() }
    }
}

impl Rrf {
    /// Whether `k` and the weights make sense for this many rankings.
    pub fn check(&self, rankings: usize) -> Result<()> {
        let sensible = |number: f32| number.is_finite() && number >= 0.0;
        if !sensible(self.k) {
            return Err(Error::invalid("fusion k", self.k, "k is finite and at least 0"));
        }
        if self.weights.len() > rankings {
            let limit = format!("there are {rankings} rankings, each has one weight");
            return Err(Error::invalid("number of fusion weights", self.weights.len(), limit));
        }
        match self.weights.iter().find(|weight| !sensible(**weight)) {
            Some(weight) => Err(Error::invalid("fusion weight", weight, "a weight is finite and at least 0")),
            None => Ok(()),
        }
    }

    /// The rankings, best first each, as one.
    pub fn fuse<Id: Copy + Eq + Hash + Ord>(&self, rankings: &[Vec<(Id, f32)>]) -> Vec<(Id, f32)> {
        reciprocal_rank(rankings, self.k, &self.weights)
    }
}

/// Fuses rankings, best first each; a missing weight is 1. Best first, equal scores by the smaller
/// id. An id that stands twice in one ranking counts where it stands first.
pub fn reciprocal_rank<Id: Copy + Eq + Hash + Ord>(
    rankings: &[Vec<(Id, f32)>],
    k: f32,
    weights: &[f32],
) -> Vec<(Id, f32)> {
    // The last ranking that counted an id stands beside its sum. Sums are kept in f64, so that
    // equal ranks in another order of rankings seldom differ in the last bit of an f32.
    let mut sums: HashMap<Id, (f64, usize)> = HashMap::new();
    for (at, ranking) in rankings.iter().enumerate() {
        let weight = f64::from(weights.get(at).copied().unwrap_or(1.0));
        for (place, (id, _)) in ranking.iter().enumerate() {
            let sum = sums.entry(*id).or_insert((0.0, usize::MAX));
            if sum.1 != at {
                *sum = (sum.0 + weight / (f64::from(k) + (place + 1) as f64), at);
            }
        }
    }
    let mut fused: Vec<(Id, f32)> = sums.into_iter().map(|(id, (sum, _))| (id, sum as f32)).collect();
    fused.sort_unstable_by(best_first);
    fused
}

/// The order of every ranking: score, then the smaller id. Total, also over NaN.
pub fn best_first<Id: Ord>(left: &(Id, f32), right: &(Id, f32)) -> Ordering {
    right.1.total_cmp(&left.1).then_with(|| left.0.cmp(&right.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(ids: &[u32]) -> Vec<(u32, f32)> {
        ids.iter().map(|id| (*id, 0.5)).collect()
    }

    fn check(rankings: &[&[u32]], k: f32, weights: &[f32], expected: &[(u32, f64)]) {
        let rankings: Vec<_> = rankings.iter().map(|ids| ranking(ids)).collect();
        let fused = reciprocal_rank(&rankings, k, weights);
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
    fn an_id_counts_once_a_ranking() {
        check(&[&[5, 5, 6]], 0.0, &[], &[(5, 1.0), (6, 1.0 / 3.0)]);
        check(&[&[], &[]], 60.0, &[], &[]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(Rrf::default().check(0).is_ok());
        assert!(Rrf { k: 0.0, weights: vec![0.0, 2.0] }.check(2).is_ok());
        for k in [-1.0, f32::NAN, f32::INFINITY] {
            assert!(Rrf { k, weights: vec![] }.check(2).is_err(), "{k}");
        }
        for weight in [-0.1, f32::NAN, f32::INFINITY] {
            assert!(Rrf { k: 1.0, weights: vec![1.0, weight] }.check(2).is_err(), "{weight}");
        }
        assert!(Rrf { k: 1.0, weights: vec![1.0; 3] }.check(2).is_err());
    }
}
