//! Text parts against a naive BM25 over all rows: however rows are split over parts, whichever of
//! them are sealed, dead or not allowed, the scores are those of one corpus.

use crate::bitmap::Bitmap;
use crate::params::Found;
use crate::row::{Hit, Kept, Row};
use crate::selection::Selection;
use crate::text::analyzer::Analyzer;
use crate::text::bm25::{Statistics, TextPart, Weighted, distinct};
use crate::text::live::{Analysed, LiveText};
use crate::text::sealed::SealedText;
use crate::text::spec::TextSpec;
use crate::text::syntax::Ask;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::HashMap;

fn standard() -> Analyzer {
    Analyzer::new("standard").unwrap()
}

fn live(rows: &[Vec<String>]) -> LiveText {
    let analyzer = standard();
    LiveText::build(rows.iter().map(|row| Analysed::of(&analyzer, &mut row.iter().map(String::as_str))))
}

fn body(rows: &[Vec<String>]) -> Vec<u8> {
    SealedText::build(&standard(), rows.len() as u32, &mut |row, see| {
        rows[row.at()].iter().for_each(|text| see(text));
        Ok(())
    })
    .unwrap()
}

fn sealed(rows: &[Vec<String>]) -> SealedText {
    SealedText::open(body(rows).into(), rows.len() as u32).unwrap()
}

/// Live rows that came together from several small parts, with a row between them that was dropped.
fn melted(rows: &[Vec<String>]) -> LiveText {
    let (front, back) = rows.split_at(rows.len() / 3);
    let back = [&[vec!["dropped w0 w1".to_owned()]], back].concat();
    let (front, back) = (live(front), live(&back));
    let all: Vec<_> = (0..rows.len() as u32 + 1).map(Row).collect();
    let at = rows.len() / 3;
    LiveText::concat(&[
        Kept { part: &front, rows: &all[..at] },
        Kept { part: &back, rows: &all[1..rows.len() - at + 1] },
    ])
}

struct Part {
    text: Box<dyn TextPart>,
    dead: Bitmap,
    allowed: Option<Bitmap>,
    /// Of its first row in the corpus.
    base: u32,
    rows: u32,
}

/// Whether a row passes, as one reads it: no phrase goes on from one of its strings to the next.
fn has(row: &[String], ask: &Ask) -> bool {
    row.iter().any(|text| {
        let terms = standard().terms(text);
        match ask {
            Ask::Term(term) => terms.contains(term),
            Ask::Prefix(prefix) => terms.iter().any(|term| term.starts_with(prefix)),
            Ask::Phrase(words) => (0..terms.len())
                .any(|start| words.iter().all(|(word, offset)| terms.get(start + *offset as usize) == Some(word))),
        }
    })
}

/// What the storage does: statistics of all parts, one set of weights, the best of every part.
fn found(parts: &[Part], query: &str, k: usize, spec: &TextSpec) -> Vec<Hit> {
    let terms = distinct(standard().terms(query));
    let mut sum = Statistics::default();
    for part in parts {
        sum += &part.text.statistics(&terms, &part.dead).unwrap();
    }
    let weighted = Weighted::new(&terms, &sum, spec);
    let mut hits = Vec::new();
    for part in parts {
        let mut allowed = part.allowed.clone();
        if !part.dead.is_empty() {
            allowed.get_or_insert_with(|| Bitmap::full(part.rows)).minus(&part.dead);
        }
        let here =
            part.text.search(&weighted, k, allowed.map(|rows| Selection::new(rows, part.rows)).as_ref()).unwrap().hits;
        assert!(here.is_sorted_by(|a, b| a > b), "best first: {here:?}");
        hits.extend(here.iter().map(|hit| Hit { row: Row(hit.row.0 + part.base), score: hit.score }));
    }
    hits.sort_by(|a, b| b.cmp(a));
    hits.truncate(k);
    hits
}

