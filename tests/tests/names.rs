//! Other names of collections, and what a collection would take, through the wire.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::schema::Load;
use nigh_client::{Client, CollectionSpec, Error, Metric, Point, Query};
use nigh_tests::random::Random;
use nigh_tests::server::{Server, Tuning};
use serde_json::json;

const SIZE: u32 = 32;

fn spec() -> CollectionSpec {
    CollectionSpec::new().vector("v", SIZE, Metric::Euclid).text("words", "standard")
}

#[tokio::test]
async fn an_alias_moves_in_one_step_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &Tuning::default()).await;
    let client = Client::connect(&server.url).await.unwrap();
    for (at, name) in ["blue", "green"].into_iter().enumerate() {
        client.create_collection(name, spec()).await.unwrap();
        let point = Point::new(at as u64).vector("v", vec![at as f32; SIZE as usize]);
        client.upsert(name, vec![point]).await.unwrap();
    }
    client.set_alias("live", "blue").await.unwrap();
    let first = async |client: &Client| {
        let query = Query::dense("v", [0.0; SIZE as usize]).limit(1);
        nigh_tests::import::number(client.query("live", query).await.unwrap().hits[0].id)
    };
    assert_eq!(first(&client).await, 0);
    // Writes go to the collection that the name stands for.
    client.upsert("live", vec![Point::new(7u64).payload(json!({"n": 1}))]).await.unwrap();
    assert_eq!(client.count("blue", None).await.unwrap(), 2);
    client.set_alias("live", "green").await.unwrap();
    assert_eq!(first(&client).await, 1);
    let refused = client.set_alias("green", "blue").await.unwrap_err();
    assert!(refused.to_string().contains("green"), "{refused}");
    let refused = client.create_collection("live", spec()).await.unwrap_err();
    assert!(refused.to_string().contains("live"), "{refused}");
    assert!(matches!(client.set_alias("x", "nobody").await, Err(Error::Server { .. })));
    server.stop().await;

    let server = Server::start_in(folder.path(), &Tuning::default()).await;
    let client = Client::connect(&server.url).await.unwrap();
    assert_eq!(first(&client).await, 1);
    client.delete_alias("live").await.unwrap();
    client.delete_alias("live").await.unwrap();
    assert!(client.aliases().await.unwrap().is_empty());
    assert!(client.count("live", None).await.is_err());
}

/// What is said of disk and memory is near what they come to: indexes within a quarter, all of it within two fifths.
#[tokio::test]
async fn an_estimate_is_near_what_is_measured() {
    const POINTS: u64 = 8_000;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &Tuning::default()).await;
    let client = Client::connect(&server.url).await.unwrap();
    client.create_collection("c", spec()).await.unwrap();
    let mut random = Random::new(7);
    let words = ["night", "light", "river", "stone", "window", "garden", "winter", "letter"];
    let (mut payload_bytes, mut text_bytes) = (0, 0);
    for batch in 0..POINTS / 500 {
        let mut points = Vec::new();
        for at in 0..500 {
            let text: Vec<&str> = (0..20).map(|_| random.pick(&words)).collect();
            let payload = json!({"words": text.join(" "), "n": random.below(100), "kind": random.pick(&words)});
            text_bytes += text.join(" ").len() as u64;
            payload_bytes += payload.to_string().len() as u64;
            points.push(Point::new(batch * 500 + at).vector("v", random.vector(SIZE as usize)).payload(payload));
        }
        client.upsert("c", points).await.unwrap();
    }
    let status = client.optimize("c").await.unwrap();
    let load = Load { points: POINTS, payload_bytes: payload_bytes / POINTS, text_bytes: text_bytes / POINTS };
    let estimate = client.estimate(spec(), load).await.unwrap();
    let disk = estimate.disk_bytes as f64 / status.disk_bytes as f64;
    assert!((0.6..1.4).contains(&disk), "{estimate:?}, {} bytes on disk", status.disk_bytes);
    assert!(estimate.memory_bytes < estimate.memory_peak_bytes && estimate.disk_bytes < estimate.disk_peak_bytes);
    let refused = client.estimate(spec(), Load { text_bytes: 9, ..Load::default() }).await.unwrap_err();
    assert!(refused.to_string().contains("text_bytes"), "{refused}");
}
