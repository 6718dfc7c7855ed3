//! A collection is held against a `BTreeMap`: random operations through the wire, every kind of question after them,
//! and now and then the server is stopped and started on the same directory.
//!
//! A failure prints its seed; `NIGH_SEED=7 cargo test -p nigh-tests --test model` runs that one alone.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_proto::v1::{self, op};
use nigh_tests::model::{Ask, Held, Model, by_words, nearest};
use nigh_tests::random::Random;
use nigh_tests::server::{Server, Tuning};
use nigh_tests::wire::{self, Door};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const SIZES: [(&str, usize); 2] = [("image", 12), ("sound", 5)];
const IDS: u64 = 60;
const WORDS: [&str; 10] = ["near", "far", "night", "light", "stone", "river", "fox", "owl", "moss", "rain"];
const COLOURS: [&str; 4] = ["red", "green", "blue", "Red"];
const DAYS: [&str; 4] = ["2021-05-01", "2022-01-31", "2022-02-01", "2024-02-29"];

fn value(random: &mut Random, key: &str) -> Value {
    match (key, random.below(12)) {
        (_, 0) => Value::Null,
        ("colour", 1..=3) => (0..random.below(4)).map(|_| json!(random.pick(&COLOURS))).collect(),
        ("colour", _) => json!(random.pick(&COLOURS)),
        ("size", 1..=3) => json!(random.below(8) as f64 / 2.0),
        ("size", _) => json!(random.below(8) as i64 - 2),
        ("flag", _) => json!(random.below(2) == 0),
        ("day", _) => json!(random.pick(&DAYS)),
        _ => json!((0..random.below(9)).map(|_| random.pick(&WORDS)).collect::<Vec<_>>().join(" ")),
    }
}

fn payload(random: &mut Random) -> Map<String, Value> {
    let keys = ["colour", "size", "flag", "day", "words"].map(String::from);
    keys.into_iter().filter_map(|key| (random.below(4) > 0).then(|| (key.clone(), value(random, &key)))).collect()
}

fn vectors(random: &mut Random) -> BTreeMap<String, Vec<f32>> {
    let kept: Vec<_> = SIZES.iter().filter(|_| random.below(5) > 0).collect();
    kept.into_iter().map(|(name, size)| (name.to_string(), random.vector(*size))).collect()
}

fn leaf(random: &mut Random) -> Ask {
    let some = |random: &mut Random, key: &str| -> Vec<Value> {
        let values = (0..=random.below(3)).map(|_| value(random, key));
        values.filter(|value| !value.is_null() && !value.is_array()).collect()
    };
    let path = random.pick(&["colour", "size", "flag", "day"]);
    match random.below(8) {
        0 => Ask::Empty(random.pick(&["colour", "size", "absent"])),
        1 => Ask::Null(random.pick(&["colour", "flag", "absent"])),
        2 => Ask::HasId((0..random.below(12)).map(|_| random.below(IDS)).collect()),
        3 => Ask::Range("size", random.below(4) as f64 - 1.5, random.below(6) as f64),
        4 => Ask::Days("day", random.pick(&DAYS), random.pick(&DAYS)),
        5 => match some(random, path) {
            none if none.is_empty() => Ask::Empty(path),
            some => Ask::NoneOf(path, some),
        },
        _ => match some(random, path) {
            none if none.is_empty() => Ask::Null(path),
            some => Ask::AnyOf(path, some),
        },
    }
}

fn ask(random: &mut Random, depth: u32) -> Ask {
    if depth == 0 || random.below(3) > 0 {
        return leaf(random);
    }
    let asks = |random: &mut Random| (0..random.below(3)).map(|_| ask(random, depth - 1)).collect();
    Ask::Tree(asks(random), asks(random), asks(random))
}

/// A time at which a point expires: none, long past, or not in this test.
fn time(random: &mut Random) -> Option<u64> {
    match random.below(12) {
        0 => Some(1 + random.below(1000)),
        1 | 2 => Some(u64::MAX - random.below(1000)),
        _ => None,
    }
}

fn is_past(time_ms: Option<u64>) -> bool {
    time_ms.is_some_and(|time_ms| time_ms <= 1000)
}

