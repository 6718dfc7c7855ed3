//! A collection of any size made of the 100,000 passages: what loading it takes, and how soon it serves again.
//!
//! ```text
//! cargo build --release -p nigh-server -p nigh-benches
//! target/release/load --points 1000000 [--memory-limit 4096]
//! ```
//!
//! The server is the program that users start, beside this one. Point `i` has the payload of passage `i % 100,000` and its
//! vector; from the second round on the vector is moved a little, always in the same way, and has length 1 again. Prints
//! Markdown: speed, memory stage by stage, and the time from the start of a new process on the same files to its first
//! correct answer.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench stops where something is wrong, and prints")]

use clap::Parser;
use hdrhistogram::Histogram;
use nigh_benches::memory::{Sampler, markdown};
use nigh_client::point::Wanted;
use nigh_client::{Client, Point, Query};
use nigh_tests::data::{self, Table};
use nigh_tests::oracle::dot;
use nigh_tests::server::Child;
use nigh_tests::{import, passages, process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const COLLECTION: &str = "passages";
const K: usize = 10;
/// How far a copy is moved, for a vector of length 1.
const MOVED: f32 = 0.2;

#[derive(Parser)]
struct Args {
    /// The folder that has `passages/`; else NIGH_DATA, else ../shared/data.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Points of the collection.
    #[arg(long, default_value_t = 100_000)]
    points: usize,
    /// Points of a batch.
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Clients that write side by side.
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// The server's program; else the one beside this one.
    #[arg(long)]
    server: Option<PathBuf>,
    /// MiB that the server may hold.
    #[arg(long)]
    memory_limit: Option<String>,
    /// Where the data is kept, and left; else a folder that is removed.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Only start on what `--folder` has already.
    #[arg(long, requires = "folder")]
    reopen: bool,
    /// Queries whose answers are compared with a scan of all points.
    #[arg(long, default_value_t = 20)]
    checked: usize,
}

struct Set {
    vectors: Table<f32>,
    payloads: Vec<Value>,
    queries: Table<f32>,
    points: usize,
}

impl Set {
    fn read(args: &Args) -> Self {
        let folder = match &args.data {
            Some(data) => data.join("passages"),
            None => data::shared("passages").expect("the passages are needed: give --data"),
        };
        let rows = args.points.min(100_000);
        Self {
            vectors: data::floats(&folder.join("base.npy"), rows),
            payloads: data::objects(&folder.join("base.jsonl.gz"), rows),
            queries: data::floats(&folder.join("queries.npy"), 1_000),
            points: args.points,
        }
    }

    fn vector(&self, point: usize) -> Vec<f32> {
        let mut vector = self.vectors.row(point % self.vectors.rows()).to_vec();
        if point >= self.vectors.rows() {
            let mut state = (point as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            // A number of a spread of 1/3 for each, so that all of them together are `MOVED` long.
            let step = MOVED * (3.0 / vector.len() as f32).sqrt();
            for value in &mut vector {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *value += step * ((state >> 40) as f32 / (1 << 23) as f32 - 1.0);
            }
            let length = dot(&vector, &vector).sqrt();
            vector.iter_mut().for_each(|value| *value /= length);
        }
        vector
    }

    fn point(&self, at: usize) -> Point {
        let payload = self.payloads[at % self.payloads.len()].clone();
        Point::new(at as u64).vector(passages::VECTOR, self.vector(at)).payload(payload)
    }

    /// The nearest points of the first queries, with their scores.
    fn truth(&self, queries: usize) -> Vec<Vec<(f32, u64)>> {
        let mut best: Vec<Vec<(f32, u64)>> = vec![Vec::new(); queries.min(self.queries.rows())];
        for point in 0..self.points {
            let vector = self.vector(point);
            for (query, best) in self.queries.iter().zip(&mut best) {
                best.push((dot(query, &vector), point as u64));
                if best.len() >= 1024 {
                    nearest(best);
                }
            }
        }
        best.iter_mut().for_each(nearest);
        best
    }
}

fn nearest(best: &mut Vec<(f32, u64)>) {
    best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    best.truncate(K);
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let set = Arc::new(Set::read(&args));
    let temporary = tempfile::tempdir().unwrap();
    let folder = args.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    println!("{} points of {} numbers, batches of {}\n", args.points, set.vectors.columns, args.batch);
    if !args.reopen {
        let server = start(&args, &folder);
        load(&server, &args, &set).await;
        stop(server).await;
    }
    let truth = set.truth(args.checked);
    reopen(&args, &folder, &set, &truth).await;
}

fn start(args: &Args, folder: &Path) -> Child {
    let beside = || std::env::current_exe().unwrap().with_file_name("nigh");
    let program = args.server.clone().unwrap_or_else(beside);
    let limit = args.memory_limit.iter().flat_map(|limit| ["--memory-limit".to_owned(), limit.clone()]);
    Child::start_program(&program, folder, &limit.collect::<Vec<_>>(), &[])
}

/// A moment for the log, then the end.
async fn stop(server: Child) {
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.kill();
}

async fn load(server: &Child, args: &Args, set: &Arc<Set>) {
    let client = Client::connect(&server.url).await.unwrap();
    client.create_collection(COLLECTION, passages::spec(set.vectors.columns)).await.unwrap();
    let sampler = Sampler::start(server.pid(), "ingest");
    let (next, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (begin, own_cpu) = (Instant::now(), process::cpu_seconds(std::process::id()));
    let mut writers = Vec::new();
    for _ in 0..args.clients {
        let (set, next, refused, batch) = (set.clone(), next.clone(), refused.clone(), args.batch);
        let client = Client::connect(&server.url).await.unwrap();
        writers.push(tokio::spawn(async move {
            let mut acks = Histogram::<u64>::new(3).unwrap();
            loop {
                let first = next.fetch_add(batch, SeqCst);
                let points: Vec<Point> = (first..set.points.min(first + batch)).map(|at| set.point(at)).collect();
                if points.is_empty() {
                    return acks;
                }
                let sent = Instant::now();
                // Where memory is short the server says so: whoever loads waits, and sends the batch again.
                while let Err(err) = client.upsert(COLLECTION, points.clone()).await {
                    let wait = err.retry_after().unwrap_or_else(|| panic!("{err}"));
                    refused.fetch_add(1, SeqCst);
                    tokio::time::sleep(wait).await;
                }
                acks.record(sent.elapsed().as_micros() as u64).unwrap();
            }
        }));
    }
    let mut acks = Histogram::<u64>::new(3).unwrap();
    for writer in writers {
        acks.add(writer.await.unwrap()).unwrap();
    }
    let imported = begin.elapsed();
    let own_cpu = process::cpu_seconds(std::process::id()) - own_cpu;
    let (mut quiet, mut indexed) = (0, imported);
    while quiet < 50 {
        let status = client.describe_collection(COLLECTION).await.unwrap().status;
        sampler.stage(&status.upkeep);
        if status.upkeep == "idle" {
            quiet += 1;
        } else {
            (quiet, indexed) = (0, begin.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let status = client.describe_collection(COLLECTION).await.unwrap().status;
    assert_eq!(status.points, args.points as u64);
    let ms = |quantile: f64| acks.value_at_quantile(quantile) as f64 / 1000.0;
    let rate = args.points as f64 / imported.as_secs_f64();
    println!("| {} clients, every batch acknowledged after a sync | |\n|---|---|", args.clients);
    println!("| points a second, until the last acknowledgement | {rate:.0} |");
    println!("| batches sent again, because memory was short | {} |", refused.load(SeqCst));
    println!("| acknowledgement of a batch, p50 / p99 / most | {:.1} / {:.1} / {:.1} ms |", ms(0.5), ms(0.99), ms(1.0));
    println!(
        "| seconds from the last acknowledgement until upkeep is idle | {:.1} |",
        (indexed - imported).as_secs_f64()
    );
    println!("| CPU seconds of the clients | {own_cpu:.1} |");
    println!("| segments, and rows that stay live | {}, {} |", status.segments.len(), status.live_rows);
    println!("| bytes on disk | {} |", process::folder_bytes(server.folder()));
    println!(
        "| most resident, by the system's count | {} MB |\n",
        process::resident_bytes(server.pid()).peak / 1_000_000
    );
    println!("{}", markdown(&sampler.stages()));
}

async fn reopen(args: &Args, folder: &Path, set: &Set, truth: &[Vec<(f32, u64)>]) {
    let begin = Instant::now();
    let server = start(args, folder);
    let listens = begin.elapsed();
    let sampler = Sampler::start(server.pid(), "until the first answer");
    let client = Client::connect(&server.url).await.unwrap();
    let ask = |at: usize| Query::dense(passages::VECTOR, set.queries.row(at)).limit(K as u32).payload(Wanted::Nothing);
    let first = loop {
        match client.query(COLLECTION, ask(0)).await {
            Ok(reply) => break reply,
            Err(err) if begin.elapsed() > Duration::from_secs(600) => panic!("{err}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    };
    let answers = begin.elapsed();
    let nearest = import::number(first.hits[0].id);
    assert_eq!(nearest, truth[0][0].1, "the first answer is wrong");
    sampler.stage("1,000 queries");
    let (mut right, mut wanted, mut took) = (0, 0, Histogram::<u64>::new(3).unwrap());
    for at in 0..set.queries.rows() {
        let sent = Instant::now();
        let reply = client.query(COLLECTION, ask(at)).await.unwrap();
        took.record(sent.elapsed().as_micros() as u64).unwrap();
        if let Some(truth) = truth.get(at) {
            // Equal scores may stand in any order, and ours are rounded otherwise.
            let least = truth[truth.len() - 1].0 - 1e-5;
            right += reply.hits.iter().filter(|hit| hit.score >= least).count().min(truth.len());
            wanted += truth.len();
        }
    }
    let ms = |quantile: f64| took.value_at_quantile(quantile) as f64 / 1000.0;
    println!("| a new process on the same files | |\n|---|---|");
    println!("| listens after | {:.0} ms |", listens.as_secs_f64() * 1e3);
    println!("| first answer, correct, after | {:.0} ms |", answers.as_secs_f64() * 1e3);
    println!("| then a dense query, p50 / p99 | {:.2} / {:.2} ms |", ms(0.5), ms(0.99));
    println!("| recall@10 of {} queries | {:.4} |\n", truth.len(), right as f64 / wanted.max(1) as f64);
    println!("{}", markdown(&sampler.stages()));
    server.kill();
}
