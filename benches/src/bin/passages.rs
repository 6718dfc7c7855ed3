//! The whole job on 100,000 real passages, measured through the door: import, bytes, recall, latency.
//!
//! ```text
//! cargo run --release -p nigh-benches --bin passages [-- --data ../shared/data --rows 100000]
//! ```
//!
//! A fresh server process, default settings, durable acknowledgements, gRPC on loopback. Prints Markdown. With `--sweep`
//! the effort is swept instead of the recalls and latencies: over gRPC, and beside it in this process.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench stops where something is wrong, and prints")]

use clap::Parser;
use hdrhistogram::Histogram;
use nigh_benches::build::{Choice, Index};
use nigh_benches::through;
use nigh_client::point::Wanted;
use nigh_client::{Client, Filter, Query, Retriever};
use nigh_tests::data::{self, Table};
use nigh_tests::oracle::{best, dot, passes, recall};
use nigh_tests::server::{Child, Tuning, serve_if_child};
use nigh_tests::{import, passages, process};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const COLLECTION: &str = "passages";
const BATCH: usize = 256;
const CLIENTS: usize = 4;

#[derive(Parser)]
struct Args {
    /// The folder that has `passages/`; else NIGH_DATA, else ../shared/data.
    #[arg(long)]
    data: Option<PathBuf>,
    /// How many of the passages. With fewer than all of them the truth is computed here.
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    /// How many of the 1,000 queries.
    #[arg(long, default_value_t = 1_000)]
    queries: usize,
    /// Sweep the effort over gRPC and in this process; the passages are all 100,000.
    #[arg(long)]
    sweep: bool,
    /// How often the sweep asks everything.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

struct Set {
    vectors: Table<f32>,
    payloads: Vec<Value>,
    queries: Table<f32>,
    texts: Vec<String>,
    filters: Vec<Value>,
    folder: PathBuf,
}

impl Set {
    fn read(args: &Args) -> Self {
        let folder = match &args.data {
            Some(data) => data.join("passages"),
            None => data::shared("passages").expect("the passages are needed: give --data"),
        };
        let text = |query: &Value| query["text"].as_str().unwrap().to_owned();
        Self {
            vectors: data::floats(&folder.join("base.npy"), args.rows),
            payloads: data::objects(&folder.join("base.jsonl.gz"), args.rows),
            queries: data::floats(&folder.join("queries.npy"), args.queries),
            texts: data::objects(&folder.join("queries.jsonl.gz"), args.queries).iter().map(text).collect(),
            filters: data::json(&folder.join("filters.json")).as_array().unwrap().clone(),
            folder,
        }
    }

