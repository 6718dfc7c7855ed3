//! The server is killed, or its power is cut, amid changes of every kind: points replaced, deleted, their payloads and vectors changed, some
//! expiring. What was acknowledged is there after every start; of what was not, a batch is there whole or not at all.
//!
//! Every writer has points of its own, and waits for each answer, so it knows what they are but for its last batch.

use super::number;
use nigh_proto::v1::{self, op};
use nigh_tests::disks::{PowerRig, in_own_mounts};
use nigh_tests::model::{Held, Model};
use nigh_tests::random::Random;
use nigh_tests::server::{Child, Tuning};
use nigh_tests::wire::{self, Door};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::JoinHandle;

const COLLECTION: &str = "changes";
const WRITERS: u64 = 3;
/// Points of each writer.
const POINTS: u64 = 40;
const SIZE: usize = 8;

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// A writer, and what it knows of its points.
struct Writer {
    at: u64,
    random: Random,
    acked: Model,
    /// As it would be with the batch that nobody answered.
    pending: Option<Model>,
    /// What it knew after every answer of this round, and before the first.
    answered: Arc<Mutex<Vec<Model>>>,
}

impl Writer {
    fn new(at: u64, seed: u64) -> Self {
        Self { at, random: Random::new(seed * 100 + at), acked: Model::new(), pending: None, answered: Arc::default() }
    }

    fn payload(&mut self) -> Map<String, Value> {
        let mut payload = Map::new();
        for key in ["n", "text", "tag"] {
            if self.random.below(3) > 0 {
                payload.insert(key.to_owned(), json!(format!("word{}", self.random.below(50))));
            }
        }
        payload
    }

    fn vectors(&mut self) -> BTreeMap<String, Vec<f32>> {
        let names: &[&str] = if self.random.below(2) == 0 { &["a"] } else { &["a", "b"] };
        names.iter().map(|name| (name.to_string(), self.random.vector(SIZE))).collect()
    }

    /// An operation, and what it makes of the points. A point that is to expire is only replaced or deleted: whether
    /// it was still there for anything else only the server knows.
    fn change(&mut self, model: &mut Model) -> v1::Op {
        let id = self.random.below(POINTS) * WRITERS + self.at;
        let points = Some(wire::by_ids(vec![wire::num(id)]));
        let what = self.random.below(10);
        let Some(held) = model.get_mut(&id).filter(|held| held.expires_at_ms.is_none() && what < 6) else {
            if what == 9 {
                model.remove(&id);
                return wire::delete(vec![wire::num(id)]);
            }
            let soon = self.random.below(8) == 0;
            let expires_at_ms = soon.then(|| now_ms() + self.random.below(300));
            let (vectors, payload) = (self.vectors(), self.payload());
            let held = Held { vectors, payload, expires_at_ms, ..Held::default() };
            let vectors: Vec<(&str, &[f32])> =
                held.vectors.iter().map(|(name, vector)| (&name[..], &vector[..])).collect();
            let point = wire::point(wire::num(id), &vectors, &Value::Object(held.payload.clone()).to_string());
            model.insert(id, held);
            return wire::upsert(v1::Point { expires_at_ms, ..point });
        };
        let text = |payload: &Map<String, Value>| Value::Object(payload.clone()).to_string();
        wire::operation(match what {
            0 => {
                let set = self.payload();
                held.payload.extend(set.clone());
                op::Op::SetPayload(v1::PayloadOp { points, payload: text(&set) })
            }
            1 => {
                held.payload = self.payload();
                op::Op::OverwritePayload(v1::PayloadOp { points, payload: text(&held.payload) })
            }
            2 => {
                held.payload.remove("text");
                op::Op::DeletePayloadKeys(v1::PayloadKeysOp { points, keys: vec!["text".to_owned()] })
            }
            3 => {
                held.payload.clear();
                op::Op::ClearPayload(wire::by_ids(vec![wire::num(id)]))
            }
            4 => {
                let vector = self.random.vector(SIZE);
                held.vectors.insert("b".to_owned(), vector.clone());
                op::Op::UpdateVectors(wire::point(wire::num(id), &[("b", &vector)], ""))
            }
            _ => {
                held.expires_at_ms = Some(now_ms() + self.random.below(300));
                op::Op::SetExpiry(v1::SetExpiryOp { points, expires_at_ms: held.expires_at_ms })
            }
        })
    }

