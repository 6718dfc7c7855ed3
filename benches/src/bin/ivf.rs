//! Inverted lists without a server: build, memory, and recall against speed over lists scanned and vectors
//! compared in full.
//!
//! `cargo run --release -p nigh-benches --bin ivf -- [--lists N] [--code pq4] [fashion] [passages]` prints
//! Markdown. One thread asks, one query at a time; its own processor time is measured, the median of some
//! rounds. A hit counts as right if it is at least as good as the last true neighbour.

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]

use bytes::Bytes;
use clap::Parser;
use half::f16;
use nigh_index::layout::SectionsWriter;
use nigh_index::params::{Plan, Route, Work};
use nigh_index::vector::metric::Metric;
use nigh_index::vector::nearest::Nearest;
use nigh_index::vector::sealed::{BuildParams, SealedVectors};
use nigh_index::vector::spec::{IvfCode, IvfSpec, VectorSpec};
use rustix::time::{ClockId, clock_gettime};
use std::borrow::Cow;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Neighbours asked for.
const K: usize = 10;

/// A score may be this much below the last true neighbour's: both are sums of floats.
const TIE: f32 = 1e-5;

/// The recalls that are told on their own.
const RECALLS: [f64; 4] = [0.90, 0.95, 0.99, 0.999];

#[derive(Parser)]
struct Args {
    /// Threads to build with.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Lists; several are tried one after another, 0 is the default.
    #[arg(long, value_delimiter = ',', default_value = "0")]
    lists: Vec<u32>,
    /// What a list holds of a vector.
    #[arg(long, value_delimiter = ',', default_value = "pq4")]
    code: Vec<String>,
    /// Vectors compared in full for each hit asked for.
    #[arg(long, value_delimiter = ',', default_value = "2,3,4,8")]
    rerank: Vec<u32>,
    /// Lists scanned.
    #[arg(long, value_delimiter = ',', default_value = "1,2,3,4,6,8,10,12,16,20,24,32,48,64,96,128")]
    nprobe: Vec<u32>,
    /// Memory for the build, in MiB.
    #[arg(long, default_value_t = 256)]
    budget_mib: u64,
    /// Queries to ask, at most.
    #[arg(long, default_value_t = 2000)]
    queries: usize,
    /// Rounds; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Print the best setting for each recall alone.
    #[arg(long)]
    best: bool,
    /// Data sets: fashion, passages.
    #[arg(default_values = ["fashion", "passages"])]
    sets: Vec<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let root = std::env::var_os("NIGH_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    for set in &args.sets {
        let (title, folder, names, metric) = match set.as_str() {
            "fashion" => {
                let names = ["train.npy", "test.npy", "distances.npy"];
                ("fashion-mnist, 784 numbers, euclid", "fashion-mnist-784-euclidean", names, Metric::Euclid)
            }
            "passages" => {
                ("passages, 384 numbers, cosine", "passages", ["base.npy", "queries.npy", "scores.npy"], Metric::Cosine)
            }
            other => return Err(format!("no data set is called {other}").into()),
        };
        let [base, queries, truth] = names.map(|name| Matrix::read(&root.join(folder).join(name)));
        let (queries, truth) = (queries?, truth?);
        let floor = |query: usize| truth.row(query)[K - 1];
        let floors: Vec<f32> = (0..queries.rows())
            .map(|query| if metric == Metric::Euclid { -floor(query).powi(2) } else { floor(query) })
            .collect();
        for code in &args.code {
            let code = IvfCode::parse(code).ok_or_else(|| format!("no code is called {code}"))?;
            for lists in &args.lists {
                let ivf = IvfSpec { lists: *lists, code, rerank: 0 };
                measure(title, base.as_ref().map_err(ToString::to_string)?, metric, ivf, (&queries, &floors), &args)?;
            }
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

/// Seconds of processor time of this thread.
fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// One setting: lists scanned and vectors compared in full, and what it came to.
struct Setting {
    nprobe: u32,
    rerank: u32,
    recall: f64,
    qps: f64,
    work: Work,
}

fn measure(
    title: &str,
    base: &Matrix,
    metric: Metric,
    ivf: IvfSpec,
    (queries, floors): (&Matrix, &[f32]),
    args: &Args,
) -> Result<()> {
    let (rows, stop) = (base.rows() as u32, AtomicBool::new(false));
    let spec = |rerank| {
        let ivf = IvfSpec { rerank, ..ivf };
        VectorSpec { ivf: Some(ivf), ..VectorSpec::new(base.width as u32, metric) }
    };
    let mut out = SectionsWriter::new(Vec::new());
    SealedVectors::write_full(&spec(0), rows, &mut |row| Some(Cow::Borrowed(base.row(row.at()))), &mut out)?;
    let full = Bytes::from(out.finish()?);
    let start = Instant::now();
    let how = BuildParams { budget_bytes: args.budget_mib << 20, ..BuildParams::new(args.threads, &stop) };
    let built = SealedVectors::build(&spec(0), rows, &full, &how)?.ok_or("nobody stopped the build")?;
    let build_seconds = start.elapsed().as_secs_f64();
    let (codes, route) = (Bytes::from(built.codes), Bytes::from(built.route));
    let open = |rerank| SealedVectors::open(&spec(rerank), rows, full.clone(), codes.clone(), route.clone());
    let opened = open(0)?;
    let per_row = |bytes: u64| bytes as f64 / f64::from(rows);
    println!(
        "\n## {title}, {rows} rows; {} lists of {}\n",
        opened.outline().lists.map_or(0, |lists| lists.lists),
        ivf.code.name()
    );
    println!(
        "Built in {build_seconds:.2} s on {} threads. Bytes a vector: codes {:.0}, lists {:.0}, in memory {:.0}.\n",
        args.threads,
        per_row(codes.len() as u64),
        per_row(route.len() as u64),
        per_row(opened.resident_bytes())
    );
    drop(opened);
    let mut settings = Vec::new();
    for rerank in &args.rerank {
        let sealed = open(*rerank)?;
        for nprobe in &args.nprobe {
            settings.push(run(&sealed, queries, floors, (*nprobe, *rerank), args));
            if settings.last().is_some_and(|setting| setting.recall > 0.9999) {
                break;
            }
        }
    }
    print(&settings, queries.rows().min(args.queries), args.best);
    Ok(())
}

fn run(sealed: &SealedVectors, queries: &Matrix, floors: &[f32], (nprobe, rerank): (u32, u32), args: &Args) -> Setting {
    let asked = queries.rows().min(args.queries);
    let plan = Plan::by(Route::Ivf, nprobe);
    let (mut right, mut work, mut seconds) = (0, Work::default(), Vec::new());
    for _ in 0..args.rounds.max(1) {
        (right, work) = (0, Work::default());
        let start = cpu_seconds();
        for (query, floor) in floors.iter().take(asked).enumerate() {
            let found = sealed.search(queries.row(query), K, None, &plan);
            right += found.hits.iter().filter(|hit| hit.score >= floor - TIE * floor.abs().max(1.0)).count();
            work += found.work;
        }
        seconds.push(cpu_seconds() - start);
    }
    seconds.sort_by(f64::total_cmp);
    let qps = asked as f64 / seconds[seconds.len() / 2];
    Setting { nprobe, rerank, recall: right as f64 / (asked * K) as f64, qps, work }
}

fn print(settings: &[Setting], asked: usize, best: bool) {
    let each = |count: u64| count as f64 / asked as f64;
    let line = |setting: &Setting| {
        let Setting { nprobe, rerank, recall, qps, work } = setting;
        let (coded, full) = (each(work.distances_coded), each(work.distances_full));
        format!("{nprobe} | {rerank} | {recall:.4} | {qps:.0} | {coded:.0} | {full:.0} |")
    };
    if !best {
        println!("| lists scanned | in full for a hit | recall@10 | QPS | coded | full |\n|---|---|---|---|---|---|");
        settings.iter().for_each(|setting| println!("| {}", line(setting)));
        println!();
    }
    println!("| recall@10 at least | lists scanned | in full for a hit | recall@10 | QPS | coded | full |");
    println!("|---|---|---|---|---|---|---|");
    for recall in RECALLS {
        let reached = settings.iter().filter(|setting| setting.recall >= recall);
        if let Some(fastest) = reached.max_by(|a, b| a.qps.total_cmp(&b.qps)) {
            println!("| {recall} | {}", line(fastest));
        }
    }
}
