//! Vectors alone, without a server: build, effort, recall and speed on real data.
//!
//! `cargo run --release -p nigh-benches --bin ann -- [--threads N] [fashion] [passages]` prints Markdown.
//! One thread asks, one query at a time. A hit counts as right if it is at least as good as the last
//! true neighbour, so that ties do not matter.

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]

use bytes::Bytes;
use clap::Parser;
use flate2::read::GzDecoder;
use half::f16;
use nigh_index::bitmap::Bitmap;
use nigh_index::layout::SectionsWriter;
use nigh_index::params::{Plan, Route, SearchParams, Work};
use nigh_index::query::plan::plan;
use nigh_index::vector::metric::Metric;
use nigh_index::vector::nearest::Nearest;
use nigh_index::vector::sealed::{BuildParams, SealedVectors};
use nigh_index::vector::spec::VectorSpec;
use serde_json::Value;
use std::borrow::Cow;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Neighbours asked for.
const K: usize = 10;

/// A score may be this much below the last true neighbour's: both are sums of floats.
const TIE: f32 = 1e-5;

#[derive(Parser)]
struct Args {
    /// Threads to build with.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Links of a node; twice as many on the base level.
    #[arg(long, default_value_t = 16)]
    m: u32,
    /// Width of the search that builds the graph.
    #[arg(long, default_value_t = 128)]
    ef_construct: u32,
    /// Queries to ask, at most.
    #[arg(long, default_value_t = 1000)]
    queries: usize,
    /// Data sets: fashion, passages.
    #[arg(default_values = ["fashion", "passages"])]
    sets: Vec<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let root = std::env::var_os("NIGH_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    for set in &args.sets {
        match set.as_str() {
            "fashion" => fashion(&root.join("fashion-mnist-784-euclidean"), &args)?,
            "passages" => passages(&root.join("passages"), &args)?,
            other => return Err(format!("no data set is called {other}").into()),
        }
    }
    Ok(())
}

/// A matrix of numbers.
struct Matrix {
    values: Vec<f32>,
    width: usize,
}

impl Matrix {
    fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|err| format!("{}: {err}", path.display()))?;
        let head_bytes = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let head = std::str::from_utf8(&bytes[10..10 + head_bytes])?;
        let body = &bytes[10 + head_bytes..];
        let after = |key: &str| head.split(key).nth(1).ok_or_else(|| format!("{}: no {key}", path.display()));
        let shape = after("'shape': (")?.split(')').next().unwrap_or_default();
        let width = shape.split(',').filter_map(|part| part.trim().parse().ok()).nth(1).unwrap_or(1);
        let values = match after("'descr': '")?.split('\'').next().unwrap_or_default() {
            "|u1" => body.iter().map(|byte| f32::from(*byte)).collect(),
            "<f2" => body.chunks_exact(2).map(|two| f16::from_le_bytes([two[0], two[1]]).to_f32()).collect(),
            "<f4" => body.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect(),
            "<i4" => body.as_chunks().0.iter().map(|four| i32::from_le_bytes(*four) as f32).collect(),
            other => return Err(format!("{}: numbers of type {other}", path.display()).into()),
        };
        Ok(Self { values, width })
    }

    fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..][..self.width]
    }
}

fn fashion(root: &Path, args: &Args) -> Result<()> {
    let (base, queries) = (Matrix::read(&root.join("train.npy"))?, Matrix::read(&root.join("test.npy"))?);
    let distances = Matrix::read(&root.join("distances.npy"))?;
    let floors: Vec<Vec<f32>> =
        (0..queries.rows()).map(|query| vec![-distances.row(query)[K - 1].powi(2); K]).collect();
    let sealed = seal("fashion-mnist, 784 numbers, euclid", &base, Metric::Euclid, args)?;
    sweep(&sealed, &queries, &floors, args);
    Ok(())
}