    /// The ten nearest of every query, under a filter or none, and how many pass it.
    fn truth(&self, filter: Option<&Value>) -> (Vec<Vec<u64>>, usize) {
        if self.vectors.rows() == 100_000 {
            let file = match filter {
                Some(filter) => format!("filter_{}_neighbors.npy", filter["name"].as_str().unwrap()),
                None => "neighbors.npy".to_owned(),
            };
            let table = data::integers(&self.folder.join(file));
            let ten = |row: &[i32]| row[..10].iter().filter(|id| **id >= 0).map(|id| *id as u64).collect();
            let matching = filter.map_or(100_000, |filter| filter["matching"].as_u64().unwrap() as usize);
            return (table.iter().take(self.queries.rows()).map(ten).collect(), matching);
        }
        let passes = |payload| filter.is_none_or(|filter| passes(&filter["filter"], payload));
        let pass: Vec<bool> = self.payloads.iter().map(passes).collect();
        let ten = |query: &[f32]| {
            let scores: Vec<f32> = self.vectors.iter().map(|row| dot(row, query)).collect();
            best(&scores, 10, |row| pass[row]).into_iter().map(|row| row as u64).collect()
        };
        (self.queries.iter().map(ten).collect(), pass.iter().filter(|pass| **pass).count())
    }
}

#[tokio::main]
async fn main() {
    serve_if_child().await;
    let args = Args::parse();
    let set = Arc::new(Set::read(&args));
    let folder = tempfile::tempdir().unwrap();
    let server = Child::start_in(folder.path(), &Tuning::default()).await;
    let client = Client::connect(&server.url).await.unwrap();
    println!("{} points of {} numbers, batches of {BATCH}\n", set.payloads.len(), set.vectors.columns);
    ingest(&server, &client, &set).await;
    if args.sweep {
        sweep(&client, &args).await;
    } else {
        recalls(&client, &set).await;
        latencies(&server.url, &set).await;
    }
    server.kill();
}

async fn ingest(server: &Child, client: &Client, set: &Arc<Set>) {
    let empty = process::resident_bytes(server.pid());
    client.create_collection(COLLECTION, passages::spec(set.vectors.columns)).await.unwrap();
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut writers = Vec::new();
    for _ in 0..CLIENTS {
        let (set, next, client) = (set.clone(), next.clone(), Client::connect(&server.url).await.unwrap());
        writers.push(tokio::spawn(async move {
            let mut acks = Histogram::<u64>::new(3).unwrap();
            loop {
                let first = next.fetch_add(BATCH, SeqCst);
                let rows = first..set.payloads.len().min(first + BATCH);
                if rows.is_empty() {
                    return acks;
                }
                let points = import::points(passages::VECTOR, &set.vectors, &set.payloads, rows);
                let sent = Instant::now();
                client.upsert(COLLECTION, points).await.unwrap();
                acks.record(sent.elapsed().as_micros() as u64).unwrap();
            }
        }));
    }
    let mut acks = Histogram::<u64>::new(3).unwrap();
    for writer in writers {
        acks.add(writer.await.unwrap()).unwrap();
    }
    let imported = start.elapsed();
    let mut quiet = 0;
    while quiet < 5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let status = client.describe_collection(COLLECTION).await.unwrap().status;
        quiet = if status.upkeep == "idle" { quiet + 1 } else { 0 };
    }
    let indexed = start.elapsed() - Duration::from_millis(500);
    let status = client.describe_collection(COLLECTION).await.unwrap().status;
    let points = set.payloads.len() as u64;
    assert_eq!(status.points, points);
    let disk = process::folder_bytes(server.folder());
    let resident = process::resident_bytes(server.pid());
    let raw = set.vectors.columns as u64 * 4
        + set.payloads.iter().map(|payload| payload.to_string().len() as u64).sum::<u64>() / points;
    println!("| import, {CLIENTS} clients, every batch acknowledged after a sync | |\n|---|---|");
    println!("| points a second, until the last acknowledgement | {:.0} |", points as f64 / imported.as_secs_f64());
    println!("| acknowledgement of a batch, p50 / p99 | {:.1} ms / {:.1} ms |", ms(&acks, 0.5), ms(&acks, 0.99));
    println!("| until upkeep is idle | {:.1} s |", indexed.as_secs_f64());
    println!("| segments, and rows that stay live | {}, {} |", status.segments.len(), status.live_rows);
    println!("| bytes a point, as sent (f32 vector and JSON) | {raw} |");
    println!("| bytes a point on disk, log included | {} |", disk / points);
    println!("| of them in segments | {} |", status.segments.iter().map(|segment| segment.bytes).sum::<u64>() / points);
    println!("| resident bytes a point, mapped files included | {} |", resident.all.saturating_sub(empty.all) / points);
    println!("| of them not mapped from files | {} |\n", resident.anonymous.saturating_sub(empty.anonymous) / points);
}

async fn sweep(client: &Client, args: &Args) {
    let set = nigh_benches::data::Set::read("passages").unwrap();
    let inside = Index::build(&set, &Choice::default(), 2).unwrap();
    let both = (&set, &inside.sealed);
    let lines = through::measure(client, COLLECTION, passages::VECTOR, both, args.queries, args.rounds).await.unwrap();
    println!("{}", through::markdown(&lines));
}

