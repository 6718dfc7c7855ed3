//! Sparse vectors, several vectors a point, and vector fields that come and go, through the server: against a naive scan,
//! in live parts and in segments, before and after merges.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::filter::has_vector;
use nigh_client::point::{Durability, VectorsWanted, Wanted};
use nigh_client::schema::VectorField;
use nigh_client::vectors::{MultiField, NewField, SparseField};
use nigh_client::{Client, CollectionSpec, Filter, Idf, Metric, Op, Point, PointId, Query, Retriever, field};
use nigh_tests::random::Random;
use nigh_tests::server::{Server, Tuning};
use serde_json::json;
use std::collections::BTreeMap;

const C: &str = "c";

/// What a point has, as the test keeps it.
#[derive(Clone, Default)]
struct Held {
    sparse: BTreeMap<u32, f32>,
    multi: Vec<Vec<f32>>,
    number: u64,
}

impl Held {
    fn some(random: &mut Random, number: u64) -> Self {
        let count = 1 + random.below(12);
        // Eighths: sums of their products are exact.
        let mut eighth = |most: u64| (1 + random.below(most)) as f32 / 8.0;
        let sparse = (0..count).map(|at| ((eighth(60) * eighth(60)) as u32 * 7 + at as u32 % 2, eighth(32))).collect();
        let multi = (0..1 + number % 4).map(|_| vec![eighth(40), eighth(40) - 2.0]).collect();
        Self { sparse, multi, number }
    }

    fn point(&self, id: u64) -> Point {
        let point = Point::new(id).payload(json!({"n": self.number}));
        let point = point.sparse("words", self.sparse.clone());
        if self.multi.is_empty() { point } else { point.multi("tokens", self.multi.clone()) }
    }
}

fn sorted(mut hits: Vec<(u64, f32)>) -> Vec<(u64, f32)> {
    hits.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    hits
}

fn naive_sparse(model: &BTreeMap<u64, Held>, query: &BTreeMap<u32, f32>, idf: bool, below: u64) -> Vec<(u64, f32)> {
    let rows = model.values().filter(|held| !held.sparse.is_empty()).count() as f64;
    let weight = |index: &u32, value: &f32| {
        let df = model.values().filter(|held| held.sparse.contains_key(index)).count() as f64;
        f64::from(*value) * if idf { (1.0 + (rows - df + 0.5) / (df + 0.5)).ln() } else { 1.0 }
    };
    let score = |held: &Held| {
        let shared = query.iter().filter_map(|(index, value)| Some((index, value, held.sparse.get(index)?)));
        let shared: Vec<f64> = shared.map(|(index, value, own)| weight(index, value) * f64::from(*own)).collect();
        (!shared.is_empty()).then(|| shared.iter().sum::<f64>() as f32)
    };
    let asked = model.iter().filter(|(_, held)| held.number < below);
    sorted(asked.filter_map(|(id, held)| Some((*id, score(held)?))).collect())
}

fn naive_multi(model: &BTreeMap<u64, Held>, query: &[Vec<f32>]) -> Vec<(u64, f32)> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let score = |held: &Held| {
        query.iter().map(|asked| held.multi.iter().map(|own| dot(asked, own)).fold(f32::MIN, f32::max)).sum()
    };
    let with = model.iter().filter(|(_, held)| !held.multi.is_empty());
    sorted(with.map(|(id, held)| (*id, score(held))).collect())
}

async fn hits(client: &Client, query: Query) -> Vec<(u64, f32)> {
    let number = |id| if let PointId::Num(number) = id { number } else { panic!("a number") };
    let reply = client.query(C, query.limit(10)).await.unwrap();
    reply.hits.into_iter().map(|hit| (number(hit.id), hit.score)).collect()
}

