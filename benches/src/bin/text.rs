//! Text search over the 100,000 passages: build, size, and the time of a query in one sealed part.
//!
//! ```text
//! cargo run --release -p nigh-benches --bin text [analyzer] [k]
//! ```

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops where it fails")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads files and the clock")]

use flate2::read::GzDecoder;
use nigh_index::bitmap::Bitmap;
use nigh_index::selection::Selection;
use nigh_index::text::analyzer::Analyzer;
use nigh_index::text::bm25::{Statistics, TextPart, Weighted, distinct};
use nigh_index::text::live::{Analysed, LiveText};
use nigh_index::text::sealed::SealedText;
use nigh_index::text::spec::TextSpec;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Instant;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let analyzer = Analyzer::new(&arguments.next().unwrap_or_else(|| "standard".to_owned())).unwrap();
    let k: usize = arguments.next().map_or(10, |k| k.parse().unwrap());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("NIGH_DATA").map_or(root, PathBuf::from).join("passages");
    let texts = read(&folder.join("base.jsonl.gz"));
    let queries = read(&folder.join("queries.jsonl.gz"));
    let rows = texts.len() as u32;
    println!("{analyzer:?} k={k} rows={rows} queries={}", queries.len());

    let clock = Instant::now();
    let mut of_row = |row: nigh_index::row::Row, see: &mut dyn FnMut(&str)| {
        see(&texts[row.at()]);
        Ok(())
    };
    let body = SealedText::build(&analyzer, rows, &mut of_row).unwrap();
    println!("sealed: built in {:.2} s, {} bytes", clock.elapsed().as_secs_f64(), body.len());
    let clock = Instant::now();
    let sealed = SealedText::open(body.into(), rows).unwrap();
    println!("sealed: opened in {:.0} us", clock.elapsed().as_secs_f64() * 1e6);
    let clock = Instant::now();
    let analysed: Vec<_> =
        texts.iter().map(|text| Analysed::of(&analyzer, &mut std::iter::once(text.as_str()))).collect();
    let read = clock.elapsed().as_secs_f64();
    let live = LiveText::build(analysed);
    println!(
        "live: read in {read:.2} s, built in all in {:.2} s, {} bytes",
        clock.elapsed().as_secs_f64(),
        live.memory_bytes()
    );

    let dead = Bitmap::from_rows((0..rows).filter(|row| row % 20 == 7));
    let mut alive = Bitmap::full(rows);
    alive.minus(&dead);
    let alive = Selection::new(alive, rows);
    let [hundredth, thousandth] =
        [100, 1000].map(|share| Selection::new(Bitmap::from_rows((0..rows).filter(|row| row % share == 3)), rows));
    let none = Bitmap::new();
    for (name, part) in [("sealed", &sealed as &dyn TextPart), ("live", &live)] {
        for (what, dead, allowed) in [
            ("all rows", &none, None),
            ("5 % dead", &dead, Some(&alive)),
            ("1 % allowed", &none, Some(&hundredth)),
            ("0.1 % allowed", &none, Some(&thousandth)),
        ] {
            measure(&format!("{name}, {what}"), &analyzer, part, &queries, k, dead, allowed);
        }
    }
}

fn measure(
    name: &str,
    analyzer: &Analyzer,
    part: &dyn TextPart,
    queries: &[String],
    k: usize,
    dead: &Bitmap,
    allowed: Option<&Selection>,
) {
    let mut micros = Vec::new();
    let (mut scored, mut all, mut terms_of_all) = (0, 0, 0);
    for query in queries {
        let clock = Instant::now();
        let terms = distinct(analyzer.terms(query));
        let mut statistics = Statistics::default();
        statistics += &part.statistics(&terms, dead).unwrap();
        let found = part.search(&Weighted::new(&terms, &statistics, &TextSpec::default()), k, allowed).unwrap();
        micros.push(clock.elapsed().as_secs_f64() * 1e6);
        scored += found.work.postings;
        all += statistics.frequencies.iter().sum::<u64>();
        terms_of_all += terms.len();
    }
    micros.sort_by(f64::total_cmp);
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize];
    let count = queries.len() as u64;
    println!(
        "{name}: p50 {:.0} us, p99 {:.0} us, mean {:.0} us; {} terms a query, {} of {} postings scored",
        at(0.5),
        at(0.99),
        micros.iter().sum::<f64>() / micros.len() as f64,
        terms_of_all / queries.len(),
        scored / count,
        all / count,
    );
}

fn read(path: &Path) -> Vec<String> {
    let lines = BufReader::new(GzDecoder::new(File::open(path).unwrap())).lines();
    let text = |line: String| serde_json::from_str::<Value>(&line).unwrap()["text"].as_str().unwrap().to_owned();
    lines.map(|line| text(line.unwrap())).collect()
}
