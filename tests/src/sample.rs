//! A small store with something of everything in it, and what it answers: for tests that damage files, and for
//! stored directories of every format.

use crate::random::Random;
use bytes::Bytes;
use nigh_index::filter::parse::parse;
use nigh_index::id::PointId;
use nigh_index::params::SearchParams;
use nigh_index::sparse::spec::SparseSpec;
use nigh_index::sparse::vector::SparseVector;
use nigh_index::text::spec::TextSpec;
use nigh_index::vector::metric::Metric;
use nigh_index::vector::multi::{MultiSpec, MultiVector};
use nigh_index::vector::spec::{HnswSpec, IvfCode, IvfSpec, VectorSpec};
use nigh_server::config::Limits;
use nigh_server::engine::Engine;
use nigh_server::engine::error::Error;
use nigh_server::engine::pool::Deadline;
use nigh_server::engine::query::retriever::{Kind, Retriever, Target};
use nigh_server::engine::query::{PayloadSelection, Query, Scroll, VectorSelection};
use nigh_server::engine::words::Words;
use nigh_storage::point::Point;
use nigh_storage::schema::{CollectionSpec, MultiField, SparseField, TextField, VectorField, VectorPlace};
use nigh_storage::store::{Options, Store};
use nigh_storage::write::{Durability, Position, Selector, Write, WriteBatch};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// A collection with every kind of field, several segments, dead rows, and rows that only the log has.
pub const MANY: &str = "many";
/// A small one beside it.
pub const SIDE: &str = "side";

/// What is asked, and what is answered.
pub type Answers = BTreeMap<String, Value>;

/// Nothing happens by itself.
pub fn options() -> Options {
    Options { background: false, build_threads: 1, ballast_bytes: 0, ..Options::default() }
}

fn many() -> CollectionSpec {
    let field = |name: &str, spec: VectorSpec| VectorField { name: name.to_owned(), spec };
    let lists = |code| Some(IvfSpec { lists: 6, code, rerank: 0 });
    let graph = HnswSpec { m: 8, ef_construct: 32 };
    let text = |name: &str, paths: &[&str], analyzer: &str| TextField {
        name: name.to_owned(),
        paths: paths.iter().map(|path| path.to_string()).collect(),
        spec: TextSpec { analyzer: analyzer.to_owned(), ..TextSpec::default() },
    };
    CollectionSpec {
        vectors: vec![
            field("cosine", VectorSpec { hnsw: graph, ..VectorSpec::new(8, Metric::Cosine) }),
            field("lists", VectorSpec { ivf: lists(IvfCode::Pq4), ..VectorSpec::new(8, Metric::Euclid) }),
            field("bits", VectorSpec { ivf: lists(IvfCode::Bits(4)), ..VectorSpec::new(8, Metric::Dot) }),
            field("manhattan", VectorSpec { hnsw: graph, ..VectorSpec::new(3, Metric::Manhattan) }),
        ],
        sparse: vec![SparseField { name: "weights".to_owned(), spec: SparseSpec { idf: true } }],
        multi: vec![MultiField { name: "tokens".to_owned(), spec: MultiSpec { size: 3, metric: Metric::Dot } }],
        texts: vec![text("body", &[], "standard"), text("both", &["title", "body"], "english")],
        ..CollectionSpec::default()
    }
}

fn id(at: u64) -> PointId {
    match at % 3 {
        0 => PointId::Uuid(Uuid::from_u128(u128::from(at) * 0x1_0000_0001_0000_0001)),
        _ => PointId::Num(at),
    }
}

