//! The server is killed (SIGKILL) in the middle of an import, again and again, and started on what it left behind.
//!
//! Every time: what was acknowledged is there, once, and what is there is bit by bit what was sent. Then the import
//! goes on after the last acknowledgement, as `nigh import` does, until everything is there.
//!
//! `NIGH_KILLS=200 NIGH_SEED=3 cargo test -p nigh-tests --test kill` tries longer, with other moments.
//!
//! With `NIGH_POWER_CUTS=20` and a user who may mount, the power is cut too, amid an import and amid changes of every
//! kind: the server starts on what the device held at a moment, without what was not synced.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod changes;

use nigh_proto::v1::{self, ingest_reply, ingest_request};
use nigh_tests::data::{Table, floats, lines, sample};
use nigh_tests::disks::{PowerRig, in_own_mounts};
use nigh_tests::random::Random;
use nigh_tests::server::{Child, Tuning};
use nigh_tests::wire::{self, Door};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

const COLLECTION: &str = "passages";
const BATCH: usize = 8;
const WRITERS: usize = 3;

struct Source {
    vectors: Table<f32>,
    payloads: Vec<String>,
}

impl Source {
    fn batch(&self, number: usize) -> Vec<v1::Op> {
        let rows = (number * BATCH..).take(BATCH).take_while(|row| *row < self.payloads.len());
        rows.map(|row| {
            wire::upsert(wire::point(wire::num(row as u64), &[("text", self.vectors.row(row))], &self.payloads[row]))
        })
        .collect()
    }

    fn batches(&self) -> usize {
        self.payloads.len().div_ceil(BATCH)
    }
}

/// Which batches were acknowledged.
struct Acks {
    batches: Vec<AtomicBool>,
    count: AtomicU64,
}

impl Acks {
    fn note(&self, number: usize) {
        self.batches[number].store(true, SeqCst);
        self.count.fetch_add(1, SeqCst);
    }

    fn missing(&self) -> Vec<usize> {
        (0..self.batches.len()).filter(|number| !self.batches[*number].load(SeqCst)).collect()
    }
}

