//! The best fusion of two rankings, by trying them all on questions that are not measured.

use super::judged::Question;
use super::measure::Measured;
use std::collections::HashMap;

/// Reciprocal rank fusion: its k, and the weight of each ranking.
#[derive(Copy, Clone, PartialEq, Debug)]
pub(super) struct Fusion {
    pub(super) k: f32,
    pub(super) dense: f32,
    pub(super) text: f32,
}

impl Fusion {
    /// What the server does where nothing is said.
    pub(super) const DEFAULT: Self = Self { k: 60.0, dense: 1.0, text: 1.0 };
}

/// The fusion that was best, and how good it was where it was tuned.
#[derive(Copy, Clone, Debug)]
pub(super) struct Best {
    pub(super) fusion: Fusion,
    pub(super) ndcg: f64,
    pub(super) questions: usize,
}

/// Values of k that are tried; small ones trust the first ranks more.
const KS: [f32; 10] = [0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 240.0];
/// Weights of the words, beside those of the vectors: so many parts of a whole.
const SHARES: u32 = 40;

/// The fusion with the best nDCG over these questions, whose rankings are given.
pub(super) fn best(questions: &[Question], dense: &[Vec<String>], text: &[Vec<String>], k: usize) -> Best {
    let mut best = Best { fusion: Fusion::DEFAULT, ndcg: -1.0, questions: questions.len() };
    // The default is tried first: only what is better takes its place.
    let grid = KS.iter().flat_map(|k| (1..SHARES).map(|share| (*k, share as f32 / SHARES as f32)));
    let grid = grid.map(|(k, text)| Fusion { k, dense: 1.0 - text, text });
    for fusion in std::iter::once(Fusion::DEFAULT).chain(grid) {
        let ndcg: f64 = questions
            .iter()
            .zip(dense.iter().zip(text))
            .map(|(question, (dense, text))| Measured::of(&fused(fusion, dense, text, k), &question.judged, k).ndcg)
            .sum();
        let ndcg = ndcg / questions.len().max(1) as f64;
        if ndcg > best.ndcg {
            (best.fusion, best.ndcg) = (fusion, ndcg);
        }
    }
    best
}

/// The first `k` of both, as the server fuses them.
fn fused(fusion: Fusion, dense: &[String], text: &[String], k: usize) -> Vec<String> {
    let mut scores: HashMap<&String, f32> = HashMap::new();
    for (weight, ranking) in [(fusion.dense, dense), (fusion.text, text)] {
        for (at, name) in ranking.iter().enumerate() {
            *scores.entry(name).or_default() += weight / (fusion.k + at as f32 + 1.0);
        }
    }
    let mut ranking: Vec<(&String, f32)> = scores.into_iter().collect();
    ranking.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(other.0)));
    ranking.into_iter().take(k).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn rankings_are_fused_by_reciprocal_ranks() {
        let equal = Fusion { k: 1.0, dense: 1.0, text: 1.0 };
        assert_eq!(fused(equal, &names("a b c"), &names("c b"), 3), names("c b a"));
        let words = Fusion { text: 9.0, ..equal };
        assert_eq!(fused(words, &names("a b c"), &names("d b"), 2), names("d b"));
    }

    #[test]
    fn what_helps_is_found() {
        let question =
            |right: &str| Question { judged: BTreeMap::from([(right.to_owned(), 1.0)]), ..Question::default() };
        // Words are right, vectors are not.
        let questions = [question("a"), question("b")];
        let (dense, text) = (vec![names("x y a"), names("y x b")], vec![names("a x"), names("b y")]);
        let best = best(&questions, &dense, &text, 1);
        assert_eq!(best.ndcg, 1.0);
        assert!(best.fusion.text > best.fusion.dense, "{best:?}");
    }
}
