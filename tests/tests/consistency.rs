//! Many writers and readers at once: no query may see a state that never was.
//!
//! The points stand in groups. Every write replaces a whole group in one batch and gives all of its points the same
//! generation, and everything else of them follows from it: the payload, the words, the vector. So any reply, however
//! it was asked for, has to show one generation, whole; a mixture is a torn read. The generation may not fall behind
//! one that was acknowledged before the query began, nor behind what the same reader saw before.
//!
//! Runs for some seconds; `NIGH_CONSISTENCY_SECONDS=60` gives it a minute.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_proto::v1::{self, op};
use nigh_tests::oracle::cosine;
use nigh_tests::random::Random;
use nigh_tests::server::{Server, Tuning};
use nigh_tests::wire::{self, Door};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

const GROUPS: u64 = 4;
const MEMBERS: u64 = 16;
/// Group 0 is deleted whole in every tenth generation.
const VANISHING: u64 = 0;
/// Two axes a group, and two for the noise.
const SIZE: usize = 2 * (GROUPS as usize + 1);
const COLLECTION: &str = "groups";

fn vector(group: u64, generation: u64) -> Vec<f32> {
    let angle = (generation % 97) as f32 / 97.0;
    let mut vector = vec![0.0; SIZE];
    vector[2 * group as usize] = angle.cos();
    vector[2 * group as usize + 1] = angle.sin();
    vector
}

fn axis(group: u64) -> Vec<f32> {
    let mut vector = vec![0.0; SIZE];
    vector[2 * group as usize] = 1.0;
    vector
}

fn parity(generation: u64) -> &'static str {
    if generation.is_multiple_of(2) { "even" } else { "odd" }
}

fn payload(group: u64, generation: u64) -> Value {
    let words = format!("group{group} {} gen{generation}", parity(generation));
    json!({"group": group, "generation": generation, "parity": parity(generation), "words": words})
}

fn ids(group: u64) -> impl Iterator<Item = v1::PointId> {
    (group * MEMBERS..(group + 1) * MEMBERS).map(wire::num)
}

/// The batch that takes a group to its next generation, in one of the ways in which that can be done.
fn batch(group: u64, generation: u64) -> Vec<v1::Op> {
    let vector = vector(group, generation);
    let text = payload(group, generation).to_string();
    let whole = |id| wire::upsert(wire::point(id, &[("v", &vector)], &text));
    if group == VANISHING && generation.is_multiple_of(10) {
        return vec![wire::operation(op::Op::Delete(of_group(group)))];
    }
    if group == VANISHING || !generation.is_multiple_of(3) {
        return ids(group).map(whole).collect();
    }
    // The payload by a filter, the vectors one by one: still one batch.
    let overwrite = v1::PayloadOp { points: Some(of_group(group)), payload: text.clone() };
    let vectors = ids(group).map(|id| op::Op::UpdateVectors(wire::point(id, &[("v", &vector)], "")));
    let ops = std::iter::once(op::Op::OverwritePayload(overwrite)).chain(vectors);
    ops.map(wire::operation).collect()
}

fn of_group(group: u64) -> v1::Selector {
    wire::by_filter(wire::must(vec![wire::equals("group", group)]))
}

/// What a reply shows of one point: its payload, and the vector or the score against the group's axis where there is one.
struct Seen {
    payload: Value,
    vector: Option<Vec<f32>>,
    score: Option<f32>,
}

/// The one generation of a group that a reply shows; `None` where it shows no point; an error where it is torn.
fn one_state(group: u64, seen: &[Seen]) -> Result<Option<u64>, String> {
    let Some(first) = seen.first() else { return Ok(None) };
    let generation = first.payload["generation"].as_u64().ok_or("no generation")?;
    if seen.len() as u64 != MEMBERS {
        return Err(format!("group {group} has {} points in generation {generation}", seen.len()));
    }
    for one in seen {
        if one.payload != payload(group, generation) {
            return Err(format!("group {group} mixes generation {generation} with {}", one.payload));
        }
        let expected = vector(group, generation);
        if one.vector.as_ref().is_some_and(|have| *have != expected) {
            return Err(format!("group {group}: a vector is not of generation {generation}"));
        }
        let score = cosine(&expected, &axis(group));
        if one.score.is_some_and(|have| (have - score).abs() > 1e-4) {
            return Err(format!("group {group}: a score is {:?}, in generation {generation} it is {score}", one.score));
        }
    }
    Ok(Some(generation))
}

