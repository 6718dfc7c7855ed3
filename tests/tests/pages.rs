//! Many hits, most of them ties, read page by page at one version while others write: nothing twice, nothing missed, the same
//! order as in one piece. `NIGH_PAGES=100000` reads so many.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::point::Wanted;
use nigh_client::query::Direction;
use nigh_client::{Client, CollectionSpec, Metric, Point, Query, Retriever};
use nigh_tests::import::number;
use nigh_tests::server::{Server, Tuning};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const C: &str = "c";
const BATCH: u64 = 2_000;
const POINTS: u64 = 30_000;
const PAGE: u32 = 10_000;

/// So many as the environment says, in whole batches.
fn points() -> u64 {
    let asked = std::env::var("NIGH_PAGES").ok().and_then(|value| value.parse().ok()).unwrap_or(POINTS);
    asked.max(u64::from(PAGE)).next_multiple_of(BATCH)
}

/// Ten different vectors, a hundred different numbers, two different texts.
fn point(id: u64) -> Point {
    let text = if id.is_multiple_of(3) { "stone" } else { "stone stone moss" };
    let vector = [(id % 10) as f32, 1.0];
    Point::new(id).vector("v", vector).payload(json!({"n": (id * 7) % 100, "text": text}))
}

async fn pages(client: &Client, query: &Query) -> Vec<u64> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = query.clone().limit(PAGE).page(after).payload(Wanted::Nothing);
        let reply = client.query(C, page).await.unwrap();
        ids.extend(reply.hits.iter().map(|hit| number(hit.id)));
        after = reply.next;
        if after.is_none() {
            return ids;
        }
    }
}

/// Whether every point is there once, and the keys never fall; equal keys by rising id.
fn in_order<K: PartialOrd>(ids: &[u64], key: impl Fn(u64) -> K) {
    assert_eq!(ids.len() as u64, points());
    for pair in ids.windows(2) {
        let (one, other) = ((key(pair[0]), pair[0]), (key(pair[1]), pair[1]));
        assert!(one.0 < other.0 || (one.0 == other.0 && one.1 < other.1), "{} before {}", pair[0], pair[1]);
    }
    let mut rising = ids.to_vec();
    rising.sort_unstable();
    assert!(rising.into_iter().eq(0..points()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_one_version_never_overlap_and_leave_nothing_out() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing is sealed: graphs are not what is looked at.
    let server = Server::start_in(folder.path(), &Tuning { seal_rows: Some(u64::MAX), ..Tuning::default() }).await;
    // A debug build on a busy machine takes its time to write so much.
    let patient = Client::builder(&server.url).timeout(Duration::from_secs(600));
    let client = patient.connect().await.unwrap();
    let spec = CollectionSpec::new().vector("v", 2, Metric::Dot).text("text", "standard");
    client.create_collection(C, spec).await.unwrap();
    for from in (0..points()).step_by(BATCH as usize) {
        client.upsert(C, (from..from + BATCH).map(point)).await.unwrap();
    }
    client.pin(C, "pages").await.unwrap();

    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (done, client) = (done.clone(), client.clone());
        tokio::spawn(async move {
            let mut from = 0;
            while !done.load(Ordering::Relaxed) {
                // Points that are replaced by others, and new ones.
                let changed = (from..from + 50).flat_map(|id| [Point::new(id), Point::new(points() + id)]);
                let changed = changed.map(|point| point.vector("v", [99.0, 99.0]).payload(json!({"n": -1})));
                client.upsert(C, changed).await.unwrap();
                from += 50;
            }
        })
    };

    let near = Query::dense("v", [1.0, 0.0]).at("pages");
    let by_vector = pages(&client, &near).await;
    in_order(&by_vector, |id| 9 - id % 10);
    let by_words = pages(&client, &Query::words("text", "moss stone").at("pages")).await;
    in_order(&by_words, |id| id.is_multiple_of(3));
    let by_number = pages(&client, &Query::by(Retriever::order_by("n", Direction::Rising)).at("pages")).await;
    in_order(&by_number, |id| (id * 7) % 100);
    let falling = pages(&client, &Query::by(Retriever::order_by("n", Direction::Falling)).at("pages")).await;
    assert!(falling.iter().rev().eq(&by_number));
    let mut by_chance = pages(&client, &Query::by(Retriever::sample(Some(7))).at("pages")).await;
    by_chance.sort_unstable();
    in_order(&by_chance, |_| 0);

    // As far as an offset goes, it cuts the same ranking.
    let mut cut = Vec::new();
    for offset in (0..PAGE).step_by(2_500) {
        let page = near.clone().offset(offset).limit(2_500).payload(Wanted::Nothing);
        cut.extend(client.query(C, page).await.unwrap().hits.iter().map(|hit| number(hit.id)));
    }
    assert_eq!(cut, by_vector[..PAGE as usize]);

    done.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    let newest: HashMap<u64, ()> =
        pages(&client, &Query::dense("v", [1.0, 0.0])).await.into_iter().map(|id| (id, ())).collect();
    assert!(newest.len() as u64 > points(), "the writer went on meanwhile");
    server.stop().await;
}