/// Writers that share what is missing, each waiting for its acknowledgement, until the server is gone.
async fn import_by_writes(door: &Door, source: &Arc<Source>, acks: &Arc<Acks>) {
    let missing = acks.missing();
    let writer = |share: Vec<usize>| {
        let (door, source, acks) = (door.clone(), source.clone(), acks.clone());
        tokio::spawn(async move {
            for number in share {
                match door.write(COLLECTION, source.batch(number)).await {
                    Ok(reply) if reply.reached() == v1::Durability::Durable => acks.note(number),
                    Ok(reply) => panic!("a durable write reached {:?}", reply.reached()),
                    Err(_) => return,
                }
            }
        })
    };
    let shares = (0..WRITERS).map(|at| missing.iter().copied().skip(at).step_by(WRITERS).collect());
    let writers: Vec<_> = shares.map(writer).collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

/// One stream with several batches on their way, until the server is gone.
async fn import_by_stream(door: &Door, source: &Arc<Source>, acks: &Arc<Acks>) {
    let missing = acks.missing();
    let (send, receive) = tokio::sync::mpsc::channel(4);
    let request = |request| v1::IngestRequest { request: Some(request) };
    let open = v1::IngestOpen { collection: COLLECTION.into(), durability: v1::Durability::Durable.into() };
    send.send(request(ingest_request::Request::Open(open))).await.unwrap();
    let stream = tokio_stream::wrappers::ReceiverStream::new(receive);
    let Ok(replies) = door.points.clone().ingest(stream).await else { return };
    let mut replies = replies.into_inner();
    let (mut sent, mut acked) = (0, 0);
    // Never more on its way than the smallest credit that a server may give; the credits themselves are the client's
    // affair and tested there.
    while acked < missing.len() {
        while sent < missing.len() && sent - acked < 4 {
            let batch =
                v1::IngestBatch { number: sent as u64 + 1, ops: source.batch(missing[sent]), ..Default::default() };
            if send.send(request(ingest_request::Request::Batch(batch))).await.is_err() {
                return;
            }
            sent += 1;
        }
        match replies.message().await {
            Ok(Some(v1::IngestReply { reply: Some(ingest_reply::Reply::Ack(ack)) })) => {
                assert_eq!(ack.reached(), v1::Durability::Durable);
                for number in &missing[acked..ack.number as usize] {
                    acks.note(*number);
                }
                acked = ack.number as usize;
            }
            Ok(Some(v1::IngestReply { reply: Some(ingest_reply::Reply::Refusal(refusal)) })) => panic!("{refusal:?}"),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

/// Everything that is there, held against what was sent and what was acknowledged. Returns how many points there are.
async fn check(door: &Door, source: &Source, acks: &Acks) -> usize {
    let mut there = vec![false; source.payloads.len()];
    let mut from = None;
    loop {
        let page = door.scroll(COLLECTION, None, from, 1000).await.unwrap();
        for point in &page.points {
            let row = wire::number(&point.id) as usize;
            assert!(!there[row], "point {row} is there twice");
            there[row] = true;
            let (have, sent) = (&point.vectors["text"].values, source.vectors.row(row));
            assert!(have.iter().map(|v| v.to_bits()).eq(sent.iter().map(|v| v.to_bits())), "the vector of point {row}");
            assert_eq!(point.payload, source.payloads[row], "the payload of point {row}");
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    for (number, acked) in acks.batches.iter().enumerate() {
        let rows = || (number * BATCH..).take(BATCH).take_while(|row| *row < there.len());
        let count = rows().filter(|row| there[*row]).count();
        assert!(count == rows().count() || (count == 0 && !acked.load(SeqCst)), "batch {number}: {count} points");
    }
    let points = there.iter().filter(|there| **there).count();
    assert_eq!(door.count(COLLECTION, None).await.unwrap().count, points as u64, "counted and scrolled");
    points
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn source() -> Arc<Source> {
    Arc::new(Source {
        vectors: floats(&sample().join("points.f16.npy"), usize::MAX),
        payloads: lines(&sample().join("points.jsonl.gz"), usize::MAX),
    })
}

impl Acks {
    fn none(source: &Source) -> Self {
        Self { batches: (0..source.batches()).map(|_| AtomicBool::new(false)).collect(), count: AtomicU64::new(0) }
    }

    /// What is acknowledged now.
    fn noted(&self) -> Self {
        let batches: Vec<AtomicBool> = self.batches.iter().map(|acked| acked.load(SeqCst).into()).collect();
        Self { batches, count: self.count.load(SeqCst).into() }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_power_cuts() {
    let cuts = number("NIGH_POWER_CUTS", 0);
    if cuts == 0 {
        return eprintln!("skipped: NIGH_POWER_CUTS says how often to cut the power");
    }
    if !in_own_mounts("what_was_acknowledged_survives_power_cuts") {
        return;
    }
    let rig = PowerRig::new().unwrap_or_else(|why| panic!("the rig could not be laid down: {why}"));
    let mut random = Random::new(number("NIGH_SEED", 1));
    let source = source();
    let acks = Arc::new(Acks::none(&source));
    let tuning = Tuning { seal_rows: Some(300), ..Tuning::default() };
    let mut child = Child::start_in(&rig.path(), &tuning).await;
    let spec = wire::spec(&[("text", source.vectors.columns as u32)], &[("text", "english")]);
    Door::open(&child.url).await.create(COLLECTION, spec).await.unwrap();
    let share = source.batches() as u64 / (cuts + 1);
    let (mut kept, mut unacked) = (0, 0);
    for cut in 0..cuts {
        let door = Door::open(&child.url).await;
        let after = acks.count.load(SeqCst) + 1 + random.below(share.max(1));
        let (import_acks, import_source) = (acks.clone(), source.clone());
        let import = tokio::spawn(async move {
            match cut % 2 {
                0 => import_by_writes(&door, &import_source, &import_acks).await,
                _ => import_by_stream(&door, &import_source, &import_acks).await,
            }
        });
        while acks.count.load(SeqCst) < after && !import.is_finished() {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        // Noted before the copy: all of it has to be on the device by then.
        let noted = acks.noted();
        let mut found = rig.cut().unwrap();
        child.kill();
        import.await.unwrap();
        let path = rig.mount(&mut found).unwrap();
        let restarted = Child::start_in(&path, &tuning).await;
        let points = check(&Door::open(&restarted.url).await, &source, &noted).await;
        let acked = (noted.batches.len() - noted.missing().len()) * BATCH;
        (kept, unacked) = (kept + acked, unacked + points - acked);
        restarted.kill();
        drop(found);
        child = Child::start_in(&rig.path(), &tuning).await;
        check(&Door::open(&child.url).await, &source, &acks).await;
    }
    child.kill();
    eprintln!(
        "{cuts} power cuts; {kept} acknowledged points found, none lost; {unacked} found that were not acknowledged"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    let (kills, seed) = (number("NIGH_KILLS", 24), number("NIGH_SEED", 1));
    eprintln!("seed {seed}");
    let mut random = Random::new(seed);
    let source = source();
    assert_eq!(source.payloads.len() % BATCH, 0, "batches are whole");
    let acks = Arc::new(Acks::none(&source));
    let folder = tempfile::tempdir().unwrap();
    // Small segments, so that kills also fall into seals and merges.
    let tuning = Tuning { seal_rows: Some(300), ..Tuning::default() };
    let share = source.batches() as u64 / (kills + 2);

    let child = Child::start_in(folder.path(), &tuning).await;
    let door = Door::open(&child.url).await;
    door.create(COLLECTION, wire::spec(&[("text", source.vectors.columns as u32)], &[("text", "english")]))
        .await
        .unwrap();
    let mut child = Some(child);
    let mut surplus = 0;
    for kill in 0..kills {
        let running = child.take().unwrap();
        let door = Door::open(&running.url).await;
        // After so many more acknowledgements, and then at any moment of what follows.
        let after = acks.count.load(SeqCst) + random.below(share.max(1));
        let extra = Duration::from_micros(random.below(4_000));
        let over = Arc::new(AtomicBool::new(false));
        let (watch, import_over) = (acks.clone(), over.clone());
        let killer = tokio::task::spawn_blocking(move || {
            while watch.count.load(SeqCst) < after && !import_over.load(SeqCst) {
                std::thread::sleep(Duration::from_micros(100));
            }
            std::thread::sleep(extra);
            running.kill();
        });
        if kill % 2 == 0 {
            import_by_writes(&door, &source, &acks).await;
        } else {
            import_by_stream(&door, &source, &acks).await;
        }
        over.store(true, SeqCst);
        killer.await.unwrap();
        let restarted = Child::start_in(folder.path(), &tuning).await;
        let points = check(&Door::open(&restarted.url).await, &source, &acks).await;
        surplus += points - (acks.batches.len() - acks.missing().len()) * BATCH;
        child = Some(restarted);
    }
    assert!(!acks.missing().is_empty(), "every kill fell into the import");
    let last = child.unwrap();
    let door = Door::open(&last.url).await;
    import_by_writes(&door, &source, &acks).await;
    assert_eq!(check(&door, &source, &acks).await, source.payloads.len());
    eprintln!("{kills} kills; {surplus} points were there without having been acknowledged, summed over them");
    last.kill();
}

/// Not a test but the server: see [`Child`]. Passes at once where nobody asked for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_if_child() {
    nigh_tests::server::serve_if_child().await;
}