fn of_hits(hits: &[v1::Hit], scored: bool) -> Vec<Seen> {
    let seen = |hit: &v1::Hit| Seen {
        payload: serde_json::from_str(&hit.payload).unwrap(),
        vector: hit.vectors.get("v").map(|vector| vector.values.clone()),
        score: scored.then_some(hit.score),
    };
    hits.iter().map(seen).collect()
}

/// Asks for a group in one of many ways. `None`: the answer tells no generation (it was a count, and is checked here).
async fn ask(door: &Door, group: u64, way: u64) -> (Result<Option<u64>, String>, u64) {
    let members = MEMBERS as u32;
    let filter = Some(wire::must(vec![wire::equals("group", group)]));
    let dense = wire::dense("v", &axis(group));
    let request = match way {
        0 => v1::QueryRequest { filter, ..wire::query(COLLECTION, vec![dense], members + 4) },
        1 => {
            let retrievers = vec![wire::exact("v", &axis(group))];
            v1::QueryRequest { vectors: wire::all_vectors(), ..wire::query(COLLECTION, retrievers, members) }
        }
        2 => wire::query(COLLECTION, vec![wire::text("words", &format!("group{group}"))], members + 4),
        3 => v1::QueryRequest { filter, ..wire::query(COLLECTION, vec![wire::text("words", "even")], members + 4) },
        4 => {
            let text = wire::text("words", &format!("group{group}"));
            v1::QueryRequest { filter, ..wire::query(COLLECTION, vec![dense, text], members + 4) }
        }
        5 => {
            let page = door.scroll(COLLECTION, filter, None, members + 4).await.unwrap();
            let seen = |point: &v1::Point| Seen {
                payload: serde_json::from_str(&point.payload).unwrap(),
                vector: Some(point.vectors["v"].values.clone()),
                score: None,
            };
            return (one_state(group, &page.points.iter().map(seen).collect::<Vec<_>>()), page.seq);
        }
        6 => {
            let reply = door.points_of(COLLECTION, ids(group).collect()).await.unwrap();
            let seen = |point: &v1::Point| Seen {
                payload: serde_json::from_str(&point.payload).unwrap(),
                vector: Some(point.vectors["v"].values.clone()),
                score: None,
            };
            return (one_state(group, &reply.points.iter().map(seen).collect::<Vec<_>>()), reply.seq);
        }
        _ => {
            let filter = wire::must(vec![wire::equals("group", group), wire::equals("parity", "odd")]);
            let reply = door.count(COLLECTION, Some(filter)).await.unwrap();
            let whole = reply.count == 0 || reply.count == MEMBERS;
            return (whole.then_some(None).ok_or(format!("group {group} counts {} odd ones", reply.count)), reply.seq);
        }
    };
    let reply = door.query(request).await.unwrap();
    let hits = match way {
        // Without a filter the nearest are the group's, unless it is not there at this moment.
        1 | 2 => reply.hits.iter().filter(|hit| wire::number(&hit.id) / MEMBERS == group).cloned().collect(),
        _ => reply.hits,
    };
    (one_state(group, &of_hits(&hits, way < 2)), reply.seq)
}

struct Shared {
    door: Door,
    /// The newest generation of each group that was acknowledged.
    acknowledged: [AtomicU64; GROUPS as usize],
    stop: AtomicBool,
    replies: AtomicU64,
}

async fn write(shared: Arc<Shared>, group: u64) -> u64 {
    for generation in 2.. {
        if shared.stop.load(SeqCst) {
            return generation - 1;
        }
        shared.door.write(COLLECTION, batch(group, generation)).await.unwrap();
        shared.acknowledged[group as usize].store(generation, SeqCst);
    }
    unreachable!("generations do not end")
}