/// One random operation: applied to the model, returned for the wire with the ids that it wrote.
fn operation(random: &mut Random, model: &mut Model) -> (v1::Op, Vec<u64>) {
    let kind = random.below(20);
    let ids: Vec<u64> = (0..=random.below(3)).map(|_| random.below(IDS)).collect();
    let (chosen, selector): (Vec<u64>, _) = if random.below(5) == 0 {
        let ask = ask(random, 1);
        let matching = model.iter().filter(|(id, held)| ask.holds(**id, held)).map(|(id, _)| *id).collect();
        (matching, wire::by_filter(ask.filter()))
    } else {
        let there = ids.iter().copied().filter(|id| model.contains_key(id)).collect();
        (there, wire::by_ids(ids.iter().map(|id| wire::num(*id)).collect()))
    };
    let new = payload(random);
    let text = |payload: &Map<String, Value>| serde_json::to_string(payload).unwrap();
    let each = |model: &mut Model, change: &dyn Fn(&mut Held)| {
        for id in &chosen {
            change(model.get_mut(id).unwrap());
        }
    };
    let points = Some(selector.clone());
    let mut written = chosen.clone();
    let op = match kind {
        0 => {
            model.retain(|id, _| !chosen.contains(id));
            op::Op::Delete(selector)
        }
        1 | 2 => {
            each(model, &|held| held.payload.extend(new.clone()));
            op::Op::SetPayload(v1::PayloadOp { points, payload: text(&new) })
        }
        3 => {
            each(model, &|held| held.payload = new.clone());
            op::Op::OverwritePayload(v1::PayloadOp { points, payload: text(&new) })
        }
        4 => {
            let keys = vec!["size".to_owned(), "words".to_owned(), "absent".to_owned()];
            each(model, &|held| keys.iter().for_each(|key| drop(held.payload.remove(key))));
            op::Op::DeletePayloadKeys(v1::PayloadKeysOp { points, keys })
        }
        5 if random.below(3) == 0 => {
            each(model, &|held| held.payload.clear());
            op::Op::ClearPayload(selector)
        }
        6 => {
            let names = vec!["sound".to_owned()];
            each(model, &|held| drop(held.vectors.remove("sound")));
            op::Op::DeleteVectors(v1::DeleteVectorsOp { points, names })
        }
        7 | 8 if !model.is_empty() => {
            let id = *model.keys().nth(random.below(model.len() as u64) as usize).unwrap();
            let new = vectors(random);
            model.get_mut(&id).unwrap().vectors.extend(new.clone());
            written = vec![id];
            let named: Vec<(&str, &[f32])> = new.iter().map(|(name, values)| (&name[..], &values[..])).collect();
            op::Op::UpdateVectors(wire::point(wire::num(id), &named, ""))
        }
        9 => {
            let expires_at_ms = time(random);
            each(model, &|held| held.expires_at_ms = expires_at_ms);
            op::Op::SetExpiry(v1::SetExpiryOp { points, expires_at_ms })
        }
        _ => {
            let expires_at_ms = time(random);
            let held = Held { vectors: vectors(random), payload: new, expires_at_ms, ..Held::default() };
            let named: Vec<(&str, &[f32])> = held.vectors.iter().map(|(name, v)| (&name[..], &v[..])).collect();
            let point = wire::point(wire::num(ids[0]), &named, &text(&held.payload));
            model.insert(ids[0], held);
            written = vec![ids[0]];
            op::Op::Upsert(v1::Point { expires_at_ms, ..point })
        }
    };
    model.retain(|_, held| !is_past(held.expires_at_ms));
    (wire::operation(op), written)
}

/// A batch of random operations, under a name and from a source: sent once, and now and then again, which changes
/// nothing. Then one on a condition that does not hold.
async fn write(door: &Door, model: &mut Model, random: &mut Random, batch: u64) {
    let (ops, written): (Vec<_>, Vec<_>) = (0..=random.below(5)).map(|_| operation(random, model)).unzip();
    let (source, partition) = ("model".to_owned(), String::new());
    let position = v1::SourcePosition { source, partition, offset: batch + 1, after: Some(batch) };
    let op_id = [batch.to_le_bytes(), [7; 8]].concat();
    let (count, collection) = (ops.len() as u64, "m".to_owned());
    let request = v1::WriteRequest { collection, ops, op_id, positions: vec![position], ..Default::default() };
    let reply = door.points.clone().write(request.clone()).await.unwrap().into_inner();
    for (ids, seq) in written.iter().zip(reply.seq + 1 - count..) {
        for id in ids {
            model.entry(*id).and_modify(|held| held.version = seq);
        }
    }
    if random.below(3) == 0 {
        // By its name; and by its position alone.
        for op_id in [request.op_id.clone(), Vec::new()] {
            let again = v1::WriteRequest { op_id, ..request.clone() };
            let again = door.points.clone().write(again).await.unwrap().into_inner();
            assert!(again.duplicate && again.seq == reply.seq, "{again:?} after {reply:?}");
        }
    }
    let id = random.below(IDS);
    let wrong = model.get(&id).map_or(1, |held| held.version + 1);
    let op = v1::Op { if_version: Some(wrong), ..wire::delete(vec![wire::num(id)]) };
    assert_eq!(door.write("m", vec![op]).await.unwrap_err().code(), tonic::Code::FailedPrecondition);
}