fn point(at: u64, random: &mut Random) -> Point {
    const WORDS: [&str; 10] =
        ["near", "far", "running", "boats", "harbour", "stone", "wind", "letters", "ink", "übung"];
    let words = |random: &mut Random| (0..6).map(|_| random.pick(&WORDS)).collect::<Vec<_>>().join(" ");
    let sizes = [8, 8, 8, 3];
    // Some points leave some fields out.
    let vectors = (0..4u16).filter(|field| at % 7 != u64::from(*field));
    let vectors = vectors.map(|field| (field, random.vector(sizes[usize::from(field)]))).collect();
    let weight = |index: u32| (index * index % 400, (index % 9) as f32 / 4.0);
    let (indices, values) = (at as u32 % 50..at as u32 % 50 + 6).map(|index| weight(index + 20)).unzip();
    let sparse = SparseVector::new(indices, values).map(|vector| (0, vector)).ok().into_iter().collect();
    let token = |token: u64| [(at % 16) as f32 / 16.0, token as f32, -0.5];
    let multi = if at.is_multiple_of(5) { vec![] } else { vec![(0, MultiVector::of((0..1 + at % 3).map(token)))] };
    let payload = match at % 11 {
        0 => Bytes::new(),
        kind => json!({
            "title": words(random), "body": words(random), "number": at as i64 - 40, "price": at as f64 / 8.0,
            "colour": (["red", "green", "blue"][at as usize % 3]), "sold": at.is_multiple_of(2),
            "tags": (["a", "b", "c"][kind as usize % 3..]), "day": format!("2026-02-{:02}", at % 28 + 1),
            "size": {"width": at % 7, "height": null}, "huge": u64::MAX - at, "none": null, "empty": [],
        })
        .to_string()
        .into(),
    };
    // Some are to go, but not while anybody looks: in the year 2100.
    let expires_at_ms = at.is_multiple_of(6).then_some(4_102_444_800_000);
    Point { vectors, sparse, multi, payload, expires_at_ms, ..Point::new(id(at)) }
}

