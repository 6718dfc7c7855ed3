//! What endless updates come to: latency while points are written and merged, then a million updates over 100,000 points
//! against a fresh load of the same: bytes on disk, recall, latency.
//!
//! ```text
//! cargo run --release -p nigh-benches --bin churn [-- --updates 1000000]
//! ```
//!
//! A server process of its own, default settings, durable acknowledgements, gRPC on loopback. Prints Markdown.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench stops where something is wrong, and prints")]

use clap::Parser;
use hdrhistogram::Histogram;
use nigh_client::point::Wanted;
use nigh_client::{Client, Point, Query};
use nigh_tests::data::{self, Table};
use nigh_tests::oracle::recall;
use nigh_tests::server::{Child, Tuning, serve_if_child};
use nigh_tests::{import, passages, process};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

const BATCH: u64 = 256;
const ROWS: u64 = 100_000;
/// Quieter than this for this long, and upkeep has done what it puts off.
const QUIET: Duration = Duration::from_secs(70);

#[derive(Parser)]
struct Args {
    /// Updates over the 100,000 points.
    #[arg(long, default_value_t = 1_000_000)]
    updates: u64,
    /// Clients that write.
    #[arg(long, default_value_t = 4)]
    clients: u64,
    /// Only the latency while points are written.
    #[arg(long)]
    latency: bool,
    /// Points a second that are written meanwhile; without it as many as the clients can.
    #[arg(long)]
    pace: Option<u64>,
}

struct Set {
    vectors: Table<f32>,
    payloads: Vec<Value>,
    queries: Table<f32>,
    truth: Vec<Vec<u64>>,
}

#[tokio::main]
async fn main() {
    serve_if_child().await;
    let args = Args::parse();
    let folder = data::shared("passages").expect("the passages are needed: set NIGH_DATA");
    let ten = |row: &[i32]| row[..10].iter().map(|id| *id as u64).collect();
    let set = Arc::new(Set {
        vectors: data::floats(&folder.join("base.npy"), ROWS as usize),
        payloads: data::objects(&folder.join("base.jsonl.gz"), ROWS as usize),
        queries: data::floats(&folder.join("queries.npy"), 1000),
        truth: data::integers(&folder.join("neighbors.npy")).iter().take(1000).map(ten).collect(),
    });
    let home = tempfile::tempdir().unwrap();
    let server = Child::start_in(home.path(), &Tuning::default()).await;
    let client = Client::connect(&server.url).await.unwrap();
    for name in ["fresh", "churned"] {
        client.create_collection(name, passages::spec(set.vectors.columns)).await.unwrap();
        write(&server, &set, name, (args.clients, None), 0..ROWS, |at| at).await;
    }
    if !args.latency {
        settled(&client, "fresh").await;
    }
    settled(&client, "churned").await;
    while_writing(&server, &client, &set, &args).await;
    if !args.latency {
        updates(&server, &client, &set, &args).await;
    }
    server.kill();
}

/// The point that the operation of this number writes, of `many` points in all.
fn point(set: &Set, id: u64) -> Point {
    let row = (id % ROWS) as usize;
    Point::new(id).vector(passages::VECTOR, set.vectors.row(row)).payload(set.payloads[row].clone())
}

