//! A server that may hold little: it says so, reads and deletes go on, and it takes writes again when there is room,
//! without a restart; however little it is, everything gets in in the end.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_proto::v1;
use nigh_tests::random::Random;
use nigh_tests::server::{Child, Tuning, metric};
use nigh_tests::wire::{self, Door};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use tonic::{Code, Status};

const SIZE: usize = 128;
const BATCH: u64 = 64;
/// Less than a server takes that holds nothing: only the rows that may always be live are left.
const LIMIT_BYTES: u64 = 8 << 20;
const REFUSALS: &str = "nigh_memory_refusals_total";

fn rows(from: u64, random: &mut Random) -> Vec<v1::Op> {
    let row = |id| wire::upsert(wire::point(wire::num(id), &[("v", &random.vector(SIZE))], "{}"));
    (from..from + BATCH).map(row).collect()
}

async fn create(door: &Door, name: &str) {
    door.create(name, wire::spec(&[("v", SIZE as u32)], &[])).await.unwrap();
}

async fn points(door: &Door, name: &str) -> u64 {
    door.count(name, None).await.unwrap().count
}

fn refused_for_memory(status: &Status) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("the memory limit"), "{status}");
}

/// Writes batches until one is refused; how many were taken.
async fn fill(door: &Door, name: &str, from: u64, random: &mut Random) -> (u64, Status) {
    for number in from.. {
        if let Err(status) = door.write(name, rows(number * BATCH, random)).await {
            return (number, status);
        }
    }
    unreachable!("the numbers do not end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_limit_is_told_read_and_deleted_under_and_over_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    // A seal that takes for ever gives nothing back while anybody looks.
    let tuning =
        Tuning { memory_limit_bytes: Some(LIMIT_BYTES), upkeep_bytes_per_second: Some(1), ..Tuning::default() };
    let server = Child::start_in(folder.path(), &tuning).await;
    let door = Door::open(&server.url).await;
    let random = &mut Random::new(5);
    create(&door, "kept").await;
    create(&door, "flood").await;
    door.write("kept", rows(0, random)).await.unwrap();

    let (batches, refusal) = fill(&door, "flood", 0, random).await;
    refused_for_memory(&refusal);
    assert!(batches > 10, "{batches} batches: {refusal}");
    assert_eq!(points(&door, "flood").await, batches * BATCH, "what was refused is not there");
    refused_for_memory(&door.write("kept", rows(BATCH, random)).await.unwrap_err());
    assert!(metric(&server.http, REFUSALS) >= 2.0);

    let hits = door.query(wire::query("flood", vec![wire::exact("v", &[1.0; SIZE])], 5)).await.unwrap().hits;
    assert_eq!(hits.len(), 5, "reads go on");
    door.write("kept", vec![wire::delete((0..10).map(wire::num).collect())]).await.expect("a delete without room");
    assert_eq!(points(&door, "kept").await, BATCH - 10);

    // There is room again: nothing is restarted.
    let flood = v1::DropCollectionRequest { collection: "flood".to_owned() };
    door.collections.clone().drop(flood).await.unwrap();
    door.write("kept", rows(BATCH, random)).await.unwrap();
    server.kill();

    let server = Child::start_in(folder.path(), &Tuning::default()).await;
    assert_eq!(points(&Door::open(&server.url).await, "kept").await, 2 * BATCH - 10);
    server.kill();
}

/// Writers that try again, one that deletes and one that searches, until all is in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_gets_in_under_a_small_limit() {
    const WRITERS: u64 = 4;
    const BATCHES: u64 = 60;
    let folder = tempfile::tempdir().unwrap();
    let tuning = Tuning { memory_limit_bytes: Some(LIMIT_BYTES), ..Tuning::default() };
    let server = Child::start_in(folder.path(), &tuning).await;
    let door = Door::open(&server.url).await;
    create(&door, "points").await;
    let (over, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = |at: u64| {
        let (door, refused) = (door.clone(), refused.clone());
        tokio::spawn(async move {
            let random = &mut Random::new(at);
            for number in (0..BATCHES).map(|number| at + number * WRITERS) {
                let ops = rows(number * BATCH, random);
                while let Err(status) = door.write("points", ops.clone()).await {
                    refused_for_memory(&status);
                    refused.fetch_add(1, SeqCst);
                }
            }
        })
    };
    let writers: Vec<_> = (0..WRITERS).map(writer).collect();
    let (reading, ended) = (door.clone(), over.clone());
    let reader = tokio::spawn(async move {
        let mut found = 0;
        while !ended.load(SeqCst) {
            let request = wire::query("points", vec![wire::dense("v", &[0.5; SIZE])], 5);
            found += reading.query(request).await.unwrap().hits.len();
            let gone = wire::delete(vec![wire::num(0), wire::num(1 << 40)]);
            reading.write("points", vec![gone]).await.expect("deletes go on");
        }
        found
    });
    for writer in writers {
        writer.await.unwrap();
    }
    over.store(true, SeqCst);
    assert!(reader.await.unwrap() > 0);
    door.write("points", vec![wire::delete(vec![wire::num(0)])]).await.unwrap();
    let all = WRITERS * BATCHES * BATCH - 1;
    assert_eq!(points(&door, "points").await, all);
    eprintln!("{} refusals, {all} points", refused.load(SeqCst));
    server.kill();

    let server = Child::start_in(folder.path(), &Tuning::default()).await;
    assert_eq!(points(&Door::open(&server.url).await, "points").await, all, "what was acknowledged is there");
    server.kill();
}

/// Not a test but the server: see [`Child`]. Passes at once where nobody asked for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_if_child() {
    nigh_tests::server::serve_if_child().await;
}
