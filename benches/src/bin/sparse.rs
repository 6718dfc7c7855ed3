//! Sparse vectors of the 100,000 passages beside the text index of the same words: build, size, and the time of a query in
//! one sealed part. The vectors are what BM25 makes of a passage before rarity is known, words by their hash; rarity is
//! counted when a query is asked, so both find the same.
//!
//! ```text
//! cargo run --release -p nigh-benches --bin sparse [analyzer] [k]
//! ```

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops where it fails")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads files and the clock")]

use flate2::read::GzDecoder;
use nigh_index::bitmap::Bitmap;
use nigh_index::layout::SectionsWriter;
use nigh_index::params::Found;
use nigh_index::row::Row;
use nigh_index::selection::Selection;
use nigh_index::sparse::search::search;
use nigh_index::sparse::stored::{SparseVectors, write};
use nigh_index::sparse::vector::SparseVector;
use nigh_index::sparse::weights::by_rarity;
use nigh_index::text::analyzer::Analyzer;
use nigh_index::text::bm25::{Statistics, TextPart, Weighted, distinct};
use nigh_index::text::sealed::SealedText;
use nigh_index::text::spec::TextSpec;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What postings of one list may be put in order in memory: as much as a segment's build gets at least.
const BUDGET_BYTES: u64 = 64 << 20;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let analyzer = Analyzer::new(&arguments.next().unwrap_or_else(|| "english".to_owned())).unwrap();
    let k: usize = arguments.next().map_or(10, |k| k.parse().unwrap());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("NIGH_DATA").map_or(root, PathBuf::from).join("passages");
    let texts = read(&folder.join("base.jsonl.gz"));
    let queries = read(&folder.join("queries.jsonl.gz"));
    let rows = texts.len() as u32;
    println!("{analyzer:?} k={k} rows={rows} queries={}", queries.len());

    let clock = Instant::now();
    let mut of_row = |row: Row, see: &mut dyn FnMut(&str)| {
        see(&texts[row.at()]);
        Ok(())
    };
    let body = SealedText::build(&analyzer, rows, &mut of_row).unwrap();
    println!("text: built in {:.2} s, {} bytes", clock.elapsed().as_secs_f64(), body.len());
    let text = SealedText::open(body.into(), rows).unwrap();

    let vectors = vectors(&analyzer, &texts);
    let numbers: usize = vectors.iter().map(|vector| vector.indices().len()).sum();
    let clock = Instant::now();
    let mut out = SectionsWriter::new(Vec::new());
    write(rows, &mut |row| Some(vectors[row.at()].clone()), BUDGET_BYTES, &mut out).unwrap();
    let body = out.finish().unwrap();
    let took = clock.elapsed().as_secs_f64();
    println!("sparse: built in {took:.2} s, {} bytes for {numbers} numbers", body.len());
    let sparse = SparseVectors::open(body.into(), rows).unwrap();

    let none = Bitmap::new();
    for share in [1, 100, 1000] {
        let allowed = Selection::new(Bitmap::from_rows((0..rows).filter(|row| row % share == 3 % share)), rows);
        let allowed = (share > 1).then_some(&allowed);
        let by_text = |query: &str| {
            let terms = distinct(analyzer.terms(query));
            let mut statistics = Statistics::default();
            statistics += &text.statistics(&terms, &none).unwrap();
            text.search(&Weighted::new(&terms, &statistics, &TextSpec::default()), k, allowed).unwrap()
        };
        let by_numbers = |query: &str| {
            let query = asked(&analyzer, query);
            search(&sparse, &by_rarity(&query, &sparse.statistics(&query, &none)), k, allowed)
        };
        let what = if share == 1 { "all rows".to_owned() } else { format!("one row of {share}") };
        let words = measure(&format!("text, {what}"), &queries, by_text);
        let numbers = measure(&format!("sparse, {what}"), &queries, by_numbers);
        let same =
            |(a, b): (&Found, &Found)| a.hits.iter().filter(|hit| b.hits.iter().any(|o| o.row == hit.row)).count();
        let (found, all) =
            words.iter().zip(&numbers).fold((0, 0), |sum, two| (sum.0 + same(two), sum.1 + two.0.hits.len()));
        println!("the same: {found} of {all} hits");
    }
}

/// The index of a word: FNV-1a.
fn index(term: &str) -> u32 {
    term.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn counted(analyzer: &Analyzer, text: &str) -> BTreeMap<u32, f32> {
    let mut counts = BTreeMap::new();
    analyzer.each(text, &mut |term| *counts.entry(index(term)).or_default() += 1.0);
    counts
}

fn asked(analyzer: &Analyzer, query: &str) -> SparseVector {
    let (indices, values) = counted(analyzer, query).into_iter().unzip();
    SparseVector::new(indices, values).unwrap()
}

fn vectors(analyzer: &Analyzer, texts: &[String]) -> Vec<SparseVector> {
    let counts: Vec<BTreeMap<u32, f32>> = texts.iter().map(|text| counted(analyzer, text)).collect();
    let length = |counts: &BTreeMap<u32, f32>| counts.values().sum::<f32>();
    let average = counts.iter().map(length).sum::<f32>() / counts.len() as f32;
    let TextSpec { k1, b, .. } = TextSpec::default();
    let vector = |counts: &BTreeMap<u32, f32>| {
        let norm = k1 * (1.0 - b + b * length(counts) / average);
        let (indices, values) = counts.iter().map(|(at, times)| (*at, times * (k1 + 1.0) / (times + norm))).unzip();
        SparseVector::new(indices, values).unwrap()
    };
    counts.iter().map(vector).collect()
}

fn measure(name: &str, queries: &[String], search: impl Fn(&str) -> Found) -> Vec<Found> {
    let mut micros = Vec::new();
    let mut all = Vec::new();
    for query in queries {
        let clock = Instant::now();
        let found = search(query);
        micros.push(clock.elapsed().as_secs_f64() * 1e6);
        all.push(found);
    }
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize];
    let mean = micros.iter().sum::<f64>() / micros.len() as f64;
    let scored = all.iter().map(|found| found.work.postings).sum::<u64>() / queries.len() as u64;
    println!("{name}: p50 {:.0} us, p99 {:.0} us, mean {mean:.0} us; {scored} postings scored", at(0.5), at(0.99));
    all
}

fn read(path: &Path) -> Vec<String> {
    let lines = BufReader::new(GzDecoder::new(File::open(path).unwrap())).lines();
    let text = |line: String| serde_json::from_str::<Value>(&line).unwrap()["text"].as_str().unwrap().to_owned();
    lines.map(|line| text(line.unwrap())).collect()
}
