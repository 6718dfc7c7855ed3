//! What a ranking is worth, and how sure that is.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Samples of the questions that an interval is taken from.
const RESAMPLES: usize = 2_000;
/// Of those, this share lies below the interval, and above it.
const OUTSIDE: f64 = 0.025;

/// The measures of one question, each from 0 to 1.
#[derive(Copy, Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Measured {
    /// Discounted cumulative gain of the first k, to that of the best ranking (Jarvelin & Kekalainen 2002);
    /// a document gains its relevance, as trec_eval has it.
    pub(super) ndcg: f64,
    /// One divided by the rank of the first relevant document.
    pub(super) mrr: f64,
    /// The share of the relevant documents that is among the first k.
    pub(super) recall: f64,
    /// The share of the first k that is relevant.
    pub(super) precision: f64,
}

/// A measure: its name, and where it is.
pub(super) type Measure = (&'static str, fn(&Measured) -> f64);

pub(super) const MEASURES: [Measure; 4] = [
    ("nDCG", |measured| measured.ndcg),
    ("MRR", |measured| measured.mrr),
    ("recall", |measured| measured.recall),
    ("P", |measured| measured.precision),
];

impl Measured {
    /// Of the first `k` documents of a ranking. A document counts once, wherever it stands again.
    pub(super) fn of(ranking: &[String], judged: &BTreeMap<String, f64>, k: usize) -> Self {
        let worth = |name: &String| judged.get(name).copied().unwrap_or(0.0).max(0.0);
        let mut seen: Vec<&String> = Vec::with_capacity(k);
        for name in ranking {
            if seen.len() < k && !seen.contains(&name) {
                seen.push(name);
            }
        }
        let gain = |(rank, worth): (usize, f64)| worth / (rank as f64 + 2.0).log2();
        let got: f64 = seen.iter().map(|name| worth(name)).enumerate().map(gain).sum();
        let mut best: Vec<f64> = judged.values().copied().filter(|worth| *worth > 0.0).collect();
        best.sort_by(|one, other| other.total_cmp(one));
        let relevant = best.len();
        let ideal: f64 = best.into_iter().take(k).enumerate().map(gain).sum();
        let found = seen.iter().filter(|name| worth(name) > 0.0).count();
        let first = seen.iter().position(|name| worth(name) > 0.0);
        Self {
            ndcg: if ideal > 0.0 { got / ideal } else { 0.0 },
            mrr: first.map_or(0.0, |at| 1.0 / (at as f64 + 1.0)),
            recall: found as f64 / relevant.max(1) as f64,
            precision: found as f64 / k as f64,
        }
    }
}

/// A mean with its confidence interval.
#[derive(Copy, Clone, PartialEq, Debug, Default)]
pub(super) struct Interval {
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Interval {
    /// By drawing the questions again and again (bootstrap, Efron 1979). The draws are the same every
    /// time, so that the same run gives the same interval.
    pub(super) fn of(values: &[f64]) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let count = values.len();
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut draw = || {
            // SplitMix64 (Steele et al. 2014).
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((u128::from(mixed ^ (mixed >> 31)) * count as u128) >> 64) as usize
        };
        let mut means: Vec<f64> =
            (0..RESAMPLES).map(|_| (0..count).map(|_| values[draw()]).sum::<f64>() / count as f64).collect();
        means.sort_by(f64::total_cmp);
        let at = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
        Self { mean: values.iter().sum::<f64>() / count as f64, low: at(OUTSIDE), high: at(1.0 - OUTSIDE) }
    }

    pub(super) fn json(self) -> Value {
        json!({"mean": self.mean, "low": self.low, "high": self.high})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn measures_are_those_of_the_books() {
        let judged = BTreeMap::from([("a".to_owned(), 2.0), ("b".to_owned(), 1.0), ("z".to_owned(), 0.0)]);
        let best = Measured::of(&names("a b c"), &judged, 3);
        assert_eq!((best.ndcg, best.mrr, best.recall), (1.0, 1.0, 1.0));
        assert!((best.precision - 2.0 / 3.0).abs() < 1e-12);
        let turned = Measured::of(&names("z b a"), &judged, 3);
        let expected = (1.0 / 3f64.log2() + 2.0 / 2.0) / (2.0 + 1.0 / 3f64.log2());
        assert!((turned.ndcg - expected).abs() < 1e-12, "{turned:?}");
        assert_eq!((turned.mrr, turned.recall), (0.5, 1.0));
        assert_eq!(Measured::of(&names("x y"), &judged, 10), Measured::default());
        assert_eq!(Measured::of(&names("x a"), &judged, 1).recall, 0.0, "only the first k count");
        assert_eq!(Measured::of(&names("a a b"), &judged, 2).recall, 1.0, "a document counts once");
    }

    #[test]
    fn an_interval_holds_its_mean_and_narrows() {
        let values = |count: usize| (0..count).map(|at| (at % 2) as f64).collect::<Vec<_>>();
        let (few, many) = (Interval::of(&values(20)), Interval::of(&values(2_000)));
        for one in [few, many] {
            assert!(one.low < one.mean && one.mean < one.high, "{one:?}");
        }
        assert!(many.high - many.low < (few.high - few.low) / 5.0);
        // The normal approximation: 1.96 * 0.5 / sqrt(2000).
        assert!((many.high - 0.5 - 0.0219).abs() < 0.003, "{many:?}");
        assert_eq!(Interval::of(&values(20)), few, "the same every time");
        assert_eq!(Interval::of(&[]), Interval::default());
    }
}