    /// Writes until the server is gone.
    async fn write(&mut self, door: &Door, acks: &AtomicU64) {
        loop {
            let mut next = self.acked.clone();
            let ops = (0..1 + self.random.below(8)).map(|_| self.change(&mut next)).collect();
            match door.write(COLLECTION, ops).await {
                Ok(reply) => {
                    assert_eq!(reply.reached(), v1::Durability::Durable);
                    self.acked = next;
                    self.answered.lock().push(self.acked.clone());
                    acks.fetch_add(1, SeqCst);
                }
                Err(status) => {
                    assert_ne!(status.code(), tonic::Code::InvalidArgument, "{status}");
                    self.pending = Some(next);
                    return;
                }
            }
        }
    }

    /// Holds what a device held against what was known since so many answers: it is one of these states.
    fn check_cut(&self, found: &Model, noted: usize, between: (u64, u64)) {
        let mine = self.mine(found);
        let answered = self.answered.lock();
        let known = answered[noted - 1..].iter().chain(&self.pending);
        let different: Vec<Option<String>> = known.map(|model| first_difference(model, &mine, between)).collect();
        assert!(different.iter().any(Option::is_none), "writer {}: {different:#?}", self.at);
    }

    fn mine(&self, found: &Model) -> Model {
        found.iter().filter(|(id, _)| *id % WRITERS == self.at).map(|(id, held)| (*id, held.clone())).collect()
    }

    /// Holds what was found at some time between two against what is known; that is what is known from now on. Whether
    /// the batch that nobody answered was there.
    fn check(&mut self, found: &Model, between: (u64, u64)) -> bool {
        let mine = self.mine(found);
        let acked = first_difference(&self.acked, &mine, between);
        let pending = self.pending.take();
        let with_pending = pending.as_ref().map(|pending| first_difference(pending, &mine, between));
        match (acked, with_pending) {
            (None, _) => false,
            (Some(_), Some(None)) => {
                self.acked = pending.expect("it was compared");
                true
            }
            (Some(why), other) => panic!("writer {}: {why}; with the batch that nobody answered: {other:?}", self.at),
        }
    }
}

/// A point that is otherwise than it should be. One that expired between the two times may be there or not.
fn first_difference(known: &Model, found: &Model, (from_ms, to_ms): (u64, u64)) -> Option<String> {
    let ids = known.keys().chain(found.keys());
    for id in ids {
        let held = known.get(id);
        let expires_at_ms = held.and_then(|held| held.expires_at_ms).unwrap_or(u64::MAX);
        let (may_be_there, may_be_gone) = (expires_at_ms > from_ms, expires_at_ms <= to_ms);
        let fits = match (held, found.get(id)) {
            (None, None) => true,
            (Some(held), Some(found)) => held == found && may_be_there,
            (Some(_), None) => may_be_gone,
            (None, Some(_)) => false,
        };
        if !fits {
            return Some(format!("point {id} is {:?}, not {held:?}", found.get(id)));
        }
    }
    None
}

