//! The best fusion of two rankings, by trying them all on questions that are not measured.
//!
//! What is tried: reciprocal ranks of several constants; scores from each ranking's worst to its best; by mean and
//! deviation; between bounds that are quantiles of all scores seen. Each with every share of the words.

use super::judged::Question;
use super::measure::Measured;
use nigh_client::{Fusion, Scale};
use std::collections::{BTreeMap, HashMap};

/// A ranking: names with their scores, best first.
pub(super) type Scored = Vec<(String, f32)>;

/// A fusion, and the weight of each of the two rankings.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Weighted {
    pub(super) fusion: Fusion,
    pub(super) dense: f32,
    pub(super) text: f32,
}

impl Weighted {
    /// Both count the same.
    pub(super) fn evenly(fusion: Fusion) -> Self {
        Self { fusion, dense: 1.0, text: 1.0 }
    }

    /// For people.
    pub(super) fn described(&self) -> String {
        let fusion = match &self.fusion {
            Fusion::Ranks { k, .. } => format!("reciprocal ranks with k {}", k.unwrap_or(K_DEFAULT)),
            Fusion::Scores(Scale::MinMax) => "scores from worst to best".to_owned(),
            Fusion::Scores(Scale::Distribution) => "scores by mean and deviation".to_owned(),
            Fusion::Scores(Scale::Bounds(bounds)) => {
                let bounds: Vec<String> = bounds.iter().map(|(low, high)| format!("{low:.3} to {high:.3}")).collect();
                format!("scores between {}", bounds.join(" and "))
            }
        };
        format!("{fusion}, weights dense {:.2}, text {:.2}", self.dense, self.text)
    }
}

/// The fusion that was best, and how good it was where it was tuned.
#[derive(Clone, Debug)]
pub(super) struct Best {
    pub(super) fusion: Weighted,
    pub(super) ndcg: f64,
    pub(super) questions: usize,
}

/// What the server takes where nothing is said.
const K_DEFAULT: f32 = 60.0;
/// Values of k that are tried; small ones trust the first ranks more.
const KS: [f32; 10] = [0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 240.0];
/// Quantiles of all scores of a kind that are tried as bounds.
const LOWS: [f64; 3] = [0.0, 0.25, 0.5];
const HIGHS: [f64; 3] = [0.99, 0.999, 1.0];
/// Weights of the words, beside those of the vectors: so many parts of a whole.
const SHARES: u32 = 40;

/// The points of one question that either ranking has, with what both say of them.
struct Pool<'q> {
    names: Vec<&'q str>,
    /// For both rankings: the place of every one of its points among the names, best first.
    places: [Vec<usize>; 2],
    scores: [Vec<f64>; 2],
    judged: &'q BTreeMap<String, f64>,
}

/// The fusion with the best nDCG over these questions, whose rankings are given.
pub(super) fn best(questions: &[Question], dense: &[Scored], text: &[Scored], k: usize) -> Best {
    let pools: Vec<Pool<'_>> = questions
        .iter()
        .zip(dense.iter().zip(text))
        .map(|(question, (dense, text))| Pool::new(question, dense, text))
        .collect();
    // The default is tried first: only what is better takes its place.
    let default = Weighted::evenly(Fusion::default());
    let mut best = Best { ndcg: ndcg(&pools, &default, k), fusion: default, questions: questions.len() };
    for fusion in fusions(dense, text) {
        let terms: Vec<[Vec<f64>; 2]> = pools.iter().map(|pool| pool.terms(&fusion)).collect();
        for share in 1..SHARES {
            let text = share as f32 / SHARES as f32;
            let weighted = Weighted { fusion: fusion.clone(), dense: 1.0 - text, text };
            let ndcg = mean(&pools, &terms, &weighted, k);
            if ndcg > best.ndcg {
                (best.fusion, best.ndcg) = (weighted, ndcg);
            }
        }
    }
    best
}

fn fusions(dense: &[Scored], text: &[Scored]) -> Vec<Fusion> {
    let mut all: Vec<Fusion> = KS.iter().map(|k| Fusion::ranks(*k)).collect();
    all.extend([Fusion::Scores(Scale::MinMax), Fusion::Scores(Scale::Distribution)]);
    let (dense, text) = (sorted(dense), sorted(text));
    for (low, high) in LOWS.iter().flat_map(|low| HIGHS.iter().map(move |high| (*low, *high))) {
        let of =
            |scores: &[f32]| Some((quantile(scores, low)?, quantile(scores, high)?)).filter(|(low, high)| low < high);
        if let (Some(dense), Some(text)) = (of(&dense), of(&text)) {
            all.push(Fusion::Scores(Scale::Bounds(vec![dense, text])));
        }
    }
    all
}

fn sorted(rankings: &[Scored]) -> Vec<f32> {
    let mut scores: Vec<f32> = rankings.iter().flatten().map(|one| one.1).collect();
    scores.sort_by(f32::total_cmp);
    scores
}

fn quantile(sorted: &[f32], share: f64) -> Option<f32> {
    sorted.get((sorted.len().checked_sub(1)? as f64 * share).round() as usize).copied()
}