fn passages(root: &Path, args: &Args) -> Result<()> {
    let (base, queries) = (Matrix::read(&root.join("base.npy"))?, Matrix::read(&root.join("queries.npy"))?);
    let sealed = seal("passages, 384 numbers, cosine", &base, Metric::Cosine, args)?;
    sweep(&sealed, &queries, &floors(&root.join("scores.npy"))?, args);
    let filters: Value = serde_json::from_slice(&fs::read(root.join("filters.json"))?)?;
    let filters = filters.as_array().ok_or("filters.json holds a list")?;
    let lines = BufReader::new(GzDecoder::new(fs::File::open(root.join("base.jsonl.gz"))?)).lines();
    let mut masks: Vec<Vec<u32>> = vec![Vec::new(); filters.len()];
    for (row, line) in lines.enumerate() {
        let passage: Value = serde_json::from_str(&line?)?;
        for (mask, filter) in masks.iter_mut().zip(filters) {
            if matches(&filter["filter"], &passage) {
                mask.push(row as u32);
            }
        }
    }
    println!(
        "\n| filter | matching | considered, µs | plan | ef | recall@10 | complete | µs | p99 µs | coded | full | in vain |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for (mask, filter) in masks.into_iter().zip(filters) {
        let name = filter["name"].as_str().ok_or("a filter has a name")?;
        if Some(mask.len() as u64) != filter["matching"].as_u64() {
            return Err(format!("{name}: {} rows match, not {}", mask.len(), filter["matching"]).into());
        }
        let floors = floors(&root.join(format!("filter_{name}_scores.npy")))?;
        filtered(&sealed, &queries, &floors, name, &Bitmap::from_rows(mask), args);
    }
    Ok(())
}

/// The scores that hits have to reach, for each query; as many as there are true neighbours.
fn floors(path: &Path) -> Result<Vec<Vec<f32>>> {
    let scores = Matrix::read(path)?;
    let floors = (0..scores.rows()).map(|query| {
        let there: Vec<f32> = scores.row(query)[..K].iter().copied().filter(|score| *score > -1.5).collect();
        vec![there.last().copied().unwrap_or(f32::INFINITY); there.len()]
    });
    Ok(floors.collect())
}

/// Whether a passage matches, computed as plainly as can be.
fn matches(filter: &Value, passage: &Value) -> bool {
    let clauses = |key: &str| filter[key].as_array().map_or(&[][..], Vec::as_slice);
    clauses("must").iter().all(|clause| holds(clause, passage))
        && (clauses("should").is_empty() || clauses("should").iter().any(|clause| holds(clause, passage)))
        && !clauses("must_not").iter().any(|clause| holds(clause, passage))
}

fn holds(clause: &Value, passage: &Value) -> bool {
    let value = &passage[clause["field"].as_str().unwrap_or_default()];
    if let Some(missing) = clause["missing"].as_bool() {
        return value.is_null() == missing;
    }
    let number = value.as_f64();
    let within = |key: &str, fits: fn(f64, f64) -> bool| {
        clause[key].as_f64().is_none_or(|limit| number.is_some_and(|number| fits(number, limit)))
    };
    let one_of = |values: &Value| values.as_array().is_some_and(|values| values.contains(value));
    !value.is_null()
        && (clause["eq"].is_null() || *value == clause["eq"])
        && (clause["in"].is_null() || one_of(&clause["in"]))
        && (clause["contains"].is_null() || value.as_array().is_some_and(|list| list.contains(&clause["contains"])))
        && within("gte", |number, limit| number >= limit)
        && within("gt", |number, limit| number > limit)
        && within("lte", |number, limit| number <= limit)
        && within("lt", |number, limit| number < limit)
}

fn seal(title: &str, base: &Matrix, metric: Metric, args: &Args) -> Result<SealedVectors> {
    let (rows, stop) = (base.rows() as u32, AtomicBool::new(false));
    let mut spec = VectorSpec::new(base.width as u32, metric);
    (spec.hnsw.m, spec.hnsw.ef_construct) = (args.m, args.ef_construct);
    let mut out = SectionsWriter::new(Vec::new());
    SealedVectors::write_full(&spec, rows, &mut |row| Some(Cow::Borrowed(base.row(row.at()))), &mut out)?;
    let full = Bytes::from(out.finish()?);
    let start = Instant::now();
    let how = BuildParams { threads: args.threads, stop: &stop };
    let built = SealedVectors::build(&spec, rows, &full, &how)?.ok_or("nobody stopped the build")?;
    let build_seconds = start.elapsed().as_secs_f64();
    let per_row = |bytes: usize| bytes as f64 / f64::from(rows);
    println!("\n## {title}, {rows} rows; m {}, ef_construct {}\n", args.m, args.ef_construct);
    println!(
        "Built in {build_seconds:.1} s on {} threads. Bytes a vector: full {:.0}, codes {:.0}, route {:.0}.",
        args.threads,
        per_row(full.len()),
        per_row(built.codes.len()),
        per_row(built.route.len())
    );
    let start = Instant::now();
    let sealed = SealedVectors::open(&spec, rows, full, built.codes.into(), built.route.into())?;
    println!(
        "Opened in {:.0} ms. Calibrated: {:?}.\n",
        start.elapsed().as_secs_f64() * 1e3,
        sealed.outline().calibrated
    );
    Ok(sealed)
}

