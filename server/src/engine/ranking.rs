//! Points in an order, and how their scores are seen from outside.

use nigh_index::id::PointId;
use nigh_index::query::fuse::best_first;
use nigh_index::query::order::Real;
use nigh_index::row::Row;
use nigh_index::vector::metric::Metric;
use std::cmp::Ordering;

/// Where a point stands in a snapshot. Each has one place.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Spot {
    pub(crate) id: PointId,
    pub(crate) part: usize,
    pub(crate) row: Row,
}

/// A point in a ranking, and where it stands.
#[derive(Copy, Clone, PartialEq, Debug)]
pub(crate) struct Placed {
    pub(crate) id: PointId,
    /// Bigger is better.
    pub(crate) score: f32,
    pub(crate) part: usize,
    pub(crate) row: Row,
}

impl Placed {
    pub(crate) fn at(spot: Spot, score: f32) -> Self {
        Self { id: spot.id, score, part: spot.part, row: spot.row }
    }

    pub(crate) fn spot(&self) -> Spot {
        Spot { id: self.id, part: self.part, row: self.row }
    }
}

/// The order of every ranking by scores: score, then the smaller id.
pub(crate) fn by_score(left: &Placed, right: &Placed) -> Ordering {
    best_first(&(left.id, left.score), &(right.id, right.score))
}

/// How scores are seen from outside.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Sight {
    /// As they are.
    Plain,
    /// As a metric shows them.
    Metric(Metric),
}

impl Sight {
    /// The score as a caller sees it.
    pub(crate) fn outward(self, score: f32) -> f32 {
        match self {
            Self::Plain => score,
            Self::Metric(metric) => metric.outward(score),
        }
    }

    /// The same, where bigger is better: distances are negative.
    pub(crate) fn signed(self, score: f32) -> f32 {
        let outward = self.outward(score);
        if self.is_distance() { -outward } else { outward }
    }

    /// Whether the score is no worse than a threshold, which is as a caller sees scores.
    pub(crate) fn passes(self, score: f32, threshold: Option<f32>) -> bool {
        threshold.is_none_or(|threshold| match self.is_distance() {
            true => self.outward(score) <= threshold,
            false => self.outward(score) >= threshold,
        })
    }

    fn is_distance(self) -> bool {
        matches!(self, Self::Metric(metric) if metric.is_distance())
    }
}

/// The points of a retriever, first to last.
#[derive(Clone, Debug)]
pub(crate) struct Ranking {
    pub(crate) placed: Vec<Placed>,
    /// The value of each, where they are ordered by one.
    pub(crate) values: Vec<Real>,
    pub(crate) sight: Sight,
}

impl Ranking {
    pub(crate) fn new(placed: Vec<Placed>, sight: Sight) -> Self {
        Self { placed, values: Vec::new(), sight }
    }

    /// The first `count`.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.placed.truncate(count);
        self.values.truncate(count);
    }

    /// Only what is no worse than a threshold. Points that are ordered by a value have none.
    pub(crate) fn keep_above(&mut self, threshold: Option<f32>) {
        if threshold.is_some() && self.values.is_empty() {
            self.placed.retain(|placed| self.sight.passes(placed.score, threshold));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_as_scores_are_seen() {
        let euclid = Sight::Metric(Metric::Euclid);
        assert!(euclid.passes(-4.0, Some(2.0)) && !euclid.passes(-4.1, Some(2.0)) && euclid.passes(-9.0, None));
        assert_eq!((euclid.outward(-4.0), euclid.signed(-4.0)), (2.0, -2.0));
        assert!(Sight::Plain.passes(0.5, Some(0.5)) && !Sight::Plain.passes(0.4, Some(0.5)));
        let cosine = Sight::Metric(Metric::Cosine);
        assert!(cosine.passes(0.5, Some(0.5)) && cosine.signed(0.5) == 0.5);
    }
}
