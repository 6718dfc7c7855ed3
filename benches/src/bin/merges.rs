//! What merging costs: parts whose graphs are gone on from, and the same rows built anew, in turns.
//!
//! ```text
//! cargo run --release -p nigh-benches --bin merges -- [--threads 2] [--rounds 3] [fashion] [passages]
//! ```
//!
//! prints Markdown. Both times are of everything that a merge does beside writing files: projection, codes, links,
//! calibration. Recall is counted against an exact search of the merged part.

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]

use bytes::Bytes;
use clap::Parser;
use nigh_benches::build::Choice;
use nigh_benches::clock::{Whose, timed};
use nigh_benches::data::{K, Set};
use nigh_benches::error::Result;
use nigh_benches::measure::{by, median};
use nigh_index::layout::SectionsWriter;
use nigh_index::params::Route;
use nigh_index::row::Row;
use nigh_index::vector::nearest::Nearest;
use nigh_index::vector::sealed::{BuildParams, Built, Extended, SealedVectors};
use nigh_index::vector::spec::VectorSpec;
use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

/// The efforts at which recall is compared.
const EFFORTS: [u32; 3] = [32, 64, 128];

/// Where the rows come from, as shares of all of them, and how many of ten are dead.
const CASES: [(&str, &[f64], usize); 4] = [
    ("two halves", &[0.5, 0.5], 0),
    ("one part, three rows of ten deleted", &[1.0], 3),
    ("four fifths and one fifth, one row of ten deleted", &[0.8, 0.2], 1),
    ("eight parts alike", &[0.125; 8], 0),
];

#[derive(Parser)]
struct Args {
    /// Threads to build with.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// How often each is built.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Queries that recall is counted over.
    #[arg(long, default_value_t = 1000)]
    queries: usize,
    /// Data sets: fashion, passages.
    #[arg(default_values = ["fashion", "passages"])]
    sets: Vec<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    println!("| rows | anew, s | going on, s | share | recall@{K} at ef {EFFORTS:?}: anew | going on |");
    println!("|---|---|---|---|---|---|");
    for name in &args.sets {
        let set = Set::read(name)?;
        for case in &CASES {
            measure(&set, case, &args)?;
        }
    }
    Ok(())
}

fn measure(set: &Set, (name, shares, dead): &(&str, &[f64], usize), args: &Args) -> Result<()> {
    let (spec, stop) = (Choice::default().spec(set)?, AtomicBool::new(false));
    let how = BuildParams::new(args.threads, &stop);
    let (mut start, mut parts, mut kept) = (0, Vec::new(), Vec::new());
    for share in *shares {
        let rows = (set.base.rows() as f64 * share) as usize;
        let all: Vec<usize> = (start..start + rows).collect();
        let full = full(set, &spec, &all)?;
        let built = SealedVectors::build(&spec, rows as u32, &full, &how)?.ok_or("nobody stopped the build")?;
        parts.push(open(&spec, rows, &full, built)?);
        // A multiplier that shares no factor with ten takes its rows from everywhere.
        kept.push((0..rows).filter(|row| row * 7_919 / 13 % 10 >= *dead).collect::<Vec<_>>());
        start += rows;
    }
    let mut first = 0;
    let mut merged = Vec::new();
    for (part, kept) in parts.iter().zip(&kept) {
        merged.extend(kept.iter().map(|row| first + row));
        first += part.outline().rows as usize;
    }
    let rows: Vec<Vec<Row>> = kept.iter().map(|kept| kept.iter().map(|row| Row(*row as u32)).collect()).collect();
    let from: Vec<Extended<'_>> =
        parts.iter().zip(&rows).map(|(part, rows)| Extended { part: Some(part), rows }).collect();
    let full = full(set, &spec, &merged)?;
    let (mut anew, mut going_on) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        for (from, made) in [(&[][..], &mut anew), (&from, &mut going_on)] {
            let build = || SealedVectors::extend(&spec, merged.len() as u32, &full, from, &how);
            let (built, took) = timed(Whose::Process, build);
            made.push((took.seconds, built?.ok_or("nobody stopped the build")?));
        }
    }
    let seconds = |made: &[(f64, Built)]| median(made.iter().map(|one| one.0));
    let (fresh, extended) = (seconds(&anew), seconds(&going_on));
    let mut recalls = Vec::new();
    for made in [anew, going_on] {
        let (_, built) = made.into_iter().next().ok_or("no round")?;
        recalls.push(recall(set, &open(&spec, merged.len(), &full, built)?, args.queries));
    }
    let (title, share) = (set.title, extended / fresh);
    println!("| {title}: {name} | {fresh:.2} | {extended:.2} | {share:.2} | {} | {} |", recalls[0], recalls[1]);
    Ok(())
}

fn full(set: &Set, spec: &VectorSpec, rows: &[usize]) -> Result<Bytes> {
    let mut out = SectionsWriter::new(Vec::new());
    let vector = |row: Row| Some(Cow::Borrowed(set.base.row(rows[row.at()])));
    SealedVectors::write_full(spec, rows.len() as u32, &mut { vector }, &mut out)?;
    Ok(out.finish()?.into())
}

fn open(spec: &VectorSpec, rows: usize, full: &Bytes, built: Built) -> Result<SealedVectors> {
    Ok(SealedVectors::open(spec, rows as u32, full.clone(), built.codes.into(), built.route.into())?)
}

/// Hits that reach the last of an exact search, at each of [`EFFORTS`].
fn recall(set: &Set, part: &SealedVectors, queries: usize) -> String {
    let queries = queries.min(set.queries.rows());
    let search = |query: usize, route, ef| part.search(set.queries.row(query), K, None, &by(route, ef)).hits;
    let floors: Vec<f32> =
        (0..queries).map(|query| search(query, Route::Exact, 0).last().map_or(0.0, |hit| hit.score)).collect();
    let at = |ef: u32| {
        let right = |(query, floor): (usize, &f32)| {
            search(query, Route::Graph, ef).iter().filter(|hit| hit.score >= *floor).count().min(K)
        };
        let right: usize = floors.iter().enumerate().map(right).sum();
        format!("{:.4}", right as f64 / (queries * K) as f64)
    };
    EFFORTS.map(at).join(", ")
}