/// BM25 as it is written down.
fn naive(rows: &[Vec<String>], alive: &dyn Fn(u32) -> bool, allowed: &dyn Fn(u32) -> bool, query: &str) -> Vec<Hit> {
    let analyzer = standard();
    let texts: Vec<_> = rows.iter().map(|row| row.iter().flat_map(|text| analyzer.terms(text)).collect()).collect();
    let alive: Vec<(u32, &Vec<String>)> =
        (0..).zip(&texts).filter(|(row, text): &(u32, &Vec<String>)| alive(*row) && !text.is_empty()).collect();
    let docs = alive.len() as f64;
    let average = alive.iter().map(|(_, text)| text.len()).sum::<usize>() as f64 / docs;
    let mut scores: HashMap<u32, f64> = HashMap::new();
    for term in analyzer.terms(query) {
        let times = |text: &Vec<String>| text.iter().filter(|have| **have == term).count() as f64;
        let frequency = alive.iter().filter(|(_, text)| times(text) > 0.0).count() as f64;
        let idf = (1.0 + (docs - frequency + 0.5) / (frequency + 0.5)).ln();
        for (row, text) in &alive {
            let times = times(text);
            if times > 0.0 && allowed(*row) {
                let norm = 1.2 * (0.25 + 0.75 * text.len() as f64 / average);
                *scores.entry(*row).or_default() += idf * times * 2.2 / (times + norm);
            }
        }
    }
    let mut hits: Vec<_> = scores.into_iter().map(|(row, score)| Hit { row: Row(row), score: score as f32 }).collect();
    hits.sort_by(|a, b| b.cmp(a));
    hits
}

/// Scores agree place by place; rows agree wherever their scores are not nearly those of a neighbour.
fn check(found: &[Hit], expected: &[Hit], k: usize) {
    assert_eq!(found.len(), expected.len().min(k), "{found:?}\n{expected:?}");
    let truth: HashMap<u32, f32> = expected.iter().map(|hit| (hit.row.0, hit.score)).collect();
    for (hit, best) in found.iter().zip(expected) {
        let near = |score: f32| (hit.score - score).abs() <= 1e-5 * score.abs().max(1.0);
        assert!(near(best.score), "{hit:?} is not as good as {best:?}");
        assert!(near(truth[&hit.row.0]), "{hit:?} should be {}", truth[&hit.row.0]);
    }
}

/// A few words are in most rows, most in a few, as in a language.
fn rows(most: usize) -> impl Strategy<Value = Vec<Vec<String>>> {
    let word = (0u32..60, 0u32..60, 0u32..60).prop_map(|(a, b, c)| format!("w{}", a.min(b).min(c)));
    let text = prop::collection::vec(word, 0..12).prop_map(|words| words.join(" "));
    prop::collection::vec(prop::collection::vec(text, 0..3), 1..most)
}

fn query() -> impl Strategy<Value = String> {
    prop::collection::vec((0u32..70).prop_map(|word| format!("w{word}")), 1..8).prop_map(|words| words.join(" "))
}