/// Everything that is there, and between which times it was looked at.
async fn all(door: &Door) -> (Model, (u64, u64)) {
    let from_ms = now_ms();
    let mut found = Model::new();
    let mut from = None;
    loop {
        let page = door.scroll(COLLECTION, None, from, 1000).await.unwrap();
        for point in page.points {
            let id = wire::number(&point.id);
            let vectors = point.vectors.into_iter().map(|(name, vector)| (name, vector.values)).collect();
            let payload = match point.payload.as_str() {
                "" => Map::new(),
                text => serde_json::from_str(text).unwrap(),
            };
            let held = Held { vectors, payload, expires_at_ms: point.expires_at_ms, ..Held::default() };
            assert!(found.insert(id, held).is_none(), "point {id} is there twice");
        }
        from = page.next;
        if from.is_none() {
            return (found, (from_ms, now_ms()));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_were_acknowledged_survive_kill_9() {
    let (kills, seed) = (number("NIGH_KILLS", 8), number("NIGH_SEED", 1));
    eprintln!("seed {seed}");
    let mut random = Random::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let tuning = Tuning { seal_rows: Some(60), ..Tuning::default() };
    let (mut child, mut writers, acks) = begin(folder.path(), &tuning, seed).await;
    let mut surplus = 0;
    for _ in 0..kills {
        let writing = set_off(&child, &mut writers, &acks, &mut random).await;
        child.kill();
        for writer in writing {
            writers.push(writer.await.unwrap());
        }
        child = Child::start_in(folder.path(), &tuning).await;
        let (found, between) = all(&Door::open(&child.url).await).await;
        surplus += writers.iter_mut().filter_map(|writer| writer.check(&found, between).then_some(())).count();
    }
    child.kill();
    let batches = acks.load(SeqCst);
    eprintln!("{kills} kills amid {batches} acknowledged batches of changes; {surplus} more were there unacknowledged");
}

/// A server with the collection, and those who change it.
async fn begin(folder: &Path, tuning: &Tuning, seed: u64) -> (Child, Vec<Writer>, Arc<AtomicU64>) {
    let child = Child::start_in(folder, tuning).await;
    let spec = wire::spec(&[("a", SIZE as u32), ("b", SIZE as u32)], &[("text", "standard")]);
    Door::open(&child.url).await.create(COLLECTION, spec).await.unwrap();
    (child, (0..WRITERS).map(|at| Writer::new(at, seed)).collect(), Arc::default())
}

/// Lets all of them write; returns after some more acknowledgements, at any moment of what follows.
async fn set_off(
    child: &Child,
    writers: &mut Vec<Writer>,
    acks: &Arc<AtomicU64>,
    random: &mut Random,
) -> Vec<JoinHandle<Writer>> {
    let door = Door::open(&child.url).await;
    let (after, extra) = (acks.load(SeqCst) + 1 + random.below(60), Duration::from_micros(random.below(4_000)));
    let write = |mut writer: Writer| {
        let (door, acks) = (door.clone(), acks.clone());
        *writer.answered.lock() = vec![writer.acked.clone()];
        tokio::spawn(async move {
            writer.write(&door, &acks).await;
            writer
        })
    };
    let writing: Vec<_> = writers.drain(..).map(write).collect();
    while acks.load(SeqCst) < after && !writing.iter().all(JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    tokio::time::sleep(extra).await;
    writing
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_were_acknowledged_survive_power_cuts() {
    let (cuts, seed) = (number("NIGH_POWER_CUTS", 0), number("NIGH_SEED", 1));
    if cuts == 0 {
        return eprintln!("skipped: NIGH_POWER_CUTS says how often to cut the power");
    }
    if !in_own_mounts("changes::changes_that_were_acknowledged_survive_power_cuts") {
        return;
    }
    let rig = PowerRig::new().unwrap_or_else(|why| panic!("the rig could not be laid down: {why}"));
    let mut random = Random::new(seed);
    let tuning = Tuning { seal_rows: Some(60), ..Tuning::default() };
    let (mut child, mut writers, acks) = begin(&rig.path(), &tuning, seed).await;
    for _ in 0..cuts {
        let answered: Vec<_> = writers.iter().map(|writer| writer.answered.clone()).collect();
        let writing = set_off(&child, &mut writers, &acks, &mut random).await;
        // Noted before the copy: all of it has to be on the device by then.
        let noted: Vec<usize> = answered.iter().map(|answered| answered.lock().len()).collect();
        let mut device = rig.cut().unwrap();
        child.kill();
        for writer in writing {
            writers.push(writer.await.unwrap());
        }
        let path = rig.mount(&mut device).unwrap();
        let restarted = Child::start_in(&path, &tuning).await;
        let (found, between) = all(&Door::open(&restarted.url).await).await;
        writers.iter().zip(noted).for_each(|(writer, noted)| writer.check_cut(&found, noted, between));
        restarted.kill();
        drop(device);
        child = Child::start_in(&rig.path(), &tuning).await;
        let (found, between) = all(&Door::open(&child.url).await).await;
        for writer in &mut writers {
            writer.check(&found, between);
        }
    }
    child.kill();
    eprintln!("{cuts} power cuts amid {} acknowledged batches of changes; none lost", acks.load(SeqCst));
}