/// Points that concern nobody keep seals and merges going.
async fn make_noise(shared: Arc<Shared>) {
    let mut random = Random::new(99);
    while !shared.stop.load(SeqCst) {
        let mut ops = Vec::new();
        for _ in 0..32 {
            let mut vector = vec![0.0; SIZE];
            (vector[SIZE - 2], vector[SIZE - 1]) = (random.float() + 2.0, random.float());
            let id = 1_000_000 + random.below(2_000);
            ops.push(wire::upsert(wire::point(wire::num(id), &[("v", &vector)], r#"{"words": "noise even odd"}"#)));
        }
        shared.door.write(COLLECTION, ops).await.unwrap();
    }
}

async fn read(shared: Arc<Shared>, seed: u64) {
    let mut random = Random::new(seed);
    let (mut newest, mut newest_seq) = ([0; GROUPS as usize], 0);
    while !shared.stop.load(SeqCst) {
        let (group, way) = (random.below(GROUPS), random.below(8));
        let before = shared.acknowledged[group as usize].load(SeqCst);
        let (state, seq) = ask(&shared.door, group, way).await;
        let state = state.unwrap_or_else(|torn| panic!("torn read, way {way}, seq {seq}: {torn}"));
        assert!(seq >= newest_seq, "a reader went back from {newest_seq} to {seq}");
        newest_seq = seq;
        let seen = &mut newest[group as usize];
        match state {
            Some(generation) => {
                assert!(generation >= before, "way {way}: {generation} after {before} was acknowledged");
                assert!(generation >= *seen, "way {way}: a reader went back from {seen} to {generation}");
                *seen = generation;
            }
            // "even" finds nothing in an odd generation, and a count tells none.
            None => assert!(group == VANISHING || way == 3 || way == 7, "way {way}: group {group} is gone"),
        }
        shared.replies.fetch_add(1, SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_reply_shows_one_state() {
    let seconds = std::env::var("NIGH_CONSISTENCY_SECONDS").map_or(8, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &Tuning { seal_rows: Some(500), ..Tuning::default() }).await;
    let door = Door::open(&server.url).await;
    door.create(COLLECTION, wire::spec(&[("v", SIZE as u32)], &[("words", "standard")])).await.unwrap();
    for group in 0..GROUPS {
        door.write(COLLECTION, batch(group, 1)).await.unwrap();
    }
    let shared = Arc::new(Shared {
        door,
        acknowledged: Default::default(),
        stop: AtomicBool::new(false),
        replies: AtomicU64::new(0),
    });
    let writers: Vec<_> = (0..GROUPS).map(|group| tokio::spawn(write(shared.clone(), group))).collect();
    let noise = tokio::spawn(make_noise(shared.clone()));
    let readers: Vec<_> = (0..6).map(|seed| tokio::spawn(read(shared.clone(), seed))).collect();

    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end && !readers.iter().any(|reader| reader.is_finished()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    shared.stop.store(true, SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    noise.await.unwrap();
    let mut generations = 0;
    for writer in writers {
        generations += writer.await.unwrap();
    }
    let replies = shared.replies.load(SeqCst);
    eprintln!("{replies} replies over {generations} generations in {seconds} s, all of one state each");
    assert!(replies > 20 && generations > 20, "there was something to see");
    server.stop().await;
}

#[test]
fn a_torn_reply_is_caught() {
    let seen = |generation, of_vector| Seen {
        payload: payload(1, generation),
        vector: Some(vector(1, of_vector)),
        score: Some(cosine(&vector(1, of_vector), &axis(1))),
    };
    let whole = |at: u64| (0..MEMBERS).map(move |_| seen(at, at));
    assert_eq!(one_state(1, &whole(7).collect::<Vec<_>>()), Ok(Some(7)));
    assert_eq!(one_state(1, &[]), Ok(None));
    let torn: [Vec<Seen>; 3] = [
        whole(7).take(15).chain([seen(8, 8)]).collect(),
        whole(7).take(15).chain([seen(7, 8)]).collect(),
        whole(7).take(15).collect(),
    ];
    for torn in torn {
        assert!(one_state(1, &torn).is_err());
    }
}