fn split(corpus: &[Vec<String>], cuts: &[usize], kinds: &[u8], dead: &dyn Fn(u32) -> bool) -> Vec<Part> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut % (corpus.len() + 1)).collect();
    ends.extend([0, corpus.len()]);
    ends.sort_unstable();
    let part = |(window, kind): (&[usize], &u8)| {
        let rows = &corpus[window[0]..window[1]];
        let (base, len) = (window[0] as u32, rows.len() as u32);
        let text: Box<dyn TextPart> = match kind % 3 {
            0 => Box::new(live(rows)),
            1 => Box::new(melted(rows)),
            _ => Box::new(sealed(rows)),
        };
        let dead = Bitmap::from_rows((0..len).filter(|row| dead(base + row)));
        Part { text, dead, allowed: None, base, rows: len }
    };
    ends.windows(2).zip(kinds.iter().cycle()).map(part).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_any_corpus_scores_as_one(
        corpus in rows(60),
        query in query(),
        cuts in prop::collection::vec(0usize..1000, 0..4),
        kinds in prop::collection::vec(0u8..3, 5),
        dead in prop::collection::hash_set(0u32..60, 0..20),
        barred in prop::option::of(prop::collection::hash_set(0u32..60, 0..58)),
        k in 1usize..30,
    ) {
        let mut parts = split(&corpus, &cuts, &kinds, &|row| dead.contains(&row));
        if let Some(barred) = &barred {
            for part in &mut parts {
                part.allowed = Some(Bitmap::from_rows((0..part.rows).filter(|row| !barred.contains(&(part.base + row)))));
            }
        }
        let allowed = |row: u32| barred.as_ref().is_none_or(|barred| !barred.contains(&row));
        let expected = naive(&corpus, &|row| !dead.contains(&row), &allowed, &query);
        check(&found(&parts, &query, k, &TextSpec::default()), &expected, k);
    }

    #[test]
    fn phrases_and_prefixes_are_found_where_they_stand(
        corpus in rows(40),
        words in prop::collection::vec(0u32..12, 1..4),
    ) {
        let word = |at: &u32| format!("w{at}");
        let phrase = words.iter().zip(0..).map(|(at, place)| (word(at), place)).collect();
        let asks = [Ask::Term(word(&words[0])), Ask::Prefix(word(&words[0])), Ask::Phrase(phrase)];
        for part in [Box::new(live(&corpus)) as Box<dyn TextPart>, Box::new(melted(&corpus)), Box::new(sealed(&corpus))] {
            for ask in &asks {
                let expected = (0..).zip(&corpus).filter(|(_, row)| has(row, ask)).map(|(row, _): (u32, _)| row);
                prop_assert_eq!(part.rows(ask).unwrap(), Bitmap::from_rows(expected), "{:?}", ask);
            }
            let mut begun: Vec<String> = corpus.iter().flatten().flat_map(|text| standard().terms(text)).collect();
            begun.retain(|term| term.starts_with(&word(&words[0])));
            begun.sort();
            begun.dedup();
            prop_assert_eq!(part.terms_from(&word(&words[0]), 1000).unwrap(), begun.clone());
            begun.truncate(2);
            prop_assert_eq!(part.terms_from(&word(&words[0]), 2).unwrap(), begun);
        }
    }

    #[test]
    fn concat_is_build(corpus in rows(40)) {
        prop_assert_eq!(format!("{:?}", melted(&corpus)), format!("{:?}", live(&corpus)));
    }
}

/// Rows enough for lists of many blocks and many windows, from a small generator.
fn many(rows: usize) -> Vec<Vec<String>> {
    let mut state = 7u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 31)
    };
    let mut row = || {
        let words = (3.0 + next() * 20.0) as usize;
        vec![(0..words).map(|_| format!("w{} ", (next().powi(3) * 2000.0) as u32)).collect()]
    };
    (0..rows).map(|_| row()).collect()
}

#[test]
fn long_lists_score_as_short_ones() {
    let corpus = many(9_000);
    let dead = |row: u32| row % 7 == 3;
    for kinds in [[0u8], [1], [2]] {
        let mut parts = split(&corpus, &[], &kinds, &dead);
        for (query, k) in [("w0 w1 w2 w3 w40 w900", 10), ("w0", 3), ("w1999 w1998", 10), ("w0 w0 w5 w77 nothing", 1000)]
        {
            parts[0].allowed = None;
            let expected = naive(&corpus, &|row| !dead(row), &|_| true, query);
            check(&found(&parts, query, k, &TextSpec::default()), &expected, k);
            for step in [2, 400] {
                parts[0].allowed = Some(Bitmap::from_rows((0..9_000).step_by(step)));
                let expected = naive(&corpus, &|row| !dead(row), &|row| row % step as u32 == 0, query);
                check(&found(&parts, query, k, &TextSpec::default()), &expected, k);
            }
        }
    }
}

