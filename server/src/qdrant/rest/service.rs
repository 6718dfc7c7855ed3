//! What the server says of itself.

use super::reply::{Answer, Reply};
use crate::engine::Engine;
use crate::qdrant::fault::Fault;
use crate::qdrant::{API_VERSION, FULL_SNAPSHOT, TITLE};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

pub(super) async fn version() -> Json<Value> {
    Json(json!({"title": TITLE, "version": API_VERSION, "nigh": env!("CARGO_PKG_VERSION")}))
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

/// All collections together are copied by nigh's own backups.
pub(super) async fn snapshots() -> Fault {
    Fault::not_supported(FULL_SNAPSHOT)
}

/// One node has no cluster to change.
pub(super) async fn standalone() -> Fault {
    Fault::not_supported("a change of the cluster (there is one node)")
}
