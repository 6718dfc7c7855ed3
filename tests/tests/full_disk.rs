//! A server on a disk that fills: it says so, reads and deletes go on, and it takes writes again when there is room,
//! without a restart.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::{Client, IngestOptions, Op, Point, Selector};
use nigh_tests::disks::SmallDisk;
use nigh_tests::random::Random;
use nigh_tests::server::{Server, Tuning};
use nigh_tests::wire::{self, Door};
use std::path::Path;
use tonic::Code;

const COLLECTION: &str = "points";
const SIZE: usize = 256;
const BATCH: u64 = 32;
/// A point that comes and goes.
const PASSING: u64 = 1 << 41;

/// Writes batches until one is refused; how many were taken.
async fn fill(door: &Door, random: &mut Random, from: u64) -> (u64, tonic::Status) {
    for number in from.. {
        let points = (number * BATCH..(number + 1) * BATCH).map(|id| {
            let vector = random.vector(SIZE);
            wire::upsert(wire::point(wire::num(id), &[("v", &vector)], "{}"))
        });
        if let Err(status) = door.write(COLLECTION, points.collect()).await {
            return (number, status);
        }
    }
    unreachable!("the numbers do not end")
}

async fn write_one(door: &Door, id: u64) -> Result<(), tonic::Status> {
    let op = wire::upsert(wire::point(wire::num(id), &[("v", &[1.0; SIZE])], "{}"));
    door.write(COLLECTION, vec![op]).await.map(drop)
}

async fn points(door: &Door) -> u64 {
    door.count(COLLECTION, None).await.unwrap().count
}

/// Takes all the room that is left.
fn fill_up(path: &Path) {
    let zeros = vec![0; 1 << 20];
    let mut file = std::fs::File::create(path).unwrap();
    let mut size = zeros.len();
    while size > 0 {
        if std::io::Write::write_all(&mut file, &zeros[..size]).is_err() {
            size /= 2;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_read_from_deleted_from_and_survived() {
    let disk = match SmallDisk::new(64) {
        Ok(disk) => disk,
        Err(why) => return eprintln!("skipped, for nothing can be mounted here: {why}"),
    };
    let data = disk.path().join("data");
    let others = disk.path().join("others");
    std::fs::write(&others, vec![0; 20 << 20]).unwrap();
    let tuning = Tuning { seal_rows: Some(4000), ..Tuning::default() };
    let server = Server::start_in(&data, &tuning).await;
    let door = Door::open(&server.url).await;
    door.create(COLLECTION, wire::spec(&[("v", SIZE as u32)], &[])).await.unwrap();
    let mut random = Random::new(7);

    let (batches, refusal) = fill(&door, &mut random, 0).await;
    assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal}");
    assert!(refusal.message().contains("the disk is full") && batches > 10, "{batches} batches: {refusal}");
    assert_eq!(points(&door).await, batches * BATCH, "what was refused is not there");

    // Somebody else takes the rest, to the last byte.
    let filler = disk.path().join("filler");
    fill_up(&filler);
    assert_eq!(write_one(&door, 1 << 40).await.unwrap_err().code(), Code::ResourceExhausted);
    let status = door.status(COLLECTION).await.unwrap();
    assert!(status.refuses_writes.contains("are needed"), "{}", status.refuses_writes);
    let hits = door.query(wire::query(COLLECTION, vec![wire::exact("v", &[1.0; SIZE])], 5)).await.unwrap().hits;
    assert_eq!(hits.len(), 5, "reads go on");
    let deleted: Vec<_> = (0..BATCH).map(wire::num).collect();
    door.write(COLLECTION, vec![wire::delete(deleted)]).await.expect("a delete on a full disk");
    assert_eq!(points(&door).await, (batches - 1) * BATCH);

    // A stream that writes a point and deletes it, while only the second is taken: both are sent again, in their order.
    let client = Client::connect(&server.url).await.unwrap();
    let mut stream = client.ingest(COLLECTION, IngestOptions { batch_ops: 1, ..IngestOptions::default() });
    stream.send(Op::Upsert(Point::new(PASSING).vector("v", [1.0; SIZE]))).await.unwrap();
    stream.send(Op::Delete(Selector::ids([PASSING]))).await.unwrap();
    stream.watch().wait_for(|progress| progress.resumed > 1).await.unwrap();

    // There is room again: nothing is restarted.
    std::fs::remove_file(&filler).unwrap();
    std::fs::remove_file(&others).unwrap();
    assert_eq!(stream.finish().await.unwrap().refusals, []);
    assert!(door.points_of(COLLECTION, vec![wire::num(PASSING)]).await.unwrap().points.is_empty());
    write_one(&door, 1 << 40).await.unwrap();
    assert_eq!(door.status(COLLECTION).await.unwrap().refuses_writes, "");
    server.stop().await;

    // What was acknowledged is there after a start, and nothing that was refused.
    let server = Server::start_in(&data, &tuning).await;
    let door = Door::open(&server.url).await;
    assert_eq!(points(&door).await, (batches - 1) * BATCH + 1);
    server.stop().await;
}