#[test]
fn pruning_loses_nothing_whatever_the_spec() {
    let corpus = many(3_000);
    for (k1, b) in [(0.0, 0.0), (1.2, 0.0), (0.5, 1.0), (100.0, 0.4)] {
        let spec = TextSpec { k1, b, ..TextSpec::default() };
        for kinds in [[0u8], [2]] {
            let parts = split(&corpus, &[], &kinds, &|_| false);
            for query in ["w0 w3 w50 w500", "w7 w8 w9"] {
                let all = found(&parts, query, 3_000, &spec);
                assert_eq!(found(&parts, query, 20, &spec), all[..20.min(all.len())], "{spec:?} {query}");
            }
        }
    }
}

#[test]
fn few_postings_are_scored() {
    let corpus = many(9_000);
    let parts = split(&corpus, &[], &[2], &|_| false);
    let terms = distinct(standard().terms("w0 w1 w2 w1500 w1600"));
    let statistics = parts[0].text.statistics(&terms, &Bitmap::new()).unwrap();
    let all: u64 = statistics.frequencies.iter().sum();
    let weighted = Weighted::new(&terms, &statistics, &TextSpec::default());
    let Found { work, .. } = parts[0].text.search(&weighted, 5, None).unwrap();
    assert!(work.postings < all / 2, "{} of {all} postings were scored", work.postings);
}

#[test]
fn equal_rows_score_equally_in_every_kind_of_part() {
    let row = vec!["the quick brown fox jumps over the lazy dog".to_owned()];
    let corpus = vec![row; 9];
    let parts = split(&corpus, &[2, 5], &[0, 1, 2], &|_| false);
    let hits = found(&parts, "quick the dog fox", 9, &TextSpec::default());
    assert_eq!(hits.iter().map(|hit| hit.row.0).collect::<Vec<_>>(), (0..9).collect::<Vec<_>>());
    assert!(hits.iter().all(|hit| hit.score == hits[0].score));
}

#[test]
fn nothing_is_found_where_nothing_is() {
    for corpus in [vec![], vec![vec![]], vec![vec![" - ".to_owned()]]] {
        for kind in 0..3 {
            let parts = split(&corpus, &[], &[kind], &|_| false);
            assert!(found(&parts, "word", 10, &TextSpec::default()).is_empty());
        }
    }
    let parts = split(&[vec!["word".to_owned()]], &[], &[2], &|_| false);
    assert!(found(&parts, "word", 0, &TextSpec::default()).is_empty());
    assert!(found(&parts, "", 5, &TextSpec::default()).is_empty());
    assert_eq!(found(&parts, "word", 5, &TextSpec::default()).len(), 1);
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let corpus = many(700);
    assert!(body(&corpus) == body(&corpus));
}

#[test]
fn damage_is_an_error_or_harmless_but_never_a_panic() {
    let corpus = many(300);
    let whole = body(&corpus);
    let terms = distinct(standard().terms("w0 w1 w5 w700"));
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let ask = |body: Bytes| {
        let part = SealedText::open(body, 300)?;
        let statistics = part.statistics(&terms, &Bitmap::from_rows([1, 2, 3]))?;
        part.rows(&Ask::Prefix("w1".to_owned()))?;
        part.rows(&Ask::Phrase(vec![("w0".to_owned(), 0), ("w1".to_owned(), 1)]))?;
        part.search(&Weighted::new(&terms, &statistics, &TextSpec::default()), 5, None)
    };
    for cut in (0..whole.len()).step_by(61) {
        assert!(ask(Bytes::copy_from_slice(&whole[..cut])).is_err(), "cut at {cut}");
    }
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        let _ = ask(damaged.into());
    }
    std::panic::set_hook(quiet);
    assert!(ask(whole.clone().into()).is_ok());
    assert!(SealedText::open(whole.into(), 299).is_err());
}

#[test]
fn memory_is_counted() {
    assert!(live(&many(100)).memory_bytes() > live(&many(10)).memory_bytes());
}