/// What a run of queries came to.
struct Run {
    recall: f64,
    complete: usize,
    micros: Vec<f64>,
    work: Work,
    routes: Vec<Route>,
    asked: usize,
}

impl Run {
    fn micros_at(&self, share: f64) -> f64 {
        let mut sorted = self.micros.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * share) as usize]
    }

    fn each(&self, count: u64) -> f64 {
        count as f64 / self.asked as f64
    }
}

fn run(
    sealed: &SealedVectors,
    queries: &Matrix,
    floors: &[Vec<f32>],
    allowed: Option<&Bitmap>,
    plan: &Plan,
    args: &Args,
) -> Run {
    let asked = queries.rows().min(args.queries);
    let (mut right, mut wanted) = (0, 0);
    let mut run =
        Run { recall: 0.0, complete: 0, micros: Vec::new(), work: Work::default(), routes: Vec::new(), asked };
    for (query, floors) in floors.iter().take(asked).enumerate() {
        let start = Instant::now();
        let found = sealed.search(queries.row(query), K, allowed, plan);
        run.micros.push(start.elapsed().as_secs_f64() * 1e6);
        right += found
            .hits
            .iter()
            .zip(floors)
            .filter(|(hit, floor)| {
                hit.score >= **floor - TIE * floor.abs().max(1.0) && allowed.is_none_or(|allowed| allowed.has(hit.row))
            })
            .count();
        run.complete += usize::from(found.hits.len() == floors.len());
        wanted += floors.len();
        run.work += found.work;
        run.routes.push(found.route);
    }
    run.recall = right as f64 / wanted as f64;
    run
}

fn sweep(sealed: &SealedVectors, queries: &Matrix, floors: &[Vec<f32>], args: &Args) {
    println!(
        "| plan | ef | recall@10 | QPS (median) | p99 µs | coded | full | expanded |\n|---|---|---|---|---|---|---|---|"
    );
    let rows = sealed.outline().rows;
    let default = plan(&sealed.outline(), rows, K, &SearchParams::default());
    let efforts = [12, 16, 24, 32, 48, 64, 80, 96, 128, 192, 256, 512];
    let plans = efforts.map(|ef| ("", Plan { route: Route::Graph, ef, considered: Vec::new() }));
    let exact = Plan { route: Route::Exact, ef: 0, considered: Vec::new() };
    for (name, plan) in plans.into_iter().chain([("default: ", default), ("", exact)]) {
        let run = run(sealed, queries, floors, None, &plan, args);
        println!(
            "| {name}{} | {} | {:.4} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} |",
            plan.route.name(),
            plan.ef,
            run.recall,
            1e6 / run.micros_at(0.5),
            run.micros_at(0.99),
            run.each(run.work.distances_coded),
            run.each(run.work.distances_full),
            run.each(run.work.expanded)
        );
    }
}

fn filtered(sealed: &SealedVectors, queries: &Matrix, floors: &[Vec<f32>], name: &str, mask: &Bitmap, args: &Args) {
    let planned = plan(&sealed.outline(), mask.len(), K, &SearchParams::default());
    let considered: Vec<String> =
        planned.considered.iter().map(|(route, cost)| format!("{} {cost:.0}", route.name())).collect();
    let ef = plan(&sealed.outline(), sealed.outline().rows, K, &SearchParams::default()).ef;
    let all = [(Route::Exact, 0), (Route::Graph, ef), (Route::GraphFiltered, 2 * ef)];
    let by = |(route, ef)| Plan { route, ef, considered: Vec::new() };
    for (chosen, plan) in std::iter::once((true, planned.clone())).chain(all.map(|route| (false, by(route)))) {
        let run = run(sealed, queries, floors, Some(mask), &plan, args);
        println!(
            "| {name} | {} | {} | {}{} | {} | {:.4} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {} |",
            mask.len(),
            if chosen { considered.join(", ") } else { String::new() },
            if chosen { "default: " } else { "" },
            plan.route.name(),
            plan.ef,
            run.recall,
            run.complete,
            run.micros_at(0.5),
            run.micros_at(0.99),
            run.each(run.work.distances_coded),
            run.each(run.work.distances_full),
            run.routes.iter().filter(|route| **route != plan.route).count()
        );
    }
}