/// The scores are the best ten, and each is that of its point.
fn agree(found: &[(u64, f32)], all: &[(u64, f32)], what: &str) {
    assert_eq!(found.len(), all.len().min(10), "{what}: {found:?} {all:?}");
    let near = |a: f32, b: f32| (a - b).abs() < 1e-5 * b.abs().max(1.0);
    for (have, want) in found.iter().zip(all) {
        let own = all.iter().find(|(id, _)| *id == have.0).unwrap();
        assert!(near(have.1, want.1) && near(have.1, own.1), "{what}: {have:?}, {own:?}, {want:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sparse_and_several_vectors_are_found_as_a_scan_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &Tuning { seal_rows: Some(300), ..Tuning::default() }).await;
    let client = Client::connect(&server.url).await.unwrap();
    let spec = CollectionSpec::new().sparse("words", Idf::Off).multi("tokens", 2, Metric::Dot);
    client.create_collection(C, spec.clone()).await.unwrap();
    assert_eq!(client.describe_collection(C).await.unwrap().spec, spec);

    let random = &mut Random::new(11);
    let mut model: BTreeMap<u64, Held> = BTreeMap::new();
    for round in 0..12 {
        let new: Vec<(u64, Held)> = (0..100).map(|_| (random.below(700), Held::some(random, round))).collect();
        model.extend(new.iter().cloned());
        client.upsert(C, new.iter().map(|(id, _)| model[id].point(*id))).await.unwrap();
        let gone: Vec<u64> = (0..9).map(|_| random.below(700)).collect();
        client.delete(C, gone.clone()).await.unwrap();
        gone.iter().for_each(|id| drop(model.remove(id)));
        // Vectors of one field are replaced or go, the others stay.
        let some: Vec<u64> = model.keys().copied().filter(|id| id % 37 == round).collect();
        client.delete_vectors(C, some.clone(), vec!["tokens".to_owned()]).await.unwrap();
        some.iter().for_each(|id| model.get_mut(id).unwrap().multi.clear());
        let other: Vec<u64> = model.keys().copied().filter(|id| id % 31 == round).collect();
        for id in &other {
            model.get_mut(id).unwrap().sparse = [(7, 1.5), (70_000, *id as f32)].into();
        }
        let updates = other.iter().map(|id| Point::new(*id).sparse("words", model[id].sparse.clone()));
        client.update_vectors(C, updates.collect::<Vec<_>>()).await.unwrap();

        if round == 11 {
            client.optimize(C).await.unwrap();
        }
        for _ in 0..4 {
            let asked = Held::some(random, 0);
            let query = || Query::default().with(Retriever::sparse("words", asked.sparse.clone()));
            agree(&hits(&client, query()).await, &naive_sparse(&model, &asked.sparse, false, 99), "sparse");
            let old = query().filter(Filter::must([field("n").below(4.0)]));
            agree(&hits(&client, old).await, &naive_sparse(&model, &asked.sparse, false, 4), "filtered");
            let several = Query::default().with(Retriever::multi("tokens", asked.multi.clone()));
            agree(&hits(&client, several).await, &naive_multi(&model, &asked.multi), "several");
        }
        let with = client.count(C, Some(has_vector("tokens").into())).await.unwrap();
        assert_eq!(with, model.values().filter(|held| !held.multi.is_empty()).count() as u64);
    }
    let (id, held) = model.iter().find(|(_, held)| held.multi.len() == 3).unwrap();
    let found = client.get_with(C, [*id], Wanted::All, VectorsWanted::All).await.unwrap();
    assert_eq!(found[0].multi["tokens"], held.multi);
    let own = &found[0].sparse["words"];
    let own: BTreeMap<u32, f32> = own.indices.iter().copied().zip(own.values.iter().copied()).collect();
    assert_eq!(own, held.sparse);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_come_and_go_while_a_collection_lives() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &Tuning { seal_rows: Some(100), ..Tuning::default() }).await;
    let client = Client::connect(&server.url).await.unwrap();
    client.create_collection(C, CollectionSpec::new()).await.unwrap();
    client.upsert(C, (0..150u64).map(Point::new)).await.unwrap();
    client.pin(C, "before").await.unwrap();

    let words = || NewField::Sparse(SparseField { name: "words".into(), idf: true });
    client.add_vectors(C, words()).await.unwrap();
    assert!(client.add_vectors(C, words()).await.is_err());
    assert!(!client.add_vectors_if_absent(C, words()).await.unwrap());
    let tokens = MultiField { name: "tokens".into(), size: 2, metric: Metric::Dot };
    client.add_vectors(C, NewField::Multi(tokens)).await.unwrap();
    let dense = VectorField { name: "e".into(), size: 2, ..VectorField::default() };
    client.add_vectors(C, NewField::Dense(dense.clone())).await.unwrap();

    let random = &mut Random::new(5);
    let model: BTreeMap<u64, Held> = (100..250).map(|id| (id, Held::some(random, 1))).collect();
    client.upsert(C, model.iter().map(|(id, held)| held.point(*id).vector("e", [1.0, *id as f32]))).await.unwrap();
    for settled in [false, true] {
        if settled {
            client.optimize(C).await.unwrap();
        }
        let asked = Held::some(random, 0);
        let query = Query::default().with(Retriever::sparse("words", asked.sparse.clone()));
        agree(&hits(&client, query.clone()).await, &naive_sparse(&model, &asked.sparse, true, 9), "rarity");
        assert_eq!(hits(&client, query.at("before")).await, [], "no point of then has a vector");
        for (name, count) in [("e", 150), ("words", 150), ("x", 0)] {
            assert_eq!(client.count(C, Some(has_vector(name).into())).await.unwrap(), count, "{name}");
        }
        let without = Filter::default().without([has_vector("tokens")]);
        assert_eq!(client.count(C, Some(without)).await.unwrap(), 100);
        let near = hits(&client, Query::dense("e", [0.0, 1.0])).await;
        assert_eq!(near.len(), 10);
    }
    assert!(client.drop_vectors(C, "e").await.unwrap() && !client.drop_vectors(C, "e").await.unwrap());
    assert!(client.query(C, Query::dense("e", [0.0, 1.0])).await.is_err());
    let again = VectorField { size: 3, ..dense };
    client.add_vectors(C, NewField::Dense(again)).await.unwrap();
    assert_eq!(client.count(C, Some(has_vector("e").into())).await.unwrap(), 0);
    client.write(C, [Op::from(Point::new(1).vector("e", [1.0, 2.0, 3.0]))], Durability::Durable).await.unwrap();
    assert_eq!(hits(&client, Query::dense("", [1.0, 0.0, 0.0])).await.len(), 1, "it is the only dense field");
    // What a filter says of vectors holds for points that the same batch wrote.
    let batch =
        [Op::from(Point::new(2).vector("e", [1.0, 2.0, 3.0])), Op::Delete(Filter::must([has_vector("e")]).into())];
    client.write(C, batch, Durability::Durable).await.unwrap();
    assert_eq!(client.count(C, None).await.unwrap(), 248);
    server.stop().await;

    let server = Server::start_in(folder.path(), &Tuning::default()).await;
    let client = Client::connect(&server.url).await.unwrap();
    let spec = client.describe_collection(C).await.unwrap().spec;
    assert_eq!((spec.vectors[0].size, &spec.sparse[0].name[..], &spec.multi[0].name[..]), (3, "words", "tokens"));
    assert_eq!(client.count(C, Some(has_vector("words").into())).await.unwrap(), 150);
    server.stop().await;
}