/// Lays both collections down: segments of `rows` points each, then deletions, then writes that stay in the log.
pub fn lay_down(store: &Store, rows: u64) {
    let random = &mut Random::new(7);
    store.create(MANY, many()).unwrap();
    let collection = store.collection(MANY).unwrap();
    // Every batch has an id and comes from a source, so that there are pages of outcomes and positions.
    let batches = std::cell::Cell::new(0);
    let write = |ops: Vec<Write>| {
        batches.set(batches.get() + 1);
        let position =
            Position { source: "lines".to_owned(), partition: "3".to_owned(), offset: batches.get(), after: None };
        let op_id = Some(Uuid::from_u128(batches.get().into()));
        let batch = WriteBatch { ops, op_id, positions: vec![position], ..WriteBatch::default() };
        collection.write_batch(batch, Durability::Durable).unwrap()
    };
    for part in 0..2 {
        write((part * rows..(part + 1) * rows).map(|at| Write::Upsert(point(at, random))).collect());
        collection.seal().unwrap();
    }
    // Dead at a checkpoint: replaced in the next segment, or deleted.
    write(vec![Write::Delete(Selector::Ids((0..rows / 4).map(|at| id(at * 5)).collect()))]);
    write((rows / 2..rows / 2 + 20).map(|at| Write::Upsert(point(at, random))).collect());
    collection.pin("monday").unwrap();
    write(vec![Write::Delete(Selector::Ids(vec![id(rows + 3)]))]);
    collection.seal().unwrap();
    // Dead and alive by the log alone.
    let red = Selector::Filter(parse("colour = 'red' AND number > 100").unwrap());
    write(vec![Write::SetPayload(red, r#"{"seen":true}"#.into())]);
    write(vec![Write::Delete(Selector::Ids(vec![id(rows + 1), id(rows + 2)]))]);
    write((2 * rows..2 * rows + 12).map(|at| Write::Upsert(point(at, random))).collect());
    write(vec![
        Write::UpdateVectors(Point { vectors: vec![(3, vec![1.0, 2.0, 3.0])], ..Point::new(id(rows + 4)) }),
        Write::DeletePayloadKeys(Selector::Ids(vec![id(rows + 5)]), vec!["title".into(), "huge".into()]),
        Write::DeleteVectors(Selector::Ids(vec![id(rows + 6)]), vec![VectorPlace::Dense(0)]),
        Write::ClearPayload(Selector::Ids(vec![id(rows + 7)])),
    ]);
    lay_down_side(store);
}

/// Lays the small one down.
pub fn lay_down_side(store: &Store) {
    let random = &mut Random::new(9);
    let spec = VectorField { name: String::new(), spec: VectorSpec::new(4, Metric::Cosine) };
    store.create(SIDE, CollectionSpec { vectors: vec![spec], ..CollectionSpec::default() }).unwrap();
    let side = store.collection(SIDE).unwrap();
    let point = |at: u64, random: &mut Random| {
        let payload = json!({"side": at}).to_string().into();
        Write::Upsert(Point { vectors: vec![(0, random.vector(4))], payload, ..Point::new(at) })
    };
    side.write((0..20).map(|at| point(at, random)).collect(), Durability::Durable).unwrap();
    side.seal().unwrap();
    side.write((15..25).map(|at| point(at, random)).collect(), Durability::Durable).unwrap();
}

/// How much is asked.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// What has one right answer, on every machine: scores are rounded.
    WhatIsExact,
    /// Everything, bit by bit.
    Everything,
}

/// Asks a collection for everything that it holds, in every way of asking.
pub async fn answers(store: &Arc<Store>, collection: &str, ask: Ask) -> Result<Answers, Error> {
    let engine = Engine::new(store.clone(), "data".into(), Limits::default());
    let of = engine.collection(collection)?;
    let deadline = Deadline::default();
    let mut answers = Answers::new();
    let all = Scroll {
        filter: None,
        from: None,
        limit: 10_000,
        payload: PayloadSelection::All,
        vectors: VectorSelection(of.spec().fields().map(|(place, _)| place).collect()),
        version: String::new(),
    };
    let page = engine.scroll(of.clone(), all, &deadline).await?;
    answers.insert("seq".to_owned(), page.seq.into());
    for record in page.records {
        let payload = String::from_utf8_lossy(&record.payload).into_owned();
        answers.insert(format!("point {}", record.id), {
            let sparse: Vec<_> = record.sparse.iter().map(|(_, own)| (own.indices(), own.values())).collect();
            let multi: Vec<_> = record.multi.iter().map(|(_, own)| (own.count, &own.values)).collect();
            json!([payload, record.vectors, sparse, multi])
        });
    }
    for filter in FILTERS {
        let (count, _) = engine.count(of.clone(), Some(parse(filter)?), String::new(), &deadline).await?;
        answers.insert(format!("count {filter}"), count.into());
    }
    for (name, query) in queries(&of.spec(), ask) {
        let answer = engine.query(of.clone(), query, &deadline).await?;
        let shown = |score: f32| match ask {
            Ask::WhatIsExact => format!("{score:.3}"),
            Ask::Everything => score.to_string(),
        };
        let hits: Vec<Value> =
            answer.hits.iter().map(|hit| json!([hit.record.id.to_string(), shown(hit.score)])).collect();
        answers.insert(name, hits.into());
    }
    Ok(answers)
}

const FILTERS: [&str; 7] = [
    "colour = 'red' OR NOT number >= 17",
    "tags IN ('a', 'b') AND price < 12.5",
    "day >= '2026-02-03T00:00:00Z'",
    "sold = TRUE",
    "size.width != 3",
    "none IS NULL",
    "seen = TRUE",
];

fn queries(spec: &CollectionSpec, ask: Ask) -> Vec<(String, Query)> {
    let random = &mut Random::new(8);
    let mut all = Vec::new();
    let retriever = |kind| Retriever {
        name: "r".to_owned(),
        kind,
        sources: Vec::new(),
        limit: 10,
        filter: None,
        corpus: None,
        score_threshold: None,
    };
    for (field, vector) in spec.vectors.iter().enumerate() {
        for filter in [None, Some(FILTERS[0])] {
            for exact in [true, false] {
                let target = Target::Vector(random.vector(vector.spec.size as usize));
                if ask == Ask::WhatIsExact && !exact {
                    continue;
                }
                let params = SearchParams { exact, ..SearchParams::default() };
                let query = Query {
                    filter: filter.map(|text| parse(text).unwrap()),
                    ..Query::new(retriever(Kind::Dense { field, target, params }), 10)
                };
                all.push((format!("nearest {} exact {exact} where {filter:?}", vector.name), query));
            }
        }
    }
    for (field, known) in spec.sparse.iter().enumerate() {
        let vector = SparseVector::new(vec![0, 41, 324, 225], vec![1.0, 2.0, 0.5, -0.25]).unwrap();
        let query = Query::new(retriever(Kind::Sparse { field, vector }), 10);
        all.push((format!("sparse {}", known.name), query));
    }
    for (field, known) in spec.multi.iter().enumerate() {
        let vectors = MultiVector::of([[0.5, 0.25, 1.0], [1.0, -1.0, 0.0]]);
        let query = Query::new(retriever(Kind::Multi { field, vectors }), 10);
        all.push((format!("multi {}", known.name), query));
    }
    for (field, text) in spec.texts.iter().enumerate() {
        let words = |query: &str| {
            let words = Words { fields: vec![(field, 1.0)], query: query.to_owned(), ..Words::default() };
            retriever(Kind::Text(words))
        };
        for said in ["harbour stone", "boat runs", "übung"] {
            let query = Query::new(words(said), 10);
            all.push((format!("text {} says {said}", text.name), query));
        }
    }
    all
}

/// Copies a folder, with files that can be written again.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&from, &to),
            false => std::fs::write(&to, std::fs::read(&from).unwrap()).unwrap(),
        }
    }
}
