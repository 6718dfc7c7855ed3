//! Sparse vectors against a naive scan of all rows: however rows are split over parts, dead or not allowed, and however
//! their postings were laid down.

use crate::bitmap::Bitmap;
use crate::layout::SectionsWriter;
use crate::row::{Hit, Kept, Row};
use crate::selection::Selection;
use crate::sparse::search::{score, search};
use crate::sparse::stored::{SparseVectors, write};
use crate::sparse::vector::SparseVector;
use crate::sparse::weights::{Statistics, by_rarity, plain};
use proptest::prelude::*;

type Corpus = Vec<Option<SparseVector>>;

fn body(corpus: &Corpus, budget_bytes: u64) -> Vec<u8> {
    let mut out = SectionsWriter::new(Vec::new());
    write(corpus.len() as u32, &mut |row| corpus[row.at()].clone(), budget_bytes, &mut out).unwrap();
    out.finish().unwrap()
}

fn stored(corpus: &Corpus, budget_bytes: u64) -> SparseVectors {
    SparseVectors::open(body(corpus, budget_bytes).into(), corpus.len() as u32).unwrap()
}

fn vector(pairs: impl IntoIterator<Item = (u32, f32)>) -> SparseVector {
    let pairs: std::collections::BTreeMap<u32, f32> = pairs.into_iter().collect();
    SparseVector::new(pairs.keys().copied().collect(), pairs.values().copied().collect()).unwrap()
}

fn naive(corpus: &Corpus, query: &[(u32, f32)], allowed: impl Fn(u32) -> bool) -> Vec<Hit> {
    let score = |row: &SparseVector| {
        let shared = query.iter().filter_map(|(index, weight)| {
            let at = row.indices().binary_search(index).ok()?;
            Some(f64::from(*weight) * f64::from(row.values()[at]))
        });
        let shared: Vec<f64> = shared.collect();
        (!shared.is_empty()).then(|| shared.iter().sum::<f64>() as f32 + 0.0)
    };
    let rows = corpus.iter().zip(0..).filter(|(_, row)| allowed(*row));
    let mut hits: Vec<Hit> =
        rows.filter_map(|(vector, row)| Some(Hit { row: Row(row), score: score(vector.as_ref()?)? })).collect();
    hits.sort_by(|a, b| b.cmp(a));
    hits
}

/// Halves and quarters: sums of them are exact, whatever the order.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![4 => (1i32..40).prop_map(|n| n as f32 / 4.0), 1 => (-40i32..40).prop_map(|n| n as f32 / 2.0)]
}

/// A few indices are in most rows, most in a few.
fn sparse(most: usize) -> impl Strategy<Value = SparseVector> {
    let index = (0u32..200, 0u32..200).prop_map(|(a, b)| a.min(b) * 1_000_003);
    prop::collection::vec((index, number()), 0..most).prop_map(vector)
}

