//! Streams into a collection by the program that users start: whatever is killed when, every message has its effect once,
//! in the order of its partition.
//!
//! `NIGH_STREAM_KILLS` says how often something is killed (5 where it does not).

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![cfg(all(feature = "streams", unix))]

mod brokers;

use brokers::{Broker, Process, TOPIC, free_port};
use nigh_client::source::ReachedPosition;
use nigh_client::{Client, CollectionSpec, Metric, PointId, Scroll, VectorsWanted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tokio_stream::StreamExt;

const LANES: u64 = 4;
/// Every lane has ids of its own, few, so that they are written and deleted again and again.
const IDS_OF_A_LANE: u64 = 500;
const C: &str = "c";

/// Xorshift: the same seed, the same run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn serve(data: &Path, port: u16) -> Process {
    let addr = format!("127.0.0.1:{port}");
    let mut nigh = Command::new(env!("CARGO_BIN_EXE_nigh"));
    nigh.args(["serve", "--grpc", &addr, "--http", "127.0.0.1:0", "--data"]).arg(data).stdout(Stdio::piped());
    let mut process = nigh.spawn().unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(process.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    assert!(line.contains("listens"), "{line}");
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    Process(process)
}

fn importer(port: u16, from: &[String], more: &[&str]) -> Command {
    let mut nigh = Command::new(env!("CARGO_BIN_EXE_nigh"));
    nigh.args(["import", "-c", C, "-o", "json", "--addr", &format!("127.0.0.1:{port}")]).args(from).args(more);
    nigh
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn well(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

fn refused(output: &Output, culprits: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    culprits.iter().for_each(|culprit| assert!(said.contains(culprit), "`{said}` does not name `{culprit}`"));
}

async fn client(port: u16) -> Client {
    Client::connect(format!("127.0.0.1:{port}")).await.unwrap()
}

/// What is in: number by id; a vector says the same number.
async fn contents(client: &Client) -> BTreeMap<u64, u64> {
    let scroll = Scroll { vectors: VectorsWanted::All, ..Scroll::default() };
    let mut points = client.scroll(C, scroll);
    let mut found = BTreeMap::new();
    while let Some(point) = points.next().await {
        let point = point.unwrap();
        let PointId::Num(id) = point.id else { panic!("{}", point.id) };
        let n = point.payload["n"].as_u64().unwrap();
        assert_eq!(point.vectors["v"], [n as f32, 1.0], "of one message");
        found.insert(id, n);
    }
    found
}

/// Sends so many messages: upserts, and a tombstone now and then; the model is what should be in.
async fn send(broker: &mut Broker, random: &mut Random, sent: &mut u64, count: u64, model: &mut BTreeMap<u64, u64>) {
    for _ in 0..count {
        *sent += 1;
        let lane = random.below(LANES);
        let id = lane * IDS_OF_A_LANE + random.below(IDS_OF_A_LANE);
        let key = id.to_string();
        if random.below(4) == 0 {
            broker.send(lane, &key, None).await;
            model.remove(&id);
        } else {
            broker.send(lane, &key, Some(&json!({"n": sent, "v": [*sent, 1]}).to_string())).await;
            model.insert(id, *sent);
        }
    }
    broker.flush().await;
}

/// How far the lanes are; a server that opens is waited for.
async fn positions(client: &Client) -> Vec<ReachedPosition> {
    loop {
        match client.source_positions(C, "").await {
            Ok(known) => return known,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
}

/// Kills the importer at random times, now and then the server, and the broker where it has a disk.
async fn killed(mut broker: Broker, seed: u64) {
    let kills: u64 = std::env::var("NIGH_STREAM_KILLS").map_or(5, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut server = serve(folder.path(), port);
    let spec = CollectionSpec::new().vector("v", 2, Metric::Dot);
    client(port).await.create_collection(C, spec).await.unwrap();
    let from = broker.args(LANES);
    let (mut random, mut model, mut sent) = (Random(seed), BTreeMap::new(), 0);
    let mut told = String::new();
    for kill in 0..kills {
        send(&mut broker, &mut random, &mut sent, 2_000, &mut model).await;
        let mut following = importer(port, &from, &["--follow", "--batch", "50"]);
        let mut importer = Process(following.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let moment = async |random: &mut Random, most| {
            tokio::time::sleep(Duration::from_millis(random.below(most))).await;
        };
        moment(&mut random, 400).await;
        if kill % 4 == 1 {
            server.kill();
            server = serve(folder.path(), port);
            moment(&mut random, 400).await;
        } else if kill % 4 == 3 && broker.crash().await {
            moment(&mut random, 400).await;
        }
        importer.kill();
        let seq = positions(&client(port).await).await.iter().map(|one| one.seq).max().unwrap_or(0);
        assert!(seq <= sent, "operation {seq} of {sent} messages");
        write!(told, " {}", sent - seq).unwrap();
    }
    let client = client(port).await;
    positions(&client).await;
    let output = well(&run(importer(port, &from, &[])).await);
    assert_eq!(output["behind"], 0);
    let known = positions(&client).await;
    assert_eq!(known.len() as u64, LANES);
    let seq = known.iter().map(|one| one.seq).max().unwrap();
    // Every message is one operation: none was applied twice, and none left out.
    assert_eq!(seq, sent, "operations and messages");
    assert_eq!(known.iter().map(|one| one.offset).sum::<u64>(), sent, "positions of the lanes");
    assert!(contents(&client).await == model, "seed {seed}: the contents are others");
    assert_eq!(client.count(C, None).await.unwrap(), model.len() as u64);
    eprintln!("{kills} kills, {sent} messages, {} points; messages that were left at each kill:{told}", model.len());
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_import_survives_kills() {
    let Some(broker) = Broker::kafka("zstd") else { return };
    killed(broker, 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_import_survives_kills() {
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::nats(folder.path(), LANES).await else { return };
    killed(broker, 11).await;
}

/// A server with an empty collection, and its port.
async fn served(folder: &Path) -> (Process, u16, Client) {
    let port = free_port();
    let server = serve(&folder.join("data"), port);
    let client = client(port).await;
    client.create_collection(C, CollectionSpec::new().vector("v", 2, Metric::Dot)).await.unwrap();
    (server, port, client)
}

/// Bad messages: one that is no JSON, and one that only the server finds wrong.
async fn bad_messages(mut broker: Broker, places: [&str; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let (_server, port, client) = served(folder.path()).await;
    let from = broker.args(LANES);
    let good = |n: u64| json!({"n": n, "v": [n, 1]}).to_string();
    for n in 0..20_u64 {
        let value = match n {
            5 => "{\"n\": ".to_owned(),
            9 => json!({"n": 9, "v": [1, 2, 3]}).to_string(),
            n => good(n),
        };
        broker.send(1, &n.to_string(), Some(&value)).await;
    }
    broker.flush().await;
    // It stops there, and what came before is in.
    let stopped = run(importer(port, &from, &[])).await;
    refused(&stopped, &[places[0], "EOF while parsing", "5 rows are in"]);
    assert_eq!(client.count(C, None).await.unwrap(), 5);
    refused(&run(importer(port, &from, &["--skip-bad", "1"])).await, &[places[1], "3"]);
    let letters = folder.path().join("letters.jsonl");
    let more = ["--skip-bad", "2", "--dead-letters", letters.to_str().unwrap()];
    let done = well(&run(importer(port, &from, &more)).await);
    assert_eq!((&done["skipped_bad"], &done["behind"]), (&json!(1), &json!(0)), "the first one was passed before");
    assert_eq!(client.count(C, None).await.unwrap(), 18);
    let lines = std::fs::read_to_string(&letters).unwrap();
    let letter: Value = serde_json::from_str(lines.trim()).unwrap();
    assert!(letter["place"].as_str().unwrap().ends_with(places[1]), "{letter}");
    assert_eq!(letter["key"], "9");
    // Bad ones at the very end are passed too, and not met again.
    broker.send(1, "seven", Some(&good(7))).await;
    broker.flush().await;
    assert_eq!(well(&run(importer(port, &from, &["--skip-bad", "1"])).await)["skipped_bad"], 1);
    assert_eq!(well(&run(importer(port, &from, &[])).await)["skipped_bad"], 0);
    // Forgotten, it is read again.
    let source = client.source_positions(C, "").await.unwrap()[0].source.clone();
    assert!(client.drop_source(C, &source).await.unwrap());
    assert_eq!(well(&run(importer(port, &from, &["--skip-bad", "9"])).await)["skipped_bad"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_messages_of_kafka_are_named() {
    let Some(broker) = Broker::kafka("lz4") else { return };
    bad_messages(broker, ["topic `orders`, partition 1, offset 5", "topic `orders`, partition 1, offset 9"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_messages_of_jetstream_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::nats(folder.path(), LANES).await else { return };
    bad_messages(broker, ["stream `lane1`, message 6", "stream `lane1`, message 10"]).await;
}

/// It goes on with what comes later, tells of it, and ends well when it is told to.
async fn followed(mut broker: Broker) {
    let folder = tempfile::tempdir().unwrap();
    let (_server, port, client) = served(folder.path()).await;
    let from = broker.args(LANES);
    let mut following = importer(port, &from, &["--follow", "--report-every", "1"]);
    let mut importer = Process(following.stdout(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(importer.0.stdout.take().unwrap()).lines();
    for n in 0..40_u64 {
        broker.send(n % LANES, &n.to_string(), Some(&json!({"n": n, "v": [n, 1]}).to_string())).await;
        if n % 10 == 9 {
            broker.flush().await;
            while client.count(C, None).await.unwrap() <= n {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    // What it tells is as far as it is.
    let rows = |line: &str| serde_json::from_str::<Value>(line).unwrap()["rows"].as_u64().unwrap();
    while rows(&said.next().unwrap().unwrap()) < 40 {}
    let signalled = Command::new("kill").args(["-TERM", &importer.0.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    assert!(importer.0.wait().unwrap().success());
    let last: Value = serde_json::from_str(&said.last().unwrap().unwrap()).unwrap();
    assert_eq!((&last["rows"], &last["behind"]), (&json!(40), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_followed() {
    let Some(broker) = Broker::kafka("gzip") else { return };
    followed(broker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::nats(folder.path(), LANES).await else { return };
    followed(broker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, port, _) = served(folder.path()).await;
    if let Some(broker) = Broker::nats(&folder.path().join("nats"), 1).await {
        let from = broker.args(0);
        refused(&run(importer(port, &from, &["--stream", "nowhere"])).await, &["stream `nowhere`", "not found"]);
    }
    let _ = TOPIC;
}
