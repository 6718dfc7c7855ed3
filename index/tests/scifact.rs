//! Text search against people's judgement: nDCG@10 on SciFact, as published figures measure it.
//!
//! The data lies outside the repository (`../shared/data`, or where NIGH_DATA says); without it the
//! test says so and passes.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads its data and may fail where it stands"
)]

use flate2::read::GzDecoder;
use nigh_index::bitmap::Bitmap;
use nigh_index::row::Hit;
use nigh_index::text::analyzer::Analyzer;
use nigh_index::text::bm25::{Statistics, TextPart, Weighted, distinct};
use nigh_index::text::live::{Analysed, LiveText};
use nigh_index::text::sealed::SealedText;
use nigh_index::text::spec::TextSpec;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

fn data() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("NIGH_DATA").map_or(root, PathBuf::from).join("scifact");
    folder.is_dir().then_some(folder)
}

fn lines(path: &Path) -> Vec<Value> {
    let lines = BufReader::new(GzDecoder::new(File::open(path).unwrap())).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

/// The first half of the corpus sealed, the second live: one corpus all the same.
fn parts(analyzer: &Analyzer, corpus: &[[&str; 2]]) -> [(u32, Box<dyn TextPart>); 2] {
    let (first, second) = corpus.split_at(corpus.len() / 2);
    let mut texts = |row: nigh_index::row::Row, see: &mut dyn FnMut(&str)| {
        first[row.at()].iter().for_each(|text| see(text));
        Ok(())
    };
    let body = SealedText::build(analyzer, first.len() as u32, &mut texts).unwrap();
    let sealed = SealedText::open(body.into(), first.len() as u32).unwrap();
    let live = LiveText::build(second.iter().map(|row| Analysed::of(analyzer, &mut row.iter().copied())));
    [(0, Box::new(sealed)), (first.len() as u32, Box::new(live))]
}

fn best(parts: &[(u32, Box<dyn TextPart>)], terms: Vec<String>) -> Vec<u32> {
    let terms = distinct(terms);
    let mut statistics = Statistics::default();
    for (_, part) in parts {
        statistics += &part.statistics(&terms, &Bitmap::new()).unwrap();
    }
    let query = Weighted::new(&terms, &statistics, &TextSpec::default());
    let mut hits: Vec<(Hit, u32)> = Vec::new();
    for (base, part) in parts {
        hits.extend(part.search(&query, 10, None).unwrap().hits.into_iter().map(|hit| (hit, base + hit.row.0)));
    }
    hits.sort_by(|(a, a_row), (b, b_row)| b.score.total_cmp(&a.score).then(a_row.cmp(b_row)));
    hits.into_iter().take(10).map(|(_, row)| row).collect()
}

fn ndcg(found: &[u32], relevant: &[u32]) -> f64 {
    let gain = |at: usize| 1.0 / (at as f64 + 2.0).log2();
    let got: f64 = found.iter().enumerate().filter(|(_, row)| relevant.contains(row)).map(|(at, _)| gain(at)).sum();
    got / (0..relevant.len().min(10)).map(gain).sum::<f64>()
}

#[test]
fn scifact_is_ranked_as_well_as_published() {
    let Some(folder) = data() else {
        println!("skipped: there is no scifact data");
        return;
    };
    let corpus = lines(&folder.join("corpus.jsonl.gz"));
    let rows: HashMap<&str, u32> = corpus.iter().map(|doc| doc["_id"].as_str().unwrap()).zip(0..).collect();
    let texts: Vec<_> =
        corpus.iter().map(|doc| [doc["title"].as_str().unwrap(), doc["text"].as_str().unwrap()]).collect();
    let mut relevant: HashMap<String, Vec<u32>> = HashMap::new();
    for line in fs::read_to_string(folder.join("qrels.tsv")).unwrap().lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields[2].parse::<u32>().unwrap() > 0 {
            relevant.entry(fields[0].to_owned()).or_default().push(rows[fields[1]]);
        }
    }
    let queries = lines(&folder.join("queries.jsonl.gz"));
    let queries: Vec<_> = queries.iter().filter(|query| query["split"] == "test").collect();
    assert_eq!(queries.len(), 300);
    for (name, least) in [("standard", 0.655), ("english", 0.68)] {
        let analyzer = Analyzer::new(name).unwrap();
        let parts = parts(&analyzer, &texts);
        let of = |query: &&Value| {
            let found = best(&parts, analyzer.terms(query["text"].as_str().unwrap()));
            ndcg(&found, &relevant[query["_id"].as_str().unwrap()])
        };
        let mean = queries.iter().map(of).sum::<f64>() / queries.len() as f64;
        println!("{name}: nDCG@10 {mean:.4}");
        assert!(mean >= least, "{name}: nDCG@10 is {mean:.4}, not {least}");
    }
}
