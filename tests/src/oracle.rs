//! Naive answers: every vector compared, every payload looked at, nothing of nigh asked.

use crate::data::Table;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The inner product, in eight sums so that a compiler may use wide registers.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (left, right) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in left.zip(right) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// The cosine; 0 with a vector of length 0.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 { dot(a, b) / lengths } else { 0.0 }
}

/// The cosines of a query with every row.
pub fn cosines(rows: &Table<f32>, query: &[f32]) -> Vec<f32> {
    rows.iter().map(|row| cosine(row, query)).collect()
}

/// The `k` best of the rows that pass, best first; ties by the smaller row.
pub fn best(scores: &[f32], k: usize, pass: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..scores.len()).filter(|row| pass(*row)).collect();
    let order = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
    if rows.len() > k && k > 0 {
        rows.select_nth_unstable_by(k - 1, order);
        rows.truncate(k);
    }
    rows.sort_by(order);
    rows
}

/// The share of `wanted` that was found.
pub fn recall(found: &[u64], wanted: &[u64]) -> f64 {
    if wanted.is_empty() {
        return 1.0;
    }
    let found: BTreeSet<u64> = found.iter().copied().collect();
    wanted.iter().filter(|id| found.contains(id)).count() as f64 / wanted.len() as f64
}

/// nDCG@10 with linear gain, as trec_eval has it: of a ranking, under judgements.
pub fn ndcg10<K: Ord>(ranking: &[K], judged: &BTreeMap<K, f64>) -> f64 {
    let gain = |(rank, worth): (usize, f64)| worth / (rank as f64 + 2.0).log2();
    let got: f64 =
        ranking.iter().take(10).map(|key| judged.get(key).copied().unwrap_or(0.0)).enumerate().map(gain).sum();
    let mut best: Vec<f64> = judged.values().copied().collect();
    best.sort_by(|a, b| b.total_cmp(a));
    let ideal: f64 = best.into_iter().take(10).enumerate().map(gain).sum();
    if ideal > 0.0 { got / ideal } else { 0.0 }
}

/// Whether a passage passes a filter of `filters.json`: every `must`, one `should` where there is one, no `must_not`.
pub fn passes(filter: &Value, passage: &Value) -> bool {
    let clauses = |name: &str| filter[name].as_array().map_or(&[][..], Vec::as_slice);
    clauses("must").iter().all(|clause| clause_holds(clause, passage))
        && (clauses("should").is_empty() || clauses("should").iter().any(|clause| clause_holds(clause, passage)))
        && !clauses("must_not").iter().any(|clause| clause_holds(clause, passage))
}

fn clause_holds(clause: &Value, passage: &Value) -> bool {
    let clause = clause.as_object().unwrap();
    let value = passage.get(clause["field"].as_str().unwrap());
    if clause.get("missing").is_some() {
        return value.is_none();
    }
    let Some(value) = value else { return false };
    clause.iter().filter(|(test, _)| *test != "field").all(|(test, against)| {
        let order = || value.as_f64().unwrap().total_cmp(&against.as_f64().unwrap());
        match &test[..] {
            "eq" => value == against,
            "in" => against.as_array().unwrap().contains(value),
            "contains" => value.as_array().unwrap().contains(against),
            "gte" => order().is_ge(),
            "gt" => order().is_gt(),
            "lte" => order().is_le(),
            "lt" => order().is_lt(),
            other => panic!("filters.json says `{other}`"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_best_come_first_and_ties_go_to_the_smaller_row() {
        assert_eq!(best(&[0.1, 0.9, 0.9, 0.5], 3, |row| row != 3), vec![1, 2, 0]);
        assert_eq!(best(&[0.1, 0.2], 5, |_| true), vec![1, 0]);
    }

    #[test]
    fn ndcg_is_one_for_the_ideal_and_falls_with_rank() {
        let judged = BTreeMap::from([("a", 1.0), ("b", 1.0)]);
        assert!((ndcg10(&["a", "b"], &judged) - 1.0).abs() < 1e-12);
        assert!(ndcg10(&["x", "a", "b"], &judged) < 1.0);
        assert_eq!(ndcg10(&["x"], &judged), 0.0);
    }

    #[test]
    fn clauses_mean_what_the_data_says() {
        let passage = json!({"n": 3, "tags": ["a", "b"], "flag": true});
        let check = |filter: Value, expected| assert_eq!(passes(&filter, &passage), expected, "{filter}");
        check(json!({"must": [{"field": "n", "gte": 3, "lt": 4}]}), true);
        check(json!({"must": [{"field": "n", "gt": 3}]}), false);
        check(json!({"must": [{"field": "tags", "contains": "b"}]}), true);
        check(json!({"must": [{"field": "year", "missing": true}]}), true);
        check(json!({"must": [{"field": "year", "gte": 0}]}), false);
        check(json!({"should": [{"field": "n", "eq": 1}, {"field": "n", "in": [2, 3]}]}), true);
        check(json!({"must_not": [{"field": "flag", "eq": true}]}), false);
    }
}
