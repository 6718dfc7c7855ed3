//! Points into a running server, through the Rust client.

use crate::data::Table;
use nigh_client::{Client, Point, PointId};
use serde_json::Value;
use std::time::Duration;

/// Rows of a table with their payloads, as points numbered by row.
pub fn points(field: &str, vectors: &Table<f32>, payloads: &[Value], rows: std::ops::Range<usize>) -> Vec<Point> {
    let point = |row: usize| Point::new(row as u64).vector(field, vectors.row(row)).payload(payloads[row].clone());
    rows.map(point).collect()
}

/// Writes row i of the vectors with payload i as point i, in batches, durably, by two writers.
pub async fn all(client: &Client, collection: &str, field: &str, vectors: &Table<f32>, payloads: &[Value]) {
    assert_eq!(vectors.rows(), payloads.len());
    let share = async |first: usize| {
        for start in (first * 256..payloads.len()).step_by(512) {
            let rows = start..payloads.len().min(start + 256);
            client.upsert(collection, points(field, vectors, payloads, rows)).await.unwrap();
        }
    };
    tokio::join!(share(0), share(1));
}

/// Waits until nothing is being sealed or merged.
pub async fn until_idle(client: &Client, collection: &str) {
    let mut quiet = 0;
    while quiet < 5 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let status = client.describe_collection(collection).await.unwrap().status;
        quiet = if status.upkeep == "idle" { quiet + 1 } else { 0 };
    }
}

/// The number of a numbered id.
pub fn number(id: PointId) -> u64 {
    match id {
        PointId::Num(number) => number,
        other => panic!("{other} is not a number"),
    }
}