fn ndcg(pools: &[Pool<'_>], weighted: &Weighted, k: usize) -> f64 {
    let terms: Vec<_> = pools.iter().map(|pool| pool.terms(&weighted.fusion)).collect();
    mean(pools, &terms, weighted, k)
}

fn mean(pools: &[Pool<'_>], terms: &[[Vec<f64>; 2]], weighted: &Weighted, k: usize) -> f64 {
    let one =
        |(pool, terms): (&Pool<'_>, &[Vec<f64>; 2])| Measured::of(&pool.fused(terms, weighted, k), pool.judged, k).ndcg;
    pools.iter().zip(terms).map(one).sum::<f64>() / pools.len().max(1) as f64
}

impl<'q> Pool<'q> {
    fn new(question: &'q Question, dense: &'q Scored, text: &'q Scored) -> Self {
        let mut pool = Self {
            names: Vec::new(),
            places: Default::default(),
            scores: Default::default(),
            judged: &question.judged,
        };
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (side, ranking) in [dense, text].into_iter().enumerate() {
            for (name, score) in ranking {
                let place = *known.entry(name).or_insert_with(|| {
                    pool.names.push(name);
                    pool.names.len() - 1
                });
                pool.places[side].push(place);
                pool.scores[side].push(f64::from(*score));
            }
        }
        pool
    }

    /// What each ranking adds to every point at a weight of 1, as the server computes it.
    fn terms(&self, fusion: &Fusion) -> [Vec<f64>; 2] {
        [0, 1].map(|side| {
            let mut terms = vec![0.0; self.names.len()];
            for (rank, (place, term)) in self.places[side].iter().zip(self.scaled(side, fusion)).enumerate() {
                terms[*place] = match fusion {
                    Fusion::Ranks { k, .. } => 1.0 / (f64::from(k.unwrap_or(K_DEFAULT)) + rank as f64 + 1.0),
                    Fusion::Scores(_) => term,
                };
            }
            terms
        })
    }

    fn scaled(&self, side: usize, fusion: &Fusion) -> Vec<f64> {
        let scores = &self.scores[side];
        let count = scores.len() as f64;
        let (low, high, equal) = match fusion {
            Fusion::Ranks { .. } => return scores.clone(),
            Fusion::Scores(Scale::MinMax) => {
                let ends = scores.iter().fold((f64::MAX, f64::MIN), |(low, high), one| (low.min(*one), high.max(*one)));
                (ends.0, ends.1, 1.0)
            }
            Fusion::Scores(Scale::Distribution) => {
                let mean = scores.iter().sum::<f64>() / count;
                let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
                let deviation = (squares / (count - 1.0).max(1.0)).sqrt();
                (mean - 3.0 * deviation, mean + 3.0 * deviation, 0.5)
            }
            Fusion::Scores(Scale::Bounds(bounds)) => (f64::from(bounds[side].0), f64::from(bounds[side].1), 0.0),
        };
        let cut = matches!(fusion, Fusion::Scores(Scale::Bounds(_)));
        let scaled = |score: &f64| match (score - low) / (high - low) {
            _ if high <= low => equal,
            scaled if cut => scaled.clamp(0.0, 1.0),
            scaled => scaled,
        };
        scores.iter().map(scaled).collect()
    }

    /// The first `k` of both.
    fn fused(&self, [dense, text]: &[Vec<f64>; 2], weighted: &Weighted, k: usize) -> Vec<String> {
        let (by_dense, by_text) = (f64::from(weighted.dense), f64::from(weighted.text));
        let mut ranking: Vec<(f32, &str)> = (dense.iter().zip(text).zip(&self.names))
            .map(|((dense, text), name)| ((by_dense * dense + by_text * text) as f32, *name))
            .collect();
        let first = |one: &(f32, &str), other: &(f32, &str)| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(other.1));
        if ranking.len() > k && k > 0 {
            ranking.select_nth_unstable_by(k - 1, first);
            ranking.truncate(k);
        }
        ranking.sort_by(first);
        ranking.into_iter().map(|(_, name)| name.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(text: &str) -> Scored {
        let names: Vec<&str> = text.split_whitespace().collect();
        names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), (names.len() - at) as f32)).collect()
    }

    fn fused(fusion: Fusion, (dense_weight, text_weight): (f32, f32), dense: &str, text: &str, k: usize) -> String {
        let (question, dense, text) = (Question::default(), scored(dense), scored(text));
        let pool = Pool::new(&question, &dense, &text);
        let weighted = Weighted { fusion, dense: dense_weight, text: text_weight };
        pool.fused(&pool.terms(&weighted.fusion), &weighted, k).join(" ")
    }

    #[test]
    fn rankings_are_fused_as_the_server_does() {
        assert_eq!(fused(Fusion::ranks(1.0), (1.0, 1.0), "a b c", "c b", 3), "c b a");
        assert_eq!(fused(Fusion::ranks(1.0), (1.0, 9.0), "a b c", "d b", 2), "d b");
        // a 1, b 0.5, c 0 + 1, d 0.
        assert_eq!(fused(Fusion::Scores(Scale::MinMax), (1.0, 1.0), "a b c", "c d", 4), "a c b d");
        assert_eq!(fused(Fusion::Scores(Scale::MinMax), (1.0, 1.1), "a b c", "c d", 4), "c a b d");
        let bounds = Fusion::Scores(Scale::Bounds(vec![(0.0, 3.0), (0.0, 1.0)]));
        assert_eq!(fused(bounds, (1.0, 1.0), "a b c", "c d", 4), "c a d b");
    }

    #[test]
    fn what_helps_is_found() {
        let question =
            |right: &str| Question { judged: BTreeMap::from([(right.to_owned(), 1.0)]), ..Question::default() };
        // Words are right, vectors are not.
        let questions = [question("a"), question("b")];
        let dense = vec![scored("x y a"), scored("y x b")];
        let best = best(&questions, &dense, &[scored("a x"), scored("b y")], 1);
        assert_eq!(best.ndcg, 1.0);
        assert!(best.fusion.text > best.fusion.dense, "{best:?}");
    }
}
