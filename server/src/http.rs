//! The HTTP port: is it alive, is it ready, how is it.

use crate::engine::Engine;
use crate::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use nigh_storage::opening::Opening;
use serde_json::{Value, json};
use std::sync::Arc;

/// What the pages are made of.
#[derive(Clone)]
struct Shared {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
}

/// The pages.
pub(crate) fn router(engine: Arc<Engine>, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readiness))
        .route("/metrics", get(numbers))
        .with_state(Shared { engine, metrics })
}

async fn readiness(State(shared): State<Shared>) -> impl IntoResponse {
    let progress = shared.engine.progress();
    let status = if progress.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let (open, opening, quarantined) = (progress.open, progress.opening, progress.quarantined);
    let collections = json!({"open": open, "opening": opening, "quarantined": quarantined});
    let opening: Vec<_> = shared.engine.openings().into_iter().map(opening_json).collect();
    let body = json!({"ready": progress.ready, "collections": collections, "opening": opening}).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body + "\n")
}

fn opening_json((name, opening): (String, Opening)) -> Value {
    let done = opening.done.min(opening.total);
    json!({
        "collection": name, "stage": opening.stage.name(), "done_bytes": done, "total_bytes": opening.total,
        "doing": opening.to_string(),
    })
}

async fn numbers(State(shared): State<Shared>) -> impl IntoResponse {
    let text = tokio::task::spawn_blocking(move || shared.metrics.text(&shared.engine)).await;
    match text {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain")], String::new()),
    }
}