fn held(point: &v1::Point) -> (u64, Held) {
    let vectors = point.vectors.iter().map(|(name, vector)| (name.clone(), vector.values.clone())).collect();
    let payload = match &point.payload[..] {
        "" => Map::new(),
        text => serde_json::from_str(text).unwrap(),
    };
    let (version, expires_at_ms) = (point.version, point.expires_at_ms);
    (wire::number(&point.id), Held { vectors, payload, version, expires_at_ms, ..Held::default() })
}

/// A ranking is right if it has the right length, every score is the naive one, and none that is left out is better.
fn check_ranking(said: &[v1::Hit], naive: &[(u64, f64)], limit: usize, what: &str) {
    assert_eq!(said.len(), naive.len().min(limit), "{what}\nsaid {said:?}\nnaive {naive:?}");
    let scores: BTreeMap<u64, f64> = naive.iter().copied().collect();
    for (hit, (_, expected)) in said.iter().zip(naive) {
        let id = wire::number(&hit.id);
        let Some(own) = scores.get(&id) else { panic!("{what}: {id} is no hit at all") };
        let near = |a: f64| (a - f64::from(hit.score)).abs() <= 1e-4 * (1.0 + a.abs());
        assert!(near(*own) && near(*expected), "{what}: {id} has {}, naive {own}, {expected} here", hit.score);
    }
}

async fn check(door: &Door, model: &Model, random: &mut Random) {
    let mut all = Vec::new();
    let mut from = None;
    loop {
        let page = door.scroll("m", None, from, 7).await.unwrap();
        all.extend(page.points.iter().map(held));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "a scroll rises");
    assert_eq!(all.into_iter().collect::<Model>(), *model, "everything, by scroll");

    let ids: Vec<u64> = (0..5).map(|_| random.below(IDS)).collect();
    let got = door.points_of("m", ids.iter().map(|id| wire::num(*id)).collect()).await.unwrap();
    for point in &got.points {
        let (id, held) = held(point);
        assert_eq!(model.get(&id), Some(&held), "{id}, by get");
    }
    assert!(ids.iter().all(|id| got.points.iter().any(|p| wire::number(&p.id) == *id) == model.contains_key(id)));

    for _ in 0..6 {
        let ask = ask(random, 2);
        let pass = |id: u64, held: &Held| ask.holds(id, held);
        let matching = model.iter().filter(|(id, held)| pass(**id, held)).count() as u64;
        assert_eq!(door.count("m", Some(ask.filter())).await.unwrap().count, matching, "{ask:?}");

        let (name, size) = random.pick(&SIZES);
        let (vector, limit) = (random.vector(size), 1 + random.below(20) as u32);
        for retriever in [wire::exact(name, &vector), wire::dense(name, &vector)] {
            let request = v1::QueryRequest { filter: Some(ask.filter()), ..wire::query("m", vec![retriever], limit) };
            let reply = door.query(request).await.unwrap();
            check_ranking(&reply.hits, &nearest(model, name, &vector, &pass), limit as usize, &format!("{ask:?}"));
            for hit in &reply.hits {
                let held = &model[&wire::number(&hit.id)];
                assert_eq!((hit.version, hit.expires_at_ms), (held.version, held.expires_at_ms));
            }
        }
        let words = format!("{} {} {}", random.pick(&WORDS), random.pick(&WORDS), random.pick(&WORDS));
        let request = v1::QueryRequest {
            filter: Some(ask.filter()),
            ..wire::query("m", vec![wire::text("words", &words)], limit)
        };
        let reply = door.query(request).await.unwrap();
        let naive = by_words(model, "words", &words, &pass);
        check_ranking(&reply.hits, &naive, limit as usize, &format!("`{words}` {ask:?}"));
    }
}

async fn run(seed: u64) {
    eprintln!("seed {seed}");
    let mut random = Random::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let tuning = Tuning { seal_rows: Some(20), ..Tuning::default() };
    let mut server = Server::start_in(folder.path(), &tuning).await;
    let mut door = Door::open(&server.url).await;
    let sizes = SIZES.map(|(name, size)| (name, size as u32));
    door.create("m", wire::spec(&sizes, &[("words", "standard")])).await.unwrap();
    let mut model = Model::new();
    let mut batches = 0;
    for round in 0..30 {
        for _ in 0..random.below(6) {
            write(&door, &mut model, &mut random, batches).await;
            batches += 1;
        }
        if round % 7 == 6 {
            server.stop().await;
            server = Server::start_in(folder.path(), &tuning).await;
            door = Door::open(&server.url).await;
        }
        check(&door, &model, &mut random).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_is_a_map() {
    match std::env::var("NIGH_SEED") {
        Ok(seed) => run(seed.parse().unwrap()).await,
        Err(_) => {
            for seed in 0..6 {
                run(seed).await;
            }
        }
    }
}
