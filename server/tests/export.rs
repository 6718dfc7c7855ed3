//! An export is taken back by an import: ids, vectors bit for bit, payloads.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::{Client, CollectionSpec, Metric, Point, PointId, Scroll, VectorsWanted};
use nigh_server::config::Config;
use nigh_server::serve::{Running, Server};
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output};
use tokio_stream::StreamExt;

async fn served(folder: &Path) -> (Running, Client) {
    let loopback = "127.0.0.1:0".parse().unwrap();
    let config = Config { grpc: loopback, http: loopback, ..Config::new(folder.join("data")) };
    let running = Server::start(config).await.unwrap();
    running.ready().await;
    let client = Client::connect(running.grpc_addr().to_string()).await.unwrap();
    (running, client)
}

async fn nigh(running: &Running, args: &[&str]) -> Output {
    let addr = running.grpc_addr().to_string();
    let mut nigh = Command::new(env!("CARGO_BIN_EXE_nigh"));
    nigh.args(args).args(["--addr", &addr]);
    tokio::task::spawn_blocking(move || nigh.output().unwrap()).await.unwrap()
}

async fn all(client: &Client, name: &str) -> Vec<Point> {
    let scroll = Scroll { vectors: VectorsWanted::All, ..Scroll::default() };
    let points: Result<Vec<Point>, _> = client.scroll(name, scroll).collect().await;
    points.unwrap()
}

type Bits = (PointId, Vec<(String, Vec<u32>)>, String);

/// Vectors as bits, so that -0.0 is not 0.0.
fn bits(points: &[Point]) -> Vec<Bits> {
    let vectors = |vectors: &HashMap<String, Vec<f32>>| {
        let mut all: Vec<_> =
            vectors.iter().map(|(name, one)| (name.clone(), one.iter().map(|x| x.to_bits()).collect())).collect();
        all.sort();
        all
    };
    points.iter().map(|point| (point.id, vectors(&point.vectors), point.payload.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let (running, client) = served(folder.path()).await;
    let spec = CollectionSpec::new().vector("v", 3, Metric::Dot).vector("w", 2, Metric::Euclid);
    client.create_collection("a", spec.clone()).await.unwrap();
    client.create_collection("b", spec).await.unwrap();
    let odd = [0.1, -0.0, f32::MIN_POSITIVE / 3.0];
    let mut points: Vec<Point> = (0..2500_u64)
        .map(|n| {
            let payload =
                json!({"z": n, "a": {"b": [1, 2.5, null, "ü\"\n"]}, "_id": "mine", "_payload": true, "year": 1990 + n});
            let point = Point::new(n * 3).payload(payload).vector("v", odd.map(|x| x * n as f32));
            if n % 2 == 0 { point.vector("w", [n as f32, 1e30]) } else { point }
        })
        .collect();
    points.push(Point::new(u64::MAX).payload(json!({})));
    points.push(Point::new("936da01f-9abd-4d9d-80c7-02af85c822a8".parse::<PointId>().unwrap()).vector("w", [1.0, 2.0]));
    client.upsert("a", points).await.unwrap();
    let before = all(&client, "a").await;
    client.pin("a", "then").await.unwrap();
    let file = folder.path().join("a.parquet");
    let file = file.to_str().unwrap();
    let said = nigh(&running, &["export", file, "-c", "a", "--column", "year:int"]).await;
    assert!(said.status.success(), "{said:?}");
    assert_eq!(client.pins("a").await.unwrap().len(), 1, "the version of the export is gone");
    let said = nigh(&running, &["import", file, "-c", "b"]).await;
    assert!(said.status.success(), "{said:?}");
    assert_eq!(bits(&all(&client, "b").await), bits(&before));

    client.delete("a", vec![PointId::Num(0)]).await.unwrap();
    client.drop_collection("b").await.unwrap();
    let then = folder.path().join("then.parquet");
    let said = nigh(&running, &["export", then.to_str().unwrap(), "-c", "a", "--at", "then", "-o", "json"]).await;
    assert!(String::from_utf8_lossy(&said.stdout).contains("\"rows\":2502"), "{said:?}");
    let said = nigh(&running, &["export", file, "-c", "a"]).await;
    assert_eq!(said.status.code(), Some(2), "a file is not written over: {said:?}");
    let said = nigh(&running, &["export", "/nowhere/x.parquet", "-c", "nothing"]).await;
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    running.shutdown().await.unwrap();
}
