//! Approximate search is held against every vector compared, without a filter and under nine of them: recall@10 of at
//! least 0.98, and never fewer hits than there are.
//!
//! Runs on the sample of the repository, and on 20,000 passages where the larger data is there. All 100,000 are
//! measured by `cargo run --release -p nigh-benches --bin passages`.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::point::Wanted;
use nigh_client::{Client, Query};
use nigh_tests::data::{Table, floats, json, objects, sample, shared, workspace};
use nigh_tests::oracle::{best, dot, passes, recall};
use nigh_tests::server::{Server, Tuning};
use nigh_tests::{import, passages};
use serde_json::Value;
use std::collections::BTreeSet;

const C: &str = "passages";
const RECALL: f64 = 0.98;

struct Set {
    vectors: Table<f32>,
    payloads: Vec<Value>,
    queries: Table<f32>,
}

async fn check(set: Set, tuning: Tuning) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &tuning).await;
    let client = Client::connect(&server.url).await.unwrap();
    client.create_collection(C, passages::spec(set.vectors.columns)).await.unwrap();
    import::all(&client, C, passages::VECTOR, &set.vectors, &set.payloads).await;
    import::until_idle(&client, C).await;
    let status = client.describe_collection(C).await.unwrap().status;
    assert!(!status.segments.is_empty(), "a graph is searched, not live rows alone: {status:?}");

    // Unit vectors, as nearly as float16 has it: divided by the length, the dot product is the cosine.
    let lengths: Vec<f32> = set.vectors.iter().map(|row| dot(row, row).sqrt()).collect();
    let score =
        |query: &[f32]| set.vectors.iter().zip(&lengths).map(|(row, length)| dot(row, query) / length).collect();
    let scores: Vec<Vec<f32>> = set.queries.iter().map(score).collect();
    let filters = json(&workspace().join("tests/fixtures/filters.json"));
    let mut worst = (1.0, String::new());
    for filter in std::iter::once(None).chain(filters.as_array().unwrap().iter().map(Some)) {
        let name = filter.map_or("none", |filter| filter["name"].as_str().unwrap());
        let pass: Vec<bool> =
            set.payloads.iter().map(|payload| filter.is_none_or(|filter| passes(&filter["filter"], payload))).collect();
        let matching = pass.iter().filter(|pass| **pass).count();
        let counted = client.count(C, filter.map(|filter| passages::filter(&filter["filter"]))).await.unwrap();
        assert_eq!(counted, matching as u64, "{name}");
        let (mut sum, mut routes) = (0.0, BTreeSet::new());
        for (query, scores) in set.queries.iter().zip(&scores) {
            let wanted: Vec<u64> = best(scores, 10, |row| pass[row]).into_iter().map(|row| row as u64).collect();
            let mut ask = Query::dense(passages::VECTOR, query).limit(10).payload(Wanted::Nothing);
            ask.filter = filter.map(|filter| passages::filter(&filter["filter"]));
            let reply = client.query(C, ask).await.unwrap();
            routes.extend(reply.plans.into_iter().flat_map(|plan| plan.routes));
            let hits = reply.hits;
            assert_eq!(hits.len(), matching.min(10), "{name}: neither more hits nor fewer");
            sum += recall(&hits.iter().map(|hit| import::number(hit.id)).collect::<Vec<_>>(), &wanted);
        }
        let mean = sum / set.queries.rows() as f64;
        eprintln!("{name}: {matching} match, recall@10 {mean:.4}, by {routes:?}");
        if filter.is_none() && set.payloads.len() >= 20_000 {
            assert!(routes.contains("graph"), "a graph is searched where it is cheaper: {routes:?}");
        }
        if mean < worst.0 {
            worst = (mean, name.to_owned());
        }
    }
    assert!(worst.0 >= RECALL, "recall@10 under filter {} is {:.4}", worst.1, worst.0);
    if set.payloads.len() >= 20_000 {
        let filter = filters.as_array().unwrap().iter().find(|filter| filter["name"] == "no_year").unwrap();
        learns(&client, &set.queries, &filter["filter"]).await;
    }
    server.stop().await;
}

/// How easily the rows of a filter are reached is measured beside its queries; then they look at as many as that takes.
async fn learns(client: &Client, queries: &Table<f32>, filter: &Value) {
    let mut first = None;
    for at in 0..20_000 {
        let query = Query::dense(passages::VECTOR, queries.row(at % queries.rows()));
        let mut ask = query.limit(10).recall(0.9).payload(Wanted::Nothing);
        ask.filter = Some(passages::filter(filter));
        let plan = client.query(C, ask).await.unwrap().plans.remove(0);
        assert!(plan.routes.contains(&"codes".to_owned()) && plan.ef > 0, "the nearest cells are looked at: {plan:?}");
        if *first.get_or_insert(plan.ef) != plan.ef {
            eprintln!("{first:?} rows at first, {} after {at} queries", plan.ef);
            return;
        }
    }
    panic!("{first:?} rows at first, and after all queries");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_sample() {
    let set = Set {
        vectors: floats(&sample().join("points.f16.npy"), usize::MAX),
        payloads: objects(&sample().join("points.jsonl.gz"), usize::MAX),
        queries: floats(&sample().join("queries.f16.npy"), usize::MAX),
    };
    // Sealed early, so that several graphs and a merge take part.
    check(set, Tuning { seal_rows: Some(1_000), ..Tuning::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_20_000_passages() {
    let Some(folder) = shared("passages") else { return };
    let set = Set {
        vectors: floats(&folder.join("base.npy"), 20_000),
        payloads: objects(&folder.join("base.jsonl.gz"), 20_000),
        queries: floats(&folder.join("queries.npy"), 100),
    };
    check(set, Tuning { seal_rows: Some(20_000), ..Tuning::default() }).await;
}