fn corpus(most: usize) -> impl Strategy<Value = Corpus> {
    prop::collection::vec(prop::option::weighted(0.9, sparse(30)), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_search_finds_what_a_scan_finds(
        corpus in corpus(400),
        query in sparse(12),
        k in prop_oneof![Just(0usize), 1usize..30, Just(1000)],
        barred in prop::option::of(0u32..40),
        budget_bytes in prop_oneof![Just(8u64), Just(1000), Just(u64::MAX)],
    ) {
        let part = stored(&corpus, budget_bytes);
        let query = plain(&query);
        let allows = |row: u32| barred.is_none_or(|every| (row.wrapping_mul(2_654_435_761) >> 8) % 41 > every);
        let of = corpus.len() as u32;
        let allowed = barred.map(|_| Selection::new(Bitmap::from_rows((0..of).filter(|row| allows(*row))), of));
        let expected = naive(&corpus, &query, allows);
        let found = search(&part, &query, k, allowed.as_ref());
        prop_assert_eq!(&found.hits[..], &expected[..k.min(expected.len())]);
        for hit in expected.iter().take(5) {
            prop_assert_eq!(score(&part, &query, hit.row), Some(hit.score));
        }
    }

    #[test]
    fn vectors_come_back_and_statistics_count(
        corpus in corpus(120),
        query in sparse(12),
        dead in prop::collection::hash_set(0u32..120, 0..40),
    ) {
        let part = stored(&corpus, 100);
        for (row, vector) in corpus.iter().enumerate() {
            prop_assert_eq!(&part.vector(Row(row as u32)), vector);
        }
        let dead: Vec<u32> = dead.into_iter().filter(|row| (*row as usize) < corpus.len()).collect();
        let alive = || corpus.iter().zip(0..).filter(|(_, row)| !dead.contains(row)).filter_map(|(row, _)| row.as_ref());
        let has = |index: &u32| alive().filter(|row| row.indices().contains(index)).count() as u64;
        let expected =
            Statistics { rows: alive().count() as u64, frequencies: query.indices().iter().map(has).collect() };
        prop_assert_eq!(part.statistics(&query, &Bitmap::from_rows(dead.iter().copied())), expected);
    }

    #[test]
    fn parts_that_come_together_are_as_if_built_at_once(corpus in corpus(120), cut in 0usize..120) {
        let (front, back) = corpus.split_at(cut.min(corpus.len()));
        let parts = [Some(stored(&front.to_vec(), 64)), None, Some(stored(&back.to_vec(), 64))];
        let rows = |count: usize| (0..count as u32).map(Row).collect::<Vec<_>>();
        let rows = [rows(front.len()), rows(3), rows(back.len())];
        let kept: Vec<_> = parts.iter().zip(&rows).map(|(part, rows)| Kept { part, rows }).collect();
        let whole: Corpus = front.iter().cloned().chain([None, None, None]).chain(back.iter().cloned()).collect();
        prop_assert_eq!(format!("{:?}", SparseVectors::concat(&kept)), format!("{:?}", stored(&whole, u64::MAX)));
    }

    #[test]
    fn no_damage_panics(corpus in corpus(40), query in sparse(12), at: prop::sample::Index, bit in 0u32..8) {
        let mut body = body(&corpus, u64::MAX);
        let at = at.index(body.len());
        body[at] ^= 1 << bit;
        if let Ok(part) = SparseVectors::open(body.into(), corpus.len() as u32) {
            let some = Selection::new(Bitmap::from_rows((0..corpus.len() as u32).step_by(9)), corpus.len() as u32);
            let _ = (search(&part, &plain(&query), 9, None), search(&part, &plain(&query), 9, Some(&some)));
            let _ = part.statistics(&query, &Bitmap::from_rows([0, 1, 7]));
            (0..corpus.len() as u32).for_each(|row| drop(part.vector(Row(row))));
        }
    }
}

/// Rows enough for many windows and lists of many cells, from a small generator.
fn many(rows: u32) -> Corpus {
    let mut state = 7u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f32 / (1u32 << 31) as f32
    };
    let mut row = |_| {
        let count = 5 + (next() * 30.0) as usize;
        // Few numbers are large, as weights of words are.
        Some(vector((0..count).map(|_| ((next().powi(3) * 3000.0) as u32, (next().powi(4) * 64.0).ceil() / 8.0))))
    };
    (0..rows).map(&mut row).collect()
}

#[test]
fn long_lists_are_searched_exactly_and_not_wholly() {
    let corpus = many(20_000);
    let part = stored(&corpus, 100_000);
    for (indices, k) in [(&[0u32, 1, 2, 40, 900][..], 10), (&[0], 3), (&[2999, 2998], 10), (&[5, 6, 7, 8, 9, 10], 100)]
    {
        let query: Vec<(u32, f32)> = indices.iter().map(|index| (*index, 0.5 + (*index % 7) as f32)).collect();
        let found = search(&part, &query, k, None);
        assert_eq!(found.hits, naive(&corpus, &query, |_| true)[..k]);
    }
    let query = [(0, 0.1), (1, 0.1), (2, 0.1), (2999, 50.0)];
    let found = search(&part, &query, 10, None);
    assert_eq!(found.hits, naive(&corpus, &query, |_| true)[..10]);
    let all: usize = query.iter().map(|(index, _)| part.list(*index).len()).sum();
    assert!(found.work.postings < all as u64 / 4, "{} of {all} postings were scored", found.work.postings);
}

#[test]
fn rare_indices_weigh_more() {
    let query = vector([(1, 2.0), (5, 1.0)]);
    let mut statistics = Statistics { rows: 10, frequencies: vec![10, 1] };
    statistics += &Statistics { rows: 10, frequencies: vec![9, 0] };
    let weights = by_rarity(&query, &statistics);
    assert_eq!((weights[0].0, weights[1].0), (1, 5));
    assert!((weights[0].1 - 2.0 * (1.0 + 1.5 / 19.5f32).ln()).abs() < 1e-6, "{weights:?}");
    assert!((weights[1].1 - (1.0 + 19.5 / 1.5f32).ln()).abs() < 1e-6, "{weights:?}");
}