/// Writes by some clients, batch by batch, so many points a second or as many as they can; `id` tells whom an operation
/// writes.
async fn write(
    server: &Child,
    set: &Arc<Set>,
    name: &'static str,
    (clients, pace): (u64, Option<u64>),
    ops: std::ops::Range<u64>,
    id: impl Fn(u64) -> u64 + Copy + Send + 'static,
) -> Duration {
    let next = Arc::new(AtomicU64::new(ops.start));
    let start = Instant::now();
    let mut writers = Vec::new();
    for _ in 0..clients {
        let (set, next, from, end) = (set.clone(), next.clone(), ops.start, ops.end);
        let client = Client::connect(&server.url).await.unwrap();
        writers.push(tokio::spawn(async move {
            loop {
                let first = next.fetch_add(BATCH, SeqCst);
                if first >= end {
                    return;
                }
                if let Some(pace) = pace {
                    let due = start + Duration::from_secs_f64((first - from) as f64 / pace as f64);
                    tokio::time::sleep_until(due.into()).await;
                }
                let points: Vec<Point> = (first..end.min(first + BATCH)).map(|op| point(&set, id(op))).collect();
                client.upsert(name, points).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    start.elapsed()
}

/// Waits until upkeep has done all that it wants to.
async fn settled(client: &Client, name: &str) {
    let mut since = Instant::now();
    while since.elapsed() < QUIET {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let status = client.describe_collection(name).await.unwrap().status;
        if status.upkeep != "idle" {
            since = Instant::now();
        } else if status.segments.len() == 1 && status.segments[0].dead_rows * 50 <= status.segments[0].rows {
            return;
        }
    }
}

async fn ask(client: &Client, set: &Set, name: &str, at: usize) -> (Vec<u64>, u64) {
    let query = Query::dense(passages::VECTOR, set.queries.row(at)).limit(10).payload(Wanted::Nothing);
    let sent = Instant::now();
    let reply = client.query(name, query).await.unwrap();
    let took = sent.elapsed().as_micros() as u64;
    (reply.hits.iter().map(|hit| import::number(hit.id)).collect(), took)
}

/// Asks every query once: latencies, and the recall.
async fn round(client: &Client, set: &Set, name: &str) -> (Histogram<u64>, f64) {
    let mut took = Histogram::<u64>::new(3).unwrap();
    let mut sum = 0.0;
    for (at, truth) in set.truth.iter().enumerate() {
        let (found, us) = ask(client, set, name, at).await;
        took.record(us).unwrap();
        sum += recall(&found, truth);
    }
    (took, sum / set.truth.len() as f64)
}

async fn while_writing(server: &Child, client: &Client, set: &Arc<Set>, args: &Args) {
    let mut idle = Histogram::<u64>::new(3).unwrap();
    for _ in 0..5 {
        idle.add(round(client, set, "churned").await.0).unwrap();
    }
    println!(
        "| dense queries, one client | queries | p50 ms | p99 ms | p99.9 ms | p99 to idle |\n|---|---|---|---|---|---|"
    );
    row("idle", &idle, &idle);
    let over = Arc::new(AtomicBool::new(false));
    // On a thread of its own, so that a query does not wait for what the writers do in this process.
    let asking = {
        let (over, set, url) = (over.clone(), set.clone(), server.url.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ask_all = async move {
            let client = Client::connect(&url).await.unwrap();
            let (mut writing, mut merging) = (Histogram::<u64>::new(3).unwrap(), Histogram::<u64>::new(3).unwrap());
            for at in 0.. {
                let status = client.describe_collection("churned").await.unwrap().status;
                if over.load(SeqCst) && status.upkeep == "idle" && status.live_rows < 2_000 {
                    break;
                }
                let took = if over.load(SeqCst) { &mut merging } else { &mut writing };
                for at in at * 20..at * 20 + 20 {
                    took.record(ask(&client, &set, "churned", at % set.truth.len()).await.1).unwrap();
                }
            }
            (writing, merging)
        };
        tokio::task::spawn_blocking(move || runtime.block_on(ask_all))
    };
    let wrote = write(server, set, "churned", (args.clients, args.pace), 0..ROWS, |at| ROWS + at).await;
    over.store(true, SeqCst);
    let (writing, merging) = asking.await.unwrap();
    row(
        &format!("while 100,000 more points are written ({:.0} a second)", ROWS as f64 / wrote.as_secs_f64()),
        &writing,
        &idle,
    );
    row("while they are sealed and merged", &merging, &idle);
    println!();
}

fn row(name: &str, took: &Histogram<u64>, idle: &Histogram<u64>) {
    let ms = |quantile: f64| took.value_at_quantile(quantile) as f64 / 1000.0;
    let ratio = took.value_at_quantile(0.99) as f64 / idle.value_at_quantile(0.99) as f64;
    println!("| {name} | {} | {:.2} | {:.2} | {:.2} | {ratio:.1} |", took.len(), ms(0.5), ms(0.99), ms(0.999));
}

async fn updates(server: &Child, client: &Client, set: &Arc<Set>, args: &Args) {
    // The points above the first 100,000 go again; a hit of theirs would be a duplicate of one that counts.
    for first in (ROWS..2 * ROWS).step_by(10_000) {
        let ids: Vec<nigh_client::PointId> = (first..first + 10_000).map(Into::into).collect();
        client.delete("churned", ids).await.unwrap();
    }
    // Every point once before any is written twice.
    let whom = |op: u64| (op % ROWS) * 7_919 % ROWS;
    let wrote = write(server, set, "churned", (args.clients, None), 0..args.updates, whom).await;
    let most = process::folder_bytes(server.folder());
    settled(client, "churned").await;
    println!("{} updates, {:.0} a second.\n", args.updates, args.updates as f64 / wrote.as_secs_f64());
    println!("| | fresh | after the updates | ratio |\n|---|---|---|---|");
    let status = |name: &'static str| async move { client.describe_collection(name).await.unwrap().status };
    let (fresh, churned) = (status("fresh").await, status("churned").await);
    assert_eq!((fresh.points, churned.points), (ROWS, ROWS));
    let ratio = |name: &str, fresh: f64, churned: f64, digits: usize| {
        println!("| {name} | {fresh:.digits$} | {churned:.digits$} | {:.3} |", churned / fresh);
    };
    ratio("bytes on disk, log included", fresh.disk_bytes as f64, churned.disk_bytes as f64, 0);
    ratio("segments", fresh.segments.len() as f64, churned.segments.len() as f64, 0);
    let (mut one, mut other) = ((Histogram::<u64>::new(3).unwrap(), 0.0), (Histogram::<u64>::new(3).unwrap(), 0.0));
    let rounds = 7;
    for _ in 0..rounds {
        for (name, sum) in [("fresh", &mut one), ("churned", &mut other)] {
            let (took, recall) = round(client, set, name).await;
            sum.0.add(took).unwrap();
            sum.1 += recall / f64::from(rounds);
        }
    }
    ratio("recall@10", one.1, other.1, 4);
    for quantile in [0.5, 0.9, 0.99] {
        let us = |of: &Histogram<u64>| of.value_at_quantile(quantile) as f64;
        ratio(&format!("p{:.0} of a dense query, us", quantile * 100.0), us(&one.0), us(&other.0), 0);
    }
    println!("\nBoth collections and their logs when the last update was acknowledged: {} MB.", most / 1_000_000);
}
