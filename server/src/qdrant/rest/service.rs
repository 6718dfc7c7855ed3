//! What the server says of itself.

use super::reply::{Answer, Fault, Reply};
use crate::engine::Engine;
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// The version of the API that clients compare with their own; nigh's own version is another thing.
const API_VERSION: &str = "1.19.0";

pub(super) async fn version() -> Json<Value> {
    let title = "nigh, a vector database that speaks the Qdrant API";
    Json(json!({"title": title, "version": API_VERSION, "nigh": env!("CARGO_PKG_VERSION")}))
}

pub(super) async fn telemetry(State(engine): State<Arc<Engine>>) -> Answer<Value> {
    let begun = Instant::now();
    let app = json!({"name": "nigh", "version": API_VERSION});
    let collections = json!({"number_of_collections": engine.list().len()});
    Ok(Reply::new(begun, json!({"id": "nigh", "app": app, "collections": collections})))
}

pub(super) async fn issues() -> Answer<Value> {
    Ok(Reply::new(Instant::now(), json!({"issues": []})))
}

pub(super) async fn clear_issues() -> Answer<bool> {
    Ok(Reply::new(Instant::now(), true))
}

pub(super) async fn cluster() -> Answer<Value> {
    Ok(Reply::new(Instant::now(), json!({"status": "disabled"})))
}

pub(super) async fn collection_cluster(
    State(engine): State<Arc<Engine>>,
    Path(collection): Path<String>,
) -> Answer<Value> {
    let begun = Instant::now();
    let points = engine.collection(&collection).map_err(Fault::from)?.snapshot().points();
    let shard = json!({"shard_id": 0, "points_count": points, "state": "Active"});
    Ok(Reply::new(
        begun,
        json!({"peer_id": 0, "shard_count": 1, "local_shards": [shard], "remote_shards": [], "shard_transfers": []}),
    ))
}