async fn recalls(client: &Client, set: &Set) {
    println!("| filter | matching | recall@10 | least hits of a query | routes |\n|---|---|---|---|---|");
    for filter in std::iter::once(None).chain(set.filters.iter().map(Some)) {
        let (truth, matching) = set.truth(filter);
        let name = filter.map_or("none", |filter| filter["name"].as_str().unwrap());
        let asked = filter.map(|filter| passages::filter(&filter["filter"]));
        let (mut sum, mut least, mut routes) = (0.0, usize::MAX, std::collections::BTreeSet::new());
        for (query, wanted) in set.queries.iter().zip(&truth) {
            let mut ask = Query::dense(passages::VECTOR, query).limit(10).payload(Wanted::Nothing);
            ask.filter = asked.clone();
            let reply = client.query(COLLECTION, ask).await.unwrap();
            let found: Vec<u64> = reply.hits.iter().map(|hit| import::number(hit.id)).collect();
            sum += recall(&found, wanted);
            least = least.min(found.len());
            routes.extend(reply.plans.into_iter().flat_map(|plan| plan.routes));
        }
        let routes = routes.into_iter().collect::<Vec<_>>().join(", ");
        println!(
            "| {name} | {matching} | {:.4} | {least} of {} | {routes} |",
            sum / truth.len() as f64,
            matching.min(10)
        );
    }
    println!();
}

async fn latencies(url: &str, set: &Arc<Set>) {
    println!(
        "| query, limit 10, payload returned | clients | queries a second | p50 ms | p99 ms |\n|---|---|---|---|---|"
    );
    let filter = |name: &str| {
        let filter = set.filters.iter().find(|filter| filter["name"] == name).unwrap();
        Some(passages::filter(&filter["filter"]))
    };
    let kinds: Vec<(&str, bool, bool, Option<Filter>)> = vec![
        ("dense", true, false, None),
        ("text", false, true, None),
        ("hybrid: dense and text, RRF", true, true, None),
        ("dense, half of the points match", true, false, filter("half_words")),
        ("dense, a tenth match, close together", true, false, filter("tenth_news")),
        ("dense, a hundredth match", true, false, filter("hundredth_tag")),
        ("dense, compound filter (7.6 %)", true, false, filter("compound")),
        ("hybrid, half of the points match", true, true, filter("half_words")),
    ];
    for (name, dense, text, filter) in kinds {
        for clients in [1, 4] {
            let start = Instant::now();
            let mut running = Vec::new();
            for client in 0..clients {
                let (set, filter) = (set.clone(), filter.clone());
                let connection = Client::connect(url).await.unwrap();
                running.push(tokio::spawn(async move {
                    let mut took = Histogram::<u64>::new(3).unwrap();
                    for at in (client..set.texts.len()).step_by(clients) {
                        let mut ask = Query::default().limit(10);
                        if dense {
                            ask = ask.with(Retriever::dense(passages::VECTOR, set.queries.row(at)));
                        }
                        if text {
                            ask = ask.text(passages::TEXT, &set.texts[at]);
                        }
                        ask.filter = filter.clone();
                        let sent = Instant::now();
                        connection.query(COLLECTION, ask).await.unwrap();
                        took.record(sent.elapsed().as_micros() as u64).unwrap();
                    }
                    took
                }));
            }
            let mut all = Histogram::<u64>::new(3).unwrap();
            for one in running {
                all.add(one.await.unwrap()).unwrap();
            }
            let rate = all.len() as f64 / start.elapsed().as_secs_f64();
            println!("| {name} | {clients} | {rate:.0} | {:.2} | {:.2} |", ms(&all, 0.5), ms(&all, 0.99));
        }
    }
}

fn ms(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1000.0
}
